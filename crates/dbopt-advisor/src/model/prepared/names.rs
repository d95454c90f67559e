//! What expressions read: relations of this level, values, or outer rows.

use std::sync::Arc;

use dbopt_catalog::ColumnId;
use dbopt_sql::ir::{BlockId, ColumnRef, Expr};

use super::{Key, VarInfo, build::Builder};
use crate::{
    canonical,
    model::{
        datum::Family,
        path::Mask,
        selectivity::Values,
        value::{self, Value},
    },
    scope::{Site, Source},
    walk,
};

/// An operand of a condition.
#[derive(Clone, Debug)]
pub(super) enum Operand<'a> {
    /// A column of one relation, or an expression over one.
    Var {
        rel: usize,
        key: Key,
        var: VarInfo<'a>,
        /// Operator calls to compute it.
        ops: f64,
    },
    /// Known or unknown, but the same for the whole scan.
    Value(Value, f64),
    /// Over several relations, or with a sub-select.
    Mixed { mask: Mask, ops: f64 },
}

impl Operand<'_> {
    pub(super) fn mask(&self) -> Mask {
        match self {
            Self::Var { rel, .. } => 1 << rel,
            Self::Value(..) => 0,
            Self::Mixed { mask, .. } => *mask,
        }
    }

    pub(super) fn ops(&self) -> f64 {
        match self {
            Self::Var { ops, .. } | Self::Value(_, ops) | Self::Mixed { ops, .. } => *ops,
        }
    }
}

/// What a column of a statement is at this level.
pub(super) enum ColumnUse<'a> {
    /// A column of a table's relation.
    Base(usize, ColumnId),
    /// A column of a sub-select's relation.
    Output(usize, Arc<str>),
    /// An expression of a sub-select that was pulled up.
    Expression(BlockId, &'a Expr),
    /// A column of an outer query, or of nothing known.
    Outer,
}

/// Sub-selects looked through; more are taken as unknown.
const MAX_DEPTH: usize = 32;

