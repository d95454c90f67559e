//! Snapshot files: a catalogue on disk, so that advice needs no server.
//!
//! A snapshot holds names, sizes, usage counters, planner settings and column statistics; no rows, though the most
//! common values and histogram bounds of unredacted statistics are values of rows. docs/snapshot.md describes the
//! format, docs/schemas/snapshot.schema.json is its JSON Schema ([`schema`]).

mod decode;
mod encode;
mod number;
mod reader;
#[cfg(test)]
mod tests;
mod wire;

use std::io::{self, Write};

pub use reader::{fuzz_snapshot, read};

use crate::Catalog;

/// What the key `format` says.
const FORMAT: &str = "dbopt-snapshot";

/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;

/// Writes a catalogue. The same catalogue gives the same bytes; each table stands on a line of its own, so that
/// snapshots can be compared by line.
///
/// # Errors
/// When `to` fails.
pub fn write(catalog: &Catalog, mut to: impl Write) -> io::Result<()> {
    let head = serde_json::to_string(&encode::head(catalog))?;
    let open = head.strip_suffix('}').expect("a struct is written as an object");
    to.write_all(open.as_bytes())?;
    to.write_all(b",\"tables\":[")?;
    for (at, table) in catalog.tables.iter().enumerate() {
        to.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut to, &encode::table(table))?;
    }
    to.write_all(b"\n]}\n")?;
    to.flush()
}

/// The JSON Schema of the format.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(wire::Document).to_value()
}
