//! What the advisor says: data, to be printed, compared, saved and applied by others.

use dbopt_catalog::{Index, TableId};

use crate::{query::QueryId, whatif::Engine};

/// All advice for one workload.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    /// Indexes to create, the most useful first.
    pub create: Vec<CreateIndex>,
    /// Indexes to drop, the largest first.
    pub drop: Vec<DropIndex>,
    /// Indexes that nothing has used so far, where that proves too little to drop them: the statistics are younger than
    /// a week, or of unknown age. They are for watching; none of them is in `drop`, and `totals` leaves them out. The
    /// largest first.
    pub unproven: Vec<DropIndex>,
    /// Foreign keys whose referencing side no index serves, unless the advice creates one.
    pub foreign_keys: Vec<MissingForeignKey>,
    /// Queries that no index helps, the most expensive first.
    pub unhelped: Vec<Unhelped>,
    /// Sums.
    pub totals: Totals,
    /// Storage against workload cost after each further index in the order of `create`: (bytes, cost).
    pub frontier: Vec<(f64, f64)>,
    /// Whether the search was stopped before its end: this is then the best answer so far.
    pub interrupted: bool,
}

/// An index to create.
#[derive(Clone, Debug)]
pub struct CreateIndex {
    /// Its table.
    pub table: TableId,
    /// Its definition, with a name that is free.
    pub index: Index,
    /// The queries it helps, the most saved cost first.
    pub benefits: Vec<Benefit>,
    /// Predicted size in bytes.
    pub bytes: f64,
    /// Predicted build time in seconds, when it can be estimated.
    pub build_seconds: Option<f64>,
    /// What it costs the writes of the workload.
    pub write: WriteCost,
    /// Existing indexes that it makes redundant, by position in [`dbopt_catalog::Table::indexes`].
    pub replaces: Vec<usize>,
    /// How sure this is.
    pub confidence: Confidence,
    /// Why the confidence is not higher, and what else to know, as sentences.
    pub notes: Vec<String>,
    /// Which engine answered.
    pub engine: Engine,
}

/// What an index does for one query.
#[derive(Clone, Debug)]
pub struct Benefit {
    /// The query.
    pub query: QueryId,
    /// Cost of one execution without any of the advised indexes.
    pub cost_before: f64,
    /// Cost of one execution with all advised indexes.
    pub cost_after: f64,
    /// Plan before, in short.
    pub plan_before: String,
    /// Plan after, in short.
    pub plan_after: String,
}

/// What an index costs the writes of the workload.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct WriteCost {
    /// Index entries written by the workload: rows inserted, updated other than HOT, per workload.
    pub entries: f64,
    /// Their cost in the planner's units over the whole workload.
    pub cost: f64,
    /// The cost as a share of what the index saves in reads, 0 and up; refused at 1.
    pub share_of_gain: f64,
    /// Whether it is over a column that the workload updates, and so stops HOT updates.
    pub stops_hot: bool,
}

/// How sure a piece of advice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// From default statistics, or contested by an assumption.
    Low,
    /// From the model with real statistics.
    Medium,
    /// Confirmed by the server's own planner.
    High,
}

/// An existing index to drop.
#[derive(Clone, Debug)]
pub struct DropIndex {
    /// Its table.
    pub table: TableId,
    /// Its position in [`dbopt_catalog::Table::indexes`].
    pub index: usize,
    /// Why.
    pub reason: DropReason,
    /// Bytes that it frees, when its size is known.
    pub bytes: Option<f64>,
    /// How sure this is.
    pub confidence: Confidence,
    /// What to know before dropping it, as sentences.
    pub notes: Vec<String>,
}

/// Why an index can go.
#[derive(Clone, Debug, PartialEq)]
pub enum DropReason {
    /// The same as another index of the table, named by position.
    Duplicate(usize),
    /// Its keys lead another index of the table, named by position.
    CoveredBy(usize),
    /// Its keys lead an index that this advice creates, named by position in [`Advice::create`].
    ReplacedBy(usize),
    /// Not scanned since the statistics were reset, this many days ago when known, and no query of the workload uses it.
    Unused {
        /// Age of the statistics in days.
        days: Option<f64>,
    },
    /// Left invalid by a failed concurrent build.
    Invalid,
}

/// A foreign key without an index on its referencing side.
#[derive(Clone, Debug)]
pub struct MissingForeignKey {
    /// The referencing table.
    pub table: TableId,
    /// Name of the constraint.
    pub constraint: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Referenced schema and table.
    pub references: (String, String),
    /// The index that would serve it, with a name that is free.
    pub index: Index,
    /// Cost of finding the referencing rows of one deleted row without it.
    pub cost_per_delete: f64,
    /// Deletes on the referenced table in the workload or since the statistics were reset, when known.
    pub deletes: Option<f64>,
    /// Predicted size in bytes.
    pub bytes: f64,
}

/// A query that no index helps.
#[derive(Clone, Debug)]
pub struct Unhelped {
    /// The query.
    pub query: QueryId,
    /// Why.
    pub reason: UnhelpedReason,
    /// What else could help, as a sentence.
    pub hint: Option<String>,
}

/// Why no index helps a query.
#[derive(Clone, Debug, PartialEq)]
pub enum UnhelpedReason {
    /// It is planned well with the indexes that exist.
    AlreadyServed,
    /// It needs most of a table's rows.
    ReadsMostRows,
    /// Its condition cannot use an index as it is written.
    NotIndexable,
    /// The indexes that would help it cost more in writes than they save.
    WritesCostMore,
    /// The indexes that would help it did not fit the budget.
    OverBudget,
    /// The gain is too small to be worth an index.
    SmallGain,
    /// It names a table or a column that the catalogue does not have.
    UnknownTable(String),
    /// Neither the model nor the server could plan it.
    NotPlanned,
    /// It only changes rows that it is given, or has no table.
    NothingToRead,
}

/// Sums over the whole workload.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Totals {
    /// Cost of all reads as things are.
    pub cost_before: f64,
    /// Cost of all reads with the advised indexes.
    pub cost_after: f64,
    /// Predicted bytes of the indexes to create.
    pub create_bytes: f64,
    /// Bytes that the indexes to drop free.
    pub drop_bytes: f64,
    /// Candidates that were thought of.
    pub candidates: usize,
    /// Questions that the in-process model was asked.
    pub questions: usize,
    /// Questions that the live engine was asked, each one EXPLAIN; 0 offline.
    pub explains: usize,
}
