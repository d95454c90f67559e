//! `log_line_prefix`, compiled to a small program that reads the head of a line.
//!
//! Most escapes print something with a shape (a timestamp, digits, `hex.hex`), so they are read without looking
//! ahead. Names (`%u %d %a %i %h …`) may hold anything; they end at the next literal of the prefix after which all
//! the rest fits, up to the severity. Source: PostgreSQL documentation, "Error Reporting and Logging",
//! `log_line_prefix`, and `log_status_format` in elog.c.

use super::clock::Clock;
use super::severity::Severity;
use crate::time::Timestamp;

/// A compiled prefix.
#[derive(Clone, Debug)]
pub(crate) struct Prefix {
    /// The prefix as written.
    text: String,
    tokens: Vec<Token>,
    /// Read what this one does not.
    other: Option<Box<Prefix>>,
}

#[derive(Clone, Debug)]
enum Token {
    Literal(Box<[u8]>),
    Field {
        kind: Field,
        width: usize,
        left: bool,
    },
    /// `%q`: processes that are not sessions stop here.
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Application,
    User,
    Database,
    RemoteWithPort,
    RemoteHost,
    BackendType,
    Process,
    Leader,
    Time,
    Epoch,
    Tag,
    SqlState,
    Session,
    Line,
    SessionStart,
    Virtual,
    Transaction,
    QueryId,
}

/// What the head of a line says. Ranges are offsets into the line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    pub(crate) when: Option<Timestamp>,
    pub(crate) zone_known: bool,
    pub(crate) precise: bool,
    /// From `%c`, else from `%p`, else 0.
    pub(crate) session: u64,
    pub(crate) sqlstate: Option<[u8; 5]>,
    pub(crate) user: (u32, u32),
    pub(crate) database: (u32, u32),
    pub(crate) application: (u32, u32),
    /// Whether `%c` was read, so that `%p` does not overwrite it.
    has_session: bool,
}

/// Heads are longer than this only in garbage.
const LONGEST_HEAD: usize = 2_048;
/// Tries to end a name before giving a line up.
const MOST_TRIES: u32 = 256;

