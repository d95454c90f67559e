//! To be rid of what is expired.
//!
//! What is expired is reckoned from the server's clock, once. A partition goes when its real upper bound says that all
//! its rows are older; a name says nothing. Bounds without a time zone are on a clock that the database does not know, so
//! they count as those of the place where that hour comes last, twelve hours after UTC.

use super::{Archived, Basis, Class, Cutoff, How, Item, Plan, Work, span};
use crate::actions::Method;
use crate::facts::{Bound, Facts, Moment, PartitionFacts, TableFacts, TableKind};
use crate::policy::{Archive, By, RetentionRule, Whole};

/// How far a rule reaches in one database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expired {
    /// By table, parts of the rule's table among them.
    pub tables: Vec<Reach>,
    /// Why rows cannot be found by the rule.
    pub fault: Option<String>,
    /// What to do about that, unless it is to correct the policy.
    pub help: Option<String>,
}

/// What a rule reaches in one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// The table.
    pub oid: u32,
    /// Rows that are expired, as the server's planner estimates.
    pub rows: Option<f64>,
    /// Whether any is, where that could be looked up by an index, or in a small table.
    pub has_any: Option<bool>,
    /// Whether the column has no time zone.
    pub is_civil: bool,
    /// Whether the column is of whole days.
    pub is_day: bool,
    /// How far rows lie in the order of their times: 1 or -1 when they do (`pg_stats.correlation`).
    pub correlation: Option<f64>,
    /// Whether an index begins with the column.
    pub is_indexed: bool,
    /// Whether a BRIN index has the column.
    pub is_summarised: bool,
}

/// Twelve hours, in microseconds.
pub(super) const LAST_ZONE: i64 = 12 * 3600 * 1_000_000;

pub(super) fn plan(basis: &Basis<'_>, plan: &mut Plan) {
    for (at, rule) in basis.policy.retention.iter().enumerate() {
        let (schema, name) = &rule.table;
        let found = basis.facts.tables.iter().find(|table| table.table.schema == *schema && table.table.name == *name);
        let Some(table) = found else {
            let message = format!("there is no table `{schema}.{name}`, for which there is a retention rule");
            plan.note("no-such-table", message, "correct the policy".to_owned());
            continue;
        };
        if !basis.policy.scope.contains(schema, name) {
            continue;
        }
        let cutoff = cutoff(rule, basis.facts.server.now);
        let expired = basis.expired.get(at);
        if let Some(fault) = expired.and_then(|expired| expired.fault.as_ref()) {
            let message = format!("the retention rule for `{}` cannot be applied: {fault}", table.table);
            let help = expired.and_then(|expired| expired.help.clone());
            plan.note("rule-fails", message, help.unwrap_or_else(|| "correct the policy".to_owned()));
            continue;
        }
        match &rule.by {
            By::Rows { column } => rows(basis, plan, (rule, cutoff, expired), table, column),
            By::Partitions { .. } => partitions(basis, plan, (rule, cutoff, expired), table),
        }
    }
}

/// What is before this is expired by a rule at a moment.
pub(super) fn cutoff(rule: &RetentionRule, now: i64) -> i64 {
    now.saturating_sub(i64::try_from(rule.keep.as_micros()).unwrap_or(i64::MAX))
}

/// A rule, what it comes to now, and what it reaches.
type Ruled<'a> = (&'a RetentionRule, i64, Option<&'a Expired>);

