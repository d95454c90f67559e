//! What checking policies found, as it leaves the program.

use dbopt_finding::{Finding, Severity};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView};

/// What `dbopt policy check` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt policy findings")]
pub(crate) struct PolicyView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The policies in the order given.
    pub(crate) policies: Vec<CheckedView>,
    /// How many findings are errors.
    pub(crate) errors: usize,
    /// How many are warnings.
    pub(crate) warnings: usize,
    /// What was found in all of them.
    pub(crate) findings: Vec<FindingView>,
}

/// One policy.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct CheckedView {
    /// Its file as given.
    pub(crate) file: String,
    /// Its kind, when that is known.
    pub(crate) kind: Option<String>,
    /// Whether it can be used.
    pub(crate) usable: bool,
}

impl PolicyView {
    /// The view of policies and of what was found in them.
    pub(crate) fn new(policies: Vec<CheckedView>, findings: &[Finding]) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self {
            schema_version: SCHEMA_VERSION,
            policies,
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            findings: findings.iter().map(FindingView::from).collect(),
        }
    }
}
