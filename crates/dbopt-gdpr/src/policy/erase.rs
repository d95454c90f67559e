//! How an erasure is carried out.

use std::num::NonZeroU32;

use dbopt_policy::Table;

/// How an erasure is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EraseRule {
    /// Above so many rows, those that may go before the others are deleted in transactions of so many each. All go in one
    /// transaction when nothing is said.
    pub most_rows_at_once: Option<NonZeroU32>,
}

impl EraseRule {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let about = "Most rows of a transaction: with more, rows that may go before the others are deleted in parts of so many.";
        Self { most_rows_at_once: table.optional("most_rows_at_once", about) }
    }
}
