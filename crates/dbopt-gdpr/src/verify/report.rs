//! What was found, what was searched, and what was not. No value and, unless asked for, no key is in it.

use std::time::Duration;

use super::needle::Variant;
use crate::walk::Key;

/// Rows with an identifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Hit {
    /// Where: a table as in SQL, or what else was searched.
    pub place: String,
    /// The column.
    pub column: String,
    /// The identifier's name.
    pub identifier: String,
    /// How it was written.
    pub variant: Variant,
    /// In how many rows it stands for itself.
    pub rows: u64,
    /// In how many more it is a part of a longer word or address, which is somebody else's more often than not.
    pub within: u64,
    /// Why the policy keeps it, if it does.
    pub kept: Option<String>,
    /// Keys of the first rows as texts, or their places (`ctid`) where there is no key; only when they were asked for.
    pub keys: Vec<Key>,
}

/// It shows no keys.
impl std::fmt::Debug for Hit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}.{} {} {}: {}+{}",
            self.place,
            self.column,
            self.identifier,
            self.variant.name(),
            self.rows,
            self.within
        )
    }
}

/// Something that was searched.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// A table as in SQL, or what else.
    pub place: String,
    /// Its columns that can hold a text.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: u64,
    /// Bytes of these columns.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// Something that was not searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What.
    pub place: String,
    /// Why, as a fragment.
    pub why: String,
    /// Whether it is as the policy says, or could hold nothing. Otherwise the search is not complete.
    pub expected: bool,
}

/// What became of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Where there is something.
    pub hits: Vec<Hit>,
    /// What was searched.
    pub scanned: Vec<Scanned>,
    /// What was not.
    pub skipped: Vec<Skipped>,
}

impl Report {
    /// Whether nothing was found but what the policy keeps.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.hits.iter().all(|hit| hit.rows == 0 || hit.kept.is_some())
    }

    /// Whether all was searched that the policy says.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.skipped.iter().all(|skipped| skipped.expected)
    }
}
