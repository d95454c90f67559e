//! Names for indexes that are to be created, each given once.

use std::collections::BTreeSet;

use dbopt_catalog::{Catalog, Index, Table, index_name};

/// Gives out names that nothing in the catalogue has and that were not given before.
#[derive(Clone, Debug)]
pub(crate) struct Names<'a> {
    catalog: &'a Catalog,
    /// Given out, as (schema, name).
    given: BTreeSet<(String, String)>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, given: BTreeSet::new() }
    }

    /// A free name for an index of a table.
    pub(crate) fn take(&mut self, table: &Table, index: &Index) -> String {
        let name = index_name(self.catalog, table, &index.keys, &self.given);
        self.given.insert((table.schema.clone(), name.clone()));
        name
    }
}
