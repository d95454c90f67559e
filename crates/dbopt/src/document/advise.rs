//! Advice as a document.

use dbopt_report::{Document, Style, Table, Text, number};

use super::{coverage, one_line};
use crate::view::advise::{AdviceView, BenefitView, CreateView, DropView, ForeignKeyView, QueryView, UnhelpedView};

/// Queries listed under an index, and queries listed that no index helps.
const MOST_QUERIES: usize = 8;
const MOST_UNHELPED: usize = 15;
const TEXT_WIDTH: usize = 90;

/// The advice as a document to read.
pub(crate) fn document(advice: &AdviceView, frontier: bool) -> Document {
    let mut document = Document::default();
    let database = advice.catalogue.database.as_deref().unwrap_or("the given schema");
    document.heading(1, format!("Index advice for {database}"));
    if advice.interrupted {
        document.paragraph(Text::styled(Style::Bad, "Interrupted: this is the best answer so far."));
    }
    summary(&mut document, advice);
    if !advice.create.is_empty() {
        document.heading(2, "Create");
        for (at, create) in advice.create.iter().enumerate() {
            append_create(&mut document, at + 1, create);
        }
    }
    if !advice.drop.is_empty() {
        document.heading(2, "Drop");
        for drop in &advice.drop {
            append_drop(&mut document, drop);
        }
    }
    if !advice.unproven.is_empty() {
        document.heading(2, "Not used so far");
        document
            .paragraph("Too little is known to drop these: watch their scans for a week or more, on every replica.");
        document.list(advice.unproven.iter().map(unproven).collect());
    }
    if !advice.foreign_keys.is_empty() {
        append_foreign_keys(&mut document, &advice.foreign_keys);
    }
    if !advice.unhelped.is_empty() {
        append_unhelped(&mut document, &advice.unhelped);
    }
    if frontier {
        append_frontier(&mut document, advice);
    }
    coverage::append(&mut document, &advice.workload.inputs);
    document
}

fn summary(document: &mut Document, advice: &AdviceView) {
    let workload = &advice.workload;
    let calls = usize::try_from(workload.calls).unwrap_or(usize::MAX);
    let mut time = number::plural(calls, "call", "calls");
    if workload.total_ms > 0.0 {
        time.push_str(&format!(", {} in all", number::milliseconds(workload.total_ms)));
    }
    document.paragraph(format!(
        "Workload: {} ({} planned), {time}.",
        number::plural(workload.classes, "query class", "query classes"),
        number::count(workload.planned as f64),
    ));
    let statistics = match advice.catalogue.statistics.as_str() {
        "full" => "full statistics",
        "redacted" => "redacted statistics (range conditions use defaults)",
        _ => "no statistics (sizes and selectivities are PostgreSQL's defaults)",
    };
    document.paragraph(format!(
        "Catalogue: {} from {}, {statistics}.",
        number::plural(advice.catalogue.tables, "table", "tables"),
        match advice.catalogue.source.as_str() {
            "live" => "the connected database",
            "snapshot" => "a snapshot",
            _ => "DDL",
        },
    ));
    let totals = &advice.totals;
    if !advice.has_advice() {
        document.paragraph(Text::styled(
            Style::Strong,
            "No index is worth creating or dropping for this workload; the reasons by query are below.",
        ));
        return;
    }
    let mut text = Text::styled(
        Style::Strong,
        format!(
            "{} to create ({}), {} to drop",
            number::plural(advice.create.len(), "index", "indexes"),
            number::bytes(totals.create_bytes),
            number::plural(advice.drop.len(), "index", "indexes"),
        ),
    );
    if totals.drop_bytes > 0.0 {
        text = text.and(Style::Strong, format!(" ({})", number::bytes(totals.drop_bytes)));
    }
    if totals.cost_before > 0.0 && !advice.create.is_empty() {
        text = text.and(
            Style::Strong,
            format!(
                "; workload cost {} → {} ({} of before)",
                number::cost(totals.cost_before),
                number::cost(totals.cost_after),
                number::share(totals.cost_after / totals.cost_before),
            ),
        );
    }
    document.paragraph(text.and(Style::Strong, "."));
    let explains = match totals.explains {
        0 => String::new(),
        explains => format!(" and {} EXPLAINs", number::count(explains as f64)),
    };
    document.paragraph(Text::styled(
        Style::Dim,
        format!(
            "{}, {}{explains}. Costs are the planner's units, not milliseconds.",
            number::plural(totals.candidates, "candidate", "candidates"),
            number::plural(totals.questions, "what-if question", "what-if questions"),
        ),
    ));
}

fn append_create(document: &mut Document, at: usize, create: &CreateView) {
    let mut keys = create.keys.join(", ");
    if !create.include.is_empty() {
        keys.push_str(&format!("; include {}", create.include.join(", ")));
    }
    if let Some(predicate) = &create.predicate {
        keys.push_str(&format!("; where {predicate}"));
    }
    document.heading(3, format!("{at}. {}.{} ({keys})", create.schema, create.table));
    document.code("sql", create.sql.join("\n"));
    document.list(facts(create));
    let mut table =
        Table::new(["query", "calls", "time", "cost before → after", "statement and plan"]).right(1).right(2).right(3);
    for benefit in create.queries.iter().take(MOST_QUERIES) {
        table.push(benefit_row(benefit));
    }
    document.table(table);
    if create.queries.len() > MOST_QUERIES {
        let more = create.queries.len() - MOST_QUERIES;
        document.paragraph(Text::styled(
            Style::Dim,
            format!("… and {}; all are in --format json.", number::plural(more, "more query", "more queries")),
        ));
    }
}

