//! A statement's text to the form of [`crate::ir`].
//!
//! The way: find the query within the command (`EXPLAIN`, `PREPARE`, `DECLARE`, `COPY` wrap one), parse it with sqlparser, and
//! lower the syntax tree. What sqlparser rejects is first rewritten where that loses nothing that the form keeps
//! ([`rewrite`]); what it still rejects, or is nested deeper than is safe to recurse into, is read from its tokens
//! ([`tokens`]). Every text gives a statement; [`ir::Statement::source`] says how it was read.

mod array;
mod command;
mod depth;
mod lower;
#[cfg(test)]
mod render;
mod rewrite;
#[cfg(test)]
mod tests;
mod tokens;

use sqlparser::{dialect::PostgreSqlDialect, parser::Parser, tokenizer::Token as ParserToken};

use crate::{
    ir::{self, Source, StatementKind},
    lexer::{Token, lex},
};

/// Texts above this many bytes are read from their tokens: a syntax tree takes several hundred bytes a token, and only
/// multi-row `INSERT`s and very long lists are that large.
const LARGEST_PARSED: usize = 1 << 20;

/// What a statement does with its tables.
///
/// Literals may be as written, or `$n` in their place. Of several statements in one text, the first that has tables is
/// analysed.
///
/// ```
/// use dbopt_sql::{analyze, ir::{CompareOp, Predicate, Source}};
/// let statement = analyze("select * from orders o where o.user_id = $1");
/// assert_eq!(statement.source, Source::Parser);
/// assert_eq!(statement.tables()[0].name.as_str(), "orders");
/// assert!(matches!(&statement.blocks[0].filters[0], Predicate::Compare { op: CompareOp::Eq, .. }));
/// ```
#[must_use]
pub fn analyze(sql: &str) -> ir::Statement {
    let tokens: Vec<Token> = lex(sql.as_bytes()).collect();
    let Some(body) = command::query(sql, &tokens) else {
        return ir::Statement {
            kind: StatementKind::Utility,
            target: None,
            blocks: Vec::new(),
            source: Source::Parser,
        };
    };
    let parsed = match body {
        [first, .., last] if last.end - first.start <= LARGEST_PARSED => {
            depth::with_stack_for(sql, body, || parse_and_lower(sql, body)).flatten()
        }
        _ => None,
    };
    parsed.unwrap_or_else(|| tokens::statement(sql, body))
}

/// The statement from its syntax tree, if it has one.
fn parse_and_lower(sql: &str, body: &[Token]) -> Option<ir::Statement> {
    let (first, last) = (body.first()?, body.last()?);
    let tree = parse(&sql[first.start..last.end])
        .or_else(|| rewrite::for_parser(sql, body).and_then(|rewritten| parse(&rewritten)))?;
    lower::statement(&tree)
}

fn parse(sql: &str) -> Option<sqlparser::ast::Statement> {
    let mut parser =
        Parser::new(&PostgreSqlDialect {}).with_recursion_limit(depth::RECURSION_LIMIT).try_with_sql(sql).ok()?;
    let statement = parser.parse_statement().ok()?;
    (parser.peek_token_ref().token == ParserToken::EOF).then_some(statement)
}

/// Body of the fuzz target: any text gives a statement whose references lead somewhere, and whose parents come first.
///
/// # Panics
/// When the analysis breaks one of these promises.
#[doc(hidden)]
pub fn fuzz_analyze(bytes: &[u8]) {
    let statement = analyze(&String::from_utf8_lossy(bytes));
    let blocks = statement.blocks.len();
    for (id, block) in statement.blocks.iter().enumerate() {
        assert!(block.parent.is_none_or(|parent| parent < id), "a parent stands before its children");
        for relation in &block.relations {
            assert!(
                !matches!(relation.source, ir::RelationSource::Block(id) if id >= blocks),
                "a relation leads nowhere"
            );
        }
    }
    let relation = statement.target.as_ref().and_then(|target| target.relation);
    assert!(relation.is_none_or(|relation| relation < statement.blocks[0].relations.len()), "no such target");
}

/// Whether a token is this keyword, in any case.
fn is_word(sql: &str, token: &Token, word: &str) -> bool {
    token.kind == crate::lexer::TokenKind::Word && sql[token.start..token.end].eq_ignore_ascii_case(word)
}

/// Whether a token is this operator or punctuation.
fn is_mark(sql: &str, token: &Token, mark: &str) -> bool {
    matches!(token.kind, crate::lexer::TokenKind::Operator | crate::lexer::TokenKind::Punctuation)
        && &sql[token.start..token.end] == mark
}
