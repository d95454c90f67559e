//! Conditions: what share of the rows they keep, what they cost, and what an index could do with them.

use std::collections::BTreeSet;

use dbopt_sql::ir::{BlockId, CompareOp, Expr, Literal, Predicate};

use super::{
    Key, Qual, Range, Shape,
    build::Builder,
    names::{ColumnUse, Operand},
};
use crate::{
    canonical,
    model::{
        datum::{Datum, Family},
        path::Mask,
        selectivity::{self, Side},
        value::Value,
    },
    walk,
};

/// What is known of a condition.
pub(super) struct Judged {
    /// Share of the rows, or pairs, that it keeps.
    pub(super) selectivity: f64,
    /// Operator calls a row.
    pub(super) ops: f64,
    /// Operator calls once.
    pub(super) startup_ops: f64,
    /// What an index can do with it.
    pub(super) shape: Shape,
    /// For a range, to be paired.
    pub(super) range: Option<Range>,
}

impl Judged {
    fn new(selectivity: f64, ops: f64, shape: Shape) -> Self {
        Self { selectivity: selectivity::share(selectivity), ops, startup_ops: 0.0, shape, range: None }
    }
}

/// Values of an `IN` list that are looked at one by one; the others count as the average of these.
const MAX_LISTED: usize = 256;
/// `MIN_ARRAY_SIZE_FOR_HASHED_SAOP`.
const HASHED_LIST: f64 = 9.0;

