//! A record as a line of JSON: what audit files and exports hold.
//!
//! A record has exactly one line: keys in a fixed order, no white space, times with six digits of a second. Reading
//! compares with that line, so what is not hashed cannot be changed either.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::record::{Hash, Record};

/// Longest line that is read, in bytes. The longest that is written is shorter.
pub(crate) const MOST_LINE: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    v: u8,
    sequence: u64,
    time: &'a str,
    actor: String,
    action: String,
    subject: Option<String>,
    #[serde(borrow)]
    details: &'a RawValue,
    previous: &'a str,
    hash: &'a str,
}

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
    let parsed: Line<'_> = serde_json::from_str(line).ok()?;
    let record = Record {
        sequence: parsed.sequence,
        time: parsed.time.parse::<Timestamp>().ok()?.as_microsecond(),
        actor: parsed.actor,
        action: parsed.action,
        subject: parsed.subject,
        details: parsed.details.get().to_owned(),
        previous: Hash::from_hex(parsed.previous)?,
        hash: Hash::from_hex(parsed.hash)?,
    };
    (parsed.v == 1 && record.details.starts_with('{') && to_line(&record) == line).then_some(record)
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
            (".000001Z", ".000001+00:00"),
            ("apply", "\\u0061pply"),
            ("\"subject\":null", "\"subject\":null,\"subject\":null"),
        ] {
            let changed = line.replacen(from, to, 1);
            assert_ne!(changed, line, "{from}");
            assert_eq!(parse_line(&changed), None, "{changed}");
        }
        assert_eq!(parse_line(&format!("{line} ")), None);
    }
}
