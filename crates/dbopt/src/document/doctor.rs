//! Checks of a machine and a database as a document.

use dbopt_report::{Document, Style, Table, Text};

use crate::{
    doctor::{Area, Check, Verdict},
    view::doctor::DoctorView,
};

/// The checks as a document to read.
pub(crate) fn document(view: &DoctorView) -> Document {
    let mut document = Document::default();
    let title = view.target.as_ref().map_or_else(
        || "What this machine can do".to_owned(),
        |target| format!("What dbopt can do with {} as {}", target.database, target.user),
    );
    document.heading(1, title);
    let areas: Vec<Area> = view.checks.iter().map(|check| check.area).collect();
    let mut areas = areas.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter();
    for area in areas.by_ref() {
        document.heading(2, heading(area));
        let mut table = Table::new(["", "what", "found"]);
        for check in view.checks.iter().filter(|check| check.area == area) {
            table.push([verdict(check.verdict), Text::from(check.name), Text::from(found(check))]);
        }
        document.table(table);
    }
    let fixes: Vec<&str> = view.checks.iter().flat_map(|check| &check.fix).map(String::as_str).collect();
    if !fixes.is_empty() {
        document.heading(2, "To paste, after a look at what each means");
        for (language, is_sql) in [("sql", true), ("sh", false)] {
            let lines: Vec<&str> = fixes.iter().copied().filter(|fix| fix.ends_with(';') == is_sql).collect();
            if !lines.is_empty() {
                document.code(language, lines.join("\n"));
            }
        }
    }
    if view.target.is_none() {
        document.paragraph("Name a database with -d to look at it as well.");
    }
    document
}

fn heading(area: Area) -> &'static str {
    match area {
        Area::Machine => "Machine",
        Area::Server => "Server",
        Area::Rights => "Rights",
        Area::Extensions => "Extensions",
        Area::Logging => "Logging",
        Area::Statistics => "Statistics",
        Area::Replication => "Replication",
    }
}

fn verdict(verdict: Verdict) -> Text {
    match verdict {
        Verdict::Good => Text::styled(Style::Good, "good"),
        Verdict::Limited => Text::styled(Style::Strong, "limited"),
        Verdict::Missing => Text::styled(Style::Bad, "missing"),
    }
}

/// What was found, and what it means when it is not good.
fn found(check: &Check) -> String {
    if check.verdict == Verdict::Good {
        return check.found.clone();
    }
    let mut text = check.found.clone();
    if !check.commands.is_empty() {
        text.push_str(&format!(" (matters to {})", check.commands.join(", ")));
    }
    if let Some(help) = &check.help {
        text.push('\n');
        text.push_str(help);
    }
    text
}
