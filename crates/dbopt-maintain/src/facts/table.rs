//! One table.

use super::Autovacuum;
use crate::object::TableRef;

/// A table, materialised view, partitioned table or TOAST table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableFacts {
    /// Which it is.
    pub table: TableRef,
    /// What it is.
    pub kind: TableKind,
    /// Its file, which is another after it is rewritten or truncated; 0 for a partitioned table.
    pub relfilenode: u32,
    /// Its owner.
    pub owner: String,
    /// Whether its owner is a superuser, or may become one.
    pub owner_is_superuser: bool,
    /// Whether somebody keeps everybody out of it (ACCESS EXCLUSIVE).
    pub is_locked: bool,
    /// Its TOAST table's identity.
    pub toast: Option<u32>,
    /// The table it is a partition of.
    pub parent: Option<u32>,
    /// Whether it belongs to the system: a catalogue, or of `information_schema`.
    pub is_system: bool,
    /// Whether it is `UNLOGGED`.
    pub is_unlogged: bool,
    /// Whether it is a temporary table, of this session or another.
    pub is_temp: bool,
    /// Bytes of its rows' file: the main fork, without TOAST, indexes and maps.
    pub bytes: u64,
    /// Pages when it was last vacuumed or analysed (`relpages`).
    pub pages: u32,
    /// Rows when it was last vacuumed or analysed (`reltuples`); none where it never was.
    pub rows: Option<f64>,
    /// To how many percent a rewrite fills its pages.
    pub fillfactor: u32,
    /// `toast_tuple_target`: the length in bytes above which a row's values are moved out.
    pub toast_target: u32,
    /// Its columns by number, dropped ones included, because rows keep their place.
    pub columns: Vec<ColumnFacts>,
    /// Age of its oldest unfrozen transaction number, in transactions; none for a partitioned table.
    pub xid_age: Option<i64>,
    /// Age of its oldest multixact.
    pub mxid_age: Option<i64>,
    /// Live rows, as the statistics collector counts.
    pub n_live: i64,
    /// Dead rows, as it counts.
    pub n_dead: i64,
    /// Rows changed since the last ANALYZE.
    pub n_mod_since_analyze: i64,
    /// Rows inserted since the last VACUUM.
    pub n_ins_since_vacuum: i64,
    /// When it was last vacuumed by hand, in microseconds since 1970-01-01 UTC.
    pub last_vacuum: Option<i64>,
    /// When autovacuum last vacuumed it.
    pub last_autovacuum: Option<i64>,
    /// When it was last analysed by hand.
    pub last_analyze: Option<i64>,
    /// When autovacuum last analysed it.
    pub last_autoanalyze: Option<i64>,
    /// How often autovacuum has vacuumed it since its counters began.
    pub autovacuum_count: i64,
    /// When autovacuum comes to it.
    pub autovacuum: Autovacuum,
    /// Whether this role may maintain it: it owns it, or has MAINTAIN (17 and later).
    pub may_maintain: bool,
    /// Whether row-level security would hide rows from this role.
    pub row_security: bool,
}

impl TableFacts {
    /// When it was last vacuumed, by whomever.
    #[must_use]
    pub fn vacuumed(&self) -> Option<i64> {
        self.last_vacuum.max(self.last_autovacuum)
    }

    /// When it was last analysed, by whomever.
    #[must_use]
    pub fn analyzed(&self) -> Option<i64> {
        self.last_analyze.max(self.last_autoanalyze)
    }
}

/// What a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableKind {
    /// A table with rows of its own.
    #[default]
    Ordinary,
    /// A table whose rows are in its partitions.
    Partitioned,
    /// A materialised view.
    Materialized,
    /// Where the long values of another table are.
    Toast,
}

/// What a column's values take in a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnFacts {
    /// Its number, from 1.
    pub number: i16,
    /// Its name.
    pub name: String,
    /// Whether it is stored: neither dropped nor computed when read.
    pub is_stored: bool,
    /// Whether it was added with a default to rows that do not have it until they are written again.
    pub is_added: bool,
    /// Bytes of a value; -1 where they have a length word, -2 where they end with a zero byte (`typlen`).
    pub length: i16,
    /// What its values are aligned to, in bytes.
    pub align: u8,
    /// How its long values are kept.
    pub storage: Storage,
    /// Whether this role may read it.
    pub is_readable: bool,
}

/// How long values are kept (<https://www.postgresql.org/docs/current/storage-toast.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// As they are.
    #[default]
    Plain,
    /// Moved out uncompressed.
    External,
    /// Compressed; moved out only when nothing else helps.
    Main,
    /// Compressed, then moved out.
    Extended,
}
