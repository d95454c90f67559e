//! Select lists, and what refers to them: `ORDER BY`, `GROUP BY`, `DISTINCT ON` and windows.

use sqlparser::ast::{
    self, GroupByExpr, NamedWindowDefinition, NamedWindowExpr, OrderByExpr, OrderByKind, OrderBySort, SelectItem,
    SelectItemQualifiedWildcardKind, WindowSpec, WindowType,
};

use super::{Lowering, last_part, name};
use crate::{
    ir::{BlockId, Expr, Literal, OrderKey, Output, Role, Window},
    name::Name,
};

impl Lowering {
    pub(super) fn output(&mut self, id: BlockId, item: &SelectItem) {
        let output = match item {
            SelectItem::UnnamedExpr(expr) => Output::Expr { expr: self.expr(id, expr), alias: None },
            SelectItem::ExprWithAlias { expr, alias } => {
                Output::Expr { expr: self.expr(id, expr), alias: Some(name(alias)) }
            }
            SelectItem::ExprWithAliases { expr, .. } => Output::Expr { expr: self.expr(id, expr), alias: None },
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(object), _) => {
                Output::Star { qualifier: Some(last_part(object)) }
            }
            // `(row).*`
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                Output::Expr { expr: self.opaque(id, expr), alias: None }
            }
            SelectItem::Wildcard(_) => Output::Star { qualifier: None },
        };
        self.blocks[id].outputs.push(output);
    }

    pub(super) fn order_by(&mut self, id: BlockId, order_by: &ast::OrderBy) {
        if let OrderByKind::Expressions(keys) = &order_by.kind {
            let keys = keys.iter().map(|key| {
                let expr = self.output_or_expr(id, &key.expr);
                order_key(expr, key)
            });
            let keys = keys.collect();
            self.blocks[id].order_by = keys;
        }
    }

    /// A key of `ORDER BY` or `DISTINCT ON`: an output by its name or number, or else an expression.
    pub(super) fn output_or_expr(&mut self, id: BlockId, expr: &ast::Expr) -> Expr {
        if let Some(expr) = self.ordinal(id, expr) {
            return expr;
        }
        if let ast::Expr::Identifier(ident) = expr
            && let Some(expr) = self.output_named(id, &name(ident), false)
        {
            return expr;
        }
        self.expr(id, expr)
    }

    pub(super) fn group_by(&mut self, id: BlockId, group_by: &GroupByExpr) {
        let GroupByExpr::Expressions(exprs, modifiers) = group_by else { return };
        self.blocks[id].grouping_sets = !modifiers.is_empty();
        for expr in exprs {
            self.group_key(id, expr);
        }
    }

    fn group_key(&mut self, id: BlockId, expr: &ast::Expr) {
        match expr {
            ast::Expr::GroupingSets(sets) | ast::Expr::Cube(sets) | ast::Expr::Rollup(sets) => {
                self.blocks[id].grouping_sets = true;
                for expr in sets.iter().flatten() {
                    self.group_key(id, expr);
                }
            }
            ast::Expr::Tuple(exprs) => exprs.iter().for_each(|expr| self.group_key(id, expr)),
            _ => {
                // Unlike `ORDER BY`, a bare name is a column of the input first.
                let named = match expr {
                    ast::Expr::Identifier(ident) => self.output_named(id, &name(ident), true),
                    _ => None,
                };
                let key = match self.ordinal(id, expr).or(named) {
                    Some(key) => key,
                    None => self.expr(id, expr),
                };
                if !self.blocks[id].group_by.contains(&key) {
                    self.blocks[id].group_by.push(key);
                }
            }
        }
    }

    /// The output that a number means.
    fn ordinal(&self, id: BlockId, expr: &ast::Expr) -> Option<Expr> {
        let Some(Literal::Number(number)) = super::expr::literal(expr) else { return None };
        let position = number.parse::<usize>().ok()?.checked_sub(1)?;
        let outputs = self.outputs(id);
        let before = outputs.get(..position)?;
        match outputs.get(position)? {
            Output::Expr { expr, alias } if !before.iter().any(is_star) => {
                Some(self.output_of(id, expr.clone(), alias.clone()))
            }
            // Which column it is depends on what the star stands for.
            _ => Some(Expr::Other { columns: Vec::new(), text: "*".to_owned() }),
        }
    }

    /// The output of that name. With `input_first`, not if the select list itself reads a column of that name.
    fn output_named(&self, id: BlockId, wanted: &Name, input_first: bool) -> Option<Expr> {
        let outputs = self.outputs(id);
        if input_first
            && outputs.iter().any(|output| {
                matches!(output, Output::Expr { expr, .. } if expr.columns().any(|column| column.name == *wanted))
            })
        {
            return None;
        }
        outputs.iter().find_map(|output| match output {
            Output::Expr { expr, alias } if alias.as_ref().or(implied_name(expr)) == Some(wanted) => {
                Some(self.output_of(id, expr.clone(), alias.clone()))
            }
            _ => None,
        })
    }

    /// The select list that names and numbers refer to: of a set operation, that of its first branch.
    fn outputs(&self, id: BlockId) -> &[Output] {
        match self.first_branch(id) {
            Some(branch) => self.outputs(branch),
            None => &self.blocks[id].outputs,
        }
    }

    fn first_branch(&self, id: BlockId) -> Option<BlockId> {
        let branch = |block: &BlockId| {
            let block = &self.blocks[*block];
            block.parent == Some(id) && matches!(block.role, Role::SetBranch { .. })
        };
        (id + 1..self.blocks.len()).find(branch)
    }

    /// An output as a key. Of a set operation it is a column of the result, which has no expression.
    fn output_of(&self, id: BlockId, expr: Expr, alias: Option<Name>) -> Expr {
        if self.first_branch(id).is_none() {
            return expr;
        }
        match alias.or_else(|| implied_name(&expr).cloned()) {
            Some(name) => Expr::Column(crate::ir::ColumnRef { qualifier: None, name }),
            None => Expr::Other { columns: Vec::new(), text: "*".to_owned() },
        }
    }

    /// The keys of `OVER …`.
    pub(super) fn window(&mut self, id: BlockId, over: &WindowType) -> Window {
        match over {
            WindowType::NamedWindow(ident) => self.window_named(&name(ident)),
            WindowType::WindowSpec(spec) => self.window_spec(id, spec),
        }
    }

    pub(super) fn name_window(&mut self, id: BlockId, definition: &NamedWindowDefinition) {
        let window = match &definition.1 {
            NamedWindowExpr::NamedWindow(ident) => self.window_named(&name(ident)),
            NamedWindowExpr::WindowSpec(spec) => self.window_spec(id, spec),
        };
        self.windows.push((name(&definition.0), window));
    }

    fn window_named(&self, wanted: &Name) -> Window {
        let found = self.windows.iter().find(|(name, _)| name == wanted);
        found.map(|(_, window)| window.clone()).unwrap_or_default()
    }

    fn window_spec(&mut self, id: BlockId, spec: &WindowSpec) -> Window {
        let mut window = spec.window_name.as_ref().map(|ident| self.window_named(&name(ident))).unwrap_or_default();
        let keys = spec.partition_by.iter().map(|expr| self.without_sub_selects(id, expr)).collect::<Vec<_>>();
        window.partition_by.extend(keys);
        for key in &spec.order_by {
            let expr = self.without_sub_selects(id, &key.expr);
            window.order_by.push(order_key(expr, key));
        }
        window
    }
}

fn order_key(expr: Expr, key: &OrderByExpr) -> OrderKey {
    let descending = match &key.options.sort {
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(operator)) => last_part(operator).as_str().starts_with('>'),
        Some(OrderBySort::Asc) | None => false,
    };
    OrderKey { expr, descending, nulls_first: key.options.nulls_first.unwrap_or(descending) }
}

fn is_star(output: &Output) -> bool {
    matches!(output, Output::Star { .. })
}

/// The name that PostgreSQL gives to an output without an alias (`FigureColname`).
fn implied_name(expr: &Expr) -> Option<&Name> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Function { name, .. } => Some(name),
        Expr::Cast { expr, .. } => implied_name(expr),
        _ => None,
    }
}
