//! Hash joins: `initial_cost_hashjoin`, `final_cost_hashjoin`, `ExecChooseHashTableSize`.

use super::Joins;
use crate::model::{
    cost::{Costs, DISABLED, byte_size, clamp_rows, page_size},
    path::{Label, Node, Path, Paths},
    prepared::JoinType,
    selectivity,
};

impl Joins<'_, '_> {
    pub(super) fn hashes(&self, into: &mut Paths) {
        if self.pair.equalities.is_empty() {
            return;
        }
        let Some(inner) = self.inner.cheapest() else { return };
        let outers = [self.outer.cheapest(), self.outer.cheapest_startup()];
        for outer in outers.into_iter().flatten() {
            self.hash(outer, inner, false, into);
        }
        if !self.parallel || matches!(self.pair.kind, JoinType::Right | JoinType::Full) {
            return;
        }
        if let Some(outer) = self.outer.partial.first() {
            self.hash(outer, inner, false, into);
            if let Some(inner) = self.inner.partial.first() {
                self.hash(outer, inner, true, into);
            }
        }
    }

    fn hash(&self, outer: &Path, inner: &Path, shared: bool, into: &mut Paths) {
        let set = self.costs.set;
        let clauses = self.pair.equalities.len() as f64;
        let (outer_rows, inner_rows) = (outer.rows.max(1.0), inner.rows.max(1.0));
        let mut startup =
            outer.startup + inner.total + (set.cpu_operator_cost * clauses + set.cpu_tuple_cost) * inner_rows;
        let mut run = outer.total - outer.startup + set.cpu_operator_cost * clauses * outer_rows;
        // A shared table holds the rows of all workers, in the memory of all of them.
        let all_rows = if shared { inner_rows * Costs::divisor(inner.workers) } else { inner_rows };
        let memory = self.costs.hash_mem() * if shared { f64::from(inner.workers) + 1.0 } else { 1.0 };
        let (buckets, batches) = table_size(all_rows, self.inner_set().width, memory);
        if batches > 1.0 {
            let outer_pages = page_size(outer_rows, self.outer_set().width);
            let inner_pages = page_size(inner_rows, self.inner_set().width);
            startup += set.seq_page_cost * inner_pages;
            run += set.seq_page_cost * (inner_pages + 2.0 * outer_pages);
        }
        let virtual_buckets = buckets * batches;
        let (mut bucket, mut top) = (1.0_f64, 1.0_f64);
        for (_, _, hand) in self.hands() {
            let rows = self.block.rels[hand.rel].rows;
            let (share, common) = selectivity::bucket_share(&hand.var.var(), rows, virtual_buckets);
            bucket = bucket.min(share);
            top = top.min(common);
        }
        if byte_size(clamp_rows(inner_rows * top), self.inner_set().width) > self.costs.hash_mem() {
            startup += DISABLED;
        }
        let hash_quals = clauses * set.cpu_operator_cost;
        let equal = |clause: usize| self.pair.equalities.iter().any(|(number, _)| *number == clause);
        let other_quals = self.qual_cost(&equal);
        let tuples = if self.first_match() {
            let (share, matches) = self.pair.matches.unwrap_or((1.0, 1.0));
            let matched = (outer_rows * share).round();
            let scanned = 2.0 / (matches + 1.0);
            run += hash_quals * matched * clamp_rows(inner_rows * bucket * scanned) * 0.5;
            run += hash_quals * (outer_rows - matched) * clamp_rows(inner_rows / virtual_buckets) * 0.05;
            if self.pair.kind == JoinType::Anti { outer_rows - matched } else { matched }
        } else {
            run += hash_quals * outer_rows * clamp_rows(inner_rows * bucket) * 0.5;
            clamp_rows(self.pair.approximate * outer_rows * inner_rows)
        };
        run += (set.cpu_tuple_cost + other_quals) * tuples;
        if !set.enable_hashjoin {
            startup += DISABLED;
        }
        let label = if shared {
            "Parallel Hash Join"
        } else {
            self.name(["Hash Join", "Hash Left Join", "Hash Semi Join", "Hash Anti Join", "Hash Right Join"])
        };
        let node = Node::new(Label::Fixed(label), vec![outer.node.clone(), inner.node.clone()]);
        let mut path = Path::new(startup, startup + run, self.rows(outer), node);
        path.workers = outer.workers;
        into.add(path, self.startup_matters);
    }
}

/// Buckets and batches of a hash table (`ExecChooseHashTableSize`).
fn table_size(rows: f64, width: f64, memory: f64) -> (f64, f64) {
    let width = (width / 8.0).ceil() * 8.0;
    // A tuple has a header of its own before the minimal tuple's.
    let tuple = 16.0 + 16.0 + width;
    let bytes = rows * tuple;
    let most_pointers = power_below((memory / 8.0).clamp(1024.0, 134_217_728.0));
    let buckets = power_above(rows.max(1024.0)).min(most_pointers);
    if bytes + buckets * 8.0 <= memory {
        return (buckets, 1.0);
    }
    let bucket = tuple + 8.0;
    let buckets = power_below((memory / bucket).max(1024.0)).min(most_pointers);
    let room = (memory - buckets * 8.0).max(memory * 0.5);
    let batches = power_above((bytes / room).ceil().max(2.0)).min(1.0e6);
    (buckets, batches)
}

fn power_above(value: f64) -> f64 {
    2.0_f64.powf(value.max(1.0).log2().ceil())
}

fn power_below(value: f64) -> f64 {
    2.0_f64.powf(value.max(1.0).log2().floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_fits_has_one_batch() {
        assert_eq!(table_size(10_000.0, 8.0, 8_388_608.0), (16_384.0, 1.0));
        let (_, batches) = table_size(10_000_000.0, 8.0, 8_388_608.0);
        assert!((64.0..=128.0).contains(&batches), "{batches}");
    }
}
