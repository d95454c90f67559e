//! What follows the joins: grouping, windows, `DISTINCT`, order and limit, with their row counts.

use dbopt_sql::ir::{Block as Select, BlockId, Distinct, Expr, Output};

use super::{
    Block, Group, Key,
    build::{BARE, Builder, count_rows, prepare_block},
    graph::thin_out,
    names::{self, Operand},
};
use crate::model::{cost::clamp_rows, path::PathKey, selectivity};

/// Fills in a block's tail, and the rows and width that follow from it.
pub(super) fn tail<'a>(
    builder: &mut Builder<'a, '_>,
    id: BlockId,
    select: &'a Select,
    block: &mut Block<'a>,
) -> Option<()> {
    let grouped = !select.group_by.is_empty() || !select.aggregates.is_empty() || !select.having.is_empty();
    if grouped && block.branches.is_empty() {
        let group = grouping(builder, id, select, block);
        block.rows = group.groups;
        block.width = group.width;
        let mut share = 1.0;
        let mut ops = 0.0;
        for predicate in &select.having {
            let judged = builder.judge(id, predicate);
            share *= judged.selectivity;
            ops += judged.ops;
        }
        if !select.having.is_empty() {
            block.rows = clamp_rows(block.rows * share);
        }
        block.tail.having = (ops, share);
        block.tail.group = Some(group);
        extremes(builder, id, select, block);
    }
    for window in &select.windows {
        let mut keys: Vec<PathKey> = Vec::new();
        for expr in &window.partition_by {
            push_key(&mut keys, key(builder, id, expr, false, false));
        }
        for order in &window.order_by {
            push_key(&mut keys, key(builder, id, &order.expr, order.descending, order.nulls_first));
        }
        if !block.tail.windows.contains(&keys) {
            block.tail.windows.push(keys);
        }
    }
    for order in &select.order_by {
        push_key(&mut block.tail.order, key(builder, id, &order.expr, order.descending, order.nulls_first));
    }
    let outputs: Vec<&'a Expr> = select
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Expr { expr, .. } => Some(expr),
            Output::Star { .. } => None,
        })
        .collect();
    // Aggregates' own calls are counted with the grouping.
    let plain = |expr: &&&Expr| !matches!(expr, Expr::Function { name, .. } if is_aggregate(select, name.as_str()));
    block.tail.output_ops = outputs.iter().filter(plain).map(|expr| names::ops(expr)).sum();
    if let Some(distinct) = &select.distinct {
        let exprs: Vec<&'a Expr> = match distinct {
            Distinct::Row => outputs,
            Distinct::On(exprs) => exprs.iter().collect(),
        };
        let rows = groups(builder, id, &exprs, block.rows, block).min(block.rows);
        // The keys in the order of `ORDER BY` as far as that goes, so that one sort does for both.
        let mut keys = Vec::new();
        for order in &block.tail.order.clone() {
            push_key(&mut keys, Some(*order));
        }
        for expr in exprs {
            push_key(&mut keys, key(builder, id, expr, false, false));
        }
        block.rows = clamp_rows(rows);
        block.tail.distinct = Some((keys, block.rows));
    }
    block.tail.locks = select.locks_rows;
    if select.limit.is_some() || select.offset.is_some() {
        let (offset, count) = (count_rows(select.offset, block.rows), count_rows(select.limit, block.rows));
        block.tail.limit = Some((offset, count));
    }
    Some(())
}

fn is_aggregate(select: &Select, name: &str) -> bool {
    select.aggregates.iter().any(|aggregate| aggregate.name.as_str() == name)
}

/// Adds a key unless an earlier one says the same.
fn push_key(keys: &mut Vec<PathKey>, key: Option<PathKey>) {
    if let Some(key) = key
        && !keys.iter().any(|other| other.id == key.id)
    {
        keys.push(key);
    }
}

/// The order of an expression; `None` when it is constant, so that it orders nothing.
fn key<'a>(
    builder: &mut Builder<'a, '_>,
    block: BlockId,
    expr: &'a Expr,
    descending: bool,
    nulls_first: bool,
) -> Option<PathKey> {
    let id = match builder.operand(block, expr) {
        Operand::Var { rel, key, .. } => builder.order_id(rel, &key),
        Operand::Value(..) if !has_call(expr) => return None,
        _ => {
            let text = crate::canonical::expression(expr);
            builder.order_id(usize::MAX, &Key::Expression(text.into()))
        }
    };
    (!builder.constant.contains(&id)).then_some(PathKey { id, descending, nulls_first })
}

