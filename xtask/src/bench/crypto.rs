//! `cargo xtask bench crypto`: sealing and opening a field beside bare ciphers of three libraries.
//!
//! The bench is a package of its own, `bench/crypto`, so that nobody else builds the peers. It is built once for each backend of
//! dbopt-crypto.

use anyhow::Result;

use crate::metadata::Metadata;
use crate::shell::{cargo, run as run_command};

/// What `cargo xtask bench crypto` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Repeat each measurement so often, and take the best
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// Builds the bench and runs it, with each backend.
pub(crate) fn run(args: &Args) -> Result<()> {
    let metadata = Metadata::load()?;
    for features in [&[][..], &["--features", "ring"]] {
        let mut command = cargo();
        command.args(["run", "--quiet", "--release", "--manifest-path"]);
        command.arg(metadata.root.join("bench/crypto/Cargo.toml")).args(features);
        command.arg("--target-dir").arg(metadata.target_folder.join("bench"));
        run_command(command.arg("--").arg(args.runs.to_string()))?;
    }
    Ok(())
}
