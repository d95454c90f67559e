//! What was found of a person's identifiers, and where erased values may still be, as it leaves the program: never a value.

use dbopt_gdpr::{residue::Residue, verify::Report};
use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;

/// What `dbopt gdpr verify` found.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr verify")]
pub(crate) struct VerifyReportView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Whether nothing was found but what the policy keeps.
    pub(crate) clean: bool,
    /// Whether all was searched that the policy says.
    pub(crate) complete: bool,
    /// Where there is something.
    pub(crate) hits: Vec<HitView>,
    /// What was searched.
    pub(crate) scanned: Vec<ScannedView>,
    /// What was not.
    pub(crate) skipped: Vec<SkippedView>,
}

/// Rows with an identifier.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct HitView {
    /// A table as in SQL, or what else was searched.
    pub(crate) place: String,
    /// The column.
    pub(crate) column: String,
    /// The identifier's name.
    pub(crate) identifier: String,
    /// How it was written, such as `as written` or `sha-256`.
    pub(crate) variant: String,
    /// In how many rows it stands for itself.
    pub(crate) rows: u64,
    /// In how many more it is a part of a longer word or address. They do not count.
    pub(crate) within: u64,
    /// Why the policy keeps it, when it does.
    pub(crate) kept: Option<String>,
    /// Keys of the first rows, only with `--keys`.
    pub(crate) keys: Vec<Vec<String>>,
}

/// Something that was searched.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ScannedView {
    /// A table as in SQL, or what else.
    pub(crate) place: String,
    /// Its columns that were searched.
    pub(crate) columns: Vec<String>,
    /// How many rows.
    pub(crate) rows: u64,
    /// How many bytes.
    pub(crate) bytes: u64,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// Something that was not searched.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct SkippedView {
    /// What.
    pub(crate) place: String,
    /// Why.
    pub(crate) why: String,
    /// Whether it is as the policy says, or can hold nothing.
    pub(crate) expected: bool,
}

impl VerifyReportView {
    pub(crate) fn new(report: &Report) -> Self {
        let hit = |hit: &dbopt_gdpr::verify::Hit| HitView {
            place: hit.place.clone(),
            column: hit.column.clone(),
            identifier: hit.identifier.clone(),
            variant: hit.variant.name().to_owned(),
            rows: hit.rows,
            within: hit.within,
            kept: hit.kept.clone(),
            keys: hit.keys.iter().map(|key| key.iter().map(ToString::to_string).collect()).collect(),
        };
        let scanned = |scanned: &dbopt_gdpr::verify::Scanned| ScannedView {
            place: scanned.place.clone(),
            columns: scanned.columns.clone(),
            rows: scanned.rows,
            bytes: scanned.bytes,
            seconds: scanned.took.as_secs_f64(),
        };
        let skipped = |skipped: &dbopt_gdpr::verify::Skipped| SkippedView {
            place: skipped.place.clone(),
            why: skipped.why.clone(),
            expected: skipped.expected,
        };
        Self {
            schema_version: SCHEMA_VERSION,
            clean: report.is_clean(),
            complete: report.is_complete(),
            hits: report.hits.iter().map(hit).collect(),
            scanned: report.scanned.iter().map(scanned).collect(),
            skipped: report.skipped.iter().map(skipped).collect(),
        }
    }
}

/// What `dbopt gdpr residue` found.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr residue")]
pub(crate) struct ResidueView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Where something may be, and where not.
    pub(crate) places: Vec<ResiduePlaceView>,
}

/// A place where something may be.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ResiduePlaceView {
    /// What it is.
    pub(crate) place: String,
    /// How long a value stays, such as `gone` or `until vacuum`.
    pub(crate) stays: String,
    /// Why.
    pub(crate) why: String,
    /// A statement that mends it.
    pub(crate) mend: Option<String>,
}

impl ResidueView {
    pub(crate) fn new(found: &[Residue]) -> Self {
        let place = |one: &Residue| ResiduePlaceView {
            place: one.place.clone(),
            stays: one.stays.name().to_owned(),
            why: one.why.clone(),
            mend: one.mend.clone(),
        };
        Self { schema_version: SCHEMA_VERSION, places: found.iter().map(place).collect() }
    }
}
