//! Foreign keys and unique indexes, which look at the rows of all tenants.
//!
//! They are checked without row-level security, and have to be. A key without the tenant tells whether
//! another tenant has a row, and a CASCADE reaches over; with the tenant on both sides it cannot.

use std::collections::BTreeSet;

use dbopt_sql::quote_ident;

use crate::{
    actual::{Actual, ForeignKey},
    desired::Desired,
    difference::Difference,
};

/// Since this version ON DELETE SET NULL can name columns.
const SET_COLUMNS: u32 = 150_000;

pub(super) fn differences(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut made = BTreeSet::new();
    for key in &actual.keys {
        let Some(parent) = tenant_column(desired, actual, key.to) else { continue };
        let child = tenant_column(desired, actual, key.from);
        let mut pairs = key.columns.iter().zip(&key.referenced);
        if child.is_some_and(|child| pairs.any(|(from, to)| from == child && to == parent)) {
            continue;
        }
        let name = quote_ident(&key.name);
        let difference = Difference::error(
            "key-across-tenants",
            &key.from_sql,
            format!("foreign key {name} does not compare the tenant"),
        );
        found.push(match child {
            Some(child) => {
                let mut difference = difference.why(
                    "It tells whether another tenant has a row, and what it cascades reaches the rows of others. \
                     The statements lock both tables and check all rows; they fail while a row refers to another tenant's.",
                );
                difference.statements = mend(actual, key, child, parent).unwrap_or_default();
                difference.statements.retain(|statement| made.insert(statement.clone()));
                difference
            }
            None => difference.why(
                "It is of a table that belongs to no tenant: whoever may write there learns which rows tenants have. Give the table a tenant, or \
                 nobody the right to write.",
            ),
        });
    }
    for unique in actual.uniques.iter().filter(|unique| !unique.is_primary) {
        let Some(column) = tenant_column(desired, actual, unique.table) else { continue };
        let Some(relation) = actual.relations.get(&unique.table) else { continue };
        if !unique.columns.iter().any(|other| other == column) {
            let what = format!("unique index {} does not have the tenant", quote_ident(&unique.name));
            found.push(
                Difference::note("unique-across-tenants", relation.sql(), what)
                    .why("Whoever writes a value that another tenant has is told so. Nothing is wrong where values cannot be guessed."),
            );
        }
    }
    found
}

fn tenant_column<'a>(desired: &'a Desired, actual: &Actual, oid: u32) -> Option<&'a String> {
    let root = actual.relations.get(&actual.relations.get(&oid)?.root?)?;
    let of = desired.tables.iter().find(|table| table.schema == root.schema && table.name == root.name);
    of.map(|table| &table.column)
}

/// The same key with the tenant on both sides; none where that takes away what it does on delete.
fn mend(actual: &Actual, key: &ForeignKey, child: &str, parent: &str) -> Option<Vec<String>> {
    let to = actual.relations.get(&key.to)?.sql();
    let listed = |first: &str, rest: &[String]| {
        let names = std::iter::once(first).chain(rest.iter().map(String::as_str)).map(quote_ident);
        names.collect::<Vec<_>>().join(", ")
    };
    // The tenant may be on one side already, beside another column.
    if key.columns.iter().any(|column| column == child) || key.referenced.iter().any(|column| column == parent) {
        return None;
    }
    let (columns, referenced) = (listed(child, &key.columns), listed(parent, &key.referenced));
    let wanted: BTreeSet<&str> = std::iter::once(parent).chain(key.referenced.iter().map(String::as_str)).collect();
    let is_there = actual.uniques.iter().any(|unique| {
        let of: BTreeSet<&str> = unique.columns.iter().map(String::as_str).collect();
        unique.table == key.to && unique.is_key && of == wanted && unique.columns.len() == wanted.len()
    });
    let mut statements = Vec::new();
    if !is_there {
        statements.push(format!("ALTER TABLE {to} ADD UNIQUE ({referenced});"));
    }
    let own: Vec<_> = key.columns.iter().map(|column| quote_ident(column)).collect();
    let action = |code: &str, is_delete: bool| {
        let of = || (is_delete && actual.version >= SET_COLUMNS).then(|| format!(" ({})", own.join(", ")));
        Some(match code {
            "a" => String::new(),
            "r" => "RESTRICT".to_owned(),
            "c" => "CASCADE".to_owned(),
            "n" => format!("SET NULL{}", of()?),
            _ => format!("SET DEFAULT{}", of()?),
        })
    };
    let (update, delete) = (action(&key.on_update, false)?, action(&key.on_delete, true)?);
    let mut made = format!("FOREIGN KEY ({columns}) REFERENCES {to} ({referenced})");
    if key.is_full {
        // The tenant is always there, so that a full match would ask for the rest always.
        return None;
    }
    for (event, action) in [("UPDATE", update), ("DELETE", delete)] {
        if !action.is_empty() {
            made.push_str(&format!(" ON {event} {action}"));
        }
    }
    if key.is_deferrable {
        made.push_str(if key.is_deferred { " DEFERRABLE INITIALLY DEFERRED" } else { " DEFERRABLE" });
    }
    let (table, name) = (&key.from_sql, quote_ident(&key.name));
    statements.push(format!("ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {made};"));
    Some(statements)
}
