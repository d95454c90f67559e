//! SQL as PostgreSQL reads it, as far as an optimisation tool needs: split, tokenise, normalise and fingerprint
//! statements, and say which tables and columns a statement touches, and how.
//!
//! The crate takes text and returns values. It knows no files and no databases: names stay as written (folded), and
//! whoever has a catalogue resolves them.
#![warn(missing_docs)]

pub mod ir;
mod name;

pub use name::{Name, TableName};