/// Rows of a table that go one by one; of a partitioned one, those of its partitions.
fn rows(basis: &Basis<'_>, plan: &mut Plan, ruled: Ruled<'_>, table: &TableFacts, column: &str) {
    if table.kind == TableKind::Partitioned {
        let parts = basis.facts.partitions.iter().filter(|partition| partition.parent.oid == table.table.oid);
        for part in parts.filter_map(|partition| basis.facts.table(partition.table.oid)) {
            rows(basis, plan, ruled, part, column);
        }
        return;
    }
    let (rule, cutoff, expired) = ruled;
    let reach = expired.and_then(|expired| expired.tables.iter().find(|reach| reach.oid == table.table.oid));
    // What was not looked at is not touched. The size of a locked table is not known, and the run names who locks it.
    let Some(reach) = reach.filter(|_| table.bytes > 0 || table.is_locked) else { return };
    let expected = reach.rows;
    let is_one_or_none = expected.is_some_and(|rows| rows <= 1.0);
    // The planner never estimates none: one of many is as good as none, unless its statistics are older than the rows.
    let is_counted = table.n_live > 1000 && table.n_mod_since_analyze == 0;
    if !reach.has_any.unwrap_or(!(is_one_or_none && is_counted)) {
        return;
    }
    // Of what the statistics say to be expired, no more can have gone since than was changed since.
    let is_uncertain =
        reach.has_any.is_none() && expected.is_none_or(|rows| rows <= table.n_mod_since_analyze.max(1) as f64);
    if table.is_locked {
        let message = format!(
            "somebody keeps everybody out of `{}`, so how many of its rows are expired cannot be seen",
            table.table
        );
        plan.note("locked", message, "rows go as soon as the lock does; a run names who holds it".to_owned());
    }
    // Rows that may have to stay are locked before they are deleted, for which the server wants UPDATE.
    let rights =
        if rule.exempt.reasons.is_empty() { "MAINTAIN, SELECT, DELETE" } else { "MAINTAIN, SELECT, UPDATE, DELETE" };
    if !basis.may(plan, table, "deleting rows of", rights) {
        return;
    }
    let about = expected.map(|rows| format!(", about {rows:.0} rows")).unwrap_or_default();
    let unless =
        if is_uncertain && !table.is_locked { "; whether any is left only reading them all tells" } else { "" };
    let stays = rule.exempt.in_words();
    let why = format!("`{column}` of rows is more than {} ago{about}{unless}{stays}", span(rule.keep));
    let all = table.rows.unwrap_or(0.0).max(table.n_live as f64);
    let share = expected.filter(|_| all > 0.0).map(|rows| (rows / all).min(1.0));
    let gain = share.map(|share| (table.bytes as f64 * share) as u64);
    // Where an index helps, they are counted before.
    if let Some((rows, most, key)) = too_many(rule, expected, all).filter(|_| !reach.is_indexed) {
        let message = format!(
            "about {rows:.0} rows of `{}` are expired, and `{key}` of its rule allows {most:.0}: none will go if there are more",
            table.table
        );
        plan.note("too-many", message, format!("if they are meant to go, let `{key}` be larger for once"));
    }
    if reach.has_any.is_none() && !reach.is_indexed && !reach.is_summarised && !table.is_locked {
        without_index(basis, plan, table, reach, column);
    }
    let version = basis.facts.server.version_num;
    let how = match Method::choose(share, reach.correlation, reach.is_indexed, version) {
        Method::Pages => How::Pages,
        Method::Keys => How::Keys,
    };
    let work = Work::DeleteRows {
        table: table.table.clone(),
        relfilenode: table.relfilenode,
        column: column.to_owned(),
        cutoff: cutoff_for(reach, cutoff),
        how,
        most_rows: rule.most_rows,
        most_share: rule.most_share,
        cascades: rule.cascades.iter().map(ToString::to_string).collect(),
        triggers: rule.triggers.clone(),
        exempt: rule.exempt.clone(),
        archive: rule.archive.as_ref().map(archived),
    };
    plan.push(basis, Class::Retention, work, why, gain).is_uncertain = is_uncertain;
}

