//! Grouping and `DISTINCT` (`cost_agg`, `cost_windowagg`, `create_grouping_paths`).

use super::{
    cost::{Costs, byte_size, page_size},
    path::{Label, Node, Path},
    prepared::Group,
    sort,
};

/// What grouping leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Operator calls of the conditions on each group.
    pub(crate) having_ops: f64,
    /// Groups that they leave.
    pub(crate) rows: f64,
    /// Bytes of an input row.
    pub(crate) width: f64,
}

/// Adds the ways to group a path's rows; sorting and hashing are tried for the cheapest input only.
pub(crate) fn group(
    costs: &Costs<'_>,
    input: &Path,
    cheapest: bool,
    group: &Group,
    outcome: Outcome,
    into: &mut Vec<Path>,
) {
    let width = outcome.width;
    if group.columns == 0.0 {
        into.push(finish(costs, plain(costs, input, group), group, outcome));
        return;
    }
    let presorted = input.presorted(&group.keys);
    if presorted == group.keys.len() {
        into.push(finish(costs, sorted(costs, input, group), group, outcome));
    } else {
        if cheapest {
            let input = sort::sort(costs, input, &group.keys, width, None);
            into.push(finish(costs, sorted(costs, &input, group), group, outcome));
        }
        if presorted > 0 {
            let groups = prefix_groups(group, presorted, input.rows);
            let input = sort::incremental_sort(costs, input, &group.keys, groups, width, None);
            into.push(finish(costs, sorted(costs, &input, group), group, outcome));
        }
    }
    if cheapest && group.hashable {
        into.push(finish(costs, hashed(costs, input, group, width), group, outcome));
    }
}

/// The conditions on groups, and the rows that they leave.
fn finish(costs: &Costs<'_>, mut path: Path, group: &Group, outcome: Outcome) -> Path {
    path.total += outcome.having_ops * costs.set.cpu_operator_cost * group.groups;
    path.rows = outcome.rows;
    path
}

/// Groups by the leading keys of the grouping: as many as fit between one and all of them.
fn prefix_groups(group: &Group, presorted: usize, rows: f64) -> f64 {
    let share = presorted as f64 / group.keys.len().max(1) as f64;
    group.groups.powf(share).clamp(1.0, rows.max(1.0))
}

fn plain(costs: &Costs<'_>, input: &Path, group: &Group) -> Path {
    let set = costs.set;
    let startup =
        input.total + group.ops * set.cpu_operator_cost * input.rows + group.final_ops * set.cpu_operator_cost;
    let node = Node::new(Label::Fixed("Aggregate"), vec![input.node.clone()]);
    carry(Path::new(startup, startup + set.cpu_tuple_cost, 1.0, node), input)
}

fn sorted(costs: &Costs<'_>, input: &Path, group: &Group) -> Path {
    let set = costs.set;
    let mut total = input.total + (group.ops + group.columns) * set.cpu_operator_cost * input.rows;
    total += (group.final_ops * set.cpu_operator_cost + set.cpu_tuple_cost) * group.groups;
    let label = if group.aggregates > 0.0 { "GroupAggregate" } else { "Group" };
    let node = Node::new(Label::Fixed(label), vec![input.node.clone()]);
    let path = Path::new(input.startup, total, group.groups, node).ordered(input.order.clone());
    carry(path, input)
}

