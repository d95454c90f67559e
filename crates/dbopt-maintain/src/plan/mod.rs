//! What is to be done, in which order, and why: a plan as data.
//!
//! [`plan`] is a function of facts, estimates, policy and history, so that the same database at the same moment gives the
//! same plan, and a test needs no server. What it gives can be printed, compared, saved, and refused when the database has
//! changed since: an object is named by its identity as well as by its name.

mod analyze;
mod foresee;
mod held;
mod history;
mod look;
mod pace;
mod permit;
mod reindex;
mod retention;
mod spared;
mod stale;
mod vacuum;
mod work;
mod wraparound;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bloat::Estimates;
use crate::facts::{Facts, TableFacts, TableKind};
use crate::object::TableRef;
use crate::policy::MaintenancePolicy;

pub use foresee::foresee;
pub use held::still_held;
pub use history::{Done, History, Predicted, Prediction};
pub use look::expired;
pub use pace::Pace;
pub(crate) use retention::is_expired;
pub use retention::{Expired, Reach};
pub use work::{Archived, Cutoff, How, Work};

/// The version of a plan's form.
pub const VERSION: u32 = 1;

/// What is to be done in one database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "dbopt maintain plan")]
pub struct Plan {
    /// Version of this format.
    pub schema_version: u32,
    /// The database.
    pub database: String,
    /// The server's `server_version_num`.
    pub server_version_num: u32,
    /// The server's clock when it was planned, in microseconds since 1970-01-01 UTC; what is kept is reckoned from it.
    pub planned_at: i64,
    /// What is to be done, in order.
    pub items: Vec<Item>,
    /// What should be done and is not planned, or holds up what is.
    pub notes: Vec<Note>,
}

/// One thing to do to one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What it is for.
    pub class: Class,
    /// What is done to what; the statements follow from it.
    pub work: Work,
    /// The statements, exactly as they are run. Of work in batches, each batch is like this one.
    pub statements: Vec<String>,
    /// The strongest lock that they take.
    pub lock: String,
    /// What could go wrong.
    pub risk: String,
    /// Why, as a sentence without full stop.
    pub why: String,
    /// Bytes that are given back to the system, or by VACUUM made free for new rows; absent where nobody can tell.
    pub gain_bytes: Option<u64>,
    /// How long it is expected to take.
    pub predicted_seconds: Option<f64>,
    /// What that is known from.
    pub prediction: Option<Prediction>,
    /// Why a run will not do it, as far as that can be seen beforehand.
    #[serde(default)]
    pub refused: Option<String>,
    /// Whether only doing it tells if there is anything to do.
    #[serde(default)]
    pub is_uncertain: bool,
}

/// What a step is for; earlier ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// To keep transaction numbers from running out.
    Wraparound,
    /// To be rid of what is expired.
    Retention,
    /// To make room of dead rows.
    Vacuum,
    /// To know what is in a table.
    Analyze,
    /// To make an index smaller.
    Reindex,
}

impl Class {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wraparound => "wraparound",
            Self::Retention => "retention",
            Self::Vacuum => "vacuum",
            Self::Analyze => "analyze",
            Self::Reindex => "reindex",
        }
    }
}

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Stable kebab-case name of the kind of note.
    pub code: String,
    /// What.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Note {
    /// Whether something that was asked for is not done because of it.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        const TROUBLE: [&str; 7] = [
            "no-right",
            "no-such-table",
            "not-partitioned",
            "rule-fails",
            "temporary-table-ages",
            "unreadable-bounds",
            "unsafe-server",
        ];
        TROUBLE.contains(&self.code.as_str())
    }

    fn new(code: &str, message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        Self { code: code.to_owned(), message: message.into(), help: help.into() }
    }
}

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// What is there.
    pub facts: &'a Facts,
    /// How much smaller it could be.
    pub estimates: &'a Estimates,
    /// How far the rules of retention reach, by the position of the rule.
    pub expired: &'a [Expired],
    /// What is wanted.
    pub policy: &'a MaintenancePolicy,
    /// What took how long before.
    pub history: &'a History,
    /// Why retention of tables will be refused, by their identity, where that was looked at.
    pub refused: &'a BTreeMap<u32, String>,
}

/// Plans what is to be done: against wraparound, retention, VACUUM, ANALYZE, REINDEX, in this order, because the first must
/// be done, and each spares work to those after it.
#[must_use]
pub fn plan(basis: &Basis<'_>) -> Plan {
    let mut plan = Plan::empty(basis.facts);
    held::plan(basis, &mut plan);
    wraparound::plan(basis, &mut plan);
    retention::plan(basis, &mut plan);
    wraparound::spare(basis, &mut plan);
    vacuum::plan(basis, &mut plan);
    analyze::plan(basis, &mut plan);
    reindex::plan(basis, &mut plan);
    plan
}

/// Plans retention alone.
#[must_use]
pub fn plan_retention(basis: &Basis<'_>) -> Plan {
    let mut plan = Plan::empty(basis.facts);
    retention::plan(basis, &mut plan);
    plan
}

