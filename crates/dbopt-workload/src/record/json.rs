//! jsonlog: one object a line, keys without a value left out, not guaranteed to be UTF-8.
//!
//! The lines come from the server's own writer (jsonlog.c), so a scanner that knows JSON's strings and nesting is
//! enough, and is many times faster than building a tree. Strings are unescaped only when they hold a backslash.

use std::borrow::Cow;

use super::clock::Clock;
use super::csv::Parts;
use super::event::{Event, Parsed, Span, What};
use super::severity::Severity;
use super::{BROKEN, Contexts, NUL, near};

/// Reads a block of lines into events.
pub(crate) fn read(parsed: &mut Parsed, clock: &mut Clock, contexts: &mut Contexts) {
    contexts.clear();
    let length = parsed.bytes.len();
    let mut at = 0;
    while at < length {
        let end = memchr::memchr(b'\n', &parsed.bytes[at..]).map_or(length, |found| at + found);
        parsed.lines += 1;
        if !parsed.bytes[at..end].trim_ascii().is_empty() {
            parsed.records += 1;
            if record(at, end, parsed, clock, contexts).is_some() {
                parsed.recognised += 1;
            } else if memchr::memchr(0, &parsed.bytes[at..end]).is_some() {
                parsed.skip(NUL, at);
            } else {
                parsed.skip(BROKEN, at);
            }
        }
        at = end + 1;
    }
}

/// What is read of a record; ranges of the block, the values of strings still escaped.
#[derive(Default)]
struct Fields {
    time: Span,
    user: Span,
    database: Span,
    application: Span,
    session: Span,
    process: u64,
    severity: Span,
    sqlstate: Span,
    message: Span,
    detail: Span,
    context: Span,
    statement: Span,
}

fn record(start: usize, end: usize, parsed: &mut Parsed, clock: &mut Clock, contexts: &mut Contexts) -> Option<()> {
    let mut fields = Fields::default();
    let mut scan = Scan { bytes: &parsed.bytes[..end], at: start };
    scan.expect(b'{')?;
    let mut aside = std::mem::take(&mut parsed.aside);
    let kept = aside.len();
    let read = scan.object(&mut fields, &mut aside);
    parsed.aside = aside;
    if read.is_none() {
        parsed.aside.truncate(kept);
        return None;
    }
    let moment = clock.read(parsed.slice(fields.time))?;
    let severity = Severity::from_word(parsed.slice(fields.severity))?;
    let session =
        super::prefix::session_id(parsed.slice(fields.session)).map_or(fields.process, |(session, _)| session);
    let sqlstate = parsed.slice(fields.sqlstate).first_chunk().copied();
    parsed.precise |= moment.precise;
    parsed.zone_unknown |= !moment.zone_known;
    let context = contexts.index(parsed, fields.user, fields.database, fields.application);
    let event = Event { at: start as u32, context, session, when: Some(moment.when), what: What::Other };
    let parts =
        Parts { message: fields.message, detail: fields.detail, context: fields.context, statement: fields.statement };
    parts.events(severity, sqlstate, event, parsed);
    Some(())
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.bytes.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    /// The inside of a string, and whether it holds a backslash.
    fn string(&mut self) -> Option<(usize, usize, bool)> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += near::either(b'"', b'\\', self.bytes.get(self.at..)?)?;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Some((start, self.at - 1, escaped));
            }
            escaped = true;
            self.at += 2;
        }
    }

    /// Reads the members of an object whose brace is open.
    fn object(&mut self, fields: &mut Fields, aside: &mut Vec<u8>) -> Option<()> {
        loop {
            let (start, end, _) = self.string()?;
            self.expect(b':')?;
            self.space();
            let slot = match &self.bytes[start..end] {
                b"timestamp" => Some(&mut fields.time),
                b"user" => Some(&mut fields.user),
                b"dbname" => Some(&mut fields.database),
                b"application_name" => Some(&mut fields.application),
                b"session_id" => Some(&mut fields.session),
                b"error_severity" => Some(&mut fields.severity),
                b"state_code" => Some(&mut fields.sqlstate),
                b"message" => Some(&mut fields.message),
                b"detail" => Some(&mut fields.detail),
                b"context" => Some(&mut fields.context),
                b"statement" => Some(&mut fields.statement),
                b"pid" => {
                    let digits = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit());
                    fields.process =
                        digits.fold(0, |sum: u64, b| sum.wrapping_mul(10).wrapping_add(u64::from(b - b'0')));
                    None
                }
                _ => None,
            };
            match (slot, self.bytes.get(self.at)?) {
                (Some(slot), b'"') => {
                    let (start, end, escaped) = self.string()?;
                    *slot = if escaped {
                        let begin = aside.len();
                        unescape_into(&self.bytes[start..end], aside);
                        Span::aside(begin..aside.len())
                    } else {
                        Span::raw(start..end)
                    };
                }
                _ => self.value()?,
            }
            self.space();
            match self.bytes.get(self.at)? {
                b',' => self.at += 1,
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Skips a value of any kind.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            self.space();
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    if depth == 0 {
                        return Some(());
                    }
                    depth -= 1;
                    self.at += 1;
                }
                b',' if depth == 0 => return Some(()),
                _ => self.at += 1,
            }
            if depth == 0 && matches!(self.bytes.get(self.at), Some(b',' | b'}')) {
                return Some(());
            }
        }
    }
}