/// Says that a run reads the whole table to find what is expired, and what would spare it that.
fn without_index(basis: &Basis<'_>, plan: &mut Plan, table: &TableFacts, reach: &Reach, column: &str) {
    let (name, column) = (&table.table, dbopt_sql::quote_ident(column));
    let message = format!(
        "no index leads to the expired rows of `{name}`, so each run reads its {} MB to find them, or that there are none",
        table.bytes >> 20
    );
    // 16 bytes of entry and a pointer of 4, in pages that are nine tenths full.
    let bytes = table.rows.unwrap_or(0.0).max(table.n_live as f64) * 20.0 / 0.9;
    let create = |method: &str| format!("CREATE INDEX CONCURRENTLY ON {name}{method} ({column});");
    let btree =
        format!("{} takes about {:.0} MB, and a little time of every write", create(""), (bytes / 1048576.0).ceil());
    let help = match reach.correlation {
        // It says of ranges of pages which times are there, which helps where rows lie in the order of their times.
        Some(correlation) if correlation.abs() > 0.9 && basis.facts.server.version_num >= 140_000 => {
            format!("{btree}; {} takes next to nothing, as rows lie in the order of their times", create(" USING brin"))
        }
        _ => btree,
    };
    plan.note("reads-all", message, help);
}

/// The cutoff as the column tells times. What is of a day may be of its last moment, so a day is expired when the cutoff is
/// not before its end.
fn cutoff_for(reach: &Reach, cutoff: i64) -> Cutoff {
    let civil = cutoff.saturating_sub(LAST_ZONE);
    match (reach.is_civil, reach.is_day) {
        (false, _) => Cutoff::Instant(cutoff),
        (true, false) => Cutoff::Civil(civil),
        (true, true) => Cutoff::Civil(civil.saturating_sub(civil.rem_euclid(2 * LAST_ZONE))),
    }
}

/// How many rows are expired, of how many that a rule allows to go at once and by which key, when it is too many.
fn too_many(rule: &RetentionRule, expected: Option<f64>, all: f64) -> Option<(f64, f64, &'static str)> {
    let limits = [(rule.most_rows as f64, "most_rows"), ((all * rule.most_share).floor(), "most_share")];
    let (most, key) = limits.into_iter().min_by(|one, two| one.0.total_cmp(&two.0))?;
    expected.filter(|rows| all > 0.0 && *rows > most).map(|rows| (rows, most, key))
}

fn partitions(basis: &Basis<'_>, plan: &mut Plan, ruled: Ruled<'_>, table: &TableFacts) {
    let (rule, cutoff, _) = ruled;
    let By::Partitions { column, prove, rest } = &rule.by else { return };
    if table.kind != TableKind::Partitioned {
        let message = format!("`{}` is not partitioned, and its retention rule is by partitions", table.table);
        plan.note("not-partitioned", message, "write `by = \"rows\"` with a `column`".to_owned());
        return;
    }
    let all: Vec<&PartitionFacts> =
        basis.facts.partitions.iter().filter(|partition| partition.parent.oid == table.table.oid).collect();
    let mut expired: Vec<(i64, &PartitionFacts)> = Vec::new();
    for partition in &all {
        match latest(partition) {
            Some(latest) if latest <= cutoff => expired.push((latest, partition)),
            Some(_) => {}
            None if has_no_end(partition) => {}
            None => {
                let message = format!("the bounds of `{}` cannot be read as times, so it is kept", partition.table);
                plan.note("unreadable-bounds", message, None);
            }
        }
    }
    expired.sort_by(|one, two| one.0.cmp(&two.0).then_with(|| one.1.table.cmp(&two.1.table)));
    // One always stays besides the default one, because an empty table is more likely a slip than a wish.
    let has_default = all.iter().any(|partition| partition.bound == Bound::Default);
    if expired.len() + usize::from(has_default) == all.len()
        && let Some((_, last)) = expired.pop()
    {
        plan.note("last-partition", format!("`{}` is expired too, and stays as the last partition", last.table), None);
    }
    if !expired.is_empty() && !basis.may(plan, table, "dropping partitions of", "MAINTAIN") {
        return;
    }
    let all_of: Vec<u32> = all.iter().map(|partition| partition.table.oid).collect();
    let going: Vec<u32> = expired.iter().map(|(_, partition)| partition.table.oid).collect();
    let refused = beyond(basis.facts, &rule.whole, &going, &all_of);
    for (latest, partition) in &expired {
        let prove = prove.then(|| column.clone()).flatten();
        let item = drop_partition(basis, plan, (rule, cutoff), (*latest, partition), (prove, has_default));
        item.refused = refused.clone().or(item.refused.take());
    }
    let Some(column) = column.as_ref().filter(|_| *rest) else {
        let staying = all.iter().filter(|partition| !expired.iter().any(|(_, gone)| gone.table == partition.table));
        for partition in staying.filter(|partition| holds_old_and_new(partition, cutoff, basis.facts.server.now)) {
            if basis.facts.table(partition.table.oid).is_some_and(|part| part.bytes > 0 || partition.is_partitioned) {
                let message =
                    format!("rows of `{}` stay however old they are, because it takes newer ones too", partition.table);
                let help = "let the rule have `rest = true` and the `column` with the time, if they are to go";
                plan.note("rest-stays", message, help.to_owned());
            }
        }
        return;
    };
    for partition in all.iter().filter(|partition| !expired.iter().any(|(_, gone)| gone.table == partition.table)) {
        if let Some(part) = basis.facts.table(partition.table.oid).filter(|_| may_hold_expired(partition, cutoff)) {
            rows(basis, plan, ruled, part, column);
        }
    }
}

