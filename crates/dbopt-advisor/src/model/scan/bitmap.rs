//! Bitmap scans: `cost_bitmap_heap_scan`, `choose_bitmap_and`, and the access methods that only bitmaps use.

use std::sync::Arc;

use dbopt_catalog::{Column, Method};

use super::{
    Scans,
    access::IndexCost,
    matching::{Condition, Implied, Use, btree_use, implied, searches},
};
use crate::model::{
    cost::{Costs, DISABLED, clamp_rows},
    index::IndexInfo,
    path::{Label, Mask, Node, Path, Paths},
    prepared::{RelKind, Shape, quals_together},
};

/// A set of rows found by indexes.
#[derive(Clone, Debug)]
pub(super) struct Bitmap {
    cost: f64,
    selectivity: f64,
    /// Conditions that it tests.
    bits: u64,
    /// Pages of its indexes.
    pages: f64,
    outer: Mask,
    node: Arc<Node>,
    indexes: Vec<usize>,
}

/// Bitmaps that are combined.
const MAX_COMBINED: usize = 12;

impl Bitmap {
    /// From one index (`cost_bitmap_tree_node`).
    pub(super) fn leaf(number: usize, index: &IndexInfo, cost: IndexCost, bits: u64, rows: f64, outer: Mask) -> Self {
        Self {
            // Setting a bit costs a tenth of an operator.
            cost: cost.total + 0.1 * 0.0025 * rows,
            selectivity: cost.selectivity,
            bits,
            pages: index.pages,
            outer,
            node: Node::new(Label::Index("Bitmap Index Scan on", index.name.clone(), number), vec![]),
            indexes: vec![number],
        }
    }
}

