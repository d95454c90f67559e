//! Docker's json-file driver: `{"log":"LINE\n","stream":"stderr","time":"…"}`; a line without its newline is a part
//! of one that is too long. Source: Docker documentation, "JSON File logging driver".

use super::object::{members, text};
use super::{Link, Piece, Unit};

/// Whether an object is such a line.
pub(super) fn is_one(object: &[u8]) -> bool {
    matches!(read(object), Unit::Piece(_)) && members(object).any(|(key, _)| key == b"time")
}

/// Reads an object.
pub(super) fn read(object: &[u8]) -> Unit<'_> {
    let (mut log, mut stream) = (None, None);
    for (key, value) in members(object) {
        match key {
            b"log" => log = text(value),
            b"stream" => stream = text(value),
            _ => {}
        }
    }
    let (Some(log), Some(stream)) = (log, stream) else { return Unit::Foreign };
    let link = if log.ends_with(b"\n") { Link::Line } else { Link::Partial };
    Unit::Piece(Piece::new(u64::from(*stream == *b"stderr"), link, log))
}
