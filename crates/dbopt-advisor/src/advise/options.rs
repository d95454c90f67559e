//! What the user can choose.

use std::sync::{Arc, atomic::AtomicBool};

use dbopt_catalog::{Catalog, Relkind};

use crate::{search::Limits, size::SizeMode};

/// How much space new indexes may take.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Budget {
    /// As much as they are worth.
    #[default]
    Unlimited,
    /// Bytes.
    Bytes(f64),
    /// A share of the bytes of all tables, without their indexes: 0.25 is 25 %.
    TableShare(f64),
}

impl Budget {
    /// The budget in bytes.
    #[must_use]
    pub fn bytes(self, catalog: &Catalog) -> f64 {
        match self {
            Self::Unlimited => f64::INFINITY,
            Self::Bytes(bytes) => bytes,
            Self::TableShare(share) => {
                // A partitioned table repeats the pages of its partitions.
                let stored = |kind| matches!(kind, Relkind::Table | Relkind::MaterializedView);
                let tables = catalog.tables.iter().filter(|table| stored(table.kind));
                let pages: f64 = tables.map(|table| table.pages).sum();
                share * pages * f64::from(catalog.server.block_size)
            }
        }
    }
}

/// Choices for [`advise`](crate::advise).
#[derive(Clone, Debug)]
pub struct AdviseOptions {
    /// Space for new indexes.
    pub budget: Budget,
    /// Which formula predicts sizes.
    pub sizes: SizeMode,
    /// The least share of one query's cost that an index must save, for at least one query.
    pub query_gain: f64,
    /// The least share that an index must save, of what all candidates together could save of the workload's cost.
    pub total_gain: f64,
    /// The most candidates to think of.
    pub candidates: usize,
    /// Whether an index may hold a literal of the workload, in its predicate or in an expression.
    pub literals: bool,
    /// Length of the workload's period in seconds, when known; it relates the server's write counters to the workload.
    pub period: Option<f64>,
    /// Set from outside to end the search with the best answer so far.
    pub interrupt: Option<Arc<AtomicBool>>,
}

impl Default for AdviseOptions {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            budget: Budget::Unlimited,
            sizes: SizeMode::default(),
            query_gain: limits.query_gain,
            total_gain: limits.total_gain,
            candidates: 4000,
            literals: true,
            period: None,
            interrupt: None,
        }
    }
}

impl AdviseOptions {
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.as_ref().is_some_and(|flag| flag.load(std::sync::atomic::Ordering::Relaxed))
    }
}
