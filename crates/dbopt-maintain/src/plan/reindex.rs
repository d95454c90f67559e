//! To make an index smaller.

use super::{Basis, Class, Plan, Work, percent, span};
use crate::bloat::IndexBloat;
use crate::facts::IndexFacts;

pub(super) fn plan(basis: &Basis<'_>, plan: &mut Plan) {
    let rule = &basis.policy.reindex;
    if !rule.enabled {
        return;
    }
    let mut due: Vec<(u64, &IndexFacts, &IndexBloat)> = Vec::new();
    for index in &basis.facts.indexes {
        let Some(table) = basis.facts.table(index.index.table.oid) else { continue };
        if !basis.is_in_scope(basis.owner(table)) || table.is_temp {
            continue;
        }
        if !index.is_valid {
            note_invalid(plan, index);
            continue;
        }
        let Some((gain, bloat)) = gain(basis, index) else { continue };
        if gain < rule.bytes || (gain as f64) < rule.share * bloat.bytes_now as f64 || gain == 0 {
            continue;
        }
        if !is_refused(plan, index, gain) && is_rested(basis, plan, index) {
            due.push((gain, index, bloat));
        }
    }
    due.sort_by(|one, two| two.0.cmp(&one.0).then_with(|| one.1.index.cmp(&two.1.index)));
    if let Some((gain, ..)) = due.first()
        && !dbopt_run::builds_concurrently(basis.facts.server.version_num)
    {
        let message = format!(
            "{} indexes are worth rebuilding, the first of them for {gain} bytes, and this server may corrupt them",
            due.len()
        );
        plan.note("unsafe-server", message, "update PostgreSQL to 14.4 or later".to_owned());
        return;
    }
    for (gain, index, bloat) in due {
        let Some(table) = basis.facts.table(index.index.table.oid) else { continue };
        if is_refused(plan, index, gain)
            || plan.drops(basis, basis.owner(table))
            || !basis.may(plan, basis.owner(table), "REINDEX of an index of", "MAINTAIN")
        {
            continue;
        }
        let why =
            format!("{} of its {} bytes are empty", percent(gain as f64, bloat.bytes_now as f64), bloat.bytes_now);
        let work = Work::Reindex { index: index.index.clone(), bytes_after: bloat.bytes_after };
        plan.push(basis, Class::Reindex, work, why, Some(gain));
    }
}

fn gain<'a>(basis: &Basis<'a>, index: &IndexFacts) -> Option<(u64, &'a IndexBloat)> {
    let bloat = basis.estimates.indexes.get(&index.index.oid)?;
    bloat.reclaimable().map(|gain| (gain, bloat))
}

/// Whether it was not rebuilt so lately that rebuilding it again would not help for long.
fn is_rested(basis: &Basis<'_>, plan: &mut Plan, index: &IndexFacts) -> bool {
    let (schema, name) = (&index.index.table.schema, &index.index.name);
    let Some(last) = basis.history.last("reindex", schema, name) else { return true };
    let since = std::time::Duration::from_micros(u64::try_from(basis.facts.server.now - last).unwrap_or(0));
    if since >= basis.policy.reindex.rest {
        return true;
    }
    let message = format!("`{}` is bloated again, {} after it was rebuilt", index.index, span(since));
    let help = "look for long transactions, or lower the fillfactor; it is left alone until it has rested".to_owned();
    plan.note("bloats-again", message, help);
    false
}

/// `REINDEX CONCURRENTLY` is not possible for an exclusion constraint; rebuilding it otherwise would lock writers out.
fn is_refused(plan: &mut Plan, index: &IndexFacts, gain: u64) -> bool {
    if index.is_exclusion {
        let message = format!(
            "`{}` has {gain} empty bytes, and stands for an exclusion constraint, which cannot be rebuilt concurrently",
            index.index
        );
        plan.note(
            "exclusion-constraint",
            message,
            format!("REINDEX INDEX {}; locks writers out meanwhile", index.index),
        );
    }
    index.is_exclusion
}

fn note_invalid(plan: &mut Plan, index: &IndexFacts) {
    let message = format!(
        "`{}` is not valid: no query uses it, and {}",
        index.index,
        if index.is_ready { "every write pays for it" } else { "its build was broken off" }
    );
    let drop = format!("DROP INDEX CONCURRENTLY {};", index.index);
    let help = match is_leftover(&index.index.name) {
        // The index that was rebuilt is there beside it; rebuilding this one would make a second of the same.
        true => format!("undo what a broken-off rebuild has left: {drop}"),
        false => format!("finish or undo what made it: REINDEX INDEX CONCURRENTLY {}; or {drop}", index.index),
    };
    plan.note("invalid-index", message, help);
}

/// Whether an index has a name as `REINDEX CONCURRENTLY` gives it for a while
/// (<https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY>).
fn is_leftover(name: &str) -> bool {
    let stem = name.trim_end_matches(|last: char| last.is_ascii_digit());
    stem.ends_with("_ccnew") || stem.ends_with("_ccold")
}
