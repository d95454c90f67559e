//! What a server log tells besides statements.

use super::class::earlier;
use crate::time::Timestamp;

/// A number of things and their sum, in a unit that the field names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// The sum.
    pub sum: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }

    fn merge(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// Counted events of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// `still waiting for`: waits for a lock longer than `deadlock_timeout`; sum in nanoseconds waited so far.
    pub lock_waits: Tally,
    /// `acquired`: such waits that ended well; sum in nanoseconds waited.
    pub locks_acquired: Tally,
    /// `deadlock detected` errors.
    pub deadlocks: u64,
    /// Temporary files; sum in bytes.
    pub temp_files: Tally,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Restartpoints completed.
    pub restartpoints: u64,
    /// Automatic vacuums.
    pub autovacuums: u64,
    /// Automatic analyzes.
    pub autoanalyzes: u64,
    /// Connections authorized.
    pub connections: u64,
    /// Disconnections.
    pub disconnections: u64,
    /// Plans of auto_explain.
    pub plans: u64,
    /// Durations logged without a statement and without anything to tie them to; sum in nanoseconds.
    pub bare_durations: Tally,
    /// Warnings.
    pub warnings: u64,
    /// Other records of the server.
    pub other: u64,
}

impl Events {
    /// Adds the counts of another log.
    pub fn merge(&mut self, other: &Self) {
        self.lock_waits.merge(other.lock_waits);
        self.locks_acquired.merge(other.locks_acquired);
        self.deadlocks = self.deadlocks.saturating_add(other.deadlocks);
        self.temp_files.merge(other.temp_files);
        self.checkpoints = self.checkpoints.saturating_add(other.checkpoints);
        self.restartpoints = self.restartpoints.saturating_add(other.restartpoints);
        self.autovacuums = self.autovacuums.saturating_add(other.autovacuums);
        self.autoanalyzes = self.autoanalyzes.saturating_add(other.autoanalyzes);
        self.connections = self.connections.saturating_add(other.connections);
        self.disconnections = self.disconnections.saturating_add(other.disconnections);
        self.plans = self.plans.saturating_add(other.plans);
        self.bare_durations.merge(other.bare_durations);
        self.warnings = self.warnings.saturating_add(other.warnings);
        self.other = self.other.saturating_add(other.other);
    }
}

/// Errors of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorClass {
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: &'static str,
    /// The SQLSTATE, when the log has it.
    pub sqlstate: Option<String>,
    /// The first message's line with quoted values as `"…"` and numbers as `N`; it holds no value.
    pub message: String,
    /// How many.
    pub count: u64,
    /// The first one with a known time.
    pub first_seen: Option<Timestamp>,
    /// The last one.
    pub last_seen: Option<Timestamp>,
}

impl ErrorClass {
    /// What errors of one kind share.
    pub(crate) fn key(&self) -> (&'static str, &Option<String>, &str) {
        (self.severity, &self.sqlstate, &self.message)
    }

    /// Adds errors of the same kind.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.first_seen = earlier(self.first_seen, other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
    }
}
