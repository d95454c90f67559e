//! `FROM`: tables, sub-selects, functions and joins, in order of appearance.

use sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, Join, JoinConstraint, JoinOperator, SetExpr, TableAlias, TableFactor,
    TableWithJoins,
};

use super::{Lowering, last_part, name, table_name};
use crate::{
    ir::{BlockId, ColumnRef, CompareOp, Expr, JoinKind, Predicate, Relation, RelationSource, Role},
    name::{Name, TableName},
};

impl Lowering {
    /// An entry of `FROM` with what is joined to it. `kind` is how the whole entry is joined to what stands before.
    pub(super) fn table_with_joins(&mut self, id: BlockId, table: &TableWithJoins, kind: JoinKind) {
        let first = self.blocks[id].relations.len();
        self.factor(id, &table.relation, kind);
        for join in &table.joins {
            self.join(id, first, join, kind);
        }
    }

    fn join(&mut self, id: BlockId, first: usize, join: &Join, outer: JoinKind) {
        use JoinOperator as J;
        let (kind, constraint) = match &join.join_operator {
            J::Left(constraint) | J::LeftOuter(constraint) => (JoinKind::Left, constraint),
            J::Right(constraint) | J::RightOuter(constraint) => (JoinKind::Right, constraint),
            J::FullOuter(constraint) => (JoinKind::Full, constraint),
            // An inner join within parentheses that are outer-joined is part of the nullable side.
            J::Join(constraint) | J::Inner(constraint) | J::CrossJoin(constraint) => (outer, constraint),
            // Not of PostgreSQL.
            _ => (outer, &JoinConstraint::None),
        };
        let right = self.blocks[id].relations.len();
        self.factor(id, &join.relation, kind);
        let conditions = match constraint {
            JoinConstraint::On(condition) => self.conjuncts(id, condition),
            JoinConstraint::Using(columns) => {
                columns.iter().map(|column| self.using(id, first, right, &last_part(column))).collect()
            }
            // The common columns of a natural join are known to the catalogue only.
            JoinConstraint::Natural | JoinConstraint::None => Vec::new(),
        };
        let block = &mut self.blocks[id];
        match block.relations.get_mut(right) {
            Some(relation) if kind != JoinKind::Inner => relation.on.extend(conditions),
            _ => block.filters.extend(conditions),
        }
    }

    /// `USING (x)`: the left side is the relation before, or when there are several, the one that `x` was merged from; if that is
    /// not known, the name stands alone and means the first relation that has such a column.
    fn using(&self, id: BlockId, first: usize, right: usize, column: &Name) -> Predicate {
        let block = &self.blocks[id];
        let merged = block.filters.iter().chain(block.relations.iter().flat_map(|relation| &relation.on));
        let merged = merged.filter_map(|predicate| match predicate {
            Predicate::Compare { left: Expr::Column(left), op: CompareOp::Eq, right: Expr::Column(right) } => {
                (left.name == *column && right.name == *column).then(|| left.qualifier.clone())
            }
            _ => None,
        });
        let labels = |at: usize| block.relations.get(at).and_then(|relation| relation.alias.clone());
        let alone = if right == first + 1 { labels(first) } else { None };
        let left = alone.or_else(|| merged.into_iter().next().flatten());
        let column = |qualifier| Expr::Column(ColumnRef { qualifier, name: column.clone() });
        Predicate::Compare { left: column(left), op: CompareOp::Eq, right: column(labels(right)) }
    }

