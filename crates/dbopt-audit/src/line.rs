//! A record as a line of JSON: what audit files and exports hold.
//!
//! A record has exactly one line: keys in a fixed order, no white space, times with six digits of a second. Reading
//! compares with that line, so what is not hashed cannot be changed either.

use std::fmt::Write as _;

use jiff::{Timestamp, civil, tz::Offset};
use serde::de::IgnoredAny;

use crate::record::{Hash, Record};

/// Longest line that is read, in bytes. The longest that is written is shorter.
pub(crate) const MOST_LINE: usize = 1 << 20;

/// The line of a record, without a line end.
#[must_use]
pub fn to_line(record: &Record) -> String {
    let mut line = String::with_capacity(320 + record.details.len());
    // Writing to a string cannot fail.
    let _ = write!(line, "{{\"v\":1,\"sequence\":{},\"time\":\"", record.sequence);
    line.push_str(&time_text(record.time));
    line.push_str("\",\"actor\":");
    push_string(&record.actor, &mut line);
    line.push_str(",\"action\":");
    push_string(&record.action, &mut line);
    line.push_str(",\"subject\":");
    match &record.subject {
        Some(subject) => push_string(subject, &mut line),
        None => line.push_str("null"),
    }
    line.push_str(",\"details\":");
    line.push_str(&record.details);
    line.push_str(",\"previous\":\"");
    record.previous.push_hex(&mut line);
    line.push_str("\",\"hash\":\"");
    record.hash.push_hex(&mut line);
    line.push_str("\"}");
    line
}

/// Reads the line of a record; none when it is not exactly what [`to_line`] writes for the record that it holds.
#[must_use]
pub fn parse_line(line: &str) -> Option<Record> {
    let mut record = Record::default();
    parse_line_into(line, &mut record).map(|()| record)
}

