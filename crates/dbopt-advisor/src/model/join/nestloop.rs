//! Nested loops, with the inner side scanned anew, by index for each outer row, kept, or memoized:
//! `initial_cost_nestloop`, `final_cost_nestloop`, `cost_material`, `cost_memoize_rescan`.

use super::Joins;
use crate::model::{
    cost::{DISABLED, byte_size},
    path::{Label, Node, Path, Paths},
    prepared::JoinType,
};

impl Joins<'_, '_> {
    pub(super) fn nested_loops(&self, into: &mut Paths) {
        if matches!(self.pair.kind, JoinType::Right | JoinType::Full) {
            return;
        }
        // Neither side may wait for a row of the other, nor the join for one of a relation beyond it.
        let outers = self.outer.list.iter().filter(|path| path.outer == 0);
        let outers: Vec<&Path> = outers.chain(self.partial_outers()).collect();
        // Each inner path that is cheapest for what it depends on, and the cheapest one kept in memory.
        let mut inners: Vec<Path> = Vec::new();
        for inner in &self.inner.list {
            if !self.usable_inner(inner) {
                continue;
            }
            let same = inners.iter().any(|other| {
                other.outer == inner.outer && other.total <= inner.total && other.startup <= inner.startup * 1.01
            });
            if !same {
                inners.push(inner.clone());
            }
        }
        let kept = self.inner.cheapest().filter(|_| self.costs.set.enable_material).map(|path| self.materialize(path));
        for outer in outers {
            for inner in inners.iter().chain(&kept) {
                let depends = inner.outer & self.outer_set().mask;
                self.nested_loop(outer, inner, into);
                if depends != 0
                    && self.costs.set.enable_memoize
                    && self.costs.version >= 140_000
                    && let Some(memoized) = self.memoize(outer, inner)
                {
                    self.nested_loop(outer, &memoized, into);
                }
            }
        }
    }

    fn partial_outers(&self) -> impl Iterator<Item = &Path> {
        let usable = self.parallel && self.keeps_outer_order();
        self.outer.partial.iter().filter(move |_| usable)
    }

    fn nested_loop(&self, outer: &Path, inner: &Path, into: &mut Paths) {
        let set = self.costs.set;
        let outer_rows = outer.rows.max(1.0);
        let (rescan_start, rescan_total) = inner.rescan;
        let mut startup = outer.startup + inner.startup;
        let mut run = outer.total - outer.startup;
        if outer_rows > 1.0 {
            run += (outer_rows - 1.0) * rescan_start;
        }
        let inner_run = inner.total - inner.startup;
        let rescan_run = (rescan_total - rescan_start).max(0.0);
        // What the inner scan tests with the outer row need not be tested again.
        let by_inner = |clause: usize| {
            let mask = self.block.clauses[clause].mask;
            inner.outer != 0 && mask & !(self.inner_set().mask | inner.outer) == 0 && mask & self.inner_set().mask != 0
        };
        let tuples = if self.first_match() {
            let (share, matches) = self.pair.matches.unwrap_or((1.0, 1.0));
            let mut matched = (outer_rows * share).round();
            let mut unmatched = outer_rows - matched;
            let scanned = 2.0 / (matches + 1.0);
            let mut pairs = matched * inner.rows * scanned;
            // Whether the inner scan finds the partner itself, so that a row without one costs next to nothing.
            let indexed = inner.outer != 0 && self.pair.clauses.iter().all(|clause| by_inner(*clause));
            if indexed {
                run += inner_run * scanned;
                if matched > 1.0 {
                    run += (matched - 1.0) * rescan_run * scanned;
                }
                run += unmatched * rescan_run / inner.rows.max(1.0);
            } else {
                pairs += unmatched * inner.rows;
                run += inner_run;
                if unmatched >= 1.0 {
                    unmatched -= 1.0;
                } else {
                    matched -= 1.0;
                }
                if matched > 0.0 {
                    run += matched * rescan_run * scanned;
                }
                if unmatched > 0.0 {
                    run += unmatched * rescan_run;
                }
            }
            pairs
        } else {
            run += inner_run;
            if outer_rows > 1.0 {
                run += (outer_rows - 1.0) * rescan_run;
            }
            outer_rows * inner.rows
        };
        run += (set.cpu_tuple_cost + self.qual_cost(&by_inner)) * tuples;
        if !set.enable_nestloop {
            startup += DISABLED;
        }
        let label =
            self.name(["Nested Loop", "Nested Loop Left Join", "Nested Loop Semi Join", "Nested Loop Anti Join", ""]);
        let node = Node::new(Label::Fixed(label), vec![outer.node.clone(), inner.node.clone()]);
        let mut path = Path::new(startup, startup + run, self.rows(outer), node);
        path.workers = outer.workers;
        path.order = self.order_of(outer);
        into.add(path, self.startup_matters);
    }