impl Prefix {
    /// Compiles a prefix; an unknown escape is an error with its offset in the text.
    pub(crate) fn new(text: &str) -> Result<Self, usize> {
        let bytes = text.as_bytes();
        let mut tokens = Vec::new();
        let mut literal = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            if bytes[at] != b'%' {
                literal.push(bytes[at]);
                at += 1;
                continue;
            }
            at += 1;
            let left = bytes.get(at) == Some(&b'-');
            at += usize::from(left);
            let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
            let width: usize = text[at..at + digits].parse().unwrap_or(0);
            at += digits;
            let Some(escape) = bytes.get(at) else { return Err(start) };
            at += 1;
            let kind = match escape {
                b'%' => {
                    literal.push(b'%');
                    continue;
                }
                b'q' => {
                    flush(&mut literal, &mut tokens);
                    tokens.push(Token::Quit);
                    continue;
                }
                b'a' => Field::Application,
                b'u' => Field::User,
                b'd' => Field::Database,
                b'r' => Field::RemoteWithPort,
                b'h' => Field::RemoteHost,
                b'b' => Field::BackendType,
                b'p' => Field::Process,
                b'P' => Field::Leader,
                b't' | b'm' => Field::Time,
                b'n' => Field::Epoch,
                b'i' => Field::Tag,
                b'e' => Field::SqlState,
                b'c' => Field::Session,
                b'l' => Field::Line,
                b's' => Field::SessionStart,
                b'v' => Field::Virtual,
                b'x' => Field::Transaction,
                b'Q' => Field::QueryId,
                _ => return Err(start),
            };
            flush(&mut literal, &mut tokens);
            tokens.push(Token::Field { kind, width: width.min(256), left });
        }
        flush(&mut literal, &mut tokens);
        Ok(Self { text: text.to_owned(), tokens, other: None })
    }

    /// The prefix as written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The same prefix, which also reads lines that fit another one.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.other = Some(Box::new(other));
        self
    }

    /// Reads the head of a line: what it says, the severity, and where the message begins.
    #[inline]
    pub(crate) fn read(&self, line: &[u8], clock: &mut Clock) -> Option<(Head, Severity, usize)> {
        let mut head = Head::default();
        let mut tries = MOST_TRIES;
        let window = &line[..line.len().min(LONGEST_HEAD)];
        match self.step(0, 0, window, &mut head, clock, &mut tries) {
            Some((severity, at)) => Some((head, severity, at)),
            None => self.other.as_ref()?.read(line, clock),
        }
    }

    /// How far the prefix fits a line: the offset at which reading it fails for good.
    pub(crate) fn fits_up_to(&self, line: &[u8]) -> usize {
        let mut clock = Clock::default();
        let mut fits = 0;
        for count in 0..=self.tokens.len() {
            let part = Self { text: String::new(), tokens: self.tokens[..count].to_vec(), other: None };
            let line = &line[..line.len().min(LONGEST_HEAD)];
            match part.end_of(0, 0, line, &mut Head::default(), &mut clock, &mut MOST_TRIES.clone()) {
                Some(at) => fits = at,
                None => break,
            }
        }
        fits
    }

    /// Where the tokens end, without asking for a severity.
    fn end_of(
        &self,
        from: usize,
        at: usize,
        line: &[u8],
        head: &mut Head,
        clock: &mut Clock,
        tries: &mut u32,
    ) -> Option<usize> {
        self.walk(from, at, line, head, clock, tries, &mut |at| Some(at))
    }

    fn step(
        &self,
        from: usize,
        at: usize,
        line: &[u8],
        head: &mut Head,
        clock: &mut Clock,
        tries: &mut u32,
    ) -> Option<(Severity, usize)> {
        self.walk(from, at, line, head, clock, tries, &mut |at| {
            Severity::parse(&line[at..]).map(|(severity, length)| (severity, at + length))
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one recursive walk over plain state; a struct would only rename it")]
    fn walk<T>(
        &self,
        from: usize,
        mut at: usize,
        line: &[u8],
        head: &mut Head,
        clock: &mut Clock,
        tries: &mut u32,
        end: &mut impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        for (index, token) in self.tokens.iter().enumerate().skip(from) {
            match token {
                Token::Literal(literal) => {
                    let fits = match &literal[..] {
                        [byte] => line.get(at) == Some(byte),
                        literal => line[at..].starts_with(literal),
                    };
                    if !fits {
                        return None;
                    }
                    at += literal.len();
                }
                Token::Quit => {
                    let saved = *head;
                    if let Some(found) = self.walk(index + 1, at, line, head, clock, tries, end) {
                        return Some(found);
                    }
                    *head = saved;
                    return end(at);
                }
                Token::Field { kind, width, left } => {
                    let start = at;
                    if *width > 0 && !*left {
                        while at < line.len() && line[at] == b' ' && at - start < *width {
                            at += 1;
                        }
                    }
                    if let Some(length) = shaped(*kind, &line[at..], head, clock) {
                        at += length?;
                        while at - start < *width {
                            if line.get(at) != Some(&b' ') {
                                return None;
                            }
                            at += 1;
                        }
                        continue;
                    }
                    let begin = at;
                    // A name of unknown length: it ends where the rest of the prefix fits.
                    let mut stop = at.max(start + width);
                    loop {
                        *tries = tries.checked_sub(1)?;
                        stop = match self.tokens.get(index + 1) {
                            Some(Token::Literal(literal)) => stop + find(line.get(stop..)?, literal)?,
                            _ if stop > line.len() => return None,
                            _ => stop,
                        };
                        let mut tail = stop;
                        while *left && tail > begin && line[tail - 1] == b' ' {
                            tail -= 1;
                        }
                        let range = (begin as u32, tail as u32);
                        let slot = match kind {
                            Field::User => Some(&mut head.user),
                            Field::Database => Some(&mut head.database),
                            Field::Application => Some(&mut head.application),
                            _ => None,
                        };
                        if let Some(slot) = slot {
                            *slot = range;
                        }
                        if let Some(found) = self.walk(index + 1, stop, line, head, clock, tries, end) {
                            return Some(found);
                        }
                        stop += 1;
                    }
                }
            }
        }
        end(at)
    }
}

/// Where `literal` stands first in `bytes`. Literals are short and near, so there is no use in preparing a search.
#[inline]
fn find(bytes: &[u8], literal: &[u8]) -> Option<usize> {
    let (first, rest) = literal.split_first()?;
    let mut at = 0;
    loop {
        at += memchr::memchr(*first, bytes.get(at..)?)?;
        if rest.is_empty() || bytes[at + 1..].starts_with(rest) {
            return Some(at);
        }
        at += 1;
    }
}

/// Reads a field that has a shape. `None`: it has none. `Some(None)`: it does not fit.
#[expect(clippy::option_option, reason = "the two ways of having no length differ")]
fn shaped(kind: Field, bytes: &[u8], head: &mut Head, clock: &mut Clock) -> Option<Option<usize>> {
    Some(match kind {
        Field::Time => clock.read(bytes).map(|moment| {
            head.when = Some(moment.when);
            head.zone_known = moment.zone_known;
            head.precise = moment.precise;
            moment.length
        }),
        Field::SessionStart => clock.read(bytes).map(|moment| moment.length),
        Field::Epoch => Clock::read_epoch(bytes).map(|(when, length)| {
            head.when = Some(when);
            head.zone_known = true;
            head.precise = true;
            length
        }),
        Field::Process => {
            let (value, length) = digits(bytes);
            if length > 0 && !head.has_session {
                head.session = value;
            }
            (length > 0).then_some(length)
        }
        Field::Line => {
            let (_, length) = digits(bytes);
            (length > 0).then_some(length)
        }
        Field::Leader | Field::Transaction => Some(digits(bytes).1),
        Field::QueryId => {
            let sign = usize::from(bytes.first() == Some(&b'-'));
            Some(sign + digits(&bytes[sign..]).1)
        }
        Field::Session => session_id(bytes).map(|(id, length)| {
            head.session = id;
            head.has_session = true;
            length
        }),
        Field::Virtual => {
            let (_, first) = digits(bytes);
            match bytes.get(first) {
                Some(b'/') if first > 0 => Some(first + 1 + digits(&bytes[first + 1..]).1),
                _ => Some(0),
            }
        }
        Field::SqlState => match bytes.first_chunk::<5>() {
            Some(state) if state.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) => {
                head.sqlstate = Some(*state);
                Some(5)
            }
            _ => None,
        },
        Field::RemoteWithPort => Some(remote(bytes)),
        Field::Application | Field::User | Field::Database | Field::RemoteHost | Field::BackendType | Field::Tag => {
            return None;
        }
    })
}

/// The length of `host(port)`, `[local]`, or nothing.
fn remote(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"[local]") {
        return 7;
    }
    let host = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || b".:-_%".contains(b)).count();
    if host == 0 || bytes.get(host) != Some(&b'(') {
        return 0;
    }
    let (_, port) = digits(&bytes[host + 1..]);
    if port > 0 && bytes.get(host + 1 + port) == Some(&b')') { host + port + 2 } else { 0 }
}

