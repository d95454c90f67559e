//! What a record's message says: durations, statements, plans, locks, temporary files and the rest.
//!
//! Texts are those of postgres.c (`check_log_duration`, `exec_*_message`), auto_explain.c, proc.c, fd.c, xlog.c,
//! vacuumlazy.c and analyze.c, in English.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};

use memchr::memmem;

use super::event::{Parsed, Query, Span, Step, What};
use super::parameters;
use super::plan;
use super::severity::{Severity, foreign_duration};
use crate::{hash, sql};

/// Reads the message of a record that starts with `severity`. `span` is the message's place in `parsed`.
pub(crate) fn read(parsed: &mut Parsed, severity: Severity, sqlstate: Option<[u8; 5]>, span: Span) -> What {
    let mut span = span;
    let mut sqlstate = sqlstate;
    let message = parsed.slice(span);
    // log_error_verbosity = verbose puts the SQLSTATE before the message.
    if let Some((state, b": ")) = message.split_at_checked(7).map(|(head, _)| head.split_at(5))
        && state.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
    {
        sqlstate = sqlstate.or(state.first_chunk().copied());
        span = span.part(7..message.len());
    }
    match severity {
        Severity::Log => log(parsed, span),
        Severity::Error | Severity::Fatal | Severity::Panic => {
            let message = parsed.slice(span);
            let end = memchr::memchr(b'\n', message).unwrap_or(message.len());
            let line = span.part(0..end);
            let severity = severity.error_name().unwrap_or("ERROR");
            let class = error_class(severity, sqlstate, parsed.slice(line));
            What::Error { severity, sqlstate, message: line, class }
        }
        Severity::Warning => What::Warning,
        Severity::Detail => detail(parsed, span).unwrap_or(What::Other),
        Severity::Statement => What::Statement(query(parsed, span)),
        Severity::Context => What::Context,
        _ => What::Other,
    }
}

/// Reads the detail of a record: parameters, or the statement that an `EXECUTE` runs.
pub(crate) fn detail(parsed: &Parsed, span: Span) -> Option<What> {
    let detail = parsed.slice(span);
    if let Some(heading) = parameters::heading(detail) {
        return Some(What::Parameters(span.part(heading..detail.len())));
    }
    let prepare = detail.strip_prefix(b"prepare: ")?;
    let inner = prepared_statement(prepare).map_or(0, |inner| prepare.len() - inner.len());
    Some(What::Prepared(query(parsed, span.part(9 + inner..detail.len()))))
}

/// A statement and its fingerprint.
pub(crate) fn query(parsed: &Parsed, span: Span) -> Query {
    Query { text: span, fingerprint: sql::fingerprint(parsed.slice(span)) }
}

fn log(parsed: &mut Parsed, span: Span) -> What {
    let what = english(parsed, span);
    if matches!(what, What::Other)
        && parsed.foreign.is_none()
        && let Some(language) = foreign_duration(parsed.slice(span))
    {
        parsed.foreign = Some((language, span.offset()));
    }
    what
}

fn english(parsed: &mut Parsed, span: Span) -> What {
    let message = parsed.slice(span);
    match message.first() {
        Some(b'd') => {
            if let Some(rest) = message.strip_prefix(b"duration: ") {
                return duration(parsed, span, rest.len()).unwrap_or(What::Other);
            }
            if message.starts_with(b"disconnection: ") { What::Disconnection } else { What::Other }
        }
        Some(b's') => match message.strip_prefix(b"statement: ") {
            Some(rest) => {
                let query = query(parsed, span.part(11..message.len()));
                What::Announced { step: simple_step(rest), query }
            }
            None => What::Other,
        },
        Some(b'e') => match protocol_step(message) {
            Some((step, text)) => {
                let text = span.part(text..message.len());
                What::Announced { step, query: parsed.repeated_query(text) }
            }
            None => What::Other,
        },
        Some(b't') => temporary_file(message).unwrap_or(What::Other),
        Some(b'p') => lock(message).unwrap_or(What::Other),
        Some(b'a') => {
            let Some(rest) = message.strip_prefix(b"automatic ") else { return What::Other };
            if rest.starts_with(b"analyze of table ") {
                What::Autoanalyze
            } else if rest.starts_with(b"vacuum of table ") || rest.starts_with(b"aggressive vacuum ") {
                What::Autovacuum
            } else {
                What::Other
            }
        }
        Some(b'c') if message.starts_with(b"checkpoint complete: ") => What::Checkpoint,
        Some(b'c') if message.starts_with(b"connection authorized: ") => What::Connection,
        Some(b'r') if message.starts_with(b"restartpoint complete: ") => What::Restartpoint,
        _ => What::Other,
    }
}