    /// Keeps the inner rows for the rescans.
    fn materialize(&self, path: &Path) -> Path {
        let width = self.inner_set().width;
        let mut kept = path.clone();
        kept.total = self.costs.materialize(path, width);
        kept.rescan = (0.0, self.costs.set.cpu_operator_cost * path.rows + self.costs.spill(path.rows, width));
        kept.marks = true;
        kept.node = Node::new(Label::Fixed("Materialize"), vec![path.node.clone()]);
        kept
    }

    /// Remembers the inner rows of the outer values met so far.
    fn memoize(&self, outer: &Path, inner: &Path) -> Option<Path> {
        let set = self.costs.set;
        // A cache is of no use for a single outer row, nor, in an anti join, for first matches that do not repeat.
        if outer.rows < 2.0 || self.inner_set().mask.count_ones() != 1 {
            return None;
        }
        if matches!(self.pair.kind, JoinType::Semi | JoinType::Anti) && self.pair.matches.is_none() {
            return None;
        }
        let rel = self.inner_set().mask.trailing_zeros() as usize;
        let mut distinct = 1.0;
        let mut seen = Vec::new();
        for param in &self.block.rels[rel].params {
            if param.others & !inner.outer != 0 || param.class.is_some_and(|class| seen.contains(&class)) {
                continue;
            }
            seen.extend(param.class);
            let clause = &self.block.clauses[param.clause];
            let Some(hands) = &clause.equality else { return None };
            let hand = hands.iter().find(|hand| hand.rel != rel)?;
            let other = &self.block.rels[hand.rel];
            distinct *= crate::model::prepared::thin_out(hand.var.var().distinct().0, other.tuples, other.rows);
        }
        let calls = outer.rows;
        let distinct = distinct.min(calls).max(1.0);
        let rows = inner.rows.max(1.0);
        // `ExecEstimateCacheEntryOverheadBytes`, and the rows themselves.
        let entry = byte_size(rows, self.inner_set().width) + 80.0 + 16.0 * rows;
        let entries = (self.costs.hash_mem() / entry).floor();
        if entries < 1.0 {
            return None;
        }
        let evicted = 1.0 - entries.min(distinct) / distinct;
        let hits = ((calls - distinct) / calls * (entries / entries.max(distinct))).clamp(0.0, 1.0);
        let mut total = inner.total * (1.0 - hits) + set.cpu_operator_cost;
        total += set.cpu_tuple_cost * evicted + set.cpu_operator_cost * evicted * rows;
        let startup = inner.startup * (1.0 - hits) + set.cpu_tuple_cost;
        total += set.cpu_tuple_cost + set.cpu_operator_cost * rows;
        let mut path = inner.clone();
        path.total = inner.total + set.cpu_tuple_cost;
        path.startup = inner.startup + set.cpu_tuple_cost;
        path.rescan = (startup, total);
        path.node = Node::new(Label::Fixed("Memoize"), vec![inner.node.clone()]);
        Some(path)
    }
}
