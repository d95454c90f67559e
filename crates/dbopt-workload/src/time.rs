//! Moments and spans of time as integers, so that adding them up is exact and the order of adding does not matter.

use std::fmt;

/// A moment, in microseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Microseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.0
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// RFC 3339 in UTC with milliseconds, which is what a server log can say.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

/// How long executions took: a mergeable summary of durations.
///
/// Durations are kept in nanoseconds as integers; a server log has microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Durations added.
    pub count: u64,
    /// Their sum in nanoseconds.
    pub total_ns: u64,
    /// The shortest in nanoseconds; `u64::MAX` when there is none.
    pub min_ns: u64,
    /// The longest in nanoseconds.
    pub max_ns: u64,
    /// The sum of their squares in microseconds squared, for the standard deviation.
    pub sum_of_squares: u128,
    /// How many fell into each power of two; allocated with the second duration.
    histogram: Option<Box<[u32; Timing::BUCKETS]>>,
}

impl Default for Timing {
    fn default() -> Self {
        Self { count: 0, total_ns: 0, min_ns: u64::MAX, max_ns: 0, sum_of_squares: 0, histogram: None }
    }
}

impl Timing {
    /// Buckets of the histogram: bucket `i` holds durations from `2^i` up to `2^(i+1)` microseconds, the first one
    /// also everything shorter and the last one everything longer (an hour and more).
    pub const BUCKETS: usize = 32;

    /// Adds one duration.
    pub fn add(&mut self, ns: u64) {
        if self.count >= 1 {
            let first = self.max_ns;
            let known = self.count == 1;
            let histogram = self.histogram.get_or_insert_with(|| {
                let mut empty = Box::new([0; Self::BUCKETS]);
                if known {
                    empty[bucket(first)] += 1;
                }
                empty
            });
            let slot = &mut histogram[bucket(ns)];
            *slot = slot.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.total_ns = self.total_ns.saturating_add(ns);
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
        let micros = u128::from(ns / 1_000);
        self.sum_of_squares = self.sum_of_squares.saturating_add(micros * micros);
    }

    /// Adds time to an execution that was counted before.
    pub fn add_more(&mut self, ns: u64) {
        self.total_ns = self.total_ns.saturating_add(ns);
    }

    /// Adds what a counter such as `pg_stat_statements` knows of `count` executions. They reach the histogram as
    /// one heap at their mean.
    pub fn add_summary(&mut self, count: u64, total_ns: u64, min_ns: u64, max_ns: u64, stddev_ns: f64) {
        if count == 0 {
            return;
        }
        let mean = total_ns as f64 / count as f64 / 1_000.0;
        let stddev = stddev_ns / 1_000.0;
        let squares = (mean * mean + stddev * stddev) * count as f64;
        let mut histogram = Box::new([0; Self::BUCKETS]);
        histogram[bucket(total_ns / count)] = u32::try_from(count).unwrap_or(u32::MAX);
        self.merge(&Self {
            count,
            total_ns,
            // A file may hold anything; what reads the extremes relies on their order.
            min_ns: min_ns.min(max_ns),
            max_ns: max_ns.max(min_ns),
            sum_of_squares: if squares.is_finite() { squares as u128 } else { 0 },
            histogram: Some(histogram),
        });
    }

    /// Adds everything that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count > 0 {
            let mut mine = self.full_histogram();
            let theirs = other.full_histogram();
            for (slot, more) in mine.iter_mut().zip(theirs.iter()) {
                *slot = slot.saturating_add(*more);
            }
            self.histogram = Some(mine);
        } else {
            self.histogram.clone_from(&other.histogram);
        }
        self.count = self.count.saturating_add(other.count);
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        self.sum_of_squares = self.sum_of_squares.saturating_add(other.sum_of_squares);
    }

    /// The sum in milliseconds.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        self.total_ns as f64 / 1e6
    }

    /// The mean in milliseconds, 0 when there is nothing.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.total_ms() / self.count as f64 }
    }

    /// The shortest in milliseconds, 0 when there is nothing.
    #[must_use]
    pub fn min_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.min_ns as f64 / 1e6 }
    }

    /// The longest in milliseconds.
    #[must_use]
    pub fn max_ms(&self) -> f64 {
        self.max_ns as f64 / 1e6
    }

    /// The population standard deviation in milliseconds, as `pg_stat_statements` has it.
    #[must_use]
    pub fn stddev_ms(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let mean = self.mean_ms();
        let mean_of_squares = self.sum_of_squares as f64 / self.count as f64 / 1e6;
        (mean_of_squares - mean * mean).max(0.0).sqrt()
    }

    /// The duration in milliseconds below which the share `q` of executions stayed, interpolated within a power of
    /// two and kept within the shortest and the longest.
    #[must_use]
    pub fn quantile_ms(&self, q: f64) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let histogram = self.full_histogram();
        let all: u64 = histogram.iter().map(|n| u64::from(*n)).sum();
        let wanted = q.clamp(0.0, 1.0) * all as f64;
        let mut below = 0.0;
        for (at, n) in histogram.iter().enumerate() {
            let here = f64::from(*n);
            if here > 0.0 && below + here >= wanted {
                let low = if at == 0 { 0.0 } else { (1_u64 << at) as f64 };
                let high = (1_u64 << (at + 1)) as f64;
                let micros = low + (high - low) * ((wanted - below) / here).max(0.0);
                return (micros / 1e3).clamp(self.min_ms(), self.max_ms());
            }
            below += here;
        }
        self.max_ms()
    }

    /// The histogram; see [`Timing::BUCKETS`].
    #[must_use]
    pub fn full_histogram(&self) -> Box<[u32; Self::BUCKETS]> {
        if let Some(histogram) = &self.histogram {
            return histogram.clone();
        }
        let mut one = Box::new([0; Self::BUCKETS]);
        if self.count == 1 {
            one[bucket(self.max_ns)] = 1;
        }
        one
    }

    /// Bytes held outside the struct itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.histogram.as_ref().map_or(0, |h| size_of_val(&**h))
    }
}

