//! Queries: `WITH`, set operations and `SELECT` levels.

use sqlparser::ast::{self, CteAsMaterialized, LimitClause, Query, Select, SetExpr, SetOperator, SetQuantifier};

use super::{Cte, Lowering, name};
use crate::{
    ir::{BlockId, Count, Distinct, JoinKind, Literal, Output, Relation, RelationSource, Role},
    name::{Name, TableName},
};

impl Lowering {
    /// Lowers a query into a new block.
    pub(super) fn query(&mut self, parent: BlockId, role: Role, query: &Query) -> BlockId {
        let id = self.open(Some(parent), role);
        let windows = std::mem::take(&mut self.windows);
        self.fill(id, query);
        self.windows = windows;
        id
    }

    /// Lowers a query into a block that is there.
    pub(super) fn fill(&mut self, id: BlockId, query: &Query) {
        let outer_ctes = self.ctes.len();
        if let Some(with) = &query.with {
            self.with(id, with);
        }
        self.body(id, &query.body, orders_or_limits(query));
        if let Some(order_by) = &query.order_by {
            self.order_by(id, order_by);
        }
        match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                self.blocks[id].limit = limit.as_ref().and_then(count);
                self.blocks[id].offset = offset.as_ref().and_then(|offset| count(&offset.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                self.blocks[id].limit = count(limit);
                self.blocks[id].offset = count(offset);
            }
            None => {}
        }
        if let Some(fetch) = &query.fetch {
            self.blocks[id].limit = fetch.quantity.as_ref().map_or(Some(Count::Rows(1)), count);
        }
        self.blocks[id].locks_rows |= !query.locks.is_empty();
        self.ctes.truncate(outer_ctes);
    }

    /// Lowers what stands between `WITH` and `ORDER BY`.
    fn body(&mut self, id: BlockId, body: &SetExpr, ordered: bool) {
        match body {
            SetExpr::Select(select) => self.select(id, select),
            // Parentheses that mean nothing.
            SetExpr::Query(inner) if !ordered || !orders_or_limits(inner) => self.fill(id, inner),
            SetExpr::Query(inner) => {
                let child = self.query(id, Role::From { lateral: false }, inner);
                self.blocks[id].relations.push(Relation {
                    source: RelationSource::Block(child),
                    alias: None,
                    column_aliases: Vec::new(),
                    join: JoinKind::Inner,
                    on: Vec::new(),
                });
                self.blocks[id].outputs.push(Output::Star { qualifier: None });
            }
            SetExpr::SetOperation { .. } => self.set_operation(id, body),
            SetExpr::Values(values) => {
                for (row, exprs) in values.rows.iter().enumerate() {
                    for (position, expr) in exprs.content.iter().enumerate() {
                        if row == 0 {
                            let expr = self.expr(id, expr);
                            let alias = Some(Name::folded(&format!("column{}", position + 1)));
                            self.blocks[id].outputs.push(Output::Expr { expr, alias });
                        } else {
                            self.read(id, expr);
                        }
                    }
                }
            }
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => {
                // The parser puts nothing else there.
                let _ = self.statement(id, statement);
            }
            SetExpr::Table(table) => {
                if let Some(table_name) = &table.table_name {
                    let schema = table.schema_name.as_deref().map(Name::unquoted);
                    let table = TableName { schema, name: Name::unquoted(table_name) };
                    self.push_table(id, table, None, Vec::new(), JoinKind::Inner);
                    self.blocks[id].outputs.push(Output::Star { qualifier: None });
                }
            }
        }
    }

    /// The CTEs of a query, each a block.
    fn with(&mut self, parent: BlockId, with: &ast::With) {
        for cte in &with.cte_tables {
            let cte_name = name(&cte.alias.name);
            let materialized = cte.materialized.as_ref().map(|how| matches!(how, CteAsMaterialized::Materialized));
            let role = |recursive| Role::Cte { name: cte_name.clone(), materialized, recursive };
            let block = self.open(Some(parent), role(false));
            let columns = cte.alias.columns.iter().map(|column| name(&column.name)).collect();
            let entry = Cte { name: cte_name.clone(), block, columns };
            // Only a recursive CTE sees itself; the others mean a table of that name.
            if with.recursive {
                self.ctes.push(entry);
                self.fill(block, &cte.query);
            } else {
                self.fill(block, &cte.query);
                self.ctes.push(entry);
            }
            let itself = |relation: &Relation| relation.source == RelationSource::Block(block);
            if self.blocks[block..].iter().flat_map(|block| &block.relations).any(itself) {
                self.blocks[block].role = role(true);
            }
        }
    }

    /// A chain of one set operation is one block with a branch for each operand, however it is nested to the left.
    fn set_operation(&mut self, id: BlockId, body: &SetExpr) {
        let mut branches = Vec::new();
        let mut left = body;
        let mut chain: Option<(SetOperator, SetQuantifier)> = None;
        while let SetExpr::SetOperation { op, set_quantifier, left: next, right } = left {
            if chain.is_some_and(|chain| chain != (*op, *set_quantifier)) {
                break;
            }
            chain = Some((*op, *set_quantifier));
            branches.push(&**right);
            left = next;
        }
        branches.push(left);
        let all = chain == Some((SetOperator::Union, SetQuantifier::All));
        for branch in branches.into_iter().rev() {
            let child = self.open(Some(id), Role::SetBranch { all });
            let windows = std::mem::take(&mut self.windows);
            self.body(child, branch, false);
            self.windows = windows;
        }
    }

    fn select(&mut self, id: BlockId, select: &Select) {
        for table in &select.from {
            self.table_with_joins(id, table, JoinKind::Inner);
        }
        self.windows.clear();
        for definition in &select.named_window {
            self.name_window(id, definition);
        }
        for item in &select.projection {
            self.output(id, item);
        }
        if let Some(selection) = &select.selection {
            let filters = self.conjuncts(id, selection);
            self.blocks[id].filters.extend(filters);
        }
        self.group_by(id, &select.group_by);
        if let Some(having) = &select.having {
            self.blocks[id].having = self.conjuncts(id, having);
        }
        self.blocks[id].distinct = match &select.distinct {
            Some(ast::Distinct::On(exprs)) => {
                Some(Distinct::On(exprs.iter().map(|expr| self.output_or_expr(id, expr)).collect()))
            }
            Some(ast::Distinct::Distinct) => Some(Distinct::Row),
            Some(ast::Distinct::All) | None => None,
        };
    }
}

fn orders_or_limits(query: &Query) -> bool {
    query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some()
}

/// A row count; `None` for `ALL` and `NULL`, which limit nothing.
fn count(expr: &ast::Expr) -> Option<Count> {
    match super::expr::literal(expr) {
        Some(Literal::Null) => None,
        Some(Literal::Number(digits) | Literal::String(digits)) => {
            Some(digits.parse().map_or(Count::Unknown, Count::Rows))
        }
        _ => match expr {
            ast::Expr::Identifier(word) if word.value.eq_ignore_ascii_case("all") => None,
            ast::Expr::Cast { expr, .. } | ast::Expr::Nested(expr) => count(expr),
            _ => Some(Count::Unknown),
        },
    }
}
