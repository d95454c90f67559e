//! What is asked of each row that is read: lengths, and of keys that may repeat a hash; never a value.

use dbopt_sql::quote_ident;

use super::width::{self, Value};
use crate::facts::{ColumnFacts, IndexFacts, IndexMethod, KeyFacts, Storage, TableFacts};

/// Why there is no answer for other kinds of indexes.
pub(super) const ONLY_BTREES: &str = "only B-trees can be computed; other kinds depend on more than lengths";

/// A row as it was read: one number for each thing that was asked, null as none.
pub(super) type Numbers = Vec<Option<i64>>;

/// What is asked of the rows of one table.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// SQL expressions over the row `t`, each a number.
    fields: Vec<String>,
    /// The table's columns by number, and which field has their length.
    columns: Vec<(ColumnFacts, Option<usize>)>,
}

/// What is asked for one index.
#[derive(Debug)]
pub(super) struct IndexAsk<'a> {
    pub(super) facts: &'a IndexFacts,
    keys: Vec<(KeyFacts, usize)>,
    predicate: Option<usize>,
    hash: Option<usize>,
}

impl Ask {
    /// For a table, all of whose columns must be readable; else their names are the error.
    pub(super) fn of_table(table: &TableFacts) -> Result<Self, Vec<String>> {
        let mut ask = Self::default();
        let hidden: Vec<String> = table
            .columns
            .iter()
            .filter(|column| column.is_stored && !column.is_readable)
            .map(|column| column.name.clone())
            .collect();
        if !hidden.is_empty() {
            return Err(hidden);
        }
        for column in &table.columns {
            let length = |name: String| match column.is_added && column.length == -1 {
                // The default that rows do not have yet has a length word of four bytes, and will have one of a byte.
                true => format!(
                    "CASE WHEN pg_column_size({name}) <= 130 AND octet_length({name}::text) + 4 = pg_column_size({name}) \
                     THEN pg_column_size({name}) - 3 ELSE pg_column_size({name}) END"
                ),
                false => length_of(&name),
            };
            let field = column.is_stored.then(|| ask.field(length(name(column))));
            ask.columns.push((column.clone(), field));
        }
        Ok(ask)
    }

    /// Adds what a B-tree needs; the error says why it cannot be told.
    pub(super) fn add_index<'a>(&mut self, facts: &'a IndexFacts) -> Result<IndexAsk<'a>, String> {
        match facts.method {
            IndexMethod::Btree => {}
            _ => return Err(ONLY_BTREES.to_owned()),
        }
        if !facts.is_built_in {
            return Err("it calls functions or operators of users, which are not run".to_owned());
        }
        if facts.is_partial && facts.predicate.is_none() {
            return Err("somebody holds its table exclusively".to_owned());
        }
        let mut keys = Vec::new();
        let mut texts = Vec::new();
        for key in &facts.keys {
            let text = self.key_text(key).ok_or("somebody holds its table exclusively")?;
            // A name is kept without its padding.
            let length = if key.length == -2 {
                format!("octet_length(({text})::text) + 1")
            } else if key.expression.is_some() && key.length == -1 && key.storage != Storage::Plain {
                // A computed value has a length word of four bytes; in the index a short one has one of a byte.
                format!(
                    "CASE WHEN pg_column_size({text}) <= 130 THEN pg_column_size({text}) - 3 ELSE pg_column_size({text}) END"
                )
            } else {
                length_of(&text)
            };
            keys.push((key.clone(), self.field(length)));
            texts.push(text);
        }
        let predicate = facts.predicate.as_ref().map(|sql| self.field(format!("CASE WHEN {sql} THEN 1 END")));
        // What is kept once is equal byte by byte, so its text is, too.
        let hash =
            facts.is_deduplicated.then(|| self.field(format!("hashtextextended(ROW({})::text, 0)", texts.join(", "))));
        Ok(IndexAsk { facts, keys, predicate, hash })
    }

    /// A key as SQL over the row `t`.
    pub(super) fn key_text(&self, key: &KeyFacts) -> Option<String> {
        match (&key.expression, key.column) {
            (Some(text), _) if text.is_empty() => None,
            // Its columns have no table before their name, and the row is the only one in reach.
            (Some(text), _) => Some(format!("({text})")),
            (None, Some(number)) => {
                self.columns.iter().find(|(column, _)| column.number == number).map(|(column, _)| name(column))
            }
            (None, None) => None,
        }
    }

    /// The list of what is asked, as an array.
    pub(super) fn sql(&self) -> String {
        format!("ARRAY[{}]::int8[]", self.fields.join(", "))
    }

    fn field(&mut self, sql: String) -> usize {
        self.fields.iter().position(|other| *other == sql).unwrap_or_else(|| {
            self.fields.push(sql);
            self.fields.len() - 1
        })
    }

    /// The row as it would be written into the table.
    pub(super) fn row(&self, numbers: &Numbers, target: u32) -> width::Row {
        let values: Vec<Option<Value>> = self
            .columns
            .iter()
            .map(|(column, field)| value(number(numbers, (*field)?)?, column.length, column.align, column.storage))
            .collect();
        width::row(&values, target)
    }
}

impl IndexAsk<'_> {
    /// Whether a row has an entry.
    pub(super) fn has_entry(&self, numbers: &Numbers) -> bool {
        self.predicate.is_none_or(|field| number(numbers, field).is_some())
    }

    /// The length of a row's entry.
    pub(super) fn entry(&self, numbers: &Numbers) -> u32 {
        self.length(numbers, self.keys.len())
    }

    /// The length of a row's key in an inner page, where included columns are left out.
    pub(super) fn inner(&self, numbers: &Numbers) -> u32 {
        self.length(numbers, self.facts.key_count)
    }

    fn length(&self, numbers: &Numbers, count: usize) -> u32 {
        let keys = self.keys.iter().take(count);
        width::entry(keys.map(|(key, field)| value(number(numbers, *field)?, key.length, key.align, key.storage)))
    }

    /// A number that equal keys share.
    pub(super) fn hash(&self, numbers: &Numbers) -> Option<i64> {
        number(numbers, self.hash?)
    }

    /// Which keys of a row are null.
    pub(super) fn nulls(&self, numbers: &Numbers) -> Vec<bool> {
        self.keys.iter().map(|(_, field)| number(numbers, *field).is_none()).collect()
    }
}

/// Lengths as they are stored, without reading what was moved out.
fn length_of(text: &str) -> String {
    format!("pg_column_size({text})")
}

fn name(column: &ColumnFacts) -> String {
    format!("t.{}", quote_ident(&column.name))
}

fn number(numbers: &Numbers, field: usize) -> Option<i64> {
    numbers.get(field).copied().flatten()
}

fn value(bytes: i64, length: i16, align: u8, storage: Storage) -> Option<Value> {
    Some(Value { bytes: u32::try_from(bytes).ok()?, length, align, storage })
}
