//! What can go wrong before a test has its server.

use std::io;
use std::path::PathBuf;

/// Why a server could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No folder with `initdb` and `postgres` was found.
    #[error("no PostgreSQL server programs found (looked in {looked_in}); run `cargo xtask setup`")]
    NoServer {
        /// The places that were looked at, comma-separated.
        looked_in: String,
    },
    /// `DBOPT_TEST_PG_BIN` names a folder without server programs.
    #[error("`DBOPT_TEST_PG_BIN` is `{}`, which has no `initdb` and `postgres`", .0.display())]
    BadVariable(PathBuf),
    /// Neither Redis nor Valkey was found.
    #[error("no `redis-server` or `valkey-server` in PATH; run `cargo xtask setup`")]
    NoRedis,
    /// Running as root without an unprivileged account to drop to.
    #[error("running as root, and neither `postgres` nor `nobody` is in /etc/passwd; the server refuses root")]
    NoAccount,
    /// A program ended with a failure.
    #[error("`{program}` failed:\n{output}")]
    Failed {
        /// The program.
        program: String,
        /// What it wrote, or the end of its log.
        output: String,
    },
    /// The server did not accept a connection in time.
    #[error("the server did not answer within {seconds} s; the end of its log:\n{log}")]
    NotReady {
        /// Seconds waited.
        seconds: u64,
        /// The end of the server's log.
        log: String,
    },
    /// A file or process operation failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    /// Says what was being done when an I/O error came.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
