//! Walks over the parts of an analysed statement: its expressions, columns and sub-selects, each level by itself.

use dbopt_sql::ir::{Block, BlockId, ColumnRef, Distinct, Expr, Output, Predicate};

/// Calls `found` for each column that an expression reads itself, sub-selects left out.
pub fn expr_columns<'a>(expr: &'a Expr, found: &mut dyn FnMut(&'a ColumnRef)) {
    match expr {
        Expr::Column(column) => found(column),
        Expr::Literal(_) | Expr::Param(_) | Expr::Subquery(_) => {}
        Expr::Function { args, .. } => args.iter().for_each(|arg| expr_columns(arg, found)),
        Expr::Cast { expr, .. } => expr_columns(expr, found),
        Expr::Binary { left, right, .. } => {
            expr_columns(left, found);
            expr_columns(right, found);
        }
        Expr::Other { columns, .. } => columns.iter().for_each(found),
    }
}

/// Calls `found` for each sub-select that stands in an expression.
pub fn expr_blocks(expr: &Expr, found: &mut dyn FnMut(BlockId)) {
    match expr {
        Expr::Subquery(block) => found(*block),
        Expr::Function { args, .. } => args.iter().for_each(|arg| expr_blocks(arg, found)),
        Expr::Cast { expr, .. } => expr_blocks(expr, found),
        Expr::Binary { left, right, .. } => {
            expr_blocks(left, found);
            expr_blocks(right, found);
        }
        Expr::Column(_) | Expr::Literal(_) | Expr::Param(_) | Expr::Other { .. } => {}
    }
}

/// Calls `found` for each top-level expression of a predicate.
pub fn predicate_exprs<'a>(predicate: &'a Predicate, found: &mut dyn FnMut(&'a Expr)) {
    match predicate {
        Predicate::Compare { left, right, .. } => {
            found(left);
            found(right);
        }
        Predicate::InList { expr, list, .. } => {
            found(expr);
            list.iter().for_each(found);
        }
        Predicate::IsNull { expr, .. } | Predicate::Bool { expr, .. } | Predicate::Other(expr) => found(expr),
        Predicate::InSubquery { exprs, .. } => exprs.iter().for_each(found),
        Predicate::Exists { .. } => {}
        Predicate::RowCompare { left, right, .. } => left.iter().chain(right).for_each(found),
        Predicate::Or(branches) => {
            for predicate in branches.iter().flatten() {
                predicate_exprs(predicate, found);
            }
        }
    }
}

/// Calls `found` for each column that a predicate reads itself, sub-selects left out.
pub fn predicate_columns<'a>(predicate: &'a Predicate, found: &mut dyn FnMut(&'a ColumnRef)) {
    predicate_exprs(predicate, &mut |expr| expr_columns(expr, found));
}

/// Calls `found` for each sub-select that a predicate refers to.
pub fn predicate_blocks(predicate: &Predicate, found: &mut dyn FnMut(BlockId)) {
    match predicate {
        Predicate::InSubquery { block, .. } | Predicate::Exists { block, .. } => found(*block),
        Predicate::Or(branches) => branches.iter().flatten().for_each(|predicate| predicate_blocks(predicate, found)),
        _ => {}
    }
    if !matches!(predicate, Predicate::Or(_)) {
        predicate_exprs(predicate, &mut |expr| expr_blocks(expr, found));
    }
}

/// Calls `found` for each expression of a block, those of its predicates included, those of its sub-selects left out.
pub fn block_exprs<'a>(block: &'a Block, found: &mut dyn FnMut(&'a Expr)) {
    let on = block.relations.iter().flat_map(|relation| &relation.on);
    for predicate in block.filters.iter().chain(&block.having).chain(on) {
        predicate_exprs(predicate, found);
    }
    block.group_by.iter().for_each(&mut *found);
    if let Some(Distinct::On(exprs)) = &block.distinct {
        exprs.iter().for_each(&mut *found);
    }
    block.order_by.iter().for_each(|key| found(&key.expr));
    for output in &block.outputs {
        if let Output::Expr { expr, .. } = output {
            found(expr);
        }
    }
    block.aggregates.iter().flat_map(|aggregate| &aggregate.args).for_each(&mut *found);
    block.reads.iter().for_each(&mut *found);
    for window in &block.windows {
        window.partition_by.iter().for_each(&mut *found);
        window.order_by.iter().for_each(|key| found(&key.expr));
    }
}
