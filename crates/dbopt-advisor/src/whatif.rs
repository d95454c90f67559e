//! What would a query cost, if these indexes were there? The question, its answer, and who answers it.

use std::{collections::BTreeSet, future::Future};

use dbopt_catalog::{Index, TableId};

use crate::query::QueryId;

/// Index of a candidate in the list that the search keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CandidateId(pub usize);

/// An index that is thought of.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its table.
    pub table: TableId,
    /// Its definition, without a name.
    pub index: Index,
    /// Predicted size in bytes.
    pub bytes: f64,
}

/// A set of indexes that differs from what exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Configuration {
    /// Candidates that are there in addition.
    pub add: BTreeSet<CandidateId>,
    /// Existing indexes that are not there, as (table, position in [`dbopt_catalog::Table::indexes`]).
    pub hide: BTreeSet<(TableId, usize)>,
}

/// What one query would cost under one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The query.
    pub query: QueryId,
    /// The indexes.
    pub configuration: Configuration,
}

/// An index that a plan uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsedIndex {
    /// A candidate.
    Candidate(CandidateId),
    /// An existing index, as (table, position in [`dbopt_catalog::Table::indexes`]).
    Existing(TableId, usize),
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Total cost of the cheapest plan, in PostgreSQL's cost units.
    pub cost: f64,
    /// Estimated rows returned.
    pub rows: f64,
    /// The indexes that the plan uses, each once, sorted.
    pub used: Vec<UsedIndex>,
    /// The plan's accesses and joins in short, such as `Index Scan on orders (customer_id)`.
    pub plan: String,
}

/// Which engine answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The in-process model of PostgreSQL's planner.
    Model,
    /// HypoPG on a live session.
    HypoPg,
}

/// Why an engine could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WhatIfError {
    /// The engine itself is gone: the session broke, or rights are missing.
    #[error("{engine:?} stopped answering: {source}")]
    Engine {
        /// Which engine.
        engine: Engine,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The search was asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Answers what-if questions.
pub trait WhatIf {
    /// Which engine this is.
    fn engine(&self) -> Engine;

    /// Tells the engine of the candidates that questions may name; called whenever the list has grown.
    /// Ids are positions in `candidates`; what was told before does not change.
    fn candidates(&mut self, candidates: &[Candidate]);

    /// Answers a batch, in its order. A query that the engine cannot plan gets `None`; an error ends the search.
    fn ask(&mut self, questions: &[Question]) -> impl Future<Output = Result<Vec<Option<Answer>>, WhatIfError>>;
}
