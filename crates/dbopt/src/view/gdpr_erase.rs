//! What was done to erase a person, as it leaves the program: names and numbers, never a value of a row.

use dbopt_gdpr::{Approval, Erased, Plan};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView};

/// What `dbopt gdpr erase` did, or would do.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr erase")]
pub(crate) struct GdprEraseView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The person, as an HMAC under the policy's key.
    pub(crate) subject: String,
    /// As what, by the policy's name.
    pub(crate) rule: String,
    /// `planned`, `done`, or `done-before` when the same confirmation was used before.
    pub(crate) outcome: String,
    /// Whether something speaks against doing it.
    pub(crate) refused: bool,
    /// What `--confirm` takes to do exactly this.
    pub(crate) approval: String,
    /// Rows that were, or would be, deleted.
    pub(crate) deleted: u64,
    /// Rows that were, or would be, changed.
    pub(crate) changed: u64,
    /// Keys of the person's own that were destroyed.
    pub(crate) keys: u64,
    /// The number of the audit record of the end.
    pub(crate) record: Option<u64>,
    /// The earlier try that this has gone on with, which had died between two of its transactions, by its audit record.
    pub(crate) resumed: Option<u64>,
    /// Earlier tries that had begun and died, by their audit records.
    pub(crate) died: Vec<u64>,
    /// What to know.
    pub(crate) findings: Vec<FindingView>,
}

impl GdprEraseView {
    pub(crate) fn planned(plan: &Plan, approved: &Approval) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            subject: plan.subject.to_string(),
            rule: plan.rule.clone(),
            outcome: "planned".to_owned(),
            refused: plan.is_refused(),
            approval: approved.to_string(),
            deleted: plan.deleted(),
            changed: plan.changed(),
            keys: 0,
            record: None,
            resumed: None,
            died: Vec::new(),
            findings: plan.findings.iter().map(FindingView::from).collect(),
        }
    }

    pub(crate) fn erased(rule: &str, erased: &Erased, approved: &Approval) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            subject: erased.subject.to_string(),
            rule: rule.to_owned(),
            outcome: if erased.was_done { "done-before" } else { "done" }.to_owned(),
            refused: false,
            approval: approved.to_string(),
            deleted: erased.deleted,
            changed: erased.changed,
            keys: erased.keys,
            record: Some(erased.record),
            resumed: erased.resumed,
            died: erased.died.clone(),
            findings: erased.findings.iter().map(FindingView::from).collect(),
        }
    }
}

/// What `dbopt gdpr replay` did, or would do.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr replay")]
pub(crate) struct GdprReplayView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// From when on erasures are repeated, by RFC 3339.
    pub(crate) since: String,
    /// The time of the last record of the copy, by RFC 3339. It knows nothing of what was erased later.
    pub(crate) until: String,
    /// How many persons the copy of the audit record says to have been erased since.
    pub(crate) recorded: usize,
    /// How many of them are named by another key than the policy's, and cannot be looked for.
    pub(crate) other_keys: usize,
    /// Those who are in the database, each with what was, or would be, done.
    pub(crate) persons: Vec<GdprEraseView>,
    /// Keys that are in the database again without their persons, and were, or would be, destroyed.
    pub(crate) keys: u64,
    /// How many of the persons were not erased; messages say why.
    pub(crate) failed: usize,
}
