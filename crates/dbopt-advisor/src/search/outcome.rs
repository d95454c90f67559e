//! What a search found.

use std::collections::BTreeSet;

use crate::whatif::{Answer, CandidateId};

/// The chosen indexes and what they do. Lists over queries are in the order of query ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The chosen candidates, the most useful first.
    pub chosen: Vec<CandidateId>,
    /// What each chosen candidate saves, its upkeep not subtracted, beyond those before it in `chosen`.
    pub gains: Vec<f64>,
    /// Bytes and workload cost after nothing, and after each further candidate of `chosen`.
    pub frontier: Vec<(f64, f64)>,
    /// Each query with no candidate; `None` when it cannot be planned.
    pub before: Vec<Option<Answer>>,
    /// Each query with the chosen candidates.
    pub after: Vec<Option<Answer>>,
    /// Each query with all candidates: no choice makes it cheaper.
    pub floor: Vec<Option<Answer>>,
    /// The candidates that did best for some query, alone or together with others.
    pub promising: BTreeSet<CandidateId>,
    /// Questions asked.
    pub questions: usize,
    /// Whether the search came to its end.
    pub complete: bool,
}

impl Outcome {
    /// Before anything is known.
    pub(super) fn nothing(queries: usize) -> Self {
        Self {
            chosen: Vec::new(),
            gains: Vec::new(),
            frontier: Vec::new(),
            before: vec![None; queries],
            after: vec![None; queries],
            floor: vec![None; queries],
            promising: BTreeSet::new(),
            questions: 0,
            complete: false,
        }
    }
}
