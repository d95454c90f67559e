//! Indexes.

use std::collections::HashMap;

use super::{
    error::Error,
    session::{Record, Session, option},
    tables::Tables,
};
use crate::{
    Index, IndexKey, KeyPart, Method, Table,
    text::{is_off, without_parentheses},
};

/// Bits of `pg_index.indoption`.
const DESCENDING: i16 = 1;
const NULLS_FIRST: i16 = 2;

/// The indexes being read, findable by oid.
pub(super) struct Indexes {
    pub(super) indexes: Vec<Loaded>,
    pub(super) by_oid: HashMap<u32, usize>,
}

/// An index and what the model does not keep of it.
pub(super) struct Loaded {
    pub(super) index: Index,
    /// Position of its table in [`Tables::tables`].
    pub(super) table: usize,
    pub(super) partitioned: bool,
    pub(super) relpages: f64,
    pub(super) reltuples: f64,
}

impl Indexes {
    pub(super) fn oids(&self) -> Vec<u32> {
        let mut oids: Vec<u32> = self.by_oid.keys().copied().collect();
        oids.sort_unstable();
        oids
    }

    pub(super) fn get_mut(&mut self, oid: u32) -> Option<&mut Loaded> {
        let at = *self.by_oid.get(&oid)?;
        self.indexes.get_mut(at)
    }

    /// Puts each index into its table.
    pub(super) fn put_into(self, mut tables: Tables) -> Vec<Table> {
        for loaded in self.indexes {
            tables.tables[loaded.table].table.indexes.push(loaded.index);
        }
        tables.tables.into_iter().map(|loaded| loaded.table).collect()
    }
}

pub(super) async fn read(session: &Session<'_>, tables: &Tables) -> Result<Indexes, Error> {
    let rows = session.about("indexes", include_str!("../queries/indexes.sql"), &tables.oids()).await?;
    let mut indexes = Indexes { indexes: Vec::with_capacity(rows.len()), by_oid: HashMap::with_capacity(rows.len()) };
    for row in &rows {
        let Some(table) = tables.at(row.get("relation")?) else { continue };
        // An index that is dropped meanwhile has no definition any more.
        let Some(definition) = row.get::<Option<String>>("definition")? else { continue };
        indexes.by_oid.insert(row.get("oid")?, indexes.indexes.len());
        indexes.indexes.push(loaded(row, table, definition)?);
    }
    Ok(indexes)
}

fn loaded(row: &Record, table: usize, definition: String) -> Result<Loaded, Error> {
    let options: Option<Vec<String>> = row.get("options")?;
    let option = |name| option(options.as_deref(), name);
    let (keys, include) = keys(row)?;
    let index = Index {
        schema: row.get("schema")?,
        name: row.get("name")?,
        method: Method::named(row.get("method")?),
        keys,
        include,
        predicate: row.get("predicate")?,
        unique: row.get("is_unique")?,
        nulls_not_distinct: row.get("nulls_not_distinct")?,
        primary: row.get("is_primary")?,
        constraint: row.get("constraint_name")?,
        valid: row.get("valid")?,
        ready: row.get("ready")?,
        identity: row.get("identity")?,
        pages: None,
        rows: None,
        scans: row.count("scans")?,
        last_scan: row.get("last_scan")?,
        fillfactor: option("fillfactor").and_then(|percent| percent.parse().ok()),
        deduplicate: !option("deduplicate_items").is_some_and(is_off),
        expression_statistics: Vec::new(),
        parent: row.qualified("parent_schema", "parent_name")?,
        definition,
    };
    Ok(Loaded {
        index,
        table,
        partitioned: row.get::<&str>("kind")? == "I",
        relpages: f64::from(row.get::<i32>("relpages")?),
        reltuples: row.get("reltuples")?,
    })
}

fn keys(row: &Record) -> Result<(Vec<IndexKey>, Vec<String>), Error> {
    let columns: Vec<Option<String>> = row.get("columns")?;
    let texts: Vec<Option<String>> = row.get("texts")?;
    let opclasses: Vec<Option<String>> = row.get("opclasses")?;
    let collations: Vec<Option<String>> = row.get("collations")?;
    let options: Vec<Option<i16>> = row.get("key_options")?;
    let key_count = usize::try_from(row.get::<i16>("key_count")?).unwrap_or(0);
    let mut keys = Vec::with_capacity(key_count);
    let mut include = Vec::new();
    let each = columns.into_iter().zip(texts).zip(opclasses.into_iter().zip(collations)).zip(options);
    for (at, (((column, text), (opclass, collation)), options)) in each.enumerate() {
        if at >= key_count {
            include.extend(column);
            continue;
        }
        let part = match column {
            Some(name) => KeyPart::Column(name),
            None => KeyPart::Expression(without_parentheses(text.as_deref().unwrap_or_default()).to_owned()),
        };
        let options = options.unwrap_or(0);
        let (descending, nulls_first) = (options & DESCENDING != 0, options & NULLS_FIRST != 0);
        keys.push(IndexKey { part, opclass, collation, descending, nulls_first });
    }
    Ok((keys, include))
}
