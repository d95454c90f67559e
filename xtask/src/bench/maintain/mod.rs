//! `cargo xtask bench maintain`: maintenance against the targets of its design, part by part.

use anyhow::Result;

mod bloat;
mod fixtures;

/// What `cargo xtask bench maintain` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Which part
    #[arg(long, value_enum)]
    part: Part,
}

/// The parts.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Part {
    /// Estimates of bloat against what is really reclaimed, and their time in a database of many tables
    Bloat,
}

/// Runs the bench.
pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match args.part {
        Part::Bloat => runtime.block_on(bloat::run()),
    }
}
