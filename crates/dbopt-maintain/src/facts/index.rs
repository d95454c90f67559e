//! One index.

use super::Storage;
use crate::object::IndexRef;

/// An index with entries of its own; those of partitioned tables have none and are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexFacts {
    /// Which it is, and of which table.
    pub index: IndexRef,
    /// Its access method.
    pub method: IndexMethod,
    /// Whether queries use it.
    pub is_valid: bool,
    /// Whether writes maintain it.
    pub is_ready: bool,
    /// Whether it keeps values unique.
    pub is_unique: bool,
    /// Whether it stands for an exclusion constraint.
    pub is_exclusion: bool,
    /// The name of the constraint that stands on it.
    pub constraint: Option<String>,
    /// Whether a foreign key refers to its columns.
    pub is_referenced: bool,
    /// Bytes of its file: the main fork.
    pub bytes: u64,
    /// Pages when its table was last vacuumed or analysed (`relpages`).
    pub pages: u32,
    /// Entries then (`reltuples`); none where they were never counted.
    pub rows: Option<f64>,
    /// To how many percent a build fills its leaves.
    pub fillfactor: u32,
    /// Whether equal keys are kept once with the list of their rows, as far as the catalogue tells: a B-tree of 13 or later
    /// whose types allow it, without included columns and without `deduplicate_items = off`.
    pub is_deduplicated: bool,
    /// What its entries hold, in order, included columns at the end.
    pub keys: Vec<KeyFacts>,
    /// How many of them are keys; the rest are included.
    pub key_count: usize,
    /// Whether it has a `WHERE`.
    pub is_partial: bool,
    /// That, where it could be read without waiting for a lock.
    pub predicate: Option<String>,
    /// Whether its expressions and predicate use nothing but what comes with the server, so that reading them runs no
    /// stranger's code.
    pub is_built_in: bool,
    /// How often it was scanned since its counters began.
    pub scans: i64,
}

/// An access method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexMethod {
    /// `btree`
    #[default]
    Btree,
    /// `hash`
    Hash,
    /// `gin`
    Gin,
    /// `gist`
    Gist,
    /// `spgist`
    Spgist,
    /// `brin`
    Brin,
    /// One that came with an extension.
    Other,
}

/// One column of an index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyFacts {
    /// The number of the table's column; none for an expression.
    pub column: Option<i16>,
    /// The expression, as SQL; none for a column, empty where it could not be read without waiting for a lock.
    pub expression: Option<String>,
    /// Bytes of a value in the index, which may be of another type than in the table: -1 where they have a length word,
    /// -2 where they end with a zero byte.
    pub length: i16,
    /// What its values are aligned to, in bytes.
    pub align: u8,
    /// How its long values are kept.
    pub storage: Storage,
}
