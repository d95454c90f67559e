//! Cloud Logging's entries of Cloud SQL and AlloyDB: the record is the `textPayload`. AlloyDB puts `[file:line]  `
//! in front of each message. Source: Google Cloud documentation, "LogEntry".

use std::borrow::Cow;

use memchr::memmem;

use super::object::{member, members, text};
use super::{Link, Piece, Unit};
use crate::record::infer::severity_at;

/// Whether an object is an entry of a server.
pub(super) fn is_one(object: &[u8]) -> bool {
    let is_known =
        |name: &[u8]| [&b"cloudsql"[..], b"alloydb", b"postgres"].iter().any(|part| memmem::find(name, part).is_some());
    members(object).any(|(key, _)| key == b"textPayload")
        && members(object).any(|(key, value)| matches!(key, b"logName" | b"resource") && is_known(value))
}

/// Reads an entry.
pub(super) fn read(object: &[u8]) -> Unit<'_> {
    let Some(payload) = member(object, b"textPayload").and_then(text) else { return Unit::Foreign };
    let is_alloy = member(object, b"resource").is_some_and(|resource| memmem::find(resource, b"alloydb").is_some());
    let payload = if is_alloy { without_place(payload) } else { payload };
    Unit::Piece(Piece::new(0, Link::Record, payload))
}

/// The record without AlloyDB's `[file:line]  ` behind the severity.
fn without_place(payload: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let place = severity_at(&payload).and_then(|at| {
        let start = at + memmem::find(&payload[at..], b":  ")? + 3;
        let rest = payload[start..].strip_prefix(b"[")?;
        let length = memmem::find(&rest[..rest.len().min(128)], b"]  ")?;
        let colon = rest[..length].iter().rposition(|b| *b == b':')?;
        let is_place = colon > 0 && colon + 1 < length && rest[colon + 1..length].iter().all(u8::is_ascii_digit);
        is_place.then_some(start..start + length + 4)
    });
    match place {
        Some(place) => Cow::Owned([&payload[..place.start], &payload[place.end..]].concat()),
        None => payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_alloydb_goes() {
        let plain = |text: &'static [u8]| String::from_utf8_lossy(&without_place(Cow::Borrowed(text))).into_owned();
        assert_eq!(plain(b"x LOG:  [xlog.c:6112]  duration: 1 ms"), "x LOG:  duration: 1 ms");
        assert_eq!(plain(b"x LOG:  [a]  duration: 1 ms"), "x LOG:  [a]  duration: 1 ms");
    }
}