/// The histogram's bucket of a duration.
fn bucket(ns: u64) -> usize {
    let micros = (ns / 1_000).max(1);
    (micros.ilog2() as usize).min(Timing::BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(durations_us: &[u64]) -> Timing {
        let mut timing = Timing::default();
        for us in durations_us {
            timing.add(us * 1_000);
        }
        timing
    }

    #[test]
    fn summary_of_durations() {
        let timing = timing(&[1_000, 2_000, 3_000]);
        assert_eq!((timing.count, timing.total_ms(), timing.mean_ms()), (3, 6.0, 2.0));
        assert_eq!((timing.min_ms(), timing.max_ms()), (1.0, 3.0));
        assert!((timing.stddev_ms() - (2.0_f64 / 3.0).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn merging_equals_adding() {
        let all = timing(&[5, 70, 900, 11_000]);
        for cut in 0..=4 {
            let values = [5, 70, 900, 11_000];
            let (head, tail) = values.split_at(cut);
            let mut merged = timing(head);
            merged.merge(&timing(tail));
            assert_eq!(merged, all, "cut at {cut}");
        }
    }

    #[test]
    fn a_quantile_lies_in_its_power_of_two() {
        let timing = timing(&[100, 100, 100, 5_000]);
        let median = timing.quantile_ms(0.5);
        assert!((0.064..0.128).contains(&median) || median == 0.1, "{median}");
        assert!(timing.quantile_ms(0.99) > 4.0);
    }

    #[test]
    fn a_timestamp_reads_as_utc() {
        assert_eq!(Timestamp(1_700_000_000_123_000).to_string(), "2023-11-14T22:13:20.123Z");
    }
}
