//! What is planned for a person, as a document.

use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::gdpr::{GdprPlanView, LintView};

/// How much is covered. The findings are told as they are, on standard error.
pub(crate) fn lint(view: &LintView) -> Document {
    let mut document = Document::default();
    let errors = view.findings.iter().filter(|finding| finding.severity == "error").count();
    document.paragraph(if errors == 0 {
        format!("The policy covers {} tables and {} references.", view.tables, view.references)
    } else {
        format!(
            "Of {} tables and {} references, {errors} things are not covered or do not fit.",
            view.tables, view.references
        )
    });
    if !view.findings.is_empty() {
        let mut table = Table::new(["severity", "code", "what", "help"]);
        for finding in &view.findings {
            let style = if finding.severity == "error" { Style::Bad } else { Style::Plain };
            table.push([
                Text::styled(style, finding.severity.clone()),
                Text::from(finding.code.clone()),
                Text::from(finding.message.clone()),
                Text::from(finding.help.clone().unwrap_or_default()),
            ]);
        }
        document.table(table);
    }
    document
}

/// What would be done.
pub(crate) fn plan(view: &GdprPlanView) -> Document {
    let mut document = Document::default();
    document.heading(1, format!("Erasing a {}", view.rule));
    document.paragraph(format!("Who: {}, as of {}.", view.subject, view.as_of));
    let mut tables = Table::new(["table", "owned", "shared", "about", "deleted", "changed", "kept"]);
    tables = (1..=6).fold(tables, Table::right);
    for table in &view.tables {
        let counts = [table.owned, table.shared, table.about, table.deleted, table.changed, table.kept];
        tables.push(
            std::iter::once(Text::from(table.table.clone()))
                .chain(counts.iter().map(|count| Text::from(count.to_string()))),
        );
    }
    document.heading(2, "Rows").table(tables);
    if !view.effects.is_empty() {
        let mut table = Table::new(["rows", "whose", "by", "on delete", "the policy"]).right(0);
        for effect in &view.effects {
            table.push([
                Text::from(effect.rows.to_string()),
                Text::from(effect.whose.clone()),
                Text::from(effect.reference.clone()),
                Text::from(effect.action.clone()),
                if effect.planned { Text::from("lets them go") } else { Text::styled(Style::Bad, "says nothing") },
            ]);
        }
        document.heading(2, "Rows that refer to what goes").table(table);
    }
    if !view.kept.is_empty() {
        let mut table = Table::new(["table", "column", "rows", "why", "until"]).right(2);
        for kept in &view.kept {
            table.push([
                Text::from(kept.table.clone()),
                Text::from(kept.column.clone().unwrap_or_else(|| "all".to_owned())),
                Text::from(kept.rows.to_string()),
                Text::from(kept.why.clone()),
                Text::from(kept.until.clone().unwrap_or_default()),
            ]);
        }
        document.heading(2, "What stays").table(table);
    }
    if !view.sealed.is_empty() {
        let mut table = Table::new(["table", "column", "values", "under"]).right(2);
        for sealed in &view.sealed {
            let under = match (&*sealed.by, &sealed.purpose) {
                (_, Some(purpose)) => Text::from(format!("a key of a person of purpose {purpose}")),
                ("gone", None) => Text::from("a key that was destroyed"),
                _ => Text::styled(Style::Bad, "no key of a person"),
            };
            table.push([
                Text::from(sealed.table.clone()),
                Text::from(sealed.column.clone()),
                Text::from(sealed.rows.to_string()),
                under,
            ]);
        }
        document.heading(2, "Values that go with a key").table(table);
    }
    if !view.large_objects.is_empty() {
        let mut table = Table::new(["table", "column", "go", "stay"]).right(2).right(3);
        for objects in &view.large_objects {
            table.push([
                Text::from(objects.table.clone()),
                Text::from(objects.column.clone()),
                Text::from(objects.unlinked.to_string()),
                Text::from(objects.kept.to_string()),
            ]);
        }
        document.heading(2, "Large objects").table(table);
    }
    document.heading(2, "Statements");
    if let Some(rows) = view.apart_rows {
        document.paragraph(format!(
            "The first {} are done in transactions of at most {rows} rows each, the others in one after them.",
            view.apart
        ));
    }
    let lines = view.statements.iter().map(|statement| {
        let rows: Vec<_> = statement.rows.iter().map(ToString::to_string).collect();
        if rows.is_empty() {
            format!("{}\n", statement.sql)
        } else {
            let what = if statement.kind == "unlink" { "large objects" } else { "rows" };
            format!("-- {} {what}\n{}\n", rows.join(" + "), statement.sql)
        }
    });
    document.code("sql", lines.collect::<String>());
    if !view.locks.is_empty() {
        let locks = view.locks.iter().map(|lock| format!("{}: {}, {} rows", lock.table, lock.mode, lock.rows));
        document.heading(2, "Locks until the end").list(locks.map(Text::from).collect());
    }
    if !view.indexes.is_empty() {
        document.heading(2, "Indexes to create before");
        let sql = view.indexes.iter().flat_map(|index| &index.sql).map(|sql| format!("{sql}\n"));
        document.code("sql", sql.collect::<String>());
    }
    let (now, then) = (number::milliseconds(view.seconds * 1e3), number::milliseconds(view.seconds_indexed * 1e3));
    document.paragraph(if view.indexes.is_empty() {
        format!("It takes about {now}.")
    } else {
        format!("It takes about {now}, and about {then} with the indexes.")
    });
    if view.refused {
        document.paragraph(Text::styled(Style::Bad, "Something speaks against it, and nothing may be erased."));
    }
    document
}