/// Reads a session id, `hex.hex` (start time and process), as one number.
pub(crate) fn session_id(bytes: &[u8]) -> Option<(u64, usize)> {
    let (start, first) = hex(bytes);
    if first < 6 || bytes.get(first) != Some(&b'.') {
        return None;
    }
    let (process, second) = hex(&bytes[first + 1..]);
    (second > 0).then(|| ((start << 24) ^ process ^ (1 << 63), first + 1 + second))
}

fn hex(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0_u64;
    let mut length = 0;
    while length < bytes.len().min(16) {
        let nibble = match bytes[length] {
            b @ b'0'..=b'9' => b - b'0',
            b @ b'a'..=b'f' => b - b'a' + 10,
            _ => break,
        };
        value = (value << 4) | u64::from(nibble);
        length += 1;
    }
    (value, length)
}

fn digits(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0_u64;
    let mut length = 0;
    while let Some(byte @ b'0'..=b'9') = bytes.get(length) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        length += 1;
    }
    (value, length)
}

fn flush(literal: &mut Vec<u8>, tokens: &mut Vec<Token>) {
    if !literal.is_empty() {
        tokens.push(Token::Literal(std::mem::take(literal).into_boxed_slice()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a line and shows user, database, application and the message.
    #[track_caller]
    fn check(prefix: &str, line: &str, expected: &str) {
        let compiled = Prefix::new(prefix).unwrap_or_else(|at| panic!("`{prefix}` fails at {at}"));
        let shown = compiled.read(line.as_bytes(), &mut Clock::default()).map(|(head, severity, at)| {
            let part = |(from, to): (u32, u32)| &line[from as usize..to as usize];
            format!(
                "{severity:?} u={} d={} a={} m={}",
                part(head.user),
                part(head.database),
                part(head.application),
                &line[at..]
            )
        });
        assert_eq!(shown.unwrap_or_default(), expected, "`{prefix}` on `{line}`");
    }

    #[test]
    fn common_prefixes() {
        check("%m [%p] ", "2024-01-01 00:00:00.000 UTC [12] LOG:  hi", "Log u= d= a= m=hi");
        check(
            "%t:%r:%u@%d:[%p]:",
            "2024-01-01 00:00:00 UTC:10.0.0.1(5):bob@shop:[12]:LOG:  hi",
            "Log u=bob d=shop a= m=hi",
        );
        check("%t:%r:%u@%d:[%p]:", "2024-01-01 00:00:00 UTC::@:[12]:LOG:  hi", "Log u= d= a= m=hi");
        check(
            "%t:%r:%u@%d:[%p]:",
            "2024-01-01 00:00:00 UTC:fe80::1(5):bob@shop:[12]:LOG:  hi",
            "Log u=bob d=shop a= m=hi",
        );
        check("%m [%p] %q%u@%d ", "2024-01-01 00:00:00.000 UTC [12] LOG:  background", "Log u= d= a= m=background");
        check("%m [%p] %q%u@%d ", "2024-01-01 00:00:00.000 UTC [12] a b@c d LOG:  x", "Log u=a b d=c d a= m=x");
        check(
            "%m %p %c %l %u %d %a %e %h ",
            "2024-01-01 00:00:00.000 UTC 12 65a1b2c3.c 7 bob shop DBeaver 21 - main 00000 [local] LOG:  x",
            "Log u=bob d=shop a=DBeaver 21 - main m=x",
        );
        check(
            "%m %p %c %l %u %d %a %e %h ",
            "2024-01-01 00:00:00.000 UTC 12 65a1b2c3.c 7    00000  LOG:  x",
            "Log u= d= a= m=x",
        );
    }

    #[test]
    fn every_escape() {
        check(
            "%a|%u|%d|%r|%h|%b|%p|%P|%t|%m|%n|%i|%e|%c|%l|%s|%v|%x|%Q|%% %q",
            "psql|u|d|[local]|[local]|client backend|12||2024-01-01 00:00:00 UTC|2024-01-01 00:00:00.000 UTC|1700000000.000|SELECT|00000|65a1b2c3.c|1|2024-01-01 00:00:00 UTC|3/14|0|-12|% ERROR:  x",
            "Error u=u d=d a=psql m=x",
        );
    }

    #[test]
    fn padding() {
        check("%m %-8p|%-6u|", "2024-01-01 00:00:00.000 UTC 12      |bob   |LOG:  x", "Log u=bob d= a= m=x");
        check("%m %8p|%6u|", "2024-01-01 00:00:00.000 UTC       12|   bob|LOG:  x", "Log u=bob d= a= m=x");
    }

    #[test]
    fn a_severity_counts_only_after_the_prefix() {
        check("%m [%p] ", "x 2024-01-01 00:00:00.000 UTC [12] LOG:  hi", "");
        check("%m [%p] ", "2024-01-01 00:00:00.000 UTC [12] text LOG:  hi", "");
    }

    #[test]
    fn unknown_escapes_are_refused_where_they_stand() {
        assert_eq!(Prefix::new("%m %y").err(), Some(3));
        assert_eq!(Prefix::new("%m %").err(), Some(3));
    }

    #[test]
    fn many_names_cannot_make_reading_slow() {
        let prefix = Prefix::new("%u %d %a %h %i %b ").expect("the prefix is fine");
        let line = "x ".repeat(1_000);
        assert!(prefix.read(line.as_bytes(), &mut Clock::default()).is_none());
    }
}
