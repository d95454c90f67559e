//! A port to listen on.

use std::net::TcpListener;

use crate::error::Error;

/// A port of 127.0.0.1 that nothing listens on now. Another process may take it before the server does; the server
/// then says so and the test fails, which is rare enough.
pub(crate) fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(listener.map_err(Error::io("find a free port"))?.port())
}
