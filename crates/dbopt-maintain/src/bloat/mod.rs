//! How much smaller tables and indexes would be if they were made anew.

mod estimate;

pub use estimate::{Estimates, IndexBloat, Method, TableBloat};
