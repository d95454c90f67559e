//! Wrappers: what collectors put around each line of a log.
//!
//! A wrapper is taken off while the input is read, before it is cut into blocks, so the readers see the log that the
//! server wrote and are as parallel as on a plain file. What a collector's line holds is decided by the line alone
//! (one file per wrapper); pieces of one record, which may be interleaved with those of other processes, are put
//! together by [`join`]. Wrappers may be nested once: CloudNativePG's JSON arrives within Kubernetes' lines.

mod azure;
mod cnpg;
mod cri;
mod docker;
mod google;
mod heroku;
mod join;
mod object;
mod stamped;
mod syslog;
mod trace;
mod unwrap;

use std::borrow::Cow;

pub(crate) use syslog::Syslog;
pub(crate) use trace::{Layers, Trace};
pub(crate) use unwrap::{Unwrapper, unwrap_sample};

/// Why a line is left out: another program wrote it.
pub(crate) const OTHER_PROGRAM: &str = "of another program";

/// What wraps each line of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// RFC 3164 and 5424.
    Syslog(Syslog),
    /// Heroku's logplex.
    Heroku,
    /// Kubernetes' Container Runtime Interface.
    Cri,
    /// A timestamp in front of each record: CloudWatch exports of RDS, `kubectl logs --timestamps`.
    Stamped,
    /// Docker's json-file driver.
    Docker,
    /// Cloud SQL and AlloyDB by Cloud Logging.
    Google,
    /// CloudNativePG's instance manager.
    Cnpg,
    /// Azure Monitor.
    Azure,
}

/// What one unit of a wrapped input (a line or a JSON object) holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unit<'a> {
    Piece(Piece<'a>),
    /// Well-formed, but not of the server.
    Foreign,
    /// Not wrapped like the others.
    Broken,
}

/// A part of the server's log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// What tells streams of pieces apart, such as a process.
    pub(crate) stream: u64,
    pub(crate) link: Link,
    /// Put in front of each line that begins a record or a part of one.
    pub(crate) stamp: Cow<'a, [u8]>,
    pub(crate) text: Cow<'a, [u8]>,
}

impl<'a> Piece<'a> {
    fn new(stream: u64, link: Link, text: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { stream, link, stamp: Cow::Borrowed(b""), text: text.into() }
    }
}

/// How a piece belongs to the one before in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// A line as the server wrote it, or the end of one.
    Line,
    /// The begin of a line.
    Partial,
    /// A whole record with its newlines.
    Record,
    /// The first chunk of the message of this number.
    First(u64),
    /// A further chunk of the message of this number.
    Next(u64),
}

impl Wrapper {
    /// What wraps the lines of an input, by its first bytes; `None` when nothing does.
    pub(crate) fn detect(sample: &[u8]) -> Option<Self> {
        let lines: Vec<&[u8]> =
            sample.split(|b| *b == b'\n').map(trim_end).filter(|line| !line.is_empty()).take(400).collect();
        // JSON within the statements of a text log does not make a wrapper.
        let is_json = matches!(sample.trim_ascii_start().first(), Some(b'{' | b'['))
            || lines.iter().filter(|line| line.starts_with(b"{")).count() * 2 > lines.len();
        if is_json {
            let objects: Vec<&[u8]> = object::objects(sample).take(64).collect();
            type IsOne = fn(&[u8]) -> bool;
            let kinds: [(Self, IsOne); 4] = [
                (Self::Cnpg, cnpg::is_one),
                (Self::Google, google::is_one),
                (Self::Azure, azure::is_one),
                (Self::Docker, docker::is_one),
            ];
            return kinds
                .into_iter()
                .find(|(_, is_one)| objects.iter().any(|object| is_one(object)))
                .map(|(kind, _)| kind);
        }
        // A sample may end within a line, and a multi-line record may have come without its heads.
        let most = |is_one: &dyn Fn(&[u8]) -> bool| {
            let heads = lines.iter().filter(|line| !line.starts_with(b"\t") && !line.starts_with(b" "));
            let (fits, all) = heads.fold((0, 0), |(fits, all), line| (fits + usize::from(is_one(line)), all + 1));
            fits > 0 && fits * 2 >= all
        };
        if most(&|line| matches!(cri::read(line), Unit::Piece(_))) {
            return Some(Self::Cri);
        }
        if lines.iter().any(|line| heroku::is_one(line)) {
            return Some(Self::Heroku);
        }
        if let Some(syslog) = Syslog::detect(&lines) {
            return Some(Self::Syslog(syslog));
        }
        most(&stamped::is_one).then_some(Self::Stamped)
    }

