//! What is done to what, as data that survives in a file.

use std::path::PathBuf;

use dbopt_run::{Lock, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::object::{IndexRef, TableRef};

/// A piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Work {
    /// `VACUUM`
    Vacuum {
        /// The table.
        table: TableRef,
        /// Its file when it was planned.
        relfilenode: u32,
        /// Whether all rows are frozen, against wraparound.
        freeze: bool,
        /// Whether indexes are left as they are, to be done in time.
        emergency: bool,
        /// Whether empty pages at the end are given back.
        truncate: bool,
        /// Workers for its indexes; as the server says, when absent.
        workers: Option<u32>,
    },
    /// `ANALYZE`
    Analyze {
        /// The table.
        table: TableRef,
        /// Its file when it was planned.
        relfilenode: u32,
    },
    /// `REINDEX INDEX CONCURRENTLY`
    Reindex {
        /// The index.
        index: IndexRef,
        /// Bytes it is expected to have afterwards.
        bytes_after: Option<u64>,
    },
    /// Deletes expired rows in batches.
    DeleteRows {
        /// The table.
        table: TableRef,
        /// Its file when it was planned.
        relfilenode: u32,
        /// The column with the time.
        column: String,
        /// Rows before this go: microseconds since 1970-01-01 UTC.
        cutoff: i64,
        /// When more would go, none does.
        most_rows: u64,
        /// When more than this share of the rows would go, none does.
        most_share: f64,
        /// Selectors of tables whose rows may go along.
        cascades: Vec<String>,
        /// Triggers that may fire.
        triggers: Vec<String>,
        /// Where rows are put first.
        archive: Option<Archived>,
    },
    /// Detaches and drops a partition.
    DropPartition {
        /// The partition.
        partition: TableRef,
        /// Its file when it was planned; 0 of one that has partitions of its own.
        relfilenode: u32,
        /// The partitioned table.
        parent: TableRef,
        /// Its upper bound must not be later than this: microseconds since 1970-01-01 UTC.
        cutoff: i64,
        /// The column by which it is proved that no row is younger, if it is to be.
        prove: Option<String>,
        /// Where rows are put first.
        archive: Option<Archived>,
    },
}

/// Where what goes is put first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Archived {
    /// A table.
    Table {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// Files of a folder.
    Folder(PathBuf),
}

