//! Azure Monitor's records, category `PostgreSQLLogs`. On flexible servers `properties.message` is the record as
//! the server wrote it; single servers split it into `prefix`, `errorLevel`, `message` and `detail`.
//! Source: Azure Database for PostgreSQL documentation, "Logs", "Log format".

use std::borrow::Cow;

use super::object::{member, members, text};
use super::{Link, Piece, Unit};

/// Whether an object is a record of a server.
pub(super) fn is_one(object: &[u8]) -> bool {
    matches!(read(object), Unit::Piece(_)) && members(object).any(|(key, _)| key == b"category")
}

/// Reads a record.
pub(super) fn read(object: &[u8]) -> Unit<'_> {
    if member(object, b"category").and_then(text).is_some_and(|category| *category != *b"PostgreSQLLogs") {
        return Unit::Foreign;
    }
    let Some(properties) = member(object, b"properties") else { return Unit::Foreign };
    let get = |key: &[u8]| member(properties, key).and_then(text).filter(|value| !value.is_empty());
    let Some(message) = get(b"message") else { return Unit::Foreign };
    let record = match (get(b"prefix"), get(b"errorLevel")) {
        (Some(prefix), Some(level)) => {
            let mut record = [&*prefix, &level, b":  ", &*message].concat();
            if let Some(detail) = get(b"detail") {
                for part in [b"\n", &*prefix, b"DETAIL:  ", &*detail] {
                    record.extend_from_slice(part);
                }
            }
            Cow::Owned(record)
        }
        _ => message,
    };
    Unit::Piece(Piece::new(0, Link::Record, record))
}