impl<'a> Builder<'a, '_> {
    /// What a column is.
    pub(super) fn column(&self, block: BlockId, column: &ColumnRef) -> ColumnUse<'a> {
        self.column_at(block, column, 0)
    }

    fn column_at(&self, block: BlockId, column: &ColumnRef, depth: usize) -> ColumnUse<'a> {
        let Some((site, _)) = self.scope.site(block, column) else { return ColumnUse::Outer };
        let scope = self.scope;
        match (self.places.get(&site), self.scope.source(site.block, site.relation)) {
            (Some(rel), Source::Table(_)) => match scope.base(site, &column.name) {
                Some(base) => ColumnUse::Base(*rel, base.column),
                None => ColumnUse::Output(*rel, column.name.as_str().into()),
            },
            (Some(rel), _) => ColumnUse::Output(*rel, column.name.as_str().into()),
            (None, Source::Block(_)) if depth < MAX_DEPTH && self.flattened(site) => {
                let Some(output) = scope.output(site, &column.name) else { return ColumnUse::Outer };
                match (output.expr, output.base) {
                    (Some((inner, Expr::Column(column))), _) => self.column_at(inner, column, depth + 1),
                    (Some((inner, expr)), _) => ColumnUse::Expression(inner, expr),
                    (None, Some(base)) => match self.places.get(&Site { block: base.block, relation: base.relation }) {
                        Some(rel) => ColumnUse::Base(*rel, base.column),
                        None => ColumnUse::Outer,
                    },
                    (None, None) => ColumnUse::Outer,
                }
            }
            (None, _) => ColumnUse::Outer,
        }
    }

    fn flattened(&self, site: Site) -> bool {
        match self.scope.source(site.block, site.relation) {
            Source::Block(inner) => self.pulled.contains(&inner),
            _ => false,
        }
    }

    /// The relations that an expression reads.
    pub(super) fn mask(&self, block: BlockId, expr: &'a Expr) -> Mask {
        self.mask_at(block, expr, 0)
    }

    fn mask_at(&self, block: BlockId, expr: &'a Expr, depth: usize) -> Mask {
        let mut mask = 0;
        walk::expr_columns(expr, &mut |column| {
            mask |= match self.column(block, column) {
                ColumnUse::Base(rel, _) | ColumnUse::Output(rel, _) => 1 << rel,
                ColumnUse::Expression(inner, expr) if depth < MAX_DEPTH => self.mask_at(inner, expr, depth + 1),
                ColumnUse::Expression(..) | ColumnUse::Outer => 0,
            };
        });
        // A sub-select that reads our columns makes the condition depend on them.
        walk::expr_blocks(expr, &mut |inner| mask |= self.outer_mask(inner));
        mask
    }

    /// The relations of this level that a sub-select reads.
    pub(super) fn outer_mask(&self, inner: BlockId) -> Mask {
        let mut mask = 0;
        for id in self.subtree(inner) {
            let block = &self.scope.statement().blocks[id];
            walk::block_exprs(block, &mut |expr| {
                walk::expr_columns(expr, &mut |column| {
                    mask |= match self.column(id, column) {
                        ColumnUse::Base(rel, _) | ColumnUse::Output(rel, _) => 1 << rel,
                        ColumnUse::Expression(inner, expr) => self.mask_at(inner, expr, MAX_DEPTH),
                        ColumnUse::Outer => 0,
                    };
                });
            });
        }
        mask
    }

    /// A block and all blocks below it.
    pub(super) fn subtree(&self, top: BlockId) -> Vec<BlockId> {
        let blocks = &self.scope.statement().blocks;
        let mut found = vec![top];
        for (id, block) in blocks.iter().enumerate().skip(top + 1) {
            if block.parent.is_some_and(|parent| found.contains(&parent)) {
                found.push(id);
            }
        }
        found
    }

    /// Resolves an operand.
    pub(super) fn operand(&self, block: BlockId, expr: &'a Expr) -> Operand<'a> {
        self.operand_at(block, expr, 0)
    }

    fn operand_at(&self, block: BlockId, expr: &'a Expr, depth: usize) -> Operand<'a> {
        match expr {
            Expr::Column(column) => match self.column(block, column) {
                ColumnUse::Base(rel, column) => {
                    Operand::Var { rel, key: Key::Column(column), var: self.base_var(rel, column), ops: 0.0 }
                }
                ColumnUse::Output(rel, name) => {
                    Operand::Var { rel, var: self.output_var(block, rel, column), key: Key::Output(name), ops: 0.0 }
                }
                ColumnUse::Expression(inner, expr) if depth < MAX_DEPTH => self.operand_at(inner, expr, depth + 1),
                ColumnUse::Expression(..) | ColumnUse::Outer => Operand::Value(Value::Unknown, 0.0),
            },
            // A cast between strings, or one that a literal takes on, costs nothing and leaves the column as it is.
            Expr::Cast { expr: inner, to } if self.is_relabel(block, inner, to) => self.operand_at(block, inner, depth),
            _ => {
                let mask = self.mask(block, expr);
                let ops = ops(expr);
                let mut subqueries = false;
                walk::expr_blocks(expr, &mut |_| subqueries = true);
                if mask == 0 && !subqueries {
                    return Operand::Value(value::evaluate(expr, self.shared.now), ops);
                }
                if mask.count_ones() == 1 && !subqueries {
                    let rel = mask.trailing_zeros() as usize;
                    let text: Arc<str> = canonical::expression(expr).into();
                    let var = self.expression_var(rel, &text);
                    return Operand::Var { rel, key: Key::Expression(text), var, ops };
                }
                if mask == 0 {
                    return Operand::Value(Value::Unknown, ops);
                }
                Operand::Mixed { mask, ops }
            }
        }
    }

    fn is_relabel(&self, block: BlockId, inner: &'a Expr, to: &str) -> bool {
        let Expr::Column(column) = inner else { return false };
        let ColumnUse::Base(rel, column) = self.column(block, column) else { return false };
        let family = self.base_var(rel, column).family;
        let to = to.split('(').next().unwrap_or(to).trim();
        family.is_text() && matches!(to, "text" | "varchar" | "character varying")
    }

    /// A column of a table.
    pub(super) fn base_var(&self, rel: usize, column: ColumnId) -> VarInfo<'a> {
        let Some(table) = self.rels[rel].table else { return unknown_var(self.rels[rel].tuples) };
        let mut var = self.shared.column(table, column);
        var.tuples = self.rels[rel].tuples;
        var
    }

    /// An expression over a table, with the statistics of an index over it if there is one.
    fn expression_var(&self, rel: usize, text: &str) -> VarInfo<'a> {
        let mut var = unknown_var(self.rels[rel].tuples);
        if let Some(table) = self.rels[rel].table
            && let Some(statistics) = self.shared.expression_statistics(table, text)
        {
            var.statistics = Some(statistics);
            var.family = guess_family(statistics);
            var.values = Arc::new(Values::new(Some(statistics), var.family));
            var.width = statistics.average_width;
        }
        var
    }

    /// A column of a sub-select: its base column's values, unless grouping made it unique.
    fn output_var(&self, block: BlockId, rel: usize, column: &ColumnRef) -> VarInfo<'a> {
        let tuples = self.rels[rel].tuples;
        let mut var = match self.scope.resolve(block, column) {
            Some(found) => {
                let mut var = self.shared.column(found.table, found.column);
                // Its number of values was estimated for the table; the sub-select cannot have more than rows.
                var.unique = false;
                if self.rels[rel].unique_output.as_deref() == Some(column.name.as_str()) {
                    var.unique = true;
                }
                var
            }
            None => unknown_var(tuples),
        };
        var.tuples = tuples;
        var
    }
}

/// A value of which nothing is known.
pub(super) fn unknown_var<'a>(tuples: f64) -> VarInfo<'a> {
    VarInfo {
        statistics: None,
        family: Family::Opaque,
        tuples,
        unique: false,
        values: Arc::new(Values::default()),
        width: 32.0,
    }
}

/// The family of an expression whose type is not known, by its values.
fn guess_family(statistics: &dbopt_catalog::ColumnStatistics) -> Family {
    let mut texts =
        statistics.histogram.iter().chain(statistics.common.iter().filter_map(|common| match &common.value {
            dbopt_catalog::Datum::Text(text) => Some(text),
            dbopt_catalog::Datum::Hashed(_) => None,
        }));
    match texts.next() {
        Some(text) if text.parse::<f64>().is_ok() => Family::Number,
        Some(text) if crate::model::datum::instant(text).is_some() => Family::Instant,
        _ => Family::Bytes,
    }
}

/// Operator calls of an expression (`cost_qual_eval`), sub-selects left out.
pub(super) fn ops(expr: &Expr) -> f64 {
    match expr {
        Expr::Function { args, .. } => 1.0 + args.iter().map(ops).sum::<f64>(),
        Expr::Binary { left, right, .. } => 1.0 + ops(left) + ops(right),
        Expr::Cast { expr, .. } => ops(expr),
        Expr::Other { columns, .. } if !columns.is_empty() => 1.0,
        _ => 0.0,
    }
}
