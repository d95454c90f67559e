//! Index scans and index-only scans: `cost_index`, `btcostestimate`, `genericcostestimate`, `hashcostestimate`.

use std::collections::BTreeSet;

use dbopt_catalog::Method;

use super::{
    Scans,
    bitmap::Bitmap,
    bounds::{Bounds, Tree, together},
    matching::{Condition, Implied, Use, btree_use, implied},
};
use crate::model::{
    cost::{Costs, DISABLED, clamp_rows},
    index::IndexInfo,
    path::{Label, Mask, Node, Path, Paths},
    prepared::{Key, RelKind},
};

/// What reading an index costs (`amcostestimate`).
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexCost {
    pub(super) startup: f64,
    pub(super) total: f64,
    /// Share of the table's rows that the index finds.
    pub(super) selectivity: f64,
    /// Index pages read.
    pub(super) pages: f64,
}

/// The conditions that an index tests.
pub(super) struct Tested<'q> {
    /// With the number of the index's column.
    uses: Vec<(usize, Use, Condition<'q>)>,
    /// Bits of the conditions that need no further test.
    pub(super) exact: u64,
    /// Bits of all conditions tested.
    pub(super) all: u64,
    /// Whether a later column has a list, which breaks the order.
    later_list: bool,
}

/// Sets of outer relations that one relation's scans are considered for.
const MAX_OUTER_SETS: usize = 12;

