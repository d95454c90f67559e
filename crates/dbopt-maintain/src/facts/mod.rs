//! What is there: tables, indexes, partitions, and who holds the horizon, as plain data.
//!
//! The planner is a function of these facts, so that it can be tested without a server. They are loaded by a few plain
//! SELECTs whatever the number of tables, need no extension and no superuser, and hold no row of a user's table.

mod autovacuum;
mod holder;
mod index;
mod load;
mod partition;
mod server;
mod table;

pub use autovacuum::Autovacuum;
pub use holder::{Holder, HolderKind};
pub use index::{IndexFacts, IndexMethod, KeyFacts};
pub use load::horizon;
pub use partition::{Bound, Limit, Moment, PartitionFacts};
pub use server::ServerFacts;
pub use table::{ColumnFacts, Storage, TableFacts, TableKind};

/// Everything that is known of one database at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The server and its settings.
    pub server: ServerFacts,
    /// Tables, materialised views, partitioned tables and TOAST tables, by identity.
    pub tables: Vec<TableFacts>,
    /// Their indexes, by identity.
    pub indexes: Vec<IndexFacts>,
    /// Who keeps dead rows from being removed, the oldest first.
    pub horizon: Vec<Holder>,
    /// Partitions, by parent and then as their bounds are printed.
    pub partitions: Vec<PartitionFacts>,
}

impl Facts {
    /// The table of this identity.
    #[must_use]
    pub fn table(&self, oid: u32) -> Option<&TableFacts> {
        self.tables.binary_search_by_key(&oid, |table| table.table.oid).ok().map(|at| &self.tables[at])
    }

    /// The index of this identity.
    #[must_use]
    pub fn index(&self, oid: u32) -> Option<&IndexFacts> {
        self.indexes.binary_search_by_key(&oid, |index| index.index.oid).ok().map(|at| &self.indexes[at])
    }
}
