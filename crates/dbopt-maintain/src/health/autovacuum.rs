//! Tables that autovacuum does not keep up with.
//!
//! Dead rows beyond the number at which autovacuum should have come say that it does not; why is told by what else is known,
//! because only one of the causes is cured by making it faster. The settings that are proposed are of the table alone: those of
//! the server suit the many small tables (<https://www.postgresql.org/docs/current/runtime-config-autovacuum.html>).

use crate::facts::{Facts, Holder, TableFacts, TableKind};
use crate::object::TableRef;

/// A table that autovacuum does not keep up with.
#[derive(Clone, Debug, PartialEq)]
pub struct Behind {
    /// The table; of a TOAST table the one it belongs to.
    pub table: TableRef,
    /// Why.
    pub cause: Cause,
    /// What was seen, as a sentence without full stop.
    pub why: String,
    /// Settings of the table that would help, with their values; none where settings do not.
    pub settings: Vec<(String, String)>,
}

/// Why autovacuum does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It is switched off, for all or for this table.
    Off,
    /// It comes, and may not remove what somebody may still see.
    Held,
    /// It takes longer for the table than the next dead rows take to come, or finds no time for it.
    Slow,
    /// It waits for so many dead rows that queries pay for them and each pass is long.
    Rare,
    /// It does not analyse it.
    Unanalyzed,
}

impl Behind {
    /// The statement that makes the settings, if there are any.
    #[must_use]
    pub fn statement(&self) -> Option<String> {
        let settings: Vec<String> = self.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        (!settings.is_empty()).then(|| format!("ALTER TABLE {} SET ({});", self.table, settings.join(", ")))
    }
}

/// With so many times the dead rows it waits for, it is overdue rather than on its way.
const OVERDUE: f64 = 2.0;
/// So many dead rows are worth a pass, however large the table.
const ENOUGH: f64 = 1_000_000.0;
/// Below so many dead rows nothing is said.
const FEW: f64 = 10_000.0;
/// A pass should take no more than this share of the time until the next.
const BUSY: f64 = 0.5;
/// The cost of reading a page that is not in the cache, and of making one dirty (`vacuum_cost_page_miss` as of 14,
/// `vacuum_cost_page_dirty`).
const MISS: f64 = 2.0;
const DIRTY: f64 = 20.0;
const SECOND: f64 = 1e6;

/// All such tables of users, the worst cause first and then the most dead rows.
#[must_use]
pub fn behind(facts: &Facts) -> Vec<Behind> {
    let mut found: Vec<(i64, Behind)> = Vec::new();
    for table in facts.tables.iter().filter(|table| !table.is_system && !table.is_temp) {
        if table.kind == TableKind::Partitioned {
            continue;
        }
        let found_here = [dead(facts, table), unanalyzed(facts, table)];
        found.extend(found_here.into_iter().flatten().map(|behind| (table.n_dead, behind)));
    }
    found.sort_by(|one, two| {
        one.1.cause.cmp(&two.1.cause).then(two.0.cmp(&one.0)).then_with(|| one.1.table.cmp(&two.1.table))
    });
    found.into_iter().map(|(_, behind)| behind).collect()
}

/// What its dead rows say of a table.
fn dead(facts: &Facts, table: &TableFacts) -> Option<Behind> {
    let (rows, dead) = (table.rows.unwrap_or(table.n_live as f64), table.n_dead as f64);
    let limit = table.autovacuum.dead_limit(rows);
    let waits = format!("{dead:.0} rows of {} are dead, and autovacuum comes at {limit:.0}", what(table));
    let overdue = dead >= FEW && dead > limit * OVERDUE;
    if overdue && !(table.autovacuum.enabled && facts.server.autovacuum.enabled && facts.server.track_counts) {
        let own = table.autovacuum.own.iter().any(|name| name == "autovacuum_enabled");
        let (which, settings) = match own && facts.server.autovacuum.enabled {
            true => ("is off for this table", vec![("autovacuum_enabled".to_owned(), "on".to_owned())]),
            false => ("is off on this server: autovacuum and track_counts have to be on", Vec::new()),
        };
        let why = format!("{dead:.0} rows of {} are dead, and autovacuum {which}", what(table));
        return Some(said(facts, table, Cause::Off, why, settings));
    }
    if overdue && let Some(holder) = holder(facts, table) {
        let why = format!("{waits}; it came after `{}` began to hold them, and may not remove them", holder.name);
        return Some(said(facts, table, Cause::Held, why, Vec::new()));
    }
    let (pass, interval) = (pass(facts, table), interval(facts, table, limit));
    if let Some(interval) = interval
        && (overdue || (dead >= FEW && pass > interval))
    {
        let why =
            format!("{waits}; a pass takes about {pass:.0} s, and the next {limit:.0} die within {interval:.0} s");
        return Some(said(facts, table, Cause::Slow, why, faster(facts, pass, interval)));
    }
    if overdue {
        let why = format!("{waits}; it has not come since it began to count");
        return Some(said(facts, table, Cause::Slow, why, Vec::new()));
    }
    // So that about as many dead rows are enough; two digits are enough for that.
    let share = ENOUGH / rows.max(1.0);
    (limit > ENOUGH * OVERDUE && dead >= ENOUGH).then(|| {
        let digits = (1.0 - share.log10().floor()).clamp(2.0, 9.0) as usize;
        let settings = vec![("autovacuum_vacuum_scale_factor".to_owned(), format!("{share:.digits$}"))];
        said(facts, table, Cause::Rare, waits, settings)
    })
}

