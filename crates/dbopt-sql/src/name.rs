//! Identifiers, folded as PostgreSQL folds them.

use std::{borrow::Borrow, fmt, sync::Arc};

/// An identifier after folding: unquoted names are lower case, quoted names are as written, without their quotes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// A name that is folded already (from the catalogue, or from inside quotes).
    #[must_use]
    pub fn folded(text: &str) -> Self {
        Self(text.into())
    }

    /// A name as it stands in SQL without quotes.
    #[must_use]
    pub fn unquoted(text: &str) -> Self {
        Self(text.to_lowercase().into())
    }

    /// The folded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::folded(text)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A table as a statement names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema, when written.
    pub schema: Option<Name>,
    /// The table.
    pub name: Name,
}