impl<'a> Builder<'a, '_> {
    /// Relations that a condition reads, those that its sub-selects read included.
    pub(super) fn predicate_mask(&self, block: BlockId, predicate: &'a Predicate) -> Mask {
        let mut mask = 0;
        walk::predicate_exprs(predicate, &mut |expr| mask |= self.mask(block, expr));
        walk::predicate_blocks(predicate, &mut |inner| mask |= self.outer_mask(inner));
        mask
    }

    /// A condition on one relation.
    pub(super) fn qual(&mut self, block: BlockId, predicate: &'a Predicate) -> Qual<'a> {
        let judged = self.judge(block, predicate);
        let mut columns = BTreeSet::new();
        walk::predicate_columns(predicate, &mut |column| self.collect(block, column, &mut columns));
        let mut inner = Vec::new();
        walk::predicate_blocks(predicate, &mut |id| inner.push(id));
        for id in &inner {
            for below in self.subtree(*id) {
                let statement = self.scope.statement();
                walk::block_exprs(&statement.blocks[below], &mut |expr| {
                    walk::expr_columns(expr, &mut |column| self.collect(below, column, &mut columns));
                });
            }
        }
        let subplans = self.subplans(predicate, &inner);
        Qual {
            selectivity: judged.selectivity,
            ops: judged.ops,
            startup_ops: judged.startup_ops,
            shape: judged.shape,
            text: canonical::predicate(predicate),
            columns: columns.into_iter().map(|(_, column)| column).collect(),
            subplans,
            range: judged.range,
        }
    }

    /// The base columns behind a column.
    pub(super) fn collect(
        &self,
        block: BlockId,
        column: &dbopt_sql::ir::ColumnRef,
        found: &mut BTreeSet<(usize, dbopt_catalog::ColumnId)>,
    ) {
        match self.column(block, column) {
            ColumnUse::Base(rel, column) => {
                found.insert((rel, column));
            }
            ColumnUse::Expression(inner, expr) => {
                walk::expr_columns(expr, &mut |column| {
                    if let ColumnUse::Base(rel, column) = self.column(inner, column) {
                        found.insert((rel, column));
                    }
                });
            }
            ColumnUse::Output(..) | ColumnUse::Outer => {}
        }
    }

    /// Judges a condition.
    pub(super) fn judge(&self, block: BlockId, predicate: &'a Predicate) -> Judged {
        match predicate {
            Predicate::Compare { left, op, right } => self.judge_comparison(block, left, op, right),
            Predicate::InList { expr, list, array, negated } => self.judge_list(block, expr, list, *array, *negated),
            Predicate::IsNull { expr, negated } => match self.operand(block, expr) {
                Operand::Var { key, var, ops, .. } => {
                    let share = selectivity::is_null(&var.var(), *negated);
                    Judged::new(share, ops, Shape::Null(key, *negated))
                }
                other => Judged::new(if *negated { 0.995 } else { 0.005 }, other.ops(), Shape::Other),
            },
            Predicate::Bool { expr, negated } => self.judge_bool(block, expr, *negated),
            Predicate::InSubquery { .. } | Predicate::Exists { .. } => Judged::new(0.5, 1.0, Shape::Other),
            Predicate::RowCompare { left, op, right } => self.judge_row(block, left, op, right),
            Predicate::Or(branches) => self.judge_or(block, branches),
            Predicate::Other(expr) => self.judge_bool(block, expr, false),
        }
    }

    fn judge_bool(&self, block: BlockId, expr: &'a Expr, negated: bool) -> Judged {
        let operand = self.operand(block, expr);
        match operand {
            Operand::Var { key, var, ops, .. } if matches!(key, Key::Column(_) | Key::Output(_)) => {
                let share = if var.statistics.is_some() {
                    let known = Datum::Number(if negated { 0.0 } else { 1.0 });
                    selectivity::equal_to(&var.var(), &known)
                } else {
                    0.5
                };
                Judged::new(share, ops, Shape::Bool(key))
            }
            Operand::Value(Value::Text(value), ops) => match Datum::parse(Family::Bool, &value) {
                Some(Datum::Number(value)) => {
                    Judged::new(if (value != 0.0) == negated { 0.0 } else { 1.0 }, ops, Shape::Other)
                }
                _ => Judged::new(0.5, ops, Shape::Other),
            },
            other => {
                let share = selectivity::DEFAULT_FUNCTION;
                Judged::new(if negated { 1.0 - share } else { share }, other.ops().max(1.0), Shape::Other)
            }
        }
    }

    fn judge_comparison(&self, block: BlockId, left: &'a Expr, op: &CompareOp, right: &'a Expr) -> Judged {
        let (first, second) = (self.operand(block, left), self.operand(block, right));
        let ops = 1.0 + first.ops() + second.ops();
        match (first, second) {
            (Operand::Var { key, var, .. }, Operand::Value(value, _)) => {
                let mut judged = self.against(key, &var, op, &value);
                judged.ops = ops;
                judged
            }
            (Operand::Value(value, _), Operand::Var { key, var, .. }) => {
                let mut judged = match op.mirrored() {
                    Some(op) => self.against(key, &var, &op, &value),
                    None => Judged::new(operator_default(op), ops, Shape::Other),
                };
                judged.ops = ops;
                judged
            }
            (Operand::Var { var: left, .. }, Operand::Var { var: right, .. }) => {
                let share = match op {
                    CompareOp::Eq => selectivity::inner_equality(&left.var(), &right.var()),
                    CompareOp::NotEq => 1.0 - selectivity::inner_equality(&left.var(), &right.var()),
                    _ => operator_default(op),
                };
                Judged::new(share, ops, Shape::Other)
            }
            _ => Judged::new(operator_default(op), ops, Shape::Other),
        }
    }

    /// `var op value`.
    fn against(&self, key: Key, var: &super::VarInfo<'a>, op: &CompareOp, value: &Value) -> Judged {
        if *value == Value::Null {
            return Judged::new(0.0, 1.0, Shape::Other);
        }
        let datum = datum(var.family, value);
        // A redacted snapshot knows how common the listed values are, not which they are.
        let view = var.var();
        match op {
            CompareOp::Eq => {
                let share = match &datum {
                    Some(datum) => selectivity::equal_to(&view, datum),
                    None => selectivity::equal_to_unknown(&view),
                };
                Judged::new(share, 1.0, Shape::Equal(key, datum))
            }
            CompareOp::NotEq => {
                let equal = match &datum {
                    Some(datum) => selectivity::equal_to(&view, datum),
                    None => selectivity::equal_to_unknown(&view),
                };
                Judged::new(1.0 - equal - view.null_fraction(), 1.0, Shape::Other)
            }
            CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq => {
                let side = Side {
                    greater: matches!(op, CompareOp::Gt | CompareOp::GtEq),
                    or_equal: matches!(op, CompareOp::LtEq | CompareOp::GtEq),
                };
                let share = selectivity::compare(&view, side, datum.as_ref());
                let known = share != selectivity::DEFAULT_INEQUALITY;
                let range = Range { key: key.clone(), side, known, nulls: view.null_fraction() };
                let mut judged = Judged::new(share, 1.0, Shape::Range(key));
                judged.range = Some(range);
                judged
            }
            CompareOp::Like { insensitive, negated } => {
                let pattern = match value {
                    Value::Text(pattern) => Some(pattern.as_str()),
                    _ => None,
                };
                let share = selectivity::like(&view, pattern, *insensitive, *negated);
                let shape = match pattern.map(selectivity::prefix_of) {
                    Some((prefix, more)) if !insensitive && !negated && !prefix.is_empty() => {
                        if more {
                            Shape::Prefix(key, selectivity::prefix_share(&view, &prefix))
                        } else {
                            Shape::Equal(key, Some(Datum::Text(prefix)))
                        }
                    }
                    _ if !negated => Shape::Search(key),
                    _ => Shape::Other,
                };
                Judged::new(share, 1.0, shape)
            }
            CompareOp::Other(symbol) => {
                let share = element_share(var, symbol, value).unwrap_or_else(|| operator_default(op));
                Judged::new(share, 1.0, Shape::Search(key))
            }
        }
    }

    fn judge_list(&self, block: BlockId, expr: &'a Expr, list: &'a [Expr], array: bool, negated: bool) -> Judged {
        let operand = self.operand(block, expr);
        let length = if array { 10.0 } else { list.len() as f64 };
        let own = operand.ops();
        let Operand::Var { key, var, .. } = operand else {
            let share = if negated { 1.0 } else { (length * 0.005).min(0.5) };
            return Judged::new(share, own + 0.5 * length, Shape::Other);
        };
        let view = var.var();
        let listed = if array { 10 } else { list.len().min(MAX_LISTED) };
        let mut constant = !array;
        let mut shares = Vec::with_capacity(listed);
        for item in list.iter().map(Some).chain(std::iter::repeat(None)).take(listed) {
            let value = item.filter(|_| !array).map_or(Value::Unknown, |item| self.value(block, item));
            constant &= value != Value::Unknown;
            let share = match datum(var.family, &value) {
                _ if value == Value::Null => 0.0,
                Some(datum) => selectivity::equal_to(&view, &datum),
                None => selectivity::equal_to_unknown(&view),
            };
            shares.push(share);
        }
        let more = (length - shares.len() as f64).max(0.0);
        let mean = shares.iter().sum::<f64>() / (shares.len() as f64).max(1.0);
        let rest = std::iter::repeat_n(mean, (more as usize).min(100_000));
        let share = selectivity::in_list(shares.iter().copied().chain(rest), view.null_fraction(), negated);
        let shape = if negated { Shape::Other } else { Shape::In(key, length.max(1.0)) };
        let mut judged = Judged::new(share, own + 0.5 * length, shape);
        // Long constant lists are hashed once and probed with two operators a row.
        if constant && length >= HASHED_LIST && (!negated || self.shared.version >= 150_000) {
            judged.ops = own + 2.0;
            judged.startup_ops = length;
        }
        judged
    }

    fn judge_row(&self, block: BlockId, left: &'a [Expr], op: &CompareOp, right: &'a [Expr]) -> Judged {
        // `rowcomparesel`: as the first fields alone.
        let (Some(first), Some(other)) = (left.first(), right.first()) else {
            return Judged::new(selectivity::DEFAULT_INEQUALITY, 1.0, Shape::Other);
        };
        let judged = self.judge_comparison(block, first, op, other);
        let mut keys = Vec::new();
        for field in left {
            match self.operand(block, field) {
                Operand::Var { key, .. } => keys.push(key),
                _ => return Judged { shape: Shape::Other, range: None, ..judged },
            }
        }
        let ops = left.len() as f64;
        match judged.shape {
            Shape::Range(..) => Judged::new(judged.selectivity, ops, Shape::Row(keys)),
            _ => Judged::new(judged.selectivity, ops, Shape::Other),
        }
    }

    fn judge_or(&self, block: BlockId, branches: &'a [Vec<Predicate>]) -> Judged {
        let mut none = 1.0;
        let mut ops = 0.0;
        let mut shapes = Vec::with_capacity(branches.len().min(64));
        let mut shares = Vec::with_capacity(branches.len().min(64));
        for branch in branches {
            let mut all = 1.0;
            let (mut branch_shapes, mut branch_shares) = (Vec::new(), Vec::new());
            let judged: Vec<Judged> = branch.iter().map(|predicate| self.judge(block, predicate)).collect();
            all *= together(judged.iter().map(|judged| (judged.selectivity, judged.range.as_ref())));
            for judged in judged {
                ops += judged.ops;
                branch_shares.push(judged.selectivity);
                branch_shapes.push(judged.shape);
            }
            none *= 1.0 - all;
            shapes.push(branch_shapes);
            shares.push(branch_shares);
        }
        // One bitmap a branch is as far as an index helps.
        let shape = if branches.len() <= 64 { Shape::Or(shapes, shares) } else { Shape::Other };
        Judged::new(1.0 - none, ops, shape)
    }

    pub(super) fn value(&self, block: BlockId, expr: &'a Expr) -> Value {
        match expr {
            Expr::Literal(Literal::Unknown) => Value::Unknown,
            _ => match self.operand(block, expr) {
                Operand::Value(value, _) => value,
                _ => Value::Unknown,
            },
        }
    }
}

