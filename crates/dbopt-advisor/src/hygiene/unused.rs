//! An index that nothing has scanned since the statistics were reset.

use std::collections::BTreeSet;

use dbopt_catalog::TableId;

use super::{Evidence, enforces, found, serves_foreign_key};
use crate::advice::{Confidence, DropIndex, DropReason};

/// Statistics younger than this may have missed a monthly job.
const LONG_ENOUGH_DAYS: f64 = 30.0;

/// Statistics younger than this have not even seen every day of a week.
const LEAST_DAYS: f64 = 7.0;

/// Whether a reason is good enough to drop an index: any but having been idle for too short or unknown a time.
pub(super) fn is_proven(reason: &DropReason) -> bool {
    match reason {
        DropReason::Unused { days } => days.is_some_and(|days| days >= LEAST_DAYS),
        _ => true,
    }
}

pub(super) fn check(evidence: &Evidence<'_>, table: TableId, at: usize, gone: &BTreeSet<usize>) -> Option<DropIndex> {
    let owner = evidence.catalog.table(table);
    let index = &owner.indexes[at];
    if index.scans != Some(0) || !index.valid || enforces(index) || evidence.used.contains(&(table, at)) {
        return None;
    }
    // On a table that nobody reads at all, as after a restore, an idle index says nothing.
    let activity = owner.activity.as_ref()?;
    if activity.seq_scans + activity.index_scans == 0 || serves_foreign_key(owner, at, gone) {
        return None;
    }
    let server = &evidence.catalog.server;
    let days = match (server.statistics_reset, server.read_at) {
        (Some(reset), Some(read)) if read >= reset => Some((read - reset) as f64 / 86_400.0),
        _ => None,
    };
    let confidence =
        if days.is_some_and(|days| days >= LONG_ENOUGH_DAYS) { Confidence::Medium } else { Confidence::Low };
    let mut notes = vec!["Scans on replicas are counted there: check each replica before dropping it.".to_owned()];
    match days {
        Some(days) if days < LONG_ENOUGH_DAYS => {
            notes.push(format!("The statistics are only {days:.1} days old and may have missed rare jobs."));
        }
        Some(_) => {}
        None => notes.push("When the statistics were reset is not known.".to_owned()),
    }
    Some(found(evidence, table, at, DropReason::Unused { days }, confidence, notes))
}
