//! A finding, flat.

use dbopt_finding::Finding;
use schemars::JsonSchema;
use serde::Serialize;

/// Something to know about an input.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct FindingView {
    /// Stable kebab-case name of the kind of finding.
    pub(crate) code: String,
    /// `note`, `warning` or `error`.
    pub(crate) severity: String,
    /// What was found.
    pub(crate) message: String,
    /// Name of the input as given.
    pub(crate) file: Option<String>,
    /// Line, from 1.
    pub(crate) line: Option<u64>,
    /// Column in characters, from 1.
    pub(crate) column: Option<u32>,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

impl From<&Finding> for FindingView {
    fn from(finding: &Finding) -> Self {
        let position = finding.place.as_ref().and_then(|place| place.position);
        Self {
            code: finding.code.to_string(),
            severity: finding.severity.to_string(),
            message: finding.message.clone(),
            file: finding.place.as_ref().map(|place| place.file.clone()),
            line: position.map(|position| position.line),
            column: position.map(|position| position.column),
            help: finding.help.clone(),
        }
    }
}
