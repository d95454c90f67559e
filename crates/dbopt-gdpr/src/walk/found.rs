//! Rows by their full keys.

use std::{collections::BTreeSet, fmt};

use hashbrown::HashTable;
use tokio_postgres::types::{ToSql, Type};

use crate::{
    graph::{EdgeId, NodeId},
    policy::Class,
};

/// What tells a row of a table from others, as texts: the columns of [`crate::Identity`].
pub type Key = Box<[Box<str>]>;

/// A person, by the key that was given. It shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    /// The name of its rule.
    pub rule: String,
    /// The table with a row for each such person.
    pub table: NodeId,
    /// The values of the rule's key, as texts.
    pub key: Key,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// A row that was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: Key,
    /// Whose it is.
    pub class: Class,
    /// Index of the set of references by which it was found, in [`Found`].
    via: u32,
}

/// It shows nothing of the key.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("class", &self.class).finish_non_exhaustive()
    }
}

/// The rows of one table that are at least in part a person's, each once.
#[derive(Clone)]
pub struct Found {
    /// The table.
    pub table: NodeId,
    rows: Vec<Row>,
    /// Positions in `rows` by the hash of the key.
    index: HashTable<u32>,
    /// Each set of references by which some row was found.
    sets: Vec<BTreeSet<EdgeId>>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("table", &self.table).field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

/// What putting a row did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is new, or more of it is the person's than was known: what refers to it is to be found again.
    Grown(u32),
    Known,
}

impl Found {
    pub(crate) fn new(table: NodeId) -> Self {
        Self { table, rows: Vec::new(), index: HashTable::new(), sets: Vec::new() }
    }

    /// The rows, in the order in which they were found.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of a key.
    #[must_use]
    pub fn get(&self, key: &[Box<str>]) -> Option<&Row> {
        self.position(key).map(|at| &self.rows[at as usize])
    }

    /// The references by which a row was found; none for the person's own.
    #[must_use]
    pub fn via(&self, row: &Row) -> &BTreeSet<EdgeId> {
        &self.sets[row.via as usize]
    }

    /// The keys of all rows as arrays for a query, at most so many a time.
    pub fn chunks(&self, most: usize) -> impl Iterator<Item = KeyArrays<'_>> {
        self.rows.chunks(most.max(1)).map(|rows| KeyArrays::of(rows.iter().map(|row| &row.key)))
    }

    fn position(&self, key: &[Box<str>]) -> Option<u32> {
        self.index.find(hash(key), |at| *self.rows[*at as usize].key == *key).copied()
    }

    /// Puts a row, or adds to what is known of it.
    pub(super) fn put(&mut self, key: Key, class: Class, via: Option<EdgeId>) -> Put {
        if let Some(at) = self.position(&key) {
            let row = &self.rows[at as usize];
            let (is_more, set) = (class > row.class, row.via);
            if let Some(via) = via.filter(|via| !self.sets[set as usize].contains(via)) {
                let mut with = self.sets[set as usize].clone();
                with.insert(via);
                self.rows[at as usize].via = self.set(with);
            }
            if is_more {
                self.rows[at as usize].class = class;
                return Put::Grown(at);
            }
            return Put::Known;
        }
        let via = self.set(via.into_iter().collect());
        // Four billion rows of one person are more than memory holds.
        let at = u32::try_from(self.rows.len()).expect("fewer rows than four billion");
        self.rows.push(Row { key, class, via });
        let rows = &self.rows;
        self.index.insert_unique(hash(&rows[at as usize].key), at, |other| hash(&rows[*other as usize].key));
        Put::Grown(at)
    }

    fn set(&mut self, set: BTreeSet<EdgeId>) -> u32 {
        let at = self.sets.iter().position(|other| *other == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        u32::try_from(at).expect("fewer sets than rows")
    }
}

/// Keys as arrays, one for each of their columns: the parameters `$1`, `$2`, … of a query.
#[derive(Clone, Default)]
pub struct KeyArrays<'a> {
    columns: Vec<Vec<&'a str>>,
}

impl fmt::Debug for KeyArrays<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyArrays").field("rows", &self.len()).finish_non_exhaustive()
    }
}

impl<'a> KeyArrays<'a> {
    /// The arrays of some keys.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = &'a Key>) -> Self {
        let mut columns: Vec<Vec<&str>> = Vec::new();
        for key in keys {
            columns.resize_with(key.len(), Vec::new);
            columns.iter_mut().zip(key.iter()).for_each(|(column, text)| column.push(text));
        }
        Self { columns }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As parameters of a query.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.columns.iter().map(|column| (column as &(dyn ToSql + Sync), Type::TEXT_ARRAY)).collect()
    }
}

fn hash(key: &[Box<str>]) -> u64 {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[&str]) -> Key {
        parts.iter().map(|part| Box::from(*part)).collect()
    }

    #[test]
    fn a_row_is_there_once_with_the_most_that_is_known() {
        let mut found = Found::new(NodeId(0));
        assert_eq!(found.put(key(&["1", "a"]), Class::About, Some(EdgeId(3))), Put::Grown(0));
        assert_eq!(found.put(key(&["1", "b"]), Class::About, Some(EdgeId(3))), Put::Grown(1));
        assert_eq!(found.put(key(&["1", "a"]), Class::About, Some(EdgeId(4))), Put::Known);
        assert_eq!(found.put(key(&["1", "a"]), Class::Owned, Some(EdgeId(3))), Put::Grown(0));
        assert_eq!(found.put(key(&["1", "a"]), Class::Shared, None), Put::Known);
        let row = found.get(&key(&["1", "a"])).expect("it was put");
        assert_eq!((found.len(), row.class), (2, Class::Owned));
        assert_eq!(found.via(row).iter().copied().collect::<Vec<_>>(), [EdgeId(3), EdgeId(4)]);
        assert_eq!(found.via(&found.rows()[1]).len(), 1);
        assert_eq!(found.get(&key(&["1"])), None);
    }

    #[test]
    fn chunks_have_all_keys_in_order() {
        let mut found = Found::new(NodeId(0));
        for number in 0..10_000 {
            found.put(key(&[&number.to_string(), "x"]), Class::Owned, None);
        }
        let chunks: Vec<_> = found.chunks(4_096).collect();
        assert_eq!(chunks.iter().map(KeyArrays::len).collect::<Vec<_>>(), [4_096, 4_096, 1_808]);
        assert_eq!((chunks[2].columns[0][1_807], chunks[2].columns[1][0]), ("9999", "x"));
    }

    #[test]
    fn nothing_of_a_person_is_shown() {
        let mut found = Found::new(NodeId(0));
        found.put(key(&["ann@example.org"]), Class::Owned, None);
        let subject = Subject { rule: "customer".to_owned(), table: NodeId(0), key: key(&["ann@example.org"]) };
        let shown = format!("{found:?} {:?} {:?} {subject:?}", found.rows(), found.chunks(9).next());
        assert!(!shown.contains("ann"), "{shown}");
    }
}
