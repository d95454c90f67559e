//! Where keys come from.

mod command;
mod environment;
mod file;
mod process;

pub use command::CommandSource;
pub use environment::EnvironmentSource;
pub use file::FileSource;
#[cfg(feature = "keyring")]
pub(crate) use file::open_private;
pub(crate) use process::Program;
pub use process::ProgramError;

use std::io;

use zeroize::Zeroizing;

use crate::key::{Key, KeyError, MOST_BYTES};

/// Where a key comes from: a file, the environment, a program, or whatever the embedding program has.
pub trait KeySource {
    /// Fetches the key.
    ///
    /// # Errors
    /// When there is none, it may be read by others, or it is no key. The error never shows key material.
    fn load(&self) -> Result<Key, SourceError>;
}

/// Most bytes of a key as text: hexadecimal takes two characters for a byte; beyond that and some white space it is no key.
const MOST_TEXT: usize = 2 * MOST_BYTES + 64;

/// Reads to the end; none when there is more than `most`. The buffer never grows, so no copy is left behind unwiped.
pub(crate) fn read(from: &mut impl io::Read, most: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(vec![0; most + 1]);
    let mut length = 0;
    while length < bytes.len() {
        match from.read(&mut bytes[length..]) {
            Ok(0) => {
                bytes.truncate(length);
                return Ok(Some(bytes));
            }
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Why no key could be had. Names the place, never what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The environment variable is not set.
    #[error("environment variable `{0}` is not set")]
    Unset(String),
    /// The file cannot be opened or read.
    #[error("could not read key file `{path}`: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The path is a folder, a device or a pipe.
    #[error("key file `{0}` is not a plain file")]
    NotAFile(String),
    /// Others than the owner may read or write the file.
    #[error("key file `{path}` has permissions {mode:04o}, so that others than its owner can use it")]
    Permissions {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to somebody who is neither this user nor root.
    #[error("key file `{0}` belongs to another user")]
    Owner(String),
    /// The program that should print it failed.
    #[error("program `{program}` gave no key: {source}")]
    Program {
        /// The program.
        program: String,
        /// Why.
        source: ProgramError,
    },
    /// What is there is no key.
    #[error("{error} (from {place})")]
    Key {
        /// Where it came from.
        place: String,
        /// What is wrong.
        #[source]
        error: KeyError,
    },
    /// A source of another program failed.
    #[error("{0}")]
    Other(String),
}

impl SourceError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Permissions { path, .. } => Some(format!("run `chmod 600 {path}`")),
            Self::Key { .. } => Some("make a key with `head -c 32 /dev/urandom | base64`".to_owned()),
            _ => None,
        }
    }
}
