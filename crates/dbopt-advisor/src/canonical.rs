//! Expressions as text, brought to one form so that a query's `lower(u.email)` meets an index's `lower((email)::text)`.

use std::{borrow::Cow, iter::Peekable};

use dbopt_sql::{
    Lexer, TokenKind,
    ir::{CompareOp, Expr, Literal, Predicate},
    lex, quote_ident,
};

/// The tokens of an expression, joined by spaces: without qualifiers and grouping parentheses, words in lower case, and
/// without the casts that PostgreSQL adds when it prints: those of constants and those to string types.
pub(crate) fn text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out: Vec<Cow<'_, str>> = Vec::new();
    let mut tokens = lex(bytes).peekable();
    let mut after_constant = false;
    while let Some(token) = tokens.next() {
        let written = text.get(token.start..token.end).unwrap_or_default();
        match token.kind {
            TokenKind::Operator if written == "::" => {
                let to = type_name(text, &mut tokens);
                if !(after_constant || is_string(&to)) {
                    out.push(Cow::Borrowed("::"));
                    out.push(Cow::Owned(to));
                }
                continue;
            }
            TokenKind::Punctuation if matches!(written, "(" | ")") => {}
            // A qualifier was before it.
            TokenKind::Punctuation if written == "." => drop(out.pop()),
            TokenKind::Word => out.push(Cow::Owned(written.to_lowercase())),
            TokenKind::QuotedIdent => out.push(Cow::Borrowed(unquoted(written))),
            _ => out.push(Cow::Borrowed(written)),
        }
        after_constant = matches!(token.kind, TokenKind::String | TokenKind::Number);
    }
    out.join(" ")
}

/// A quoted name without its quotes when it does not need them.
fn unquoted(name: &str) -> &str {
    let inner = name.trim_matches('"');
    if quote_ident(inner) == inner { inner } else { name }
}

/// The type behind `::`, by one name for all of its aliases and without its modifier.
fn type_name(text: &str, tokens: &mut Peekable<Lexer<'_>>) -> String {
    let mut words: Vec<String> = Vec::new();
    while let Some(next) = tokens.peek().copied() {
        let written = text.get(next.start..next.end).unwrap_or_default();
        match (next.kind, written) {
            (TokenKind::Word, _) if words.is_empty() || is_continued(&words, written) => {
                words.push(written.to_lowercase())
            }
            (TokenKind::QuotedIdent, _) if words.is_empty() => words.push(unquoted(written).to_owned()),
            // The schema of a type.
            (TokenKind::Punctuation, ".") => words.clear(),
            (TokenKind::Punctuation, "(") if !words.is_empty() => {
                skip_modifier(text, tokens);
                continue;
            }
            (TokenKind::Punctuation, "[") => words.push("[".to_owned()),
            (TokenKind::Punctuation, "]") => words.push("]".to_owned()),
            _ => break,
        }
        tokens.next();
    }
    let name = words.join(" ");
    match name.as_str() {
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "int2" => "smallint",
        "decimal" => "numeric",
        "bool" => "boolean",
        "float8" => "double precision",
        "float4" => "real",
        "timestamptz" => "timestamp with time zone",
        "timestamp" => "timestamp without time zone",
        "varchar" => "character varying",
        _ => &name,
    }
    .to_owned()
}

/// Whether a word goes on with a type's name: `double precision`, `timestamp with time zone`.
fn is_continued(words: &[String], next: &str) -> bool {
    words.first().is_some_and(|first| match first.as_str() {
        "double" => next.eq_ignore_ascii_case("precision"),
        "character" => next.eq_ignore_ascii_case("varying"),
        "timestamp" | "time" => ["with", "without", "time", "zone"].iter().any(|word| next.eq_ignore_ascii_case(word)),
        _ => false,
    })
}

/// Passes over `(20)` or `(10, 2)`.
fn skip_modifier(text: &str, tokens: &mut Peekable<Lexer<'_>>) {
    for token in tokens.by_ref() {
        if text.get(token.start..token.end) == Some(")") {
            break;
        }
    }
}

/// Whether values of a type are compared as text, so that a cast between two such types changes nothing.
fn is_string(name: &str) -> bool {
    matches!(name, "text" | "character varying" | "bpchar" | "character" | "name")
}

