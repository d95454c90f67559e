//! Conditions, split at `AND`, with `NOT` pushed inwards.
//!
//! The laws of three-valued logic hold: `NOT (a < b)` is `a >= b`, since both are unknown for the same rows, and De
//! Morgan's laws hold too. What has no such opposite stays whole under its `NOT`.

use sqlparser::ast::{self, BinaryOperator, UnaryOperator};

use super::{Lowering, expr::symbol, expr::type_name};
use crate::{
    analysis::array,
    ir::{BlockId, CompareOp, Expr, Literal, Predicate, Role},
};

/// Conditions within conditions that keep their form; a chain of `AND` or of `OR` counts as one level.
const DEEPEST: usize = 64;

impl Lowering {
    /// The conjuncts of a condition.
    pub(super) fn conjuncts(&mut self, id: BlockId, condition: &ast::Expr) -> Vec<Predicate> {
        let mut found = Vec::new();
        // What a condition holds is not deeper for the expression that holds the condition.
        let nesting = std::mem::take(&mut self.nesting);
        self.condition(id, condition, false, DEEPEST, &mut found);
        self.nesting = nesting;
        found
    }

    /// Adds the conjuncts of a condition or, when `negated`, of its opposite.
    fn condition(
        &mut self,
        id: BlockId,
        condition: &ast::Expr,
        negated: bool,
        deepest: usize,
        found: &mut Vec<Predicate>,
    ) {
        let Some(deeper) = deepest.checked_sub(1) else {
            found.push(self.unknown(id, condition, negated));
            return;
        };
        match condition {
            ast::Expr::Nested(inner) => self.condition(id, inner, negated, deeper, found),
            ast::Expr::UnaryOp { op: UnaryOperator::Not, expr } => self.condition(id, expr, !negated, deeper, found),
            ast::Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let mut operands = Vec::new();
                chain(condition, op, &mut operands);
                if (*op == BinaryOperator::And) != negated {
                    for operand in operands {
                        self.condition(id, operand, negated, deeper, found);
                    }
                } else {
                    let branches = operands.into_iter().map(|operand| {
                        let mut branch = Vec::new();
                        self.condition(id, operand, negated, deeper, &mut branch);
                        branch
                    });
                    let branches = branches.collect();
                    push_either(found, branches);
                }
            }
            ast::Expr::Between { expr, negated: not, low, high } => {
                let left = self.expr(id, expr);
                let low = self.expr(id, low);
                let high = self.expr(id, high);
                let (below, above) =
                    (compare(left.clone(), CompareOp::GtEq, low), compare(left, CompareOp::LtEq, high));
                if *not == negated {
                    found.extend([below, above]);
                } else {
                    let opposite = |predicate| match predicate {
                        Predicate::Compare { left, op, right } => {
                            Predicate::Compare { left, op: opposite(&op).unwrap_or(op), right }
                        }
                        other => other,
                    };
                    found.push(Predicate::Or(vec![vec![opposite(below)], vec![opposite(above)]]));
                }
            }
            ast::Expr::Value(_) | ast::Expr::Cast { .. } if truth(condition) == Some(!negated) => {}
            _ => self.leaf(id, condition, negated, found),
        }
    }

    /// A condition that is no combination of others.
    fn leaf(&mut self, id: BlockId, condition: &ast::Expr, negated: bool, found: &mut Vec<Predicate>) {
        use ast::Expr as E;
        let predicate = match condition {
            E::BinaryOp { left, op, right } => match comparison(op) {
                Some(op) => return self.comparison(id, condition, (left, op, right), negated, found),
                None => self.unknown(id, condition, negated),
            },
            E::IsNull(expr) | E::IsUnknown(expr) => Predicate::IsNull { expr: self.expr(id, expr), negated },
            E::IsNotNull(expr) | E::IsNotUnknown(expr) => {
                Predicate::IsNull { expr: self.expr(id, expr), negated: !negated }
            }
            // Of anything but a column, the test hides from the planner what is tested.
            E::IsTrue(expr) | E::IsFalse(expr) if !negated && is_column(expr) => {
                Predicate::Bool { expr: self.expr(id, expr), negated: matches!(condition, E::IsFalse(_)) }
            }
            E::IsDistinctFrom(left, right) | E::IsNotDistinctFrom(left, right) => {
                let not = matches!(condition, E::IsNotDistinctFrom(..)) != negated;
                let (left, right) = (self.expr(id, left), self.expr(id, right));
                match (&left, &right) {
                    (_, Expr::Literal(Literal::Null)) => Predicate::IsNull { expr: left, negated: !not },
                    (Expr::Literal(Literal::Null), _) => Predicate::IsNull { expr: right, negated: !not },
                    _ => {
                        let symbol = if not { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" };
                        compare(left, CompareOp::Other(symbol.to_owned()), right)
                    }
                }
            }
            E::InList { expr, list, negated: not } => return self.in_list(id, expr, list, *not != negated, found),
            E::InSubquery { expr, subquery, negated: not } => {
                let exprs = self.row(id, expr);
                let block = self.query(id, Role::In, subquery);
                Predicate::InSubquery { exprs, block, negated: *not != negated }
            }
            E::Exists { subquery, negated: not } => {
                Predicate::Exists { block: self.query(id, Role::Exists, subquery), negated: *not != negated }
            }
            E::Like { negated: not, any, expr, pattern, escape_char: None } => {
                return self.like(id, expr, pattern, (*any, false, *not != negated), found);
            }
            E::ILike { negated: not, any, expr, pattern, escape_char: None } => {
                return self.like(id, expr, pattern, (*any, true, *not != negated), found);
            }
            E::AnyOp { left, compare_op, right, .. } => {
                return self.quantified(id, condition, (left, compare_op, right), (true, negated), found);
            }
            E::AllOp { left, compare_op, right } => {
                return self.quantified(id, condition, (left, compare_op, right), (false, negated), found);
            }
            E::Identifier(_) | E::CompoundIdentifier(_) | E::Function(_) | E::Cast { .. } | E::Value(_) => {
                Predicate::Bool { expr: self.expr(id, condition), negated }
            }
            _ => self.unknown(id, condition, negated),
        };
        found.push(predicate);
    }

    fn comparison(
        &mut self,
        id: BlockId,
        whole: &ast::Expr,
        (left, op, right): (&ast::Expr, CompareOp, &ast::Expr),
        negated: bool,
        found: &mut Vec<Predicate>,
    ) {
        let Some(op) = (if negated { opposite(&op) } else { Some(op) }) else {
            return found.push(self.unknown(id, whole, negated));
        };
        match (fields(left), fields(right), &op) {
            (Some(lefts), Some(rights), _) if lefts.len() == rights.len() => {
                let lefts = self.exprs(id, lefts);
                let rights = self.exprs(id, rights);
                let pairs = lefts.iter().cloned().zip(rights.iter().cloned());
                match op {
                    CompareOp::Eq => found.extend(pairs.map(|(left, right)| compare(left, CompareOp::Eq, right))),
                    CompareOp::NotEq => {
                        let branches = pairs.map(|(left, right)| vec![compare(left, CompareOp::NotEq, right)]);
                        found.push(Predicate::Or(branches.collect()));
                    }
                    op => found.push(row_compare(lefts, op, rights)),
                }
            }
            (Some(lefts), None, CompareOp::Eq) if matches!(right, ast::Expr::Subquery(_)) => {
                let ast::Expr::Subquery(query) = right else { return };
                let exprs = self.exprs(id, lefts);
                let block = self.query(id, Role::In, query);
                found.push(Predicate::InSubquery { exprs, block, negated: false });
            }
            (None, None, _) => {
                let left = self.expr(id, left);
                let right = self.expr(id, right);
                found.push(compare(left, op, right));
            }
            _ => found.push(self.unknown(id, whole, negated)),
        }
    }

    fn in_list(
        &mut self,
        id: BlockId,
        expr: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        found: &mut Vec<Predicate>,
    ) {
        let Some(tested) = fields(expr) else {
            let (expr, list) = (self.expr(id, expr), self.exprs(id, list));
            return found.push(Predicate::InList { expr, list, array: false, negated });
        };
        // A list of rows is one row or another.
        let tested = self.exprs(id, tested);
        let rows = list.iter().map(|row| match fields(row) {
            Some(row) => self.exprs(id, row),
            None => vec![self.expr(id, row)],
        });
        let rows: Vec<Vec<Expr>> = rows.collect();
        if negated || rows.iter().any(|row| row.len() != tested.len()) {
            let columns = tested.iter().chain(rows.iter().flatten()).flat_map(|expr| expr.columns().cloned()).collect();
            let not = if negated { "NOT " } else { "" };
            return found.push(Predicate::Other(Expr::Other { columns, text: format!("{not}{expr} IN (…)") }));
        }
        let pairs = |row: Vec<Expr>| {
            tested.iter().cloned().zip(row).map(|(left, right)| compare(left, CompareOp::Eq, right)).collect()
        };
        push_either(found, rows.into_iter().map(pairs).collect());
    }

    fn like(
        &mut self,
        id: BlockId,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        (any, insensitive, negated): (bool, bool, bool),
        found: &mut Vec<Predicate>,
    ) {
        let left = self.expr(id, expr);
        let op = CompareOp::Like { insensitive, negated };
        if !any {
            let right = self.expr(id, pattern);
            return found.push(Predicate::Compare { left, op, right });
        }
        match self.array(id, pattern) {
            Some((patterns, false)) if !negated => {
                let like = |right| vec![Predicate::Compare { left: left.clone(), op: op.clone(), right }];
                push_either(found, patterns.into_iter().map(like).collect());
            }
            _ => {
                let right = self.expr(id, pattern);
                let not = if negated { "NOT " } else { "" };
                let like = if insensitive { "ILIKE" } else { "LIKE" };
                found.push(Predicate::Other(Expr::binary(left, &format!("{not}{like} ANY"), right)));
            }
        }
    }

    /// `left op ANY (right)` or `left op ALL (right)`.
    fn quantified(
        &mut self,
        id: BlockId,
        whole: &ast::Expr,
        (left, op, right): (&ast::Expr, &BinaryOperator, &ast::Expr),
        (any, negated): (bool, bool),
        found: &mut Vec<Predicate>,
    ) {
        let equality = match (any, comparison(op)) {
            (true, Some(CompareOp::Eq)) => Some(negated),
            (false, Some(CompareOp::NotEq)) => Some(!negated),
            _ => None,
        };
        if let ast::Expr::Subquery(query) = right {
            let exprs = self.row(id, left);
            let block = self.query(id, Role::In, query);
            if let Some(negated) = equality {
                return found.push(Predicate::InSubquery { exprs, block, negated });
            }
            let quantifier = if any { "ANY" } else { "ALL" };
            let not = if negated { "NOT " } else { "" };
            let left = match <[Expr; 1]>::try_from(exprs) {
                Ok([left]) => left,
                Err(exprs) => Expr::call(None, "row", exprs),
            };
            let op = format!("{not}{} {quantifier}", symbol(op));
            return found.push(Predicate::Other(Expr::binary(left, &op, Expr::Subquery(block))));
        }
        match self.array(id, right) {
            Some((list, array)) => match (equality, comparison(op)) {
                (Some(negated), _) => {
                    found.push(Predicate::InList { expr: self.expr(id, left), list, array, negated });
                }
                (None, Some(op @ CompareOp::Like { .. })) if any && !negated && !array => {
                    let left = self.expr(id, left);
                    let like = |right| vec![Predicate::Compare { left: left.clone(), op: op.clone(), right }];
                    push_either(found, list.into_iter().map(like).collect());
                }
                _ => found.push(self.unknown(id, whole, negated)),
            },
            None => found.push(self.unknown(id, whole, negated)),
        }
    }

    /// The elements of a constant array, or the array as one value (`true`); `None` when it reads a column.
    fn array(&mut self, id: BlockId, expr: &ast::Expr) -> Option<(Vec<Expr>, bool)> {
        match expr {
            ast::Expr::Nested(inner) => self.array(id, inner),
            ast::Expr::Array(array) if !array.elem.iter().any(|elem| matches!(elem, ast::Expr::Array(_))) => {
                Some((self.exprs(id, &array.elem), false))
            }
            // `ANY (VALUES (1))`, which the parser takes for a call.
            ast::Expr::Function(call) if super::last_part(&call.name).as_str() == "values" => {
                Some((self.exprs(id, arguments(call)?), false))
            }
            // `ANY (a, b)` is not of PostgreSQL, but a parser may read `LIKE ANY (array[…])` so.
            ast::Expr::Tuple(exprs) => match exprs.as_slice() {
                [inner] => self.array(id, inner),
                _ => None,
            },
            ast::Expr::Cast { expr: inner, data_type, .. } => {
                let element = type_name(data_type);
                let element = element.strip_suffix("[]").unwrap_or(&element);
                match self.array(id, inner)? {
                    (list, false) => {
                        let cast = |expr| Expr::Cast { expr: Box::new(expr), to: element.to_owned() };
                        Some((list.into_iter().map(cast).collect(), false))
                    }
                    _ => Some((vec![self.expr(id, expr)], true)),
                }
            }
            _ => match self.expr(id, expr) {
                Expr::Literal(Literal::String(text)) => match array::elements(&text) {
                    Some(elements) => {
                        let literal =
                            |element: Option<String>| Expr::Literal(element.map_or(Literal::Null, Literal::String));
                        Some((elements.into_iter().map(literal).collect(), false))
                    }
                    None => Some((vec![Expr::Literal(Literal::String(text))], true)),
                },
                array if array.is_constant() => Some((vec![array], true)),
                _ => None,
            },
        }
    }

    /// The fields of a row, or the one expression.
    fn row(&mut self, id: BlockId, expr: &ast::Expr) -> Vec<Expr> {
        match fields(expr) {
            Some(fields) => self.exprs(id, fields),
            None => vec![self.expr(id, expr)],
        }
    }

    /// A condition by its columns only.
    fn unknown(&mut self, id: BlockId, condition: &ast::Expr, negated: bool) -> Predicate {
        Predicate::Other(match self.opaque(id, condition) {
            Expr::Other { columns, text } if negated => Expr::Other { columns, text: format!("NOT ({text})") },
            other => other,
        })
    }
}

