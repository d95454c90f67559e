//! What is known of one database.

use std::cmp::Ordering;

use crate::{
    settings::{Server, Settings},
    statistics::Quality,
    table::{Relkind, Table},
};

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
    /// Tables, materialised views and partitioned tables, ordered by schema and name ([`Catalog::insert`] and
    /// [`Catalog::sort`] keep the order, which the look-ups rely on).
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
        let in_schema = |schema: &str| self.position(schema, name).ok().map(TableId);
        match schema {
            Some(schema) => in_schema(schema),
            None => self.search_path.iter().find_map(|schema| in_schema(schema)),
        }
    }

    /// Puts a table at its place, and returns the one of the same name that it replaces.
    pub fn insert(&mut self, table: Table) -> Option<Table> {
        match self.position(&table.schema, &table.name) {
            Ok(at) => Some(std::mem::replace(&mut self.tables[at], table)),
            Err(at) => {
                self.tables.insert(at, table);
                None
            }
        }
    }

    /// Takes a table out.
    pub fn remove(&mut self, schema: &str, name: &str) -> Option<Table> {
        self.position(schema, name).ok().map(|at| self.tables.remove(at))
    }

    /// Brings tables, and the indexes and constraints of each, into the order that the look-ups rely on.
    pub fn sort(&mut self) {
        self.tables.sort_by(|one, two| by_name(one, &two.schema, &two.name));
        for table in &mut self.tables {
            table.indexes.sort_by(|one, two| one.name.cmp(&two.name));
            table.constraints.sort_by(|one, two| one.name.cmp(&two.name));
        }
    }

    /// The partitions or inheritance children of a table, one level down, in order.
    pub fn children(&self, id: TableId) -> impl Iterator<Item = TableId> {
        let table = self.table(id);
        let is_child = |other: &Table| {
            other.parent.as_ref().is_some_and(|(schema, name)| *schema == table.schema && *name == table.name)
        };
        self.tables.iter().enumerate().filter(move |(_, other)| is_child(other)).map(|(at, _)| TableId(at))
    }

    /// The tables that hold the rows of a partitioned table, however deep the partitions nest; a table that is not
    /// partitioned is its own leaf.
    #[must_use]
    pub fn leaves(&self, id: TableId) -> Vec<TableId> {
        let mut leaves = Vec::new();
        let mut open = vec![id];
        // A file may claim that two tables are each other's partition; each table is visited once at most.
        let mut seen = vec![false; self.tables.len()];
        while let Some(next) = open.pop() {
            if std::mem::replace(&mut seen[next.0], true) {
                continue;
            }
            if self.table(next).kind == Relkind::Partitioned {
                open.extend(self.children(next));
            } else {
                leaves.push(next);
            }
        }
        leaves.sort_unstable();
        leaves
    }

    fn position(&self, schema: &str, name: &str) -> Result<usize, usize> {
        self.tables.binary_search_by(|table| by_name(table, schema, name))
    }
}

fn by_name(table: &Table, schema: &str, name: &str) -> Ordering {
    (&*table.schema, &*table.name).cmp(&(schema, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: &str, name: &str, kind: Relkind, parent: Option<&str>) -> Table {
        let parent = parent.map(|parent| ("public".to_owned(), parent.to_owned()));
        Table { schema: schema.to_owned(), name: name.to_owned(), kind, parent, ..Table::default() }
    }

    #[test]
    fn names_are_found_along_the_search_path() {
        let mut catalog = Catalog { search_path: vec!["app".to_owned(), "public".to_owned()], ..Catalog::default() };
        for (schema, name) in [("public", "b"), ("app", "b"), ("public", "a"), ("other", "c")] {
            assert_eq!(catalog.insert(table(schema, name, Relkind::Table, None)), None);
        }
        let found = |schema, name| catalog.find(schema, name).map(|id| &*catalog.table(id).schema);
        assert_eq!(found(None, "b"), Some("app"));
        assert_eq!(found(None, "a"), Some("public"));
        assert_eq!(found(Some("public"), "b"), Some("public"));
        assert_eq!(found(None, "c"), None);
    }

    #[test]
    fn leaves_are_the_tables_with_rows_and_cycles_end() {
        let mut catalog = Catalog::default();
        catalog.insert(table("public", "p", Relkind::Partitioned, None));
        catalog.insert(table("public", "p1", Relkind::Partitioned, Some("p")));
        catalog.insert(table("public", "p1a", Relkind::Table, Some("p1")));
        catalog.insert(table("public", "p2", Relkind::Table, Some("p")));
        catalog.insert(table("public", "x", Relkind::Partitioned, Some("y")));
        catalog.insert(table("public", "y", Relkind::Partitioned, Some("x")));
        let leaves = |name| {
            let id = catalog.find(Some("public"), name).expect("it was inserted");
            catalog.leaves(id).iter().map(|id| &*catalog.table(*id).name).collect::<Vec<_>>()
        };
        assert_eq!(leaves("p"), ["p1a", "p2"]);
        assert_eq!(leaves("p2"), ["p2"]);
        assert!(leaves("x").is_empty());
    }
}
