//! One partition and its bounds.
//!
//! Retention by partitions goes by real bounds alone; a name or a supposed interval has cost others unexpired rows. Bounds
//! are what `pg_get_expr(relpartbound)` prints, with ISO dates and in UTC.

use crate::object::TableRef;

/// A partition of a partitioned table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionFacts {
    /// The partition.
    pub table: TableRef,
    /// The partitioned table it is of.
    pub parent: TableRef,
    /// The columns by which that is partitioned; none for an expression.
    pub key: Vec<Option<String>>,
    /// The types of the keys, as `format_type` prints them.
    pub key_types: Vec<String>,
    /// Which rows it takes.
    pub bound: Bound,
    /// Whether a `DETACH CONCURRENTLY` was begun and not finished.
    pub detach_pending: bool,
    /// Whether it is itself partitioned.
    pub is_partitioned: bool,
}

/// Which rows a partition takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Bound {
    /// Those that no other takes.
    #[default]
    Default,
    /// From these limits, to below those; one of each for each key.
    Range {
        /// The lower limits, inclusive.
        from: Vec<Limit>,
        /// The upper limits, exclusive.
        to: Vec<Limit>,
    },
    /// Listed values; null as none.
    List(Vec<Option<String>>),
    /// Those whose hash leaves this remainder.
    Hash {
        /// The divisor.
        modulus: u32,
        /// The remainder.
        remainder: u32,
    },
    /// Something that this version cannot read, as the server printed it.
    Unreadable(String),
}

/// One limit of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `MINVALUE`
    Min,
    /// A value, as the server prints it.
    Value(String),
    /// `MAXVALUE`
    Max,
}
