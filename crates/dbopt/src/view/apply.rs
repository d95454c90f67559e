//! What `dbopt apply` did, as it leaves the program.

use dbopt_run::{Fate, Repair, Report, Step};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView};

/// What `dbopt apply` did, or with `--dry-run` would do.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt apply")]
pub(crate) struct ApplyView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Whether nothing was run.
    pub(crate) dry_run: bool,
    /// Number of the run in `dbopt.run`; absent with `--dry-run`.
    pub(crate) run: Option<i64>,
    /// What became of what earlier runs had left half done.
    pub(crate) repairs: Vec<RepairView>,
    /// The steps in order.
    pub(crate) steps: Vec<StepView>,
    /// What to know besides.
    pub(crate) findings: Vec<FindingView>,
}

/// One step.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct StepView {
    /// `create-index`, `create-parent-index`, `attach-index`, `verify-index`, `drop-index` or `drop-parent-index`.
    pub(crate) kind: String,
    /// Schema of the index.
    pub(crate) schema: String,
    /// The index.
    pub(crate) name: String,
    /// Its table.
    pub(crate) table: String,
    /// The statements, as they are run.
    pub(crate) statements: Vec<String>,
    /// The strongest lock that they take on the table.
    pub(crate) lock: String,
    /// What could go wrong.
    pub(crate) risk: String,
    /// Predicted size of the index in bytes.
    pub(crate) predicted_bytes: Option<f64>,
    /// Predicted duration in seconds.
    pub(crate) predicted_seconds: Option<f64>,
    /// `done`, `skipped`, `blocked`, `deferred` or `failed`, or `lost` when the run ended while it was under way;
    /// absent with `--dry-run`.
    pub(crate) outcome: Option<String>,
    /// Why it was not done.
    pub(crate) reason: Option<String>,
    /// Size before in bytes.
    pub(crate) bytes_before: Option<i64>,
    /// Size afterwards in bytes.
    pub(crate) bytes_after: Option<i64>,
    /// How long it took.
    pub(crate) seconds: Option<f64>,
}

/// What became of what a dead run had left.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct RepairView {
    /// What was being done.
    pub(crate) kind: String,
    /// Schema of the index.
    pub(crate) schema: String,
    /// The index.
    pub(crate) name: String,
    /// `nothing-left`, `complete`, `dropped`, `kept` or `not-ours`.
    pub(crate) fate: String,
    /// Why it was left.
    pub(crate) reason: Option<String>,
}

impl ApplyView {
    /// An empty view.
    pub(crate) fn new(dry_run: bool, run: Option<i64>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            dry_run,
            run,
            repairs: Vec::new(),
            steps: Vec::new(),
            findings: Vec::new(),
        }
    }
}

impl StepView {
    /// A step that was under way when the run ended.
    pub(crate) fn lost(step: &Step) -> Self {
        let reason = "the run ended while it was under way; the next run repairs what it left".to_owned();
        Self { outcome: Some("lost".to_owned()), reason: Some(reason), ..Self::from(step) }
    }
}

impl From<&Step> for StepView {
    fn from(step: &Step) -> Self {
        Self {
            kind: step.kind.to_owned(),
            schema: step.schema.clone(),
            name: step.object.clone(),
            table: step.table.as_ref().map(|(_, table)| table.clone()).unwrap_or_default(),
            statements: step.statements.clone(),
            lock: step.lock.to_string(),
            risk: step.risk.to_owned(),
            predicted_bytes: step.bytes,
            predicted_seconds: step.seconds,
            outcome: None,
            reason: None,
            bytes_before: None,
            bytes_after: None,
            seconds: None,
        }
    }
}

impl From<&Report> for StepView {
    fn from(report: &Report) -> Self {
        Self {
            outcome: Some(report.outcome.word().to_owned()),
            reason: report.outcome.reason().map(str::to_owned),
            bytes_before: report.bytes_before,
            bytes_after: report.bytes_after,
            seconds: Some(report.seconds),
            ..Self::from(&report.step)
        }
    }
}

impl From<&Repair> for RepairView {
    fn from(repair: &Repair) -> Self {
        let reason = match &repair.fate {
            Fate::Nothing | Fate::Complete | Fate::Dropped => None,
            Fate::Kept(reason) | Fate::Foreign(reason) => Some(reason.clone()),
            Fate::Unknown => Some(format!("`{}` is resumed by another command", repair.entry.kind)),
        };
        Self {
            kind: repair.entry.kind.clone(),
            schema: repair.entry.schema.clone(),
            name: repair.entry.object.clone(),
            fate: repair.fate.word().to_owned(),
            reason,
        }
    }
}
