//! Merge joins: `initial_cost_mergejoin`, `final_cost_mergejoin`.

use super::Joins;
use crate::model::{
    cost::{DISABLED, byte_size, clamp_rows},
    path::{Label, Node, Path, PathKey, Paths},
    prepared::JoinType,
    selectivity,
};

impl Joins<'_, '_> {
    pub(super) fn merges(&self, into: &mut Paths) {
        if self.pair.equalities.is_empty() {
            return;
        }
        let pairs: Vec<(usize, usize)> = self.hands().map(|(_, outer, inner)| (outer.id, inner.id)).collect();
        let (Some(cheapest_outer), Some(cheapest_inner)) = (self.outer.cheapest(), self.inner.cheapest()) else {
            return;
        };
        // In the order of a path that has one, and in the order of the equalities.
        let mut orders: Vec<[Vec<PathKey>; 2]> = Vec::new();
        let mut add = |keys: Vec<PathKey>, from_outer: bool| {
            let other = |key: &PathKey| {
                let found = pairs.iter().find(|pair| key.id == if from_outer { pair.0 } else { pair.1 });
                found.map(|pair| PathKey { id: if from_outer { pair.1 } else { pair.0 }, ..*key })
            };
            let others: Vec<PathKey> = keys.iter().map_while(other).collect();
            let keys = keys[..others.len()].to_vec();
            let both = if from_outer { [keys, others] } else { [others, keys] };
            if !both[0].is_empty() && !orders.contains(&both) {
                orders.push(both);
            }
        };
        self.outer.list.iter().chain(&self.outer.partial).for_each(|path| add(path.order.to_vec(), true));
        self.inner.list.iter().for_each(|path| add(path.order.to_vec(), false));
        add(pairs.iter().map(|pair| PathKey { id: pair.0, descending: false, nulls_first: false }).collect(), true);
        orders.truncate(MAX_ORDERS);
        for [outer_keys, inner_keys] in &orders {
            let ready = |paths: &Paths, keys: &[PathKey]| -> Vec<Path> {
                paths.list.iter().filter(|path| path.outer == 0 && path.is_sorted_by(keys)).take(2).cloned().collect()
            };
            let mut outers = ready(self.outer, outer_keys);
            if !outers.iter().any(|path| path.total <= cheapest_outer.total) {
                outers.push(self.sorted(cheapest_outer, outer_keys, self.outer_set().width));
            }
            let mut inners = ready(self.inner, inner_keys);
            if !inners.iter().any(|path| path.total <= cheapest_inner.total) {
                inners.push(self.sorted(cheapest_inner, inner_keys, self.inner_set().width));
            }
            if self.parallel && !matches!(self.pair.kind, JoinType::Right | JoinType::Full) {
                let partial = self.outer.partial.iter().filter(|path| path.is_sorted_by(outer_keys));
                outers.extend(partial.take(1).cloned());
            }
            for outer in &outers {
                for inner in &inners {
                    self.merge(outer, inner, outer_keys, into);
                }
            }
        }
    }

    fn merge(&self, outer: &Path, inner: &Path, keys: &[PathKey], into: &mut Paths) {
        let set = self.costs.set;
        let first = self.hands().find(|(_, hand, _)| keys.first().is_some_and(|key| key.id == hand.id));
        let Some((_, left, right)) = first else { return };
        let [mut outer_start, mut outer_end, mut inner_start, mut inner_end] =
            selectivity::scan_share(&left.var.var(), &right.var.var());
        if keys[0].descending {
            (outer_start, outer_end) = (1.0 - outer_end, 1.0 - outer_start);
            (inner_start, inner_end) = (1.0 - inner_end, 1.0 - inner_start);
        }
        // The side whose rows are all returned is read from end to end.
        if matches!(self.pair.kind, JoinType::Left | JoinType::Anti | JoinType::Full) {
            (outer_start, outer_end) = (0.0, 1.0);
        }
        if matches!(self.pair.kind, JoinType::Right | JoinType::Full) {
            (inner_start, inner_end) = (0.0, 1.0);
        }
        let outer_rows = clamp_rows(outer.rows * outer_end);
        let inner_rows = clamp_rows(inner.rows * inner_end);
        let outer_skip = (outer.rows * outer_start).round();
        let inner_skip = (inner.rows * inner_start).round();
        let part = |path: &Path, start: f64, end: f64| {
            let run = path.total - path.startup;
            (path.startup + run * start, run * (end - start).max(0.0))
        };
        let (outer_startup, outer_run) = part(outer, outer_start, outer_end);
        let (inner_startup, inner_run) = part(inner, inner_start, inner_end);
        let mut startup = outer_startup + inner_startup;
        let tuples = clamp_rows(self.pair.approximate * outer.rows * inner.rows);
        // Equal outer values read the same inner rows again.
        let rescanned = if self.first_match() { 0.0 } else { (tuples - inner.rows).max(0.0) };
        let again = 1.0 + rescanned / inner.rows.max(1.0);
        let bare = inner_run * again;
        let kept = inner_run + set.cpu_operator_cost * inner_rows * again;
        let sorted_inner = !inner.marks;
        let spills = byte_size(inner.rows, self.inner_set().width) > set.work_mem;
        let needs_keeping = sorted_inner && !self.first_match();
        let materialized = set.enable_material
            && (kept < bare || needs_keeping && !inner.is_sort() || spills && inner.is_sort() && !self.first_match());
        let mut run = outer_run + if materialized { kept } else { bare };
        let quals = keys.len() as f64 * set.cpu_operator_cost;
        startup += quals * (outer_skip + inner_skip * again);
        run += quals * ((outer_rows - outer_skip) + (inner_rows - inner_skip) * again);
        let merged = |clause: usize| self.pair.equalities.iter().any(|(number, _)| *number == clause);
        run += (set.cpu_tuple_cost + self.qual_cost(&merged)) * tuples;
        if !set.enable_mergejoin {
            startup += DISABLED;
        }
        let label =
            self.name(["Merge Join", "Merge Left Join", "Merge Semi Join", "Merge Anti Join", "Merge Right Join"]);
        let inner_node = if materialized {
            Node::new(Label::Fixed("Materialize"), vec![inner.node.clone()])
        } else {
            inner.node.clone()
        };
        let node = Node::new(Label::Fixed(label), vec![outer.node.clone(), inner_node]);
        let mut path = Path::new(startup, startup + run, self.rows(outer), node);
        path.workers = outer.workers;
        path.order = self.order_of(outer);
        into.add(path, self.startup_matters);
    }
}

/// Orders in which two sides are merged.
const MAX_ORDERS: usize = 4;
