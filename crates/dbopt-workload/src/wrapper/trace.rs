//! What was seen while a wrapper was taken off: lines of the input behind lines of the log, and what was left out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by whoever takes the wrapper off and whoever reports places.
#[derive(Debug, Default)]
pub(crate) struct Trace(Mutex<Seen>);

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    /// Units that are counted as records that were not understood.
    pub(crate) lost: u64,
    /// Why units were left out: how many, and the line of the first.
    pub(crate) skipped: Vec<(&'static str, u64, u64)>,
    /// Whether the input ends within a unit.
    pub(crate) truncated: bool,
    /// Lines of the log written.
    written: u64,
    /// From a line of the log on, lines of the log and of the input go together; increasing in the first.
    places: VecDeque<(u64, u64)>,
}

impl Trace {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    pub(super) fn read(&self, bytes: usize, lines: u64) {
        let mut seen = self.lock();
        seen.bytes += bytes as u64;
        seen.lines += lines;
    }

    /// Counts a unit left out; it was a record of the server when it is `lost`.
    pub(super) fn skip(&self, why: &'static str, line: u64, lost: bool) {
        let mut seen = self.lock();
        seen.lost += u64::from(lost);
        match seen.skipped.iter_mut().find(|(held, ..)| *held == why) {
            Some((_, count, _)) => *count += 1,
            None => seen.skipped.push((why, 1, line)),
        }
    }

    pub(super) fn truncated(&self) {
        self.lock().truncated = true;
    }

    /// Lines of the log were written that come from these lines of the input.
    pub(super) fn wrote(&self, lines: &[u64]) {
        let mut seen = self.lock();
        for line in lines {
            seen.written += 1;
            let written = seen.written;
            let goes_on = seen.places.back().is_some_and(|(log, input)| written - log + input == *line);
            if !goes_on {
                seen.places.push_back((written, *line));
            }
        }
    }

    /// The line of the input that a line of the log comes from.
    fn source(&self, line: u64) -> u64 {
        let seen = self.lock();
        let at = seen.places.partition_point(|(log, _)| *log <= line);
        match at.checked_sub(1).and_then(|at| seen.places.get(at)) {
            Some((log, input)) => line - log + input,
            None => line,
        }
    }

    /// Forgets the places of lines before this one.
    fn forget(&self, line: u64) {
        let mut seen = self.lock();
        while seen.places.get(1).is_some_and(|(log, _)| *log <= line) {
            seen.places.pop_front();
        }
    }
}

/// The traces of nested wrappers, innermost first; none for a plain log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers(pub(crate) Vec<Arc<Trace>>);

impl Layers {
    /// The line of the input that a line of the log comes from.
    pub(crate) fn source(&self, line: u64) -> u64 {
        self.0.iter().fold(line, |line, trace| trace.source(line))
    }

    /// Forgets the places of lines of the log before this one.
    pub(crate) fn forget(&self, line: u64) {
        let mut line = line;
        for trace in &self.0 {
            trace.forget(line);
            line = trace.source(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_forgetting_what_is_done() {
        let trace = Trace::default();
        trace.wrote(&[1, 2, 7, 7, 3]);
        let sources = || (3..=6).map(|line| trace.source(line)).collect::<Vec<_>>();
        assert_eq!((trace.source(1), trace.source(2)), (1, 2));
        assert_eq!(sources(), [7, 7, 3, 4]);
        trace.forget(3);
        assert_eq!(sources(), [7, 7, 3, 4]);
    }
}