/// Reads what follows `duration: `, which is the last `length` bytes of the span.
fn duration(parsed: &mut Parsed, span: Span, length: usize) -> Option<What> {
    let message = parsed.slice(span);
    let head = message.len() - length;
    let rest = &message[head..];
    let (ns, used) = milliseconds(rest)?;
    let rest = rest[used..].strip_prefix(b" ms")?;
    let at = head + used + 3;
    if rest.trim_ascii().is_empty() {
        return Some(What::Bare { ns });
    }
    let rest = rest.strip_prefix(b"  ")?;
    let at = at + 2;
    if let Some(text) = rest.strip_prefix(b"statement: ") {
        let step = simple_step(text);
        return Some(What::Timed { ns, step, query: query(parsed, span.part(at + 11..message.len())) });
    }
    if let Some((step, text)) = protocol_step(rest) {
        let text = span.part(at + text..message.len());
        return Some(What::Timed { ns, step, query: parsed.repeated_query(text) });
    }
    if let Some(body) = rest.strip_prefix(b"plan:") {
        let skip = body.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let body_span = span.part(at + 5 + skip..message.len());
        return Some(plan(parsed, ns, body_span));
    }
    if let Some(text) = rest.strip_prefix(b"fastpath function call: ") {
        let start = message.len() - text.len();
        return Some(What::Timed { ns, step: Step::Statement, query: query(parsed, span.part(start..message.len())) });
    }
    None
}

fn plan(parsed: &mut Parsed, ns: u64, body: Span) -> What {
    let bytes = parsed.slice(body);
    let format = plan::format(bytes);
    let text = plan::query(bytes, format).map(|range| match plan::unescape(&bytes[range.clone()], format) {
        Cow::Borrowed(_) => (body.part(range), None),
        Cow::Owned(text) => (body, Some(text)),
    });
    let query = text.map(|(span, unescaped)| {
        let span = match unescaped {
            None => span,
            Some(text) => parsed.put_aside(|aside| aside.extend_from_slice(&text)),
        };
        query(parsed, span)
    });
    What::Plan { ns, body, format, query }
}

/// Reads `parse NAME: `, `bind NAME: `, `execute NAME: ` or `execute fetch from NAME: `; yields where the statement
/// begins.
///
/// Names may hold `: ` themselves. When no statement begins after the first one, the next one is tried.
fn protocol_step(message: &[u8]) -> Option<(Step, usize)> {
    let (step, head) = match message {
        [b'e', ..] if message.starts_with(b"execute fetch from ") => (Step::Fetch, 19),
        [b'e', ..] if message.starts_with(b"execute ") => (Step::Execute, 8),
        [b'b', ..] if message.starts_with(b"bind ") => (Step::Bind, 5),
        [b'p', ..] if message.starts_with(b"parse ") => (Step::Parse, 6),
        _ => return None,
    };
    if message[head..].starts_with(b"<unnamed>: ") {
        return Some((step, head + 11));
    }
    let window = &message[..message.len().min(head + 512)];
    let mut first = None;
    let mut at = head;
    while let Some(colon) = memmem::find(&window[at..], b": ") {
        at += colon + 2;
        first = first.or(Some(at));
        if sql::begins_statement(&message[at..]) {
            let portal = step == Step::Execute && memchr::memchr(b'/', &message[head..at]).is_some();
            return Some((if portal { Step::Portal } else { step }, at));
        }
    }
    // `execute name:` without a text is an empty query.
    first.map(|at| (step, at))
}

