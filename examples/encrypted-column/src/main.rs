//! A service over HTTP that keeps e-mail addresses encrypted in PostgreSQL, and finds customers by them.
//!
//! `encrypted-column init|rotate [POLICY]`, `encrypted-column serve DATABASE [POLICY [ADDRESS]]`; see the README beside it.

mod keys;
mod service;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use dbopt_crypto::{EncryptionPolicy, FieldCipher};
use tokio::net::TcpListener;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["init"] => keys::init(&policy_path(None)),
        ["init", policy] => keys::init(&policy_path(Some(policy))),
        ["rotate"] => keys::rotate(&policy_path(None)),
        ["rotate", policy] => keys::rotate(&policy_path(Some(policy))),
        ["serve", database] => serve(database, &policy_path(None), "127.0.0.1:3000"),
        ["serve", database, policy] => serve(database, &policy_path(Some(policy)), "127.0.0.1:3000"),
        ["serve", database, policy, address] => serve(database, &policy_path(Some(policy)), address),
        _ => bail!("usage: encrypted-column init|rotate [POLICY], or serve DATABASE [POLICY [ADDRESS]]"),
    }
}

fn policy_path(given: Option<&str>) -> PathBuf {
    given.unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/encryption.toml")).into()
}

/// Reads the policy, and says on standard error what is wrong or weak about it.
fn policy(path: &Path, secrets: bool) -> anyhow::Result<EncryptionPolicy> {
    match dbopt_policy::load_with::<EncryptionPolicy>(path, dbopt_policy::Options { secrets }) {
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
async fn serve(database: &str, path: &Path, address: &str) -> anyhow::Result<()> {
    let policy = policy(path, true)?;
    let keys = Arc::new(policy.store()?);
    let cipher = FieldCipher::new(&policy, &keys)?;
    let (client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            say(error);
        }
    });
    client.batch_execute(include_str!("../schema.sql")).await.context("the schema is not as it should be")?;

    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))?;
    say(format_args!("listening on http://{}", listener.local_addr()?));
    axum::serve(listener, service::router(client, cipher)).await?;
    Ok(())
}

/// Writes a line to the log, which is standard error. A log that is gone is no reason to stop.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
