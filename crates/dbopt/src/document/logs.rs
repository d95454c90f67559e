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
    let has_states = logs.errors.iter().any(|error| error.sqlstate.is_some());
    let mut header = vec!["count", "severity", "message"];
    if has_states {
        header.push("sqlstate");
    }
    let mut table = Table::new(header).right(0);
    for error in logs.errors.iter().take(MOST_ERRORS) {
        table.push([
            number::count(error.count as f64),
            error.severity.clone(),
            one_line(&error.message, TEXT_WIDTH),
            error.sqlstate.clone().unwrap_or_else(|| "unknown".to_owned()),
        ]);
    }
    document.table(table);
}

fn events(document: &mut Document, events: &EventsView) {
    let counted = [
        (events.lock_waits, "lock wait", "lock waits"),
        (events.deadlocks, "deadlock", "deadlocks"),
        (events.temp_files, "temporary file", "temporary files"),
        (events.checkpoints, "checkpoint", "checkpoints"),
        (events.autovacuums, "automatic vacuum", "automatic vacuums"),
        (events.autoanalyzes, "automatic analyze", "automatic analyzes"),
        (events.connections, "connection", "connections"),
        (events.plans, "plan by auto_explain", "plans by auto_explain"),
        (events.bare_durations, "duration without a statement", "durations without a statement"),
    ];
    let mut items: Vec<Text> = counted
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| Text::from(number::plural(usize::try_from(count).unwrap_or(usize::MAX), one, many)))
        .collect();
    if events.temp_bytes > 0 {
        items.push(Text::from(format!("{} in temporary files", number::bytes(events.temp_bytes as f64))));
    }
    if !items.is_empty() {
        document.heading(2, "Events");
        document.list(items);
    }
}
