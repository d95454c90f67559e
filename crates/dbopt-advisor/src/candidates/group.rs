//! Groups, distinct values and extremes: rows that come in the order of their groups need neither sort nor hash
//! table, and a minimum is the first entry of an index.

use super::{Context, Part, Parts, access::Access};

/// Key lists from the groups and extremes of one access.
pub(crate) fn keys(context: &Context<'_>, access: &Access) -> Vec<Parts> {
    let lead: Parts = context
        .orders(access.table, &access.equal)
        .into_iter()
        .next()
        .unwrap_or_default()
        .into_iter()
        .map(Part::from)
        .collect();
    let mut tails: Vec<Parts> = access.extremes.iter().map(|key| vec![Part::from(key.clone())]).collect();
    if !access.group.is_empty() {
        tails.push(access.group.iter().cloned().map(Part::from).collect());
    }
    let mut lists = Vec::new();
    for tail in tails {
        if !lead.is_empty() {
            lists.push([lead.clone(), tail.clone()].concat());
        }
        lists.push(tail);
    }
    lists
}
