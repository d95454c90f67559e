//! Putting pieces together: chunks and parts of lines to records, by stream, since those of several processes may be
//! interleaved.
//!
//! A chunk that begins with TAB is a line of its own, and so is one that begins like the first line of its message
//! (the same `log_line_prefix`, but for its digits) with the name of a part: `DETAIL`, `STATEMENT` and so on. Any
//! other chunk goes on where the one before was cut, within a word or not. Lines that the server did not begin get the
//! TAB that it writes to stderr, so a statement cannot forge a record.

use std::sync::Arc;

use hashbrown::HashMap;

use super::trace::Trace;
use super::{Link, Piece};
use crate::record::ORPHAN;
use crate::record::infer::severity_at;
use crate::record::severity::Severity;

/// Records that wait for more pieces.
const MOST_WAITING: usize = 4_096;
/// Units after which a record that waits is complete.
const PATIENCE: u64 = 4_096;
/// Bytes of all records that wait.
const MOST_BYTES: usize = 64 << 20;

/// Records being put together.
pub(super) struct Joiner {
    waiting: HashMap<u64, Waiting, foldhash::fast::FixedState>,
    bytes: usize,
    units: u64,
    trace: Arc<Trace>,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    /// The line of the input that each line of the text comes from; never empty while it waits.
    lines: Vec<u64>,
    /// What stands before the severity, digits made alike.
    shape: Option<Vec<u8>>,
    stamp: Vec<u8>,
    message: u64,
    touched: u64,
}

impl Joiner {
    pub(super) fn new(trace: Arc<Trace>) -> Self {
        Self { waiting: HashMap::default(), bytes: 0, units: 0, trace }
    }

    /// Takes in a piece that stands in this line of the input; what is complete goes to `out`.
    pub(super) fn take(&mut self, piece: Piece<'_>, line: u64, out: &mut Vec<u8>) {
        self.units += 1;
        let text = trim_newline(&piece.text);
        match piece.link {
            Link::Record => {
                let record = Waiting::begin(&piece.stamp, text, 0, line);
                self.write(&record, out);
            }
            Link::Line | Link::Partial => {
                let mut whole = self.remove(piece.stream).unwrap_or_default();
                if whole.lines.is_empty() {
                    whole.lines.push(line);
                }
                whole.lines.extend(memchr::memchr_iter(b'\n', text).map(|_| line));
                whole.text.extend_from_slice(text);
                if piece.link == Link::Line {
                    self.write(&whole, out);
                } else {
                    self.wait(piece.stream, whole);
                }
            }
            Link::First(message) => {
                if let Some(before) = self.remove(piece.stream) {
                    self.write(&before, out);
                }
                self.wait(piece.stream, Waiting::begin(&piece.stamp, text, message, line));
            }
            Link::Next(message) => match self.remove(piece.stream) {
                Some(mut record) if record.message == message => {
                    record.go_on(text, line, false);
                    self.wait(piece.stream, record);
                }
                other => {
                    // Its message began before the file did, or was given up.
                    self.trace.skip(ORPHAN, line, true);
                    if let Some(other) = other {
                        self.wait(piece.stream, other);
                    }
                }
            },
        }
        let is_full = self.waiting.len() > MOST_WAITING || self.bytes > MOST_BYTES;
        if is_full || self.units.is_multiple_of(PATIENCE / 4) {
            let patience = if is_full { 0 } else { PATIENCE };
            self.settle(patience, out);
        }
    }

    /// Writes what still waits.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.settle(0, out);
    }

    /// Writes the records that got no piece for this many units, in the order in which they began.
    fn settle(&mut self, patience: u64, out: &mut Vec<u8>) {
        let quiet = self.waiting.iter().filter(|(_, record)| record.touched + patience <= self.units);
        let mut quiet: Vec<(Option<u64>, u64)> =
            quiet.map(|(stream, record)| (record.lines.first().copied(), *stream)).collect();
        quiet.sort_unstable();
        for (_, stream) in quiet {
            if let Some(record) = self.remove(stream) {
                self.write(&record, out);
            }
        }
    }

    fn remove(&mut self, stream: u64) -> Option<Waiting> {
        let record = self.waiting.remove(&stream)?;
        self.bytes -= record.text.len();
        Some(record)
    }

    fn wait(&mut self, stream: u64, mut record: Waiting) {
        record.touched = self.units;
        self.bytes += record.text.len();
        self.waiting.insert(stream, record);
    }

    fn write(&self, record: &Waiting, out: &mut Vec<u8>) {
        self.trace.wrote(&record.lines);
        out.extend_from_slice(&record.text);
        out.push(b'\n');
    }
}

