//! SQL as PostgreSQL reads it, as far as an optimisation tool needs: split, tokenise, normalise and fingerprint
//! statements, and say which tables and columns a statement touches, and how.
//!
//! The crate takes text and returns values. It knows no files and no databases: names stay as written (folded), and
//! whoever has a catalogue resolves them.
#![warn(missing_docs)]

mod analysis;
mod begin;
mod bind;
mod expr;
mod fuzz;
pub mod ir;
mod keyword;
mod lexer;
mod name;
mod normal;
mod quote;
mod split;

pub use analysis::{analyze, fuzz_analyze};
pub use begin::begins_command;
pub use bind::bind_parameters;
#[doc(hidden)]
pub use fuzz::fuzz_tokens;
pub use lexer::{Lexer, Token, TokenKind, lex};
pub use name::{Name, TableName};
pub use normal::{Fingerprint, ParseFingerprintError, fingerprint, fingerprint_and_normalize, normalize};
pub use quote::{quote_ident, quote_literal};
pub use split::{Skipped, Split, split};
