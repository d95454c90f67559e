//! Inputs as streams of bytes, cut into blocks at record boundaries.

mod blocks;
mod open;

pub(crate) use blocks::{Blocks, Cut};
pub(crate) use open::{Opened, open, size};
