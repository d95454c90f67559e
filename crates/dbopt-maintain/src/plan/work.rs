//! What is done to what, as data that survives in a file.

use std::path::PathBuf;

use dbopt_pg::Session;
use dbopt_run::Action;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actions::{
    Analyze, DeleteRows, DropPartition, Expiry, Leftovers, Method, Reindex, Retention, Vacuum, VacuumOptions,
};
use crate::exempt::Exempt;
use crate::facts::{Facts, Moment};
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
        /// Rows before this go.
        cutoff: Cutoff,
        /// How they are found.
        how: How,
        /// When more would go, none does.
        most_rows: u64,
        /// When more than this share of the rows would go, none does.
        most_share: f64,
        /// Selectors of tables whose rows may go along.
        cascades: Vec<String>,
        /// Triggers that may fire.
        triggers: Vec<String>,
        /// Which rows stay all the same. It is in no file, because it is SQL, which nobody else may write.
        #[serde(skip)]
        exempt: Exempt,
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
        /// Whether the partitioned table has a default partition, so that nothing can be detached from it concurrently.
        has_default: bool,
        /// The column by which it is proved that no row is younger, if it is to be.
        prove: Option<String>,
        /// Where rows are put first.
        archive: Option<Archived>,
    },
}

/// A time before which rows are expired, in microseconds since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cutoff {
    /// Of a column with a time zone, in UTC.
    Instant(i64),
    /// Of a column without one, on the clock of the place where that hour comes last.
    Civil(i64),
}

impl From<Cutoff> for Moment {
    fn from(cutoff: Cutoff) -> Self {
        match cutoff {
            Cutoff::Instant(at) => Self::Instant(at),
            Cutoff::Civil(at) => Self::Civil(at),
        }
    }
}

/// How expired rows are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Page by page.
    Pages,
    /// By the column's index, from the oldest on.
    Keys,
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
            Self::Vacuum { .. } => Vacuum::KIND,
            Self::Analyze { .. } => Analyze::KIND,
            Self::Reindex { .. } => Reindex::KIND,
            Self::DeleteRows { .. } => DeleteRows::KIND,
            Self::DropPartition { .. } => DropPartition::KIND,
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

    /// The action that does it. What broken-off rebuilds of others have left is reported.
    #[must_use]
    pub fn action(&self) -> Box<dyn Action> {
        self.action_with(Leftovers::Refuse)
    }

    /// The action that does it, with what to do about what broken-off rebuilds of others have left of its index.
    #[must_use]
    pub fn action_with(&self, leftovers: Leftovers) -> Box<dyn Action> {
        match self.made(leftovers) {
            Made::DeleteRows(action) => action,
            Made::DropPartition(action) => action,
            Made::Other(action) => action,
        }
    }

    /// Why the action will be refused, as far as that can be seen beforehand.
    pub(super) async fn obstacle(&self, session: &Session) -> Result<Option<String>, dbopt_run::Error> {
        match self.made(Leftovers::Refuse) {
            Made::DeleteRows(action) => action.obstacle(session).await,
            Made::DropPartition(action) => action.obstacle(session).await,
            Made::Other(_) => Ok(None),
        }
    }

    fn made(&self, leftovers: Leftovers) -> Made {
        match self {
            Self::Vacuum { table, freeze, emergency, truncate, workers, .. } => {
                let options = VacuumOptions {
                    freeze: *freeze,
                    skip_indexes: *emergency,
                    truncate: *truncate,
                    // What must be done tries for its lock; the rest is done another time.
                    skip_locked: !freeze,
                    parallel: workers.filter(|_| !emergency),
                    ..VacuumOptions::default()
                };
                Made::Other(Box::new(Vacuum::new(table, &options)))
            }
            Self::Analyze { table, .. } => Made::Other(Box::new(Analyze::new(table))),
            Self::Reindex { index, bytes_after } => {
                let mut action = Reindex::new(index).with_leftovers(leftovers);
                action.step_mut().bytes = bytes_after.map(|bytes| bytes as f64);
                Made::Other(Box::new(action))
            }
            Self::DeleteRows {
                table,
                column,
                cutoff,
                how,
                most_rows,
                most_share,
                cascades,
                triggers,
                exempt,
                archive,
                ..
            } => {
                let retention = Retention {
                    method: match how {
                        How::Pages => Method::Pages,
                        How::Keys => Method::Keys,
                    },
                    most_rows: *most_rows,
                    most_share: *most_share,
                    cascades: cascades.clone(),
                    triggers: triggers.clone(),
                    exempt: exempt.clone(),
                    archive: archive.clone(),
                    ..Retention::new(column, (*cutoff).into())
                };
                Made::DeleteRows(Box::new(DeleteRows::new(table, retention)))
            }
            Self::DropPartition { partition, parent, cutoff, has_default, prove, archive, .. } => {
                let (prove, archive) = (prove.clone(), archive.clone());
                let expiry = Expiry { cutoff: *cutoff, prove, archive, has_default: *has_default };
                Made::DropPartition(Box::new(DropPartition::new(partition, parent, expiry)))
            }
        }
    }
}

/// The action of a piece of work; what can be refused before is apart.
enum Made {
    DeleteRows(Box<DeleteRows>),
    DropPartition(Box<DropPartition>),
    Other(Box<dyn Action>),
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
            Work::DropPartition { archive: None, .. } => 0.1,
            Work::DropPartition { .. } => 2.0 * read(self.table_bytes),
            Work::DeleteRows { .. } => return None,
        };
        Some(seconds + 0.02)
    }
}
