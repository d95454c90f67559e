//! syslog: `Jan 31 10:00:00 HOST IDENT[PID]: TEXT` (RFC 3164), the same with an ISO timestamp as rsyslog and journalctl
//! write it, and `<134>1 TIME HOST IDENT PID - - TEXT` (RFC 5424).
//!
//! The server sends each record with all its parts as one message, cut at newlines and before about 900 bytes, each
//! chunk numbered `[message-chunk] ` (`syslog_sequence_numbers`, `syslog_split_messages`; write_syslog in elog.c).
//! `log_line_prefix` is often poor here, as syslog knows time and process: they are put in front when it lacks them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Link, Piece, Unit, chunk_number, iso_length, unescape};
use crate::record::infer::severity_at;
use crate::record::severity::Severity;

/// A syslog file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Syslog {
    /// The server's names for itself (`syslog_ident`).
    idents: Vec<Vec<u8>>,
    /// Whether to put the time in front, as `%m `.
    pub(crate) with_time: bool,
    /// Whether to put the process in front, as `[%p] `.
    pub(crate) with_process: bool,
}

struct Head<'a> {
    /// In ISO form, when it has a year and a zone.
    time: Option<&'a [u8]>,
    ident: &'a [u8],
    process: u64,
    text: &'a [u8],
}

impl Syslog {
    /// Finds out whether these lines are syslog and hold records of a server.
    pub(super) fn detect(lines: &[&[u8]]) -> Option<Self> {
        let heads: Vec<Head<'_>> = lines.iter().filter_map(|line| parse(line)).collect();
        if heads.len() * 2 < lines.len() {
            return None;
        }
        let mut found: BTreeMap<&[u8], usize> = BTreeMap::new();
        for head in heads.iter().filter(|head| head.process > 0 && severity_at(head.text).is_some()) {
            *found.entry(head.ident).or_default() += 1;
        }
        // Another program may write something like a severity once in a while.
        let most = found.values().copied().max().unwrap_or(0);
        found.retain(|ident, lines| ident.starts_with(b"postgres") || *lines * 4 >= most);
        let idents: Vec<Vec<u8>> = found.into_keys().map(<[u8]>::to_vec).collect();
        (!idents.is_empty()).then_some(Self { idents, with_time: false, with_process: false })
    }

    /// Whether times of these lines can be put in front of the records.
    pub(crate) fn has_time(line: &[u8]) -> bool {
        parse(line).is_some_and(|head| head.time.is_some())
    }

    /// What is put in front, in terms of `log_line_prefix`.
    pub(crate) fn stamp_prefix(&self) -> &'static str {
        match (self.with_time, self.with_process) {
            (true, true) => "%m [%p] ",
            (true, false) => "%m ",
            (false, true) => "[%p] ",
            (false, false) => "",
        }
    }

    /// Reads a line.
    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Unit<'a> {
        let Some(head) = parse(line) else { return Unit::Broken };
        if !self.idents.iter().any(|ident| ident == head.ident) {
            return Unit::Foreign;
        }
        let (link, text) = match chunk_number(head.text) {
            Some((message, 0 | 1, text)) => (Link::First(message), unescape(text)),
            Some((message, _, text)) => (Link::Next(message), unescape(text)),
            None => {
                let text = unescape(head.text);
                let is_part = text.starts_with(b"\t")
                    || severity_at(&text)
                        .is_none_or(|at| Severity::parse(&text[at..]).is_some_and(|(severity, _)| severity.is_part()));
                (if is_part { Link::Next(0) } else { Link::First(0) }, text)
            }
        };
        let mut piece = Piece::new(head.process, link, text);
        if self.with_time || self.with_process {
            piece.stamp = Cow::Owned(self.stamp(&head));
        }
        Unit::Piece(piece)
    }

    fn stamp(&self, head: &Head<'_>) -> Vec<u8> {
        let mut stamp = Vec::new();
        if let Some(time) = head.time.filter(|_| self.with_time) {
            // `2024-01-31T10:00:00.123456+02:00` as `2024-01-31 10:00:00.123456 +02:00`.
            let zone =
                time.iter().skip(19).position(|b| matches!(b, b'Z' | b'+' | b'-')).map_or(time.len(), |at| at + 19);
            stamp.extend_from_slice(&time[..10]);
            stamp.push(b' ');
            stamp.extend_from_slice(&time[11..zone]);
            stamp.push(b' ');
            stamp.extend_from_slice(if time[zone..] == *b"Z" { b"UTC" } else { &time[zone..] });
            stamp.push(b' ');
        }
        if self.with_process {
            stamp.extend_from_slice(format!("[{}] ", head.process).as_bytes());
        }
        stamp
    }
}

