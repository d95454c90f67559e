//! Columns that are joined on, from either side: the index of a nested loop's inner side, or the order of a merge.

use std::collections::BTreeMap;

use super::{
    Context, Part, Parts,
    access::{Access, Key},
};
use crate::scope::Site;

/// Key lists from the joins of one access.
pub(crate) fn keys(context: &Context<'_>, access: &Access) -> Vec<Parts> {
    const MOST: usize = 4;
    let mut by_partner: BTreeMap<Site, Vec<Key>> = BTreeMap::new();
    for (key, partner) in &access.joins {
        by_partner.entry(*partner).or_default().push(key.clone());
    }
    let looked_up = context.orders(access.table, &access.looked_up()).into_iter().next().unwrap_or_default();
    let parts = |keys: &[Key]| keys.iter().cloned().map(Part::from).collect::<Parts>();
    let mut lists = Vec::new();
    for keys in by_partner.values().take(MOST) {
        // Several columns joined with one partner are one key, as in a foreign key of several columns.
        let joined = context.orders(access.table, keys).into_iter().next().unwrap_or_default();
        lists.push(parts(&joined));
        if !looked_up.is_empty() {
            lists.push([parts(&joined), parts(&looked_up)].concat());
            lists.push([parts(&looked_up), parts(&joined)].concat());
        }
        if let Some(range) = access.range.first() {
            lists.push([parts(&joined), parts(&looked_up), vec![Part::from(range.clone())]].concat());
        }
    }
    lists
}
