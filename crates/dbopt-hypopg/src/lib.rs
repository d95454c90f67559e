//! What-if questions answered by HypoPG on a live session.
//!
//! HypoPG (<https://hypopg.readthedocs.io>) shows the planner indexes that exist in the memory of one session only. The
//! engine here creates them, asks `EXPLAIN` without `ANALYZE` in read-only transactions, and corrects what HypoPG gets
//! wrong: the descents of a B-tree, which it takes as free, and sizes without deduplication (the `correction` module). Nothing in
//! the database is changed, and nothing is left when the session ends.
#![warn(missing_docs)]

mod availability;
mod correction;
mod engine;
mod explain;
mod reading;

pub use availability::{Availability, available};
pub use engine::{HypoPgWhatIf, Refusal, Timeouts};
