//! Differences between a database and a policy as a document.

use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::drift::DriftView;

/// The differences as a document to read.
pub(crate) fn document(view: &DriftView) -> Document {
    let mut document = Document::default();
    document.heading(1, format!("{} and its access policy", view.database));
    let mut table = Table::new(["", "object", "difference"]);
    for difference in &view.differences {
        let style = match difference.severity.as_str() {
            "error" => Style::Bad,
            "warning" => Style::Strong,
            _ => Style::Dim,
        };
        let what = format!("{} [{}]\n{}", difference.message, difference.code, difference.why);
        table.push([
            Text::styled(style, difference.severity.clone()),
            Text::from(difference.object.clone()),
            Text::from(what),
        ]);
    }
    if !view.differences.is_empty() {
        document.table(table);
    }
    let counting = || view.differences.iter().filter(|difference| difference.severity != "note");
    let statements: Vec<&str> = counting().flat_map(|it| &it.statements).map(String::as_str).collect();
    if !statements.is_empty() {
        document.heading(2, "To paste, after a look at what each means");
        document.code("sql", statements.join("\n"));
    }
    let open = counting().filter(|difference| difference.statements.is_empty()).count();
    if open > 0 {
        document
            .paragraph(format!("{} for a person to decide.", number::plural(open, "difference is", "differences are")));
    }
    if view.errors + view.warnings == 0 {
        document.paragraph("The database is as the policy says.");
    } else {
        let errors = number::plural(view.errors, "error", "errors");
        document.paragraph(format!("{errors}, {}.", number::plural(view.warnings, "warning", "warnings")));
    }
    document
}
