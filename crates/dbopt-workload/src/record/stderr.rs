//! Text logs: lines with a prefix, a severity and a message, and continuation lines that begin with a TAB.

use super::clock::Clock;
use super::event::{Event, Parsed, Span, What};
use super::infer::severity_at;
use super::message;
use super::prefix::{Head, Prefix};
use super::severity::{Severity, foreign_language};
use super::{Contexts, FOREIGN, MISFIT, NUL, ORPHAN};

/// A record being read.
struct Open {
    start: usize,
    head: Head,
    severity: Severity,
    message: usize,
}

/// Whether a log keeps the TAB that the server puts after each newline within a record, judged by the lines right behind
/// the heads of records. Some collectors take it away, and then any line without a prefix may go on the record before.
pub(crate) fn keeps_tabs(prefix: &Prefix, sample: &[u8]) -> bool {
    let mut clock = Clock::default();
    let (mut kept, mut lost) = (0_u64, 0_u64);
    let mut behind_head = false;
    for line in sample.split(|b| *b == b'\n') {
        let has_tab = line.first() == Some(&b'\t');
        let is_head = !has_tab && prefix.read(line, &mut clock).is_some();
        if behind_head && !is_head && !line.is_empty() {
            *(if has_tab { &mut kept } else { &mut lost }) += 1;
        }
        behind_head = is_head;
    }
    kept > 0 && kept >= lost
}

/// Reads a block of lines into events. When `keeps_tabs`, a line without prefix and TAB is of another program.
pub(crate) fn read(prefix: &Prefix, keeps_tabs: bool, parsed: &mut Parsed, clock: &mut Clock, contexts: &mut Contexts) {
    parsed.tabbed = true;
    contexts.clear();
    let has_nul = memchr::memchr(0, &parsed.bytes).is_some();
    let length = parsed.bytes.len();
    let mut open: Option<Open> = None;
    let mut at = 0;
    while at < length {
        let end = memchr::memchr(b'\n', &parsed.bytes[at..]).map_or(length, |found| at + found);
        parsed.lines += 1;
        let line = &parsed.bytes[at..end];
        if line.first() != Some(&b'\t') {
            if let Some((head, severity, message)) = prefix.read(line, clock) {
                if let Some(before) = open.replace(Open { start: at, head, severity, message: at + message }) {
                    record(&before, at, has_nul, parsed, contexts);
                }
            } else if let Some((why, language)) = stray(line, open.is_some() && !keeps_tabs) {
                if let Some(before) = open.take() {
                    record(&before, at, has_nul, parsed, contexts);
                }
                if let Some(language) = language {
                    parsed.foreign = parsed.foreign.or(Some((language, at)));
                }
                parsed.records += 1;
                parsed.skip(why, at);
            }
        }
        at = end + 1;
    }
    if let Some(last) = open {
        record(&last, length, has_nul, parsed, contexts);
    }
}

/// Why a line that the prefix does not read, and that does not begin with a TAB, is left out, and its language when
/// that is the reason. `None`: it continues the record before, its TAB having been taken away by a collector.
fn stray(line: &[u8], continues: bool) -> Option<(&'static str, Option<&'static str>)> {
    let digits = |bytes: &[u8]| bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if memchr::memchr(0, line).is_some() {
        return Some((NUL, None));
    }
    if severity_at(line).is_some_and(|at| at == 0 || digits(&line[..at]) >= 6) {
        return Some((MISFIT, None));
    }
    if digits(&line[..line.len().min(64)]) >= 6
        && let Some(language) = foreign_language(&line[..line.len().min(512)])
    {
        return Some((FOREIGN, Some(language)));
    }
    (!continues && !line.trim_ascii().is_empty()).then_some((ORPHAN, None))
}

