//! `cargo xtask bench limits`: the rate limiter in memory beside governor, limitador and a limiter of moka.
//!
//! The bench is a package of its own, `bench/limits`, so that nobody else builds the peers.

use anyhow::Result;

use crate::metadata::Metadata;
use crate::shell::{cargo, run as run_command};

/// What `cargo xtask bench limits` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Checks of a measurement
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    checks: u64,
    /// Repeat each measurement so often, and take the best
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
}

/// Builds the bench and runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let metadata = Metadata::load()?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--manifest-path"]).arg(metadata.root.join("bench/limits/Cargo.toml"));
    command.arg("--target-dir").arg(metadata.target_folder.join("bench"));
    command.args(["--", &args.checks.to_string(), &args.runs.to_string()]);
    run_command(&mut command)
}
