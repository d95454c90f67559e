//! One query class: all executions of statements that differ in their constants only.

use super::names::NameSet;
use super::sample::{self, LoggedPlan, Sample};
use crate::Fingerprint;
use crate::time::{Timestamp, Timing};

pub use dbopt_sql::ir::StatementKind;

/// Where a class was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// In a server log.
    pub log: bool,
    /// In `pg_stat_statements`.
    pub pg_stat_statements: bool,
    /// In a file of statements.
    pub sql_file: bool,
}

/// All executions of statements with one fingerprint, over all users and databases.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryClass {
    /// What the statements have in common.
    pub fingerprint: Fingerprint,
    /// The normalised text, constants as `$n`.
    pub text: String,
    /// What the statement does, by its leading words.
    pub kind: StatementKind,
    /// Executions. A plan of auto_explain, a parse, a bind or a further fetch of one portal is none by itself.
    pub calls: u64,
    /// Those of `calls` whose duration is unknown: `log_statement` without `log_duration`, or a file of statements.
    pub untimed_calls: u64,
    /// The durations of executions, further fetches included in the sum.
    pub time: Timing,
    /// Time of the extended protocol's parse messages, in nanoseconds.
    pub parse_ns: u64,
    /// Time of the extended protocol's bind messages, planning included, in nanoseconds.
    pub bind_ns: u64,
    /// Further fetches of portals that were already counted.
    pub fetches: u64,
    /// Executions inside functions, known from auto_explain alone. Their time is part of their callers' time.
    pub nested_calls: u64,
    /// Time of the nested executions in nanoseconds.
    pub nested_ns: u64,
    /// Rows returned or affected, when the source counts them.
    pub rows: Option<u64>,
    /// Users seen.
    pub users: NameSet,
    /// Databases seen.
    pub databases: NameSet,
    /// Application names seen.
    pub applications: NameSet,
    /// A few executions kept whole: some chosen by hash, and the slowest.
    pub samples: Vec<Sample>,
    /// Plans that auto_explain logged: one chosen by hash, and the slowest.
    pub plans: Vec<LoggedPlan>,
    /// Plans logged, kept or not.
    pub plan_count: u64,
    /// Executions that ended with an error.
    pub errors: u64,
    /// Temporary files written.
    pub temp_files: u64,
    /// Their size in bytes.
    pub temp_bytes: u64,
    /// Waits for a lock longer than `deadlock_timeout`.
    pub lock_waits: u64,
    /// The first execution with a known time.
    pub first_seen: Option<Timestamp>,
    /// The last one.
    pub last_seen: Option<Timestamp>,
    /// Where the class was seen.
    pub sources: Sources,
}

impl QueryClass {
    /// A class without executions.
    #[must_use]
    pub fn new(fingerprint: Fingerprint, text: String, kind: StatementKind) -> Self {
        Self {
            fingerprint,
            text,
            kind,
            calls: 0,
            untimed_calls: 0,
            time: Timing::default(),
            parse_ns: 0,
            bind_ns: 0,
            fetches: 0,
            nested_calls: 0,
            nested_ns: 0,
            rows: None,
            users: NameSet::default(),
            databases: NameSet::default(),
            applications: NameSet::default(),
            samples: Vec::new(),
            plans: Vec::new(),
            plan_count: 0,
            errors: 0,
            temp_files: 0,
            temp_bytes: 0,
            lock_waits: 0,
            first_seen: None,
            last_seen: None,
            sources: Sources::default(),
        }
    }

    /// Time spent on the class in milliseconds: executions, parse and bind.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        self.time.total_ms() + self.parse_ns.saturating_add(self.bind_ns) as f64 / 1e6
    }

    /// Adds all that another class of the same fingerprint has seen. The smaller text wins, so that the order of
    /// merging does not matter.
    pub fn merge(&mut self, mut other: Self) {
        if other.text < self.text {
            std::mem::swap(&mut self.text, &mut other.text);
            self.kind = other.kind;
        }
        self.calls = self.calls.saturating_add(other.calls);
        self.untimed_calls = self.untimed_calls.saturating_add(other.untimed_calls);
        self.time.merge(&other.time);
        self.parse_ns = self.parse_ns.saturating_add(other.parse_ns);
        self.bind_ns = self.bind_ns.saturating_add(other.bind_ns);
        self.fetches = self.fetches.saturating_add(other.fetches);
        self.nested_calls = self.nested_calls.saturating_add(other.nested_calls);
        self.nested_ns = self.nested_ns.saturating_add(other.nested_ns);
        self.rows = match (self.rows, other.rows) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.users.merge(&other.users);
        self.databases.merge(&other.databases);
        self.applications.merge(&other.applications);
        self.samples.append(&mut other.samples);
        sample::choose(&mut self.samples);
        self.plans.append(&mut other.plans);
        sample::choose_plans(&mut self.plans);
        self.plan_count = self.plan_count.saturating_add(other.plan_count);
        self.errors = self.errors.saturating_add(other.errors);
        self.temp_files = self.temp_files.saturating_add(other.temp_files);
        self.temp_bytes = self.temp_bytes.saturating_add(other.temp_bytes);
        self.lock_waits = self.lock_waits.saturating_add(other.lock_waits);
        self.first_seen = earlier(self.first_seen, other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.sources.log |= other.sources.log;
        self.sources.pg_stat_statements |= other.sources.pg_stat_statements;
        self.sources.sql_file |= other.sources.sql_file;
    }

    /// Roughly the memory that the class holds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.text.capacity()
            + self.time.heap_bytes()
            + self.samples.capacity() * size_of::<Sample>()
            + self.samples.iter().map(Sample::heap_bytes).sum::<usize>()
            + self.plans.capacity() * size_of::<LoggedPlan>()
            + self.plans.iter().map(|plan| plan.text.capacity()).sum::<usize>()
    }
}

/// The earlier of two moments, of which either may be unknown.
pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