/// The operands of a chain of one operator, in order; parentheses within it mean nothing.
fn chain<'a>(expr: &'a ast::Expr, chained: &BinaryOperator, operands: &mut Vec<&'a ast::Expr>) {
    // The tree is deep to the left, so the chain is followed there by hand.
    let mut rights = vec![expr];
    while let Some(next) = rights.pop() {
        let mut inner = next;
        while let ast::Expr::Nested(expr) = inner {
            inner = expr;
        }
        match inner {
            ast::Expr::BinaryOp { left, op, right } if op == chained => rights.extend([&**right, &**left]),
            _ => operands.push(next),
        }
    }
}

/// Adds `a OR b`; a branch that is nothing but an `OR` is part of it, and one branch alone is no `OR`. A branch without
/// conjuncts is always true.
fn push_either(found: &mut Vec<Predicate>, branches: Vec<Vec<Predicate>>) {
    let mut flat = Vec::with_capacity(branches.len());
    for branch in branches {
        match <[Predicate; 1]>::try_from(branch) {
            Ok([Predicate::Or(inner)]) => flat.extend(inner),
            Ok([one]) => flat.push(vec![one]),
            Err(several) => flat.push(several),
        }
    }
    match flat.len() {
        1 => found.extend(flat.into_iter().flatten()),
        _ => found.push(Predicate::Or(flat)),
    }
}

