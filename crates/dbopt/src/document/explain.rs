//! Plans as documents.

use dbopt_finding::Severity;
use dbopt_plan::{PlanFinding, TreeRow};
use dbopt_report::{Document, Style, Table, Text, number};

use super::one_line;
use crate::view::explain::{ExplainView, PlanView};

const DETAIL_WIDTH: usize = 110;

/// The plans as a document to read.
pub(crate) fn document(explain: &ExplainView) -> Document {
    let mut document = Document::default();
    for (at, plan) in explain.plans.iter().enumerate() {
        let title = if explain.plans.len() > 1 { format!("Plan {}", at + 1) } else { "Plan".to_owned() };
        document.heading(1, title);
        append_plan(&mut document, plan);
    }
    document
}

fn append_plan(document: &mut Document, plan: &PlanView) {
    let summary = &plan.summary;
    let mut facts = vec![format!("cost {}", number::cost(summary.total_cost))];
    facts.extend(summary.planning_ms.map(|ms| format!("planning {}", number::milliseconds(ms))));
    facts.extend(summary.execution_ms.map(|ms| format!("execution {}", number::milliseconds(ms))));
    if !summary.is_analyzed {
        facts.push("not executed, so there are estimates only (EXPLAIN ANALYZE gives times and rows)".to_owned());
    }
    document.paragraph(format!("{}.", facts.join(", ")));
    if !plan.advice.is_empty() {
        document.heading(2, "What matters most");
        document.list(plan.advice.iter().map(advice).collect());
    } else if summary.is_analyzed {
        document.paragraph(
            "Nothing stands out: estimates fit, nothing spilled, and no scan discards most of what it reads.",
        );
    }
    document.heading(2, "Nodes");
    document.table(if summary.is_analyzed { analyzed(&summary.nodes) } else { estimated(&summary.nodes) });
    if !summary.triggers.is_empty() {
        let mut table = Table::new(["trigger", "time", "calls"]).right(1).right(2);
        for trigger in &summary.triggers {
            table.push([
                trigger.name.clone(),
                trigger.time_ms.map_or_else(|| "unknown".to_owned(), number::milliseconds),
                number::count(trigger.calls as f64),
            ]);
        }
        document.table(table);
    }
}

fn advice(finding: &PlanFinding) -> Text {
    let style = if finding.severity == Severity::Note { Style::Plain } else { Style::Strong };
    let mut text = Text::styled(Style::Dim, format!("{} ", number::share(finding.impact.share)));
    if let Some(label) = &finding.label {
        text = text.and(style, format!("{label}: "));
    }
    text.and(style, finding.message.clone())
        .and(Style::Plain, format!(". {}", finding.help))
        .and(Style::Dim, format!(" [{}]", finding.code))
}

/// Executed plans: own time, share, rows estimated and real.
fn analyzed(rows: &[TreeRow]) -> Table {
    let mut table = Table::new(["own time", "share", "with inputs", "rows", "estimated", "off by", "loops", "node"]);
    table = (0..=6).fold(table, Table::right);
    for row in rows {
        let off = match row.misestimate {
            Some(factor) if factor.abs() >= 10.0 => Text::styled(Style::Bad, factor_text(factor)),
            Some(factor) if factor.abs() >= 2.0 => Text::from(factor_text(factor)),
            _ => Text::default(),
        };
        let share = number::share(row.share);
        table.push([
            Text::from(row.exclusive_ms.map_or_else(String::new, number::milliseconds)),
            if row.share >= 0.2 { Text::styled(Style::Bad, share) } else { Text::from(share) },
            Text::from(row.inclusive_ms.map_or_else(String::new, number::milliseconds)),
            Text::from(row.rows_actual.map_or_else(String::new, number::count)),
            Text::from(number::count(row.rows_estimated)),
            off,
            Text::from(row.loops.map_or_else(String::new, |loops| number::count(loops as f64))),
            node(row),
        ]);
    }
    table
}

/// Plans that were not executed: cost and estimated rows.
fn estimated(rows: &[TreeRow]) -> Table {
    let mut table = Table::new(["cost", "share", "rows", "node"]).right(0).right(1).right(2);
    for row in rows {
        table.push([
            Text::from(number::cost(row.cost)),
            Text::from(number::share(row.share)),
            Text::from(number::count(row.rows_estimated)),
            node(row),
        ]);
    }
    table
}

/// The node with its depth, and its details on lines of their own.
fn node(row: &TreeRow) -> Text {
    let indent = "· ".repeat(row.depth);
    let mut text = Text::styled(Style::Dim, indent.clone());
    if let Some(subplan) = &row.subplan {
        text = text.and(Style::Dim, format!("{subplan}: "));
    }
    text = text.and(Style::Strong, row.label.clone());
    for detail in &row.details {
        let line = one_line(&format!("{}: {}", detail.name, detail.text), DETAIL_WIDTH);
        text = text.and(Style::Dim, format!("\n{indent}    {line}"));
    }
    text
}

fn factor_text(factor: f64) -> String {
    let direction = if factor > 0.0 { "more" } else { "fewer" };
    let size = factor.abs();
    if size < 10.0 { format!("{size:.1}× {direction}") } else { format!("{}× {direction}", number::count(size)) }
}
