//! Plans and runs of maintenance, as they leave the program.

use dbopt_maintain::plan::{Item, Note, Plan};
use dbopt_maintain::status::Status;
use dbopt_run::Report;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SCHEMA_VERSION, apply::RepairView, finding::FindingView};

/// What `dbopt maintain plan` answers, and what `--save` writes.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[schemars(title = "dbopt maintain plan")]
pub(crate) struct PlansView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// A plan for each database.
    pub(crate) plans: Vec<Plan>,
}

impl Default for PlansView {
    fn default() -> Self {
        Self { schema_version: SCHEMA_VERSION, plans: Vec::new() }
    }
}

/// What `dbopt maintain run` did.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt maintain run")]
pub(crate) struct RunsView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// With what the command ends: the worst of all databases.
    pub(crate) exit_code: u8,
    /// A run for each database.
    pub(crate) runs: Vec<RunView>,
}

impl Default for RunsView {
    fn default() -> Self {
        Self { schema_version: SCHEMA_VERSION, exit_code: 0, runs: Vec::new() }
    }
}

/// What `dbopt maintain status` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt maintain status")]
pub(crate) struct StatusView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// How each database stands.
    pub(crate) databases: Vec<Status>,
}

impl Default for StatusView {
    fn default() -> Self {
        Self { schema_version: SCHEMA_VERSION, databases: Vec::new() }
    }
}

/// What was done in one database.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub(crate) struct RunView {
    /// The database.
    pub(crate) database: String,
    /// Number of the run in `dbopt.run`; absent when it did not begin.
    pub(crate) run: Option<i64>,
    /// How it ended, as an exit code.
    pub(crate) exit_code: u8,
    /// What ended it early.
    pub(crate) error: Option<String>,
    /// What became of what earlier runs had left half done.
    pub(crate) repairs: Vec<RepairView>,
    /// The steps in order.
    pub(crate) steps: Vec<DoneView>,
    /// What should be done and was not planned, or held up what was.
    pub(crate) notes: Vec<Note>,
    /// What to know besides.
    pub(crate) findings: Vec<FindingView>,
}

/// One step: what was planned, and what came of it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct DoneView {
    /// What was planned.
    #[serde(flatten)]
    pub(crate) item: Item,
    /// `done`, `skipped`, `blocked`, `deferred`, `failed`, or `refused` when it does not fit the policy, or the database any more.
    pub(crate) outcome: String,
    /// Why it was not done.
    pub(crate) reason: Option<String>,
    /// Size before in bytes.
    pub(crate) bytes_before: Option<i64>,
    /// Size afterwards in bytes.
    pub(crate) bytes_after: Option<i64>,
    /// Rows that were deleted, or moved into an archive; absent of what does not count them.
    pub(crate) rows: Option<u64>,
    /// How long it took; absent when it was not begun.
    pub(crate) seconds: Option<f64>,
}

impl DoneView {
    /// A step of which there is a report.
    pub(crate) fn new(item: &Item, report: &Report) -> Self {
        Self {
            item: item.clone(),
            outcome: report.outcome.word().to_owned(),
            reason: report.outcome.reason().map(str::to_owned),
            bytes_before: report.bytes_before,
            bytes_after: report.bytes_after,
            rows: report.rows,
            seconds: Some(report.seconds),
        }
    }

    /// A step that does not fit.
    pub(crate) fn refused(item: &Item, why: &str) -> Self {
        Self {
            item: item.clone(),
            outcome: "refused".to_owned(),
            reason: Some(why.to_owned()),
            bytes_before: None,
            bytes_after: None,
            rows: None,
            seconds: None,
        }
    }
}
