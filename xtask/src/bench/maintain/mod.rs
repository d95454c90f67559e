//! `cargo xtask bench maintain`: maintenance against the targets of its design, part by part.

use anyhow::Result;

mod bloat;
mod fixtures;
mod prediction;
mod retention;

/// What `cargo xtask bench maintain` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Which part
    #[arg(long, value_enum)]
    part: Part,
    /// Of the retention part: the share of ten million rows
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    scale: f64,
    /// Of the retention part: for how many seconds the application runs alone before each way
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    baseline: u64,
    /// Of the retention part: how often each way is gone
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    rounds: usize,
}

/// The parts.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Part {
    /// Estimates of bloat against what is really reclaimed, and their time in a database of many tables
    Bloat,
    /// Deleting expired rows beside an application, by batches and by what others do
    Retention,
    /// What plans predict against what comes of them, of the first run in a database and of the third
    Prediction,
}

/// Runs the bench.
pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match args.part {
        Part::Bloat => runtime.block_on(bloat::run()),
        Part::Prediction => runtime.block_on(prediction::run()),
        Part::Retention => runtime.block_on(retention::run(args.scale, args.baseline, args.rounds)),
    }
}
