//! A catalogue from DDL: the output of `pg_dump --schema-only`, a file of migrations, or any other SQL that creates tables.
//!
//! The statements are read from their tokens and not through a syntax tree: what matters of them is little, dumps hold much
//! that general SQL parsers reject (`ATTACH PARTITION`, operator classes, `EXCLUDE`), and one statement that is not
//! understood must not cost the others. Such a statement gives a finding at its place. Sizes and statistics are unknown,
//! and expressions stay as they are written, where a live session has them as the server prints them.

mod alter;
mod constraint;
mod cursor;
mod finish;
mod index;
mod schema;
mod statement;
mod table;
mod types;
mod view;

use dbopt_finding::{Finding, LineIndex, Place};

use crate::Catalog;
use cursor::Cursor;
use schema::Schema;

/// Reads DDL; `name` is the file's name for findings.
#[must_use]
pub fn read(name: &str, text: &str) -> (Catalog, Vec<Finding>) {
    let lines = LineIndex::new(text);
    let mut findings = Vec::new();
    let mut schema = Schema::default();
    for span in dbopt_sql::split(text).statements {
        let mut cursor = Cursor::new(text.get(span.start..span.end).unwrap_or_default(), span.start);
        let fault = if cursor.is_closed() {
            statement::read(&mut schema, &mut cursor).err()
        } else {
            Some(cursor::Fault { offset: span.start, message: "a quote that opens in it is not closed".to_owned() })
        };
        if let Some(fault) = fault {
            let place = lines.place(name, fault.offset);
            findings.push(
                Finding::warning("ddl-not-understood", format!("the statement is left out: {}", fault.message))
                    .at(place),
            );
        }
    }
    let catalog = finish::finish(schema);
    if catalog.tables.is_empty() {
        let finding = Finding::error("ddl-no-tables", "no CREATE TABLE was found").at(Place::file(name));
        findings.push(if text.trim_start().starts_with('{') {
            finding.help("This looks like JSON; a snapshot is given with --snapshot.")
        } else if text.starts_with("PGDMP") {
            finding.help("This is a pg_dump archive; give the output of `pg_dump --schema-only`.")
        } else {
            finding.help("Give the output of `pg_dump --schema-only`, or a file that creates the tables.")
        });
    }
    (catalog, findings)
}

/// Fuzz body: any text gives a catalogue whose tables are in order and can be found.
#[doc(hidden)]
pub fn fuzz_ddl(text: &str) {
    let (catalog, findings) = read("fuzz", text);
    assert!(!catalog.tables.is_empty() || !findings.is_empty());
    for table in &catalog.tables {
        assert!(catalog.find(Some(&table.schema), &table.name).is_some());
    }
}

#[cfg(test)]
mod tests;
