//! Rewrites of what PostgreSQL accepts and sqlparser rejects, where the form of [`crate::ir`] loses nothing by it.
//!
//! Each rewrite is of tokens, so strings and comments are left alone:
//!
//! - `TABLE t` is `SELECT * FROM t`;
//! - `OVERRIDING SYSTEM VALUE`, frame exclusions, `VARIADIC` and what `ON CONFLICT` adds to its columns change nothing that
//!   an index serves;
//! - `WHERE CURRENT OF c` is a search by row identifier;
//! - `ONLY` leaves out partitions and heirs, which is no matter of columns; `ISNULL` and `NOTNULL` are old spellings;
//! - `FOR NO KEY UPDATE` and `FOR KEY SHARE` lock rows as `FOR UPDATE` does;
//! - `date $1`, which is what normalisation makes of `date '2024-01-01'`, is a cast, as is `inet '10.0.0.1'`.

use super::{is_mark, is_word};
use crate::lexer::{Token, TokenKind};

/// The statement rewritten, or nothing when there is nothing to rewrite.
pub(super) fn for_parser(sql: &str, tokens: &[Token]) -> Option<String> {
    let mut rewritten = String::with_capacity(sql.len() + 16);
    let mut at = 0;
    let mut copied = tokens.first()?.start;
    while at < tokens.len() {
        let Some((length, text)) = rule(sql, tokens, at) else {
            at += 1;
            continue;
        };
        rewritten.push_str(&sql[copied..tokens[at].start]);
        rewritten.push_str(&text);
        at += length;
        copied = tokens[at - 1].end;
    }
    let end = tokens[tokens.len() - 1].end;
    rewritten.push_str(&sql[copied..end]);
    (rewritten != sql[tokens[0].start..end]).then_some(rewritten)
}

/// How many tokens from here on are replaced, and by what.
fn rule(sql: &str, tokens: &[Token], at: usize) -> Option<(usize, String)> {
    let words = |expected: &[&str]| {
        tokens.len() >= at + expected.len()
            && expected.iter().zip(&tokens[at..]).all(|(word, token)| is_word(sql, token, word))
    };
    let opens = at == 0 || is_mark(sql, &tokens[at - 1], "(") || ends_branch(sql, &tokens[at - 1]);
    if words(&["table"]) && opens {
        return Some((1, "SELECT * FROM".to_owned()));
    }
    for (expected, text) in FIXED {
        if words(expected) {
            return Some((expected.len(), (*text).to_owned()));
        }
    }
    if words(&["where", "current", "of"]) {
        return Some((tokens.len().min(at + 4) - at, "WHERE ctid = $1".to_owned()));
    }
    if words(&["on", "conflict"]) && tokens.get(at + 2).is_some_and(|token| is_mark(sql, token, "(")) {
        return conflict_target(sql, tokens, at);
    }
    typed_constant(sql, tokens, at)
}

fn ends_branch(sql: &str, token: &Token) -> bool {
    ["union", "intersect", "except", "all", "as"].iter().any(|word| is_word(sql, token, word))
}

const FIXED: &[(&[&str], &str)] = &[
    (&["overriding", "system", "value"], ""),
    (&["overriding", "user", "value"], ""),
    (&["exclude", "current", "row"], ""),
    (&["exclude", "group"], ""),
    (&["exclude", "ties"], ""),
    (&["exclude", "no", "others"], ""),
    (&["variadic"], ""),
    (&["update", "only"], "UPDATE"),
    (&["from", "only"], "FROM"),
    (&["join", "only"], "JOIN"),
    (&["isnull"], "IS NULL"),
    (&["notnull"], "IS NOT NULL"),
    (&["for", "no", "key", "update"], "FOR UPDATE"),
    (&["for", "key", "share"], "FOR SHARE"),
];

