//! What an export has written, as it leaves the program.

use dbopt_crypto::Pseudonym;
use dbopt_gdpr::export::Manifest;
use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;

/// What `dbopt gdpr export` answers. No value of the person is in it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr export")]
pub(crate) struct GdprExportView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The person, as the pseudonym of the audit record.
    pub(crate) subject: String,
    /// The article: 15 or 20.
    pub(crate) article: u8,
    /// The moment that the package is dated with.
    pub(crate) as_of: String,
    /// Where the package is.
    pub(crate) output: String,
    /// Who can open it: `recipients`, `passphrase`, or anybody when `plain`.
    pub(crate) sealed: &'static str,
    /// Rows by table.
    pub(crate) tables: Vec<ExportedView>,
    /// What is not in the package, and why.
    pub(crate) missing: Vec<MissingView>,
}

/// A table of the package.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ExportedView {
    /// Schema.
    pub(crate) schema: String,
    /// Name.
    pub(crate) table: String,
    /// Rows.
    pub(crate) rows: u64,
    /// Columns.
    pub(crate) columns: usize,
}

/// Something that is not in the package.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct MissingView {
    /// The table; none when it is about the whole package.
    pub(crate) table: Option<String>,
    /// The column; none when it is about whole rows.
    pub(crate) column: Option<String>,
    /// How many rows, when not all.
    pub(crate) rows: Option<u64>,
    /// Why.
    pub(crate) why: String,
}

impl GdprExportView {
    pub(crate) fn new(manifest: &Manifest, who: &Pseudonym, output: &str, sealed: &'static str) -> Self {
        let tables = manifest.tables.iter().map(|table| ExportedView {
            schema: table.schema.clone(),
            table: table.name.clone(),
            rows: table.rows,
            columns: table.columns.len(),
        });
        let missing = manifest.missing.iter().map(|missing| MissingView {
            table: missing.table.clone(),
            column: missing.column.clone(),
            rows: missing.rows,
            why: missing.why.clone(),
        });
        Self {
            schema_version: SCHEMA_VERSION,
            subject: who.to_string(),
            article: manifest.article,
            as_of: manifest.as_of.clone(),
            output: output.to_owned(),
            sealed,
            tables: tables.collect(),
            missing: missing.collect(),
        }
    }
}