impl Work {
    /// The kind of its step, as in `dbopt.history`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Vacuum { .. } => "vacuum",
            Self::Analyze { .. } => "analyze",
            Self::Reindex { .. } => "reindex",
            Self::DeleteRows { .. } => "delete-rows",
            Self::DropPartition { .. } => "drop-partition",
        }
    }

    /// The table that is worked on; of an index, its table.
    #[must_use]
    pub fn table(&self) -> &TableRef {
        match self {
            Self::Vacuum { table, .. } | Self::Analyze { table, .. } | Self::DeleteRows { table, .. } => table,
            Self::Reindex { index, .. } => &index.table,
            Self::DropPartition { partition, .. } => partition,
        }
    }

    /// Schema and name of the object.
    #[must_use]
    pub fn names(&self) -> (&str, &str) {
        match self {
            Self::Reindex { index, .. } => (&index.table.schema, &index.name),
            _ => (&self.table().schema, &self.table().name),
        }
    }

    /// The object, quoted where it has to be.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            Self::Reindex { index, .. } => index.to_string(),
            _ => self.table().to_string(),
        }
    }

    /// The step that does it, on a server of a version.
    pub(super) fn step(&self, server_version_num: u32) -> Step {
        let (schema, object) = self.names();
        let table = self.table();
        let (statement, lock, risk, bytes) = match self {
            Self::Vacuum { freeze, emergency, truncate, workers, .. } => {
                let mut options = Vec::new();
                if *freeze {
                    options.push("FREEZE".to_owned());
                }
                if *emergency {
                    options.push("INDEX_CLEANUP off".to_owned());
                }
                options.push(format!("TRUNCATE {}", if *truncate { "on" } else { "off" }));
                // What must be done waits for its lock; the rest is done another time.
                if !freeze {
                    options.push("SKIP_LOCKED".to_owned());
                }
                if let Some(workers) = workers.filter(|_| server_version_num >= 130_000 && !emergency) {
                    options.push(format!("PARALLEL {workers}"));
                }
                let lock = if *truncate { Lock::AccessExclusive } else { Lock::ShareUpdateExclusive };
                let risk = if *truncate {
                    "reads disks; gives empty pages back under a lock that keeps everybody out for a while"
                } else {
                    "reads disks; nobody waits for it"
                };
                (format!("VACUUM ({}) {table};", options.join(", ")), lock, risk, None)
            }
            Self::Analyze { .. } => {
                let risk = "queries are planned anew by what it finds";
                (format!("ANALYZE {table};"), Lock::ShareUpdateExclusive, risk, None)
            }
            Self::Reindex { index, bytes_after } => {
                let risk = "needs room for a second index; writes pay for both until it is done";
                let sql = format!("REINDEX INDEX CONCURRENTLY {index};");
                (sql, Lock::ShareUpdateExclusive, risk, bytes_after.map(|bytes| bytes as f64))
            }
            Self::DeleteRows { column, cutoff, .. } => {
                let column = dbopt_sql::quote_ident(column);
                let sql = format!("DELETE FROM {table} WHERE {column} < {};", instant(*cutoff));
                (sql, Lock::None, "the rows are gone for good, but for an archive", None)
            }
            Self::DropPartition { parent, .. } => {
                let sql = format!("ALTER TABLE {parent} DETACH PARTITION {table} CONCURRENTLY; DROP TABLE {table};");
                (sql, Lock::AccessExclusive, "the partition is gone for good, but for an archive", None)
            }
        };
        Step {
            kind: self.kind(),
            schema: schema.to_owned(),
            object: object.to_owned(),
            table: Some((table.schema.clone(), table.name.clone())),
            statements: vec![statement],
            lock,
            risk,
            seconds: None,
            bytes,
            needs: Vec::new(),
        }
    }
}

/// An instant as a literal.
fn instant(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| "NULL".to_owned(), |at| format!("'{at}'"))
}

/// How much a piece of work has to go through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    /// Bytes of the table.
    pub(super) table_bytes: u64,
    /// Bytes of its indexes.
    index_bytes: u64,
    /// Entries of the index, where they were counted.
    entries: f64,
}

impl Size {
    /// The size of a piece of work.
    pub(super) fn of(work: &Work, facts: &Facts) -> Self {
        let Some(table) = facts.table(work.table().oid) else { return Self::default() };
        let toast = table.toast.and_then(|toast| facts.table(toast)).map_or(0, |toast| toast.bytes);
        let of_table = facts.indexes.iter().filter(|index| index.index.table.oid == table.table.oid);
        let entries = match work {
            Work::Reindex { index, .. } => facts.index(index.oid).and_then(|index| index.rows).or(table.rows),
            _ => None,
        };
        Self {
            table_bytes: table.bytes + toast,
            index_bytes: of_table.map(|index| index.bytes).sum(),
            entries: entries.unwrap_or(0.0),
        }
    }

    /// Seconds on a plain machine with a disk that reads some hundred megabytes a second. Nobody should rely on it.
    pub(super) fn guess(&self, work: &Work) -> Option<f64> {
        let read = |bytes: u64| bytes as f64 / 2e8;
        let seconds = match work {
            Work::Vacuum { emergency: true, .. } => read(self.table_bytes),
            Work::Vacuum { .. } => read(self.table_bytes + self.index_bytes),
            // It reads 300 times the statistics target of 100 in pages, here and there.
            Work::Analyze { .. } => read(self.table_bytes.min(30_000 * 8192)) * 2.0,
            Work::Reindex { .. } => 2.0 * read(self.table_bytes) + self.entries / 1.5e6,
            Work::DropPartition { .. } => 0.1,
            Work::DeleteRows { .. } => return None,
        };
        Some(seconds + 0.02)
    }
}
