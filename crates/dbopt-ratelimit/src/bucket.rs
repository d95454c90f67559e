//! The buckets of a sliding window as engines keep them: only those that count something, in microseconds.

use std::time::Duration;

use crate::{Wait, Window, WindowState, sliding::BUCKETS};

/// Buckets: their numbers since 1970 and what they count, the oldest first.
pub(crate) struct Buckets(pub(crate) Vec<(u64, u32)>);

impl Buckets {
    /// What they mean at a time in microseconds since 1970, for a cost.
    pub(crate) fn state(&self, window: &Window, now: u64, cost: u32) -> WindowState {
        let period = u64::try_from(window.period().as_nanos()).unwrap_or(u64::MAX);
        let width = period.div_ceil(1_000 * (BUCKETS - 1));
        let left = |bucket: u64| Duration::from_micros(((bucket + BUCKETS) * width).saturating_sub(now));
        let limit = u64::from(window.limit().get());
        let used: u64 = self.0.iter().map(|(_, count)| u64::from(*count)).sum();
        let full_in = self.0.last().map_or(Duration::ZERO, |(bucket, _)| left(*bucket));
        let mut excess = if cost == 0 { used } else { (used + u64::from(cost)).saturating_sub(limit) };
        let wait = if u64::from(cost) > limit {
            Wait::Never
        } else if excess == 0 {
            Wait::None
        } else {
            // The bucket whose leaving makes room.
            let blocking = self.0.iter().find(|(_, count)| {
                excess = excess.saturating_sub((*count).into());
                excess == 0
            });
            blocking.map_or(Wait::None, |(bucket, _)| Wait::For(left(*bucket)))
        };
        WindowState { remaining: u32::try_from(limit.saturating_sub(used)).unwrap_or(u32::MAX), full_in, wait }
    }
}
