//! A table with rows of its own.

use dbopt_catalog::{Relkind, TableId, TypeName};

use crate::policy::{Class, TableName};

/// Index of a table in [`super::Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub table: TableName,
    /// Its place in the catalogue.
    pub id: TableId,
    /// What it is: a table, a partitioned or a foreign one.
    pub kind: Relkind,
    /// By what a row of it is told from others.
    pub identity: Identity,
    /// Whose its rows are, when the policy speaks of it.
    pub class: Option<Class>,
    /// Its columns.
    pub columns: Vec<NodeColumn>,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: TypeName,
    /// Whether it is `NOT NULL`.
    pub not_null: bool,
    /// Whether it is computed of others.
    pub generated: bool,
}

/// By what a row is told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// By a unique key without NULL; the primary key where there is one.
    Key(Vec<KeyColumn>),
    /// By its place (`tableoid` and `ctid`), because there is no key. It holds within a snapshot, and beyond only while the row
    /// is locked.
    Place,
}

/// A column of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// Its type, as a cast takes it.
    pub cast: String,
}

impl Node {
    /// The column of a name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&NodeColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The table as a `FROM` item. Tables that inherit from it, other than partitions, are nodes of their own.
    #[must_use]
    pub fn from_item(&self) -> String {
        match self.kind {
            Relkind::Table => format!("ONLY {}", self.table),
            _ => self.table.to_string(),
        }
    }
}

impl Identity {
    /// How many texts tell a row.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Key(columns) => columns.len(),
            Self::Place => 2,
        }
    }
}
