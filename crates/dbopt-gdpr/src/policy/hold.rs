//! What must not be erased for now: a claim in court, an investigation. A hold is for a row or a field, never for an account.

use std::path::PathBuf;

use dbopt_policy::{Fault, Table};

use super::name::{TableName, columns};

/// Where holds are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRule {
    /// Its name.
    pub name: String,
    /// Where.
    pub source: HoldSource,
}

/// Where holds are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldSource {
    /// In a table, a row for each hold.
    Table {
        /// The table.
        table: TableName,
        /// The column with the name of the held table, as `schema.table`.
        relation: String,
        /// The column with the key of the held row: its text, or a JSON array of texts when the key has more columns.
        row: String,
        /// The column with the name of the held field; NULL holds the row.
        field: Option<String>,
        /// The column with the time until which it is held; NULL holds for good.
        until: Option<String>,
        /// The column that says why.
        reason: Option<String>,
    },
    /// In a file of JSON Lines with `table`, `row` (a list of texts), and maybe `field`, `until` and `reason`.
    File(PathBuf),
}

impl HoldRule {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let name = table.required("name", "Its name, such as `litigation`.");
        let file: Option<PathBuf> = table.optional(
            "file",
            "A file of JSON Lines with `table`, `row` (a list of texts), and maybe `field`, `until` and `reason`.",
        );
        let from: Option<TableName> = table.optional("table", "A table with a row for each hold.");
        let relation =
            table.or("relation", "Its column with the held table, as `schema.table`.", "relation".to_owned());
        let row = table.or(
            "row",
            "Its column with the key of the held row: a text, or a JSON array when the key has more columns.",
            "row".to_owned(),
        );
        let field: Option<String> = table.optional("field", "Its column with the held field; NULL holds the row.");
        let until: Option<String> = table.optional("until", "Its column with the time until which it is held.");
        let reason: Option<String> = table.optional("reason", "Its column that says why.");
        let named = [&relation, &row].into_iter().chain(&field).chain(&until).chain(&reason);
        columns(table, "table", named);
        let source = match (from, file) {
            (Some(table), None) => HoldSource::Table { table, relation, row, field, until, reason },
            (None, Some(file)) => {
                for key in ["relation", "row", "field", "until", "reason"].iter().filter(|key| table.contains(key)) {
                    let fault = Fault::new("bad-value", format!("`{key}` is for holds in a table"));
                    table.reject(key, fault.help("Take it out: a file has these names itself."));
                }
                HoldSource::File(file)
            }
            (Some(_), Some(_)) => {
                table.reject("file", Fault::new("bad-value", "holds are in a table or a file, not both"));
                return None;
            }
            (None, None) => {
                if !table.contains("table") && !table.contains("file") {
                    let fault = Fault::new("missing-key", "the holds are nowhere");
                    table.reject("table", fault.help("Write `table = \"legal.hold\"` or `file = \"holds.jsonl\"`."));
                }
                return None;
            }
        };
        Some(Self { name: name?, source })
    }
}