fn simple_step(text: &[u8]) -> Step {
    match text.trim_ascii_start().first_chunk::<8>() {
        Some(word) if word[..7].eq_ignore_ascii_case(b"EXECUTE") && word[7].is_ascii_whitespace() => Step::SqlExecute,
        _ => Step::Statement,
    }
}

/// The statement in `PREPARE name [(types)] AS statement`.
fn prepared_statement(prepare: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    let lower: Vec<u8> = prepare.iter().take(4_096).map(u8::to_ascii_lowercase).collect();
    while let Some(found) = memmem::find(&lower[at..], b"as") {
        let (start, end) = (at + found, at + found + 2);
        let alone = start > 0
            && (lower[start - 1].is_ascii_whitespace() || lower[start - 1] == b')')
            && lower.get(end).is_some_and(|b| b.is_ascii_whitespace() || *b == b'(');
        if alone {
            return Some(prepare[end..].trim_ascii_start());
        }
        at = end;
    }
    None
}

/// Reads `12.345` as nanoseconds, and its length.
fn milliseconds(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut at = 0;
    let mut whole = 0_u64;
    while let Some(byte @ b'0'..=b'9') = bytes.get(at) {
        whole = whole.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        at += 1;
    }
    if at == 0 {
        return None;
    }
    let mut ns = whole.checked_mul(1_000_000)?;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let mut scale = 100_000;
        while let Some(byte @ b'0'..=b'9') = bytes.get(at) {
            ns = ns.checked_add(u64::from(byte - b'0') * scale)?;
            scale /= 10;
            at += 1;
        }
    }
    Some((ns, at))
}

