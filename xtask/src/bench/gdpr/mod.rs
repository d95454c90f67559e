//! `cargo xtask bench gdpr`: exporting, erasing and searching a person, against the targets of their design.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

mod erase;
mod export;
mod init;
mod shop;
mod tables;
mod unindexed;
mod verify;

use shop::Shop;
use tables::Size;

/// What `cargo xtask bench gdpr` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Which part; all of them in turn on one database when not given
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// The share of ten million rows
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    scale: f64,
    /// How often each way is gone
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    runs: u64,
    /// A folder with schemas of applications, a file of SQL each, for the part `init`
    #[arg(long, value_name = "FOLDER")]
    schemas: Option<PathBuf>,
}

/// The parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Finding the rows of a person and packing them, beside one query for each reference
    Export,
    /// Searching the database for a person's identifiers, beside `COPY … | grep -iF`
    Verify,
    /// Erasing persons, beside one transaction of the same statements with known keys
    Erase,
    /// The same without indexes of foreign keys, beside the plan's forecast and plain deletes
    Unindexed,
    /// First policies of schemas of applications (`--schemas`), beside the foreign keys that they declare; only when it is named
    Init,
}

/// Rounds without indexes, which take a minute and more.
const MOST_UNINDEXED: u64 = 2;

/// Runs the bench.
pub(crate) fn run(dbopt: &Path, args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.part.contains(&Part::Init) {
        let folder = args.schemas.as_deref().context("the part `init` needs `--schemas FOLDER`")?;
        runtime.block_on(init::run(dbopt, folder))?;
        if args.part.len() == 1 {
            return Ok(());
        }
    }
    let is_wanted = |part: Part| args.part.is_empty() || args.part.contains(&part);
    // Two fresh persons for each round of erasing, with indexes and without, and one for when the advised indexes are there.
    let unindexed = args.runs.min(MOST_UNINDEXED);
    let size = Size { scale: args.scale, persons: (2 * args.runs + 2 * unindexed + 2).max(8) };
    let mut persons = 0..size.persons;
    let shop = Shop::start(size)?;
    runtime.block_on(async {
        if is_wanted(Part::Export) {
            export::run(&shop, dbopt, args.runs).await?;
        }
        if is_wanted(Part::Verify) {
            verify::run(&shop, args.runs).await?;
        }
        if is_wanted(Part::Erase) {
            erase::run(&shop, persons.by_ref().take(2 * args.runs as usize).collect()).await?;
        }
        if is_wanted(Part::Unindexed) {
            unindexed::run(&shop, persons.by_ref().take(2 * unindexed as usize + 1).collect()).await?;
        }
        Ok(())
    })
}
