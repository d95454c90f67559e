//! A service over HTTP that gives customers their data and erases them, with a pool of its own.
//!
//! `privacy-service DATABASE [POLICY [ADDRESS]]`; see the README beside it.

mod export;
mod failure;
mod service;

use std::{
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use dbopt_gdpr::GdprPolicy;
use deadpool_postgres::{Manager, Pool, Runtime};
use tokio::net::TcpListener;
use tokio_postgres::NoTls;

const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gdpr.toml");

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        [database] => serve(database, POLICY, "127.0.0.1:3000"),
        [database, policy] => serve(database, policy, "127.0.0.1:3000"),
        [database, policy, address] => serve(database, policy, address),
        _ => bail!("usage: privacy-service DATABASE [POLICY [ADDRESS]]"),
    }
}

/// Reads the policy, and says on standard error what is wrong or weak about it.
fn policy(path: &Path) -> anyhow::Result<GdprPolicy> {
    match dbopt_policy::load::<GdprPolicy>(path) {
        Ok(loaded) => {
            loaded.findings.iter().for_each(say);
            Ok(loaded.policy)
        }
        Err(refused) => {
            refused.findings.iter().for_each(say);
            bail!(refused)
        }
    }
}

#[tokio::main]
async fn serve(database: &str, path: &str, address: &str) -> anyhow::Result<()> {
    let policy = policy(Path::new(path))?;
    let manager = Manager::new(database.parse()?, NoTls);
    let pool = Pool::builder(manager).max_size(4).runtime(Runtime::Tokio1).build()?;
    let client = pool.get().await.context("no session with the database")?;
    client.batch_execute(include_str!("../schema.sql")).await.context("the schema is not as it should be")?;
    drop(client);
    let router = service::router(pool, policy)?;

    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))?;
    say(format_args!("listening on http://{}", listener.local_addr()?));
    axum::serve(listener, router).await?;
    Ok(())
}

/// Writes a line to the log, which is standard error. A log that is gone is no reason to stop.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
