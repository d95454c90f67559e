//! What the estimators answer.

use std::collections::BTreeMap;

/// All answers, by identity. What was not asked after is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimates {
    /// Of tables, TOAST tables included.
    pub tables: BTreeMap<u32, TableBloat>,
    /// Of indexes.
    pub indexes: BTreeMap<u32, IndexBloat>,
}

/// What a table's file would shrink to.
#[derive(Clone, Debug, PartialEq)]
pub struct TableBloat {
    /// Bytes of the file now, without TOAST and indexes.
    pub bytes_now: u64,
    /// Bytes after a rewrite such as `VACUUM FULL`; none where nobody can tell.
    pub bytes_after: Option<u64>,
    /// Live rows, where they were counted.
    pub rows: Option<f64>,
    /// How it is known, or why it is not.
    pub method: Method,
}

/// What an index would shrink to.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexBloat {
    /// Bytes of the file now.
    pub bytes_now: u64,
    /// Bytes after `REINDEX`; none where nobody can tell, as with GIN, GiST and hash.
    pub bytes_after: Option<u64>,
    /// How it is known, or why it is not.
    pub method: Method,
}

/// How an answer came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Every page of the table was read.
    Whole,
    /// So many pages of the table were read, spread over it.
    Sample {
        /// Pages that were read.
        pages: u32,
    },
    /// The catalogue and its statistics alone.
    Catalogue,
    /// The extension pgstattuple measured it.
    Pgstattuple,
    /// There is no answer, because of this.
    Unknown(String),
}

impl TableBloat {
    /// Bytes that a rewrite gives back; none where nobody can tell.
    #[must_use]
    pub fn reclaimable(&self) -> Option<u64> {
        self.bytes_after.map(|after| self.bytes_now.saturating_sub(after))
    }
}

impl IndexBloat {
    /// Bytes that `REINDEX` gives back; none where nobody can tell.
    #[must_use]
    pub fn reclaimable(&self) -> Option<u64> {
        self.bytes_after.map(|after| self.bytes_now.saturating_sub(after))
    }
}
