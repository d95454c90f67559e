//! An index whose keys lead another one of its table.

use std::collections::BTreeSet;

use dbopt_catalog::TableId;

use super::{Evidence, enforces, found};
use crate::{
    advice::{Confidence, DropIndex, DropReason},
    cover::covers,
};

pub(super) fn check(evidence: &Evidence<'_>, table: TableId, at: usize, gone: &BTreeSet<usize>) -> Option<DropIndex> {
    let indexes = &evidence.catalog.table(table).indexes;
    let index = &indexes[at];
    if enforces(index) || !index.valid {
        return None;
    }
    let wider = |other: &usize| {
        let other = &indexes[*other];
        other.valid && covers(other, index) && !covers(index, other)
    };
    // The widest one is covered by no other itself, and so will stay.
    let by = (0..indexes.len())
        .filter(|other| *other != at && !gone.contains(other))
        .filter(wider)
        .max_by_key(|other| (indexes[*other].keys.len() + indexes[*other].include.len(), std::cmp::Reverse(*other)))?;
    let mut notes = Vec::new();
    let mut confidence = Confidence::High;
    if let (Some(narrow), Some(wide)) = (index.pages, indexes[by].pages)
        && wide > 3.0 * narrow.max(1.0)
    {
        confidence = Confidence::Medium;
        notes.push(format!(
            "The other index is {:.1} times its size, so scans of many entries get slower.",
            wide / narrow.max(1.0)
        ));
    }
    Some(found(evidence, table, at, DropReason::CoveredBy(by), confidence, notes))
}
