//! A workload report as a document.

use dbopt_report::{Document, Style, Table, Text, number};

use super::{coverage, one_line};
use crate::view::logs::{EventsView, LogsView};

const MOST_ERRORS: usize = 15;
const TEXT_WIDTH: usize = 90;

/// The report as a document to read.
pub(crate) fn document(logs: &LogsView) -> Document {
    let mut document = Document::default();
    document.heading(1, "Workload");
    if let Some((first, last)) = &logs.period {
        document.paragraph(format!("From {first} to {last}."));
    }
    document.paragraph(format!(
        "{}, {} in {}.",
        number::plural(usize::try_from(logs.calls).unwrap_or(usize::MAX), "call", "calls"),
        number::milliseconds(logs.total_ms),
        number::plural(logs.classes, "query class", "query classes"),
    ));
    queries(&mut document, logs);
    errors(&mut document, logs);
    events(&mut document, &logs.events);
    coverage::append(&mut document, &logs.inputs);
    document
}

fn queries(document: &mut Document, logs: &LogsView) {
    if logs.queries.is_empty() {
        return;
    }
    document.heading(2, "Queries by time");
    let mut table = Table::new(["query", "time", "total", "calls", "mean", "p95", "max", "statement"]);
    table = (1..=6).fold(table, Table::right);
    for class in &logs.queries {
        table.push([
            Text::styled(Style::Code, class.fingerprint.chars().take(8).collect::<String>()),
            Text::from(number::share(class.time_share)),
            Text::from(number::milliseconds(class.total_ms)),
            Text::from(number::count(class.calls as f64)),
            Text::from(number::milliseconds(class.mean_ms)),
            Text::from(number::milliseconds(class.p95_ms)),
            Text::from(number::milliseconds(class.max_ms)),
            Text::from(one_line(&class.text, TEXT_WIDTH)),
        ]);
    }
    document.table(table);
    if logs.classes > logs.queries.len() {
        let more = number::plural(logs.classes - logs.queries.len(), "more class", "more classes");
        document.paragraph(Text::styled(Style::Dim, format!("… and {more}; --top lists more.")));
    }
}

fn errors(document: &mut Document, logs: &LogsView) {
    if logs.errors.is_empty() {
        return;
    }
    document.heading(2, "Errors");
    let mut table = Table::new(["count", "severity", "sqlstate", "message"]).right(0);
    for error in logs.errors.iter().take(MOST_ERRORS) {
        table.push([
            number::count(error.count as f64),
            error.severity.clone(),
            error.sqlstate.clone().unwrap_or_else(|| "unknown".to_owned()),
            one_line(&error.message, TEXT_WIDTH),
        ]);
    }
    document.table(table);
}

fn events(document: &mut Document, events: &EventsView) {
    let temp = number::bytes(events.temp_bytes as f64);
    let counted = [
        (events.lock_waits, "lock waits".to_owned()),
        (events.deadlocks, "deadlocks".to_owned()),
        (events.temp_files, format!("temporary files ({temp})")),
        (events.checkpoints, "checkpoints".to_owned()),
        (events.autovacuums, "automatic vacuums".to_owned()),
        (events.autoanalyzes, "automatic analyzes".to_owned()),
        (events.connections, "connections".to_owned()),
        (events.plans, "plans by auto_explain".to_owned()),
        (events.bare_durations, "durations without a statement".to_owned()),
    ];
    let items: Vec<Text> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| Text::from(format!("{} {what}", number::count(count as f64))))
        .collect();
    if !items.is_empty() {
        document.heading(2, "Events");
        document.list(items);
    }
}
