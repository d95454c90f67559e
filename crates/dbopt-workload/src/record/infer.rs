//! Which `log_line_prefix` a text log was written with.
//!
//! Candidates are prefixes that are common in the field, and prefixes made from the heads of the file's own lines:
//! what has a shape is named by it, digits and words are tried in a few orders. Each candidate reads all sampled
//! lines, and the one that reads most of them wins; among equals the one whose names look like names and whose DETAIL
//! and STATEMENT lines belong to the session of the line before.

use hashbrown::HashSet;
use memchr::memmem;

use super::clock::Clock;
use super::prefix::{Prefix, session_id};
use super::severity::Severity;

/// Prefixes of the field: PostgreSQL's and Debian's defaults, RDS, Cloud SQL, Azure, Heroku, Crunchy, pgBadger's
/// manual.
const KNOWN: [&str; 26] = [
    "%m [%p] ",
    "%m [%p] %q%u@%d ",
    "%t:%r:%u@%d:[%p]:",
    "%m:%r:%u@%d:[%p]:",
    "%m %p %c %l %u %d %a %e %h ",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d ",
    "%t [%p]: [%l-1] ",
    "%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: [%l-1] db=%d,user=%u ",
    "%m [%p]: [%l-1] db=%d,user=%u,app=%a,client=%h ",
    "[%p]: [%l-1] db=%d,user=%u ",
    "%m [%p]: [%l] [trx_id=%x] user=%u,db=%d,app=%a,client=%h ",
    "%t-%c-",
    "%m-%c-",
    "%t-%d-%u-%p-%l-",
    "%t ",
    "%m ",
    "%m %p ",
    "%t [%p] ",
    "%n [%p] ",
    "<%m [%p] %q%u@%d> ",
    "<%t>",
    "< %m >",
    " sql_error_code = %e time_ms = \"%m\" pid=\"%p\" proc_start_time=\"%s\" session_id=\"%c\" vtid=\"%v\" tid=\"%x\" log_line=\"%l\" %qdatabase=\"%d\" connection_source=\"%r\" user=\"%u\" application_name=\"%a\" ",
];

/// Lines looked at.
const MOST_LINES: usize = 400;

/// What is known of a prefix after reading the sampled lines with it.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    pub(crate) prefix: Prefix,
    /// Lines that it reads.
    pub(crate) read: usize,
    /// Lines that hold a severity.
    pub(crate) heads: usize,
    /// Offset in the sample of the first line that it does not read, and how far it reads that line.
    pub(crate) first_miss: Option<(usize, usize)>,
    score: i64,
}

impl Fit {
    /// Whether the prefix reads all of the lines that hold a severity.
    pub(crate) fn is_whole(&self) -> bool {
        self.read > 0 && self.read == self.heads
    }

    /// Whether the prefix reads at least half of the lines that hold a severity.
    pub(crate) fn is_good(&self) -> bool {
        self.read > 0 && self.read * 2 >= self.heads
    }
}

/// How a given prefix fits the first lines of a log.
pub(crate) fn fit(prefix: Prefix, sample: &[u8]) -> Fit {
    rate(prefix, sample, &head_lines(sample))
}

/// The prefix that fits the first lines of a log best; `None` when no line is read by any.
pub(crate) fn infer(sample: &[u8]) -> Option<Fit> {
    let lines = head_lines(sample);
    let mut tried = HashSet::new();
    let mut best: Option<Fit> = None;
    let own = lines.iter().step_by((lines.len() / 24).max(1)).flat_map(|(start, end)| guesses(&sample[*start..*end]));
    for text in KNOWN.iter().map(|text| (*text).to_owned()).chain(own) {
        if tried.len() > 400 || !tried.insert(text.clone()) {
            continue;
        }
        let Ok(prefix) = Prefix::new(&text) else { continue };
        let fit = rate(prefix, sample, &lines);
        if fit.read > 0 && best.as_ref().is_none_or(|best| fit.score > best.score) {
            best = Some(fit);
        }
    }
    best
}

/// An inferred prefix that also reads processes which are not sessions, in case the first lines hold none: the server may
/// well have `%q` in its prefix.
pub(crate) fn lenient(prefix: Prefix) -> Prefix {
    if prefix.text().contains("%q") {
        return prefix;
    }
    match with_quit(prefix.text()).map(|text| Prefix::new(&text)) {
        Some(Ok(quit)) => prefix.or(quit),
        _ => prefix,
    }
}