/// Why partitions may not go together, of all that a table has: because of how many rows they have, as the server last
/// counted or estimated.
pub(super) fn beyond(facts: &Facts, limits: &Whole, going: &[u32], all: &[u32]) -> Option<String> {
    if going.is_empty() || (limits.most_rows, limits.most_share) == (None, None) {
        return None;
    }
    let sum = |of: &[u32]| of.iter().map(|oid| rows_of(facts, *oid)).sum::<Result<f64, String>>();
    let unknown = |table: String| {
        Some(format!(
            "`most_rows` or `most_share` limits what may go, and how many rows `{table}` has is not known: ANALYZE {table};"
        ))
    };
    let gone = match sum(going) {
        Ok(gone) => gone,
        Err(table) => return unknown(table),
    };
    if let Some(most) = limits.most_rows.filter(|most| gone > *most as f64) {
        return Some(format!(
            "about {gone:.0} rows would go with all expired partitions, and `most_rows` allows {most}"
        ));
    }
    let share = limits.most_share?;
    match sum(all) {
        Ok(all) if gone > share * all => Some(format!(
            "about {gone:.0} of {all:.0} rows would go with all expired partitions, and `most_share` allows a share of {share}"
        )),
        Ok(_) => None,
        Err(table) => unknown(table),
    }
}

/// About how many rows a table has, with those of its partitions; the table of which that is not known, if there is one.
fn rows_of(facts: &Facts, oid: u32) -> Result<f64, String> {
    let parts: Vec<u32> =
        facts.partitions.iter().filter(|part| part.parent.oid == oid).map(|part| part.table.oid).collect();
    if !parts.is_empty() {
        return parts.into_iter().map(|part| rows_of(facts, part)).sum();
    }
    let Some(table) = facts.table(oid) else { return Ok(0.0) };
    let rows = table.rows.unwrap_or(0.0).max(table.n_live as f64);
    // What was never counted is not empty.
    if rows > 0.0 || table.rows.is_some() || (table.bytes == 0 && !table.is_locked) {
        Ok(rows)
    } else {
        Err(table.table.to_string())
    }
}

