//! The query within a command.

use super::{is_mark, is_word};
use crate::lexer::Token;

/// Commands within commands that are looked into: `EXPLAIN EXECUTE`-like chains are never longer.
const DEEPEST: usize = 4;

/// The tokens of the first statement in the text that has tables to speak of, without the command around it; `None` for
/// utility commands.
pub(super) fn query<'a>(sql: &str, tokens: &'a [Token]) -> Option<&'a [Token]> {
    tokens.split(|token| is_mark(sql, token, ";")).find_map(|statement| unwrap(sql, statement, DEEPEST))
}

fn unwrap<'a>(sql: &str, tokens: &'a [Token], deepest: usize) -> Option<&'a [Token]> {
    let first = tokens.first()?;
    let is = |word: &str| is_word(sql, first, word);
    if is_mark(sql, first, "(")
        || ["select", "with", "insert", "update", "delete", "merge", "values", "table"].iter().any(|word| is(word))
    {
        return Some(tokens);
    }
    let deepest = deepest.checked_sub(1)?;
    let rest = if is("explain") {
        let mut rest = &tokens[1..];
        if rest.first().is_some_and(|token| is_mark(sql, token, "(")) {
            rest = &rest[closing(sql, rest)? + 1..];
        }
        while let Some((option, after)) = rest.split_first()
            && ["analyze", "analyse", "verbose"].iter().any(|word| is_word(sql, option, word))
        {
            rest = after;
        }
        rest
    } else if is("prepare") {
        after(sql, tokens, "as")?
    } else if is("declare") {
        after(sql, tokens, "for")?
    } else if is("copy") {
        let inner = &tokens[1..];
        inner.first().filter(|token| is_mark(sql, token, "("))?;
        &inner[1..closing(sql, inner)?]
    } else if is("create") {
        created_from(sql, tokens)?
    } else {
        return None;
    };
    unwrap(sql, rest, deepest)
}

/// The query of `CREATE TABLE … AS` and `CREATE MATERIALIZED VIEW … AS`, which is executed by the command.
fn created_from<'a>(sql: &str, tokens: &'a [Token]) -> Option<&'a [Token]> {
    let kind = tokens.iter().skip(1).find(|token| {
        !["temp", "temporary", "local", "global", "unlogged"].iter().any(|word| is_word(sql, token, word))
    })?;
    if !is_word(sql, kind, "table") && !is_word(sql, kind, "materialized") {
        return None;
    }
    let query = after(sql, tokens, "as")?;
    // `WITH [NO] DATA` is not part of the query.
    let data = query.last().filter(|token| is_word(sql, token, "data"));
    let with = query.iter().rposition(|token| is_word(sql, token, "with"));
    match (data, with) {
        (Some(_), Some(at)) if query.len() - at <= 3 => Some(&query[..at]),
        _ => Some(query),
    }
}

/// What stands behind the first such word that is outside parentheses.
fn after<'a>(sql: &str, tokens: &'a [Token], word: &str) -> Option<&'a [Token]> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        if is_mark(sql, token, "(") {
            depth += 1;
        } else if is_mark(sql, token, ")") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && is_word(sql, token, word) {
            return Some(&tokens[at + 1..]);
        }
    }
    None
}

/// The position of the parenthesis that closes the one at the beginning.
pub(super) fn closing(sql: &str, tokens: &[Token]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        if is_mark(sql, token, "(") {
            depth += 1;
        } else if is_mark(sql, token, ")") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::lex;

    fn check(sql: &str, expected: Option<&str>) {
        let tokens: Vec<Token> = lex(sql.as_bytes()).collect();
        let query = query(sql, &tokens).map(|query| &sql[query[0].start..query[query.len() - 1].end]);
        assert_eq!(query, expected, "{sql}");
    }

    #[test]
    fn the_query_is_found_within_the_command() {
        check("EXPLAIN (ANALYZE, BUFFERS) SELECT 1;", Some("SELECT 1"));
        check("explain analyze verbose update t set a = 1", Some("update t set a = 1"));
        check("PREPARE p (int, text) AS SELECT a FROM t", Some("SELECT a FROM t"));
        check("explain prepare p as values (1)", Some("values (1)"));
        check("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1 FOR UPDATE", Some("SELECT 1 FOR UPDATE"));
        check("COPY (SELECT * FROM t) TO STDOUT", Some("SELECT * FROM t"));
        check("CREATE TEMP TABLE x (a) AS SELECT 1 WITH NO DATA", Some("SELECT 1"));
        check(
            "create materialized view v as with a as (select 1) select * from a",
            Some("with a as (select 1) select * from a"),
        );
        check("BEGIN; ; SELECT 1; SELECT 2", Some("SELECT 1"));
        check("(select 1) union select 2", Some("(select 1) union select 2"));
    }

    #[test]
    fn utility_commands_have_none() {
        for sql in
            ["", ";", "BEGIN", "COPY t FROM STDIN", "CREATE TABLE t (a int)", "EXPLAIN", "EXPLAIN (", "SET x = 1"]
        {
            check(sql, None);
        }
        check(&"explain ".repeat(50_000), None);
    }
}
