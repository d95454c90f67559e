//! Why Redis did not do what it was asked to.

use redis::RedisError;

use crate::StoreError;

/// A failure in words that hold no key, value, address or password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("Redis did not answer in time")]
    Late,
    #[error("Redis could not be reached a moment ago")]
    Away,
    #[error("more requests wait for Redis than are kept")]
    Busy,
    #[error("the connection's task has ended with its runtime")]
    Ended,
    #[error("the connection failed: {0}")]
    Io(String),
    /// An answer such as `LOADING`, which will be another one later.
    #[error("Redis is not ready: `{0}`")]
    NotReady(String),
    #[error("Redis answered `{0}`")]
    Answer(String),
}

impl Failure {
    pub(super) fn of(error: &RedisError) -> Self {
        let category = || error.category().to_owned();
        if error.is_timeout() {
            return Self::Late;
        }
        match error.code() {
            Some(code @ ("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "BUSY" | "TRYAGAIN")) => {
                Self::NotReady(code.to_owned())
            }
            Some(code) => Self::Answer(code.to_owned()),
            None if error.is_io_error() || error.is_unrecoverable_error() => Self::Io(category()),
            None => Self::Answer(category()),
        }
    }

    pub(super) fn to_store_error(&self) -> StoreError {
        match self {
            Self::Answer(_) => StoreError::Refused(Box::new(self.clone())),
            _ => StoreError::Unreachable(Box::new(self.clone())),
        }
    }
}