fn facts(create: &CreateView) -> Vec<Text> {
    let mut facts = Vec::new();
    let queries = number::plural(create.queries.len(), "query", "queries");
    let helps = match create.time_share {
        Some(share) => format!("helps {queries} with {} of the logged time", number::share(share)),
        None => format!("helps {queries}"),
    };
    facts.push(Text::from(helps));
    let mut size = format!("size about {}", number::bytes(create.bytes));
    if let Some(seconds) = create.build_seconds {
        size.push_str(&format!(", build about {}", number::milliseconds(seconds * 1_000.0)));
    }
    facts.push(Text::from(size));
    let write = &create.write;
    let mut overhead = if write.entries > 0.0 {
        format!(
            "write overhead: {} index entries in this workload, {} of what it saves",
            number::count(write.entries),
            number::share(write.share_of_gain)
        )
    } else {
        "write overhead: no write of this workload touches it".to_owned()
    };
    if write.stops_hot {
        overhead.push_str("; it stops HOT updates of its columns");
    }
    facts.push(Text::from(overhead));
    if !create.replaces.is_empty() {
        facts.push(Text::from("makes redundant: ").and(Style::Code, create.replaces.join(", ")));
    }
    let engine = match create.engine.as_str() {
        "hypopg" => "the server's own planner with HypoPG",
        _ => "dbopt's model of the planner",
    };
    facts.push(
        Text::from("confidence: ")
            .and(Style::Strong, create.confidence.clone())
            .and(Style::Plain, format!(", by {engine}")),
    );
    facts.extend(create.notes.iter().map(|note| Text::from(note.as_str())));
    facts
}

fn benefit_row(benefit: &BenefitView) -> Vec<Text> {
    let mut row = query_cells(&benefit.query);
    row.push(
        Text::from(format!("{} → ", number::cost(benefit.cost_before)))
            .and(Style::Good, number::cost(benefit.cost_after)),
    );
    row.push(
        Text::from(one_line(&benefit.query.text, TEXT_WIDTH))
            .and(Style::Dim, format!("\nbefore: {}", benefit.plan_before))
            .and(Style::Dim, format!("\nafter: {}", benefit.plan_after)),
    );
    row
}

/// Fingerprint, calls and share of time.
fn query_cells(query: &QueryView) -> Vec<Text> {
    vec![
        Text::styled(Style::Code, query.fingerprint.chars().take(8).collect::<String>()),
        Text::from(number::count(query.calls)),
        Text::from(query.time_share.map_or_else(|| "unknown".to_owned(), number::share)),
    ]
}

fn append_drop(document: &mut Document, drop: &DropView) {
    let mut text = Text::styled(Style::Strong, format!("{}.{}", drop.schema, drop.name))
        .and(Style::Plain, format!(" on {}: {}", drop.table, drop.why));
    if let Some(bytes) = drop.bytes {
        text = text.and(Style::Plain, format!("; frees {}", number::bytes(bytes)));
    }
    document.paragraph(text.and(Style::Plain, format!(" (confidence: {}).", drop.confidence)));
    document.code("sql", drop.sql.clone());
    document.list(drop.notes.iter().map(|note| Text::from(note.as_str())).collect());
}

fn unproven(index: &DropView) -> Text {
    let size = index.bytes.map_or_else(String::new, |bytes| format!(" ({})", number::bytes(bytes)));
    Text::styled(Style::Strong, format!("{}.{}", index.schema, index.name))
        .and(Style::Plain, format!(" on {}{size}: {}", index.table, index.why))
}

fn append_foreign_keys(document: &mut Document, keys: &[ForeignKeyView]) {
    document.heading(2, "Foreign keys without an index");
    document.paragraph(
        "Deleting or re-keying a referenced row searches these tables from end to end. Worth an index when such deletes happen.",
    );
    let mut table =
        Table::new(["constraint", "references", "cost per delete", "deletes", "index size"]).right(2).right(3).right(4);
    for key in keys {
        table.push([
            format!("{}.{} ({})", key.table, key.constraint, key.columns.join(", ")),
            key.references.clone(),
            number::cost(key.cost_per_delete),
            key.deletes.map_or_else(|| "unknown".to_owned(), number::count),
            number::bytes(key.bytes),
        ]);
    }
    document.table(table);
    document.code("sql", keys.iter().flat_map(|key| key.sql.iter().map(String::as_str)).collect::<Vec<_>>().join("\n"));
}

fn append_unhelped(document: &mut Document, unhelped: &[UnhelpedView]) {
    document.heading(2, "Queries that no index helps");
    let mut table = Table::new(["query", "calls", "time", "statement, and why not"]).right(1).right(2);
    for query in unhelped.iter().take(MOST_UNHELPED) {
        let mut row = query_cells(&query.query);
        let mut text = Text::from(format!("{}\n{}", one_line(&query.query.text, TEXT_WIDTH), query.why));
        if let Some(hint) = &query.hint {
            text = text.and(Style::Strong, format!("; {hint}"));
        }
        row.push(text);
        table.push(row);
    }
    document.table(table);
    if unhelped.len() > MOST_UNHELPED {
        document.paragraph(Text::styled(
            Style::Dim,
            format!(
                "… and {}; all are in --format json.",
                number::plural(unhelped.len() - MOST_UNHELPED, "more query", "more queries")
            ),
        ));
    }
}

fn append_frontier(document: &mut Document, advice: &AdviceView) {
    document.heading(2, "Storage against cost");
    let mut table =
        Table::new(["indexes", "storage", "workload cost", "of before"]).right(0).right(1).right(2).right(3);
    for (at, point) in advice.frontier.iter().enumerate() {
        table.push([
            at.to_string(),
            number::bytes(point.bytes),
            number::cost(point.cost),
            number::share(point.cost / advice.totals.cost_before.max(f64::MIN_POSITIVE)),
        ]);
    }
    document.table(table);
}
