//! Pauses between tries: growing, jittered, and few.
//!
//! Without jitter, sessions that failed together try together again.

use std::time::Duration;

/// How often a lock is tried for, and how long each try may wait in the queue.
///
/// While a statement waits for a strong lock, everybody who comes later waits behind it, so the wait is short and there
/// is no last try without a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// `lock_timeout` of each try: 0.1 to 2 s.
    pub lock_timeout: Duration,
    /// The most tries.
    pub tries: u32,
    /// The pause after the first try.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_millis(500),
            tries: 10,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// The limit of one try, kept within 0.1 to 2 s.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.lock_timeout.clamp(Duration::from_millis(100), Duration::from_secs(2))
    }

    /// The pause after a try, counted from 0, for a draw from 0 to 1: between half of the doubled pause and all of it.
    #[must_use]
    pub fn pause(&self, attempt: u32, draw: f64) -> Duration {
        let whole = self.first.saturating_mul(2_u32.saturating_pow(attempt)).min(self.longest);
        whole.mul_f64(0.5 + 0.5 * draw.clamp(0.0, 1.0))
    }

    /// The pause after a try with a draw from the system's randomness.
    #[must_use]
    pub fn jittered(&self, attempt: u32) -> Duration {
        // Without randomness the pause is still bounded, only not spread.
        let draw = getrandom::u32().unwrap_or(u32::MAX / 2);
        self.pause(attempt, f64::from(draw) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pauses_are_bounded_and_never_nothing(attempt in 0_u32..100, draw in 0.0_f64..=1.0) {
            let backoff = Backoff::default();
            let pause = backoff.pause(attempt, draw);
            prop_assert!(pause >= backoff.first / 2 && pause <= backoff.longest);
        }
    }

    #[test]
    fn no_try_waits_without_limit() {
        let limit = |millis| Backoff { lock_timeout: Duration::from_millis(millis), ..Backoff::default() }.limit();
        assert_eq!([limit(0), limit(700), limit(60_000)].map(|limit| limit.as_millis()), [100, 700, 2000]);
    }
}
