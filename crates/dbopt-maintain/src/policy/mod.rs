//! The policy `maintenance`: what is kept in order, from which measure on, what may go, and how carefully.
//!
//! How a run behaves is read by `dbopt-run` from the same table, so that windows, throttles and locks are written as in
//! the policy `run` and mean the same.

mod retention;
mod threshold;

use std::time::Duration;

use dbopt_policy::{Fault, Policy, Table, TableSelector, Windows};
use dbopt_run::{Options, RunPolicy};

pub use retention::{Archive, By, RetentionRule, Whole};
pub use threshold::{AnalyzeRule, Freeze, ReindexRule, Threshold, VacuumRule};

/// What the policy says.
#[derive(Clone, Debug)]
pub struct MaintenancePolicy {
    /// When something may be begun, and how a run behaves.
    pub run: RunPolicy,
    /// The databases to maintain; the one that is connected to, when there are none.
    pub databases: Vec<String>,
    /// Which tables are maintained.
    pub scope: Scope,
    /// When a table is vacuumed, and how.
    pub vacuum: VacuumRule,
    /// When a table is analysed.
    pub analyze: AnalyzeRule,
    /// When a table is frozen; holds for tables out of scope too, since wraparound stops the whole cluster.
    pub freeze: Freeze,
    /// When an index is rebuilt.
    pub reindex: ReindexRule,
    /// What may go.
    pub retention: Vec<RetentionRule>,
    /// Whether bloat is measured exactly by pgstattuple, where that is installed and allowed.
    pub exact_bloat: bool,
    /// Who is told about a run.
    pub notify: Option<Notify>,
    /// A run that was completed longer ago than this is overdue.
    pub overdue: Duration,
}

/// Which tables are maintained.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// Those that one of these selects; all, when there are none.
    pub tables: Vec<TableSelector>,
    /// But not those that one of these selects.
    pub exclude: Vec<TableSelector>,
}

impl Scope {
    /// Whether a table is maintained.
    #[must_use]
    pub fn contains(&self, schema: &str, table: &str) -> bool {
        let any = |selectors: &[TableSelector]| selectors.iter().any(|selector| selector.matches(schema, table));
        (self.tables.is_empty() || any(&self.tables)) && !any(&self.exclude)
    }
}

/// Who is told about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// A shell command that gets the report as JSON on its standard input.
    pub command: String,
    /// Whether it is told of runs in which all went well, too.
    pub always: bool,
    /// How long it may take.
    pub longest: Duration,
}

/// What holds without a policy: nothing goes, and the rest has its usual measure.
impl Default for MaintenancePolicy {
    fn default() -> Self {
        Self {
            run: RunPolicy { windows: Windows::default(), options: Options::default() },
            databases: Vec::new(),
            scope: Scope::default(),
            vacuum: VacuumRule::default(),
            analyze: AnalyzeRule::default(),
            freeze: Freeze::default(),
            reindex: ReindexRule::default(),
            retention: Vec::new(),
            exact_bloat: false,
            notify: None,
            overdue: 2 * DAY,
        }
    }
}

impl Policy for MaintenancePolicy {
    const KIND: &'static str = "maintenance";
    const ABOUT: &'static str = "What VACUUM, REINDEX and retention do to a database, and when.";

    fn read(table: &Table<'_>) -> Option<Self> {
        let run = RunPolicy::read(table);
        let databases =
            table.or("databases", "The databases to maintain; the one connected to, when not given.", Vec::new());
        let scope = Scope {
            tables: table.or("tables", "The tables to maintain; all when not given.", Vec::new()),
            exclude: table.or("exclude", "Tables to leave alone; wraparound is prevented all the same.", Vec::new()),
        };
        let retention = table.sections("retention", "What may go, and when.", |rule| RetentionRule::read(rule, &scope));
        twice(table, &retention);
        let policy = Self {
            databases,
            vacuum: table.section("vacuum", "When a table is vacuumed, and how.", VacuumRule::read),
            analyze: table.section("analyze", "When a table is analysed.", AnalyzeRule::read),
            freeze: table.section("freeze", "When a table is frozen, before the server insists on it.", Freeze::read),
            reindex: table.section("reindex", "When an index is rebuilt.", ReindexRule::read),
            exact_bloat: table.or(
                "exact_bloat",
                "Whether bloat is measured by pgstattuple, which reads whole tables; where it is not installed or allowed it is estimated.",
                false,
            ),
            notify: table.optional_section("notify", "Who is told about a run.", notify),
            overdue: table.or("overdue", "A run that was completed longer ago than this is overdue.", 2 * DAY),
            run: run?,
            scope,
            retention,
        };
        let limits = &policy.run.options.limits;
        if limits.replica_bytes.is_none() && limits.replica_time.is_none() {
            let fault = Fault::new("no-lag-limit", "replicas may fall behind without limit");
            table.warn("throttle", fault.help("Give `replica_bytes` or `replica_time` a value in `[throttle]`."));
        }
        Some(policy)
    }
}

/// A day.
const DAY: Duration = Duration::from_secs(86_400);

/// Refuses two rules for one table: which of them holds would depend on their order.
fn twice(table: &Table<'_>, rules: &[RetentionRule]) {
    for (at, rule) in rules.iter().enumerate() {
        if rules[..at].iter().any(|other| other.table == rule.table) {
            let message = format!("two retention rules are for `{}.{}`", rule.table.0, rule.table.1);
            table.reject("retention", Fault::new("doubled-rule", message).help("Keep one of them."));
        }
    }
}

fn notify(table: &Table<'_>) -> Option<Notify> {
    let command = table.required("command", "A shell command that gets the report as JSON on its standard input.");
    let always = table.choice(
        "on",
        "Which runs it is told of: those with trouble, when not given.",
        &[("trouble", false), ("always", true)],
    );
    let longest = table.or("longest", "How long it may take.", Duration::from_secs(30));
    Some(Notify { command: command?, always: always.unwrap_or(false), longest })
}

#[cfg(test)]
mod tests;
