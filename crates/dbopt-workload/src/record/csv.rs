//! csvlog: 23 columns up to PostgreSQL 12, 24 in 13, 26 from 14 on.
//!
//! Columns: log_time, user_name, database_name, process_id, connection_from, session_id, session_line_num,
//! command_tag, session_start_time, virtual_transaction_id, transaction_id, error_severity, sql_state_code, message,
//! detail, hint, internal_query, internal_query_pos, context, query, query_pos, location, application_name
//! [, backend_type [, leader_pid, query_id]].
//!
//! A quote inside a field is doubled, so whether a byte is inside quotes is the parity of the quotes before it. A
//! record that breaks that rule (a file cut in the middle, then appended to) is left out, and reading goes on at the
//! next line that begins like a record.

use super::clock::Clock;
use super::event::{Event, Parsed, Span, What};
use super::message;
use super::severity::Severity;
use super::{BROKEN, Contexts, NUL, near};

/// Columns that a record may have.
const COLUMNS: [usize; 3] = [23, 24, 26];
const MOST: usize = 26;

/// Reads a block of records into events.
pub(crate) fn read(parsed: &mut Parsed, clock: &mut Clock, contexts: &mut Contexts) {
    contexts.clear();
    parsed.lines = memchr::memchr_iter(b'\n', &parsed.bytes).count() as u64;
    let has_nul = memchr::memchr(0, &parsed.bytes).is_some();
    let mut at = 0;
    loop {
        let mut rows = Rows { bytes: &parsed.bytes, at };
        let Some(row) = rows.next(&mut parsed.aside) else { break };
        at = rows.at;
        parsed.records += 1;
        match row {
            Ok(row) if has_nul && memchr::memchr(0, &parsed.bytes[row.start..row.end]).is_some() => {
                parsed.skip(NUL, row.start);
            }
            Ok(row) => {
                if !record(&row, parsed, clock, contexts) {
                    parsed.skip(BROKEN, row.start);
                }
            }
            Err(start) => parsed.skip(BROKEN, start),
        }
    }
}

/// Whether a line begins like a record: a time with its zone, then a comma.
pub(crate) fn begins_record(line: &[u8]) -> bool {
    let Some(moment) = Clock::default().read(&line[..line.len().min(64)]) else { return false };
    moment.precise && matches!(line.get(moment.length..), Some([b',', b'"' | b',', ..]))
}

struct Row {
    start: usize,
    end: usize,
    count: usize,
    fields: [Span; MOST],
}

struct Rows<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Rows<'_> {
    /// The next record, or the offset of one that is broken.
    fn next(&mut self, aside: &mut Vec<u8>) -> Option<Result<Row, usize>> {
        while matches!(self.bytes.get(self.at), Some(b'\n' | b'\r')) {
            self.at += 1;
        }
        let start = self.at;
        if start >= self.bytes.len() {
            return None;
        }
        if let Some(row) = self.row(start, aside) {
            self.at = row.end;
            return Some(Ok(row));
        }
        // The next line that begins like a record, whatever the quotes say.
        let mut at = start;
        self.at = loop {
            match memchr::memchr(b'\n', &self.bytes[at..]) {
                Some(length) => at += length + 1,
                None => break self.bytes.len(),
            }
            if begins_record(&self.bytes[at..]) {
                break at;
            }
        };
        Some(Err(start))
    }

    fn row(&self, start: usize, aside: &mut Vec<u8>) -> Option<Row> {
        let bytes = self.bytes;
        let mut row = Row { start, end: start, count: 0, fields: [Span::default(); MOST] };
        let mut at = start;
        loop {
            let (span, end) = match bytes.get(at) {
                Some(b'"') => quoted(bytes, at, aside)?,
                Some(b',') => (Span::raw(at..at), at),
                _ => {
                    let length = near::any(*b",\n\"", bytes.get(at..)?);
                    let end = length.map_or(bytes.len(), |length| at + length);
                    let value = if bytes[..end].ends_with(b"\r") && end > at { end - 1 } else { end };
                    (Span::raw(at..value), end)
                }
            };
            *row.fields.get_mut(row.count)? = span;
            row.count += 1;
            match bytes.get(end) {
                Some(b',') => at = end + 1,
                Some(b'\n') | None => {
                    row.end = end;
                    break;
                }
                Some(b'\r') if matches!(bytes.get(end + 1), Some(b'\n') | None) => {
                    row.end = end + 1;
                    break;
                }
                Some(_) => return None,
            }
        }
        (COLUMNS.contains(&row.count)).then_some(row)
    }
}

/// A quoted field that begins at `at`, and where it ends.
fn quoted(bytes: &[u8], at: usize, aside: &mut Vec<u8>) -> Option<(Span, usize)> {
    let start = at + 1;
    let close = start + near::one(b'"', &bytes[start..])?;
    if bytes.get(close + 1) != Some(&b'"') {
        return Some((Span::raw(start..close), close + 1));
    }
    let begin = aside.len();
    let mut from = start;
    let mut close = close;
    loop {
        aside.extend_from_slice(&bytes[from..=close]);
        if bytes.get(close + 1) != Some(&b'"') {
            aside.pop();
            return Some((Span::aside(begin..aside.len()), close + 1));
        }
        from = close + 2;
        close = from + memchr::memchr(b'"', &bytes[from..])?;
    }
}