/// `left op right` with the constant on the right, where the operator has a mirror image.
pub(in crate::analysis) fn compare(left: Expr, op: CompareOp, right: Expr) -> Predicate {
    if left.is_constant()
        && !right.is_constant()
        && let Some(op) = op.mirrored()
    {
        return Predicate::Compare { left: right, op, right: left };
    }
    Predicate::Compare { left, op, right }
}

fn row_compare(left: Vec<Expr>, op: CompareOp, right: Vec<Expr>) -> Predicate {
    if left.iter().all(Expr::is_constant)
        && !right.iter().all(Expr::is_constant)
        && let Some(op) = op.mirrored()
    {
        return Predicate::RowCompare { left: right, op, right: left };
    }
    Predicate::RowCompare { left, op, right }
}

/// The operator that holds exactly where the other does not, unknown results aside.
fn opposite(op: &CompareOp) -> Option<CompareOp> {
    Some(match op {
        CompareOp::Eq => CompareOp::NotEq,
        CompareOp::NotEq => CompareOp::Eq,
        CompareOp::Lt => CompareOp::GtEq,
        CompareOp::LtEq => CompareOp::Gt,
        CompareOp::Gt => CompareOp::LtEq,
        CompareOp::GtEq => CompareOp::Lt,
        CompareOp::Like { insensitive, negated } => CompareOp::Like { insensitive: *insensitive, negated: !negated },
        CompareOp::Other(symbol) => CompareOp::Other(
            match symbol.as_str() {
                "~" => "!~",
                "!~" => "~",
                "~*" => "!~*",
                "!~*" => "~*",
                _ => return None,
            }
            .to_owned(),
        ),
    })
}

