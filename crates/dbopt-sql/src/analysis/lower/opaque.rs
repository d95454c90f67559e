//! Expressions that the form has no place for: their columns and sub-selects are kept, and their text.

use std::ops::ControlFlow;

use sqlparser::ast::{self, AccessExpr, Ident, Query, Visit, VisitMut, Visitor, VisitorMut};

use super::{Lowering, expr::column, name};
use crate::{
    ir::{BlockId, ColumnRef, Expr, Role},
    quote::quote_ident,
};

impl Lowering {
    /// The expression as its columns and text. Its sub-selects become blocks, its aggregates and window calls are noted.
    pub(super) fn opaque(&mut self, id: BlockId, expr: &ast::Expr) -> Expr {
        let mut parts = Parts::default();
        let _ = expr.visit(&mut parts);
        for query in std::mem::take(&mut parts.queries) {
            self.query(id, Role::Scalar, &query);
        }
        for call in std::mem::take(&mut parts.calls) {
            self.note_call(id, &call);
        }
        other(parts.columns, expr)
    }

    /// Lowers the sub-selects of an expression, and drops the rest.
    pub(super) fn sub_selects(&mut self, id: BlockId, expr: &ast::Expr) {
        let mut parts = Parts::default();
        let _ = expr.visit(&mut parts);
        for query in parts.queries {
            self.query(id, Role::Scalar, &query);
        }
    }

    /// An argument of a call whose sub-selects and inner calls are noted already.
    pub(super) fn without_sub_selects(&mut self, id: BlockId, expr: &ast::Expr) -> Expr {
        let mut parts = Parts::default();
        let _ = expr.visit(&mut parts);
        if parts.queries.is_empty() && parts.calls.is_empty() {
            return self.expr(id, expr);
        }
        other(parts.columns, expr)
    }
}

fn other(columns: Vec<ColumnRef>, expr: &ast::Expr) -> Expr {
    let mut unqualified = expr.clone();
    let _ = VisitMut::visit(&mut unqualified, &mut Unqualify { sub_selects: 0 });
    Expr::Other { columns, text: unqualified.to_string() }
}

/// Collects the columns, outermost sub-selects and noteworthy calls of an expression.
#[derive(Default)]
struct Parts {
    columns: Vec<ColumnRef>,
    queries: Vec<Query>,
    calls: Vec<ast::Function>,
    /// Sub-selects that enclose the node at work.
    depth: usize,
    /// Identifiers behind a dot, which are fields.
    fields: Vec<Ident>,
}

impl Visitor for Parts {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth == 0 {
            self.queries.push(query.clone());
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        match expr {
            ast::Expr::CompoundFieldAccess { access_chain, .. } => {
                self.fields.extend(access_chain.iter().filter_map(|access| match access {
                    AccessExpr::Dot(ast::Expr::Identifier(field)) => Some(field.clone()),
                    _ => None,
                }));
            }
            ast::Expr::Identifier(ident) => {
                // A field has the same place in the text, too.
                let same = |field: &Ident| field == ident && field.span == ident.span;
                match self.fields.iter().position(same) {
                    Some(field) => drop(self.fields.swap_remove(field)),
                    None => self.columns.extend(column(expr)),
                }
            }
            ast::Expr::CompoundIdentifier(_) => self.columns.extend(column(expr)),
            ast::Expr::Function(call) => {
                let plain = call.over.is_none()
                    && call.filter.is_none()
                    && call.within_group.is_empty()
                    && matches!(&call.args, ast::FunctionArguments::List(list) if list.duplicate_treatment.is_none());
                if !plain || crate::keyword::is_aggregate(super::last_part(&call.name).as_str()) {
                    self.calls.push(call.clone());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Folds names and drops their qualifiers, as an index definition needs it. Inside sub-selects, qualifiers have a meaning.
struct Unqualify {
    sub_selects: usize,
}

impl VisitorMut for Unqualify {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.sub_selects += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.sub_selects -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if self.sub_selects == 0 {
            match expr {
                ast::Expr::Identifier(ident) => *ident = written(ident),
                ast::Expr::CompoundIdentifier(idents) => {
                    if let Some(last) = idents.last() {
                        *expr = ast::Expr::Identifier(written(last));
                    }
                }
                ast::Expr::Function(function) => {
                    for part in &mut function.name.0 {
                        if let ast::ObjectNamePart::Identifier(ident) = part
                            && ident.quote_style.is_none()
                        {
                            ident.value = ident.value.to_lowercase();
                        }
                    }
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// An identifier as PostgreSQL would print it.
fn written(ident: &Ident) -> Ident {
    let folded = name(ident);
    let plain = matches!(quote_ident(folded.as_str()), std::borrow::Cow::Borrowed(_));
    Ident { value: folded.as_str().to_owned(), quote_style: (!plain).then_some('"'), span: ident.span }
}
