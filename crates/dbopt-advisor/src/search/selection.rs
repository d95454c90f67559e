//! A set of candidates with what it costs.

use std::collections::BTreeSet;

use crate::whatif::CandidateId;

/// A set of candidates whose costs are known.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// The candidates.
    pub(super) set: BTreeSet<CandidateId>,
    /// Cost of one execution of each query; 0 for those that cannot be planned.
    pub(super) costs: Vec<f64>,
    /// Workload cost of all reads: costs times executions.
    pub(super) reads: f64,
    /// Workload cost of the candidates' upkeep.
    pub(super) upkeep: f64,
    /// Size of the candidates.
    pub(super) bytes: f64,
}

impl Selection {
    /// What the search minimises.
    pub(super) fn objective(&self) -> f64 {
        self.reads + self.upkeep
    }

    /// Whether this is better than another; the smaller wins when there is nothing else between them.
    pub(super) fn beats(&self, other: &Self) -> bool {
        let (mine, its) = (self.objective(), other.objective());
        let close = (mine - its).abs() <= 1e-9 * its.abs().max(1.0);
        if close { self.bytes < other.bytes } else { mine < its }
    }
}
