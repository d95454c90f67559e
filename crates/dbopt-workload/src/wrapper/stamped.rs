//! A timestamp and a space in front of each record. CloudWatch writes it in exports of RDS logs to S3 and in
//! `aws logs tail --format short`, Kubernetes in `kubectl logs --timestamps`. Further lines of a record may come without it.

use super::{Link, Piece, Unit, iso_length};

/// Whether a line has such a timestamp and something behind it.
pub(super) fn is_one(line: &[u8]) -> bool {
    iso_length(line).is_some_and(|length| line[length..].starts_with(b" ") && line.len() > length + 1)
}

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Unit<'_> {
    let text = iso_length(line).and_then(|length| line[length..].strip_prefix(b" ")).unwrap_or(line);
    Unit::Piece(Piece::new(0, Link::Line, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_timestamp_goes() {
        let text = |line| match read(line) {
            Unit::Piece(piece) => String::from_utf8_lossy(&piece.text).into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            text(b"2024-01-01T00:00:00.000Z 2024-01-01 00:00:00 UTC::@:[1]:LOG:  x"),
            "2024-01-01 00:00:00 UTC::@:[1]:LOG:  x"
        );
        assert_eq!(text(b"\tfrom t"), "\tfrom t");
        assert!(!is_one(b"2024-01-01 00:00:00 UTC::@:[1]:LOG:  x"));
    }
}
