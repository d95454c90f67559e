//! `CREATE INDEX CONCURRENTLY` that failed leaves an index that is written to and never read.

use std::collections::BTreeSet;

use dbopt_catalog::{Relkind, TableId};

use super::{Evidence, found};
use crate::advice::{Confidence, DropIndex, DropReason};

pub(super) fn check(evidence: &Evidence<'_>, table: TableId, at: usize, _: &BTreeSet<usize>) -> Option<DropIndex> {
    let owner = evidence.catalog.table(table);
    let index = &owner.indexes[at];
    // The index of a partitioned table is invalid as long as partitions lack theirs, which is how it is built.
    if index.valid || owner.kind == Relkind::Partitioned || index.constraint.is_some() {
        return None;
    }
    let notes = vec![
        "Make sure that no CREATE INDEX CONCURRENTLY is still at work on it; REINDEX INDEX CONCURRENTLY repairs it, \
         if it is wanted."
            .to_owned(),
    ];
    Some(found(evidence, table, at, DropReason::Invalid, Confidence::High, notes))
}