    pub(super) fn factor(&mut self, id: BlockId, factor: &TableFactor, join: JoinKind) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let (alias, columns) = split_alias(alias.as_ref());
                self.push_table(id, table_name(name), alias, columns, join);
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                self.function(id, &last_part(name), &args.args, alias.as_ref(), join);
            }
            TableFactor::Function { name, args, alias, .. } => {
                self.function(id, &last_part(name), args, alias.as_ref(), join);
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let block = self.query(id, Role::From { lateral: *lateral }, subquery);
                let is_values = matches!(&*subquery.body, SetExpr::Values(_)) && subquery.with.is_none();
                let source = if is_values && block + 1 == self.blocks.len() {
                    // A list of rows is no query block. What it reads belongs to this block.
                    let values = self.blocks.pop().unwrap_or_default();
                    let outputs = values.outputs.into_iter().filter_map(|output| match output {
                        crate::ir::Output::Expr { expr, .. } => Some(expr),
                        crate::ir::Output::Star { .. } => None,
                    });
                    for read in outputs.chain(values.reads) {
                        self.note_read(id, read);
                    }
                    RelationSource::Other
                } else {
                    RelationSource::Block(block)
                };
                self.push(id, source, alias.as_ref(), join);
            }
            TableFactor::UNNEST { array_exprs, alias, .. } => {
                for expr in array_exprs {
                    self.read(id, expr);
                }
                self.push(id, RelationSource::Other, alias.as_ref(), join);
            }
            TableFactor::TableFunction { expr, alias } => {
                self.read(id, expr);
                self.push(id, RelationSource::Other, alias.as_ref(), join);
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.table_with_joins(id, table_with_joins, join),
            TableFactor::JsonTable { json_expr, alias, .. } => {
                self.read(id, json_expr);
                self.push(id, RelationSource::Other, alias.as_ref(), join);
            }
            TableFactor::XmlTable { row_expression, passing, alias, .. } => {
                self.read(id, row_expression);
                for argument in &passing.arguments {
                    self.read(id, &argument.expr);
                }
                self.push(id, RelationSource::Other, alias.as_ref(), join);
            }
            // Not of PostgreSQL.
            _ => self.push(id, RelationSource::Other, None, join),
        }
    }

    /// A name in `FROM`: a CTE in sight, or else a table.
    pub(super) fn push_table(
        &mut self,
        id: BlockId,
        table: TableName,
        alias: Option<Name>,
        mut column_aliases: Vec<Name>,
        join: JoinKind,
    ) {
        let cte = self.ctes.iter().rev().find(|cte| table.schema.is_none() && cte.name == table.name);
        let alias = Some(alias.unwrap_or_else(|| table.name.clone()));
        let source = match cte {
            Some(cte) => {
                column_aliases.extend(cte.columns.iter().skip(column_aliases.len()).cloned());
                RelationSource::Block(cte.block)
            }
            None => RelationSource::Table(table),
        };
        self.blocks[id].relations.push(Relation { source, alias, column_aliases, join, on: Vec::new() });
    }

    fn push(&mut self, id: BlockId, source: RelationSource, alias: Option<&TableAlias>, join: JoinKind) {
        let (alias, column_aliases) = split_alias(alias);
        self.blocks[id].relations.push(Relation { source, alias, column_aliases, join, on: Vec::new() });
    }

    /// A function in `FROM`. Its arguments may read what stands before it.
    fn function(
        &mut self,
        id: BlockId,
        function: &Name,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
        join: JoinKind,
    ) {
        for arg in args {
            let (FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } | FunctionArg::Unnamed(arg)) = arg;
            if let FunctionArgExpr::Expr(expr) = arg {
                self.read(id, expr);
            }
        }
        self.push(id, RelationSource::Other, alias, join);
        if let Some(relation) = self.blocks[id].relations.last_mut()
            && relation.alias.is_none()
        {
            relation.alias = Some(function.clone());
        }
    }
}

fn split_alias(alias: Option<&ast::TableAlias>) -> (Option<Name>, Vec<Name>) {
    alias.map_or((None, Vec::new()), |alias| {
        // `AS (a int, b text)` of a record function names columns only.
        let label = (!alias.name.value.is_empty()).then(|| name(&alias.name));
        (label, alias.columns.iter().map(|column| name(&column.name)).collect())
    })
}
