//! Plans and runs of maintenance as documents.

use dbopt_maintain::plan::{Item, Note, Plan};
use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::maintain::{DoneView, PlansView, RunView, RunsView};

/// Plans as a document to read.
pub(crate) fn plans(view: &PlansView) -> Document {
    let mut document = Document::default();
    for plan in &view.plans {
        document.heading(1, format!("Maintenance of {}", plan.database));
        one_plan(&mut document, plan);
        notes(&mut document, &plan.notes);
    }
    document
}

fn one_plan(document: &mut Document, plan: &Plan) {
    if plan.items.is_empty() {
        document.paragraph("There is nothing to do.");
        return;
    }
    let mut table = Table::new(["", "for", "object", "gain", "time", "from", "locks", "why"]);
    table = [0, 3, 4].into_iter().fold(table, Table::right);
    for (at, item) in plan.items.iter().enumerate() {
        table.push([
            Text::from((at + 1).to_string()),
            Text::from(item.class.name()),
            Text::from(item.work.object()),
            Text::from(gain(item)),
            Text::from(item.predicted_seconds.map_or_else(String::new, time)),
            Text::from(item.prediction.map_or("", |prediction| prediction.name())),
            Text::from(item.lock.clone()),
            Text::from(item.why.clone()),
        ]);
    }
    document.table(table);
    let steps = number::plural(plan.items.len(), "step", "steps");
    let (bytes, seconds) = (number::bytes(plan.gain_bytes() as f64), time(plan.predicted_seconds()));
    document.paragraph(format!("{steps}, about {bytes} to gain, in about {seconds}."));
    document.heading(2, "Statements");
    let statements: Vec<&str> = plan.items.iter().flat_map(|item| &item.statements).map(String::as_str).collect();
    document.code("sql", statements.join("\n"));
    let mut risks: Vec<&str> = Vec::new();
    for item in &plan.items {
        if !risks.contains(&item.risk.as_str()) {
            risks.push(&item.risk);
        }
    }
    document.heading(2, "Risks");
    let of = |risk: &&str| {
        let kinds: std::collections::BTreeSet<&str> =
            plan.items.iter().filter(|item| item.risk == *risk).map(|item| item.work.kind()).collect();
        Text::from(format!("{}: {risk}", kinds.into_iter().collect::<Vec<_>>().join(", ")))
    };
    document.list(risks.iter().map(of).collect());
}

fn notes(document: &mut Document, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    document.heading(2, "To know");
    let mut table = Table::new(["what", "what to do"]);
    for note in notes {
        table.push([Text::from(note.message.clone()), Text::from(note.help.clone().unwrap_or_default())]);
    }
    document.table(table);
}

/// Runs as a document to read.
pub(crate) fn runs(view: &RunsView) -> Document {
    let mut document = Document::default();
    for run in &view.runs {
        document.heading(1, format!("Maintenance of {}", run.database));
        one_run(&mut document, run);
        notes(&mut document, &run.notes);
    }
    document
}

fn one_run(document: &mut Document, run: &RunView) {
    if let Some(error) = &run.error {
        document.paragraph(Text::styled(Style::Bad, error.clone()));
    }
    let mut repairs = Table::new(["left by an earlier run", "now", "why"]);
    for repair in run.repairs.iter().filter(|repair| repair.fate != "nothing-left") {
        repairs.push([
            Text::from(format!("{}.{}", repair.schema, repair.name)),
            Text::from(repair.fate.clone()),
            Text::from(repair.reason.clone().unwrap_or_default()),
        ]);
    }
    document.table(repairs);
    if run.steps.is_empty() && run.error.is_none() {
        document.paragraph("There was nothing to do.");
    }
    let mut table = Table::new(["for", "object", "outcome", "expected", "gained", "expected", "took", "why"]);
    table = (3..=6).fold(table, Table::right);
    for step in &run.steps {
        let gained = step.bytes_before.zip(step.bytes_after).map(|(before, after)| before - after);
        table.push([
            Text::from(step.item.class.name()),
            Text::from(step.item.work.object()),
            outcome(step),
            Text::from(gain(&step.item)),
            Text::from(gained.map_or_else(String::new, signed)),
            Text::from(step.item.predicted_seconds.map_or_else(String::new, time)),
            Text::from(step.seconds.map_or_else(String::new, time)),
            Text::from(step.reason.clone().unwrap_or_default()),
        ]);
    }
    document.table(table);
}

fn outcome(step: &DoneView) -> Text {
    let style = match step.outcome.as_str() {
        "done" => Style::Good,
        "failed" | "refused" => Style::Bad,
        "blocked" | "deferred" => Style::Strong,
        _ => Style::Plain,
    };
    Text::styled(style, step.outcome.clone())
}

fn gain(item: &Item) -> String {
    item.gain_bytes.map_or_else(String::new, |bytes| number::bytes(bytes as f64))
}

/// Bytes that may be fewer than none: a table that has grown.
fn signed(bytes: i64) -> String {
    let shown = number::bytes(bytes.unsigned_abs() as f64);
    if bytes < 0 { format!("-{shown}") } else { shown }
}

fn time(seconds: f64) -> String {
    number::milliseconds(seconds * 1e3)
}
