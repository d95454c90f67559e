//! `cargo xtask bench limits`: the rate limiter in memory beside governor, limitador and a limiter of moka, and its limits in
//! Redis and PostgreSQL beside bare commands on the same servers.
//!
//! The benches are packages of their own, `bench/limits` and `bench/limits-shared`, so that nobody else builds the peers.

use anyhow::Result;

use crate::metadata::Metadata;
use crate::setup;
use crate::shell::{cargo, run as run_command};

/// What `cargo xtask bench limits` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure only one of the two
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// In memory: checks of a measurement
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    checks: u64,
    /// In memory: repeat each measurement so often, and take the best
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Shared: seconds of a measurement
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Shared: repeat each measurement so often, and take the best
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Limits of one process
    Memory,
    /// Limits in Redis and PostgreSQL
    Shared,
}

/// Builds the benches and runs them.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.only != Some(Part::Shared) {
        run_package("limits", [args.checks, args.runs])?;
    }
    if args.only != Some(Part::Memory) {
        setup::server()?;
        setup::redis()?;
        run_package("limits-shared", [args.seconds, args.rounds])?;
    }
    Ok(())
}

fn run_package(name: &str, sizes: [u64; 2]) -> Result<()> {
    let metadata = Metadata::load()?;
    let manifest = metadata.root.join("bench").join(name).join("Cargo.toml");
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--manifest-path"]).arg(manifest);
    command.arg("--target-dir").arg(metadata.target_folder.join("bench"));
    command.arg("--").args(sizes.map(|size| size.to_string()));
    run_command(&mut command)
}
