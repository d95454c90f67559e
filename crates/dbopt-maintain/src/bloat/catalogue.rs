//! Small tables, by what ANALYZE found.
//!
//! A database may have thousands of tables of a few pages. Reading each of them costs more than all of them could give back,
//! and mean widths tell them well enough. What was never analysed, or changed much since, is not for this.

use std::collections::BTreeMap;

use dbopt_pg::Session;

use super::btree::{self, Build, Group};
use super::estimate::{IndexBloat, Method, TableBloat};
use super::heap;
use super::width::{self, Value};
use crate::facts::{ColumnFacts, IndexFacts, IndexMethod, KeyFacts, TableFacts};

/// What ANALYZE found of a column.
#[derive(Clone, Copy, Debug)]
struct Found {
    nulls: f32,
    width: i32,
    /// Different values; negative as a share of the rows.
    distinct: f32,
}

/// What ANALYZE found, by schema and table, and then by column.
#[derive(Debug, Default)]
pub(super) struct Catalogue(BTreeMap<(String, String), BTreeMap<String, Found>>);

impl Catalogue {
    pub(super) async fn load(session: &Session) -> Result<Self, dbopt_pg::Error> {
        let rows = session.query(include_str!("../queries/widths.sql"), &[]).await?;
        let mut all = BTreeMap::new();
        for row in &rows {
            let (columns, nulls): (Vec<String>, Vec<f32>) = (row.get("columns"), row.get("nulls"));
            let (widths, distinct): (Vec<i32>, Vec<f32>) = (row.get("widths"), row.get("distinct_values"));
            let found = nulls.into_iter().zip(widths).zip(distinct);
            let found = found.map(|((nulls, width), distinct)| Found { nulls, width, distinct });
            all.insert((row.get("schema"), row.get("name")), columns.into_iter().zip(found).collect());
        }
        Ok(Self(all))
    }

    /// A table and its indexes, all or nothing.
    pub(super) fn estimate(&self, table: &TableFacts, indexes: &[&IndexFacts], page: u32) -> Option<Small> {
        /// With more than this share of the rows changed since, widths and rows are others by now.
        const CHANGED: f64 = 0.1;
        let rows = table.rows?;
        if table.n_mod_since_analyze as f64 > rows * CHANGED {
            return None;
        }
        let found = self.0.get(&(table.table.schema.clone(), table.table.name.clone()))?;
        let mut values = Vec::new();
        for column in &table.columns {
            values.push(if column.is_stored { value(column, found.get(&column.name)?) } else { None });
        }
        // Some rows have a null though most do not, and these have a longer header.
        let row = width::row(&values, table.toast_target);
        if !row.chunks.is_empty() {
            return None;
        }
        let pages = heap::pages(std::iter::repeat_n(row.bytes, rows as usize), table.fillfactor, page);
        let heap = TableBloat {
            bytes_now: table.bytes,
            bytes_after: Some(pages.ceil() as u64 * u64::from(page)),
            rows: Some(rows),
            method: Method::Catalogue,
        };
        let mut small = Small { heap, indexes: Vec::new() };
        for index in indexes.iter().filter(|index| index.method == IndexMethod::Btree) {
            let bytes = u64::from(page) * pages_of(index, table, found, rows, page)?;
            let bloat = IndexBloat { bytes_now: index.bytes, bytes_after: Some(bytes), method: Method::Catalogue };
            small.indexes.push((index.index.oid, bloat));
        }
        Some(small)
    }
}

/// The answers for a table and its B-trees.
#[derive(Debug)]
pub(super) struct Small {
    pub(super) heap: TableBloat,
    pub(super) indexes: Vec<(u32, IndexBloat)>,
}

/// The pages of an index of columns.
fn pages_of(
    index: &IndexFacts,
    table: &TableFacts,
    found: &BTreeMap<String, Found>,
    rows: f64,
    page: u32,
) -> Option<u64> {
    let rows = if index.is_partial { index.rows? } else { rows };
    let (mut values, mut different) = (Vec::new(), 1.0);
    for key in &index.keys {
        let column = table.columns.iter().find(|column| Some(column.number) == key.column)?;
        let found = found.get(&column.name)?;
        let distinct = if found.distinct < 0.0 { -f64::from(found.distinct) * rows } else { f64::from(found.distinct) };
        different *= distinct.max(1.0);
        values.push(key_value(key, found));
    }
    // A column that is null for the most part has one key for all of those.
    let group = if index.is_deduplicated { (rows / different.min(rows).max(1.0)).round().max(1.0) } else { 1.0 };
    let entry = |count: usize| width::entry(values.iter().take(count).copied());
    let groups = [Group { bytes: entry(values.len()), rows: group as u32, weight: 1.0 }];
    let build = Build {
        fillfactor: index.fillfactor,
        is_deduplicated: index.is_deduplicated,
        inner: entry(index.key_count),
        page,
    };
    Some(btree::pages(&groups, rows, build))
}

/// A value of mean width, or null where most are.
fn value(column: &ColumnFacts, found: &Found) -> Option<Value> {
    let bytes = u32::try_from(found.width).unwrap_or(0);
    (found.nulls < 0.5).then_some(Value { bytes, length: column.length, align: column.align, storage: column.storage })
}

fn key_value(key: &KeyFacts, found: &Found) -> Option<Value> {
    let bytes = u32::try_from(found.width).unwrap_or(0);
    (found.nulls < 0.5).then_some(Value { bytes, length: key.length, align: key.align, storage: key.storage })
}
