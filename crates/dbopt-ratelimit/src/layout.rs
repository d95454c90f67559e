//! How the windows of a key lie in one piece of memory.
//!
//! A window's state is known by the key, the algorithm and the period. A limit that is changed, or another limit that is asked
//! for the same key (a plan's), finds there what it has in common with the one before.

use std::ops::Range;

use crate::{Algorithm, Window, meter::Meter, sliding};

/// The states of some windows, one behind another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    cells: Box<[Cell]>,
    words: usize,
}

/// Where one window's state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cell {
    algorithm: Algorithm,
    period: u64,
    at: usize,
    words: usize,
}

impl Cell {
    fn range(&self) -> Range<usize> {
        self.at..self.at + self.words
    }
}

impl Layout {
    pub(crate) fn new(algorithm: Algorithm, windows: &[Window], meters: &[Meter]) -> Self {
        let cells = windows.iter().zip(meters).map(|(window, meter)| {
            let period = u64::try_from(window.period().as_nanos()).unwrap_or(u64::MAX);
            Cell { algorithm, period, at: 0, words: meter.words() }
        });
        Self::of(cells.collect())
    }

    fn of(mut cells: Box<[Cell]>) -> Self {
        let mut words = 0;
        for cell in &mut cells {
            cell.at = words;
            words += cell.words;
        }
        Self { cells, words }
    }

    /// The length of a state.
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// Where each window's state is, in order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.cells.iter().map(Cell::range)
    }

    /// Where the windows of another layout are in this one, which covers it.
    pub(crate) fn ranges_of<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Range<usize>> + 'a {
        other.cells.iter().filter_map(|cell| self.cell(cell)).map(Cell::range)
    }

    /// Whether every window of another layout is in this one, and its counts fit.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.cells.iter().all(|cell| self.cell(cell).is_some_and(|own| own.words >= cell.words))
    }

    /// Whether a state is the same as none.
    pub(crate) fn is_full(&self, state: &[u64], now: u64) -> bool {
        self.cells.iter().all(|cell| cell.is_full(state, now))
    }

    /// A layout for the windows of both, this one's first.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut cells = self.cells.to_vec();
        for cell in &other.cells {
            match cells.iter_mut().find(|own| own.is(cell)) {
                Some(own) => own.words = own.words.max(cell.words),
                None => cells.push(*cell),
            }
        }
        Self::of(cells.into())
    }

    /// A layout for those of its windows that are in use.
    pub(crate) fn in_use(&self, state: &[u64], now: u64) -> Self {
        Self::of(self.cells.iter().filter(|cell| !cell.is_full(state, now)).copied().collect())
    }

    /// A state of another layout in this one; what is not in this one is left out.
    pub(crate) fn carry(&self, other: &Self, state: &[u64]) -> smallvec::SmallVec<[u64; 8]> {
        let mut carried = smallvec::smallvec![0; self.words];
        for from in &other.cells {
            let Some(to) = self.cell(from) else { continue };
            match from.algorithm {
                Algorithm::Gcra => carried[to.at] = state[from.at],
                Algorithm::Sliding => sliding::carry(&state[from.range()], &mut carried[to.range()]),
            }
        }
        carried
    }

    fn cell(&self, other: &Cell) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.is(other))
    }
}

impl Cell {
    fn is(&self, other: &Self) -> bool {
        (self.algorithm, self.period) == (other.algorithm, other.period)
    }

    fn is_full(&self, state: &[u64], now: u64) -> bool {
        match self.algorithm {
            Algorithm::Gcra => state[self.at] <= now,
            Algorithm::Sliding => sliding::is_full(&state[self.range()], self.period, now),
        }
    }
}
