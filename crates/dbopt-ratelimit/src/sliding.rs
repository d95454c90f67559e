//! The arithmetic of one sliding window, by conservative sub-buckets.
//!
//! Time is cut into buckets of a 63rd of the period, rounded up, and the last 64 of them are counted, so that one is
//! counted until all of it has left the period. What was admitted is therefore counted for at least a period and at most a
//! period and a bucket: no period, wherever it begins, sees more than the limit, and under constant pressure a 64th
//! (1.6 %) is lost to an exact log of times.
//!
//! A log costs 8 bytes for each one admitted, 800 for 100 a minute. The buckets cost 72 bytes for limits up to 255, 136
//! up to 65,535 and 264 above that. (Two buckets weighted by time, the usual "sliding window counter", admit up to twice the
//! limit in the worst case.)

use std::time::Duration;

use crate::{Wait, Window, WindowState};

/// The buckets that are counted.
pub(crate) const BUCKETS: u64 = 64;

/// One sliding window, compiled. Times are nanoseconds since any one epoch.
///
/// Its state is a list of words, all zero at first: the newest bucket's number since the epoch, and the counts of the
/// buckets, packed in 8, 16 or 32 bits; a bucket's place is its number modulo 64. Other functions than `advance` ask
/// for a state that was advanced to the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sliding {
    limit: u32,
    /// A bucket's time, so that 63 of them are at least a period.
    width: u64,
}

impl Sliding {
    /// The arithmetic of a window.
    #[must_use]
    pub fn new(window: &Window) -> Self {
        let period = u64::try_from(window.period().as_nanos()).unwrap_or(u64::MAX);
        Self { limit: window.limit().get(), width: width(period) }
    }

    /// The time of a bucket. What is admitted in the bucket that begins at `n` of them is counted until `n + 64` of them.
    #[must_use]
    pub const fn width(&self) -> Duration {
        Duration::from_nanos(self.width)
    }

    /// How long a state of this limit is.
    pub(crate) fn words(&self) -> usize {
        let bits = match self.limit {
            0..=0xff => 8,
            0x100..=0xffff => 16,
            _ => 32,
        };
        1 + bits
    }

    /// Forgets the buckets that have left.
    pub(crate) fn advance(&self, state: &mut [u64], now: u64) {
        advance(state, now / self.width);
    }

    pub(crate) fn admits(&self, state: &[u64], cost: u32) -> bool {
        let used = used(state);
        if cost == 0 { used == 0 } else { used + u64::from(cost) <= self.limit.into() }
    }

    /// How long a cost has to wait: until the bucket that blocks it leaves. A cost of 0 waits until all have left.
    pub(crate) fn wait(&self, state: &[u64], now: u64, cost: u32) -> Wait {
        if cost > self.limit {
            return Wait::Never;
        }
        let used = used(state);
        let mut excess = if cost == 0 { used } else { (used + u64::from(cost)).saturating_sub(self.limit.into()) };
        if excess == 0 {
            return Wait::None;
        }
        for bucket in buckets(state) {
            excess = excess.saturating_sub(count(state, bucket).into());
            if excess == 0 {
                return Wait::of_nanos(self.until_left(bucket, now));
            }
        }
        Wait::None
    }

    /// Counts a cost that is admitted now.
    pub(crate) fn add(&self, state: &mut [u64], now: u64, cost: u32) {
        let bucket = (now / self.width).max(state[0]);
        add(state, bucket, cost);
    }

    /// Gives a cost back: from the oldest bucket, so that what is left is never forgotten too early.
    pub(crate) fn refund(&self, state: &mut [u64], mut cost: u32) {
        for bucket in buckets(state) {
            let back = count(state, bucket).min(cost);
            let (word, shift, _) = place(state, bucket);
            state[word] -= u64::from(back) << shift;
            cost -= back;
        }
    }

    pub(crate) fn state(&self, state: &[u64], now: u64, cost: u32) -> WindowState {
        let used = used(state);
        let newest = buckets(state).rev().find(|bucket| count(state, *bucket) > 0);
        WindowState {
            remaining: u32::try_from(u64::from(self.limit).saturating_sub(used)).unwrap_or(u32::MAX),
            full_in: Duration::from_nanos(newest.map_or(0, |bucket| self.until_left(bucket, now))),
            wait: self.wait(state, now, cost),
        }
    }

    fn until_left(&self, bucket: u64, now: u64) -> u64 {
        (bucket + BUCKETS).saturating_mul(self.width).saturating_sub(now)
    }
}

/// Whether nothing in a state of this period is counted any more.
pub(crate) fn is_full(state: &[u64], period: u64, now: u64) -> bool {
    now / width(period) >= state[0] + BUCKETS || used(state) == 0
}

/// Counts in one state what another of the same period counts, which may be as long or not.
pub(crate) fn carry(from: &[u64], to: &mut [u64]) {
    for bucket in buckets(from) {
        let count = count(from, bucket);
        if count > 0 {
            advance(to, bucket);
            add(to, bucket, count);
        }
    }
}

