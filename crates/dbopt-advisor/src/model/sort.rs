//! Sorting, wholly or within groups that are in order already (`cost_sort`, `cost_incremental_sort`), and gathering.

use super::{
    cost::{Costs, DISABLED},
    path::{Label, Node, Path, PathKey},
};

impl Path {
    /// Whether it is a sort, which can go back to a mark by itself.
    pub(crate) fn is_sort(&self) -> bool {
        matches!(self.node.label, Label::Fixed("Sort"))
    }
}

/// Sorts a path's rows; with a limit, keeps only so many.
pub(crate) fn sort(costs: &Costs<'_>, path: &Path, keys: &[PathKey], width: f64, limit: Option<f64>) -> Path {
    let (startup, total) = costs.sort(path.rows, width, limit);
    let disabled = if costs.set.enable_sort { 0.0 } else { DISABLED };
    let base = path.total + disabled;
    let node = Node::new(Label::Fixed("Sort"), vec![path.node.clone()]);
    let mut sorted = Path::new(base + startup, base + total, path.rows, node).ordered(keys.into());
    sorted.workers = path.workers;
    sorted.outer = path.outer;
    sorted.marks = true;
    // A sort is kept, so that another scan only reads it again.
    sorted.rescan = (0.0, total - startup);
    sorted
}

/// Sorts rows that are in order by the first `presorted` keys, in `groups` groups.
pub(crate) fn incremental_sort(
    costs: &Costs<'_>,
    path: &Path,
    keys: &[PathKey],
    groups: f64,
    width: f64,
    limit: Option<f64>,
) -> Path {
    let set = costs.set;
    let rows = path.rows.max(2.0);
    let groups = groups.clamp(1.0, rows);
    let group_rows = rows / groups;
    let input_run = path.total - path.startup;
    let group_input = input_run / groups;
    // Before PostgreSQL 15 groups were taken to be half as large again.
    let sized = if costs.version < 150_000 { 1.5 * group_rows } else { group_rows };
    let (group_startup, group_total) = costs.sort(sized, width, limit);
    let group_run = group_total - group_startup;
    let startup = group_startup + path.startup + group_input;
    let mut run = group_run + (group_run + group_startup) * (groups - 1.0) + group_input * (groups - 1.0);
    run += (set.cpu_tuple_cost + 2.0 * set.cpu_operator_cost) * rows;
    run += 2.0 * set.cpu_tuple_cost * groups;
    let disabled = if set.enable_incremental_sort { 0.0 } else { DISABLED };
    let node = Node::new(Label::Fixed("Incremental Sort"), vec![path.node.clone()]);
    let mut sorted = Path::new(startup + disabled, startup + disabled + run, path.rows, node).ordered(keys.into());
    sorted.workers = path.workers;
    sorted.outer = path.outer;
    sorted
}

/// Brings the rows of all workers together, in order if they have one (`cost_gather`, `cost_gather_merge`).
pub(crate) fn gather(costs: &Costs<'_>, path: &Path, rows: f64) -> Path {
    let set = costs.set;
    let mut gathered = if path.order.is_empty() {
        let startup = path.startup + set.parallel_setup_cost;
        let total = path.total + set.parallel_setup_cost + set.parallel_tuple_cost * rows;
        Path::new(startup, total, rows, Node::new(Label::Fixed("Gather"), vec![path.node.clone()]))
    } else {
        let inputs = f64::from(path.workers) + 1.0;
        let compare = 2.0 * set.cpu_operator_cost;
        let startup = set.parallel_setup_cost + compare * inputs * inputs.log2();
        let run = rows * compare * inputs.log2() + set.cpu_operator_cost * rows + set.parallel_tuple_cost * rows * 1.05;
        let node = Node::new(Label::Fixed("Gather Merge"), vec![path.node.clone()]);
        Path::new(startup + path.startup, startup + run + path.total, rows, node).ordered(path.order.clone())
    };
    gathered.outer = path.outer;
    gathered
}
