//! What was read of each input, and what was not.

use dbopt_workload::InputCoverage;
use schemars::JsonSchema;
use serde::Serialize;

/// How far one input was understood.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct InputView {
    /// Name as given.
    pub(crate) name: String,
    /// `stderr`, `csvlog`, `jsonlog`, `pg_stat_statements` or `sql`; absent when nothing was recognised.
    pub(crate) format: Option<String>,
    /// What collectors had wrapped around its lines, outermost first.
    pub(crate) wrappers: Vec<String>,
    /// The `log_line_prefix` that was used.
    pub(crate) prefix: Option<String>,
    /// How it was compressed.
    pub(crate) compression: Option<String>,
    /// Bytes read, after decompression.
    pub(crate) bytes: u64,
    /// Records found.
    pub(crate) records: u64,
    /// Records understood.
    pub(crate) recognised: u64,
    /// Records with a duration.
    pub(crate) with_duration: u64,
    /// What was passed over, by reason.
    pub(crate) skipped: Vec<SkippedView>,
    /// Whether it ends in the middle of a record.
    pub(crate) truncated: bool,
}

/// Records passed over for one reason.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct SkippedView {
    /// The reason.
    pub(crate) why: String,
    /// How many.
    pub(crate) count: u64,
    /// Line of the first, from 1.
    pub(crate) first_line: Option<u64>,
}

impl From<&InputCoverage> for InputView {
    fn from(input: &InputCoverage) -> Self {
        let skipped = input.skipped.iter().map(|skipped| SkippedView {
            why: skipped.why.to_owned(),
            count: skipped.count,
            first_line: skipped.first.as_ref().and_then(|place| place.position).map(|position| position.line),
        });
        Self {
            name: input.name.clone(),
            format: input.format.map(|format| format.to_string()),
            wrappers: input.wrappers.iter().map(|wrapper| (*wrapper).to_owned()).collect(),
            prefix: input.prefix.clone(),
            compression: input.compression.map(|compression| compression.to_string()),
            bytes: input.bytes,
            records: input.records,
            recognised: input.recognised,
            with_duration: input.with_duration,
            skipped: skipped.collect(),
            truncated: input.truncated,
        }
    }
}