/// Makes the event of a record that ends before `end`.
fn record(open: &Open, end: usize, has_nul: bool, parsed: &mut Parsed, contexts: &mut Contexts) {
    let text = &parsed.bytes[open.message.min(end)..end];
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let span = Span::raw(open.message..open.message + text.len());
    let head = &open.head;
    if has_nul && memchr::memchr(0, &parsed.bytes[open.start..end]).is_some() {
        parsed.records += 1;
        parsed.skip(NUL, open.start);
        return;
    }
    parsed.precise |= head.precise;
    parsed.zone_unknown |= head.when.is_some() && !head.zone_known;
    let what = message::read(parsed, open.severity, head.sqlstate, span);
    if what.is_primary() && !open.severity.is_part() {
        parsed.records += 1;
        parsed.recognised += 1;
        parsed.with_duration += u64::from(matches!(what, What::Timed { .. } | What::Bare { .. } | What::Plan { .. }));
    } else if matches!(what, What::Other) {
        return;
    }
    let at = |(from, to): (u32, u32)| Span::raw(open.start + from as usize..open.start + to as usize);
    let context = contexts.index(parsed, at(head.user), at(head.database), at(head.application));
    parsed.events.push(Event { at: open.start as u32, context, session: head.session, when: head.when, what });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(prefix: &str, log: &[u8]) -> Parsed {
        let prefix = Prefix::new(prefix).expect("the prefix is fine");
        let mut parsed = Parsed { bytes: log.to_vec(), ..Parsed::default() };
        read(&prefix, keeps_tabs(&prefix, log), &mut parsed, &mut Clock::default(), &mut Contexts::default());
        parsed
    }

    fn texts(parsed: &Parsed) -> Vec<String> {
        parsed
            .events
            .iter()
            .map(|event| match event.what {
                What::Timed { query, .. } | What::Statement(query) | What::Prepared(query) => parsed.text(query.text),
                What::Parameters(span) => parsed.text(span),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn continuation_lines_belong_to_their_record() {
        let log = b"1 LOG:  duration: 1.000 ms  statement: select 1,\n\t'a\n\t1 LOG:  duration: 9.000 ms  statement: forged'\n1 LOG:  duration: 2.000 ms  statement: select 2\n";
        let parsed = parse("%p ", log);
        assert_eq!(texts(&parsed), ["select 1,\n'a\n1 LOG:  duration: 9.000 ms  statement: forged'", "select 2"]);
        assert_eq!((parsed.records, parsed.recognised, parsed.with_duration, parsed.lines), (2, 2, 2, 4));
    }

    #[test]
    fn lost_tabs_are_tolerated() {
        let parsed = parse("%p ", b"1 LOG:  duration: 1.000 ms  statement: select 1,\n  2\nfrom t\n1 ERROR:  x\n");
        assert_eq!(texts(&parsed)[0], "select 1,\n  2\nfrom t");
        assert_eq!(parsed.recognised, 2);
    }

    #[test]
    fn lines_of_other_programs_are_strays_where_tabs_are_kept() {
        let log = b"1 LOG:  duration: 1.000 ms  statement: select 1,\n\t2\nhello\n\tworld\n\n1 LOG:  duration: 1.000 ms  statement: select 3\nhello\n";
        let parsed = parse("%p ", log);
        assert_eq!(texts(&parsed), ["select 1,\n2", "select 3"]);
        assert_eq!((parsed.records, parsed.recognised), (4, 2));
        let at = memchr::memmem::find(log, b"hello").expect("it is there");
        assert_eq!(parsed.skipped, [(ORPHAN, 2, at)]);
    }

    #[test]
    fn garbage_is_counted_and_skipped() {
        let log = b"garbage\n1 LOG:  duration: 1.000 ms  statement: select \0 1\n\0\0\0\n2024-01-01 00:00:00 x LOG:  other prefix\n1 LOG:  duration: 1.000 ms  statement: select 2\n";
        let parsed = parse("%p ", log);
        assert_eq!(texts(&parsed), ["select 2"]);
        assert_eq!((parsed.records, parsed.recognised), (5, 1));
        let reasons: Vec<(&str, u64)> = parsed.skipped.iter().map(|(why, count, _)| (*why, *count)).collect();
        assert_eq!(reasons, [(ORPHAN, 1), (NUL, 2), (MISFIT, 1)]);
    }

    #[test]
    fn parts_of_records() {
        let log = b"1 LOG:  00000: duration: 1.000 ms  execute <unnamed>: select $1\n1 DETAIL:  parameters: $1 = 'a\n\tb'\n1 LOCATION:  exec_execute_message, postgres.c:2219\n1 ERROR:  22012: division by zero\n1 STATEMENT:  select 1/0\n";
        let parsed = parse("%p ", log);
        let texts = texts(&parsed);
        assert_eq!(texts[..2], ["select $1", "$1 = 'a\nb'"]);
        assert!(texts[2].contains("Error") && texts[2].contains("[50, 50, 48, 49, 50]"), "{}", texts[2]);
        assert_eq!(texts[3], "select 1/0");
        assert_eq!(parsed.records, 2);
    }
}
