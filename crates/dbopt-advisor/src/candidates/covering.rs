//! `INCLUDE`: with all columns that a query reads in the index, the table need not be visited.

use dbopt_catalog::{ColumnId, Index};

use super::{
    Context, Part,
    access::{Access, Key},
    btree,
    types::stays_small,
};

/// The index over the keys that also holds all else that is read, when that is little.
pub(crate) fn index(context: &Context<'_>, access: &Access, parts: &[Part]) -> Option<Index> {
    const MOST_COLUMNS: usize = 5;
    const WIDEST_COLUMN: f64 = 64.0;
    const WIDEST: f64 = 128.0;
    // Expressions are computed from columns that the planner wants to see, even when a key holds their result.
    if access.whole_row || parts.iter().any(|part| matches!(part.key, Key::Expression(_))) {
        return None;
    }
    let table = context.catalog.table(access.table);
    let is_key = |id: &ColumnId| parts.iter().any(|part| part.key == Key::Column(*id));
    let rest: Vec<ColumnId> = access.columns.iter().filter(|id| !is_key(id)).copied().collect();
    let widths: Vec<f64> = rest.iter().map(|id| Key::Column(*id).width(context.catalog, access.table)).collect();
    let fits = rest.len() <= MOST_COLUMNS
        && widths.iter().all(|width| *width <= WIDEST_COLUMN)
        && widths.iter().sum::<f64>() <= WIDEST
        && rest.iter().all(|id| stays_small(&table.columns[id.0]));
    if rest.is_empty() || !fits {
        return None;
    }
    let include = rest.iter().map(|id| table.columns[id.0].name.clone()).collect();
    Some(Index { include, ..btree(context.catalog, access.table, parts) })
}
