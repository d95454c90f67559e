//! A reader that takes the wrapper off as it reads.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use super::join::Joiner;
use super::object::{self, Found};
use super::trace::Trace;
use super::{OTHER_PROGRAM, Unit, Wrapper, trim_end};
use crate::record::BROKEN;

/// Bytes read at once.
const STEP: usize = 256 << 10;
/// Longer units are given up.
const LONGEST: usize = 16 << 20;

/// The log within a wrapped input.
pub(crate) struct Unwrapper<R> {
    reader: R,
    wrapper: Wrapper,
    /// Read, but not yet taken apart.
    raw: Vec<u8>,
    ended: bool,
    /// Why reading broke off; told once all before it was handed out.
    failed: Option<io::Error>,
    /// The log, and how much of it was handed out.
    log: Vec<u8>,
    handed: usize,
    joiner: Joiner,
    trace: Arc<Trace>,
    /// Newlines before `raw`.
    lines: u64,
}

/// The log within the first bytes of an input.
pub(crate) fn unwrap_sample(wrapper: &Wrapper, sample: &[u8]) -> Vec<u8> {
    // A unit that the sample cuts would only confuse.
    let end = if wrapper.is_json() { None } else { memchr::memrchr(b'\n', sample) };
    let sample = &sample[..end.map_or(sample.len(), |end| end + 1)];
    let mut unwrapper = Unwrapper::new(Cursor::new(sample), wrapper.clone(), Arc::default());
    let mut log = Vec::new();
    while !unwrapper.ended {
        unwrapper.fill();
        log.append(&mut unwrapper.log);
    }
    log
}

impl<R: Read> Unwrapper<R> {
    /// Begins to read.
    pub(crate) fn new(reader: R, wrapper: Wrapper, trace: Arc<Trace>) -> Self {
        Self {
            reader,
            wrapper,
            raw: Vec::new(),
            ended: false,
            failed: None,
            log: Vec::new(),
            handed: 0,
            joiner: Joiner::new(Arc::clone(&trace)),
            trace,
            lines: 0,
        }
    }

    /// Reads until there is more of the log, or the end.
    fn fill(&mut self) {
        self.log.clear();
        self.handed = 0;
        while self.log.is_empty() && !self.ended {
            // As much again as there is, so that the work stays linear when a unit is long.
            let wanted = STEP.max(self.raw.len());
            match self.reader.by_ref().take(wanted as u64).read_to_end(&mut self.raw) {
                Ok(read) => self.ended = read < wanted,
                Err(error) => {
                    self.failed = Some(error);
                    self.ended = true;
                }
            }
            self.take_units();
            if self.ended {
                self.joiner.end(&mut self.log);
            }
        }
    }

    /// Takes apart what is whole; at the end, everything.
    fn take_units(&mut self) {
        let raw = std::mem::take(&mut self.raw);
        let mut lines = Lines { raw: &raw, at: 0, line: self.lines };
        let mut at = 0;
        loop {
            let rest = &raw[at..];
            let found = if self.wrapper.is_json() { object::next(rest) } else { next_line(rest, self.ended) };
            let (from, to, unit) = match found {
                Found::Object(from, to) => (from, to, self.wrapper.read(trim_end(&rest[from..to]))),
                Found::Broken(from, to) => (from, to, Unit::Broken),
                Found::More(from) if from < rest.len() && (self.ended || rest.len() > LONGEST) => {
                    if self.ended {
                        self.trace.truncated();
                    }
                    (from, rest.len(), Unit::Broken)
                }
                Found::More(from) => {
                    at += from;
                    break;
                }
            };
            let line = lines.number(at + from);
            match unit {
                Unit::Piece(piece) => self.joiner.take(piece, line, &mut self.log),
                Unit::Foreign => self.trace.skip(OTHER_PROGRAM, line, false),
                Unit::Broken => self.trace.skip(BROKEN, line, true),
            }
            at += to;
        }
        let line = lines.number(at);
        self.trace.read(at, line - 1 - self.lines);
        self.lines = line - 1;
        if self.ended && !self.wrapper.is_json() && !raw.is_empty() && !raw.ends_with(b"\n") {
            self.trace.truncated();
        }
        self.raw = raw;
        self.raw.drain(..at);
    }
}

impl<R: Read> Read for Unwrapper<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.handed == self.log.len() && !self.ended {
            self.fill();
        }
        let rest = &self.log[self.handed..];
        if rest.is_empty() && !buffer.is_empty() {
            return self.failed.take().map_or(Ok(0), Err);
        }
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.handed += length;
        Ok(length)
    }
}

/// The next line that is not blank; it is handed out with its newline left off.
fn next_line(bytes: &[u8], ended: bool) -> Found {
    let mut start = 0;
    loop {
        match memchr::memchr(b'\n', &bytes[start..]) {
            Some(length) if trim_end(&bytes[start..start + length]).is_empty() => start += length + 1,
            Some(length) => return Found::Object(start, start + length),
            None if ended && start < bytes.len() => return Found::Object(start, bytes.len()),
            None => return Found::More(start),
        }
    }
}

/// Numbers lines; offsets must not go back.
struct Lines<'a> {
    raw: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line at an offset, from 1.
    fn number(&mut self, at: usize) -> u64 {
        self.line += memchr::memchr_iter(b'\n', &self.raw[self.at..at]).count() as u64;
        self.at = at;
        self.line + 1
    }
}