/// An expression of a statement in canonical form.
pub(crate) fn expression(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column.name.as_str().to_owned(),
        Expr::Literal(Literal::Null) => "null".to_owned(),
        Expr::Literal(Literal::Bool(value)) => value.to_string(),
        Expr::Literal(Literal::Number(text)) => text.clone(),
        Expr::Literal(Literal::String(text)) => format!("'{text}'"),
        Expr::Literal(Literal::Unknown) => "?".to_owned(),
        Expr::Param(number) => format!("${number}"),
        Expr::Cast { expr, to } => text(&format!("({})::{to}", expression(expr))),
        Expr::Function { text: written, .. }
        | Expr::Binary { text: written, .. }
        | Expr::Other { text: written, .. } => text(written),
        Expr::Subquery(block) => format!("subquery {block}"),
    }
}

/// A condition of a statement in the form in which PostgreSQL prints index predicates, made canonical.
pub(crate) fn predicate(predicate: &Predicate) -> Option<String> {
    Some(match predicate {
        Predicate::Compare { left, op, right } => {
            format!("{} {} {}", expression(left), operator(op), expression(right))
        }
        Predicate::InList { expr, list, array: false, negated } => {
            let list: Vec<String> = list.iter().map(expression).collect();
            let (op, list) = (if *negated { "<> all" } else { "= any" }, list.join(" , "));
            format!("{} {op} array [ {list} ]", expression(expr))
        }
        Predicate::IsNull { expr, negated } => {
            format!("{} is {}null", expression(expr), if *negated { "not " } else { "" })
        }
        Predicate::Bool { expr, negated } => format!("{}{}", if *negated { "not " } else { "" }, expression(expr)),
        Predicate::Other(expr) => expression(expr),
        Predicate::Or(branches) => {
            let branch = |branch: &Vec<Predicate>| -> Option<String> {
                Some(branch.iter().map(self::predicate).collect::<Option<Vec<_>>>()?.join(" and "))
            };
            branches.iter().map(branch).collect::<Option<Vec<_>>>()?.join(" or ")
        }
        Predicate::InList { array: true, .. }
        | Predicate::InSubquery { .. }
        | Predicate::Exists { .. }
        | Predicate::RowCompare { .. } => return None,
    })
}

fn operator(op: &CompareOp) -> &str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "<>",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
        CompareOp::Like { insensitive: false, negated: false } => "~~",
        CompareOp::Like { insensitive: false, negated: true } => "!~~",
        CompareOp::Like { insensitive: true, negated: false } => "~~*",
        CompareOp::Like { insensitive: true, negated: true } => "!~~*",
        CompareOp::Other(symbol) => symbol,
    }
}

/// The conjuncts of an index's predicate in canonical form.
pub(crate) fn conjuncts(written: &str) -> Vec<String> {
    let canonical = text(written);
    // A disjunction or a range is one condition.
    if canonical.contains(" or ") || canonical.contains(" between ") || canonical.contains("case ") {
        return vec![canonical];
    }
    canonical.split(" and ").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_form_and_the_users_form_meet() {
        let check = |a: &str, b: &str| assert_eq!(text(a), text(b));
        check("lower((email)::text)", "LOWER(u.email)");
        check("((status)::text = 'Pending'::text)", "status = 'Pending'");
        check("(payload ->> 'k'::text)", "o.payload->>'k'");
        check("date_trunc('day'::text, created_at)", "date_trunc('day', created_at)");
        check("((state)::character varying(20) = 'x'::bpchar)", "state='x'");
        check("(x.\"user\" = 5)", "\"user\" = 5");
        check("((payload ->> 'ms'::text))::integer", "(payload->>'ms')::int");
        check("at > '2024-01-01'::date", "at > '2024-01-01'");
        check("((at)::timestamp without time zone)::date", "at::timestamp::date");
        assert_ne!(text("status = 'A'"), text("status = 'a'"));
        assert_ne!(text("(payload ->> 'ms')::int"), text("payload ->> 'ms'"));
    }

    #[test]
    fn predicates_are_split_at_and() {
        assert_eq!(conjuncts("((deleted_at IS NULL) AND (NOT archived))"), ["deleted_at is null", "not archived"]);
        assert_eq!(conjuncts("((a = 1) OR (b = 2))").len(), 1);
    }
}