/// Lines that hold a severity, as ranges of the sample; continuation lines are left out.
fn head_lines(sample: &[u8]) -> Vec<(usize, usize)> {
    let mut lines = Vec::new();
    let mut start = 0;
    while start < sample.len() && lines.len() < MOST_LINES {
        let end = memchr::memchr(b'\n', &sample[start..]).map_or(sample.len(), |at| start + at);
        let line = &sample[start..end];
        if line.first() != Some(&b'\t') && severity_at(line).is_some() {
            lines.push((start, end));
        }
        start = end + 1;
    }
    lines
}

/// Where the first severity stands in a line.
pub(crate) fn severity_at(line: &[u8]) -> Option<usize> {
    let window = &line[..line.len().min(1_024)];
    memmem::find_iter(window, b":  ").find_map(|colon| {
        let start = window[..colon].iter().rposition(|b| !b.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
        Severity::parse(&window[start..]).map(|_| start)
    })
}

fn rate(prefix: Prefix, sample: &[u8], lines: &[(usize, usize)]) -> Fit {
    let mut clock = Clock::default();
    let mut fit = Fit { prefix, read: 0, heads: lines.len(), first_miss: None, score: 0 };
    let mut last_session = 0;
    for (start, end) in lines {
        let line = &sample[*start..*end];
        let Some((head, severity, _)) = fit.prefix.read(line, &mut clock) else {
            if fit.first_miss.is_none() {
                fit.first_miss = Some((*start, fit.prefix.fits_up_to(line)));
            }
            continue;
        };
        fit.read += 1;
        fit.score += 1_000;
        for (from, to) in [head.user, head.database] {
            let name = &line[from as usize..to as usize];
            if name.iter().any(|b| b" [](),=@:".contains(b)) && name != b"[unknown]" {
                fit.score -= 20;
            } else if !name.is_empty() {
                fit.score += 2;
            }
        }
        let (from, to) = head.application;
        let name = &line[from as usize..to as usize];
        if name.iter().any(|b| b"=@".contains(b)) {
            fit.score -= 10;
        } else if !name.is_empty() {
            fit.score += 1;
        }
        fit.score += i64::from(head.when.is_some()) * 3 + i64::from(head.sqlstate.is_some());
        if matches!(severity, Severity::Detail | Severity::Statement | Severity::Hint | Severity::Context) {
            fit.score += match head.session {
                0 => 0,
                session if session == last_session => 5,
                _ => -5,
            };
        }
        last_session = head.session;
        fit.score += i64::from(head.session != 0) * 3;
    }
    fit
}

/// Prefixes that could have written the head of this line.
fn guesses(line: &[u8]) -> Vec<String> {
    let Some(end) = severity_at(line) else { return Vec::new() };
    let head = &line[..end];
    let mut guesses = Vec::new();
    for numbers in ["plxQ", "lpxQ", "pxlQ"] {
        for words in ["udahib", "duahib", "audhib", "aduhib"] {
            for host in ['r', 'h'] {
                let guess = guess(head, numbers, words, host);
                let quit = with_quit(&guess);
                guesses.push(guess);
                guesses.extend(quit);
            }
        }
    }
    guesses
}

/// The prefix that the head of a line suggests, digits and words being named in the orders given.
fn guess(head: &[u8], numbers: &str, words: &str, host: char) -> String {
    let mut prefix = String::new();
    let mut clock = Clock::default();
    let mut numbers = numbers.chars();
    let mut words: Vec<char> = words.chars().collect();
    let mut at = 0;
    while at < head.len() {
        let rest = &head[at..];
        let fresh = at == 0 || !head[at - 1].is_ascii_alphanumeric();
        if let Some(moment) = clock.read(rest).filter(|_| fresh) {
            prefix.push_str(match (moment.precise, prefix.contains("%m") || prefix.contains("%t")) {
                (true, _) => "%m",
                (false, true) => "%s",
                (false, false) => "%t",
            });
            at += moment.length;
        } else if let Some((_, length)) = Clock::read_epoch(rest).filter(|_| fresh && !prefix.contains("%n")) {
            prefix.push_str("%n");
            at += length;
        } else if let Some((_, length)) = session_id(rest).filter(|_| fresh) {
            prefix.push_str("%c");
            at += length;
        } else if rest.starts_with(b"[local]") {
            prefix.push('%');
            prefix.push(host);
            at += 7;
        } else if let Some(length) = address(rest).filter(|_| fresh) {
            prefix.push_str(if rest[..length].ends_with(b")") { "%r" } else { "%h" });
            at += length;
        } else if fresh && rest[0].is_ascii_digit() {
            let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let word = rest.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
            if rest.get(length) == Some(&b'/') {
                prefix.push_str("%v");
                at += length + 1;
                at += head[at..].iter().take_while(|b| b.is_ascii_digit()).count();
            } else if word == 5 && (word > length || rest[0] == b'0') {
                prefix.push_str("%e");
                at += 5;
            } else if prefix.ends_with('-') && &rest[..length] == b"1" {
                // `[%l-1]` is a habit that the syslog way of numbering left behind.
                prefix.push('1');
                at += length;
            } else if let Some(number) = numbers.next() {
                prefix.push('%');
                prefix.push(number);
                at += length;
            } else {
                prefix.push_str(&String::from_utf8_lossy(&rest[..length]));
                at += length;
            }
        } else if fresh && (is_word(rest[0]) || rest.starts_with(b"[unknown]")) {
            let length = if rest[0] == b'[' { 9 } else { rest.iter().take_while(|b| is_word(**b)).count() };
            match (key_of(&rest[..length]), rest.get(length)) {
                // A key and its value: `user=bob`, which ends at the next separator.
                (Some(key), Some(b'=')) => {
                    prefix.push_str(&String::from_utf8_lossy(&rest[..=length]));
                    at += length + 1;
                    let quote = usize::from(head.get(at) == Some(&b'"'));
                    if quote == 1 {
                        prefix.push('"');
                    }
                    at += quote;
                    if let Some(key) = key {
                        let value = &head[at..];
                        let separator = value.iter().position(|b| b",;|\"])>".contains(b));
                        let space = value.iter().position(|b| *b == b' ');
                        let length = match (separator, space) {
                            (Some(a), Some(b)) if key != 'a' => a.min(b),
                            (Some(a), _) => a,
                            (None, b) => b.unwrap_or(value.len()),
                        };
                        prefix.push('%');
                        prefix.push(key);
                        at += length;
                    }
                }
                _ => {
                    if rest.get(length) == Some(&b'@') {
                        prefix.push_str("%u@%d");
                        words.retain(|word| *word != 'u' && *word != 'd');
                        at += length + 1;
                        at += match head.get(at) {
                            Some(b'[') => 9.min(head.len() - at),
                            _ => head[at..].iter().take_while(|b| is_word(**b)).count(),
                        };
                    } else if words.is_empty() {
                        prefix.push_str(&String::from_utf8_lossy(&rest[..length]).replace('%', "%%"));
                        at += length;
                    } else {
                        prefix.push('%');
                        prefix.push(words.remove(0));
                        at += length;
                    }
                }
            }
        } else {
            let length = std::str::from_utf8(rest).ok().and_then(|s| s.chars().next()).map_or(1, char::len_utf8);
            prefix.push_str(&String::from_utf8_lossy(&rest[..length]).replace('%', "%%"));
            at += length;
        }
    }
    prefix
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || byte >= 0x80
}

/// The escape that a key of `key=value` stands for; a known key without an escape of its own is `Some(None)`.
#[expect(clippy::option_option, reason = "a known key may have its value named by its shape")]
fn key_of(word: &[u8]) -> Option<Option<char>> {
    Some(match word.to_ascii_lowercase().as_slice() {
        b"user" | b"usr" | b"u" | b"username" => Some('u'),
        b"db" | b"database" | b"d" | b"dbname" => Some('d'),
        b"app" | b"application" | b"a" | b"appname" | b"application_name" => Some('a'),
        b"client" | b"host" | b"h" | b"remote" | b"rhost" => Some('h'),
        b"tag" | b"cmd" | b"command" => Some('i'),
        b"backend" | b"type" => Some('b'),
        b"pid" | b"xid" | b"line" | b"session" | b"vxid" | b"state" | b"time" | b"ts" | b"tid" | b"trx_id" | b"l" => {
            None
        }
        _ => return None,
    })
}

/// The length of an IP address, with or without its port in brackets.
fn address(bytes: &[u8]) -> Option<usize> {
    let length = bytes.iter().take_while(|b| b.is_ascii_hexdigit() || **b == b'.' || **b == b':').count();
    let text = std::str::from_utf8(&bytes[..length]).ok()?.trim_end_matches(':');
    text.parse::<std::net::IpAddr>().ok()?;
    let port = bytes[text.len()..].strip_prefix(b"(").map_or(0, |rest| {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 && rest.get(digits) == Some(&b')') { digits + 2 } else { 0 }
    });
    Some(text.len() + port)
}

/// The same prefix with `%q` before the first escape that only sessions fill.
fn with_quit(prefix: &str) -> Option<String> {
    let first = prefix
        .match_indices('%')
        .find(|(at, _)| matches!(prefix.as_bytes().get(at + 1), Some(b'u' | b'd' | b'a' | b'h' | b'r' | b'i')))?;
    // What leads up to it, such as `user=`, is left out for processes without a session as well.
    let lead = prefix[..first.0].rfind(' ').map_or(first.0, |space| space + 1);
    Some(format!("{}%q{}", &prefix[..lead], &prefix[lead..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &str, expected: &str) {
        let fit = infer(lines.as_bytes()).expect("some prefix fits");
        assert_eq!(fit.prefix.text(), expected);
        assert_eq!(fit.read, fit.heads, "all lines are read");
    }

    #[test]
    fn known_prefixes() {
        check("2024-01-01 00:00:00.000 UTC [12] LOG:  starting\n\tmore LOG:  text\n", "%m [%p] ");
        check(
            "2024-01-01 00:00:00 UTC::@:[1]:LOG:  checkpoint\n2024-01-01 00:00:00 UTC:10.0.0.1(99):bob@shop:[12]:ERROR:  no\n",
            "%t:%r:%u@%d:[%p]:",
        );
        check(
            "2024-01-01 00:00:00 UTC [12]: [1-1] user=bob,db=shop,app=psql,client=10.0.0.1 LOG:  x\n2024-01-01 00:00:00 UTC [13]: [1-1] user=,db=,app=,client= LOG:  x\n",
            "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
        );
    }

    #[test]
    fn prefixes_that_nobody_knows() {
        check(
            "2024-01-01 00:00:00.000 UTC|12|bob|shop|LOG:  x\n2024-01-01 00:00:00.000 UTC|13|ann|shop|LOG:  x\n",
            "%m|%p|%u|%d|",
        );
        check("pid=12 db=shop user=bob 2024-01-01 00:00:00.000 UTC: LOG:  x\n", "pid=%p db=%d user=%u %m: ");
        check("(65a1b2c3.1f) <00000> LOG:  x\n", "(%c) <%e> ");
        check("12-1 3/17 LOG:  x\n", "%p-1 %v ");
        check(
            "2024-01-01 00:00:00.000 UTC {9} LOG:  x\n2024-01-01 00:00:00.000 UTC {12} bob@shop/10.1.2.3(55) LOG:  x\n",
            "%m {%p} %q%u@%d/%r ",
        );
    }

    #[test]
    fn the_process_is_told_from_the_line_number() {
        let log = "1 501 LOG:  duration: 1.000 ms  statement: x\n2 502 ERROR:  a\n3 502 STATEMENT:  b\n2 501 ERROR:  a\n3 501 STATEMENT:  b\n";
        check(log, "%l %p ");
    }

    #[test]
    fn background_processes_are_read_even_when_no_sampled_line_is_one() {
        let fit = infer(b"2024-01-01 00:00:00.000 UTC [12] bob@shop/psql LOG:  x\n").expect("some prefix fits");
        let prefix = lenient(fit.prefix);
        assert_eq!(prefix.text(), "%m [%p] %u@%d/%a ");
        let line = b"2024-01-01 00:00:00.000 UTC [7] LOG:  checkpoint starting: time";
        assert!(prefix.read(line, &mut Clock::default()).is_some());
    }

    #[test]
    fn a_wrong_prefix_says_where_it_breaks() {
        let prefix = Prefix::new("%m [%p] ").expect("the prefix is fine");
        let fit = fit(prefix, b"\tx\n2024-01-01 00:00:00.000 UTC 12 LOG:  x\n");
        assert!(!fit.is_good());
        assert_eq!(fit.first_miss, Some((3, 27)));
    }
}
