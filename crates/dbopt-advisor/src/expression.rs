//! Expressions as index keys: what may be one, how it is written, and when two are the same.
//!
//! An index expression must be immutable (<https://www.postgresql.org/docs/current/xfunc-volatility.html>). The
//! catalogue does not list functions, so only well-known ones pass; `date_trunc` over `timestamptz` and the like
//! depend on the session's time zone and do not.

use dbopt_catalog::{Catalog, Column};
use dbopt_sql::{
    ir::{BlockId, Expr, Literal},
    quote_ident, quote_literal,
};

use crate::scope::{Resolved, Scope};

/// The text of an expression as the key of an index, with the one relation that it is over. `None` when it reads no
/// column, columns of several relations, or may not be immutable.
#[must_use]
pub fn index_expression(scope: &Scope<'_>, block: BlockId, expr: &Expr) -> Option<(Resolved, String)> {
    let mut site = None;
    let written = write(scope, block, expr, &mut site, 0)?;
    Some((site?, written.text))
}

/// An expression's text and what is known of its type.
struct Written {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    /// A date, or a timestamp without time zone.
    Local,
    Json,
    Other,
}

/// Deeper expressions are not worth an index, and the walk stays bounded.
const DEEPEST: usize = 16;

fn write(scope: &Scope<'_>, block: BlockId, expr: &Expr, site: &mut Option<Resolved>, depth: usize) -> Option<Written> {
    if depth > DEEPEST {
        return None;
    }
    match expr {
        Expr::Column(column) => {
            let found = scope.resolve(block, column)?;
            let same = |known: &Resolved| (known.block, known.relation) == (found.block, found.relation);
            if !site.as_ref().is_none_or(same) {
                return None;
            }
            *site = Some(found);
            let column = column_of(scope.catalog(), &found);
            Some(Written {
                text: quote_ident(&column.name).into_owned(),
                kind: kind(&column.kind.name, column.kind.category),
            })
        }
        Expr::Literal(literal) => match literal {
            Literal::Number(text) => Some(Written { text: text.clone(), kind: Kind::Number }),
            Literal::String(text) => Some(Written { text: quote_literal(text), kind: Kind::Text }),
            Literal::Null | Literal::Bool(_) | Literal::Unknown => None,
        },
        Expr::Function { name, args, .. } => {
            let args: Vec<Written> =
                args.iter().map(|arg| write(scope, block, arg, site, depth + 1)).collect::<Option<_>>()?;
            let kind = function(name.as_str(), &args)?;
            let args: Vec<String> = args.into_iter().map(|arg| arg.text).collect();
            Some(Written { text: format!("{}({})", name.as_str(), args.join(", ")), kind })
        }
        Expr::Cast { expr, to } => {
            let inner = write(scope, block, expr, site, depth + 1)?;
            let to_kind = cast(inner.kind, to)?;
            Some(Written { text: format!("({})::{to}", inner.text), kind: to_kind })
        }
        Expr::Binary { left, op, right, .. } => {
            let left = write(scope, block, left, site, depth + 1)?;
            let right = write(scope, block, right, site, depth + 1)?;
            let kind = operator(op, &left, &right)?;
            let wrap = |written: &Written| {
                if written.text.contains(' ') && !written.text.starts_with(['(', '\'']) {
                    format!("({})", written.text)
                } else {
                    written.text.clone()
                }
            };
            Some(Written { text: format!("{} {op} {}", wrap(&left), wrap(&right)), kind })
        }
        Expr::Param(_) | Expr::Subquery(_) | Expr::Other { .. } => None,
    }
}

/// The result of a function that is known to be immutable for these arguments.
fn function(name: &str, args: &[Written]) -> Option<Kind> {
    let first = args.first()?;
    match name {
        "lower" | "upper" | "initcap" | "btrim" | "trim" | "ltrim" | "rtrim" | "md5" | "reverse" | "replace"
        | "substring" | "substr" | "left" | "right" | "translate" | "regexp_replace" | "split_part" | "lpad"
        | "rpad"
            if first.kind == Kind::Text =>
        {
            Some(Kind::Text)
        }
        "length" | "char_length" | "character_length" | "octet_length" | "strpos" | "position"
            if first.kind == Kind::Text =>
        {
            Some(Kind::Number)
        }
        "abs" | "ceil" | "ceiling" | "floor" | "round" | "sign" | "trunc" | "mod" if first.kind == Kind::Number => {
            Some(Kind::Number)
        }
        "date_trunc" if args.len() == 2 && args[1].kind == Kind::Local => Some(Kind::Local),
        "date_part" | "extract" if args.len() == 2 && args[1].kind == Kind::Local => Some(Kind::Number),
        "date" if first.kind == Kind::Local => Some(Kind::Local),
        "coalesce" | "greatest" | "least" => Some(first.kind),
        "jsonb_extract_path_text" | "json_extract_path_text" if first.kind == Kind::Json => Some(Kind::Text),
        // With the configuration given; without it the session's setting decides.
        "to_tsvector" if args.len() == 2 && first.text.starts_with('\'') => Some(Kind::Other),
        _ => None,
    }
}

/// The result of a cast that does not depend on settings.
fn cast(from: Kind, to: &str) -> Option<Kind> {
    let base = to.split('(').next().unwrap_or(to).trim();
    match (from, base) {
        (Kind::Text | Kind::Number, "text" | "varchar" | "character varying") => Some(Kind::Text),
        (
            Kind::Text | Kind::Number,
            "int" | "integer" | "int4" | "bigint" | "int8" | "smallint" | "int2" | "numeric" | "decimal",
        ) => Some(Kind::Number),
        (Kind::Text, "uuid") => Some(Kind::Other),
        (Kind::Local, "date" | "timestamp" | "timestamp without time zone") => Some(Kind::Local),
        _ => None,
    }
}

/// The result of an operator that is immutable for these operands.
fn operator(op: &str, left: &Written, right: &Written) -> Option<Kind> {
    match op {
        "->" | "#>" if left.kind == Kind::Json => Some(Kind::Json),
        "->>" | "#>>" if left.kind == Kind::Json => Some(Kind::Text),
        "||" if left.kind == Kind::Text && right.kind == Kind::Text => Some(Kind::Text),
        "+" | "-" | "*" | "/" | "%" if left.kind == Kind::Number && right.kind == Kind::Number => Some(Kind::Number),
        _ => None,
    }
}

fn kind(name: &str, category: char) -> Kind {
    match name {
        "json" | "jsonb" => Kind::Json,
        "date" | "timestamp without time zone" => Kind::Local,
        _ if category == 'N' => Kind::Number,
        _ if category == 'S' => Kind::Text,
        _ => Kind::Other,
    }
}

fn column_of<'a>(catalog: &'a Catalog, found: &Resolved) -> &'a Column {
    &catalog.table(found.table).columns[found.column.0]
}
