//! Kubernetes' Container Runtime Interface: `TIME stdout|stderr P|F LINE`; P is a part of a line that is too long.
//! Source: Kubernetes, "CRI: Log Management", `kuberuntime/logs`.

use super::{Link, Piece, Unit, iso_length};

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Unit<'_> {
    let parsed = iso_length(line).and_then(|length| {
        let rest = line[length..].strip_prefix(b" std")?;
        let (stream, rest) = match rest {
            [b'o', b'u', b't', b' ', rest @ ..] => (1, rest),
            [b'e', b'r', b'r', b' ', rest @ ..] => (2, rest),
            _ => return None,
        };
        // Further tags may follow the first one, behind colons.
        let (tag, text) = match rest.iter().position(|b| *b == b' ') {
            Some(space) => (&rest[..space], &rest[space + 1..]),
            None => (rest, &b""[..]),
        };
        let link = match tag.split(|b| *b == b':').next()? {
            b"F" => Link::Line,
            b"P" => Link::Partial,
            _ => return None,
        };
        Some(Piece::new(stream, link, text))
    });
    parsed.map_or(Unit::Broken, Unit::Piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_parts() {
        let line = b"2024-01-01T00:00:00.123456789Z stderr P abc ";
        assert_eq!(read(line), Unit::Piece(Piece::new(2, Link::Partial, &b"abc "[..])));
        let line = b"2024-01-01T00:00:00.1+02:00 stdout F \tx";
        assert_eq!(read(line), Unit::Piece(Piece::new(1, Link::Line, &b"\tx"[..])));
        assert_eq!(read(b"2024-01-01T00:00:00Z stdout F"), Unit::Piece(Piece::new(1, Link::Line, &b""[..])));
        assert_eq!(read(b"2024-01-01 00:00:00 UTC LOG:  x"), Unit::Broken);
    }
}
