//! To know what is in a table.
//!
//! Autovacuum analyses a table when enough of it has changed, but never a partitioned one, for which joins and groups over
//! all partitions are then planned blindly (<https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-STATISTICS>).

use super::{Basis, Class, Plan, Work, percent};
use crate::facts::{TableFacts, TableKind};

/// A partitioned table is not analysed anew before so many microseconds: a week.
const REST: i64 = 7 * 86_400 * 1_000_000;

/// A table that was never analysed matters from so many bytes on; the planner looks at the size of a small one.
const LARGE: u64 = 1 << 20;

pub(super) fn plan(basis: &Basis<'_>, plan: &mut Plan) {
    if !basis.policy.analyze.enabled {
        return;
    }
    let mut due: Vec<(&TableFacts, String)> = Vec::new();
    for table in basis.facts.tables.iter().filter(|table| basis.is_in_scope(table)) {
        let why = match table.kind {
            TableKind::Toast => None,
            TableKind::Partitioned => why_partitioned(basis, table),
            TableKind::Ordinary | TableKind::Materialized => why(basis, plan, table),
        };
        due.extend(why.map(|why| (table, why)));
    }
    due.sort_by(|(one, _), (two, _)| {
        two.n_mod_since_analyze.cmp(&one.n_mod_since_analyze).then_with(|| one.table.cmp(&two.table))
    });
    for (table, why) in due {
        if plan.drops(basis, table) || !basis.may(plan, table, "ANALYZE of", "MAINTAIN") {
            continue;
        }
        let work = Work::Analyze { table: table.table.clone(), relfilenode: table.relfilenode };
        plan.push(basis, Class::Analyze, work, why, None);
    }
}

fn why(basis: &Basis<'_>, plan: &Plan, table: &TableFacts) -> Option<String> {
    let rule = &basis.policy.analyze;
    let live = table.n_live.max(0) as f64;
    if table.analyzed().is_none() && table.rows.is_none() && table.bytes >= LARGE {
        return Some("it was never analysed".to_owned());
    }
    let changed = table.n_mod_since_analyze;
    let share = percent(changed as f64, live);
    if rule.changed.reached(changed, live) {
        return Some(format!("{changed} rows were changed since it was analysed, {share}"));
    }
    // Otherwise the statistics would go on telling of rows that have gone, to queries and to the next plan.
    let going = going(basis, plan, table);
    let is_due = going > 0 && rule.changed.reached(changed.saturating_add(going), live);
    is_due.then(|| format!("about {going} rows of it will have been deleted, {}", percent(going as f64, live)))
}

/// How many rows the plan is about to delete, as estimated.
fn going(basis: &Basis<'_>, plan: &Plan, table: &TableFacts) -> i64 {
    // What failed last time may fail again, and the statistics would be made anew every night for nothing.
    if !plan.has(&table.table, |work| matches!(work, Work::DeleteRows { .. }) && !basis.history.is_undone(work)) {
        return 0;
    }
    let reaches = basis.expired.iter().flat_map(|expired| &expired.tables);
    reaches.filter(|reach| reach.oid == table.table.oid).filter_map(|reach| reach.rows).sum::<f64>() as i64
}

fn why_partitioned(basis: &Basis<'_>, table: &TableFacts) -> Option<String> {
    // Before 14 the server does not say when it was.
    if basis.facts.server.version_num < 140_000 {
        return None;
    }
    let of = basis.facts.partitions.iter().filter(|partition| partition.parent.oid == table.table.oid);
    let parts: Vec<&TableFacts> = of.filter_map(|partition| basis.facts.table(partition.table.oid)).collect();
    if !parts.iter().any(|part| part.bytes > 0 || part.kind == TableKind::Partitioned) {
        return None;
    }
    let newest = parts.iter().filter_map(|part| part.analyzed()).max();
    match table.analyzed() {
        None => Some("it is partitioned and was never analysed as a whole, which autovacuum never does".to_owned()),
        Some(last) if newest > Some(last) && basis.facts.server.now - last >= REST => {
            Some("partitions were analysed since it was as a whole, a week ago or longer".to_owned())
        }
        Some(_) => None,
    }
}
