//! Tables, columns, indexes, constraints and statistics as plain data.
//!
//! A [`Catalog`] is what the planner would know of a database: it comes from a live session (feature `live`), from a
//! snapshot file or from DDL, and knows nothing of workloads or advice.
#![warn(missing_docs)]

mod index;
mod settings;
mod statistics;
mod table;

pub use index::{Index, IndexKey, KeyPart, Method};
pub use settings::{Server, Settings};
pub use statistics::{ColumnStatistics, CommonValue, Datum, ExtendedStatistics, Quality};
pub use table::{Activity, Column, ColumnId, Constraint, ConstraintKind, Relkind, Table, TypeName};

/// What is known of one database.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Catalog {
    /// The server it stands on.
    pub server: Server,
    /// Settings that change plans.
    pub settings: Settings,
    /// Name of the database, when known.
    pub database: Option<String>,
    /// Schemas in which unqualified names are looked up, in order.
    pub search_path: Vec<String>,
    /// Tables, materialised views and partitioned tables, ordered by schema and name.
    pub tables: Vec<Table>,
    /// Where the column statistics come from, and so how far estimates can be trusted.
    pub quality: Quality,
}

/// Index of a table in [`Catalog::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub usize);

impl Catalog {
    /// The table of an id.
    #[must_use]
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0]
    }

    /// Looks a table up as PostgreSQL would: in the named schema, or else along the search path.
    #[must_use]
    pub fn find(&self, schema: Option<&str>, name: &str) -> Option<TableId> {
        let in_schema = |schema: &str| {
            self.tables.binary_search_by(|table| (&*table.schema, &*table.name).cmp(&(schema, name))).ok().map(TableId)
        };
        match schema {
            Some(schema) => in_schema(schema),
            None => self.search_path.iter().find_map(|schema| in_schema(schema)),
        }
    }
}