impl<'p> Scans<'p, '_> {
    /// Adds the best bitmap scans, with and without outer rows.
    pub(super) fn bitmap_scans(&self, bitmaps: Vec<Bitmap>, paths: &mut Paths) {
        if bitmaps.is_empty() {
            return;
        }
        let mut outers: Vec<Mask> = bitmaps.iter().map(|bitmap| bitmap.outer).collect();
        outers.push(0);
        outers.sort_unstable();
        outers.dedup();
        for outer in outers {
            let usable: Vec<&Bitmap> = bitmaps.iter().filter(|bitmap| bitmap.outer & !outer == 0).collect();
            if usable.is_empty() || !usable.iter().any(|bitmap| bitmap.outer == outer) {
                continue;
            }
            if let Some(best) = self.combine(usable, outer) {
                self.heap_scan(&best, outer, paths);
            }
        }
    }

    /// `choose_bitmap_and`: from each bitmap on, further ones are added as long as they make the scan cheaper.
    fn combine(&self, bitmaps: Vec<&Bitmap>, outer: Mask) -> Option<Bitmap> {
        // Of those that test the same conditions, the cheapest.
        let mut distinct: Vec<&Bitmap> = Vec::new();
        for bitmap in bitmaps {
            match distinct.iter_mut().find(|other| other.bits == bitmap.bits) {
                Some(other) if other.cost > bitmap.cost => *other = bitmap,
                Some(_) => {}
                None => distinct.push(bitmap),
            }
        }
        distinct.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(a.selectivity.total_cmp(&b.selectivity)));
        distinct.truncate(MAX_COMBINED);
        let mut best: Option<(f64, Bitmap)> = None;
        for (at, first) in distinct.iter().enumerate() {
            let mut current = (*first).clone();
            let mut cost = self.heap_cost(&current, outer).1;
            let mut parts = vec![current.node.clone()];
            for next in &distinct[at + 1..] {
                if next.bits & current.bits != 0 {
                    continue;
                }
                let mut joined = current.clone();
                joined.cost += next.cost + 100.0 * self.costs.set.cpu_operator_cost;
                joined.selectivity *= next.selectivity;
                joined.bits |= next.bits;
                joined.pages += next.pages;
                joined.indexes.extend(&next.indexes);
                let with = self.heap_cost(&joined, outer).1;
                if with < cost {
                    parts.push(next.node.clone());
                    joined.node = Node::new(Label::Fixed("BitmapAnd"), parts.clone());
                    (current, cost) = (joined, with);
                }
            }
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, current));
            }
        }
        best.map(|(_, bitmap)| bitmap)
    }

    /// Startup, total, and heap pages of a bitmap scan (`cost_bitmap_heap_scan`, `compute_bitmap_pages`).
    fn heap_cost(&self, bitmap: &Bitmap, outer: Mask) -> (f64, f64, f64) {
        let (startup, disk, cpu, pages) = self.heap_parts(bitmap, outer);
        (startup, startup + disk + cpu, pages)
    }

    fn heap_parts(&self, bitmap: &Bitmap, outer: Mask) -> (f64, f64, f64, f64) {
        let set = self.costs.set;
        let rel = self.rel;
        let loops = if outer == 0 { 1.0 } else { self.loop_count(outer) };
        let table = rel.pages.max(1.0);
        let mut tuples = clamp_rows(bitmap.selectivity * rel.tuples);
        let mut pages = 2.0 * table * tuples / (2.0 * table + tuples);
        let heap = pages.min(rel.pages);
        if loops > 1.0 {
            pages = self.costs.pages_fetched(tuples * loops, rel.pages, bitmap.pages) / loops;
        }
        pages = if pages >= table { table } else { pages.ceil() };
        // A page's bits take 64 bytes; when they do not fit, whole pages are kept (`tbm_calculate_entries`).
        let most = (set.work_mem / 64.0).max(16.0);
        if most < heap {
            let lossy = (heap - most / 2.0).max(0.0);
            let exact = heap - lossy;
            tuples = clamp_rows(bitmap.selectivity * (exact / heap) * rel.tuples + (lossy / heap) * rel.tuples);
        }
        let per_page = if pages >= 2.0 {
            set.random_page_cost - (set.random_page_cost - set.seq_page_cost) * (pages / table).sqrt()
        } else {
            set.random_page_cost
        };
        let (per_row, once) = self.qual_cost(0);
        let joins = rel.params.iter().filter(|param| outer != 0 && param.others & !outer == 0).count() as f64;
        let per_row = set.cpu_tuple_cost + per_row + joins * set.cpu_operator_cost;
        let disabled = if set.enable_bitmapscan { 0.0 } else { DISABLED };
        (bitmap.cost + once + disabled, pages * per_page, per_row * tuples, pages)
    }

    fn heap_scan(&self, bitmap: &Bitmap, outer: Mask, paths: &mut Paths) {
        let (startup, disk, cpu, pages) = self.heap_parts(bitmap, outer);
        let rows = if outer == 0 { self.rel.rows } else { self.param_rows(outer) };
        let node = Node::new(Label::Scan("Bitmap Heap Scan", self.rel.name.clone()), vec![bitmap.node.clone()]);
        paths.add(Path::new(startup, startup + disk + cpu, rows, node.clone()).with_outer(outer), self.startup_matters);
        if outer == 0 && self.parallel {
            let workers = self.costs.workers(Some(pages), None);
            if workers > 0 {
                let divisor = Costs::divisor(workers);
                let rows = (rows / divisor).round().max(1.0);
                let mut path = Path::new(startup, startup + disk + cpu / divisor, rows, node);
                path.workers = workers;
                paths.add(path, false);
            }
        }
    }

    /// A disjunction whose branches all have an index (`generate_bitmap_or_paths`).
    pub(super) fn or_bitmaps(&self, bitmaps: &mut Vec<Bitmap>, columns: &[Column]) {
        for (at, qual) in self.rel.quals.iter().enumerate().take(super::MAX_QUALS) {
            let Shape::Or(branches, shares) = &qual.shape else { continue };
            let mut parts: Vec<Bitmap> = Vec::new();
            for (shapes, shares) in branches.iter().zip(shares) {
                match self.branch(at, shapes, shares, columns) {
                    Some(part) => parts.push(part),
                    None => break,
                }
            }
            if parts.len() < branches.len() || parts.is_empty() {
                continue;
            }
            let rel_rows = self.rel.tuples;
            let selectivity = parts.iter().map(|part| part.selectivity).sum::<f64>().min(1.0);
            debug_assert!(rel_rows >= 0.0);
            bitmaps.push(Bitmap {
                cost: parts.iter().map(|part| part.cost).sum(),
                selectivity,
                bits: 1 << at,
                pages: parts.iter().map(|part| part.pages).sum(),
                outer: 0,
                indexes: parts.iter().flat_map(|part| part.indexes.iter().copied()).collect(),
                node: Node::new(Label::Fixed("BitmapOr"), parts.into_iter().map(|part| part.node).collect()),
            });
        }
    }

    /// The cheapest index for one branch, which may use the other conditions too.
    fn branch(&self, or: usize, shapes: &[Shape], shares: &[f64], columns: &[Column]) -> Option<Bitmap> {
        let own = shapes.iter().zip(shares).map(|(shape, share)| Condition::of_shape(shape, *share, 1 << or));
        let own: Vec<Condition<'_>> = own.collect();
        let others = self.conditions(0);
        let mut best: Option<Bitmap> = None;
        for (number, index) in &self.indexes {
            let Some(implied) = implied(index, &self.rel.quals, columns) else { continue };
            if index.method != Method::Btree && index.method != Method::Hash {
                continue;
            }
            let mut uses: Vec<(usize, Use, Condition<'_>)> = Vec::new();
            let mut from_branch = false;
            for (at, column) in index.keys.iter().enumerate() {
                for condition in own.iter().chain(&others) {
                    if let Some(tested) = btree_use(column, condition) {
                        from_branch |= condition.bit == 1 << or;
                        uses.push((at, tested, *condition));
                    }
                }
            }
            if !from_branch || index.method == Method::Hash && uses.iter().any(|(_, tested, _)| *tested != Use::Equal) {
                continue;
            }
            let cost = self.index_cost(index, &implied, &uses, 1.0);
            let rows = clamp_rows(cost.selectivity * self.rel.tuples);
            let bitmap = Bitmap::leaf(*number, index, cost, 1 << or, rows, 0);
            if best.as_ref().is_none_or(|best| bitmap.cost < best.cost) {
                best = Some(bitmap);
            }
        }
        best
    }

    /// GIN, GiST, SP-GiST and BRIN: roughly.
    pub(super) fn search(&self, number: usize, index: &IndexInfo, implied: &Implied) -> Option<Bitmap> {
        let set = self.costs.set;
        let conditions = self.conditions(0);
        let brin = index.method == Method::Brin;
        let mut bits = 0;
        let mut found = Vec::new();
        for condition in &conditions {
            let usable = |column: &crate::model::index::IndexColumn| {
                if brin {
                    btree_use(column, condition).is_some()
                } else {
                    searches(column, condition)
                        || index.method == Method::Gist && btree_use(column, condition).is_some()
                }
            };
            if index.keys.iter().any(usable) {
                bits |= condition.bit;
                found.push((condition.selectivity, condition.range));
            }
        }
        if found.is_empty() {
            return None;
        }
        let count = found.len() as f64;
        let mut selectivity =
            quals_together(found.into_iter()) * if implied.same != 0 { 1.0 } else { implied.selectivity };
        let rows = clamp_rows(selectivity * self.rel.tuples);
        let total = if brin {
            // `brincostestimate`: ranges of 128 pages, of which scattered values touch more.
            let ranges = (self.rel.pages / 128.0).ceil().max(1.0);
            let correlation = self.brin_correlation(index);
            let least = (ranges * selectivity).ceil();
            let touched = if correlation < 1.0e-10 { ranges } else { (least / correlation).min(ranges) };
            selectivity = (touched / ranges).clamp(0.0, 1.0);
            index.pages * set.random_page_cost + 0.1 * set.cpu_operator_cost * touched * 128.0
        } else {
            // A few pages down to each key, then the posting lists (`gincostestimate`).
            let pages = (selectivity * index.pages).ceil() + 2.0 * count;
            pages * set.random_page_cost
                + rows * (set.cpu_index_tuple_cost + count * set.cpu_operator_cost)
                + 50.0 * set.cpu_operator_cost * count
        };
        let cost = IndexCost { startup: total, total, selectivity, pages: index.pages };
        Some(Bitmap::leaf(number, index, cost, bits, rows, 0))
    }

    fn brin_correlation(&self, index: &IndexInfo) -> f64 {
        let RelKind::Table(table) = self.rel.kind else { return 0.0 };
        let correlations = index.keys.iter().filter_map(|key| match key.key {
            crate::model::prepared::Key::Column(column) => {
                self.catalog.table(table).columns.get(column.0)?.statistics.as_ref()?.correlation
            }
            _ => None,
        });
        correlations.map(f64::abs).fold(0.0, f64::max).min(1.0)
    }
}
