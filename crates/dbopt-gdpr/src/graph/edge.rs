//! A reference of one table to another.

use std::fmt;

use dbopt_sql::quote_ident;

use super::node::NodeId;
use crate::policy::{Class, Hash, Match, ReferenceErase, TableName};

/// Index of a reference in [`super::Graph::edges`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(pub usize);

/// A reference of one table to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Its own place.
    pub id: EdgeId,
    /// The table that refers.
    pub child: NodeId,
    /// The columns that refer; one, unless it is by columns.
    pub child_columns: Vec<String>,
    /// The table that is referred to.
    pub parent: NodeId,
    /// The columns that are referred to, in the order of those that refer. Not always its primary key.
    pub parent_columns: Vec<String>,
    /// How.
    pub by: By,
    /// The foreign keys that declare it, if any.
    pub foreign_keys: Vec<ForeignKey>,
    /// Whose a row is that refers, when the policy speaks of it.
    pub class: Option<Class>,
    /// Whether the row that is referred to is the person's when the row that refers is.
    pub parents: bool,
    /// What becomes of rows that refer and are not the person's alone.
    pub erase: ReferenceErase,
    /// The names of both tables, for people.
    pub(crate) names: (TableName, TableName),
}

/// How a table refers to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum By {
    /// By columns.
    Columns,
    /// By columns, where another column says that it is to this table.
    Type {
        /// The other column.
        column: String,
        /// What it says.
        value: String,
    },
    /// By a value within JSON.
    Json {
        /// Keys that lead to it; `*` is each item of an array.
        path: Vec<String>,
    },
    /// By the items of an array.
    Array,
    /// By a value that identifies a person.
    Identifier {
        /// What does not make two values different.
        matching: Vec<Match>,
        /// Whether it is a hash of the value.
        hash: Option<Hash>,
    },
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// What the server does to a row that refers to a deleted one.
    pub on_delete: OnDelete,
}

/// What the server does to a row that refers to a deleted one
/// (<https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnDelete {
    /// It refuses at the end of the statement, or of the transaction when the constraint is deferred.
    NoAction,
    /// It refuses, deferred or not.
    Restrict,
    /// It writes NULL.
    SetNull,
    /// It writes the default.
    SetDefault,
    /// It deletes.
    Cascade,
}

impl OnDelete {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "RESTRICT" => Self::Restrict,
            "CASCADE" => Self::Cascade,
            "SET NULL" => Self::SetNull,
            "SET DEFAULT" => Self::SetDefault,
            _ => Self::NoAction,
        }
    }

    /// As SQL has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
            Self::Cascade => "CASCADE",
        }
    }
}

impl Edge {
    /// Whether a table refers to itself.
    #[must_use]
    pub fn is_to_itself(&self) -> bool {
        self.child == self.parent
    }

    /// Whether it leads from a row of a person to rows that are at least in part the person's.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.class.is_some_and(Class::is_followed)
    }

    /// Whether the server checks it.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        !self.foreign_keys.is_empty()
    }

    /// What the server does to a row that refers to a deleted one; the worst, of several foreign keys.
    #[must_use]
    pub fn on_delete(&self) -> Option<OnDelete> {
        self.foreign_keys.iter().map(|key| key.on_delete).max()
    }
}

/// The reference as it is told to people.
impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.child_columns.iter().map(|name| quote_ident(name)).collect();
        write!(f, "{} ({}", self.names.0, names.join(", "))?;
        match &self.by {
            By::Type { column, value } => write!(f, " where {} is {value}", quote_ident(column))?,
            By::Json { path } => write!(f, " at {}", path.join("."))?,
            By::Array => f.write_str(", each")?,
            By::Columns | By::Identifier { .. } => {}
        }
        write!(f, ") → {}", self.names.1)
    }
}
