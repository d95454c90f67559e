//! What became of each step.

use crate::step::Step;

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// There was nothing to do.
    Skipped(
        /// Why.
        String,
    ),
    /// Something held it up: a lock, lag, another step.
    Blocked(
        /// What, or who.
        String,
    ),
    /// It was put off to a later run.
    Deferred(
        /// Why.
        String,
    ),
    /// It did not work.
    Failed(
        /// Why.
        String,
    ),
}

impl Outcome {
    /// The one word for it, as in `dbopt.history`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped(_) => "skipped",
            Self::Blocked(_) => "blocked",
            Self::Deferred(_) => "deferred",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it was not done.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Skipped(reason) | Self::Blocked(reason) | Self::Deferred(reason) | Self::Failed(reason) => {
                Some(reason)
            }
        }
    }

    /// Whether things are now as the step wanted them.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Done | Self::Skipped(_))
    }
}

/// What an action says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// How it went.
    pub outcome: Outcome,
    /// Bytes of the object before.
    pub bytes_before: Option<i64>,
    /// Bytes of the object afterwards.
    pub bytes_after: Option<i64>,
    /// Rows that it deleted, or moved into an archive; none of what does not count them.
    pub rows: Option<u64>,
    /// The object as the server prints it: afterwards, or before it was dropped.
    pub definition: Option<String>,
}

impl From<Outcome> for Effect {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, bytes_before: None, bytes_after: None, rows: None, definition: None }
    }
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The step.
    pub step: Step,
    /// How it went.
    pub outcome: Outcome,
    /// Bytes of the object before.
    pub bytes_before: Option<i64>,
    /// Bytes of the object afterwards.
    pub bytes_after: Option<i64>,
    /// Rows that it deleted, or moved into an archive; none of what does not count them.
    pub rows: Option<u64>,
    /// How long it took, waiting for a throttle not counted.
    pub seconds: f64,
}

/// What happens during a run, to be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// A step waits for a throttle.
    Held(&'a Step, &'a str),
    /// A step begins.
    Begun(&'a Step),
    /// A step goes on.
    Progress(&'a Progress),
    /// A step has ended.
    Ended(&'a Report),
}

/// How far a concurrent build has come
/// (<https://www.postgresql.org/docs/current/progress-reporting.html#CREATE-INDEX-PROGRESS-REPORTING>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// PostgreSQL's name of the phase.
    pub phase: String,
    /// Blocks done in it.
    pub blocks_done: i64,
    /// Blocks to do in it.
    pub blocks_total: i64,
    /// Whom it waits for.
    pub waits_for: Option<String>,
}
