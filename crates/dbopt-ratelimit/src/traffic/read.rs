//! Reads a sample of traffic.

use std::{borrow::Cow, fmt};

use super::{Hit, access, table};
use crate::Trusted;

/// Formats of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficFormat {
    /// An access log, common or combined.
    Access,
    /// CSV with the columns `time` and any of `user`, `tenant`, `api_key`, `address`, `route`, `method`, `plan`, `cost`,
    /// `header:NAME` and `claim:NAME`.
    Csv,
}

impl fmt::Display for TrafficFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access => "access log",
            Self::Csv => "CSV",
        })
    }
}

/// A sample.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// How it was read.
    pub format: TrafficFormat,
    /// The requests, by rising time.
    pub hits: Vec<Hit>,
    /// Lines or rows that are no request, in all.
    pub unread_count: u64,
    /// The first of them.
    pub unread: Vec<Unread>,
}

/// A line that is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The line, from 1.
    pub line: u64,
    /// Why.
    pub why: Cow<'static, str>,
}

/// Why a sample is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableTraffic {
    /// There is nothing.
    #[error("there are no lines")]
    Empty,
    /// It is neither of the formats.
    #[error("this is neither an access log nor a table with a column `time`")]
    UnknownFormat,
    /// It is compressed.
    #[error("this is compressed, and only plain text is read")]
    Compressed,
    /// The table has no times.
    #[error("no column is named `time`")]
    NoTime,
    /// The table has a column of no meaning.
    #[error("column {0} of the table is not known")]
    UnknownColumn(usize),
    /// Two columns of the table mean the same.
    #[error("columns {0} and {1} of the table are the same")]
    SameColumn(usize, usize),
    /// A quotation mark opens a field that is longer than any is.
    #[error("line {0}: a quotation mark opens a field that does not end")]
    OpenQuote(u64),
}

impl Traffic {
    /// The most unread lines that are told one by one.
    pub const MOST_UNREAD: usize = 20;

    /// The share of lines that were read, 0 to 1.
    #[must_use]
    pub fn share_read(&self) -> f64 {
        let read = self.hits.len() as f64;
        if self.hits.is_empty() { 0.0 } else { read / (read + self.unread_count as f64) }
    }
}

/// Reads a sample of a format, or of the one that its first lines have. `client` says whom to believe about addresses.
///
/// # Errors
///
/// When it is none of the formats, or a table without times.
pub fn read(bytes: &[u8], format: Option<TrafficFormat>, client: &Trusted) -> Result<Traffic, UnreadableTraffic> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let format = match format {
        Some(format) => format,
        None => detect(bytes, client)?,
    };
    let mut traffic = Traffic { format, hits: Vec::new(), unread_count: 0, unread: Vec::new() };
    match format {
        TrafficFormat::Access => {
            for (at, line) in lines(bytes).enumerate() {
                let (at, text) = (at as u64 + 1, String::from_utf8_lossy(line));
                if !text.trim().is_empty() {
                    let hit = access::line(text.trim_end_matches('\r'), client);
                    traffic.push(at, hit.map(|(time, request)| Hit { at: time, line: at, request }).map_err(Cow::from));
                }
            }
        }
        TrafficFormat::Csv => table::rows(bytes, |line, hit| traffic.push(line, hit))?,
    }
    // A log is written when requests end, so that its times go back now and then.
    traffic.hits.sort_by_key(|hit| hit.at);
    Ok(traffic)
}

impl Traffic {
    fn push(&mut self, line: u64, hit: Result<Hit, Cow<'static, str>>) {
        match hit {
            Ok(hit) => self.hits.push(hit),
            Err(why) => {
                self.unread_count += 1;
                if self.unread.len() < Self::MOST_UNREAD {
                    self.unread.push(Unread { line, why });
                }
            }
        }
    }
}

/// By the first lines: a header of a table, or any line of an access log.
fn detect(bytes: &[u8], client: &Trusted) -> Result<TrafficFormat, UnreadableTraffic> {
    const LOOKED_AT: usize = 100;
    const COMPRESSED: [&[u8]; 5] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ", b"PK\x03\x04"];
    if COMPRESSED.iter().any(|magic| bytes.starts_with(magic)) {
        return Err(UnreadableTraffic::Compressed);
    }
    let texts: Vec<_> =
        (lines(bytes).map(String::from_utf8_lossy)).filter(|line| !line.trim().is_empty()).take(LOOKED_AT).collect();
    let first = texts.first().ok_or(UnreadableTraffic::Empty)?;
    if table::is_header(first) {
        return Ok(TrafficFormat::Csv);
    }
    if texts.iter().any(|line| access::line(line.trim_end_matches('\r'), client).is_ok()) {
        return Ok(TrafficFormat::Access);
    }
    Err(UnreadableTraffic::UnknownFormat)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "192.0.2.1 - - [01/Jan/2026:00:00:01 +0000] \"GET / HTTP/1.1\" 200 1\r\n";

    #[test]
    fn the_format_is_found_and_unread_lines_are_told() {
        let earlier = LINE.replace(":01 ", ":00 ");
        let text = format!("{LINE}\nnonsense\n{earlier}");
        let traffic = read(text.as_bytes(), None, &Trusted::default()).expect("a sample");
        assert_eq!((traffic.format, traffic.unread_count), (TrafficFormat::Access, 1));
        assert_eq!(traffic.hits.iter().map(|hit| hit.line).collect::<Vec<_>>(), [4, 1]);
        assert_eq!(traffic.unread, [Unread { line: 3, why: "no line of an access log".into() }]);
        assert!((traffic.share_read() - 2.0 / 3.0).abs() < 1e-9);
        let csv = read(b"user,time\n7,1\n", None, &Trusted::default()).expect("a sample");
        assert_eq!((csv.format, csv.hits.len()), (TrafficFormat::Csv, 1));
    }

    #[test]
    fn what_is_no_sample_says_why() {
        let fault = |text: &str| read(text.as_bytes(), None, &Trusted::default()).map(|_| ()).expect_err("bad");
        assert_eq!(fault(" \n\n"), UnreadableTraffic::Empty);
        assert_eq!(fault("hello\n"), UnreadableTraffic::UnknownFormat);
        assert_eq!(fault("\u{1f}\n"), UnreadableTraffic::UnknownFormat);
        assert_eq!(fault("BZh9"), UnreadableTraffic::Compressed);
        assert_eq!(fault("time,user,User\n"), UnreadableTraffic::SameColumn(2, 3));
        let none = read(b"hello\n", Some(TrafficFormat::Access), &Trusted::default()).expect("a sample of nothing");
        assert_eq!((none.unread_count, none.share_read()), (1, 0.0));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), csv in any::<bool>()) {
            let format = if csv { TrafficFormat::Csv } else { TrafficFormat::Access };
            let _ = read(&bytes, Some(format), &Trusted::default());
            let mut line = LINE.as_bytes().to_vec();
            line.splice(20..30, bytes);
            let _ = read(&line, None, &Trusted::default());
        }
    }
}
