//! TLS by `sslmode`, over rustls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::Socket;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::Error;
use crate::settings::TlsSettings;
use crate::target::Target;

mod config;
mod explain;
mod names;
mod verify;

pub(crate) use explain::explain;

/// Opens TLS over a connection, and remembers that it came to that: a server may have said that it has none.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: MakeRustlsConnect,
    used: Arc<AtomicBool>,
}

impl Connector {
    /// Reads the certificates and prepares the verification that the settings ask for.
    pub(crate) fn new(settings: &TlsSettings, target: &Target) -> Result<Self, Error> {
        let config = config::client_config(settings, target).map_err(|fault| Error::Tls {
            target: target.to_string(),
            message: fault.message,
            hint: fault.hint,
        })?;
        Ok(Self { inner: MakeRustlsConnect::new(config), used: Arc::default() })
    }

    /// Whether TLS was begun on any connection so far.
    pub(crate) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = NotingConnect<<MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect>;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, host_name: &str) -> Result<Self::TlsConnect, Self::Error> {
        let inner = MakeTlsConnect::<Socket>::make_tls_connect(&mut self.inner, host_name)?;
        Ok(NotingConnect { inner, used: Arc::clone(&self.used) })
    }
}

/// One use of a [`Connector`].
pub(crate) struct NotingConnect<C> {
    inner: C,
    used: Arc<AtomicBool>,
}

impl<S, C: TlsConnect<S>> TlsConnect<S> for NotingConnect<C> {
    type Stream = C::Stream;
    type Error = C::Error;
    type Future = C::Future;

    fn connect(self, stream: S) -> Self::Future {
        self.used.store(true, Ordering::Relaxed);
        self.inner.connect(stream)
    }
}
