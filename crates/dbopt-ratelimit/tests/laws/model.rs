//! What the store is to answer, written as plainly as can be: one lock, one map, and exact lists of what is counted.

use std::{collections::HashMap, time::Duration};

use dbopt_ratelimit::{Algorithm, Answer, Charge, Gcra, Key, Limit, Sliding, Wait, Window, WindowState};

/// The state of each window of each key; `None` is as good as new.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: u64,
    cells: HashMap<(Key, Algorithm, Duration), Cell>,
}

/// The TAT; when each of those admitted leaves, in order.
#[derive(Clone, Debug)]
enum Cell {
    Tat(u64),
    Leaves(Vec<u64>),
}

impl Model {
    pub(crate) fn charge(&mut self, charges: &[Charge<'_>]) -> Answer {
        let before = self.clone();
        let asked = self.peek(charges);
        for Charge { limit, key, cost } in charges {
            for window in limit.windows() {
                let now = self.now;
                self.cell(limit, *key, window).add(window, now, *cost);
            }
        }
        if !asked.admitted {
            *self = before;
            return asked;
        }
        let windows =
            self.each(charges, |cell, window, now, _| WindowState { wait: Wait::None, ..cell.state(window, now, 1) });
        Answer { admitted: true, windows: windows.into_iter().collect() }
    }

    pub(crate) fn peek(&mut self, charges: &[Charge<'_>]) -> Answer {
        let windows = self.each(charges, |cell, window, now, cost| cell.state(window, now, cost));
        let admitted = windows.iter().all(|window| window.wait.is_none());
        Answer { admitted, windows: windows.into_iter().collect() }
    }

    pub(crate) fn refund(&mut self, charges: &[Charge<'_>]) {
        self.each(charges, |cell, window, now, cost| cell.refund(window, now, cost));
    }

    pub(crate) fn reset(&mut self, limit: &Limit, key: Key) {
        for window in limit.windows() {
            self.cells.remove(&(key, limit.algorithm(), window.period()));
        }
    }

    fn each<T>(&mut self, charges: &[Charge<'_>], mut what: impl FnMut(&mut Cell, &Window, u64, u32) -> T) -> Vec<T> {
        let now = self.now;
        let mut results = Vec::new();
        for Charge { limit, key, cost } in charges {
            for window in limit.windows() {
                results.push(what(self.cell(limit, *key, window), window, now, *cost));
            }
        }
        results
    }

    fn cell(&mut self, limit: &Limit, key: Key, window: &Window) -> &mut Cell {
        self.cells.entry((key, limit.algorithm(), window.period())).or_insert_with(|| match limit.algorithm() {
            Algorithm::Gcra => Cell::Tat(0),
            Algorithm::Sliding => Cell::Leaves(Vec::new()),
        })
    }
}

impl Cell {
    fn state(&mut self, window: &Window, now: u64, cost: u32) -> WindowState {
        match self {
            Self::Tat(tat) => Gcra::new(window).state(*tat, now, cost),
            Self::Leaves(leaves) => {
                leaves.retain(|leave| *leave > now);
                let limit = window.limit().get();
                let blocking = match cost {
                    0 => leaves.last(),
                    _ => (leaves.len() + cost as usize).checked_sub(limit as usize + 1).and_then(|at| leaves.get(at)),
                };
                WindowState {
                    remaining: limit.saturating_sub(leaves.len() as u32),
                    full_in: Duration::from_nanos(leaves.last().map_or(0, |leave| leave - now)),
                    wait: if cost > limit {
                        Wait::Never
                    } else {
                        Wait::of_nanos(blocking.map_or(0, |leave| leave - now))
                    },
                }
            }
        }
    }

    fn add(&mut self, window: &Window, now: u64, cost: u32) {
        match self {
            Self::Tat(tat) => *tat = Gcra::new(window).next(*tat, now, cost),
            Self::Leaves(leaves) => {
                let width = Sliding::new(window).width().as_nanos() as u64;
                leaves.extend(std::iter::repeat_n((now / width + 64) * width, cost as usize));
            }
        }
    }

    fn refund(&mut self, window: &Window, now: u64, cost: u32) {
        match self {
            Self::Tat(tat) => *tat = Gcra::new(window).refunded(*tat, now, cost),
            Self::Leaves(leaves) => {
                leaves.retain(|leave| *leave > now);
                leaves.drain(..leaves.len().min(cost as usize));
            }
        }
    }
}
