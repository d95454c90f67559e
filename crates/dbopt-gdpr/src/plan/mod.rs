//! What an erasure would do: statements in order, what they do to rows of others, what stays and why, and what stands in the way.
//!
//! Nothing is left to the server: each row that goes is deleted by a statement of its own table, those that refer before those
//! that are referred to. What the server would delete or change along by `ON DELETE` is asked for before; where it
//! is somebody else's, nothing may be done at all.

mod apart;
mod change;
mod facts;
mod fate;
pub(crate) mod hold;
mod large;
mod make;
pub(crate) mod order;
mod preflight;
mod reach;
mod sealed;

use dbopt_crypto::Pseudonym;
use dbopt_finding::{Finding, Severity};
use jiff::{Timestamp, civil::Date};

use crate::{
    graph::{EdgeId, NodeId, OnDelete},
    policy::ColumnErase,
    walk::Key,
};

pub use apart::Apart;
pub(crate) use change::is_unique;
pub(crate) use facts::materialised;
pub use large::LargeObjects;
pub use make::{plan, pseudonym};
pub(crate) use sealed::SEALED;
pub use sealed::{Sealed, SealedBy};

/// The context of the pseudonyms of persons in plans and in the audit record; the value is the subject's rule and key, each behind its length.
pub const SUBJECT_CONTEXT: &str = "gdpr.subject";

/// What an erasure would do. Only [`Part::keys`] has values of rows, and they are in nothing that is printed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who, as a pseudonym.
    pub subject: Pseudonym,
    /// As what, by the rule's name.
    pub rule: String,
    /// The time as of which it is decided what stays.
    pub as_of: Timestamp,
    /// What becomes of the rows, table by table.
    pub tables: Vec<TablePlan>,
    /// What is done, in order.
    pub statements: Vec<Statement>,
    /// Which of them go in transactions of their own; none when there is one transaction.
    pub apart: Option<Apart>,
    /// What happens to rows that are not the person's alone because rows that they refer to go.
    pub effects: Vec<Effect>,
    /// What stays, and why.
    pub kept: Vec<Kept>,
    /// Values that no statement changes, because they go with a key of the person's own.
    pub sealed: Vec<Sealed>,
    /// What becomes of large objects to which rows refer that go.
    pub large_objects: Vec<LargeObjects>,
    /// Which tables are locked, and how.
    pub locks: Vec<Lock>,
    /// Indexes to create before, because their lack makes deleting slow.
    pub indexes: Vec<MissingIndex>,
    /// What is to be known. With an error among it, nothing may be done.
    pub findings: Vec<Finding>,
    /// About how long it takes as things are, in seconds.
    pub seconds: f64,
    /// About how long it takes with the indexes, in seconds.
    pub seconds_indexed: f64,
}

impl Plan {
    /// Whether something speaks against doing it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// How many rows are deleted in all.
    #[must_use]
    pub fn deleted(&self) -> u64 {
        self.tables.iter().map(|table| table.deleted as u64).sum()
    }

    /// How many rows are changed in all.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.tables.iter().map(|table| table.changed as u64).sum()
    }
}

/// What becomes of the rows of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TablePlan {
    /// The table.
    pub table: NodeId,
    /// Rows that are the person's alone.
    pub owned: usize,
    /// Rows that are the person's and others'.
    pub shared: usize,
    /// Rows about the person.
    pub about: usize,
    /// Of all these, how many are deleted.
    pub deleted: usize,
    /// How many are changed and stay.
    pub changed: usize,
    /// How many stay as they are.
    pub kept: usize,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// Its text. The parameters are the arrays of the keys of each part, one for each column of the key, and then one for each of `values`.
    pub sql: String,
    /// The rows, by table; one table unless rows of several are deleted together.
    pub parts: Vec<Part>,
    /// Values that are computed for each row of the one part, as further arrays.
    pub values: Vec<Value>,
    /// The columns that it writes.
    pub columns: Vec<String>,
    /// Whether it may be run for some keys after the other. Rows that refer to each other go at once.
    pub is_divisible: bool,
}

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// Checks of foreign keys wait for the end of the transaction.
    Defer,
    /// Rows stay and are changed. It gives a row for each, with whether that has what was written.
    Change,
    /// References between rows that all go are emptied, because they go in a circle.
    Untie,
    /// Rows are deleted.
    Delete,
    /// Large objects go. The keys are their numbers, and the table is one that refers to them.
    Unlink,
}

impl StatementKind {
    /// Whether its keys are those of rows of its tables.
    #[must_use]
    pub fn is_of_rows(self) -> bool {
        matches!(self, Self::Change | Self::Untie | Self::Delete)
    }
}

/// Rows of one table.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// The table.
    pub table: NodeId,
    /// The rows. Each is changed or deleted, or the count is not as planned.
    pub keys: Vec<Key>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("table", &self.table).field("rows", &self.keys.len()).finish()
    }
}

/// A value that is computed outside of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The column that it is for.
    pub column: String,
    /// How: [`ColumnErase::Hmac`] of the value as text, or [`ColumnErase::Pseudonym`] of the person. A value that is NULL stays so.
    pub how: ColumnErase,
}

/// What happens to rows because rows that they refer to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// By which reference.
    pub edge: EdgeId,
    /// What the server would do.
    pub action: OnDelete,
    /// To how many rows.
    pub rows: usize,
    /// Whose they are.
    pub whose: Whose,
    /// Whether the policy says what becomes of them, which the plan then does itself.
    pub is_planned: bool,
}

/// Whose rows an effect is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Somebody else's.
    Others,
    /// The person's, and to be kept.
    Kept,
}

/// Rows or fields that stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The table.
    pub table: NodeId,
    /// The field; none for whole rows.
    pub column: Option<String>,
    /// How many rows.
    pub rows: usize,
    /// Why.
    pub why: String,
    /// Until when the last of them stays, when that is known.
    pub until: Option<Date>,
}

/// A lock on a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The table.
    pub table: NodeId,
    /// Its mode, as in `pg_locks`; no reader and no writer of other rows waits for these.
    pub mode: &'static str,
    /// How many rows are locked until the end.
    pub rows: usize,
}

/// An index that is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingIndex {
    /// The reference that has none.
    pub edge: EdgeId,
    /// How often the server would read the table: once for each row that goes.
    pub checks: usize,
    /// How long one such reading took just now, in seconds.
    pub seconds: f64,
    /// The statements that create it, without blocking writers.
    pub sql: Vec<String>,
}
