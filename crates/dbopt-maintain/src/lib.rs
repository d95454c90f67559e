//! VACUUM, REINDEX and retention: what a database needs, as a plan.
#![warn(missing_docs)]

mod object;

pub use object::{IndexRef, TableRef};
