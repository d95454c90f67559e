//! Who keeps dead rows from being removed.
//!
//! What nobody holds yet may be held tomorrow, so it is said even when too few rows are dead for a VACUUM, and again after a
//! run for what VACUUM has left.

use std::time::Duration;

use dbopt_pg::Session;

use super::{Basis, Note, Plan, span};
use crate::error::Error;
use crate::facts::{Holder, TableKind, horizon};
use crate::policy::MaintenancePolicy;

/// Dead rows, and in how many tables they are.
#[derive(Clone, Copy, Debug, Default)]
struct Dead {
    rows: i64,
    tables: i64,
}

/// Tells of who holds them longer than the policy has a transaction be old.
pub(super) fn plan(basis: &Basis<'_>, plan: &mut Plan) {
    let with_dead = basis.facts.tables.iter().filter(|table| table.n_dead > 0 && table.kind != TableKind::Partitioned);
    let dead = with_dead.fold(Dead::default(), |sum, table| Dead {
        rows: sum.rows.saturating_add(table.n_dead),
        tables: sum.tables + 1,
    });
    let holders = basis.facts.horizon.iter().filter(|holder| is_old(holder, basis.policy));
    plan.notes.extend(holders.map(|holder| note(holder, dead)));
}

/// Who holds dead rows still after a run: longer than the policy has a transaction be old, or those that VACUUM has just left
/// in one of these tables.
///
/// # Errors
/// When the session fails.
pub async fn still_held(session: &Session, policy: &MaintenancePolicy, vacuumed: &[u32]) -> Result<Vec<Note>, Error> {
    let holders = horizon(session).await?;
    let holders: Vec<&Holder> = holders.iter().filter(|holder| !holder.only_catalogues).collect();
    let mut notes = Vec::new();
    if holders.iter().any(|holder| is_old(holder, policy)) {
        let all = dead(session, None).await?;
        notes.extend(holders.iter().filter(|holder| is_old(holder, policy)).map(|holder| note(holder, all)));
    } else if let Some(oldest) = holders.first() {
        let left = dead(session, Some(vacuumed)).await?;
        notes.extend((left.rows > 0).then(|| note(oldest, left)));
    }
    Ok(notes)
}

/// The dead rows of some tables, or of all, as the server counts.
async fn dead(session: &Session, tables: Option<&[u32]>) -> Result<Dead, Error> {
    let sql = "SELECT coalesce(pg_catalog.sum(s.n_dead_tup), 0)::bigint, pg_catalog.count(*) FROM pg_catalog.pg_stat_all_tables s \
               WHERE s.n_dead_tup > 0 AND ($1::oid[] IS NULL OR s.relid = ANY ($1))";
    let rows = session.query(sql, &[&tables]).await?;
    Ok(rows.first().map_or(Dead::default(), |row| Dead { rows: row.get(0), tables: row.get(1) }))
}

fn is_old(holder: &Holder, policy: &MaintenancePolicy) -> bool {
    let oldest = policy.run.options.oldest_transaction.as_secs_f64();
    !holder.only_catalogues && holder.seconds.is_some_and(|seconds| seconds > oldest)
}

fn note(holder: &Holder, dead: Dead) -> Note {
    let since = holder.seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let since = since.map(|since| format!(" for {}", span(since))).unwrap_or_default();
    let age = holder.xid_age.map(|age| format!(", {age} transactions old")).unwrap_or_default();
    let tables = if dead.tables == 1 { "table" } else { "tables" };
    let dead = match dead.rows {
        1.. => format!("; {} rows of {} {tables} are dead", dead.rows, dead.tables),
        _ => String::new(),
    };
    let message = format!("`{}` has kept rows that died since from being removed{since}{age}{dead}", holder.name);
    Note::new("horizon-held", message, holder.remedy.clone())
}