/// Whether an expression has anything in it that is not a literal: `count(*)` orders, `1` does not.
fn has_call(expr: &Expr) -> bool {
    !matches!(expr, Expr::Literal(_) | Expr::Param(_) | Expr::Column(_))
}

fn grouping<'a>(builder: &mut Builder<'a, '_>, id: BlockId, select: &'a Select, block: &Block<'a>) -> Group {
    let exprs: Vec<&'a Expr> = select.group_by.iter().collect();
    let groups = if exprs.is_empty() { 1.0 } else { groups(builder, id, &exprs, block.rows, block) };
    // Keys that `ORDER BY` names come first, in its order (`preprocess_groupclause`).
    let mut own: Vec<PathKey> = Vec::new();
    for expr in &exprs {
        push_key(&mut own, key(builder, id, expr, false, false));
    }
    let mut keys: Vec<PathKey> = Vec::new();
    for order in &select.order_by {
        match key(builder, id, &order.expr, order.descending, order.nulls_first) {
            Some(order) if own.iter().any(|other| other.id == order.id) => push_key(&mut keys, Some(order)),
            _ => break,
        }
    }
    for other in own {
        push_key(&mut keys, Some(other));
    }
    let mut ops = 0.0;
    let mut hashable = true;
    for aggregate in &select.aggregates {
        ops += 1.0 + aggregate.args.iter().map(names::ops).sum::<f64>();
        hashable &= !aggregate.distinct;
    }
    let aggregates = select.aggregates.len() as f64;
    let width: f64 = exprs.iter().map(|expr| expr_width(builder, id, expr)).sum::<f64>() + 8.0 * aggregates;
    Group {
        keys,
        columns: exprs.len() as f64,
        groups: clamp_rows(groups),
        ops,
        final_ops: select.aggregates.iter().filter(|a| matches!(a.name.as_str(), "avg" | "stddev" | "variance")).count()
            as f64,
        aggregates,
        hashable: hashable && !select.grouping_sets,
        width: width.max(8.0),
    }
}

fn expr_width(builder: &Builder<'_, '_>, id: BlockId, expr: &Expr) -> f64 {
    match expr {
        Expr::Column(column) => match builder.scope.resolve(id, column) {
            Some(found) => builder.shared.column(found.table, found.column).width,
            None => 8.0,
        },
        _ => 8.0,
    }
}

/// Groups of some expressions (`estimate_num_groups`): per relation the product of the distinct values, at most a tenth
/// of its rows when there are several, thinned out by its conditions.
fn groups<'a>(builder: &Builder<'a, '_>, id: BlockId, exprs: &[&'a Expr], input_rows: f64, block: &Block<'a>) -> f64 {
    // Per relation: its variables' keys with their distinct values.
    let mut per_rel: Vec<(usize, Vec<(Key, f64)>)> = Vec::new();
    let mut rest = 1.0;
    for expr in exprs {
        match builder.operand(id, expr) {
            Operand::Var { rel, key: key @ Key::Expression(_), var, .. } if var.statistics.is_none() => {
                // An expression without statistics has the values of the columns it reads.
                let mut columns = std::collections::BTreeSet::new();
                crate::walk::expr_columns(expr, &mut |column| builder.collect(id, column, &mut columns));
                if columns.is_empty() {
                    insert(&mut per_rel, rel, key, var.var().distinct().0);
                }
                for (rel, column) in columns {
                    let distinct = builder.base_var(rel, column).var().distinct().0;
                    insert(&mut per_rel, rel, Key::Column(column), distinct);
                }
            }
            Operand::Var { rel, key, var, .. } => {
                insert(&mut per_rel, rel, key, var.var().distinct().0);
            }
            Operand::Value(..) => {}
            Operand::Mixed { .. } => rest *= selectivity::DEFAULT_DISTINCT,
        }
    }
    let mut total = rest;
    for (rel, vars) in per_rel {
        let Some(info) = block.rels.get(rel) else { continue };
        total *= rel_groups(builder, rel, &vars, info.tuples, info.rows);
    }
    clamp_rows(total.min(input_rows))
}

