//! Applied advice as a document.

use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::apply::{ApplyView, StepView};

/// What was done as a document to read.
pub(crate) fn document(view: &ApplyView) -> Document {
    let mut document = Document::default();
    let mut repairs = Table::new(["left by an earlier run", "now", "why"]);
    for repair in view.repairs.iter().filter(|repair| repair.fate != "nothing-left") {
        repairs.push([
            Text::from(format!("{}.{}", repair.schema, repair.name)),
            Text::from(repair.fate.clone()),
            Text::from(repair.reason.clone().unwrap_or_default()),
        ]);
    }
    document.table(repairs);
    let mut table = Table::new(["step", "index", "outcome", "predicted", "size", "predicted", "took", "why"]);
    table = (3..=6).fold(table, Table::right);
    for step in &view.steps {
        table.push([
            Text::from(step.kind.clone()),
            Text::from(format!("{}.{}", step.schema, step.name)),
            outcome(step),
            Text::from(
                step.predicted_bytes.filter(|_| !step.kind.starts_with("drop")).map_or_else(String::new, number::bytes),
            ),
            Text::from(step.bytes_after.map_or_else(String::new, |bytes| number::bytes(bytes as f64))),
            Text::from(step.predicted_seconds.map_or_else(String::new, |seconds| number::milliseconds(seconds * 1e3))),
            Text::from(step.seconds.map_or_else(String::new, |seconds| number::milliseconds(seconds * 1e3))),
            Text::from(step.reason.clone().unwrap_or_default()),
        ]);
    }
    if view.steps.is_empty() {
        document.paragraph("There is nothing to do.");
    }
    if view.dry_run && !view.steps.is_empty() {
        let statements = view.steps.iter().flat_map(|step| &step.statements);
        document.code("sql", statements.map(|statement| format!("{statement}\n")).collect::<String>());
        return document;
    }
    document.table(table);
    document
}

fn outcome(step: &StepView) -> Text {
    let word = step.outcome.clone().unwrap_or_default();
    let style = match word.as_str() {
        "done" => Style::Good,
        "failed" | "lost" => Style::Bad,
        "blocked" | "deferred" => Style::Strong,
        _ => Style::Plain,
    };
    Text::styled(style, word)
}