fn hashed(costs: &Costs<'_>, input: &Path, group: &Group, width: f64) -> Path {
    let set = costs.set;
    let mut startup = input.total + (group.ops + group.columns) * set.cpu_operator_cost * input.rows;
    let mut total = startup + (group.final_ops * set.cpu_operator_cost + set.cpu_tuple_cost) * group.groups;
    // `hash_agg_entry_size`: a tuple, a slot in the table and the states of the aggregates.
    let entry = byte_size(1.0, group.width) + 48.0 + 16.0 * group.aggregates;
    let memory = costs.hash_mem();
    if group.groups * entry > memory && costs.version >= 130_000 {
        let batches = (group.groups * entry / memory).ceil().max(2.0);
        let partitions = (memory / 8192.0 / 4.0).clamp(4.0, 256.0);
        let depth = (batches.ln() / f64::ln(partitions)).ceil().max(1.0);
        // The penalty that keeps the planner from spilling without need is twice the pages.
        let pages = page_size(input.rows, width) * depth * 2.0;
        startup += pages * set.random_page_cost;
        total += pages * (set.random_page_cost + set.seq_page_cost);
        let spill = depth * input.rows * 2.0 * set.cpu_tuple_cost;
        startup += spill;
        total += spill;
    }
    if !set.enable_hashagg {
        startup += super::cost::DISABLED;
        total += super::cost::DISABLED;
    }
    let node = Node::new(Label::Fixed("HashAggregate"), vec![input.node.clone()]);
    carry(Path::new(startup, total, group.groups, node), input)
}

/// Aggregates in the workers, and what they found in one process.
pub(crate) fn parallel(costs: &Costs<'_>, input: &Path, group: &Group, outcome: Outcome) -> Option<Path> {
    if !group.hashable || input.workers == 0 {
        return None;
    }
    let all = input.rows * Costs::divisor(input.workers);
    // A worker sees almost all groups unless there are few rows for each.
    let own = super::prepared::thin_out(group.groups, all, input.rows).min(group.groups);
    let part = Group {
        keys: group.keys.clone(),
        groups: if group.columns == 0.0 { 1.0 } else { own },
        columns: group.columns,
        ops: group.ops,
        final_ops: 0.0,
        aggregates: group.aggregates,
        hashable: true,
        width: group.width,
    };
    let partial =
        if group.columns == 0.0 { plain(costs, input, &part) } else { hashed(costs, input, &part, outcome.width) };
    let gathered_rows = part.groups * f64::from(input.workers);
    let gathered = sort::gather(costs, &partial, gathered_rows);
    let combine = Group { ops: group.aggregates, ..part };
    let combine = Group { groups: group.groups, final_ops: group.final_ops, ..combine };
    let path = if group.columns == 0.0 {
        plain(costs, &gathered, &combine)
    } else {
        hashed(costs, &gathered, &combine, group.width)
    };
    let mut path = finish(costs, path, group, outcome);
    path.workers = 0;
    Some(path)
}

fn carry(mut path: Path, input: &Path) -> Path {
    path.workers = input.workers;
    path.outer = input.outer;
    path
}

/// `DISTINCT` by hashing.
pub(crate) fn distinct_hashed(costs: &Costs<'_>, input: &Path, columns: f64, rows: f64, width: f64) -> Path {
    let group = Group {
        keys: Vec::new(),
        columns: columns.max(1.0),
        groups: rows,
        ops: 0.0,
        final_ops: 0.0,
        aggregates: 0.0,
        hashable: true,
        width,
    };
    hashed(costs, input, &group, width)
}

/// `DISTINCT` of sorted rows.
pub(crate) fn distinct_sorted(costs: &Costs<'_>, input: &Path, columns: f64, rows: f64) -> Path {
    let total = input.total + costs.set.cpu_operator_cost * input.rows * columns;
    let node = Node::new(Label::Fixed("Unique"), vec![input.node.clone()]);
    carry(Path::new(input.startup, total, rows, node).ordered(input.order.clone()), input)
}

/// A window function over rows in its order.
pub(crate) fn window(costs: &Costs<'_>, input: &Path, keys: f64) -> Path {
    let set = costs.set;
    let total = input.total + (set.cpu_operator_cost * (1.0 + keys) + set.cpu_tuple_cost) * input.rows;
    let node = Node::new(Label::Fixed("WindowAgg"), vec![input.node.clone()]);
    carry(Path::new(input.startup, total, input.rows, node).ordered(input.order.clone()), input)
}
