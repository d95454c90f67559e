//! What becomes of a value where its row stays: NULL where it may be, and otherwise what the column's type and length take.

use super::personal::{ADDRESS, CREDENTIAL, DEVICE};
use crate::{
    graph::{Graph, Node, NodeColumn},
    plan::is_unique,
};

/// What is written in place of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mask {
    Null,
    /// A fixed text.
    Redact(&'static str),
    Random,
}

/// What can be written to a column; or why nothing can.
pub(super) fn mask(graph: &Graph, node: &Node, column: &NodeColumn) -> Result<Mask, &'static str> {
    if column.generated {
        return Err("it is computed of others");
    }
    if !column.not_null {
        return Ok(Mask::Null);
    }
    let is_unique = is_unique(graph, node, &column.name);
    let base = column.kind.base.as_deref().unwrap_or(&column.kind.name);
    let base = base.rsplit('.').next().unwrap_or(base);
    if matches!(base, "text" | "character varying" | "character" | "citext") {
        // A redaction of a unique column has the row's key behind it.
        let room = |needed: usize| {
            let most = column.kind.modifier.trim_matches(['(', ')']).parse::<usize>();
            most.map_or(base != "character" || needed <= 1, |most| needed <= most)
        };
        let key = if is_unique { 21 } else { 0 };
        return match () {
            () if room(REDACTED.len() + key) => Ok(Mask::Redact(REDACTED)),
            () if is_unique && room(32) => Ok(Mask::Random),
            () if !is_unique => Ok(Mask::Redact("")),
            () => Err("it is NOT NULL and unique, and too short for a text in its place"),
        };
    }
    if is_unique {
        return Err("it is NOT NULL and unique, and no text");
    }
    Ok(Mask::Redact(match base {
        "inet" | "cidr" => "0.0.0.0",
        "date" => "0001-01-01",
        "json" | "jsonb" => "{}",
        "bytea" | "hstore" => "",
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => "0",
        "point" => "(0,0)",
        array if array.ends_with("[]") => "{}",
        _ => return Err("it is NOT NULL, and nothing is known that its type takes"),
    }))
}

/// Whether it is what a person gives, other than what is found out about one (Article 20).
pub(super) fn is_provided(what: &str) -> bool {
    ![ADDRESS, CREDENTIAL, DEVICE].contains(&what)
}

/// What redaction writes.
const REDACTED: &str = "[erased]";
