//! Why nothing could be read.

use std::io;

use dbopt_finding::Finding;

/// An error that leaves no workload behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An input cannot be opened or read.
    #[error("cannot read `{name}`")]
    Read {
        /// The input's name.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The inputs hold nothing that could be used; the finding says where and why.
    #[error("{0}")]
    Unusable(Box<Finding>),
    /// A given `log_line_prefix` is not a prefix, or is not the one of the log.
    #[error("{0}")]
    Prefix(Box<Finding>),
    /// There is nothing to read.
    #[error("no input")]
    NoInput,
}

impl Error {
    /// The finding behind the error, when it has one, with its place and help.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Unusable(finding) | Self::Prefix(finding) => Some(finding),
            Self::Read { .. } | Self::NoInput => None,
        }
    }
}
