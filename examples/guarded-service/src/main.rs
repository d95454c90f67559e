//! `guarded-service [FOLDER [ADDRESS]]`: the example over HTTP; see the README beside it.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
};

use anyhow::Context as _;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".into());
    let address = address.to_str().context("the address is not in UTF-8")?;
    let service = guarded_service::service(&folder)?.into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))?;
    // A log that is gone is no reason to stop.
    let _ = writeln!(io::stderr(), "listening on http://{}", listener.local_addr()?);
    axum::serve(listener, service).await?;
    Ok(())
}
