//! What was found in an audit record, as it leaves the program.

use dbopt_audit::{Fault, FaultKind, Report};
use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;

/// What `dbopt audit verify` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt audit report")]
pub(crate) struct VerifyView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Whether there are records, and nothing is wrong with them.
    pub(crate) intact: bool,
    /// Records read.
    pub(crate) records: u64,
    /// The last record that follows.
    pub(crate) head: Option<HeadView>,
    /// Anchors that were confirmed.
    pub(crate) anchors_confirmed: u64,
    /// Faults in all; the list holds the first of them only when there are very many.
    pub(crate) fault_count: u64,
    /// The faults, by position.
    pub(crate) faults: Vec<FaultView>,
}

/// The head of a chain.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct HeadView {
    /// Its number.
    pub(crate) sequence: u64,
    /// Its hash.
    pub(crate) hash: String,
}

/// One fault.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct FaultView {
    /// Which record of the input it was found at, from 1; in a file, its line.
    pub(crate) position: u64,
    /// Stable name of the kind of fault.
    pub(crate) kind: &'static str,
    /// Number of the record, or of the first of several.
    pub(crate) sequence: Option<u64>,
    /// Number of the last of several records.
    pub(crate) last: Option<u64>,
    /// The fault in words.
    pub(crate) message: String,
}

impl VerifyView {
    /// The view of a report.
    pub(crate) fn new(report: &Report) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            intact: report.records > 0 && report.fault_count == 0,
            records: report.records,
            head: report.head.map(|(sequence, hash)| HeadView { sequence, hash: hash.to_string() }),
            anchors_confirmed: report.anchors,
            fault_count: report.fault_count,
            faults: report.faults.iter().map(FaultView::new).collect(),
        }
    }
}

impl FaultView {
    fn new(fault: &Fault) -> Self {
        let (kind, sequence, last, message) = match fault.kind {
            FaultKind::Unreadable => ("unreadable", None, None, "this is no record".to_owned()),
            FaultKind::Changed { sequence } => {
                ("changed", Some(sequence), None, format!("record {sequence} was changed after it was written"))
            }
            FaultKind::Unlinked { sequence } => {
                let message =
                    format!("record {sequence} does not follow the one before it: one of the two was replaced");
                ("unlinked", Some(sequence), None, message)
            }
            FaultKind::Missing { first, last } if first == last => {
                ("missing", Some(first), Some(last), format!("record {first} is missing"))
            }
            FaultKind::Missing { first, last } => {
                ("missing", Some(first), Some(last), format!("records {first} to {last} are missing"))
            }
            FaultKind::Moved { sequence } => {
                ("moved", Some(sequence), None, format!("record {sequence} is not in its place"))
            }
            FaultKind::Inserted { sequence } => {
                ("inserted", Some(sequence), None, format!("a record that says it is {sequence} does not belong here"))
            }
            FaultKind::NotAnchored { sequence } => {
                let message =
                    format!("record {sequence} is not the anchored one: it or others before it were rewritten");
                ("not-anchored", Some(sequence), None, message)
            }
            FaultKind::Truncated { last, anchored } => {
                let message = format!("the record ends at {last}, but {anchored} was anchored");
                ("truncated", Some(last + 1), Some(anchored), message)
            }
            _ => ("other", None, None, "something is wrong here".to_owned()),
        };
        Self { position: fault.position, kind, sequence, last, message }
    }
}
