//! `cargo xtask torture`: ends a command in every way at many random moments, and looks what the next run makes of it.
//!
//! The everyday tests do the same at a handful of moments (`crates/dbopt/tests/torture.rs`,
//! `crates/dbopt-maintain/tests/torture.rs`, `crates/dbopt/tests/torture_re_encrypt.rs`, `crates/dbopt/tests/torture_gdpr_erase.rs`).

use std::process::ExitCode;

use anyhow::Context as _;
use dbopt_testkit::BIN_VARIABLE;

use crate::setup;
use crate::shell::{cargo, say, show};

/// What to torture.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command
    #[arg(value_enum)]
    command: Tortured,
    /// At how many moments it is ended; of maintenance, each of its actions
    #[arg(long, default_value_t = 50, value_name = "N")]
    points: u32,
    /// Of maintenance, this action only, such as `reindex`
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// The seed of the moments, as a failure prints it
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// The commands that can be.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Tortured {
    /// Building and dropping indexes
    Apply,
    /// Every action of maintenance
    Maintain,
    /// Sealing the values of a table
    ReEncrypt,
    /// Erasing a person
    Gdpr,
}

/// Runs it; the exit code is that of the test.
pub(crate) fn torture(args: &Args) -> anyhow::Result<ExitCode> {
    let server = setup::server()?;
    let (package, test) = match args.command {
        Tortured::Apply => ("dbopt", "torture"),
        Tortured::Maintain => ("dbopt-maintain", "torture"),
        Tortured::ReEncrypt => ("dbopt", "torture_re_encrypt"),
        Tortured::Gdpr => ("dbopt", "torture_gdpr_erase"),
    };
    let mut command = cargo();
    command.args(["test", "--package", package, "--test", test, "--", "--nocapture"]);
    command.env(BIN_VARIABLE, server.folder()).env("DBOPT_TORTURE_POINTS", args.points.to_string());
    command.envs(args.action.as_ref().map(|action| ("DBOPT_TORTURE_ACTION", action)));
    if let Some(seed) = args.seed {
        command.env("DBOPT_TORTURE_SEED", seed.to_string());
    }
    say(format_args!("PostgreSQL {}, {} points: {}", server.major()?, args.points, show(&command)));
    let status = command.status().context("cannot run cargo test")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
