//! What was encrypted, as a document.

use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::re_encrypt::{ColumnView, CountedView, ReEncryptView, TableView, UnderKeyView};

/// What was done, or is to be done.
pub(crate) fn document(view: &ReEncryptView) -> Document {
    let mut document = Document::default();
    if view.dry_run {
        counted(&mut document, &view.counted);
        let statements = view.tables.iter().flat_map(|table| &table.statements);
        document.code("sql", statements.map(|statement| format!("{statement}\n")).collect::<String>());
        return document;
    }
    let mut columns =
        Table::new(["column", "sealed", "sealed anew", "terms only", "opened, by key", "do not open", "left"]);
    columns = (1..=3).fold(columns, Table::right).right(6);
    for column in view.tables.iter().flat_map(|table| &table.columns) {
        columns.push([
            Text::from(column.column.clone()),
            Text::from(column.sealed.to_string()),
            Text::from(column.resealed.to_string()),
            Text::from(column.terms.to_string()),
            Text::from(if column.complete { opened(column) } else { "not all looked at".to_owned() }),
            unopened(column),
            Text::from(column.left.to_string()),
        ]);
    }
    let mut tables = Table::new(["table", "outcome", "before", "after", "took", "why"]);
    tables = (2..=4).fold(tables, Table::right);
    for table in &view.tables {
        let bytes = |bytes: Option<i64>| bytes.map_or_else(String::new, |bytes| number::bytes(bytes as f64));
        tables.push([
            Text::from(format!("{}.{}", table.schema, table.table)),
            outcome(table),
            Text::from(bytes(table.bytes_before)),
            Text::from(bytes(table.bytes_after)),
            Text::from(table.seconds.map_or_else(String::new, |seconds| number::milliseconds(seconds * 1e3))),
            Text::from(table.reason.clone().unwrap_or_default()),
        ]);
    }
    if view.tables.is_empty() {
        document.paragraph("The policy names no column.");
        return document;
    }
    document.table(tables).table(columns);
    document
}

/// What is in columns, by first bytes.
pub(crate) fn counted(document: &mut Document, counted: &[CountedView]) {
    if counted.is_empty() {
        return;
    }
    let mut table =
        Table::new(["column", "in plain", "sealed, by key", "neither", "terms, by version"]).right(1).right(3);
    for column in counted {
        let terms = column.indexes.iter().map(|index| {
            let versions: Vec<_> = index.versions.iter().map(|of| format!("{}: {}", of.version, of.terms)).collect();
            format!("{} {}", index.column, versions.join(", "))
        });
        let style = if column.plain > 0 { Style::Bad } else { Style::Plain };
        table.push([
            Text::from(column.column.clone()),
            Text::styled(style, column.plain.to_string()),
            Text::from(sealed(column)),
            Text::from(column.malformed.to_string()),
            Text::from(terms.collect::<Vec<_>>().join("; ")),
        ]);
    }
    document.table(table);
}

/// Values that open, by key of the ring, and those of persons together.
fn opened(column: &ColumnView) -> String {
    let persons = (column.of_persons > 0).then(|| format!("of persons: {}", column.of_persons));
    [under(&column.verified)].into_iter().filter(|keys| !keys.is_empty()).chain(persons).collect::<Vec<_>>().join(", ")
}

/// Sealed values, by key of the ring, and those of persons together.
fn sealed(column: &CountedView) -> String {
    let persons = column.persons.iter().flat_map(|persons| {
        let keys = persons.keys.iter().map(|under| under.values).sum::<u64>();
        let values = format!("of persons: {} (of {keys} keys)", persons.values);
        [Some(values), (persons.erased > 0).then(|| format!("erased: {}", persons.erased))]
    });
    let keys = Some(under(&column.keys)).filter(|keys| !keys.is_empty());
    [keys].into_iter().chain(persons).flatten().collect::<Vec<_>>().join(", ")
}

fn under(keys: &[UnderKeyView]) -> String {
    keys.iter().map(|under| format!("{}: {}", under.key, under.values)).collect::<Vec<_>>().join(", ")
}

fn unopened(column: &ColumnView) -> Text {
    let list: Vec<_> =
        column.unopened.iter().map(|unopened| format!("{}: {}", unopened.why, unopened.values)).collect();
    let is_bad = column.unopened.iter().any(|unopened| unopened.why != "erased");
    Text::styled(if is_bad { Style::Bad } else { Style::Plain }, list.join(", "))
}

fn outcome(table: &TableView) -> Text {
    let word = table.outcome.clone().unwrap_or_default();
    let style = match word.as_str() {
        "done" => Style::Good,
        "failed" | "lost" => Style::Bad,
        "blocked" | "deferred" => Style::Strong,
        _ => Style::Plain,
    };
    Text::styled(style, word)
}