/// `temporary file: path "…", size 123`
fn temporary_file(message: &[u8]) -> Option<What> {
    let rest = message.strip_prefix(b"temporary file: ")?;
    let at = memmem::rfind(rest, b"size ")? + 5;
    let digits: Vec<u8> = rest[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    let bytes = std::str::from_utf8(&digits).ok()?.parse().ok()?;
    Some(What::TempFile { bytes })
}

/// `process 1 still waiting for ShareLock on transaction 2 after 1000.123 ms`, `process 1 acquired … after … ms`
fn lock(message: &[u8]) -> Option<What> {
    let rest = message.strip_prefix(b"process ")?;
    let rest = &rest[rest.iter().take_while(|b| b.is_ascii_digit()).count()..];
    let waiting = rest.starts_with(b" still waiting for ");
    if !waiting && !rest.starts_with(b" acquired ") {
        return None;
    }
    let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
    let after = memmem::rfind(line, b" after ")? + 7;
    let (ns, _) = milliseconds(&line[after..])?;
    Some(if waiting { What::LockWait { ns } } else { What::LockAcquired { ns } })
}

/// What errors of one kind have in common: severity, SQLSTATE, and the message without its values.
fn error_class(severity: &str, sqlstate: Option<[u8; 5]>, message: &[u8]) -> u64 {
    let mut hasher = hash::fixed().build_hasher();
    hasher.write(severity.as_bytes());
    hasher.write(&sqlstate.unwrap_or_default());
    hasher.write(error_template(message).as_bytes());
    hasher.finish()
}

/// A message without its values: quoted parts become `"…"`, numbers `N`.
pub(crate) fn error_template(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(&message[..message.len().min(1_024)]);
    // Text logs add the position of the error to the message; csvlog and jsonlog have a field for it.
    let text = match text.rsplit_once(" at character ") {
        Some((head, position)) if position.trim_end().bytes().all(|b| b.is_ascii_digit()) => head,
        _ => &text,
    };
    let mut template = String::with_capacity(text.len());
    let mut chars = text.trim_end().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                while chars.next_if(|c| *c != '"').is_some() {}
                chars.next();
                template.push_str("\"…\"");
            }
            '0'..='9' => {
                while chars.next_if(|c| c.is_ascii_digit() || *c == '.').is_some() {}
                template.push('N');
            }
            c => template.push(c),
        }
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_log(message: &str) -> (What, Parsed) {
        let mut parsed = Parsed { bytes: message.as_bytes().to_vec(), tabbed: true, ..Parsed::default() };
        let what = read(&mut parsed, Severity::Log, None, Span::raw(0..message.len()));
        (what, parsed)
    }

    #[track_caller]
    fn check(message: &str, expected: &str) {
        let (what, parsed) = read_log(message);
        let shown = match what {
            What::Timed { ns, step, query } => format!("{step:?} {ns} {}", parsed.text(query.text)),
            What::Announced { step, query } => format!("{step:?} {}", parsed.text(query.text)),
            What::Plan { ns, format, query, .. } => {
                format!("plan {format:?} {ns} {}", query.map_or_else(String::new, |query| parsed.text(query.text)))
            }
            other => format!("{other:?}"),
        };
        assert_eq!(shown, expected, "{message}");
    }

    #[test]
    fn durations() {
        check("duration: 12.345 ms  statement: select 1", "Statement 12345000 select 1");
        check("duration: 12.345 ms", "Bare { ns: 12345000 }");
        check("00000: duration: 1.000 ms  statement: select\n\t1", "Statement 1000000 select\n1");
        check("duration: 0.1 ms  parse <unnamed>: select $1", "Parse 100000 select $1");
        check("duration: 0.1 ms  bind S_1: select $1", "Bind 100000 select $1");
        check("duration: 0.1 ms  execute S_1/C_2: select $1", "Portal 100000 select $1");
        check("duration: 0.1 ms  execute fetch from S_1/C_2: select $1", "Fetch 100000 select $1");
        check("duration: 0.1 ms  execute a: b: c: select ': '", "Execute 100000 select ': '");
        check("duration: 0.1 ms  statement: EXECUTE p(1)", "SqlExecute 100000 EXECUTE p(1)");
        check("duration: x ms  statement: select 1", "Other");
        check("duration: 99999999999999999999999.0 ms", "Other");
    }

    #[test]
    fn announced_statements() {
        check("statement: select 1", "Statement select 1");
        check("execute <unnamed>: select 1", "Execute select 1");
    }

    #[test]
    fn plans() {
        check(
            "duration: 3.5 ms  plan:\n\tQuery Text: select 1\n\tResult  (cost=0.00..0.01 rows=1 width=4)",
            "plan Text 3500000 select 1",
        );
        check("duration: 3.5 ms  plan:\n\t{ \"Query Text\": \"select \\\"x\\\"\" }", "plan Json 3500000 select \"x\"");
    }

    #[test]
    fn counted_events() {
        check("temporary file: path \"base/pgsql_tmp/pgsql_tmp1.0\", size 1400", "TempFile { bytes: 1400 }");
        check("process 9 still waiting for ShareLock on transaction 7 after 1000.5 ms", "LockWait { ns: 1000500000 }");
        check("process 9 acquired ShareLock on transaction 7 after 2.5 ms", "LockAcquired { ns: 2500000 }");
        check("automatic vacuum of table \"a.b.c\": index scans: 0", "Autovacuum");
        check("automatic analyze of table \"a.b.c\"", "Autoanalyze");
        check("checkpoint complete: wrote 3 buffers", "Checkpoint");
    }

    #[test]
    fn an_execute_names_what_was_prepared() {
        let text = "prepare: PREPARE p (int) AS SELECT a AS b FROM t WHERE id = $1;";
        let parsed = Parsed { bytes: text.as_bytes().to_vec(), ..Parsed::default() };
        let Some(What::Prepared(query)) = detail(&parsed, Span::raw(0..text.len())) else { panic!("no statement") };
        assert_eq!(parsed.text(query.text), "SELECT a AS b FROM t WHERE id = $1;");
    }

    #[test]
    fn error_classes_hold_no_values() {
        assert_eq!(
            error_template(b"invalid input syntax for type integer: \"secret 7\""),
            "invalid input syntax for type integer: \"…\""
        );
        assert_eq!(error_template(b"syntax error at or near \"x\" at character 15"), "syntax error at or near \"…\"");
        assert_eq!(error_template(b"value 12.5 is out of range"), "value N is out of range");
    }
}