impl Waiting {
    fn begin(stamp: &[u8], text: &[u8], message: u64, line: u64) -> Self {
        let (first, more) = match memchr::memchr(b'\n', text) {
            Some(newline) => (&text[..newline], Some(&text[newline + 1..])),
            None => (text, None),
        };
        let mut record = Self {
            text: Vec::new(),
            lines: vec![line],
            shape: severity_at(first).map(|at| shape(&first[..at])),
            stamp: stamp.to_vec(),
            message,
            touched: 0,
        };
        // A further line of a record that stands alone gets no stamp.
        if !first.starts_with(b"\t") {
            record.text.extend_from_slice(stamp);
        }
        record.text.extend_from_slice(first);
        if let Some(more) = more {
            record.go_on(more, line, true);
        }
        record
    }

    /// Takes in more text, which begins behind a newline or where the text before was cut.
    fn go_on(&mut self, text: &[u8], line: u64, mut behind_newline: bool) {
        for text in text.split(|b| *b == b'\n') {
            let is_part = self.is_part(text);
            if behind_newline || is_part || text.starts_with(b"\t") {
                self.text.push(b'\n');
                self.lines.push(line);
                if is_part {
                    self.text.extend_from_slice(&self.stamp);
                } else if !text.starts_with(b"\t") {
                    self.text.push(b'\t');
                }
            }
            self.text.extend_from_slice(text);
            behind_newline = true;
        }
    }

    /// Whether a line begins a part of the record.
    fn is_part(&self, line: &[u8]) -> bool {
        severity_at(line).is_some_and(|at| {
            Severity::parse(&line[at..]).is_some_and(|(severity, _)| severity.is_part())
                && self.shape.as_ref().is_some_and(|held| *held == shape(&line[..at]))
        })
    }
}

/// A prefix with each run of digits made one.
fn shape(prefix: &[u8]) -> Vec<u8> {
    let mut shape = Vec::with_capacity(prefix.len());
    for byte in prefix {
        let byte = if byte.is_ascii_digit() { b'0' } else { *byte };
        if byte != b'0' || shape.last() != Some(&b'0') {
            shape.push(byte);
        }
    }
    shape
}

fn trim_newline(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[(u64, Link, &str)], expected: &str) {
        let mut joiner = Joiner::new(Arc::default());
        let mut out = Vec::new();
        for (line, (stream, link, text)) in (1..).zip(pieces) {
            joiner.take(Piece::new(*stream, *link, text.as_bytes()), line, &mut out);
        }
        joiner.end(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn interleaved_chunks_cut_within_words() {
        check(
            &[
                (1, Link::First(5), "[1] LOG:  statement: selec"),
                (2, Link::First(5), "[2] LOG:  b"),
                (1, Link::Next(5), "t 1,"),
                (1, Link::Next(5), "\t  2"),
                (2, Link::First(6), "[2] LOG:  c"),
                (1, Link::Next(5), " from t"),
                (1, Link::Next(5), "[1] DETAIL:  parameters: $1 = '1'"),
            ],
            "[2] LOG:  b\n[1] LOG:  statement: select 1,\n\t  2 from t\n[1] DETAIL:  parameters: $1 = '1'\n[2] LOG:  c\n",
        );
    }

    #[test]
    fn chunks_without_their_message_are_left_out() {
        check(&[(1, Link::Next(4), "\tx"), (1, Link::First(5), "LOG:  a"), (1, Link::Next(6), "b")], "LOG:  a\n");
    }

    #[test]
    fn lines_of_a_record_cannot_forge_another() {
        check(
            &[(1, Link::Record, "[1] LOG:  a\nb\n[1] LOG:  forged\n\n\tc\n[1] STATEMENT:  d")],
            "[1] LOG:  a\n\tb\n\t[1] LOG:  forged\n\t\n\tc\n[1] STATEMENT:  d\n",
        );
    }

    #[test]
    fn parts_of_lines() {
        check(&[(1, Link::Partial, "ab"), (2, Link::Line, "x"), (1, Link::Line, "c")], "x\nabc\n");
    }
}
