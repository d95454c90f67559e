//! What can be asked of an expression: its columns, whether it is a constant, and its text for an index definition.
//!
//! The text is made from the form, not copied from the statement, so that two statements that write one expression
//! differently (`LOWER(u.email)`, `lower(email)`) yield one index. Qualifiers are left out: an index definition knows only
//! its own table.

use std::borrow::Cow;

use crate::{
    ir::{BlockId, ColumnRef, Expr, Literal, RelationSource, Statement},
    keyword::{is_aggregate, is_volatile},
    lexer::{TokenKind, lex},
    name::TableName,
    quote::{quote_ident, quote_literal},
};

impl Expr {
    /// The columns that the expression reads itself, in order; those of its sub-selects are left out.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnRef> {
        let mut columns = Vec::new();
        self.walk(&mut |expr| match expr {
            Expr::Column(column) => columns.push(column),
            Expr::Other { columns: read, .. } => columns.extend(read),
            _ => {}
        });
        columns.into_iter()
    }

    /// The sub-selects that the expression refers to.
    pub fn blocks(&self) -> impl Iterator<Item = BlockId> {
        let mut blocks = Vec::new();
        self.walk(&mut |expr| {
            if let Expr::Subquery(block) = expr {
                blocks.push(*block);
            }
        });
        blocks.into_iter()
    }

    /// Whether the expression has one value throughout a statement: it reads no column and no sub-select, aggregates nothing
    /// and calls no function known to be volatile. An index can be searched for such a value.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        let mut constant = true;
        self.walk(&mut |expr| match expr {
            Expr::Column(_) | Expr::Subquery(_) => constant = false,
            Expr::Other { columns, text } => constant &= columns.is_empty() && !reads_rows(text),
            Expr::Function { name, .. } => constant &= !is_volatile(name.as_str()),
            _ => {}
        });
        constant
    }

    /// Whether a parameter or a literal whose value is unknown stands in the expression; its text cannot define an index then.
    #[must_use]
    pub fn has_params(&self) -> bool {
        let mut found = false;
        self.walk(&mut |expr| match expr {
            Expr::Param(_) | Expr::Literal(Literal::Unknown) => found = true,
            Expr::Other { text, .. } => {
                found |= lex(text.as_bytes()).any(|token| token.kind == TokenKind::Param);
            }
            _ => {}
        });
        found
    }

    /// The expression as SQL, without qualifiers. Anything but a function call needs parentheses to be part of an index
    /// definition.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Expr::Column(column) => quote_ident(column.name.as_str()),
            Expr::Literal(literal) => literal.text(),
            Expr::Param(number) => Cow::Owned(format!("${number}")),
            Expr::Function { text, .. } | Expr::Binary { text, .. } | Expr::Other { text, .. } => Cow::Borrowed(text),
            Expr::Cast { expr, to } => Cow::Owned(format!("{}::{to}", expr.operand())),
            Expr::Subquery(_) => Cow::Borrowed("(select …)"),
        }
    }

    /// The text as an operand: in parentheses unless it binds closer than any operator.
    fn operand(&self) -> Cow<'_, str> {
        let text = self.text();
        match self {
            Expr::Binary { .. } | Expr::Other { .. } => Cow::Owned(format!("({text})")),
            Expr::Literal(Literal::Number(number)) if number.starts_with('-') => Cow::Owned(format!("({text})")),
            _ => text,
        }
    }

    /// A call, with its text. A schema stays where one is written.
    pub(crate) fn call(schema: Option<&str>, name: &str, args: Vec<Expr>) -> Self {
        let schema = schema.map(|schema| format!("{}.", quote_ident(schema))).unwrap_or_default();
        let list: Vec<_> = args.iter().map(Expr::text).collect();
        // Special syntax such as COALESCE is written like a function, and must not be quoted.
        let called = if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            Cow::Borrowed(name)
        } else {
            quote_ident(name)
        };
        let text = format!("{schema}{called}({})", list.join(", "));
        Expr::Function { name: name.into(), args, text }
    }

    /// A binary operator, with its text.
    pub(crate) fn binary(left: Expr, op: &str, right: Expr) -> Self {
        let text = format!("{} {op} {}", left.operand(), right.operand());
        Expr::Binary { left: Box::new(left), op: op.to_owned(), right: Box::new(right), text }
    }

    fn walk<'a>(&'a self, found: &mut dyn FnMut(&'a Expr)) {
        found(self);
        match self {
            Expr::Function { args, .. } => args.iter().for_each(|arg| arg.walk(found)),
            Expr::Cast { expr, .. } => expr.walk(found),
            Expr::Binary { left, right, .. } => {
                left.walk(found);
                right.walk(found);
            }
            Expr::Column(_) | Expr::Literal(_) | Expr::Param(_) | Expr::Subquery(_) | Expr::Other { .. } => {}
        }
    }
}

