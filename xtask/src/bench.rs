//! `cargo xtask bench NAME`: figures for docs/benchmarks.md, each beside a peer or a truth.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

mod advise;
mod agree;
mod audit;
mod auth;
mod classes;
mod crypto;
mod gdpr;
mod limits;
mod logs;
mod maintain;
mod measure;
mod peer;
mod re_encrypt;
mod server;
mod synth;

/// What `cargo xtask bench` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    bench: Bench,
    /// Measure this program instead of building the present one
    #[arg(long, global = true, value_name = "PATH")]
    dbopt: Option<PathBuf>,
}

/// The benches.
#[derive(Clone, Debug, clap::Subcommand)]
enum Bench {
    /// Speed, memory and counts of reading logs, beside pgBadger
    Logs(logs::Args),
    /// The logged workload's time before and after the advice, beside a simple advisor
    Advise(advise::Args),
    /// Whether advice from a snapshot is the advice of HypoPG on the live server
    Agree(agree::Args),
    /// How fast a long audit record is verified, beside hashing and reading alone
    Audit(audit::Args),
    /// Sealing and opening fields beside bare ciphers of three libraries
    Crypto(crypto::Args),
    /// Passwords, tokens and permissions beside libargon2, ring and aws-lc-rs
    Auth(auth::Args),
    /// The rate limiter beside governor, limitador, moka and bare commands
    Limits(limits::Args),
    /// Maintenance: estimates, retention, and predictions, against what comes of them
    Maintain(maintain::Args),
    /// Exporting, erasing and searching a person in ten million rows
    Gdpr(gdpr::Args),
    /// Encrypting a table of a million rows beside an application
    ReEncrypt(re_encrypt::Args),
}

/// Runs a bench.
pub(crate) fn run(args: &Args) -> Result<()> {
    let dbopt = || args.dbopt.clone().map_or_else(dbopt, Ok);
    match &args.bench {
        Bench::ReEncrypt(args) => re_encrypt::run(&dbopt()?, args),
        Bench::Gdpr(args) => gdpr::run(&dbopt()?, args),
        Bench::Logs(args) => logs::run(&dbopt()?, args),
        Bench::Advise(args) => advise::run(&dbopt()?, args),
        Bench::Agree(args) => agree::run(&dbopt()?, args),
        Bench::Audit(args) => audit::run(&dbopt()?, args),
        // Libraries are measured.
        Bench::Crypto(args) => crypto::run(args),
        Bench::Auth(args) => auth::run(args),
        Bench::Limits(args) => limits::run(args),
        Bench::Maintain(args) => maintain::run(args),
    }
}

/// Builds dbopt as it is released, and says where it is.
fn dbopt() -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--package", "dbopt", "--message-format", "json"]);
    let output = cargo.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    anyhow::ensure!(output.status.success(), "dbopt cannot be built");
    let messages = output.stdout.split(|byte| *byte == b'\n');
    messages
        .filter_map(|message| serde_json::from_slice::<Value>(message).ok())
        .filter(|message| message["target"]["name"] == "dbopt")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo did not say where dbopt is")
}

/// Prints a line of the report.
fn say(line: &str) {
    anstream::println!("{line}");
}