/// A value on the scale of a family.
pub(super) fn datum(family: Family, value: &Value) -> Option<Datum> {
    match value {
        Value::Text(text) => Datum::parse(family, text),
        Value::Instant(seconds) if family == Family::Instant => Some(Datum::Number(*seconds)),
        _ => None,
    }
}

/// Share of conditions together: independent, but for the two ends of a range (`clauselist_selectivity`).
pub(crate) fn together<'q>(quals: impl Iterator<Item = (f64, Option<&'q Range>)>) -> f64 {
    let mut share = 1.0;
    // Each key's tightest bound on either side.
    let mut ranges: Vec<(&Range, Option<f64>, Option<f64>, bool)> = Vec::new();
    for (selectivity, range) in quals {
        let Some(range) = range else {
            share *= selectivity;
            continue;
        };
        let at = ranges.iter().position(|(other, ..)| other.key == range.key).unwrap_or_else(|| {
            ranges.push((range, None, None, true));
            ranges.len() - 1
        });
        let entry = &mut ranges[at];
        let bound = if range.side.greater { &mut entry.1 } else { &mut entry.2 };
        *bound = Some(bound.map_or(selectivity, |old| old.min(selectivity)));
        entry.3 &= range.known;
    }
    for (range, low, high, known) in ranges {
        share *= match (low, high) {
            (Some(low), Some(high)) if known => {
                let both = low + high - 1.0 + range.nulls;
                if both > 0.0 {
                    both
                } else if both < -0.01 {
                    selectivity::DEFAULT_RANGE
                } else {
                    1.0e-10
                }
            }
            (Some(_), Some(_)) => selectivity::DEFAULT_RANGE,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => 1.0,
        };
    }
    selectivity::share(share)
}