/// The comparison that an operator is; `None` for operators that yield no truth value.
pub(in crate::analysis) fn comparison_symbol(symbol: &str) -> Option<CompareOp> {
    let like = |insensitive, negated| CompareOp::Like { insensitive, negated };
    Some(match symbol {
        "=" => CompareOp::Eq,
        "<>" | "!=" => CompareOp::NotEq,
        "<" => CompareOp::Lt,
        "<=" => CompareOp::LtEq,
        ">" => CompareOp::Gt,
        ">=" => CompareOp::GtEq,
        "~~" => like(false, false),
        "!~~" => like(false, true),
        "~~*" => like(true, false),
        "!~~*" => like(true, true),
        "@>" | "<@" | "&&" | "?" | "?|" | "?&" | "@?" | "@@" | "@@@" | "~" | "~*" | "!~" | "!~*" | "^@" | "&<"
        | "&>" | "<<|" | "|>>" | "&<|" | "|&>" | "-|-" | "~=" | "<^" | ">^" | "%" | "%>" | "<%" | "<<%" | "%>>"
        | "<<" | ">>" | "<<=" | ">>=" => CompareOp::Other(symbol.to_owned()),
        _ => return None,
    })
}

fn comparison(op: &BinaryOperator) -> Option<CompareOp> {
    comparison_symbol(&symbol(op))
}

fn fields(expr: &ast::Expr) -> Option<Vec<&ast::Expr>> {
    match expr {
        ast::Expr::Tuple(exprs) => Some(exprs.iter().collect()),
        ast::Expr::Nested(inner) => fields(inner),
        ast::Expr::Function(function) if super::last_part(&function.name).as_str() == "row" => arguments(function),
        _ => None,
    }
}

/// The arguments of a call when they are nothing but expressions.
fn arguments(call: &ast::Function) -> Option<Vec<&ast::Expr>> {
    let ast::FunctionArguments::List(list) = &call.args else { return None };
    let exprs = list.args.iter().map(|arg| match arg {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    exprs.collect()
}

fn is_column(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(inner) => is_column(inner),
        _ => super::expr::column(expr).is_some(),
    }
}

/// The truth value that a literal is.
fn truth(expr: &ast::Expr) -> Option<bool> {
    match super::expr::literal(expr)? {
        Literal::Bool(value) => Some(value),
        _ => None,
    }
}
