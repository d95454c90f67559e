//! What is to be said of a catalogue that was read: emptiness, and statistics that are missing.

use dbopt_finding::Finding;

use crate::{Catalog, KeyPart, Table};

pub(super) fn findings(catalog: &Catalog, role: &str, without_values: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if catalog.tables.is_empty() {
        let database = catalog.database.as_deref().unwrap_or_default();
        findings.push(Finding::warning("catalog-empty", format!("no tables were found in database `{database}`")));
    }
    let not_analysed: Vec<String> =
        catalog.tables.iter().filter(|table| table.pages > 0.0 && table.rows.is_none()).map(qualified).collect();
    if !not_analysed.is_empty() {
        let message = format!(
            "{} never analysed: {}",
            counted(not_analysed.len(), "table was", "tables were"),
            list(&not_analysed)
        );
        findings.push(
            Finding::warning("catalog-not-analysed", message)
                .help("Run ANALYZE on them, as their owner; until then their sizes in rows are guesses."),
        );
    }
    let expressions = blind_expressions(catalog);
    if !expressions.is_empty() {
        let count = counted(expressions.len(), "index expression has", "index expressions have");
        let message = format!("{count} no statistics that role `{role}` may see: {}", list(&expressions));
        findings.push(
            Finding::note("catalog-statistics-hidden", message)
                .help("The server shows them to the owner of the table and to members of pg_read_all_data."),
        );
    }
    if !without_values.is_empty() {
        let count = counted(without_values.len(), "extended statistics object has", "extended statistics objects have");
        let message = format!("{count} no values that role `{role}` may see: {}", list(without_values));
        findings.push(
            Finding::note("catalog-statistics-hidden", message)
                .help("The server shows them to the owner of the table; ANALYZE makes them."),
        );
    }
    findings
}

/// Indexes over expressions without statistics, on tables that have rows.
fn blind_expressions(catalog: &Catalog) -> Vec<String> {
    let analysed = catalog.tables.iter().filter(|table| table.rows.is_some_and(|rows| rows > 0.0));
    let indexes = analysed.flat_map(|table| &table.indexes).filter(|index| {
        let is_expression = |part: &KeyPart| matches!(part, KeyPart::Expression(_));
        // A partitioned index has no entries and so no statistics of its own, nor has an empty one.
        let leaf = index.pages.is_some_and(|pages| pages > 1.0);
        leaf && index.expression_statistics.is_empty() && index.keys.iter().any(|key| is_expression(&key.part))
    });
    indexes.map(|index| format!("{}.{}", index.schema, index.name)).collect()
}

fn qualified(table: &Table) -> String {
    format!("{}.{}", table.schema, table.name)
}

/// A number with its noun.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The first few names, and how many more there are.
pub(super) fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
