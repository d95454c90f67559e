//! Why facts could not be had.

/// Why facts could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A session failed.
    #[error(transparent)]
    Session(#[from] dbopt_pg::Error),
    /// The server answered with something else than was asked for.
    #[error("the server's answer about {what} cannot be read: {source}")]
    Answer {
        /// What was asked after.
        what: &'static str,
        /// What the driver said.
        #[source]
        source: tokio_postgres::Error,
    },
}

impl From<Error> for dbopt_run::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Session(error) => Self::Session(error),
            other => Self::Answer(Box::new(other)),
        }
    }
}
