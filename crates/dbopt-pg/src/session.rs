//! An open session.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{CancelToken, Client, IsolationLevel, NoTls, Row, Transaction};

use crate::connect::{self, Opened};
use crate::error::Error;
use crate::profile::SessionProfile;
use crate::settings::Settings;
use crate::tls::Connector;

/// A session with a server. It needs a tokio runtime with I/O and time, and ends when it is dropped.
pub struct Session {
    client: Client,
    connection: JoinHandle<()>,
    /// What the connection ended with, set before any statement can learn that it has.
    end: Arc<OnceLock<String>>,
    connector: Option<Connector>,
    server: String,
    encrypted: bool,
    server_version_num: u32,
    in_recovery: bool,
}

impl Session {
    /// Opens a session with the first server that will do, and applies the profile to it.
    ///
    /// # Errors
    /// When no server can be used: each attempt's error, or the error itself when there was one attempt.
    pub async fn connect(settings: &Settings, profile: &SessionProfile) -> Result<Self, Error> {
        let Opened { client, connection, end, connector, target, encrypted, facts } = connect::open(settings).await?;
        let session = Self {
            client,
            connection,
            end,
            connector,
            server: target,
            encrypted,
            server_version_num: facts.server_version_num,
            in_recovery: facts.in_recovery,
        };
        session.batch(&profile.statements()).await?;
        Ok(session)
    }

    /// The client, for what the helpers here do not cover. Turn its errors into this crate's by [`Session::error`].
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The client, for transactions.
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// When the server cannot run it or the connection is lost.
    pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.client.query(sql, parameters).await.map_err(|error| self.error(error))
    }

    /// Runs statements that return nothing of interest, by the simple query protocol.
    ///
    /// # Errors
    /// When the server cannot run one of them or the connection is lost.
    pub async fn batch(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await.map_err(|error| self.error(error))
    }

    /// Begins a read-only transaction that sees one state of the database throughout.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn read_only(&mut self) -> Result<Transaction<'_>, Error> {
        let end = Arc::clone(&self.end);
        let begin = self.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        begin.start().await.map_err(|error| Error::using(error, end.get().map(String::as_str)))
    }

    /// Sorts an error of the client, and says why when the connection is lost.
    #[must_use]
    pub fn error(&self, error: tokio_postgres::Error) -> Error {
        Error::using(error, self.end.get().map(String::as_str))
    }

    /// The server's version as in `server_version_num`, such as 150008.
    #[must_use]
    pub fn server_version_num(&self) -> u32 {
        self.server_version_num
    }

    /// Whether the server was a standby when the session was opened.
    #[must_use]
    pub fn in_recovery(&self) -> bool {
        self.in_recovery
    }

    /// The server, as `host:port` or the path of its socket.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Whether the connection is encrypted by TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// A handle that cancels what the session is doing, from another task.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller { token: self.client.cancel_token(), connector: self.connector.clone(), server: self.server.clone() }
    }

    /// Cancels what the session is doing.
    ///
    /// # Errors
    /// When the server cannot be reached a second time.
    pub async fn cancel(&self) -> Result<(), Error> {
        self.canceller().cancel().await
    }

    /// Ends the session in order, and waits a little for the goodbye to be sent.
    pub async fn close(self) {
        drop(self.client);
        // When the server does not even take the goodbye, waiting longer helps nobody.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.connection).await;
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut fields = f.debug_struct("Session");
        fields.field("server", &self.server).field("server_version_num", &self.server_version_num);
        fields.finish_non_exhaustive()
    }
}

/// Cancels what a session is doing.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    connector: Option<Connector>,
    server: String,
}

impl Canceller {
    /// Asks the server to cancel the running statement. It then fails with [`Error::Cancelled`], unless it was done
    /// already.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn cancel(&self) -> Result<(), Error> {
        let result = match &self.connector {
            Some(connector) => self.token.cancel_query(connector.clone()).await,
            None => self.token.cancel_query(NoTls).await,
        };
        result.map_err(|error| Error::opening(&self.server, "", error))
    }
}
