//! `cargo xtask ci`: everything that must hold before a change lands.

use std::process::ExitCode;

use crate::shell::{cargo, run};
use crate::{deps, test};

/// Runs formatting, lints, arrows, documentation and tests, in the order of how soon they fail.
pub(crate) fn ci() -> anyhow::Result<ExitCode> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    deps::deps()?;
    // The other backend, which the workspace's features do not ask for.
    run(cargo().args(["test", "--package", "dbopt-crypto", "--features", "ring"]))?;
    run(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    test::test(&test::Args::default())
}
