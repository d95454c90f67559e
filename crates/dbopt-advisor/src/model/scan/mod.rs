//! Ways to read one relation (`allpaths.c`, `indxpath.c`).

mod access;
mod bitmap;
mod bounds;
mod matching;
mod seq;

use std::sync::Arc;

use super::{
    cost::{Costs, clamp_rows},
    index::IndexInfo,
    path::{Mask, PathKey, Paths},
    prepared::{Block, Key, Rel, RelKind, quals_together},
};
use matching::Condition;

/// What the scans of one relation are chosen from.
pub(crate) struct Scans<'p, 'a> {
    pub(crate) catalog: &'p dbopt_catalog::Catalog,
    pub(crate) costs: &'p Costs<'p>,
    pub(crate) block: &'p Block<'a>,
    pub(crate) at: usize,
    pub(crate) rel: &'p Rel<'a>,
    /// The indexes of its table, with their numbers.
    pub(crate) indexes: Vec<(usize, &'p IndexInfo)>,
    /// Whether workers may be used.
    pub(crate) parallel: bool,
    /// Whether a cheap first row is worth a dearer last one.
    pub(crate) startup_matters: bool,
    /// Cost of the sub-selects that each row's conditions run.
    pub(crate) subplans: f64,
}

impl<'p, 'a> Scans<'p, 'a> {
    /// All scans that are worth keeping.
    pub(crate) fn paths(&self) -> Paths {
        let mut paths = Paths::default();
        self.seq(&mut paths);
        if matches!(self.rel.kind, RelKind::Table(_)) {
            self.index_scans(&mut paths);
        }
        paths
    }

    /// Cost of a row's conditions, some of which an index may have tested already, in operator calls and once.
    fn qual_cost(&self, tested: u64) -> (f64, f64) {
        let mut ops = 0.0;
        let mut startup = 0.0;
        for (at, qual) in self.rel.quals.iter().enumerate() {
            if at < MAX_QUALS && tested >> at & 1 == 1 {
                continue;
            }
            ops += qual.ops;
            startup += qual.startup_ops;
        }
        let unit = self.costs.set.cpu_operator_cost;
        (ops * unit + self.subplans, startup * unit)
    }

    /// Rows of a scan that also tests join conditions (`get_parameterized_baserel_size`).
    fn param_rows(&self, outer: Mask) -> f64 {
        let own = self.rel.quals.iter().map(|qual| (qual.selectivity, qual.range.as_ref()));
        let mut classes = Vec::new();
        let params =
            self.rel.params.iter().filter(|param| param.others & !outer == 0).filter_map(|param| match param.class {
                Some(class) if classes.contains(&class) => None,
                class => {
                    classes.extend(class);
                    Some((param.selectivity, None))
                }
            });
        let params: Vec<_> = params.collect();
        if params.is_empty() {
            return self.rel.rows;
        }
        let share = quals_together(own.chain(params));
        clamp_rows(self.rel.tuples * share).min(self.rel.rows)
    }

    /// The order of an index as far as anything wants it.
    fn index_order(&self, index: &IndexInfo, backward: bool) -> Arc<[PathKey]> {
        let mut keys: Vec<PathKey> = Vec::new();
        for column in &index.keys {
            if !column.ordered {
                break;
            }
            if self.is_constant(&column.key) {
                continue;
            }
            let Some(id) = self.order_id(&column.key) else { break };
            keys.push(PathKey {
                id,
                descending: column.descending != backward,
                nulls_first: column.nulls_first != backward,
            });
        }
        self.useful(keys)
    }

    /// Cuts an order to what a join or a later step can use (`truncate_useless_pathkeys`).
    fn useful(&self, keys: Vec<PathKey>) -> Arc<[PathKey]> {
        let wanted = self
            .block
            .wanted
            .iter()
            .map(|wanted| keys.iter().zip(wanted).take_while(|(own, other)| own == other).count());
        let later = wanted.max().unwrap_or(0);
        let merging = keys.iter().take_while(|key| self.merges(key)).count();
        let most = later.max(merging);
        keys.into_iter().take(most).collect()
    }

    fn merges(&self, key: &PathKey) -> bool {
        self.block.clauses.iter().any(|clause| {
            clause
                .equality
                .as_ref()
                .is_some_and(|hands| hands.iter().any(|hand| hand.rel == self.at && hand.id == key.id))
        })
    }

    fn order_id(&self, key: &Key) -> Option<usize> {
        self.block
            .orderable
            .iter()
            .position(|members| members.iter().any(|(rel, other)| *rel == self.at && other == key))
    }

    /// Whether a condition gives a key one value.
    fn is_constant(&self, key: &Key) -> bool {
        self.rel.quals.iter().any(|qual| matches!(&qual.shape, super::prepared::Shape::Equal(other, _) if other == key))
    }

    /// The relation's conditions and join conditions, for matching.
    fn conditions(&self, outer: Mask) -> Vec<Condition<'p>> {
        let rel = self.rel;
        let own = rel.quals.iter().take(MAX_QUALS).enumerate().map(|(at, qual)| Condition::of_qual(at, qual));
        let params = rel.params.iter().take(64 - MAX_QUALS).enumerate();
        let params = params.filter(|(_, param)| outer != 0 && param.others & !outer == 0);
        own.chain(params.map(|(at, param)| Condition::of_param(MAX_QUALS + at, param))).collect()
    }
}

/// Conditions of one relation that indexes are matched with; the others are filters only. Join conditions use the bits
/// above.
const MAX_QUALS: usize = 40;
