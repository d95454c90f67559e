//! How large the next batch is to be, so that a batch takes about the time it should.
//!
//! A time target keeps locks and snapshots short whatever the rows cost. Growth is bounded to a doubling, since one
//! quick batch may have been lucky; shrinking goes straight to what the last batch says, since a slow batch has
//! already hurt.

use std::time::Duration;

/// What batches are to be like, as a policy says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// How long a batch is to take.
    pub target: Duration,
    /// The fewest rows of a batch.
    pub smallest: u64,
    /// The most rows of a batch.
    pub largest: u64,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { target: Duration::from_millis(30), smallest: 100, largest: 50_000 }
    }
}

impl BatchLimits {
    /// Rows of a first batch, of which nothing is known yet.
    const FIRST: u64 = 1000;

    /// The controller of batches that begin now.
    #[must_use]
    pub fn start(&self) -> Batches {
        Batches::new(self.target, self.smallest, self.largest, Self::FIRST)
    }
}

/// Chooses batch sizes: `least <= size <= most` always holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Batches {
    target: Duration,
    least: u64,
    most: u64,
    size: u64,
}

impl Batches {
    /// Batches that are to take `target`, of `least` to `most` rows; the first has `first`.
    #[must_use]
    pub fn new(target: Duration, least: u64, most: u64, first: u64) -> Self {
        let least = least.max(1);
        let most = most.max(least);
        Self { target, least, most, size: first.clamp(least, most) }
    }

    /// Rows of the next batch.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Learns from a batch: how many rows it had and how long it took. A batch without rows teaches nothing.
    pub fn learn(&mut self, rows: u64, took: Duration) {
        if rows == 0 {
            return;
        }
        let per_row = took.as_secs_f64().max(1e-9) / rows as f64;
        let fitting = (self.target.as_secs_f64() / per_row).floor();
        let ceiling = self.size.saturating_mul(2).min(self.most);
        // A float beyond the integers saturates, which the clamp then brings down.
        self.size = (fitting as u64).clamp(self.least, ceiling.max(self.least));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn batches_keep_to_their_limits() {
        let limits = BatchLimits { target: Duration::from_millis(10), smallest: 20, largest: 1600 };
        let mut batches = limits.start();
        assert_eq!(batches.size(), 1000);
        batches.learn(1000, Duration::from_millis(1));
        assert_eq!(batches.size(), 1600);
        batches.learn(1600, Duration::from_millis(160));
        assert_eq!(batches.size(), 100);
        batches.learn(100, Duration::from_secs(9));
        assert_eq!(batches.size(), 20);
    }

    proptest! {
        #[test]
        fn sizes_stay_in_bounds_and_at_most_double(
            (least, most, first) in (1_u64..10_000, 1_u64..1_000_000, 0_u64..2_000_000),
            learned in proptest::collection::vec((0_u64..1_000_000, 0_u64..100_000_000), 1..50),
        ) {
            let mut batches = Batches::new(Duration::from_millis(50), least, most, first);
            for (rows, micros) in learned {
                let before = batches.size();
                batches.learn(rows, Duration::from_micros(micros));
                prop_assert!((least..=most.max(least)).contains(&batches.size()));
                prop_assert!(batches.size() <= before.saturating_mul(2));
            }
        }

        #[test]
        fn with_steady_rows_the_target_is_met(micros_per_row in 1_u64..500, first in 1_u64..100_000) {
            let target = Duration::from_millis(50);
            let mut batches = Batches::new(target, 1, 10_000_000, first);
            let cost = |rows: u64| Duration::from_micros(rows * micros_per_row);
            for _ in 0..24 {
                batches.learn(batches.size(), cost(batches.size()));
            }
            prop_assert!(cost(batches.size()) <= target);
            prop_assert!(cost(batches.size() + 1) >= target - Duration::from_micros(micros_per_row));
        }
    }
}