fn insert(per_rel: &mut Vec<(usize, Vec<(Key, f64)>)>, rel: usize, key: Key, distinct: f64) {
    let at = per_rel.iter().position(|(other, _)| *other == rel).unwrap_or_else(|| {
        per_rel.push((rel, Vec::new()));
        per_rel.len() - 1
    });
    if !per_rel[at].1.iter().any(|(other, _)| *other == key) {
        per_rel[at].1.push((key, distinct));
    }
}

fn rel_groups(builder: &Builder<'_, '_>, rel: usize, vars: &[(Key, f64)], tuples: f64, rows: f64) -> f64 {
    let known = extended_groups(builder, rel, vars, tuples);
    let largest = vars.iter().map(|(_, distinct)| *distinct).fold(1.0, f64::max);
    let product: f64 = known.unwrap_or_else(|| vars.iter().map(|(_, distinct)| *distinct).product());
    let mut clamp = tuples.max(1.0);
    if vars.len() > 1 && known.is_none() {
        clamp = (clamp * 0.1).max(largest).min(tuples.max(1.0));
    }
    thin_out(product.min(clamp), tuples, rows)
}

/// `CREATE STATISTICS (ndistinct)` over exactly these columns.
fn extended_groups(builder: &Builder<'_, '_>, rel: usize, vars: &[(Key, f64)], tuples: f64) -> Option<f64> {
    let table = builder.shared.catalog.table(builder.rels.get(rel)?.table?);
    if vars.len() < 2 {
        return None;
    }
    let names: Option<Vec<&str>> = vars
        .iter()
        .map(|(key, _)| match key {
            Key::Column(column) => Some(table.columns.get(column.0)?.name.as_str()),
            _ => None,
        })
        .collect();
    let names = names?;
    let sets = table.extended.iter().flat_map(|statistics| &statistics.n_distinct);
    let found = sets.into_iter().find(|(columns, _)| {
        columns.len() == names.len() && columns.iter().all(|column| names.contains(&column.as_str()))
    })?;
    Some(if found.1 < 0.0 { -found.1 * tuples } else { found.1.max(1.0) })
}

/// `SELECT min(x) FROM t WHERE …`: for each aggregate, the query for its first row in order
/// (`preprocess_minmax_aggregates`).
fn extremes<'a>(builder: &mut Builder<'a, '_>, id: BlockId, select: &'a Select, block: &mut Block<'a>) {
    let Some(group) = &block.tail.group else { return };
    let only_extremes = !select.aggregates.is_empty()
        && select.aggregates.iter().all(|a| matches!(a.name.as_str(), "min" | "max") && a.args.len() == 1);
    if !only_extremes
        || group.columns > 0.0
        || !select.having.is_empty()
        || select.relations.len() != 1
        || block.rels.len() != 1
    {
        return;
    }
    for aggregate in &select.aggregates {
        let Operand::Var { key: argument, .. } = builder.operand(id, &aggregate.args[0]) else { return };
        let started = builder.started.clone();
        let Some(mut first) = prepare_plain(builder, id, &started) else { return };
        let descending = aggregate.name.as_str() == "max";
        let at = first.orderable.iter().position(|members| members.contains(&(0, argument.clone())));
        let order_id = at.unwrap_or_else(|| {
            first.orderable.push(vec![(0, argument.clone())]);
            first.orderable.len() - 1
        });
        let order = vec![PathKey { id: order_id, descending, nulls_first: descending }];
        first.wanted = vec![order.clone()];
        first.tail.order = order;
        first.tail.limit = Some((None, Some(1.0)));
        block.tail.extremes.push(first);
    }
}

/// The block without its aggregates.
fn prepare_plain<'a>(
    builder: &Builder<'a, '_>,
    id: BlockId,
    started: &std::collections::BTreeSet<BlockId>,
) -> Option<Block<'a>> {
    let mut started = started.clone();
    started.remove(&id);
    prepare_block(builder.shared, builder.scope, id, &started, BARE)
}
