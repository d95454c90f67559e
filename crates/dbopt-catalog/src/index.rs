//! Indexes.

use crate::statistics::ColumnStatistics;

/// An index access method.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Method {
    /// `btree`.
    #[default]
    Btree,
    /// `hash`.
    Hash,
    /// `gin`.
    Gin,
    /// `gist`.
    Gist,
    /// `spgist`.
    Spgist,
    /// `brin`.
    Brin,
    /// Any other, by name.
    Other(String),
}

/// What one key of an index is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyPart {
    /// A column by name.
    Column(String),
    /// An expression as `pg_get_indexdef` prints it, without outer parentheses.
    Expression(String),
}

/// One key of an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexKey {
    /// Column or expression.
    pub part: KeyPart,
    /// Operator class, when not the type's default.
    pub opclass: Option<String>,
    /// Collation, when not the column's own.
    pub collation: Option<String>,
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`.
    pub nulls_first: bool,
}

impl IndexKey {
    /// An ascending key over a column.
    #[must_use]
    pub fn column(name: impl Into<String>) -> Self {
        Self {
            part: KeyPart::Column(name.into()),
            opclass: None,
            collation: None,
            descending: false,
            nulls_first: false,
        }
    }

    /// The column's name, unless it is an expression.
    #[must_use]
    pub fn as_column(&self) -> Option<&str> {
        match &self.part {
            KeyPart::Column(name) => Some(name),
            KeyPart::Expression(_) => None,
        }
    }
}

/// An index, existing or not yet. The default is a valid B-tree without keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Schema, the same as the table's.
    pub schema: String,
    /// Name; empty for one that is only thought of.
    pub name: String,
    /// Access method.
    pub method: Method,
    /// Keys in order.
    pub keys: Vec<IndexKey>,
    /// `INCLUDE` columns by name.
    pub include: Vec<String>,
    /// `WHERE` predicate as `pg_get_expr` prints it.
    pub predicate: Option<String>,
    /// `UNIQUE`.
    pub unique: bool,
    /// `NULLS NOT DISTINCT`.
    pub nulls_not_distinct: bool,
    /// Whether it is the primary key's.
    pub primary: bool,
    /// Name of the constraint it belongs to, if any.
    pub constraint: Option<String>,
    /// `indisvalid`.
    pub valid: bool,
    /// `indisready`.
    pub ready: bool,
    /// Whether it is the table's replica identity or clustering index.
    pub identity: bool,
    /// Size in pages, when known.
    pub pages: Option<f64>,
    /// Entries, when known.
    pub rows: Option<f64>,
    /// Scans since the statistics were reset, when known.
    pub scans: Option<u64>,
    /// Last scan, seconds since 1970 (PostgreSQL 16+).
    pub last_scan: Option<i64>,
    /// `fillfactor` in percent, when set.
    pub fillfactor: Option<u8>,
    /// `deduplicate_items` (B-tree, PostgreSQL 13+).
    pub deduplicate: bool,
    /// Statistics of expression keys, by key position.
    pub expression_statistics: Vec<(usize, ColumnStatistics)>,
    /// The partitioned index this is a part of, as (schema, name).
    pub parent: Option<(String, String)>,
    /// `CREATE INDEX` as `pg_get_indexdef` prints it; empty for one that is only thought of.
    pub definition: String,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema: String::new(),
            name: String::new(),
            method: Method::Btree,
            keys: Vec::new(),
            include: Vec::new(),
            predicate: None,
            unique: false,
            nulls_not_distinct: false,
            primary: false,
            constraint: None,
            valid: true,
            ready: true,
            identity: false,
            pages: None,
            rows: None,
            scans: None,
            last_scan: None,
            fillfactor: None,
            deduplicate: true,
            expression_statistics: Vec::new(),
            parent: None,
            definition: String::new(),
        }
    }
}

impl Method {
    /// The method of a name, as in `pg_am`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "btree" => Self::Btree,
            "hash" => Self::Hash,
            "gin" => Self::Gin,
            "gist" => Self::Gist,
            "spgist" => Self::Spgist,
            "brin" => Self::Brin,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Its name, as in `pg_am`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Btree => "btree",
            Self::Hash => "hash",
            Self::Gin => "gin",
            Self::Gist => "gist",
            Self::Spgist => "spgist",
            Self::Brin => "brin",
            Self::Other(name) => name,
        }
    }
}
