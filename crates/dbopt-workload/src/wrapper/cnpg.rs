//! CloudNativePG's instance manager: it reads csvlog and writes each record as a JSON object named `record` by
//! csvlog's columns, among its own lines. Such a record is written anew as jsonlog, whose keys differ.
//! Source: CloudNativePG documentation, "Logging".

use super::object::{member, members, text};
use super::{Link, Piece, Unit};

/// csvlog's columns and jsonlog's keys.
const KEYS: [(&[u8], &[u8]); 11] = [
    (b"log_time", b"timestamp"),
    (b"user_name", b"user"),
    (b"database_name", b"dbname"),
    (b"session_id", b"session_id"),
    (b"error_severity", b"error_severity"),
    (b"sql_state_code", b"state_code"),
    (b"message", b"message"),
    (b"detail", b"detail"),
    (b"context", b"context"),
    (b"query", b"statement"),
    (b"application_name", b"application_name"),
];

/// Whether an object is a record of the server.
pub(super) fn is_one(object: &[u8]) -> bool {
    matches!(read(object), Unit::Piece(_))
}

/// Reads an object.
pub(super) fn read(object: &[u8]) -> Unit<'_> {
    let Some(record) = member(object, b"record").filter(|record| record.starts_with(b"{")) else {
        return Unit::Foreign;
    };
    let mut json = b"{".to_vec();
    let mut has_severity = false;
    for (column, value) in members(record) {
        if column == b"process_id" {
            let digits = text(value).unwrap_or_default();
            if !digits.is_empty() && digits.len() < 16 && digits.iter().all(u8::is_ascii_digit) {
                json.extend_from_slice(b"\"pid\":");
                json.extend_from_slice(&digits);
                json.push(b',');
            }
        } else if let Some((_, key)) = KEYS.iter().find(|(name, _)| *name == column)
            && value.starts_with(b"\"")
        {
            has_severity |= column == b"error_severity";
            json.push(b'"');
            json.extend_from_slice(key);
            json.extend_from_slice(b"\":");
            json.extend_from_slice(value);
            json.push(b',');
        }
    }
    if !has_severity {
        return Unit::Foreign;
    }
    json.pop();
    json.push(b'}');
    Unit::Piece(Piece::new(0, Link::Line, json))
}