fn drop_partition<'a>(
    basis: &Basis<'_>,
    plan: &'a mut Plan,
    (rule, cutoff): (&RetentionRule, i64),
    (latest, partition): (i64, &PartitionFacts),
    (prove, has_default): (Option<String>, bool),
) -> &'a mut Item {
    let facts = basis.facts.table(partition.table.oid);
    let ago = std::time::Duration::from_micros(u64::try_from(basis.facts.server.now - latest).unwrap_or(0));
    let pending = if partition.detach_pending { "; an earlier DETACH of it is to be finished" } else { "" };
    let why = format!("its upper bound was {} ago, and {} are kept{pending}", span(ago), span(rule.keep));
    let work = Work::DropPartition {
        partition: partition.table.clone(),
        relfilenode: facts.map_or(0, |facts| facts.relfilenode),
        parent: partition.parent.clone(),
        cutoff,
        has_default,
        prove,
        archive: rule.archive.as_ref().map(archived),
    };
    let gain = facts.filter(|_| !partition.is_partitioned).map(|facts| whole(basis, facts));
    plan.push(basis, Class::Retention, work, why, gain)
}

/// The instant before which all rows of a partition are, in microseconds since 1970-01-01 UTC.
fn latest(partition: &PartitionFacts) -> Option<i64> {
    match partition.upper_moment()? {
        Moment::Instant(at) => Some(at),
        Moment::Civil(at) => at.checked_add(LAST_ZONE),
    }
}

/// Whether all rows of a partition are from before the cutoff.
pub(crate) fn is_expired(partition: &PartitionFacts, cutoff: i64) -> bool {
    latest(partition).is_some_and(|latest| latest <= cutoff)
}

/// Whether a partition takes rows of any time to come, so that it never expires as a whole.
fn has_no_end(partition: &PartitionFacts) -> bool {
    match &partition.bound {
        Bound::Default => true,
        Bound::Range { to, .. } => to.iter().any(|limit| matches!(limit, crate::facts::Limit::Max)),
        _ => false,
    }
}

/// Whether rows before the cutoff may be in a partition that stays.
fn may_hold_expired(partition: &PartitionFacts, cutoff: i64) -> bool {
    match lower_moment(partition) {
        Some(Moment::Instant(at)) => at < cutoff,
        Some(Moment::Civil(at)) => at.saturating_sub(14 * 3600 * 1_000_000) < cutoff,
        // The default one, or one from the beginning of time.
        None => true,
    }
}

/// Whether expired rows may be in a partition that rows of now still go to: the default one, or one wider than what is kept.
fn holds_old_and_new(partition: &PartitionFacts, cutoff: i64, now: i64) -> bool {
    let is_open = has_no_end(partition) || latest(partition).is_some_and(|latest| latest > now);
    is_open && may_hold_expired(partition, cutoff)
}

/// The time that none of its rows is before.
fn lower_moment(partition: &PartitionFacts) -> Option<Moment> {
    let Bound::Range { from, .. } = &partition.bound else { return None };
    // The lower limit of one is the upper limit of the one below.
    let below = Bound::Range { from: Vec::new(), to: from.clone() };
    PartitionFacts { bound: below, key_types: partition.key_types.clone(), ..PartitionFacts::default() }.upper_moment()
}

/// Bytes of a table with its TOAST table and indexes.
fn whole(basis: &Basis<'_>, table: &TableFacts) -> u64 {
    let toast = table.toast.and_then(|toast| basis.facts.table(toast)).map_or(0, |toast| toast.bytes);
    let is_its = |oid: u32| oid == table.table.oid || Some(oid) == table.toast;
    let indexes = basis.facts.indexes.iter().filter(|index| is_its(index.index.table.oid));
    table.bytes + toast + indexes.map(|index| index.bytes).sum::<u64>()
}

pub(super) fn archived(archive: &Archive) -> Archived {
    match archive {
        Archive::Table(schema, name) => Archived::Table { schema: schema.clone(), name: name.clone() },
        Archive::Folder(folder) => Archived::Folder(folder.clone()),
    }
}
