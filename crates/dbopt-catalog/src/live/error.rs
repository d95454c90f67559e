//! What can go wrong with a live session.

use tokio_postgres::error::SqlState;

/// Why a catalogue could not be read from a live session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused a query, or the connection broke.
    #[error("read {what} from the server")]
    Query {
        /// What was being read.
        what: &'static str,
        /// What the server or the driver said.
        #[source]
        source: tokio_postgres::Error,
    },
}

impl Error {
    /// Whether a lock was not to be had in time.
    pub(super) fn is_lock_timeout(&self) -> bool {
        let Self::Query { source, .. } = self;
        source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
    }
}