/// Reads the line of a record into one whose memory is used again. After a None it holds anything.
///
/// There is one way to write each record, so that the fixed parts are compared, and nothing has to be looked for but the
/// ends of strings.
pub(crate) fn parse_line_into(line: &str, record: &mut Record) -> Option<()> {
    let rest = line.strip_prefix(r#"{"v":1,"sequence":"#)?;
    let (sequence, rest) = number(rest)?;
    let (time, rest) = rest.strip_prefix(r#","time":""#)?.split_once('"')?;
    let rest = string(rest.strip_prefix(r#","actor":"#)?, &mut record.actor)?;
    let rest = string(rest.strip_prefix(r#","action":"#)?, &mut record.action)?;
    let rest = rest.strip_prefix(r#","subject":"#)?;
    let rest = match rest.strip_prefix("null") {
        Some(rest) => {
            record.subject = None;
            rest
        }
        None => string(rest, record.subject.get_or_insert_default())?,
    };
    // What comes after the details has a fixed length.
    const TAIL: usize = r#","previous":"","hash":""}"#.len() + 2 * Hash::HEX_BYTES;
    let rest = rest.strip_prefix(r#","details":"#)?;
    let (details, tail) = rest.split_at_checked(rest.len().checked_sub(TAIL)?)?;
    let (previous, tail) = tail.strip_prefix(r#","previous":""#)?.split_at_checked(Hash::HEX_BYTES)?;
    let (hash, tail) = tail.strip_prefix(r#"","hash":""#)?.split_at_checked(Hash::HEX_BYTES)?;
    if tail != "\"}" || !details.starts_with('{') || serde_json::from_str::<IgnoredAny>(details).is_err() {
        return None;
    }
    record.details.clear();
    record.details.push_str(details);
    record.sequence = sequence;
    record.time = parse_time(time)?;
    record.previous = Hash::from_hex(previous)?;
    record.hash = Hash::from_hex(hash)?;
    Some(())
}

/// The number that a text begins with, and the rest.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at(end);
    let is_plain = digits.len() == 1 || !digits.starts_with('0');
    Some((digits.parse().ok().filter(|_| is_plain)?, rest))
}

/// The string in quotes that a text begins with, and the rest.
fn string<'a>(text: &'a str, to: &mut String) -> Option<&'a str> {
    to.clear();
    let inner = text.strip_prefix('"')?;
    let special = inner.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\')?;
    if inner.as_bytes()[special] == b'"' {
        to.push_str(&inner[..special]);
        return Some(&inner[special + 1..]);
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    *to = values.next()?.ok()?;
    let (written, rest) = text.split_at_checked(values.byte_offset())?;
    let mut canonical = String::with_capacity(written.len());
    push_string(to, &mut canonical);
    (canonical == written).then_some(rest)
}

/// Reads what [`time_text`] writes.
fn parse_time(text: &str) -> Option<i64> {
    if let Some(time) = parse_plain_time(text.as_bytes()) {
        return Some(time);
    }
    // Years before 0.
    let time = text.parse::<Timestamp>().ok()?.as_microsecond();
    (time_text(time) == text).then_some(time)
}

/// Reads `2026-01-01T00:00:00.000001Z`.
fn parse_plain_time(text: &[u8]) -> Option<i64> {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        o1,
        o2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        m1,
        m2,
        b':',
        s1,
        s2,
        b'.',
        fraction @ ..,
        b'Z',
    ] = text
    else {
        return None;
    };
    let digits = |digits: &[u8]| {
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0')))
    };
    let short = |pair: &[u8]| digits(pair).and_then(|number| i8::try_from(number).ok());
    let year = i16::try_from(digits(&[*y1, *y2, *y3, *y4])?).ok()?;
    // As many digits as fit the number, whatever a file says.
    let micros = digits(<&[u8; 6]>::try_from(fraction).ok()?)?;
    let (month, day) = (short(&[*o1, *o2])?, short(&[*d1, *d2])?);
    let (hour, minute, second) = (short(&[*h1, *h2])?, short(&[*m1, *m2])?, short(&[*s1, *s2])?);
    let time = civil::DateTime::new(year, month, day, hour, minute, second, micros * 1_000).ok()?;
    Some(Offset::UTC.to_timestamp(time).ok()?.as_microsecond())
}

/// A time in UTC with microseconds, by RFC 3339.
pub(crate) fn time_text(time: i64) -> String {
    // What is beyond the years that the library knows is shown as a number, and so not read back as a time.
    Timestamp::from_microsecond(time).map_or_else(|_| time.to_string(), |time| format!("{time:.6}"))
}

/// Writes a text in quotes, with the escapes that `serde_json` writes.
fn push_string(text: &str, to: &mut String) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        to.push('"');
        to.push_str(text);
        to.push('"');
    } else {
        to.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// The law of the fuzz target: what is read is written back as it was.
#[doc(hidden)]
pub fn fuzz_line(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for line in text.lines() {
        if let Some(record) = parse_line(line) {
            assert_eq!(to_line(&record), line);
            let _ = record.computed_hash();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Entry;

    fn line() -> String {
        let details = serde_json::json!({ "table": "public.\"ü\"", "n": 1 });
        let entry = Entry::new("role \"x\"", "apply.create-index", details.as_object().expect("an object"));
        to_line(&entry.expect("an entry").follow(None, 1_700_000_000_000_001))
    }

    #[test]
    fn a_record_has_one_line() {
        let line = line();
        assert!(line.starts_with(
            r#"{"v":1,"sequence":1,"time":"2023-11-14T22:13:20.000001Z","actor":"role \"x\"","action":"apply.create-index","subject":null,"details":{"n":1,"table":"public.\"ü\""},"previous":"000000"#
        ), "{line}");
        let record = parse_line(&line).expect("a record");
        assert_eq!(record.computed_hash(), record.hash);
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            ("\"v\":1", "\"v\": 1"),
            ("\"v\":1,", "\"v\":1,\"x\":1,"),
            ("\"sequence\":1", "\"sequence\":1.0"),
            (".000001Z", ".0000010Z"),
            (".000001Z", ".999999999999999999Z"),
            (".000001Z", ".000001+00:00"),
            ("apply", "\\u0061pply"),
            ("\"subject\":null", "\"subject\":null,\"subject\":null"),
            ("\"sequence\":1", "\"sequence\":01"),
            ("2023-11-14", "2023-11-31"),
            ("22:13:20", "24:13:20"),
            ("role \\\"x", "role \\u0022x"),
            ("{\"n\":1", "{\"n\":"),
            ("{\"n\":1", "[{\"n\":1"),
            ("\"previous\":\"0", "\"previous\":\"A"),
        ] {
            let changed = line.replacen(from, to, 1);
            assert_ne!(changed, line, "{from}");
            assert_eq!(parse_line(&changed), None, "{changed}");
        }
        assert_eq!(parse_line(&format!("{line} ")), None);
        for end in (0..line.len()).filter(|end| line.is_char_boundary(*end)) {
            assert_eq!(parse_line(&line[..end]), None);
        }
    }

    proptest! {
        /// Whatever a record holds, its line is read back.
        #[test]
        fn lines_are_read_back(
            sequence: u64,
            // The years -9999 to 9999.
            time in -377_705_023_201_000_000_i64..253_402_207_200_999_999,
            actor: String,
            action: String,
            subject: Option<String>,
            key: String,
            hashes: [[u8; 32]; 2],
        ) {
            let details = serde_json::json!({ key: [1, 2] }).to_string();
            let [previous, hash] = hashes.map(Hash);
            let record = Record { sequence, time, actor, action, subject, details, previous, hash };
            prop_assert_eq!(parse_line(&to_line(&record)), Some(record));
        }
    }
}