impl<'p> Scans<'p, '_> {
    /// Adds all scans by index.
    pub(super) fn index_scans(&self, paths: &mut Paths) {
        let mut bitmaps: Vec<Bitmap> = Vec::new();
        let RelKind::Table(table) = self.rel.kind else { return };
        let columns = &self.block_table(table).columns;
        let outer_sets = self.outer_sets();
        for (number, index) in &self.indexes {
            let Some(implied) = implied(index, &self.rel.quals, columns) else { continue };
            let ordered = index.method == Method::Btree;
            match index.method {
                Method::Btree | Method::Hash => {
                    self.plain(*number, index, &implied, 0, ordered, paths, &mut bitmaps);
                    for outer in &outer_sets {
                        self.plain(*number, index, &implied, *outer, ordered, paths, &mut bitmaps);
                    }
                }
                _ => bitmaps.extend(self.search(*number, index, &implied)),
            }
        }
        self.or_bitmaps(&mut bitmaps, columns);
        self.bitmap_scans(bitmaps, paths);
    }

    fn block_table(&self, table: dbopt_catalog::TableId) -> &'p dbopt_catalog::Table {
        self.catalog.table(table)
    }

    /// The sets of outer relations that join conditions could take values from (`consider_index_join_clauses`).
    fn outer_sets(&self) -> Vec<Mask> {
        let single: BTreeSet<Mask> = self.rel.params.iter().map(|param| param.others).collect();
        let mut sets: Vec<Mask> = single.iter().copied().collect();
        for a in &single {
            for b in &single {
                let both = a | b;
                if sets.len() < MAX_OUTER_SETS && !sets.contains(&both) {
                    sets.push(both);
                }
            }
        }
        sets.truncate(MAX_OUTER_SETS);
        sets
    }

    #[expect(clippy::too_many_arguments, reason = "the choices of one index path, each needed below")]
    fn plain(
        &self,
        number: usize,
        index: &IndexInfo,
        implied: &Implied,
        outer: Mask,
        ordered: bool,
        paths: &mut Paths,
        bitmaps: &mut Vec<Bitmap>,
    ) {
        let conditions = self.conditions(outer);
        for lists in [false, true] {
            let tested = self.tested(index, &conditions, lists);
            if outer != 0 && !tested.uses.iter().any(|(.., condition)| condition.bit >> super::MAX_QUALS != 0) {
                return;
            }
            if lists && !tested.later_list {
                return;
            }
            let covers = self.costs.set.enable_indexonlyscan && !self.rel.whole_row && index.covers(&self.rel.needed);
            // Before PostgreSQL 17 a list on a later column scanned out of order.
            let in_order = ordered && !(lists && self.costs.version < 170_000);
            let order = if in_order { self.index_order(index, false) } else { [].into() };
            let backward = if in_order { self.index_order(index, true) } else { [].into() };
            let useful = !tested.uses.is_empty() || !index.predicate.is_empty() || covers;
            if index.method == Method::Hash && tested.uses.is_empty() {
                return;
            }
            // An index that tests nothing and gives no wanted order only makes the table's rows come in another one.
            if useful || !order.is_empty() {
                let (path, cost) = self.index_path(number, index, implied, &tested, outer, covers, None);
                let empty = order.is_empty();
                paths.add(path.clone().ordered(order), self.startup_matters);
                if outer == 0 && self.parallel && ordered {
                    self.parallel_scan(number, index, implied, &tested, covers, paths);
                }
                let keep = empty || cost.selectivity < 1.0;
                if keep && !tested.uses.is_empty() {
                    let rows = path.rows;
                    bitmaps.push(Bitmap::leaf(number, index, cost, tested.all | implied.same, rows, outer));
                }
            }
            if !backward.is_empty() {
                let (path, _) = self.index_path(number, index, implied, &tested, outer, covers, None);
                paths.add(path.ordered(backward), self.startup_matters);
            }
        }
    }

    /// The conditions that an index tests; with or without lists on later columns.
    fn tested<'q>(&self, index: &IndexInfo, conditions: &[Condition<'q>], lists: bool) -> Tested<'q> {
        let mut found = Tested { uses: Vec::new(), exact: 0, all: 0, later_list: false };
        let mut classes = Vec::new();
        for (at, column) in index.keys.iter().enumerate() {
            if index.method == Method::Hash && at > 0 {
                break;
            }
            for condition in conditions {
                let Some(tested) = btree_use(column, condition) else { continue };
                if index.method == Method::Hash && tested != Use::Equal {
                    continue;
                }
                if condition.class.is_some_and(|class| classes.contains(&(class, at))) {
                    continue;
                }
                if matches!(tested, Use::Any(_)) && at > 0 {
                    found.later_list = true;
                    if !lists {
                        continue;
                    }
                }
                classes.extend(condition.class.map(|class| (class, at)));
                if !matches!(tested, Use::Prefix(_)) {
                    found.exact |= condition.bit;
                }
                found.all |= condition.bit;
                found.uses.push((at, tested, *condition));
            }
        }
        found
    }

    /// An index path: cost and rows (`cost_index`); with `workers`, one worker's share.
    #[expect(clippy::too_many_arguments, reason = "the choices of one index path, each needed below")]
    fn index_path(
        &self,
        number: usize,
        index: &IndexInfo,
        implied: &Implied,
        tested: &Tested<'_>,
        outer: Mask,
        index_only: bool,
        workers: Option<&dyn Fn(f64, f64) -> u32>,
    ) -> (Path, IndexCost) {
        let set = self.costs.set;
        let rel = self.rel;
        let loops = if outer == 0 { 1.0 } else { self.loop_count(outer) };
        let cost = self.index_cost(index, implied, &tested.uses, loops);
        let tuples = clamp_rows(cost.selectivity * rel.tuples);
        let visible = |pages: f64| if index_only { (pages * (1.0 - rel.all_visible)).ceil() } else { pages };
        let all = rel.pages;
        let (most, least, random_pages);
        if loops > 1.0 {
            let pages = visible(self.costs.pages_fetched(tuples * loops, all, index.pages));
            random_pages = pages;
            most = pages * set.random_page_cost / loops;
            let pages = (cost.selectivity * all).ceil();
            let pages = visible(self.costs.pages_fetched(pages * loops, all, index.pages));
            least = pages * set.random_page_cost / loops;
        } else {
            let pages = visible(self.costs.pages_fetched(tuples, all, index.pages));
            random_pages = pages;
            most = pages * set.random_page_cost;
            let pages = visible((cost.selectivity * all).ceil());
            least = if pages > 0.0 { set.random_page_cost + (pages - 1.0) * set.seq_page_cost } else { 0.0 };
        }
        let correlation = self.correlation(index);
        let disk = most + correlation * correlation * (least - most);
        let (per_row, startup) = self.qual_cost(tested.exact | implied.same);
        // Join conditions that the index does not test are tested here as well.
        let joins = rel.params.iter().enumerate().filter(|(at, param)| {
            let bit = super::MAX_QUALS + at;
            outer != 0 && param.others & !outer == 0 && param.class.is_none() && bit < 64 && tested.all >> bit & 1 == 0
        });
        let per_row = per_row + joins.count() as f64 * set.cpu_operator_cost;
        let cpu = (set.cpu_tuple_cost + per_row) * tuples;
        let disabled = if set.enable_indexscan { 0.0 } else { DISABLED };
        let start = cost.startup + startup + disabled;
        let rows = if outer == 0 { rel.rows } else { self.param_rows(outer) };
        let label = if index_only { "Index Only Scan on" } else { "Index Scan on" };
        let node = Node::new(Label::Index(label, index.name.clone(), number), vec![]);
        let reading = cost.total - cost.startup + disk;
        let mut path = match workers.map(|workers| workers(if index_only { -1.0 } else { random_pages }, cost.pages)) {
            None => Path::new(start, start + reading + cpu, rows, node),
            Some(workers) => {
                let divisor = Costs::divisor(workers);
                let rows = (rows / divisor).round().max(1.0);
                let mut path = Path::new(start, start + reading + cpu / divisor, rows, node);
                path.workers = workers;
                path
            }
        };
        path.marks = index.method == Method::Btree;
        (path.with_outer(outer), cost)
    }

    fn parallel_scan(
        &self,
        number: usize,
        index: &IndexInfo,
        implied: &Implied,
        tested: &Tested<'_>,
        index_only: bool,
        paths: &mut Paths,
    ) {
        let count = |heap: f64, pages: f64| {
            let heap = (heap >= 0.0).then_some(heap);
            self.costs.workers(heap, Some(pages))
        };
        let (path, _) = self.index_path(number, index, implied, tested, 0, index_only, Some(&count));
        if path.workers > 0 {
            paths.add(path.ordered(self.index_order(index, false)), false);
        }
    }

    /// Times that a scan which depends on outer rows is run: the rows of the smallest of them (`get_loop_count`).
    pub(super) fn loop_count(&self, outer: Mask) -> f64 {
        let rels = self.block.rels.iter().enumerate().filter(|(at, _)| outer >> at & 1 == 1);
        let least = rels.map(|(_, rel)| rel.rows).fold(f64::INFINITY, f64::min);
        if least.is_finite() { least.max(1.0) } else { 1.0 }
    }

    /// Correlation of an index's order with the table's.
    pub(super) fn correlation(&self, index: &IndexInfo) -> f64 {
        let RelKind::Table(table) = self.rel.kind else { return 0.0 };
        let Some(Key::Column(column)) = index.keys.first().map(|column| &column.key) else { return 0.0 };
        let statistics = self.block_table(table).columns.get(column.0).and_then(|column| column.statistics.as_ref());
        let correlation = statistics.and_then(|statistics| statistics.correlation).unwrap_or(0.0);
        let correlation = if correlation.is_finite() { correlation.clamp(-1.0, 1.0) } else { 0.0 };
        if index.method != Method::Btree {
            0.0
        } else if index.keys.len() > 1 {
            correlation * 0.75
        } else {
            correlation
        }
    }

    /// Distinct values of an index's column, unless they would be guessed.
    fn known_distinct(&self, index: &IndexInfo, column: usize) -> Option<f64> {
        let (RelKind::Table(table), Key::Column(id)) = (&self.rel.kind, &index.keys.get(column)?.key) else {
            return None;
        };
        let column = self.block_table(*table).columns.get(id.0)?;
        let known = column.statistics.as_ref()?.n_distinct;
        let values = if known < 0.0 { -known * self.rel.tuples } else { known };
        (values.is_finite() && values > 0.0).then(|| values.round().max(1.0))
    }

    /// Entries of an index.
    pub(super) fn entries(&self, index: &IndexInfo, implied: &Implied) -> f64 {
        index.entries.unwrap_or_else(|| (self.rel.tuples * implied.selectivity).round()).max(0.0)
    }

    /// `btcostestimate` and `hashcostestimate`, over `genericcostestimate`.
    pub(super) fn index_cost(
        &self,
        index: &IndexInfo,
        implied: &Implied,
        uses: &[(usize, Use, Condition<'_>)],
        loops: f64,
    ) -> IndexCost {
        let set = self.costs.set;
        let is_tree = index.method == Method::Btree;
        let distinct = |column: usize| self.known_distinct(index, column);
        let tree = Tree { version: self.costs.version, pages: index.pages, distinct: &distinct };
        let bounds = Bounds::of(&tree, uses);
        let mut scans = bounds.scans;
        let mut all_scans = 1.0;
        for (_, tested, _) in uses {
            if let Use::Any(count) = tested {
                all_scans *= count.max(1.0);
            }
        }
        let entries = self.entries(index, implied);
        // The predicate's share counts unless one of the conditions is the predicate itself.
        let partial = |bits: u64| {
            if implied.same & bits == implied.same && implied.same != 0 { 1.0 } else { implied.selectivity }
        };
        let bits = |conditions: &[(&Condition<'_>, &Use)]| conditions.iter().fold(0, |bits, (c, _)| bits | c.bit);
        let found = together(bounds.conditions.iter().copied()) * partial(bits(&bounds.conditions));
        let every: Vec<(&Condition<'_>, &Use)> =
            uses.iter().map(|(_, tested, condition)| (condition, tested)).collect();
        let selectivity = together(every.iter().copied()) * partial(bits(&every));
        let unique = is_tree && index.unique && bounds.values == index.keys.len();
        // PostgreSQL 17 reads a leaf page once, however many of the listed values it holds.
        if is_tree && self.costs.version >= 170_000 {
            scans = scans.min((index.pages / 3.0).ceil()).max(1.0);
            all_scans = scans;
        }
        let mut tuples = if unique {
            1.0
        } else if is_tree {
            (found * self.rel.tuples / scans).round()
        } else {
            (selectivity * self.rel.tuples).round()
        };
        tuples = tuples.min(entries).max(1.0);
        let pages = if index.pages > 1.0 && entries > 1.0 { (tuples * index.pages / entries).ceil() } else { 1.0 };
        let runs = all_scans * loops;
        let mut total = if runs > 1.0 {
            self.costs.pages_fetched(pages * runs, index.pages, index.pages) * set.random_page_cost / loops
        } else {
            pages * set.random_page_cost
        };
        let quals = uses.iter().map(|(_, tested, _)| if matches!(tested, Use::Prefix(_)) { 2.0 } else { 1.0 });
        let ops = set.cpu_operator_cost * quals.sum::<f64>();
        total += tuples * all_scans * (set.cpu_index_tuple_cost + ops);
        let mut startup = 0.0;
        if is_tree {
            if entries > 1.0 {
                let descent = entries.log2().ceil() * set.cpu_operator_cost;
                startup += descent;
                total += scans * descent;
            }
            // Each level costs fifty operators (`DEFAULT_PAGE_CPU_MULTIPLIER`), which HypoPG leaves out.
            let descent = (index.height + 1.0) * 50.0 * set.cpu_operator_cost;
            startup += descent;
            total += scans * descent;
        }
        // Each partition has its own tree to go down.
        let each = self.rel.partitions;
        if each > 1.0 {
            startup *= each;
            total += (each - 1.0) * (startup / each + set.random_page_cost);
        }
        IndexCost { startup, total, selectivity, pages: pages * all_scans }
    }
}