/// What an operator keeps when nothing is known of its operands.
fn operator_default(op: &CompareOp) -> f64 {
    match op {
        CompareOp::Eq => 0.005,
        CompareOp::NotEq => 0.995,
        CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq => selectivity::DEFAULT_INEQUALITY,
        CompareOp::Like { negated, .. } => {
            if *negated {
                1.0 - selectivity::DEFAULT_MATCH
            } else {
                selectivity::DEFAULT_MATCH
            }
        }
        CompareOp::Other(symbol) => match symbol.as_str() {
            "@>" | "<@" | "&&" | "?" | "?|" | "?&" | "@?" => selectivity::DEFAULT_MATCHING,
            "@@" | "~" | "~*" => selectivity::DEFAULT_MATCH,
            "!~" | "!~*" => 1.0 - selectivity::DEFAULT_MATCH,
            _ => selectivity::DEFAULT_FUNCTION,
        },
    }
}

/// `@>` and `&&` on arrays with common elements (`arraycontsel`), for a literal such as `{a,b}`.
fn element_share(var: &super::VarInfo<'_>, symbol: &str, value: &Value) -> Option<f64> {
    let elements = &var.statistics?.common_elements;
    let Value::Text(text) = value else { return None };
    if elements.is_empty() {
        return None;
    }
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let least = elements.last().map_or(0.01, |element| element.frequency);
    let shares = inner.split(',').take(MAX_LISTED).map(|element| {
        let element = element.trim().trim_matches('"');
        let found = elements.iter().find(|common| match &common.value {
            dbopt_catalog::Datum::Text(text) => text == element,
            dbopt_catalog::Datum::Hashed(_) => false,
        });
        // An element that is not listed is at most half as common as the least listed one.
        selectivity::share(found.map_or(least * 0.5, |common| common.frequency))
    });
    match symbol {
        "@>" => Some(shares.product()),
        "&&" => Some(1.0 - shares.map(|share| 1.0 - share).product::<f64>()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbopt_catalog::ColumnId;

    #[test]
    fn both_ends_of_a_range_are_one_condition() {
        let range = |greater, known| Range {
            key: Key::Column(ColumnId(0)),
            side: Side { greater, or_equal: false },
            known,
            nulls: 0.0,
        };
        let (low, high, guess) = (range(true, true), range(false, true), range(false, false));
        let share = together([(0.6, Some(&low)), (0.5, Some(&high)), (0.5, None)].into_iter());
        assert!((share - 0.05).abs() < 1e-9, "{share}");
        let share = together([(0.6, Some(&low)), (0.33, Some(&guess))].into_iter());
        assert_eq!(share, selectivity::DEFAULT_RANGE);
    }
}