    /// The wrapper's name in reports.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Syslog(_) => "syslog",
            Self::Heroku => "Heroku logplex",
            Self::Cri => "Kubernetes CRI",
            Self::Stamped => "timestamps",
            Self::Docker => "Docker JSON",
            Self::Google => "Google Cloud JSON",
            Self::Cnpg => "CloudNativePG JSON",
            Self::Azure => "Azure JSON",
        }
    }

    /// Whether the entries stand in the order that `gcloud logging read` has by default: the newest first.
    pub(crate) fn is_newest_first(&self, sample: &[u8]) -> bool {
        let time = |object| object::member(object, b"timestamp").and_then(object::text);
        let mut times = object::objects(sample).take(400).filter_map(time);
        *self == Self::Google && times.next().is_some_and(|first| times.last().is_some_and(|last| first > last))
    }

    /// Whether units are JSON objects, not lines.
    fn is_json(&self) -> bool {
        matches!(self, Self::Docker | Self::Google | Self::Cnpg | Self::Azure)
    }

    /// Takes the wrapper off one unit, which comes without its newline.
    fn read<'a>(&self, unit: &'a [u8]) -> Unit<'a> {
        match self {
            Self::Syslog(syslog) => syslog.read(unit),
            Self::Heroku => heroku::read(unit),
            Self::Cri => cri::read(unit),
            Self::Stamped => stamped::read(unit),
            Self::Docker => docker::read(unit),
            Self::Google => google::read(unit),
            Self::Cnpg => cnpg::read(unit),
            Self::Azure => azure::read(unit),
        }
    }
}

fn trim_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The length of an ISO 8601 timestamp with its zone, such as `2024-01-31T10:00:00.123456Z` or `…+02:00`.
fn iso_length(text: &[u8]) -> Option<usize> {
    let shape = b"0000-00-00T00:00:00";
    let head = text.get(..shape.len())?;
    let fits = head.iter().zip(shape).all(|(byte, wanted)| match wanted {
        b'0' => byte.is_ascii_digit(),
        wanted => byte == wanted,
    });
    if !fits {
        return None;
    }
    let mut at = shape.len();
    if matches!(text.get(at), Some(b'.' | b',')) {
        at += 1 + text[at + 1..].iter().take(9).take_while(|b| b.is_ascii_digit()).count();
    }
    match text.get(at)? {
        b'Z' => Some(at + 1),
        b'+' | b'-' => {
            let rest = text.get(at + 1..)?;
            match rest {
                [a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|b| b.is_ascii_digit()) => Some(at + 6),
                [a, b, c, d, ..] if [a, b, c, d].iter().all(|b| b.is_ascii_digit()) => Some(at + 5),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Reads `[N-M] `, the numbers that the server gives to a message for syslog and to its chunks.
fn chunk_number(text: &[u8]) -> Option<(u64, u64, &[u8])> {
    let close = text.get(..24.min(text.len()))?.iter().position(|b| *b == b']')?;
    let (message, chunk) = std::str::from_utf8(text.get(1..close)?).ok()?.split_once('-')?;
    let rest = &text[close + 1..];
    if text[0] != b'[' {
        return None;
    }
    Some((message.parse().ok()?, chunk.parse().ok()?, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// Undoes what syslog daemons do to control bytes: `#` and three octal digits. Only control bytes are undone, so most
/// literals that look the same stay as they are.
fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memmem::find(text, b"#0") else { return Cow::Borrowed(text) };
    let mut plain = text[..first].to_vec();
    let mut rest = &text[first..];
    loop {
        match rest {
            [] => return Cow::Owned(plain),
            [b'#', b'0', a @ b'0'..=b'3', b @ b'0'..=b'7', after @ ..] if (*a, *b) != (b'0', b'0') => {
                plain.push((a - b'0') * 8 + (b - b'0'));
                rest = after;
            }
            [byte, after @ ..] => {
                plain.push(*byte);
                let next = memchr::memchr(b'#', after).unwrap_or(after.len());
                plain.extend_from_slice(&after[..next]);
                rest = &after[next..];
            }
        }
    }
}

#[cfg(test)]
mod tests;
