//! Where records are kept.

mod file;
mod postgres;

pub use file::{FileStore, Repair};
pub use postgres::{PostgresStore, append_in};

use crate::entry::Entry;
use crate::error::Error;
use crate::record::Record;

/// Which records to read. Both ends are included; times are microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First number.
    pub first: u64,
    /// Last number.
    pub last: u64,
    /// Earliest time.
    pub since: i64,
    /// Latest time.
    pub until: i64,
}

impl Range {
    /// All records.
    pub const ALL: Self = Self { first: 0, last: u64::MAX, since: i64::MIN, until: i64::MAX };

    pub(crate) fn contains(&self, record: &Record) -> bool {
        (self.first..=self.last).contains(&record.sequence) && (self.since..=self.until).contains(&record.time)
    }
}

/// Where records are kept. A store is safe to use from several processes at once.
#[expect(async_fn_in_trait, reason = "stores are used from one task, so that no bounds on the futures are needed")]
pub trait Store {
    /// Appends a record and makes it durable before it returns. No two records ever follow the same one.
    ///
    /// # Errors
    /// When the store cannot be written, or its last record is damaged.
    async fn append(&mut self, entry: &Entry) -> Result<Record, Error>;

    /// The last record; none in an empty store.
    ///
    /// # Errors
    /// When the store cannot be read, or its last record is damaged.
    async fn head(&mut self) -> Result<Option<Record>, Error>;

    /// Passes the records of one moment in the order of the store; none where something is that is no record. Each is
    /// there only while it is passed, so that a long chain costs no memory for each.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn read(&mut self, range: Range, each: &mut dyn FnMut(Option<&Record>)) -> Result<(), Error>;
}
