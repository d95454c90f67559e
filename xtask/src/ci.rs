//! `cargo xtask ci`: everything that must hold before a change lands.

use std::process::ExitCode;

use crate::shell::{cargo, run};
use crate::{deps, test};

/// Runs formatting, lints, arrows, documentation and tests, in the order of how soon they fail.
pub(crate) fn ci() -> anyhow::Result<ExitCode> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    deps::deps()?;
    // Its own backend: in the workspace others ask for that of ring.
    run(cargo().args(["test", "--package", "dbopt-crypto"]))?;
    run(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    test::test(&test::Args::default())
}