/// Whether it is analysed in time.
fn unanalyzed(facts: &Facts, table: &TableFacts) -> Option<Behind> {
    let (rows, changed) = (table.rows.unwrap_or(table.n_live as f64), table.n_mod_since_analyze as f64);
    let limit = table.autovacuum.analyze_limit(rows);
    if table.kind == TableKind::Toast || changed < FEW || changed <= limit * OVERDUE {
        return None;
    }
    let is_off = !table.autovacuum.enabled || !facts.server.autovacuum.enabled || !facts.server.track_counts;
    let cause = if is_off { "is off" } else { "has not found the time" };
    let why = format!(
        "{changed:.0} rows of {} changed since it was analysed, where {limit:.0} should have brought autovacuum, which {cause}",
        what(table)
    );
    Some(said(facts, table, Cause::Unanalyzed, why, Vec::new()))
}

/// Who has held the table's dead rows since before the last pass. Without a pass nobody can have hindered it.
fn holder<'a>(facts: &'a Facts, table: &TableFacts) -> Option<&'a Holder> {
    let since = (facts.server.now - table.last_autovacuum?) as f64 / SECOND;
    facts.horizon.iter().find(|holder| !holder.only_catalogues && holder.seconds.is_none_or(|seconds| seconds > since))
}

/// Seconds that a pass over a table and its indexes takes when nothing is in the cache: each page is read, and those with dead
/// rows are written. Workers share the limit, and this one is taken to be alone.
fn pass(facts: &Facts, table: &TableFacts) -> f64 {
    let page = f64::from(facts.server.block_size.max(1));
    let pages = table.bytes as f64 / page;
    let of_indexes = facts.indexes.iter().filter(|index| index.index.table.oid == table.table.oid);
    let indexes = of_indexes.map(|index| index.bytes as f64 / page).sum::<f64>();
    let dirty = pages.min(table.n_dead as f64);
    let cost = (pages + indexes) * MISS + dirty * DIRTY;
    let (own_limit, own_delay) = table.autovacuum.own_cost;
    let limit = own_limit.filter(|limit| *limit > 0).map_or(f64::from(facts.server.cost_limit), |limit| limit as f64);
    let delay = own_delay.filter(|delay| *delay >= 0.0).unwrap_or(facts.server.cost_delay_ms);
    cost / limit.max(1.0) * delay / 1000.0
}

/// Seconds in which as many rows die as bring autovacuum, by how many have died since it last came.
fn interval(facts: &Facts, table: &TableFacts, limit: f64) -> Option<f64> {
    let since = (facts.server.now - table.vacuumed()?) as f64 / SECOND;
    (table.n_dead > 0 && since > 0.0).then(|| since * limit / table.n_dead as f64)
}

/// A cost limit with which a pass takes half of the interval; the server allows 10,000 at most.
fn faster(facts: &Facts, pass: f64, interval: f64) -> Vec<(String, String)> {
    const MOST: f64 = 10_000.0;
    let factor = (pass / (interval * BUSY)).max(OVERDUE);
    let limit = (f64::from(facts.server.cost_limit) * factor).ceil();
    let mut settings = vec![("autovacuum_vacuum_cost_limit".to_owned(), format!("{:.0}", limit.min(MOST)))];
    if limit > MOST {
        settings.push(("autovacuum_vacuum_cost_delay".to_owned(), "0".to_owned()));
    }
    settings
}

/// Settings of a TOAST table are made on the table it belongs to.
fn said(facts: &Facts, table: &TableFacts, cause: Cause, why: String, settings: Vec<(String, String)>) -> Behind {
    let owner = facts.tables.iter().find(|owner| owner.toast == Some(table.table.oid));
    let prefix = if owner.is_some() { "toast." } else { "" };
    let settings = settings.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect();
    Behind { table: owner.unwrap_or(table).table.clone(), cause, why, settings }
}