/// `ON CONFLICT (a, lower(b)) WHERE p` to `ON CONFLICT (a)`: only plain columns are kept.
fn conflict_target(sql: &str, tokens: &[Token], at: usize) -> Option<(usize, String)> {
    let open = at + 2;
    let inner = super::command::closing(sql, &tokens[open..])?;
    let mut columns = Vec::new();
    let mut depth = 0_usize;
    for (before, token) in tokens[open..open + inner].iter().zip(&tokens[open + 1..]) {
        if is_mark(sql, before, "(") {
            depth += 1;
        } else if is_mark(sql, before, ")") {
            depth = depth.saturating_sub(1);
        }
        let begins = depth == 1 && (is_mark(sql, before, "(") || is_mark(sql, before, ","));
        if begins && matches!(token.kind, TokenKind::Word | TokenKind::QuotedIdent) {
            columns.push((token, true));
        } else if is_mark(sql, token, "(")
            && let Some(last) = columns.last_mut()
            && last.0 == before
        {
            // A call, not a column.
            last.1 = false;
        }
    }
    let action = tokens[open + inner..].iter().position(|token| is_word(sql, token, "do"))?;
    let columns: Vec<&str> =
        columns.iter().filter(|column| column.1).map(|column| &sql[column.0.start..column.0.end]).collect();
    let target = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    Some((2 + inner + action, format!("ON CONFLICT{target}")))
}

/// `date $1` to `cast($1 as date)`.
fn typed_constant(sql: &str, tokens: &[Token], at: usize) -> Option<(usize, String)> {
    let name = TYPES.iter().find(|name| is_word(sql, &tokens[at], name))?;
    let zone = |from: usize| {
        let rest = tokens.get(from..from + 3)?;
        let zoned = is_word(sql, &rest[0], "with") || is_word(sql, &rest[0], "without");
        (zoned && is_word(sql, &rest[1], "time") && is_word(sql, &rest[2], "zone")).then_some(3)
    };
    let words = 1 + if name.starts_with("time") { zone(at + 1).unwrap_or(0) } else { 0 };
    let constant = tokens.get(at + words)?;
    // Of an interval's string, the fields behind it change the value.
    if constant.kind != TokenKind::Param && (constant.kind != TokenKind::String || *name == "interval") {
        return None;
    }
    let typed = &sql[tokens[at].start..tokens[at + words - 1].end];
    let mut length = words + 1;
    if *name == "interval" {
        // `interval $1 day`: what the value is, is not known anyway.
        let field = |token: &&Token| {
            ["year", "month", "day", "hour", "minute", "second"].iter().any(|f| is_word(sql, token, f))
        };
        length += usize::from(tokens.get(at + length).as_ref().is_some_and(field));
    }
    Some((length, format!("CAST({} AS {typed})", &sql[constant.start..constant.end])))
}

/// Types that are met in front of a string.
const TYPES: &[&str] = &[
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "json",
    "jsonb",
    "uuid",
    "inet",
    "cidr",
    "numeric",
    "boolean",
    "bool",
    "text",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::lex;

    fn check(sql: &str, expected: &str) {
        let tokens: Vec<Token> = lex(sql.as_bytes()).collect();
        let rewritten = for_parser(sql, &tokens);
        assert_eq!(rewritten.as_deref().unwrap_or(sql), expected);
    }

    #[test]
    fn what_the_parser_rejects_is_rewritten() {
        check("TABLE t ORDER BY a", "SELECT * FROM t ORDER BY a");
        check("insert into t overriding system value values (1)", "insert into t  values (1)");
        check("delete from t where current of c", "delete from t WHERE ctid = $1");
        check("select a from t for no key update", "select a from t FOR UPDATE");
        check(
            "select date $1, timestamp with time zone $2, interval $3 day",
            "select CAST($1 AS date), CAST($2 AS timestamp with time zone), CAST($3 AS interval)",
        );
        check(
            "insert into t values (1) on conflict (a, lower(b), \"C\" text_ops, (d + 1)) where x do nothing",
            "insert into t values (1) ON CONFLICT (a, \"C\") do nothing",
        );
        check(
            "insert into t values (1) on conflict (lower(b)) do nothing",
            "insert into t values (1) ON CONFLICT do nothing",
        );
    }

    #[test]
    fn the_rest_is_left_alone() {
        let sql = "select 'for no key update', date, a.table from t";
        check(sql, sql);
    }
}
