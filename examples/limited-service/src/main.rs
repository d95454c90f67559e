//! A service over HTTP whose limits are in a policy file, which it reloads when it changes.
//!
//! `limited-service [POLICY [ADDRESS]]`; see the README beside it.

mod policy;
mod service;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
};

use anyhow::Context as _;
use dbopt_ratelimit::{Event, Keyer, Limiter, MemoryConfig, MemoryStore, Options, axum::layer, tower::Headers};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let file =
        arguments.next().map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/ratelimit.toml").into(), PathBuf::from);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".into());
    let address = address.to_str().context("the address is not in UTF-8")?;

    let watch = policy::open(&file)?;
    let store = MemoryStore::new(MemoryConfig::default());
    // `dbopt_ratelimit` tells all this to `tracing` too. A refusal is no news: an attacker makes as many as it likes.
    let options = Options::default().subscriber(|event: &Event| {
        if !matches!(event, Event::Refused { .. }) {
            say(event);
        }
    });
    let limiter = Limiter::with(store, watch.current().rules.clone(), Keyer::random()?, options);
    let limits =
        layer(limiter).trusted(watch.current().client.clone()).who(service::who).headers(Headers::DraftAndOlder);
    policy::follow(watch, limits.clone())?;

    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))?;
    say(format_args!("listening on http://{}", listener.local_addr()?));
    let service = service::router(limits).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(interrupted()).await?;
    Ok(())
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without the signal there is nothing to wait for but the end of the process.
        std::future::pending::<()>().await;
    }
}

/// Writes a line to the log, which is standard error. A log that is gone is no reason to stop.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