fn what(table: &TableFacts) -> &'static str {
    if table.kind == TableKind::Toast { "its TOAST table" } else { "it" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Autovacuum, HolderKind, ServerFacts};

    const HOUR: i64 = 3_600_000_000;

    /// A table of 100,000 rows, of which so many are dead, vacuumed an hour ago.
    fn facts(change: impl FnOnce(&mut TableFacts)) -> Facts {
        let server = ServerFacts {
            now: 100 * HOUR,
            block_size: 8192,
            cost_limit: 200,
            cost_delay_ms: 2.0,
            track_counts: true,
            ..ServerFacts::default()
        };
        let mut table = TableFacts {
            table: TableRef { oid: 1, schema: "public".to_owned(), name: "t".to_owned() },
            rows: Some(100_000.0),
            bytes: 100 << 20,
            last_autovacuum: Some(99 * HOUR),
            ..TableFacts::default()
        };
        change(&mut table);
        Facts { server, tables: vec![table], ..Facts::default() }
    }

    fn only(facts: &Facts) -> Behind {
        let mut found = behind(facts);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn a_table_within_its_limits_is_left_alone() {
        assert_eq!(behind(&facts(|table| table.n_dead = 15_000)), []);
        assert_eq!(behind(&facts(|table| (table.n_dead, table.is_system) = (900_000, true))), []);
    }

    #[test]
    fn where_it_is_off_it_is_to_be_switched_on() {
        let off = facts(|table| {
            table.n_dead = 80_000;
            table.autovacuum =
                Autovacuum { enabled: false, own: vec!["autovacuum_enabled".to_owned()], ..Autovacuum::default() };
        });
        let said = only(&off);
        assert_eq!(said.cause, Cause::Off);
        assert_eq!(said.statement().as_deref(), Some("ALTER TABLE public.t SET (autovacuum_enabled = on);"));
        let mut everywhere = facts(|table| table.n_dead = 80_000);
        everywhere.server.autovacuum.enabled = false;
        assert_eq!((only(&everywhere).cause, only(&everywhere).statement()), (Cause::Off, None));
    }

    #[test]
    fn what_is_held_is_not_cured_by_settings() {
        let mut held = facts(|table| table.n_dead = 80_000);
        let holder = |seconds| Holder {
            kind: HolderKind::Prepared,
            name: "lost".to_owned(),
            seconds: Some(seconds),
            ..Holder::default()
        };
        held.horizon = vec![holder(7200.0)];
        let said = only(&held);
        assert_eq!((said.cause, said.statement()), (Cause::Held, None));
        assert!(said.why.contains("`lost`"), "{}", said.why);
        held.horizon = vec![holder(60.0)];
        assert_eq!(only(&held).cause, Cause::Slow, "it began after the last pass");
    }

    #[test]
    fn a_pass_that_takes_longer_than_the_next_dead_rows_is_to_be_faster() {
        let slow = facts(|table| {
            (table.n_dead, table.bytes) = (45_000, 40 << 30);
            table.last_autovacuum = Some(100 * HOUR - 60_000_000);
        });
        let said = only(&slow);
        // 5.2 million pages at 2 and 45,000 at 20 cost 11.4 million, at 100,000 a second: 114 s; 20,050 die in 27 s.
        assert_eq!(said.cause, Cause::Slow);
        assert_eq!(
            said.why,
            "45000 rows of it are dead, and autovacuum comes at 20050; a pass takes about 114 s, and the next 20050 die \
             within 27 s"
        );
        assert_eq!(
            said.statement().as_deref(),
            Some("ALTER TABLE public.t SET (autovacuum_vacuum_cost_limit = 1704);")
        );
        let all = faster(&slow, 1e6, 1.0);
        assert_eq!(all[1], ("autovacuum_vacuum_cost_delay".to_owned(), "0".to_owned()));
    }

    #[test]
    fn a_large_table_is_to_be_visited_more_often() {
        let rare = facts(|table| (table.n_dead, table.rows) = (15_000_000, Some(100e6)));
        let said = only(&rare);
        assert_eq!(said.cause, Cause::Rare);
        assert_eq!(
            said.statement().as_deref(),
            Some("ALTER TABLE public.t SET (autovacuum_vacuum_scale_factor = 0.010);")
        );
    }

    #[test]
    fn settings_of_a_toast_table_are_made_on_its_table() {
        let mut toast = facts(|table| {
            (table.n_dead, table.kind) = (80_000, TableKind::Toast);
            table.autovacuum.enabled = false;
            table.autovacuum.own = vec!["autovacuum_enabled".to_owned()];
        });
        let owner = TableRef { oid: 2, schema: "public".to_owned(), name: "owner".to_owned() };
        toast.tables.push(TableFacts { table: owner, toast: Some(1), ..TableFacts::default() });
        assert_eq!(
            only(&toast).statement().as_deref(),
            Some("ALTER TABLE public.owner SET (toast.autovacuum_enabled = on);")
        );
    }

    #[test]
    fn what_is_not_analysed_is_told() {
        let changed = facts(|table| table.n_mod_since_analyze = 60_000);
        assert_eq!(only(&changed).cause, Cause::Unanalyzed);
        assert_eq!(behind(&facts(|table| table.n_mod_since_analyze = 15_000)), []);
    }
}
