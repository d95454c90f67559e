//! A limit: the windows that all have to admit a request.

use std::{sync::Arc, time::Duration};

use crate::{Window, layout::Layout, meter::Meter};

/// The most windows of a limit.
pub const MOST_WINDOWS: usize = 8;

/// How a window counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// The generic cell rate algorithm (ITU-T I.371, as a leaky bucket): smooth, and one number a window.
    ///
    /// At worst a period sees `burst + limit` minus one admitted: the burst at its beginning, and what is replenished
    /// until its end. 100 a minute are up to 199 in one minute, never more than 100 a minute in the long run.
    #[default]
    Gcra,
    /// A sliding window of conservative sub-buckets: no period ever sees more than the limit, wherever it begins.
    ///
    /// The oldest sub-bucket counts in full until all of it has left the period, so that a window may refuse up to a
    /// sub-bucket's time longer than an exact log would.
    Sliding,
}

/// Windows that all have to admit a request, by one algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    algorithm: Algorithm,
    /// From one to [`MOST_WINDOWS`], by rising period, each period once.
    windows: Box<[Window]>,
    durable: bool,
    /// The windows, compiled.
    meters: Box<[Meter]>,
    layout: Arc<Layout>,
}

/// Why windows make no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimit {
    /// There is none, or too many.
    #[error("a limit has from 1 to {MOST_WINDOWS} windows, not {0}")]
    Windows(usize),
    /// A period is too short or too long.
    #[error("a period of {0:?} is not from 1 ms to 366 days")]
    Period(Duration),
    /// Two windows have one period.
    #[error("two windows have the period {0:?}")]
    SamePeriod(Duration),
    /// A burst where there are none.
    #[error("a sliding window has no burst")]
    Burst,
}

impl Limit {
    /// A limit of some windows, in any order.
    pub fn new(algorithm: Algorithm, windows: impl IntoIterator<Item = Window>) -> Result<Self, InvalidLimit> {
        let mut windows: Box<[Window]> = windows.into_iter().collect();
        if windows.is_empty() || windows.len() > MOST_WINDOWS {
            return Err(InvalidLimit::Windows(windows.len()));
        }
        windows.sort_by_key(Window::period);
        if let Some(pair) = windows.windows(2).find(|pair| pair[0].period() == pair[1].period()) {
            return Err(InvalidLimit::SamePeriod(pair[0].period()));
        }
        if algorithm == Algorithm::Sliding && windows.iter().any(|window| window.burst() != window.limit()) {
            return Err(InvalidLimit::Burst);
        }
        let meters: Box<[Meter]> = windows.iter().map(|window| Meter::new(algorithm, window)).collect();
        let layout = Arc::new(Layout::new(algorithm, &windows, &meters));
        Ok(Self { algorithm, windows, durable: false, meters, layout })
    }

    /// The same limit, whose state survives a crash of the engine where the engine can do both
    /// (<https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-UNLOGGED>).
    #[must_use]
    pub fn durable(self) -> Self {
        Self { durable: true, ..self }
    }

    /// How the windows count.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The windows, by rising period.
    #[must_use]
    pub const fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Whether the state is to survive a crash of the engine.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.durable
    }

    /// The arithmetic of each window, by rising period.
    pub(crate) const fn meters(&self) -> &[Meter] {
        &self.meters
    }

    /// How their states lie in memory.
    pub(crate) const fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The greatest cost that can ever be admitted.
    #[must_use]
    pub fn most_at_once(&self) -> u32 {
        self.windows.iter().map(|window| window.burst().get()).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const TEN: NonZeroU32 = NonZeroU32::new(10).expect("ten");

    #[test]
    fn windows_are_sorted_and_of_different_periods() {
        let limit = Limit::new(Algorithm::Gcra, [Window::per_hour(TEN), Window::per_minute(TEN)]).expect("a limit");
        assert_eq!(limit.windows(), [Window::per_minute(TEN), Window::per_hour(TEN)]);
        let same = Limit::new(Algorithm::Gcra, [Window::per_hour(TEN), Window::per_hour(TEN)]);
        assert_eq!(same, Err(InvalidLimit::SamePeriod(Duration::from_secs(3_600))));
        assert_eq!(Limit::new(Algorithm::Gcra, []), Err(InvalidLimit::Windows(0)));
    }

    #[test]
    fn a_sliding_window_has_no_burst() {
        let burst = Window::per_hour(TEN).burst_of(NonZeroU32::MIN);
        assert_eq!(Limit::new(Algorithm::Sliding, [burst]), Err(InvalidLimit::Burst));
        assert_eq!(Limit::new(Algorithm::Gcra, [burst]).map(|limit| limit.most_at_once()), Ok(1));
    }
}
