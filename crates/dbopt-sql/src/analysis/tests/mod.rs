//! Tests of the analysis as a whole, by a compact rendering.

mod conditions;
mod hostile;
mod queries;
mod tokens;
mod writes;

use super::{analyze, render};
use crate::{
    ir::Statement,
    lexer::{Token, lex},
};

macro_rules! show {
    ($sql:expr, @$expected:literal) => {
        insta::assert_snapshot!(render::statement(&analyze($sql)), @$expected)
    };
}
use show;

macro_rules! show_tokens {
    ($sql:expr, @$expected:literal) => {
        insta::assert_snapshot!(render::statement(&read_tokens($sql)), @$expected)
    };
}
use show_tokens;

/// The statement as it would be read if the parser rejected it.
fn read_tokens(sql: &str) -> Statement {
    let tokens: Vec<Token> = lex(sql.as_bytes()).collect();
    super::tokens::statement(sql, super::command::query(sql, &tokens).expect("a query"))
}
