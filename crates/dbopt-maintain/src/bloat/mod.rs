//! How much smaller tables and indexes would be if they were made anew.
//!
//! The usual catalogue query multiplies average widths with a count of rows, and is wrong by whole factors where rows differ,
//! keys repeat, or nobody has analysed. Here a bounded number of pages, spread over the table, is read by plain SELECTs that
//! return lengths and no values; what the server would write is then computed as the server does it: a row's
//! [`width`], the [`heap`]'s pages, the [`btree`]'s leaves with equal keys kept once. How often a key repeats cannot be
//! seen in a sample, so a few rows' keys are looked up in the index itself ([`repeats`]). Only small tables go by what ANALYZE
//! found ([`catalogue`]).

mod ask;
mod btree;
mod catalogue;
mod estimate;
mod exact;
mod heap;
mod measure;
mod repeats;
mod sample;
mod width;

pub use estimate::{Estimates, IndexBloat, Method, TableBloat};
pub use measure::{Sampling, estimate};
