//! How large the next batch is to be, so that a batch takes about the time it should.
//!
//! A time target keeps locks and snapshots short whatever the rows cost. Growth is bounded to a doubling, and to a quarter
//! near the target, since one quick batch may have been lucky; shrinking goes straight to what the last batch says, since a
//! slow batch has already hurt. But what a batch waits for need not be its rows: on a machine whose processors are taken
//! each costs the same however small it is, and then small ones only hurt longer. So when a smaller one was hardly quicker,
//! size is given back.

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
        Self { target: Duration::from_millis(25), smallest: 100, largest: 50_000 }
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
    /// Rows and time of the batch before.
    last: Option<(u64, Duration)>,
}

/// A smaller batch helped when it took less than this share of the time of the one before.
const HELPED: f64 = 0.75;

impl Batches {
    /// Batches that are to take `target`, of `least` to `most` rows; the first has `first`.
    #[must_use]
    pub fn new(target: Duration, least: u64, most: u64, first: u64) -> Self {
        let least = least.max(1);
        let most = most.max(least);
        Self { target, least, most, size: first.clamp(least, most), last: None }
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
        let before = self.last.replace((rows, took)).filter(|(before, took_before)| {
            rows < *before && took > self.target && took.as_secs_f64() >= HELPED * took_before.as_secs_f64()
        });
        if let Some((before, _)) = before {
            self.size = before.saturating_mul(2).clamp(self.least, self.most);
            return;
        }
        self.fit(rows, took);
    }

    /// Learns from a batch that was broken off after some time, and has done nothing.
    pub fn learn_broken_off(&mut self, rows: u64, after: Duration) {
        // How long it would have taken is not known, so the next one says nothing by taking as long.
        self.last = None;
        self.fit(rows.max(1), after);
    }

    fn fit(&mut self, rows: u64, took: Duration) {
        let per_row = took.as_secs_f64().max(1e-9) / rows as f64;
        let fitting = (self.target.as_secs_f64() / per_row).floor();
        // Near the target the last batch may only have been lucky, and the next one would be felt.
        let growth = if took < self.target / 2 { self.size } else { self.size.div_ceil(4) };
        let ceiling = self.size.saturating_add(growth).min(self.most);
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
        batches.learn(100, Duration::from_millis(90));
        assert_eq!(batches.size(), 20);
    }

    #[test]
    fn batches_that_are_broken_off_become_smaller_and_smaller() {
        let mut batches = BatchLimits { smallest: 1, ..BatchLimits::default() }.start();
        batches.learn(1000, Duration::from_millis(25));
        while batches.size() > 1 {
            let before = batches.size();
            batches.learn_broken_off(before, Duration::from_secs(1));
            assert!(batches.size() < before / 10 || batches.size() == 1, "{} after {before}", batches.size());
        }
    }

    #[test]
    fn time_that_rows_do_not_take_makes_batches_no_smaller_in_the_long_run() {
        // 60 ms for any batch, and 10 µs a row: 100 rows would take 61 ms, and 6,000 twice as long.
        let mut batches = BatchLimits::default().start();
        let (mut rows, mut longest) = (0, Duration::ZERO);
        for _ in 0..200 {
            let took = Duration::from_micros(60_000 + 10 * batches.size());
            (rows, longest) = (rows + batches.size(), longest.max(took));
            batches.learn(batches.size(), took);
        }
        assert!(rows / 200 > 1000, "{} rows a batch", rows / 200);
        assert!(longest < Duration::from_millis(160), "{longest:?}");
    }

    proptest! {
        #[test]
        fn sizes_stay_in_bounds_and_at_most_double_one_of_the_last_two(
            (least, most, first) in (1_u64..10_000, 1_u64..1_000_000, 0_u64..2_000_000),
            learned in proptest::collection::vec((0_u64..1_000_000, 0_u64..100_000_000), 1..50),
        ) {
            let mut batches = Batches::new(Duration::from_millis(50), least, most, first);
            let mut last = 0;
            for (rows, micros) in learned {
                let before = batches.size().max(last);
                batches.learn(rows, Duration::from_micros(micros));
                prop_assert!((least..=most.max(least)).contains(&batches.size()));
                prop_assert!(batches.size() <= before.saturating_mul(2));
                last = if rows > 0 { rows } else { last };
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
