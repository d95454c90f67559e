//! `cargo xtask loom`: the limiter's store under every order of its threads, by loom (<https://docs.rs/loom>).

use crate::metadata::Metadata;
use crate::shell::{cargo, run};

/// Runs the models. They are built in a folder of their own, since their flag goes to every crate. It is not loom's own, at which
/// tokio, which other tests need, leaves out its sockets.
pub(crate) fn loom() -> anyhow::Result<()> {
    let target = Metadata::load()?.target_folder.join("loom");
    let mut command = cargo();
    command.args(["test", "--package", "dbopt-ratelimit", "--test", "loom", "--target-dir"]).arg(target);
    // Two switches of threads at other moments than those where one waits find what is found in practice, in seconds.
    run(command.env("RUSTFLAGS", "--cfg dbopt_loom").env("LOOM_MAX_PREEMPTIONS", "2"))
}