impl Literal {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Literal::Null => Cow::Borrowed("NULL"),
            Literal::Bool(true) => Cow::Borrowed("true"),
            Literal::Bool(false) => Cow::Borrowed("false"),
            Literal::Number(number) => Cow::Borrowed(number),
            Literal::String(value) => Cow::Owned(quote_literal(value)),
            Literal::Unknown => Cow::Borrowed("?"),
        }
    }
}

impl Statement {
    /// The tables that the statement reads or writes, each once, in order of appearance; CTEs are not tables.
    #[must_use]
    pub fn tables(&self) -> Vec<&TableName> {
        let mut tables: Vec<&TableName> = Vec::new();
        let read =
            self.blocks.iter().flat_map(|block| &block.relations).filter_map(|relation| match &relation.source {
                RelationSource::Table(table) => Some(table),
                RelationSource::Block(_) | RelationSource::Other => None,
            });
        for table in self.target.iter().map(|target| &target.table).chain(read) {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        tables
    }
}

/// Whether an expression without columns nevertheless depends on rows: a sub-select, an aggregate, a window function, a volatile
/// call, or the `*` that stands for an unknown output column.
fn reads_rows(text: &str) -> bool {
    text == "*"
        || lex(text.as_bytes()).filter(|token| token.kind == TokenKind::Word).any(|token| {
            let word = text[token.start..token.end].to_ascii_lowercase();
            matches!(word.as_str(), "select" | "over" | "values") || is_aggregate(&word) || is_volatile(&word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Expr {
        Expr::Column(ColumnRef { qualifier: Some("t".into()), name: name.into() })
    }

    #[test]
    fn text_is_what_an_index_definition_takes() {
        let lower = Expr::call(None, "lower", vec![column("Name")]);
        assert_eq!(lower.text(), "lower(\"Name\")");
        let key = |name: &str| Expr::Literal(Literal::String(name.to_owned()));
        let json = Expr::binary(Expr::binary(column("data"), "->", key("a")), "->>", key("it's"));
        assert_eq!(json.text(), "(data -> 'a') ->> 'it''s'");
        let cast = Expr::Cast { expr: Box::new(json), to: "int".to_owned() };
        assert_eq!(cast.text(), "((data -> 'a') ->> 'it''s')::int");
        assert_eq!(Expr::call(Some("S"), "coalesce", vec![]).text(), "\"S\".coalesce()");
    }

    #[test]
    fn constants_read_nothing() {
        let now = Expr::call(None, "now", vec![]);
        let week =
            Expr::Cast { expr: Box::new(Expr::Literal(Literal::String("7 days".into()))), to: "interval".into() };
        assert!(Expr::binary(now.clone(), "-", week).is_constant());
        assert!(!Expr::binary(now, "-", column("age")).is_constant());
        assert!(!Expr::call(None, "random", vec![]).is_constant());
        assert!(!Expr::Subquery(1).is_constant());
        assert!(!Expr::Other { columns: vec![], text: "count(*)".to_owned() }.is_constant());
        assert!(Expr::Other { columns: vec![], text: "ARRAY[1, 2]".to_owned() }.is_constant());
    }
}
