//! What to read and how.

use std::io::Read;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::model::Format;
use crate::time::Timestamp;

/// Something to read.
pub struct Input {
    pub(crate) name: String,
    pub(crate) kind: InputKind,
    pub(crate) data: Data,
}

/// What an input holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputKind {
    /// Decide by its contents, and take `.sql` files for statements.
    #[default]
    Auto,
    /// A server log.
    Log,
    /// `pg_stat_statements` as CSV with a header.
    PgStatStatements,
    /// SQL statements.
    Sql,
}

pub(crate) enum Data {
    Path(PathBuf),
    Stdin,
    Reader(Box<dyn Read + Send>),
}

impl Input {
    /// A file, or standard input for `-`.
    #[must_use]
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if path.as_os_str() == "-" {
            return Self { name: "<stdin>".to_owned(), kind: InputKind::Auto, data: Data::Stdin };
        }
        Self { name: path.display().to_string(), kind: InputKind::Auto, data: Data::Path(path) }
    }

    /// Anything that can be read, under a name for messages.
    #[must_use]
    pub fn reader(name: impl Into<String>, reader: impl Read + Send + 'static) -> Self {
        Self { name: name.into(), kind: InputKind::Auto, data: Data::Reader(Box::new(reader)) }
    }

    /// Bytes in memory, under a name for messages.
    #[must_use]
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::reader(name, std::io::Cursor::new(bytes.into()))
    }

    /// The same input, known to hold this.
    #[must_use]
    pub fn kind(mut self, kind: InputKind) -> Self {
        self.kind = kind;
        self
    }

    /// The name under which the input is reported.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// How to read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The `log_line_prefix` of text logs; inferred when it is not given.
    pub prefix: Option<String>,
    /// The form of all logs; found out when it is not given.
    pub format: Option<Format>,
    /// Leave out what was logged before.
    pub since: Option<Timestamp>,
    /// Leave out what was logged at this moment or later.
    pub until: Option<Timestamp>,
    /// Leave out sessions of other databases; empty means all. Records that do not say their database are kept.
    pub databases: Vec<String>,
    /// Memory for query classes in bytes; past it the lightest ones are evicted.
    pub memory_cap: usize,
    /// Threads that read; as many as the machine has processors, up to eight, when it is not given.
    pub threads: Option<NonZeroUsize>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            prefix: None,
            format: None,
            since: None,
            until: None,
            databases: Vec::new(),
            memory_cap: 256 << 20,
            threads: None,
        }
    }
}

/// How far reading has come, over all inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the inputs read, as they are stored.
    pub done: u64,
    /// Bytes of all inputs as they are stored, when all sizes are known.
    pub total: Option<u64>,
}
