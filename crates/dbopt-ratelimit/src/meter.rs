//! One window's arithmetic over its state, whatever its algorithm.

use crate::{Algorithm, Gcra, Sliding, Wait, Window, WindowState};

/// A window, compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Meter {
    /// The state is the TAT.
    Gcra(Gcra),
    /// The state is as [`Sliding`] says.
    Sliding(Sliding),
}

impl Meter {
    pub(crate) fn new(algorithm: Algorithm, window: &Window) -> Self {
        match algorithm {
            Algorithm::Gcra => Self::Gcra(Gcra::new(window)),
            Algorithm::Sliding => Self::Sliding(Sliding::new(window)),
        }
    }

    /// How many words its state has.
    pub(crate) fn words(&self) -> usize {
        match self {
            Self::Gcra(_) => 1,
            Self::Sliding(sliding) => sliding.words(),
        }
    }

    /// Brings a state to the present, as the functions below expect it.
    #[inline]
    pub(crate) fn advance(&self, state: &mut [u64], now: u64) {
        if let Self::Sliding(sliding) = self {
            sliding.advance(state, now);
        }
    }

    #[inline]
    pub(crate) fn admits(&self, state: &[u64], now: u64, cost: u32) -> bool {
        match self {
            Self::Gcra(gcra) if cost == 0 => gcra.wait(state[0], now, 0).is_none(),
            Self::Gcra(gcra) => cost <= gcra.burst() && gcra.admits(gcra.next(state[0], now, cost), now),
            Self::Sliding(sliding) => sliding.admits(state, cost),
        }
    }

    pub(crate) fn wait(&self, state: &[u64], now: u64, cost: u32) -> Wait {
        match self {
            Self::Gcra(gcra) => gcra.wait(state[0], now, cost),
            Self::Sliding(sliding) => sliding.wait(state, now, cost),
        }
    }

    #[inline]
    pub(crate) fn add(&self, state: &mut [u64], now: u64, cost: u32) {
        match self {
            Self::Gcra(gcra) => state[0] = gcra.next(state[0], now, cost),
            Self::Sliding(sliding) => sliding.add(state, now, cost),
        }
    }

    pub(crate) fn refund(&self, state: &mut [u64], now: u64, cost: u32) {
        match self {
            Self::Gcra(gcra) => state[0] = gcra.refunded(state[0], now, cost),
            Self::Sliding(sliding) => sliding.refund(state, cost),
        }
    }

    /// What a state means, with the wait of a cost.
    #[inline]
    pub(crate) fn state(&self, state: &[u64], now: u64, cost: u32) -> WindowState {
        match self {
            Self::Gcra(gcra) => gcra.state(state[0], now, cost),
            Self::Sliding(sliding) => sliding.state(state, now, cost),
        }
    }

    /// The same after the cost was admitted, when there is nothing to wait for.
    #[inline]
    pub(crate) fn charged(&self, state: &[u64], now: u64) -> WindowState {
        match self {
            Self::Gcra(gcra) => gcra.charged(state[0], now),
            Self::Sliding(sliding) => WindowState { wait: Wait::None, ..sliding.state(state, now, 1) },
        }
    }
}
