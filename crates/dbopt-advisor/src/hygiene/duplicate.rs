//! Two indexes that are the same but for their names.

use std::{cmp::Reverse, collections::BTreeSet};

use dbopt_catalog::{Index, TableId};

use super::{Evidence, enforces, found};
use crate::{
    advice::{Confidence, DropIndex, DropReason},
    cover::covers,
};

pub(super) fn check(evidence: &Evidence<'_>, table: TableId, at: usize, gone: &BTreeSet<usize>) -> Option<DropIndex> {
    let indexes = &evidence.catalog.table(table).indexes;
    let index = &indexes[at];
    if index.constraint.is_some() || index.primary || index.identity || index.parent.is_some() {
        return None;
    }
    // The one that stays: it enforces what others do not, or is used most, or comes first by name.
    let rank = |at: usize| (Reverse(strength(&indexes[at])), Reverse(indexes[at].scans.unwrap_or(0)), at);
    let alike = |other: usize| {
        let other = &indexes[other];
        other.valid && covers(other, index) && covers(index, other)
    };
    let best = (0..indexes.len())
        .filter(|other| *other != at && !gone.contains(other) && alike(*other))
        .min_by_key(|other| rank(*other))?;
    if rank(at) < rank(best) || (index.unique && !indexes[best].unique) {
        return None;
    }
    Some(found(evidence, table, at, DropReason::Duplicate(best), Confidence::High, Vec::new()))
}

fn strength(index: &Index) -> u8 {
    u8::from(index.unique) + u8::from(enforces(index)) + u8::from(index.constraint.is_some() || index.primary)
}
