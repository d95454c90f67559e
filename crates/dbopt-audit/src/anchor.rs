//! The head of a chain, to be kept elsewhere.

use jiff::Timestamp;
use serde::Deserialize;

use crate::line::time_text;
use crate::record::{Hash, Record};

/// The head of a chain at a moment. As long as it is kept where those who can rewrite the chain cannot reach, everything up to
/// its record can be proved unchanged and complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Number of the head.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its time, in microseconds since 1970.
    pub time: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    v: u8,
    sequence: u64,
    hash: &'a str,
    time: &'a str,
}

impl Anchor {
    /// The anchor of a head.
    #[must_use]
    pub fn of(head: &Record) -> Self {
        Self { sequence: head.sequence, hash: head.hash, time: head.time }
    }

    /// Its line of JSON, without a line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let (sequence, hash, time) = (self.sequence, self.hash, time_text(self.time));
        format!("{{\"v\":1,\"sequence\":{sequence},\"hash\":\"{hash}\",\"time\":\"{time}\"}}")
    }

    /// Reads a line.
    #[must_use]
    pub fn parse_line(line: &str) -> Option<Self> {
        let line: Line<'_> = serde_json::from_str(line).ok()?;
        let time = line.time.parse::<Timestamp>().ok()?.as_microsecond();
        (line.v == 1).then_some(Self { sequence: line.sequence, hash: Hash::from_hex(line.hash)?, time })
    }
}
