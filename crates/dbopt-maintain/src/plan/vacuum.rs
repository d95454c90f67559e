//! To make room of dead rows.

use super::{Basis, Class, Plan, Work, percent};
use crate::facts::{TableFacts, TableKind};

pub(super) fn plan(basis: &Basis<'_>, plan: &mut Plan) {
    let rule = &basis.policy.vacuum;
    if !rule.enabled {
        return;
    }
    // Dead rows decide the order: they are what queries pay for.
    let mut due: Vec<(i64, &TableFacts, String)> = Vec::new();
    for table in &basis.facts.tables {
        let owner = basis.owner(table);
        if table.kind == TableKind::Partitioned || !basis.is_in_scope(owner) {
            continue;
        }
        let Some(why) = why(basis, table) else { continue };
        match due.iter_mut().find(|(_, other, _)| other.table == owner.table) {
            Some((dead, _, other)) if *dead < table.n_dead => (*dead, *other) = (table.n_dead, why),
            Some(_) => {}
            None => due.push((table.n_dead, owner, why)),
        }
    }
    due.sort_by(|one, two| two.0.cmp(&one.0).then_with(|| one.1.table.cmp(&two.1.table)));
    for (_, table, why) in due {
        // Freezing vacuums as well. Deleting rows ends with it too, but only when there are any: see `spared`.
        let is_covered = |work: &Work| matches!(work, Work::Vacuum { .. });
        if plan.has(&table.table, is_covered)
            || plan.drops(basis, table)
            || !basis.may(plan, table, "VACUUM of", "MAINTAIN")
        {
            continue;
        }
        let is_spared = plan.has(&table.table, |work| matches!(work, Work::DeleteRows { .. }));
        let why = if is_spared { format!("{why}; left out when deleting rows ends with it") } else { why };
        let work = Work::Vacuum {
            table: table.table.clone(),
            relfilenode: table.relfilenode,
            freeze: false,
            emergency: false,
            truncate: rule.truncate,
            workers: rule.workers,
        };
        plan.push(basis, Class::Vacuum, work, why, freed(basis, table));
    }
}

/// Why a table is due, if it is.
fn why(basis: &Basis<'_>, table: &TableFacts) -> Option<String> {
    let rule = &basis.policy.vacuum;
    let rows = (table.n_live.max(0) + table.n_dead.max(0)) as f64;
    let of_toast = if table.kind == TableKind::Toast { " of its TOAST table" } else { "" };
    if rule.dead.reached(table.n_dead, rows) {
        let share = percent(table.n_dead as f64, rows);
        return Some(format!("{} of {rows:.0} rows{of_toast} are dead, {share}", table.n_dead));
    }
    let inserted = table.n_ins_since_vacuum;
    rule.inserted.reached(inserted, rows).then(|| {
        format!(
            "{inserted} rows{of_toast} were inserted since it was last vacuumed, which index-only scans have to look up"
        )
    })
}

/// Bytes that become free for new rows: the dead rows' share of the table and of its TOAST table.
fn freed(basis: &Basis<'_>, table: &TableFacts) -> Option<u64> {
    let of = |table: &TableFacts| {
        let (dead, live) = (table.n_dead.max(0) as f64, table.n_live.max(0) as f64);
        if dead > 0.0 { (table.bytes as f64 * dead / (dead + live)) as u64 } else { 0 }
    };
    let toast = table.toast.and_then(|toast| basis.facts.table(toast)).map_or(0, of);
    Some(of(table) + toast)
}