impl Plan {
    fn empty(facts: &Facts) -> Self {
        Self {
            schema_version: VERSION,
            database: facts.server.database.clone(),
            server_version_num: facts.server.version_num,
            planned_at: facts.server.now,
            items: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Plans a piece of work; the item, for what else there is to say of it.
    fn push(&mut self, basis: &Basis<'_>, class: Class, work: Work, why: String, gain_bytes: Option<u64>) -> &mut Item {
        let predicted = basis.history.predict(&work, &work::Size::of(&work, basis.facts));
        let action = work.action();
        let step = action.step();
        let refused = basis.refused.get(&work.table().oid).filter(|_| class == Class::Retention).cloned();
        let at = self.items.len();
        self.items.push(Item {
            class,
            statements: step.statements.clone(),
            lock: step.lock.to_string(),
            risk: step.risk.to_owned(),
            why,
            gain_bytes,
            predicted_seconds: predicted.map(|predicted| predicted.seconds),
            prediction: predicted.map(|predicted| predicted.from),
            refused,
            is_uncertain: false,
            work,
        });
        &mut self.items[at]
    }

    fn note(&mut self, code: &str, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.notes.push(Note::new(code, message, help));
    }

    /// Whether a piece of work for a table is planned already, and nothing known speaks against it.
    fn has(&self, table: &TableRef, test: impl Fn(&Work) -> bool) -> bool {
        self.done().any(|item| item.work.table() == table && test(&item.work))
    }

    /// Whether a table is about to be dropped as a partition, or as a part of one, so that nothing else need be done to it.
    /// What could not be dropped the last time is looked after like any other.
    fn drops(&self, basis: &Basis<'_>, table: &TableFacts) -> bool {
        let of = lineage(basis.facts, &table.table);
        self.done().any(|item| {
            matches!(&item.work, Work::DropPartition { partition, .. } if of.contains(&partition))
                && !basis.history.is_undone(&item.work)
        })
    }

    /// What a run will do, as far as can be seen beforehand.
    fn done(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.refused.is_none())
    }

    /// Bytes that all of it gives back or makes free.
    #[must_use]
    pub fn gain_bytes(&self) -> u64 {
        self.done().filter_map(|item| item.gain_bytes).sum()
    }

    /// How long all of it is expected to take, as far as that is known.
    #[must_use]
    pub fn predicted_seconds(&self) -> f64 {
        self.done().filter_map(|item| item.predicted_seconds).sum()
    }
}

impl Basis<'_> {
    /// The table that rules speak of: of a TOAST table, the one whose values it holds.
    fn owner<'a>(&'a self, table: &'a TableFacts) -> &'a TableFacts {
        if table.kind != TableKind::Toast {
            return table;
        }
        self.facts.tables.iter().find(|owner| owner.toast == Some(table.table.oid)).unwrap_or(table)
    }

    /// Whether a table is maintained for its own sake.
    fn is_in_scope(&self, table: &TableFacts) -> bool {
        let TableRef { schema, name, .. } = &table.table;
        !table.is_system && !table.is_temp && self.policy.scope.contains(schema, name)
    }

    /// Says that the role may not do what should be done, and which rights of the table would do; whether it may.
    fn may(&self, plan: &mut Plan, table: &TableFacts, what: &str, rights: &str) -> bool {
        if table.may_maintain {
            return true;
        }
        let (name, role) = (&table.table, dbopt_sql::quote_ident(&self.facts.server.role));
        let help = if self.facts.server.version_num >= 170_000 {
            format!("GRANT {rights} ON TABLE {name} TO {role};")
        } else if table.owner_is_superuser {
            // Whoever got that role would have got the whole cluster.
            format!("a superuser has to do it, or give `{name}` to an owner that is none and may become none")
        } else {
            format!("GRANT {} TO {role};", dbopt_sql::quote_ident(&table.owner))
        };
        plan.note("no-right", format!("{what} `{name}` is due, and this role may not do it"), help);
        false
    }
}

/// A table, and all that it is a part of.
fn lineage<'a>(facts: &'a Facts, table: &'a TableRef) -> Vec<&'a TableRef> {
    let mut lineage = vec![table];
    let mut at = table.oid;
    // A table is nobody's part twice, so that this ends.
    while let Some(part) = facts.partitions.iter().find(|part| part.table.oid == at)
        && lineage.len() <= facts.partitions.len()
    {
        at = part.parent.oid;
        lineage.push(&part.parent);
    }
    lineage
}

/// A span of time for people, such as `3 h 20 min`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, a: &str, small: u64, b: &str| {
        if small == 0 { format!("{large} {a}") } else { format!("{large} {a} {small} {b}") }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// A share in percent, for people.
fn percent(part: f64, of: f64) -> String {
    if of > 0.0 { format!("{:.0} %", part / of * 100.0) } else { "all".to_owned() }
}

#[cfg(test)]
mod tests;
