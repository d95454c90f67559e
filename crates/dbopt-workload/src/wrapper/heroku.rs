//! Heroku's logplex: `TIME app[postgres.24]: [COLOUR] [15-2] TEXT` from `heroku logs`, and
//! `<134>1 TIME HOST app postgres.24 - [COLOUR] [15-2] TEXT` from a drain. The text is a chunk of a message for
//! syslog. Source: Heroku Dev Center, "Heroku Postgres Logs and Errors Reference".

use super::{Link, Piece, Unit, chunk_number, iso_length, unescape};
use crate::record::infer::severity_at;

/// Whether a line comes from a server.
pub(super) fn is_one(line: &[u8]) -> bool {
    parse(line).is_some_and(|(_, text)| severity_at(text).is_some())
}

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Unit<'_> {
    let Some((source, text)) = parse(line) else {
        let is_head = iso_length(line).is_some() || line.first().is_some_and(|b| *b == b'<' || b.is_ascii_digit());
        return if is_head { Unit::Foreign } else { Unit::Broken };
    };
    let (message, chunk, text) = chunk_number(text).unwrap_or((0, 1, text));
    let link = if chunk <= 1 { Link::First(message) } else { Link::Next(message) };
    // The process is not told, so the message's number tells interleaved messages apart.
    let stream = source.wrapping_shl(32) ^ message;
    Unit::Piece(Piece::new(stream, link, unescape(text)))
}

/// The number behind `postgres.` and the text behind the colour.
fn parse(line: &[u8]) -> Option<(u64, &[u8])> {
    let rest = match iso_length(line) {
        Some(length) => line[length..].strip_prefix(b" app[postgres")?,
        None => {
            let at = memchr::memmem::find(&line[..line.len().min(256)], b" app postgres")?;
            let is_drain = line[..at].iter().take(12).any(|b| *b == b'<');
            is_drain.then(|| &line[at + b" app postgres".len()..])?
        }
    };
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    let digits = rest.iter().take(18).take_while(|b| b.is_ascii_digit()).count();
    let source = std::str::from_utf8(&rest[..digits]).ok()?.parse().unwrap_or(0);
    let rest = &rest[digits..];
    let text = rest.strip_prefix(b"]: ").or_else(|| rest.strip_prefix(b" - "))?;
    let colour = text.strip_prefix(b"[").and_then(|colour| {
        let end = colour.iter().take(64).position(|b| *b == b']')?;
        let is_name = colour[..end].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
            && colour.first().is_some_and(u8::is_ascii_alphabetic);
        colour[end + 1..].strip_prefix(b" ").filter(|_| is_name)
    });
    Some((source, colour.unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let text = &b" sql_error_code = 00000 LOG:  x"[..];
        for head in [
            "2024-01-01T00:00:00.123456+00:00 app[postgres.24]: [DATABASE] [15-1] ",
            "<134>1 2024-01-01T00:00:00+00:00 d.1234 app postgres.24 - [DATABASE] [15-1] ",
            "83 <134>1 2024-01-01T00:00:00+00:00 d.1234 app postgres.24 - [15-1] ",
        ] {
            let line = [head.as_bytes(), text].concat();
            assert!(is_one(&line), "{head}");
            assert_eq!(read(&line), Unit::Piece(Piece::new((24 << 32) ^ 15, Link::First(15), text)), "{head}");
        }
        assert_eq!(read(b"2024-01-01T00:00:00+00:00 heroku[router]: at=info"), Unit::Foreign);
        assert_eq!(read(b"something else"), Unit::Broken);
    }
}
