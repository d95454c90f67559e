//! Exports as documents.

use dbopt_report::{Document, Style, Table, Text};

use crate::view::gdpr_export::GdprExportView;

/// An export as a document to read.
pub(crate) fn document(view: &GdprExportView) -> Document {
    let mut document = Document::default();
    let rows: u64 = view.tables.iter().map(|table| table.rows).sum();
    let whom = match view.sealed {
        "recipients" => "sealed for its recipients",
        "passphrase" => "sealed with a passphrase",
        _ => "in plain",
    };
    let line = format!("{rows} rows of {} tables are in `{}`, {whom}.", view.tables.len(), view.output);
    document.paragraph(Text::styled(Style::Good, line));
    document.paragraph(format!("Article {}, as of {}, recorded as {}.", view.article, view.as_of, view.subject));
    let mut tables = Table::new(["table", "rows", "columns"]);
    for table in &view.tables {
        tables.push([format!("{}.{}", table.schema, table.table), table.rows.to_string(), table.columns.to_string()]);
    }
    document.table(tables);
    if !view.missing.is_empty() {
        let mut missing = Table::new(["not in it", "rows", "why"]);
        for one in &view.missing {
            let what: Vec<&str> = one.table.iter().chain(&one.column).map(String::as_str).collect();
            let rows = one.rows.map(|rows| rows.to_string()).unwrap_or_default();
            missing.push([what.join(" "), rows, one.why.clone()]);
        }
        document.heading(2, "What is missing").table(missing);
    }
    document
}