fn width(period: u64) -> u64 {
    period.div_ceil(BUCKETS - 1)
}

fn advance(state: &mut [u64], present: u64) {
    let newest = state[0];
    if present >= newest + BUCKETS {
        state.fill(0);
    } else {
        for bucket in newest + 1..=present {
            let (word, shift, mask) = place(state, bucket);
            state[word] &= !(mask << shift);
        }
    }
    state[0] = present.max(newest);
}

/// Adds to a bucket that is among those counted. A count that would not fit stays at the most that does, which is at least
/// the limit of a state of this length.
fn add(state: &mut [u64], bucket: u64, cost: u32) {
    let (word, shift, mask) = place(state, bucket);
    let count = (state[word] >> shift & mask).saturating_add(cost.into()).min(mask);
    state[word] = state[word] & !(mask << shift) | count << shift;
}

/// The numbers of the buckets counted, the oldest first.
fn buckets(state: &[u64]) -> impl DoubleEndedIterator<Item = u64> + use<> {
    (state[0] + 1).saturating_sub(BUCKETS)..=state[0]
}

fn count(state: &[u64], bucket: u64) -> u32 {
    let (word, shift, mask) = place(state, bucket);
    // A mask is of 32 bits at most.
    (state[word] >> shift & mask) as u32
}

/// The word of a bucket, how far it is shifted in it, and its mask.
fn place(state: &[u64], bucket: u64) -> (usize, u32, u64) {
    // 64 buckets in a number of words equal to the bits of each.
    let bits = state.len() as u64 - 1;
    let bit = bucket % BUCKETS * bits;
    (1 + (bit / 64) as usize, (bit % 64) as u32, (1 << bits) - 1)
}

fn used(state: &[u64]) -> u64 {
    let counts = &state[1..];
    match counts.len() {
        8 => counts.iter().flat_map(|word| word.to_le_bytes()).map(u64::from).sum(),
        16 => counts.iter().map(|word| (0..4).map(|part| word >> (16 * part) & 0xffff).sum::<u64>()).sum(),
        _ => counts.iter().map(|word| (word >> 32) + (word & 0xffff_ffff)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn sliding(limit: u32) -> Sliding {
        Sliding::new(&Window::per_minute(NonZeroU32::new(limit).expect("above zero")))
    }

    #[test]
    fn the_oldest_bucket_blocks_until_all_of_it_has_left() {
        for limit in [100, 1_000, 100_000] {
            let sliding = sliding(limit);
            let mut state = vec![0; sliding.words()];
            let now = 1_000 * SECOND + 17;
            sliding.advance(&mut state, now);
            sliding.add(&mut state, now, limit - 10);
            let later = now + 30 * SECOND;
            sliding.advance(&mut state, later);
            assert_eq!(sliding.state(&state, later, 1).remaining, 10);
            sliding.add(&mut state, later, 10);
            let Wait::For(wait) = sliding.wait(&state, later, 1) else { panic!("it is used up") };
            let wait = wait.as_nanos() as u64;
            assert!(wait >= 30 * SECOND && wait < 30 * SECOND + sliding.width, "{wait}");
            sliding.advance(&mut state, later + wait - 1);
            assert!(!sliding.admits(&state, 1));
            sliding.advance(&mut state, later + wait);
            assert_eq!(sliding.state(&state, later + wait, 1).remaining, limit - 10);
            assert_eq!(sliding.wait(&state, later, limit + 1), Wait::Never);
        }
    }

    #[test]
    fn a_refund_takes_the_oldest() {
        let sliding = sliding(100);
        let mut state = vec![0; sliding.words()];
        sliding.advance(&mut state, SECOND);
        sliding.add(&mut state, SECOND, 60);
        sliding.advance(&mut state, 20 * SECOND);
        sliding.add(&mut state, 20 * SECOND, 40);
        sliding.refund(&mut state, 70);
        let left = sliding.state(&state, 20 * SECOND, 1);
        assert_eq!(left.remaining, 70);
        sliding.advance(&mut state, 70 * SECOND);
        assert_eq!(sliding.state(&state, 70 * SECOND, 1).remaining, 70);
    }

    #[test]
    fn a_state_is_carried_to_wider_and_narrower_counts() {
        let (few, many) = (sliding(200), sliding(300));
        let (mut narrow, mut wide) = (vec![0; few.words()], vec![0; many.words()]);
        few.advance(&mut narrow, 100 * SECOND);
        few.add(&mut narrow, 100 * SECOND, 150);
        carry(&narrow, &mut wide);
        assert_eq!(many.state(&wide, 100 * SECOND, 1).remaining, 150);
        many.add(&mut wide, 100 * SECOND, 150);
        let mut back = vec![0; few.words()];
        carry(&wide, &mut back);
        assert_eq!(few.state(&back, 100 * SECOND, 1).remaining, 0);
    }
}
