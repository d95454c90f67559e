//! Orders: with LIMIT an index that delivers rows in order saves reading all of them, and else a sort.

use super::{Context, Part, Parts, access::Access};

/// Key lists from the order of one access.
pub(crate) fn keys(context: &Context<'_>, access: &Access) -> Vec<Parts> {
    if access.order.is_empty() {
        return Vec::new();
    }
    let order = normalised(access);
    let mut lists = Vec::new();
    // Only keys with one value each keep the order behind them; a list of values does not.
    for lead in context.orders(access.table, &access.equal) {
        lists.push([lead.into_iter().map(Part::from).collect(), order.clone()].concat());
    }
    if let Some((key, _)) = access.joins.first() {
        let equal = context.orders(access.table, &access.equal).into_iter().next().unwrap_or_default();
        let lead: Parts = std::iter::once(key.clone()).chain(equal).map(Part::from).collect();
        lists.push([lead, order.clone()].concat());
    }
    if let (false, Some(lead)) = (access.any.is_empty(), context.orders(access.table, &access.any).into_iter().next()) {
        // The list's columns behind the order: the index is walked in order and most entries are dismissed unseen.
        lists.push([order.clone(), lead.into_iter().map(Part::from).collect()].concat());
    }
    lists.push(order);
    lists
}

/// The order with its first key ascending: an index serves an order and its opposite alike.
fn normalised(access: &Access) -> Parts {
    let flip = access.order.first().is_some_and(|first| first.descending);
    let part = |ordered: &super::access::Ordered| Part {
        key: ordered.key.clone(),
        descending: ordered.descending != flip,
        nulls_first: ordered.nulls_first != flip,
        opclass: None,
    };
    access.order.iter().map(part).collect()
}
