//! Planning of a prepared block under a set of indexes: relations, joins, and what follows them (`planner.c`).

use dbopt_catalog::{Catalog, TableId};

use super::{
    aggregate,
    cost::{Costs, byte_size, clamp_rows},
    index::IndexInfo,
    join::Joins,
    path::{Label, Node, Path, PathKey, Paths},
    prepared::{Block, RelKind, Subplan, SubplanKind},
    scan::Scans,
    sort,
};

/// Plans blocks.
pub(crate) struct Planner<'p> {
    pub(crate) catalog: &'p Catalog,
    /// All indexes, by number.
    pub(crate) indexes: &'p [IndexInfo],
    /// The numbers of a table's indexes that are there.
    pub(crate) present: &'p dyn Fn(TableId) -> Vec<usize>,
    /// Whether the statement may use workers.
    pub(crate) parallel: bool,
}

impl Planner<'_> {
    /// The cheapest way to all rows of a block, or to its first ones when it has a limit or `first` is set.
    pub(crate) fn plan(&self, block: &Block<'_>, first: bool) -> Option<Path> {
        let costs = Costs {
            set: &self.catalog.settings,
            version: self.catalog.server.version_num,
            total_pages: block.total_pages,
        };
        let limited = block.tail.limit.is_some() || first;
        let parallel = self.parallel && !block.tail.locks;
        let (input, width) = if block.branches.is_empty() {
            (self.joins(&costs, block, limited, parallel)?, block.sets.last().map_or(8.0, |set| set.width))
        } else {
            (self.append(&costs, block)?, block.width)
        };
        let path = self.tail(&costs, block, input, width, first, parallel)?;
        Some(self.charge(&costs, block, path))
    }

    /// Adds the queries that run once (`SS_charge_for_initplans`).
    fn charge(&self, costs: &Costs<'_>, block: &Block<'_>, mut path: Path) -> Path {
        let mut children = vec![path.node.clone()];
        for subplan in &block.once {
            let Some((startup, each, node)) = self.subplan(costs, subplan) else { continue };
            path.startup += startup + each;
            path.total += startup + each;
            children.push(node);
        }
        if children.len() > 1 {
            path.node = Node::new(Label::Fixed(""), children);
        }
        path
    }

    /// Cost of a sub-select once, and for each row (`cost_subplan`).
    fn subplan(&self, costs: &Costs<'_>, subplan: &Subplan<'_>) -> Option<(f64, f64, std::sync::Arc<Node>)> {
        let first = subplan.kind == SubplanKind::Exists;
        // Workers do not run within a query that is run again and again.
        let inner = Planner { parallel: self.parallel && subplan.kind == SubplanKind::Cte, ..*self };
        let path = inner.plan(&subplan.block, first)?;
        let run = path.total - path.startup;
        let unit = costs.set.cpu_operator_cost;
        let (startup, each) = match subplan.kind {
            SubplanKind::Scalar | SubplanKind::Cte => (0.0, path.total),
            SubplanKind::Exists => (0.0, path.startup + run / path.rows.max(1.0)),
            SubplanKind::Any => (0.0, path.startup + 0.5 * run + 0.5 * unit * path.rows),
            SubplanKind::Hashed if byte_size(path.rows, subplan.block.width) <= costs.hash_mem() => {
                (path.total + unit * path.rows, unit)
            }
            // Too large a hash table (`subplan_is_hashable`): half of the kept rows are read each time.
            SubplanKind::Hashed => {
                let kept =
                    if costs.set.enable_material { costs.materialize(&path, subplan.block.width) } else { path.total };
                (path.startup, 0.5 * (kept - path.startup) + 0.5 * unit * path.rows)
            }
        };
        Some((startup, each, Node::new(Label::Fixed("SubPlan"), vec![path.node])))
    }

    /// The paths of all relations of a block together.
    fn joins(&self, costs: &Costs<'_>, block: &Block<'_>, limited: bool, parallel: bool) -> Option<Paths> {
        let mut all: Vec<Paths> = Vec::with_capacity(block.sets.len());
        for (at, set) in block.sets.iter().enumerate() {
            let mut paths = if at < block.rels.len() {
                self.relation(costs, block, at, limited, parallel)?
            } else {
                let mut paths = Paths::default();
                for pair in &set.pairs {
                    let (outer, inner) = (&all[pair.outer], &all[pair.inner]);
                    let startup_matters = limited;
                    Joins { costs, block, pair, set, outer, inner, parallel, startup_matters }.add(&mut paths);
                }
                paths
            };
            // Gathered here, the rows can go on as if one process had found them.
            let last = at + 1 == block.sets.len();
            if !last || block.tail.group.is_none() {
                for partial in paths.partial.clone() {
                    paths.add(sort::gather(costs, &partial, set.rows), limited);
                }
            }
            paths.cheapest()?;
            all.push(paths);
        }
        match all.pop() {
            Some(paths) => Some(paths),
            None => {
                // `SELECT` without a table.
                let mut paths = Paths::default();
                let node = Node::new(Label::Fixed("Result"), vec![]);
                paths.add(Path::new(0.0, costs.set.cpu_tuple_cost, 1.0, node), false);
                Some(paths)
            }
        }
    }

    fn relation(
        &self,
        costs: &Costs<'_>,
        block: &Block<'_>,
        at: usize,
        startup_matters: bool,
        parallel: bool,
    ) -> Option<Paths> {
        let rel = &block.rels[at];
        let (mut once, mut each) = (0.0, 0.0);
        let mut below = Vec::new();
        // Workers run a sub-select of their own as long as it needs no value of the outer row.
        let mut parallel = parallel;
        for subplan in rel.quals.iter().flat_map(|qual| &qual.subplans) {
            parallel &= subplan.kind == SubplanKind::Hashed;
            if let Some((startup, cost, node)) = self.subplan(costs, subplan) {
                once += startup;
                each += cost;
                below.push(node);
            }
        }
        if let RelKind::Sub(inner) = &rel.kind {
            return self.subquery(costs, block, at, inner, each);
        }
        let numbers = match rel.kind {
            RelKind::Table(table) => (self.present)(table),
            _ => Vec::new(),
        };
        let plain = below.is_empty();
        if plain && let Some(paths) = rel.cache.borrow().get(&numbers) {
            return Some(paths.clone());
        }
        let scans = Scans {
            catalog: self.catalog,
            costs,
            block,
            at,
            rel,
            indexes: numbers.iter().filter_map(|number| Some((*number, self.indexes.get(*number)?))).collect(),
            parallel,
            startup_matters,
            subplans: each,
        };
        let mut paths = scans.paths();
        if plain {
            let mut cache = rel.cache.borrow_mut();
            if cache.len() >= MAX_CACHED {
                cache.clear();
            }
            cache.insert(numbers, paths.clone());
            return Some(paths);
        }
        for path in paths.list.iter_mut().chain(&mut paths.partial) {
            path.startup += once;
            path.total += once;
            let mut children = vec![path.node.clone()];
            children.extend(below.iter().cloned());
            path.node = Node::new(Label::Fixed(""), children);
        }
        Some(paths)
    }

    /// A sub-select that is planned by itself (`cost_subqueryscan`).
    fn subquery(&self, costs: &Costs<'_>, outer: &Block<'_>, at: usize, inner: &Block<'_>, each: f64) -> Option<Paths> {
        let rel = &outer.rels[at];
        let path = self.plan(inner, false)?;
        let ops: f64 = rel.quals.iter().map(|qual| qual.ops).sum();
        let per_row = costs.set.cpu_tuple_cost + ops * costs.set.cpu_operator_cost + each;
        let node = Node::new(Label::Fixed(""), vec![path.node.clone()]);
        let mut paths = Paths::default();
        paths.add(Path::new(path.startup, path.total + per_row * path.rows, rel.rows, node), false);
        Some(paths)
    }

    /// The branches of a set operation one after another (`cost_append`).
    fn append(&self, costs: &Costs<'_>, block: &Block<'_>) -> Option<Paths> {
        let (mut startup, mut total, mut rows) = (None, 0.0, 0.0);
        let mut children = Vec::new();
        for (branch, _) in &block.branches {
            let path = self.plan(branch, false)?;
            startup.get_or_insert(path.startup);
            // Each branch is read through a scan of its own, which the plan does not show.
            total += path.total + costs.set.cpu_tuple_cost * path.rows;
            rows += path.rows;
            children.push(path.node);
        }
        total += 0.5 * costs.set.cpu_tuple_cost * rows;
        let mut path =
            Path::new(startup.unwrap_or(0.0), total, clamp_rows(rows), Node::new(Label::Fixed("Append"), children));
        if let Some(left) = block.tail.set_rows {
            path = aggregate::distinct_hashed(costs, &path, 1.0, left, block.width);
        }
        let mut paths = Paths::default();
        paths.add(path, false);
        Some(paths)
    }

    /// Grouping, windows, `DISTINCT`, order and limit.
    fn tail(
        &self,
        costs: &Costs<'_>,
        block: &Block<'_>,
        input: Paths,
        width: f64,
        first: bool,
        parallel: bool,
    ) -> Option<Path> {
        let tail = &block.tail;
        let set = costs.set;
        let mut paths: Vec<Path> = input.list.iter().filter(|path| path.outer == 0).cloned().collect();
        let mut partial: Vec<Path> = if parallel { input.partial } else { Vec::new() };
        let mut width = width;
        if let Some(group) = &tail.group {
            let outcome = aggregate::Outcome { having_ops: tail.having.0, rows: block.rows_after_grouping(), width };
            let mut grouped = Vec::new();
            let cheapest = paths.iter().map(|path| path.total).fold(f64::INFINITY, f64::min);
            for path in &paths {
                aggregate::group(costs, path, path.total <= cheapest, group, outcome, &mut grouped);
            }
            for path in &partial {
                grouped.extend(aggregate::parallel(costs, path, group, outcome));
                let all = path.rows * Costs::divisor(path.workers);
                let gathered = sort::gather(costs, path, clamp_rows(all));
                aggregate::group(costs, &gathered, true, group, outcome, &mut grouped);
            }
            partial.clear();
            grouped.extend(self.extremes(costs, block));
            paths = grouped;
            width = group.width;
        }
        for keys in &tail.windows {
            let windowed = paths.iter().map(|path| {
                let path = self.in_order(costs, block, path, keys, width, None);
                aggregate::window(costs, &path, keys.len() as f64)
            });
            paths = windowed.collect();
            partial.clear();
        }
        let (mut each, mut below) = (tail.output_ops * set.cpu_operator_cost, Vec::new());
        for subplan in &block.each {
            if let Some((_, cost, node)) = self.subplan(costs, subplan) {
                each += cost;
                below.push(node);
            }
        }
        for path in paths.iter_mut().chain(&mut partial) {
            path.total += each * path.rows;
            if !below.is_empty() {
                let mut children = vec![path.node.clone()];
                children.extend(below.iter().cloned());
                path.node = Node::new(Label::Fixed(""), children);
            }
        }
        if let Some((keys, rows)) = &tail.distinct {
            let mut distinct = Vec::new();
            for path in &paths {
                if !keys.is_empty() {
                    let sorted = self.in_order(costs, block, path, keys, width, None);
                    distinct.push(aggregate::distinct_sorted(costs, &sorted, keys.len() as f64, *rows));
                }
                distinct.push(aggregate::distinct_hashed(costs, path, keys.len() as f64, *rows, width));
            }
            paths = distinct;
            partial.clear();
        }
        let wanted = tail.limit.and_then(|(offset, count)| Some(count? + offset.unwrap_or(0.0)));
        if !tail.order.is_empty() {
            let mut ordered: Vec<Path> =
                paths.iter().map(|path| self.in_order(costs, block, path, &tail.order, width, wanted)).collect();
            for path in &partial {
                let sorted = self.in_order(costs, block, path, &tail.order, width, wanted);
                ordered.push(sort::gather(costs, &sorted, clamp_rows(path.rows * Costs::divisor(path.workers))));
            }
            paths = ordered;
        }
        for path in &mut paths {
            if tail.locks {
                path.total += set.cpu_tuple_cost * path.rows;
            }
            limit(path, tail.limit);
        }
        let cost = |path: &Path| if first { path.cost_of(1.0) } else { path.total };
        paths.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }

    /// A path in an order: as it is, sorted within its groups, or sorted.
    fn in_order(
        &self,
        costs: &Costs<'_>,
        block: &Block<'_>,
        path: &Path,
        keys: &[PathKey],
        width: f64,
        limit: Option<f64>,
    ) -> Path {
        let presorted = path.presorted(keys);
        if presorted == keys.len() {
            return path.clone();
        }
        let whole = sort::sort(costs, path, keys, width, limit);
        if presorted == 0 || costs.version < 130_000 {
            return whole;
        }
        let groups = block.order_groups(&keys[..presorted], path.rows);
        let within = sort::incremental_sort(costs, path, keys, groups, width, limit);
        let fraction = limit.unwrap_or(f64::INFINITY);
        if within.cost_of(fraction) < whole.cost_of(fraction) { within } else { whole }
    }

    /// `min` and `max` by the first row of an index each.
    fn extremes(&self, costs: &Costs<'_>, block: &Block<'_>) -> Option<Path> {
        if block.tail.extremes.is_empty() {
            return None;
        }
        let mut total = 0.0;
        let mut children = Vec::new();
        for extreme in &block.tail.extremes {
            let inner = Planner { parallel: false, ..*self };
            let path = inner.plan(extreme, false)?;
            total += path.total;
            children.push(path.node);
        }
        let node = Node::new(Label::Fixed("Result"), children);
        Some(Path::new(total, total + costs.set.cpu_tuple_cost, 1.0, node))
    }
}