/// The value of a JSON string's inside; what is no valid escape stays as it is.
pub(crate) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    unescape_into(text, &mut plain);
    Cow::Owned(plain)
}

fn unescape_into(text: &[u8], plain: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        plain.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (byte, length) = match rest.get(1) {
            Some(b'n') => (b'\n', 2),
            Some(b't') => (b'\t', 2),
            Some(b'r') => (b'\r', 2),
            Some(b'b') => (8, 2),
            Some(b'f') => (12, 2),
            Some(b'u') => {
                let (c, length) = unicode(rest);
                plain.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[length.min(rest.len())..];
                continue;
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => (*byte, 2),
            _ => (b'\\', 1),
        };
        plain.push(byte);
        rest = &rest[length..];
    }
    plain.extend_from_slice(rest);
}

/// The character of a `\uXXXX` escape, a surrogate pair included, and its length in bytes.
fn unicode(text: &[u8]) -> (char, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
            let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        (Some(code), _) => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
        (None, _) => (char::REPLACEMENT_CHARACTER, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(log: &[u8]) -> Parsed {
        let mut parsed = Parsed { bytes: log.to_vec(), ..Parsed::default() };
        read(&mut parsed, &mut Clock::default(), &mut Contexts::default());
        parsed
    }

    #[test]
    fn records_with_and_without_keys() {
        let log = br#"{"timestamp":"2024-01-01 00:00:00.000 UTC","user":"bob","dbname":"shop","pid":12,"session_id":"65a1b2c3.c","error_severity":"LOG","message":"duration: 1.000 ms  statement: select \"a\",\n'\u00e9\ud83d\ude00'","backend_type":"client backend","query_id":0}
{"timestamp":"2024-01-01 00:00:00.000 UTC","pid":1,"error_severity":"LOG","message":"x","extra":{"a":[1,"}"]}}
{"timestamp":"2024-01-01 00:00:00.000 UTC","pid":1,"error_severity":"LOG","mess
"#;
        let parsed = parse(log);
        assert_eq!((parsed.records, parsed.recognised), (3, 2));
        let What::Timed { query, .. } = parsed.events[0].what else { panic!("{:?}", parsed.events[0]) };
        assert_eq!(parsed.text(query.text), "select \"a\",\n'é😀'");
        let context = parsed.contexts[parsed.events[0].context as usize];
        assert_eq!(parsed.text(context.user), "bob");
        assert_eq!(parsed.events[1].session, 1);
    }

    #[test]
    fn text_need_not_be_utf_8() {
        let log = b"{\"timestamp\":\"2024-01-01 00:00:00.000 UTC\",\"error_severity\":\"LOG\",\"message\":\"duration: 1.000 ms  statement: select '\xff'\"}";
        let parsed = parse(log);
        assert_eq!(parsed.recognised, 1);
        assert_eq!(parsed.with_duration, 1);
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(b"a\\\\b\\u0041\\q\\"), &b"a\\bA\\q\\"[..]);
        assert_eq!(unescape(b"\\ud83d"), "\u{fffd}".as_bytes());
        assert_eq!(unescape(b"\\u12"), "\u{fffd}12".as_bytes());
    }
}
