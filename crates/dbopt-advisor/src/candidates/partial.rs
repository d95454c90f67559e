//! Partial indexes for conditions that are the same in every execution, such as `deleted_at IS NULL` or
//! `status = 'pending'`: smaller, and maintained for few rows only.

use dbopt_catalog::Index;

use super::{
    Context, Parts,
    access::{Access, Constant, Key},
    btree,
};

/// A condition that selects more than this share of the rows makes no index small.
const LARGEST_SHARE: f64 = 0.3;

/// A value of a column with more values than this is one of many, whatever the log happens to show: an index for it
/// serves nobody else. States and kinds have fewer.
const MOST_VALUES: f64 = 12.0;

/// Partial versions of the key lists.
pub(crate) fn indexes(context: &Context<'_>, access: &Access, lists: &[Parts]) -> Vec<Index> {
    const MOST_CONDITIONS: usize = 2;
    const MOST_LISTS: usize = 6;
    let rows = crate::size::table_rows(context.catalog.table(access.table));
    let mut indexes: Vec<Index> = Vec::new();
    let few = |constant: &Constant| {
        !constant.fixes_value || Key::Column(constant.column).distinct(context.catalog, access.table) <= MOST_VALUES
    };
    let selective = access
        .constants
        .iter()
        .filter(|constant| constant.share.is_some_and(|share| share <= LARGEST_SHARE) && few(constant));
    for constant in selective.take(MOST_CONDITIONS) {
        let own = Key::Column(constant.column);
        let mut made = 0;
        for parts in lists {
            let rest: Parts = parts.iter().filter(|part| !(constant.fixes_value && part.key == own)).cloned().collect();
            // With nothing else to look up, the column itself is as good a key as any.
            let keys = if rest.is_empty() { parts } else { &rest };
            let index = Index {
                predicate: Some(constant.text.clone()),
                rows: constant.share.map(|share| (share * rows).max(1.0)),
                ..btree(context.catalog, access.table, keys)
            };
            if made < MOST_LISTS && !indexes.contains(&index) {
                indexes.push(index);
                made += 1;
            }
        }
    }
    indexes
}
