//! What one query wants of one table: the conditions, orders and columns that an index could serve.

use std::collections::BTreeSet;

use dbopt_catalog::{Catalog, ColumnId, KeyPart, Table, TableId};

use crate::{query::QueryId, scope::Site};

/// What an index key can be over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A column.
    Column(ColumnId),
    /// An expression, as it is written in an index definition.
    Expression(String),
}

/// A key that is searched by an operator of an inverted or tree-of-boxes index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Searched {
    pub(crate) key: Key,
    /// The operator's symbol.
    pub(crate) operator: String,
}

/// A sort key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ordered {
    pub(crate) key: Key,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

/// A condition whose literal never changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Constant {
    /// The column it is about.
    pub(crate) column: ColumnId,
    /// The condition as the predicate of an index.
    pub(crate) text: String,
    /// The share of rows that it selects, when statistics know.
    pub(crate) share: Option<f64>,
    /// Whether it says `column = constant`, so that the column itself need not be a key.
    pub(crate) fixes_value: bool,
}

/// Why a condition cannot use an index as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Obstacle {
    /// A function on the column.
    Function(String),
    /// A cast on the column.
    Cast(String),
    /// `LIKE '%…'`.
    LeadingWildcard(String),
    /// `NOT IN (SELECT …)`.
    NotIn,
    /// `OR` over columns of several tables.
    OrAcrossTables,
}

/// One table in the `FROM` of one block of one query.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) query: QueryId,
    pub(crate) table: TableId,
    /// `key = constant`, `IS NULL`, a boolean by itself.
    pub(crate) equal: Vec<Key>,
    /// `key IN (constants)`: as good to look up, but the rows come out in no order.
    pub(crate) any: Vec<Key>,
    /// `key < constant` and the like.
    pub(crate) range: Vec<Key>,
    /// `key LIKE 'x%'`.
    pub(crate) prefix: Vec<Key>,
    /// `(a, b) < (…)`: keyset pagination.
    pub(crate) row_range: Vec<Vec<Key>>,
    /// `key = column of another relation`.
    pub(crate) joins: Vec<(Key, Site)>,
    /// Containment, full text search, overlap.
    pub(crate) searched: Vec<Searched>,
    /// `ORDER BY`, when all of it is about this table.
    pub(crate) order: Vec<Ordered>,
    /// Whether few rows are wanted (`LIMIT`).
    pub(crate) limited: bool,
    /// `GROUP BY` or `DISTINCT`, when all of it is about this table.
    pub(crate) group: Vec<Key>,
    /// Arguments of `min` and `max`.
    pub(crate) extremes: Vec<Key>,
    /// All columns that are read.
    pub(crate) columns: BTreeSet<ColumnId>,
    /// Whether the whole row is read or locked, so that no index can answer alone.
    pub(crate) whole_row: bool,
    /// Conditions that a partial index can rely on.
    pub(crate) constants: Vec<Constant>,
}

impl Access {
    pub(crate) fn new(query: QueryId, table: TableId) -> Self {
        Self {
            query,
            table,
            equal: Vec::new(),
            any: Vec::new(),
            range: Vec::new(),
            prefix: Vec::new(),
            row_range: Vec::new(),
            joins: Vec::new(),
            searched: Vec::new(),
            order: Vec::new(),
            limited: false,
            group: Vec::new(),
            extremes: Vec::new(),
            columns: BTreeSet::new(),
            whole_row: false,
            constants: Vec::new(),
        }
    }

    /// All keys compared with constants for equality, those of lists included.
    pub(crate) fn looked_up(&self) -> Vec<Key> {
        unique(self.equal.iter().chain(&self.any).cloned())
    }
}

impl Key {
    /// The definition of the key.
    pub(crate) fn part(&self, table: &Table) -> KeyPart {
        match self {
            Self::Column(column) => KeyPart::Column(table.columns[column.0].name.clone()),
            Self::Expression(text) => KeyPart::Expression(text.clone()),
        }
    }

    /// Distinct values of the key, a count; the planner's default of 200 when nothing is known
    /// (`DEFAULT_NUM_DISTINCT` in `selfuncs.h`).
    pub(crate) fn distinct(&self, catalog: &Catalog, table: TableId) -> f64 {
        const DEFAULT: f64 = 200.0;
        let table = catalog.table(table);
        let rows = table.rows.unwrap_or(DEFAULT).max(1.0);
        let Self::Column(column) = self else { return DEFAULT.min(rows) };
        let column = &table.columns[column.0];
        let is_unique = table.indexes.iter().any(|index| {
            index.unique
                && index.predicate.is_none()
                && index.keys.len() == 1
                && index.keys[0].as_column() == Some(&column.name)
        });
        match &column.statistics {
            _ if is_unique => rows,
            Some(statistics) if statistics.n_distinct > 0.0 => statistics.n_distinct,
            Some(statistics) if statistics.n_distinct < 0.0 => -statistics.n_distinct * rows,
            _ if column.kind.name == "boolean" => 2.0,
            _ => DEFAULT.min(rows),
        }
    }

    /// Average width of the key in bytes, a guess when nothing is known.
    pub(crate) fn width(&self, catalog: &Catalog, table: TableId) -> f64 {
        const UNKNOWN: f64 = 32.0;
        let Self::Column(column) = self else { return UNKNOWN };
        let column = &catalog.table(table).columns[column.0];
        match &column.statistics {
            _ if column.kind.length > 0 => f64::from(column.kind.length),
            Some(statistics) if statistics.average_width > 0.0 => statistics.average_width,
            _ => UNKNOWN,
        }
    }
}

/// The values in their order, each once.
pub(crate) fn unique<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen: Vec<T> = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}
