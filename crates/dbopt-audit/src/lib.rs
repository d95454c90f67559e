//! Append-only, hash-chained records: append, verify, anchor.
//!
//! Each [`Record`] holds the hash of the one before it and a hash of itself, over an encoding that docs/audit.md gives
//! byte for byte, so that anybody can verify a record without this program. Two stores keep them: a table in
//! PostgreSQL ([`PostgresStore`], and [`append_in`] for a caller's transaction) and a file ([`FileStore`]). [`Verifier`] finds
//! and places what was changed, removed, moved or inserted. A chain that was rewritten from some record on looks whole
//! from within; only an [`Anchor`], its head kept elsewhere, tells.
//!
//! The hash is SHA-256 rather than BLAKE3: every language and database has it, processors have instructions for it,
//! and what limits the speed of verifying is reading the records.
#![warn(missing_docs)]

mod anchor;
mod entry;
mod error;
mod line;
mod record;
mod store;
mod verify;

pub use anchor::Anchor;
pub use entry::{Entry, actor};
pub use error::Error;
#[doc(hidden)]
pub use line::fuzz_line;
pub use line::{parse_line, to_line};
pub use record::{Hash, Record};
pub use store::{FileStore, PostgresStore, Range, Repair, Store, append_in};
pub use verify::{Fault, FaultKind, Report, Verifier};
