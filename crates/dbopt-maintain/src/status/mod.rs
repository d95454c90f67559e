//! How maintenance of a database stands: what ran, what is due, what is in the way, and whether somebody should look.
//!
//! Everything about the past is from dbopt's own bounded tables; what is due is from a plan that is made for the purpose.

mod load;
mod prometheus;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

pub use prometheus::metrics;

/// How maintenance of one database stands. Times are RFC 3339, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Status {
    /// The database.
    pub database: String,
    /// The server's clock, in seconds since 1970-01-01 UTC.
    pub now: f64,
    /// What is wrong, a sentence for each; empty when all is in order.
    pub wrong: Vec<String>,
    /// The newest runs, the newest first.
    pub runs: Vec<Ran>,
    /// When a run was last completed, in seconds since 1970-01-01 UTC.
    pub completed_at: Option<f64>,
    /// Whether that is longer ago than the policy allows, or never was.
    pub is_overdue: bool,
    /// When the next window opens; absent when one is open or there are none.
    pub next_window: Option<String>,
    /// How many steps are due now, by what they are for.
    pub due: BTreeMap<String, usize>,
    /// Tables of which only reading them all tells whether rows are expired.
    pub due_unknown: Vec<String>,
    /// Bytes that what is due would give back or make free.
    pub due_bytes: u64,
    /// What was last tried of an object and not done.
    pub troubles: Vec<Trouble>,
    /// Who keeps dead rows from being removed.
    pub holders: Vec<Held>,
    /// Tables that autovacuum does not keep up with, and the statement that would change that.
    pub behind: Vec<Behind>,
    /// How near the oldest table is to where autovacuum insists on freezing; 1 is there.
    pub wraparound: f64,
    /// How tables have grown since the first step of the last thirty days on them, the most first.
    pub growth: Vec<Growth>,
    /// Bytes by which all tables and indexes could be smaller, as estimated.
    pub bloat_bytes: u64,
    /// What has the most of them, the most first.
    pub bloat: Vec<Bloat>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Ran {
    /// Its number.
    pub run: i64,
    /// When it began, in seconds since 1970-01-01 UTC.
    pub started_at: f64,
    /// How long it took, in seconds; absent while it runs, or when it died.
    pub seconds: Option<f64>,
    /// `done`, `deferred`, `blocked`, `failed`, `died`, or `running`.
    pub outcome: String,
    /// Steps that were done.
    pub done: i64,
    /// Steps that were not.
    pub not_done: i64,
    /// Rows that were deleted, or moved into an archive; absent where none were counted.
    pub rows: Option<i64>,
    /// Bytes by which objects became smaller.
    pub freed_bytes: i64,
}

/// Something that was tried and not done.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Trouble {
    /// What was tried.
    pub kind: String,
    /// Schema of the object.
    pub schema: String,
    /// Name of the object.
    pub object: String,
    /// `blocked`, `deferred` or `failed`.
    pub outcome: String,
    /// Why, and by whom.
    pub reason: Option<String>,
}

/// Somebody who holds the horizon.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Held {
    /// Who.
    pub name: String,
    /// For how many seconds, where that is known.
    pub seconds: Option<f64>,
    /// What would end it.
    pub remedy: String,
}

/// A table that autovacuum does not keep up with.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Behind {
    /// The table.
    pub table: String,
    /// Why.
    pub why: String,
    /// The statement that would change that.
    pub statement: Option<String>,
}

/// How a table has grown.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Growth {
    /// Schema of the table.
    pub schema: String,
    /// Name of the table.
    pub table: String,
    /// Bytes then.
    pub bytes_then: i64,
    /// Bytes when it was last worked on.
    pub bytes_now: i64,
    /// Days between.
    pub days: f64,
}

/// A table or an index that could be smaller, and how it came to that.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Bloat {
    /// `table` or `index`.
    pub kind: String,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub object: String,
    /// Its bytes now.
    pub bytes: u64,
    /// How many of them are empty, as estimated.
    pub empty_bytes: u64,
    /// When it was last rebuilt by a run, in seconds since 1970-01-01 UTC.
    pub rebuilt_at: Option<f64>,
    /// Its bytes then.
    pub bytes_then: Option<i64>,
}

impl Status {
    /// Finds what is wrong. `overdue` is the policy's time in seconds.
    fn judge(&mut self, overdue: f64) {
        self.is_overdue = self.completed_at.is_none_or(|at| self.now - at > overdue);
        if self.is_overdue {
            self.wrong.push(match self.completed_at {
                None => "no run was ever completed".to_owned(),
                Some(at) => format!("no run was completed for {:.1} days", (self.now - at) / 86_400.0),
            });
        }
        if let Some(last) = self.runs.iter().find(|run| run.outcome != "running")
            && matches!(last.outcome.as_str(), "failed" | "died")
        {
            self.wrong.push(format!("run {} {}", last.run, last.outcome));
        }
        if self.wraparound >= 1.0 {
            self.wrong.push(format!(
                "a table is {:.0} % as old as where autovacuum insists on freezing it",
                self.wraparound * 100.0
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(outcome: &str) -> Ran {
        Ran {
            run: 7,
            started_at: 0.0,
            seconds: Some(1.0),
            outcome: outcome.to_owned(),
            done: 1,
            not_done: 0,
            rows: None,
            freed_bytes: 0,
        }
    }

    fn wrong(mut status: Status) -> Vec<String> {
        status.now = 1e6;
        status.judge(86_400.0);
        status.wrong
    }

    #[test]
    fn what_is_wrong_is_told_and_what_is_not_is_not() {
        let good = Status { completed_at: Some(1e6 - 86_000.0), runs: vec![ran("done")], ..Status::default() };
        assert_eq!(wrong(good.clone()), [""; 0]);
        assert_eq!(wrong(Status { completed_at: None, ..good.clone() }), ["no run was ever completed"]);
        let late = Status { completed_at: Some(1e6 - 172_800.0), ..good.clone() };
        assert_eq!(wrong(late), ["no run was completed for 2.0 days"]);
        let died = Status { runs: vec![ran("running"), ran("died"), ran("failed")], ..good.clone() };
        assert_eq!(wrong(died), ["run 7 died"]);
        // A run that was put off or held up is no fault as long as one is completed in time.
        assert_eq!(wrong(Status { runs: vec![ran("blocked")], ..good.clone() }), [""; 0]);
        assert_eq!(wrong(Status { wraparound: 1.02, ..good }).len(), 1);
    }
}
