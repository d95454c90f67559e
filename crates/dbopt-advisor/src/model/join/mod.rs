//! Joins of two sets of relations (`joinpath.c`).

mod hash;
mod merge;
mod nestloop;

use std::sync::Arc;

use super::{
    cost::Costs,
    path::{Label, Node, Path, PathKey, Paths},
    prepared::{Block, Hand, JoinType, Pair, RelSet},
    sort,
};

/// What one join is chosen from.
pub(crate) struct Joins<'p, 'a> {
    pub(crate) costs: &'p Costs<'p>,
    pub(crate) block: &'p Block<'a>,
    pub(crate) pair: &'p Pair,
    pub(crate) set: &'p RelSet,
    pub(crate) outer: &'p Paths,
    pub(crate) inner: &'p Paths,
    pub(crate) parallel: bool,
    pub(crate) startup_matters: bool,
}

impl<'p, 'a> Joins<'p, 'a> {
    /// Adds the joins that are worth keeping.
    pub(crate) fn add(&self, into: &mut Paths) {
        match self.pair.kind {
            JoinType::UniqueInner | JoinType::UniqueOuter => self.unique(into),
            _ => {
                self.nested_loops(into);
                self.merges(into);
                self.hashes(into);
            }
        }
    }

    fn outer_set(&self) -> &'p RelSet {
        &self.block.sets[self.pair.outer]
    }

    fn inner_set(&self) -> &'p RelSet {
        &self.block.sets[self.pair.inner]
    }

    /// Cost of testing the conditions of a pair of rows, those left out that are tested elsewhere.
    fn qual_cost(&self, left_out: &dyn Fn(usize) -> bool) -> f64 {
        let ops =
            self.pair.clauses.iter().filter(|clause| !left_out(**clause)).map(|clause| self.block.clauses[*clause].ops);
        ops.sum::<f64>() * self.costs.set.cpu_operator_cost
    }

    /// The equalities, each with its outer and inner hand.
    fn hands(&self) -> impl Iterator<Item = (usize, &'p Hand<'a>, &'p Hand<'a>)> {
        let block = self.block;
        self.pair.equalities.iter().filter_map(move |(number, forward)| {
            let [left, right] = block.clauses[*number].equality.as_ref()?;
            Some(if *forward { (*number, left, right) } else { (*number, right, left) })
        })
    }

    /// Whether only the first match of an outer row is wanted.
    fn first_match(&self) -> bool {
        matches!(self.pair.kind, JoinType::Semi | JoinType::Anti) || self.pair.matches.is_some()
    }

    fn keeps_outer_order(&self) -> bool {
        !matches!(self.pair.kind, JoinType::Right | JoinType::Full)
    }

    /// Rows of the join, or one worker's share of them, from an outer path.
    fn rows(&self, outer: &Path) -> f64 {
        if outer.workers == 0 {
            self.set.rows
        } else {
            (self.set.rows / Costs::divisor(outer.workers)).round().max(1.0)
        }
    }

    fn order_of(&self, outer: &Path) -> Arc<[PathKey]> {
        if self.keeps_outer_order() { outer.order.clone() } else { Arc::from([]) }
    }

    fn name(&self, plain: [&'static str; 5]) -> &'static str {
        match self.pair.kind {
            JoinType::Left => plain[1],
            JoinType::Semi => plain[2],
            JoinType::Anti => plain[3],
            JoinType::Right | JoinType::Full => plain[4],
            _ => plain[0],
        }
    }

    /// A semi join as an inner join with one side made unique by hashing (`create_unique_path`).
    fn unique(&self, into: &mut Paths) {
        let inner_side = self.pair.kind == JoinType::UniqueInner;
        let simple = self.pair.clauses.len() == self.pair.equalities.len() && !self.pair.clauses.is_empty();
        let side = if inner_side { self.inner } else { self.outer };
        let Some(cheapest) = side.cheapest() else { return };
        if !simple {
            return;
        }
        let set = self.costs.set;
        let columns = self.pair.equalities.len() as f64;
        let startup = cheapest.total + set.cpu_operator_cost * columns * cheapest.rows;
        let total = startup + set.cpu_tuple_cost * self.pair.unique_rows;
        let node = Node::new(Label::Fixed("HashAggregate"), vec![cheapest.node.clone()]);
        let mut unique = Paths::default();
        unique.add(Path::new(startup, total, self.pair.unique_rows, node), false);
        let pair = Pair {
            outer: self.pair.outer,
            inner: self.pair.inner,
            kind: JoinType::Inner,
            clauses: self.pair.clauses.clone(),
            equalities: self.pair.equalities.clone(),
            approximate: self.pair.approximate,
            matches: inner_side.then_some((1.0, 1.0)),
            unique_rows: 0.0,
        };
        let joins = Joins {
            pair: &pair,
            outer: if inner_side { self.outer } else { &unique },
            inner: if inner_side { &unique } else { self.inner },
            parallel: false,
            ..*self
        };
        joins.nested_loops(into);
        joins.hashes(into);
    }

    /// A path sorted by some keys, unless it is already.
    fn sorted(&self, path: &Path, keys: &[PathKey], width: f64) -> Path {
        if path.is_sorted_by(keys) { path.clone() } else { sort::sort(self.costs, path, keys, width, None) }
    }

    /// Whether a path depends on nothing but the other side of this join.
    fn usable_inner(&self, path: &Path) -> bool {
        path.outer & !self.outer_set().mask == 0
    }
}
