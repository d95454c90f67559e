//! Whether autovacuum does its work, and what would let it.

mod autovacuum;

pub use autovacuum::{Behind, Cause, behind};
