//! What the statements so far have made.

use std::collections::BTreeSet;

use super::{
    cursor::{Parsed, Written},
    types::Types,
};
use crate::{Catalog, Index, Table};

/// The schema under construction.
pub(super) struct Schema {
    pub(super) catalog: Catalog,
    pub(super) types: Types,
    /// The search path that holds for the next statement.
    pub(super) search_path: Vec<String>,
    /// The path that the file gives the database, if it does.
    pub(super) database_path: Option<Vec<String>>,
    /// Indexes of partitioned tables that were made `ON ONLY` them, as (schema, name); others reach down to partitions.
    pub(super) only: BTreeSet<(String, String)>,
    /// Checks that do not reach children, as (schema, table, name).
    pub(super) no_inherit: BTreeSet<(String, String, String)>,
}

impl Default for Schema {
    fn default() -> Self {
        Self {
            catalog: Catalog::default(),
            types: Types::default(),
            search_path: default_path(),
            database_path: None,
            only: BTreeSet::new(),
            no_inherit: BTreeSet::new(),
        }
    }
}

/// `"$user", public`, as far as it is known.
pub(super) fn default_path() -> Vec<String> {
    vec!["public".to_owned()]
}

impl Schema {
    /// Where something new of a written name goes.
    pub(super) fn place_of(&self, (schema, name): Written) -> (String, String) {
        let first = || self.search_path.first().cloned().unwrap_or_else(|| "public".to_owned());
        (schema.unwrap_or_else(first), name)
    }

    /// The full name of a table as it is written: one that exists, or else where it would be.
    pub(super) fn resolve(&self, written: Written) -> (String, String) {
        if written.0.is_none() {
            let exists = |schema: &&String| self.catalog.find(Some(schema), &written.1).is_some();
            if let Some(schema) = self.search_path.iter().find(exists) {
                return (schema.clone(), written.1);
            }
        }
        self.place_of(written)
    }

    /// The table of a written name, if the file has made it.
    pub(super) fn table_mut(&mut self, written: &Written) -> Option<&mut Table> {
        let (schema, name) = self.resolve(written.clone());
        let id = self.catalog.find(Some(&schema), &name)?;
        self.catalog.tables.get_mut(id.0)
    }

    /// The table and the position of an index of a written name.
    pub(super) fn index_mut(&mut self, written: &Written) -> Option<(&mut Table, usize)> {
        let (schema, name) = written;
        let path = &self.search_path;
        let in_path = |of: &str| schema.as_ref().map_or(path.iter().any(|known| known == of), |schema| schema == of);
        let is_it = |index: &Index| index.name == *name && in_path(&index.schema);
        let table = self.catalog.tables.iter().position(|table| table.indexes.iter().any(is_it))?;
        let index = self.catalog.tables[table].indexes.iter().position(is_it)?;
        Some((&mut self.catalog.tables[table], index))
    }

    /// A name in the server's style that no relation or constraint of the schema has.
    pub(super) fn free_name(&self, schema: &str, table: &str, keys: &str, label: &str) -> String {
        let taken = |name: &str| {
            self.catalog.tables.iter().filter(|table| table.schema == schema).any(|table| {
                table.name == name
                    || table.indexes.iter().any(|index| index.name == name)
                    || table.constraints.iter().any(|constraint| constraint.name == name)
            })
        };
        crate::index_sql::free_name(table, keys, label, taken)
    }
}

/// A table must be known to be changed.
pub(super) fn known<T>(found: Option<T>, written: &Written, cursor: &super::cursor::Cursor<'_>) -> Parsed<T> {
    match found {
        Some(found) => Ok(found),
        None => {
            let schema = written.0.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
            cursor.fault(format!("`{schema}{}` is not created before", written.1))
        }
    }
}
