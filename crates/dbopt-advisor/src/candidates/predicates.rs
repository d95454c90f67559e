//! Equality first, then one range, prefix or keyset tail.

use super::{Context, Part, Parts, access::Access, types};
use crate::candidates::access::Key;

/// Key lists from the conditions of one access.
pub(crate) fn keys(context: &Context<'_>, access: &Access) -> Vec<Parts> {
    let looked_up = access.looked_up();
    let orders = context.orders(access.table, &looked_up);
    let tails = tails(context, access);
    let mut lists: Vec<Parts> = Vec::new();
    for order in &orders {
        let lead: Parts = order.iter().cloned().map(Part::from).collect();
        lists.push(lead.clone());
        lists.extend(tails.iter().map(|tail| [lead.clone(), tail.clone()].concat()));
    }
    if let Some(first) = orders.first() {
        lists.extend((1..first.len()).map(|length| first[..length].iter().cloned().map(Part::from).collect()));
        // Each key alone, for when several single indexes are combined, or one key is all that fits.
        lists.extend(first.iter().skip(1).map(|key| vec![Part::from(key.clone())]));
    }
    lists.extend(tails);
    lists
}

/// What may follow the keys compared for equality; ranges that select less stand first.
fn tails(context: &Context<'_>, access: &Access) -> Vec<Parts> {
    const MOST: usize = 3;
    let mut tails: Vec<Parts> =
        access.row_range.iter().map(|keys| keys.iter().cloned().map(Part::from).collect()).collect();
    tails.extend(access.range.iter().map(|key| vec![Part::from(key.clone())]));
    for key in &access.prefix {
        let opclass = match key {
            Key::Column(column) => {
                types::pattern_class(context.catalog, &context.catalog.table(access.table).columns[column.0])
            }
            Key::Expression(_) if matches!(context.catalog.server.collation.as_str(), "C" | "POSIX") => None,
            Key::Expression(_) => Some("text_pattern_ops".to_owned()),
        };
        tails.push(vec![Part { opclass, ..Part::from(key.clone()) }]);
    }
    tails.truncate(MOST);
    tails
}
