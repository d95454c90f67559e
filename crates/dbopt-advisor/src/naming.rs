//! Names for indexes that are to be created.

use std::collections::BTreeSet;

use dbopt_catalog::{Catalog, Index, KeyPart, Table};

/// `NAMEDATALEN - 1`: longer names are cut by the server, and could then clash.
const LONGEST: usize = 63;

/// Gives out names that nothing in the catalogue has and that were not given before.
#[derive(Clone, Debug)]
pub struct Names {
    /// Taken, as (schema, name): tables, indexes and constraints share what can clash.
    taken: BTreeSet<(String, String)>,
}

impl Names {
    /// Starts with the names of a catalogue.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let mut taken = BTreeSet::new();
        for table in &catalog.tables {
            let names = std::iter::once(&table.name)
                .chain(table.indexes.iter().map(|index| &index.name))
                .chain(table.constraints.iter().map(|constraint| &constraint.name));
            taken.extend(names.map(|name| (table.schema.clone(), name.clone())));
        }
        Self { taken }
    }

    /// A name in PostgreSQL's own style: table, columns, `idx`, and a number when that is taken.
    pub fn take(&mut self, table: &Table, index: &Index) -> String {
        let columns: Vec<&str> = index
            .keys
            .iter()
            .map(|key| match &key.part {
                KeyPart::Column(name) => name.as_str(),
                KeyPart::Expression(text) => text.split('(').next().filter(|word| is_word(word)).unwrap_or("expr"),
            })
            .collect();
        let stem = format!("{}_{}", table.name, columns.join("_"));
        for number in 0_u32.. {
            let suffix = if number == 0 { "_idx".to_owned() } else { format!("_idx{number}") };
            let name = format!("{}{suffix}", cut(&stem, LONGEST - suffix.len()));
            if self.taken.insert((table.schema.clone(), name.clone())) {
                return name;
            }
        }
        stem
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The text up to a number of bytes, cut between characters.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use dbopt_catalog::IndexKey;

    use super::*;

    #[test]
    fn names_are_free_and_short_enough() {
        let mut table = Table { schema: "public".to_owned(), name: "orders".to_owned(), ..Table::default() };
        table.indexes.push(Index { name: "orders_state_idx".to_owned(), ..Index::default() });
        let mut catalog = Catalog::default();
        catalog.insert(table.clone());
        let mut names = Names::new(&catalog);
        let index = |columns: &[&str]| Index {
            keys: columns.iter().map(|name| IndexKey::column(*name)).collect(),
            ..Index::default()
        };
        assert_eq!(names.take(&table, &index(&["state"])), "orders_state_idx1");
        assert_eq!(names.take(&table, &index(&["state"])), "orders_state_idx2");
        assert_eq!(names.take(&table, &index(&["a", "b"])), "orders_a_b_idx");
        let part = KeyPart::Expression("lower(email)".to_owned());
        let lower = Index { keys: vec![IndexKey { part, ..IndexKey::column("") }], ..Index::default() };
        assert_eq!(names.take(&table, &lower), "orders_lower_idx");
        let long = names.take(&table, &index(&["ä".repeat(40).as_str()]));
        assert!(long.len() <= LONGEST && long.ends_with("_idx"), "{long}");
    }
}
