//! A located finding: what is wrong, where, and what to do about it.
//!
//! Every part of dbopt that reads outside text reports with this one type, so that a log line, an SQL file and an
//! EXPLAIN file are complained about in the same words and with the same coordinates. Byte offsets become 1-based
//! lines and columns here ([`LineIndex`]) and nowhere else. This crate does not know who found something, nor how
//! it is printed.
#![warn(missing_docs)]

mod finding;
mod place;

pub use finding::{Code, Finding, Fix, Severity};
pub use place::{LineIndex, Place, Position, Span};
