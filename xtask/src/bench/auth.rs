//! `cargo xtask bench auth`: passwords, tokens and permissions beside libargon2, ring and aws-lc-rs.
//!
//! The bench is a package of its own, `bench/auth`, so that nobody else builds the peers.

use anyhow::Result;

use crate::metadata::Metadata;
use crate::shell::{cargo, run as run_command};

/// What `cargo xtask bench auth` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Repeat each measurement so often, and take the best
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// Builds the bench and runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let metadata = Metadata::load()?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--manifest-path"]).arg(metadata.root.join("bench/auth/Cargo.toml"));
    command.arg("--target-dir").arg(metadata.target_folder.join("bench"));
    command.arg("--").arg(args.runs.to_string());
    run_command(&mut command)
}
