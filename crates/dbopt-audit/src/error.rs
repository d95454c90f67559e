//! What can go wrong with a store.

/// Why a record could not be appended or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The entry is not one that may be recorded.
    #[error("the entry cannot be recorded: {0}")]
    Entry(&'static str),
    /// The session failed.
    #[error(transparent)]
    Session(#[from] dbopt_pg::Error),
    /// A statement in a caller's transaction failed.
    #[error("the audit record could not be used: {0}")]
    Statement(#[from] tokio_postgres::Error),
    /// The file failed.
    #[error("could not {action} audit file `{path}`: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file's last line has no end, as after a crash in the middle of an append.
    #[error("audit file `{path}` ends in a torn line of {bytes} bytes at byte {offset}")]
    Torn {
        /// The file.
        path: String,
        /// Where the line begins.
        offset: u64,
        /// Its length.
        bytes: u64,
    },
    /// The last record is damaged, so nothing can be chained to it.
    #[error("the last record of the audit record is damaged")]
    Damaged,
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Session(source) => source.hint(),
            Self::Torn { path, .. } => Some(format!(
                "run `dbopt audit repair --file {path}`, which keeps the torn bytes and records the repair"
            )),
            Self::Damaged => Some("run `dbopt audit verify`".to_owned()),
            _ => None,
        }
    }
}
