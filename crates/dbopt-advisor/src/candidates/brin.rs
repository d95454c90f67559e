//! BRIN, for ranges over columns that follow the order of a large table: thousands of times smaller than a B-tree.

use dbopt_catalog::{Index, IndexKey, Method};

use super::{
    Context,
    access::{Access, Key},
    blank,
};

/// Tables under this many pages (64 MB) are read quickly enough.
const SMALLEST_TABLE: f64 = 8192.0;

/// The least correlation of values with row order, either way.
const LEAST_CORRELATION: f64 = 0.95;

/// Block range indexes for the ranges of one access.
pub(crate) fn indexes(context: &Context<'_>, access: &Access) -> Vec<Index> {
    let table = context.catalog.table(access.table);
    if table.pages < SMALLEST_TABLE {
        return Vec::new();
    }
    let follows_rows = |key: &&Key| match key {
        Key::Column(column) => {
            let column = &table.columns[column.0];
            // The classes that BRIN has for types of fixed width; text has one too, of little use.
            column.kind.length > 0
                && matches!(column.kind.category, 'N' | 'D')
                && column
                    .statistics
                    .as_ref()
                    .and_then(|statistics| statistics.correlation)
                    .is_some_and(|correlation| correlation.abs() >= LEAST_CORRELATION)
        }
        Key::Expression(_) => false,
    };
    let index = |key: &Key| {
        let key =
            IndexKey { part: key.part(table), opclass: None, collation: None, descending: false, nulls_first: false };
        Index { keys: vec![key], ..blank(table, Method::Brin) }
    };
    access.range.iter().filter(follows_rows).map(index).collect()
}