fn record(row: &Row, parsed: &mut Parsed, clock: &mut Clock, contexts: &mut Contexts) -> bool {
    let [time, user, database, process, _, session, .., application] = &row.fields[..23] else { return false };
    let Some(moment) = clock.read(parsed.slice(*time)) else { return false };
    let Some(severity) = Severity::from_word(parsed.slice(row.fields[11])) else { return false };
    let session = super::prefix::session_id(parsed.slice(*session)).map_or_else(
        || parsed.slice(*process).iter().fold(0, |sum: u64, b| sum.wrapping_mul(10).wrapping_add(u64::from(b & 15))),
        |(id, _)| id,
    );
    let sqlstate = parsed.slice(row.fields[12]).first_chunk().copied();
    parsed.precise |= moment.precise;
    parsed.zone_unknown |= !moment.zone_known;
    parsed.recognised += 1;
    let context = contexts.index(parsed, *user, *database, *application);
    let event = Event { at: row.start as u32, context, session, when: Some(moment.when), what: What::Other };
    let parts =
        Parts { message: row.fields[13], detail: row.fields[14], context: row.fields[18], statement: row.fields[19] };
    parts.events(severity, sqlstate, event, parsed);
    true
}

/// The texts of a record of csvlog or jsonlog, which text logs write as lines of their own.
pub(crate) struct Parts {
    pub(crate) message: Span,
    pub(crate) detail: Span,
    pub(crate) context: Span,
    pub(crate) statement: Span,
}

impl Parts {
    /// Makes the events that a text log would yield, in its order.
    pub(crate) fn events(&self, severity: Severity, sqlstate: Option<[u8; 5]>, event: Event, parsed: &mut Parsed) {
        let what = message::read(parsed, severity, sqlstate, self.message);
        parsed.with_duration += u64::from(matches!(what, What::Timed { .. } | What::Bare { .. } | What::Plan { .. }));
        parsed.events.push(Event { what, ..event });
        if !self.detail.is_empty()
            && let Some(what) = message::detail(parsed, self.detail)
        {
            parsed.events.push(Event { what, ..event });
        }
        if !self.context.is_empty() {
            parsed.events.push(Event { what: What::Context, ..event });
        }
        if !self.statement.is_empty() {
            let what = What::Statement(message::query(parsed, self.statement));
            parsed.events.push(Event { what, ..event });
        }
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

    fn line(message: &str, detail: &str, statement: &str, tail: &str) -> String {
        let quote =
            |text: &str| if text.is_empty() { String::new() } else { format!("\"{}\"", text.replace('"', "\"\"")) };
        format!(
            "2024-01-01 00:00:00.000 UTC,\"bob\",\"shop\",12,\"[local]\",65a1b2c3.c,1,\"SELECT\",2024-01-01 00:00:00 UTC,3/1,0,LOG,00000,{},{},,,,,{},,,\"psql\"{tail}\n",
            quote(message),
            quote(detail),
            quote(statement),
        )
    }

    fn texts(parsed: &Parsed) -> Vec<String> {
        parsed
            .events
            .iter()
            .map(|event| match event.what {
                What::Timed { query, .. } | What::Statement(query) => parsed.text(query.text),
                What::Parameters(span) => parsed.text(span),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn all_widths_of_the_format() {
        for tail in ["", ",\"client backend\"", ",\"client backend\",,0"] {
            let parsed = parse(line("duration: 1.000 ms  statement: select 1", "", "", tail).as_bytes());
            assert_eq!(texts(&parsed), ["select 1"], "{tail}");
        }
        assert_eq!(parse(line("x", "", "", ",1,2,3,4,5").as_bytes()).recognised, 0);
    }

    #[test]
    fn quotes_and_newlines_inside_fields() {
        let log = line(
            "duration: 1.000 ms  execute <unnamed>: select \"a\"\nfrom t where x = $1",
            "parameters: $1 = '\"\n2024-01-01 00:00:00.000 UTC,,,1,,65a1b2c3.c,1,,,,,LOG,00000,\"duration: 9.000 ms  statement: forged\"'",
            "",
            "",
        );
        let parsed = parse(log.as_bytes());
        let texts = texts(&parsed);
        assert_eq!(texts[0], "select \"a\"\nfrom t where x = $1");
        assert_eq!(texts.len(), 2);
        assert_eq!(parsed.records, 1);
    }

    #[test]
    fn a_cut_record_costs_only_itself() {
        let whole = line("duration: 1.000 ms  statement: select 1", "", "", "");
        let log = format!("{}\n{}{}", &whole[..whole.len() - 30], whole, whole);
        let parsed = parse(log.as_bytes());
        assert_eq!((parsed.records, parsed.recognised), (3, 2));
        assert_eq!(parsed.skipped, [(BROKEN, 1, 0)]);
        let cut_in_quotes = format!("{}\n{}{}", &whole[..150], whole, whole);
        assert_eq!(parse(cut_in_quotes.as_bytes()).recognised, 2);
    }
}
