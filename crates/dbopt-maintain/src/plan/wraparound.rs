//! Against wraparound.
//!
//! Transaction numbers come round after four thousand million; a table whose oldest row is half as old stops the server. So
//! old rows are frozen, by autovacuum at an age of its own and at an hour of its own choice. Here it is done before,
//! for every table whatever the policy leaves out
//! (<https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND>).

use super::{Basis, Class, Item, Plan, Work};
use crate::facts::{TableFacts, TableKind};

/// How near a table is to where autovacuum insists.
struct Pressure<'a> {
    table: &'a TableFacts,
    /// The greater share of either age.
    share: f64,
    why: String,
    emergency: bool,
}

pub(super) fn plan(basis: &Basis<'_>, plan: &mut Plan) {
    let rule = &basis.policy.freeze;
    let mut due: Vec<Pressure<'_>> = Vec::new();
    for table in &basis.facts.tables {
        let Some(pressure) = pressure(basis, table).filter(|pressure| pressure.share >= rule.share) else { continue };
        if table.is_temp {
            let message = format!(
                "temporary table `{}` is {}, and only its own session can freeze it",
                table.table, pressure.why
            );
            plan.note("temporary-table-ages", message, "end the session that made it".to_owned());
            continue;
        }
        // A TOAST table is vacuumed with the table it belongs to.
        let pressure = Pressure { table: basis.owner(table), ..pressure };
        match due.iter_mut().find(|other| other.table.table == pressure.table.table) {
            Some(other) if other.share < pressure.share => *other = pressure,
            Some(_) => {}
            None => due.push(pressure),
        }
    }
    due.sort_by(|one, two| two.share.total_cmp(&one.share).then_with(|| one.table.table.cmp(&two.table.table)));
    for Pressure { table, why, emergency, .. } in due {
        if !basis.may(plan, table, "VACUUM (FREEZE) of", "MAINTAIN") {
            continue;
        }
        let work = Work::Vacuum {
            table: table.table.clone(),
            relfilenode: table.relfilenode,
            freeze: true,
            emergency,
            truncate: false,
            workers: basis.policy.vacuum.workers,
        };
        plan.push(basis, Class::Wraparound, work, why, None);
    }
}

/// Freezes nothing that retention is about to drop, unless there is no time left for that to fail.
pub(super) fn spare(basis: &Basis<'_>, plan: &mut Plan) {
    let is_spared = |item: &Item| {
        let Work::Vacuum { table, emergency: false, .. } = &item.work else { return false };
        item.class == Class::Wraparound && basis.facts.table(table.oid).is_some_and(|table| plan.drops(basis, table))
    };
    let spared: Vec<bool> = plan.items.iter().map(is_spared).collect();
    let mut spared = spared.into_iter();
    plan.items.retain(|_| !spared.next().unwrap_or(false));
}

fn pressure<'a>(basis: &Basis<'_>, table: &'a TableFacts) -> Option<Pressure<'a>> {
    if table.kind == TableKind::Partitioned {
        return None;
    }
    let of = &table.autovacuum;
    let ages = [
        (table.xid_age, of.freeze_max_age, "transactions"),
        (table.mxid_age, of.multixact_freeze_max_age, "multixacts"),
    ];
    let shares = ages.into_iter().filter_map(|(age, most, what)| Some((age?, most.max(1), what)));
    let nearest = shares.map(|(age, most, what)| (age as f64 / most as f64, age, most, what));
    let (share, age, most, what) = nearest.max_by(|one, two| one.0.total_cmp(&two.0))?;
    let toast = if table.kind == TableKind::Toast { "its TOAST table is " } else { "" };
    let why = format!(
        "{toast}{age} {what} old, {} of the {most} at which autovacuum insists",
        super::percent(age as f64, most as f64)
    );
    let oldest = table.xid_age.max(table.mxid_age).unwrap_or(0);
    let emergency = u64::try_from(oldest).unwrap_or(0) >= basis.policy.freeze.emergency;
    Some(Pressure { table, share, why, emergency })
}
