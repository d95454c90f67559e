//! `cargo xtask example`: makes the files of `examples/shop` again, from a server that really runs the workload.
//!
//! The rows and the calls come from fixed formulas and a fixed seed; times, process numbers and the order in which
//! sessions come to their turn are those of the machine. Nothing in the files is edited afterwards: the log is what
//! the server wrote between the first and the last call.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

pub(crate) mod incident;
pub(crate) mod rng;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod shop;
pub(crate) mod size;
pub(crate) mod workload;

pub(crate) mod files;

use incident::Incident;
use shop::{Format, Shop};

/// The seed of the shipped workload.
pub(crate) const SEED: u64 = 20_250_701;

/// What `cargo xtask example` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How many times the rows of the shipped example
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    scale: u32,
    /// How many calls the services make; a call is a statement, or a few that belong together
    #[arg(long, value_name = "N", default_value_t = 3000)]
    calls: u32,
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value_os_t = shipped_folder())]
    out: PathBuf,
    /// Formats of the log
    #[arg(long, value_enum, default_value_t = Formats::Stderr)]
    pg_format: Formats,
    /// Log statements that take this many milliseconds or more
    #[arg(long, value_name = "MS", default_value_t = 1)]
    slow: u32,
}

/// Formats of the server's log to write.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Formats {
    Stderr,
    Csvlog,
    Jsonlog,
    All,
}

impl Formats {
    fn list(self) -> &'static [Format] {
        match self {
            Self::Stderr => &[Format::Stderr],
            Self::Csvlog => &[Format::Csv],
            Self::Jsonlog => &[Format::Json],
            Self::All => &Format::ALL,
        }
    }
}

/// Makes the example.
pub(crate) fn run(args: &Args) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(make(args))
}

async fn make(args: &Args) -> Result<()> {
    let formats = args.pg_format.list();
    let destinations: Vec<&str> = formats.iter().map(|format| format.destination()).collect();
    let slow = format!("{}ms", args.slow);
    let shop = Shop::start(args.scale, &settings(&destinations.join(","), &slow))?;
    let say = |text: &str| anstream::eprintln!("{text}");
    say("making the rows ...");
    shop.create("shop").await?;
    let (admin, shop_admin) = (shop.admin("postgres").await?, shop.admin("shop").await?);
    admin.script("CHECKPOINT").await?;
    // Counters begin with the workload; the loading must not look like traffic.
    shop_admin.script("SELECT pg_stat_reset()").await?;
    admin.script("SELECT pg_stat_statements_reset()").await?;
    let calls = workload::calls(SEED, shop.sizes, args.calls);
    let begin = positions(&shop, formats).await;
    say(&format!("running {} calls ...", calls.len()));
    let share = calls.len().div_ceil(Incident::ALL.len());
    for (calls, incident) in calls.chunks(share).zip(Incident::ALL) {
        run::at_once(&shop, "shop", calls).await?;
        incident.happen(&shop, "shop").await?;
    }
    // Autovacuum comes once a second here; wait for it to have its say about the carts and the sessions.
    tokio::time::sleep(Duration::from_secs(3)).await;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make `{}`", args.out.display()))?;
    for (format, begin) in formats.iter().zip(begin) {
        let log = fs::read(shop.log(*format)).context("cannot read the server's log")?;
        write(&args.out.join("postgresql").with_extension(format.collected_as()), &log[begin..])?;
    }
    write(&args.out.join("workload.sql"), files::statements(&calls).as_bytes())?;
    let statistics = files::pg_stat_statements(&admin).await?;
    write(&args.out.join("pg_stat_statements.csv"), statistics.as_bytes())?;
    write(&args.out.join("shop.snapshot.json"), &files::snapshot(&shop_admin).await?)?;
    for (name, text) in files::plans(&shop_admin).await? {
        write(&args.out.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// How the example's server logs.
fn settings<'a>(destinations: &'a str, slow: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("log_destination", destinations),
        ("log_min_duration_statement", slow),
        ("log_connections", "on"),
        ("log_disconnections", "on"),
        ("log_lock_waits", "on"),
        ("log_temp_files", "0"),
        ("log_checkpoints", "on"),
        ("log_autovacuum_min_duration", "0"),
        ("autovacuum", "on"),
        ("autovacuum_naptime", "1s"),
        ("auto_explain.log_min_duration", "25ms"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
        ("auto_explain.log_buffers", "on"),
        ("pg_stat_statements.track_planning", "on"),
    ]
}

/// The lengths of the logs, once the collector has written what it was sent.
async fn positions(shop: &Shop, formats: &[Format]) -> Vec<usize> {
    tokio::time::sleep(Duration::from_millis(500)).await;
    let length = |format: &Format| fs::metadata(shop.log(*format)).map_or(0, |metadata| metadata.len() as usize);
    formats.iter().map(length).collect()
}

fn write(path: &Path, contents: &[u8]) -> Result<()> {
    fs::write(path, contents).with_context(|| format!("cannot write `{}`", path.display()))?;
    anstream::eprintln!("{} ({} kB)", path.display(), contents.len().div_ceil(1000));
    Ok(())
}

fn shipped_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shop")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(name: &str) -> String {
        fs::read_to_string(shipped_folder().join(name)).expect("the example is shipped as text")
    }

    #[test]
    fn shipped_statements_are_those_of_the_workload() {
        let calls = workload::calls(SEED, size::Sizes::at(1), 3000);
        assert_eq!(shipped("workload.sql"), files::statements(&calls), "run `cargo xtask example`");
    }

    #[test]
    fn the_shipped_log_is_small_and_tells_nothing_of_the_machine() {
        let log = shipped("postgresql.log");
        assert!(log.len() < 2_000_000, "{} bytes", log.len());
        for foreign in ["/tmp", "/home", "/var", "/work", "listening on", "password"] {
            assert!(!log.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_shipped_log_has_every_class_that_is_slow_and_every_incident() {
        let log = shipped("postgresql.log");
        for text in [
            r#"WHERE "orders"."customer_id" = $1"#,
            "status = 'pending'",
            "provider_ref = $3",
            "  plan:\n\tQuery Text: ",
            "ERROR:  duplicate key value",
            "ERROR:  insert or update on table",
            "ERROR:  new row for relation",
            "ERROR:  syntax error",
            "ERROR:  column o.order_number does not exist",
            "ERROR:  canceling statement due to statement timeout",
            "ERROR:  deadlock detected",
            "FATAL:  database \"shop_staging\" does not exist",
            "still waiting for ShareLock",
            "unexpected EOF on client connection with an open transaction",
            "checkpoint complete",
            "automatic vacuum of table",
            "temporary file: path",
        ] {
            assert!(log.contains(text), "{text}");
        }
    }
}
