//! Encrypting columns of a live table, and moving their values to new keys.
//!
//! A policy says which columns are encrypted by which keys; [`Catalogue`] is what the database says of them, [`count()`] what is
//! under which key without opening anything, and [`plan`] makes one [`ReEncrypt`] a table, an action for `dbopt-run`.
//!
//! The action keeps no position between runs, because none is needed: a value says by its first bytes under which key it
//! is, so what is still to be done can be asked for. It reads a batch, seals in this process, and writes only rows that are
//! still the version that was read; an application that writes meanwhile is never overwritten and never waited for. At its end it opens
//! every value.
#![warn(missing_docs)]

mod action;
mod catalogue;
mod count;
mod plan;
mod row;
mod sql;
mod tally;

pub use action::ReEncrypt;
pub use catalogue::{Catalogue, Error};
pub use count::{Counted, CountedIndex, CountedPerson, CountedPersons, count, count_person};
pub use plan::{Planned, plan};
pub use row::Fault;
pub use tally::{Tallies, Tally};