fn parse(line: &[u8]) -> Option<Head<'_>> {
    let (rest, has_priority) = without_priority(line);
    if has_priority && let Some(rest) = rest.strip_prefix(b"1 ") {
        return rfc_5424(rest);
    }
    let (time, rest) = match iso_length(rest) {
        Some(length) => (Some(&rest[..length]), &rest[length..]),
        None => (None, &rest[bsd_length(rest)?..]),
    };
    let rest = rest.strip_prefix(b" ")?;
    let colon = memchr::memchr(b':', &rest[..rest.len().min(256)])?;
    let mut words = rest[..colon].split(|b| *b == b' ').rev();
    let tag = words.next()?;
    // A host at most stands in front.
    if words.count() > 1 {
        return None;
    }
    let (ident, process) = match tag.iter().position(|b| *b == b'[') {
        Some(open) => (&tag[..open], number(tag[open + 1..].strip_suffix(b"]")?)),
        None => (tag, 0),
    };
    let text = &rest[colon + 1..];
    Some(Head { time, ident, process, text: text.strip_prefix(b" ").unwrap_or(text) })
}

/// The line behind `<134>`, and behind the octet count that may stand in front of it (RFC 6587).
fn without_priority(line: &[u8]) -> (&[u8], bool) {
    let digits = line.iter().take(8).take_while(|b| b.is_ascii_digit()).count();
    let rest = if digits > 0 { line[digits..].strip_prefix(b" ").unwrap_or(line) } else { line };
    let inner = rest.strip_prefix(b"<").and_then(|rest| {
        let close = rest.iter().take(4).position(|b| *b == b'>')?;
        Some(&rest[close + 1..])
    });
    inner.map_or((line, false), |inner| (inner, true))
}

/// `TIME HOST APP PROCID MSGID SD TEXT`.
fn rfc_5424(line: &[u8]) -> Option<Head<'_>> {
    let mut words = line.splitn(6, |b| *b == b' ');
    let time = words.next()?;
    let _host = words.next()?;
    let (ident, process, _id, rest) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mut rest = rest;
    if let Some(after) = rest.strip_prefix(b"-") {
        rest = after;
    } else {
        // Elements such as `[id name="value"]`, with `]` escaped in values.
        while rest.starts_with(b"[") && chunk_number(rest).is_none() {
            let mut at = 1;
            loop {
                match rest.get(at)? {
                    b'\\' => at += 2,
                    b']' => break,
                    _ => at += 1,
                }
            }
            rest = &rest[at + 1..];
        }
    }
    let text = rest.strip_prefix(b" ").unwrap_or(rest);
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let time = iso_length(time).filter(|length| *length == time.len()).map(|_| time);
    Some(Head { time, ident, process: number(process), text })
}

/// The length of `Jan 31 10:00:00`.
fn bsd_length(text: &[u8]) -> Option<usize> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let head = text.get(..15)?;
    let is_month = MONTHS.chunks(3).any(|month| head.starts_with(month));
    let fits = head[3..].iter().zip(b" _0 00:00:00").all(|(byte, wanted)| match wanted {
        b'0' => byte.is_ascii_digit(),
        b'_' => byte.is_ascii_digit() || *byte == b' ',
        wanted => byte == wanted,
    });
    (is_month && fits).then_some(15)
}

fn number(digits: &[u8]) -> u64 {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: (&str, u64, &str, bool)) {
        let head = parse(line.as_bytes()).expect("it is syslog");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let read = (text(head.ident), head.process, text(head.text), head.time.is_some());
        assert_eq!((read.0.as_str(), read.1, read.2.as_str(), read.3), expected);
    }

    #[test]
    fn heads() {
        check("Jan  5 10:00:00 db1 postgres[123]: [1-1] LOG:  x", ("postgres", 123, "[1-1] LOG:  x", false));
        check("<134>Jan 15 10:00:00 postgres[123]: x: y", ("postgres", 123, "x: y", false));
        check("2024-01-01T00:00:00.5+00:00 db1 pg-main[7]: \tx", ("pg-main", 7, "\tx", true));
        check("<134>1 2024-01-01T00:00:00Z db1 postgres 7 - - [2-1] x", ("postgres", 7, "[2-1] x", true));
        check("99 <134>1 - db1 postgres 7 - [a@1 b=\"\\]\"][c] x", ("postgres", 7, "x", false));
        check("Jan  5 10:00:00 db1 cron: x", ("cron", 0, "x", false));
    }

    #[test]
    fn no_heads() {
        for line in ["2024-01-01 00:00:00 UTC [1] LOG:  x", "Jan  5 10:00:00 a b c[1]: x", "LOG:  x", "", "<134>1 "] {
            assert!(parse(line.as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn stamps() {
        let syslog = Syslog { idents: vec![b"postgres".to_vec()], with_time: true, with_process: true };
        let Unit::Piece(piece) = syslog.read(b"2024-01-01T00:00:00.5+02:00 h postgres[7]: [3-1] LOG:  x") else {
            panic!("it is a piece")
        };
        assert_eq!((&*piece.stamp, piece.link), (&b"2024-01-01 00:00:00.5 +02:00 [7] "[..], Link::First(3)));
        assert_eq!(syslog.read(b"Jan  5 10:00:00 h cron[7]: x"), Unit::Foreign);
    }
}