/// Sets of indexes whose paths of one relation are remembered.
const MAX_CACHED: usize = 512;

/// `adjust_limit_rows_costs`.
fn limit(path: &mut Path, limit: Option<(Option<f64>, Option<f64>)>) {
    let Some((offset, count)) = limit else { return };
    let run = path.total - path.startup;
    let rows = path.rows.max(1.0);
    if let Some(offset) = offset {
        let skipped = offset.min(rows);
        path.startup += run * skipped / rows;
        path.rows = (path.rows - skipped).max(1.0);
    }
    if let Some(count) = count {
        let taken = count.min(path.rows);
        path.total = path.startup + run * taken / rows;
        path.rows = taken.max(1.0);
    }
    path.node = Node::new(Label::Fixed("Limit"), vec![path.node.clone()]);
}

impl Block<'_> {
    fn rows_after_grouping(&self) -> f64 {
        match &self.tail.group {
            Some(group) => clamp_rows(group.groups * if self.tail.having.0 > 0.0 { self.tail.having.1 } else { 1.0 }),
            None => self.rows,
        }
    }

    /// Groups of equal leading keys.
    fn order_groups(&self, keys: &[PathKey], rows: f64) -> f64 {
        let mut groups = 1.0;
        for key in keys {
            groups *= self.distinct.get(key.id).copied().flatten().unwrap_or(200.0);
        }
        clamp_rows(groups.min(rows))
    }
}
