//! Sequential scans, and reading of sub-selects, CTEs and functions.

use super::Scans;
use crate::model::{
    cost::{Costs, DISABLED},
    path::{Label, Node, Path, Paths},
    prepared::RelKind,
};

impl Scans<'_, '_> {
    /// `cost_seqscan`, with and without workers; `cost_functionscan` and `cost_ctescan`.
    pub(super) fn seq(&self, paths: &mut Paths) {
        let rel = self.rel;
        let set = self.costs.set;
        let (per_row, startup) = self.qual_cost(0);
        let cpu = (set.cpu_tuple_cost + per_row) * rel.tuples;
        let label = match rel.kind {
            RelKind::Table(_) => "Seq Scan",
            RelKind::Cte => "CTE Scan",
            _ => "Function Scan",
        };
        let disk = match rel.kind {
            RelKind::Table(_) => rel.pages * set.seq_page_cost,
            // Reading a kept row costs as much again as making a row of it.
            RelKind::Cte => set.cpu_tuple_cost * rel.tuples,
            _ => 0.0,
        };
        let disabled = if set.enable_seqscan || !matches!(rel.kind, RelKind::Table(_)) { 0.0 } else { DISABLED };
        let node = Node::new(Label::Scan(label, rel.name.clone()), vec![]);
        // An Append over partitions adds half a tuple's cost a row (`APPEND_CPU_COST_MULTIPLIER`).
        let append = if rel.partitions > 1.0 { 0.5 * set.cpu_tuple_cost * rel.rows } else { 0.0 };
        let start = startup + disabled;
        paths.add(Path::new(start, start + disk + cpu + append, rel.rows, node), self.startup_matters);
        if !self.parallel || !matches!(rel.kind, RelKind::Table(_)) {
            return;
        }
        let workers = self.costs.workers(Some(rel.pages), None);
        if workers == 0 {
            return;
        }
        let divisor = Costs::divisor(workers);
        let node = Node::new(Label::Scan("Parallel Seq Scan", rel.name.clone()), vec![]);
        let rows = (rel.rows / divisor).round().max(1.0);
        let mut path = Path::new(start, start + disk + cpu / divisor + append / divisor, rows, node);
        path.workers = workers;
        paths.add(path, false);
    }
}
