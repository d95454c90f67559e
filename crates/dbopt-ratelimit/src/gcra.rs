//! The arithmetic of one window by the generic cell rate algorithm.
//!
//! The state is one number, the theoretical arrival time (TAT): when everything used will have been replenished. With
//! the interval `t` of one and the burst `b`, a cost `c` at `now` moves it to `max(tat, now) + c·t`, and is admitted if
//! that is at most `b·t` ahead of `now` (ITU-T I.371, annex A; <https://brandur.org/rate-limiting>).

use crate::{Wait, Window, WindowState};

/// One window, compiled. Times are nanoseconds since any one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gcra {
    /// The time in which one is replenished, at least 1.
    interval: u64,
    /// The time in which a whole burst is replenished, at least `interval`.
    tolerance: u64,
    burst: u32,
}

impl Gcra {
    /// The arithmetic of a window.
    #[must_use]
    pub fn new(window: &Window) -> Self {
        let interval = window.interval().as_u64();
        let burst = window.burst().get();
        Self { interval, tolerance: interval.saturating_mul(burst.into()), burst }
    }

    /// The TAT after a cost, whether it is admitted or not.
    #[inline]
    #[must_use]
    pub fn next(&self, tat: u64, now: u64, cost: u32) -> u64 {
        tat.max(now).saturating_add(self.interval.saturating_mul(cost.into()))
    }

    /// Whether that TAT is admitted now.
    #[inline]
    #[must_use]
    pub fn admits(&self, next: u64, now: u64) -> bool {
        next.saturating_sub(now) <= self.tolerance
    }

    /// The most that is admitted at once.
    pub(crate) const fn burst(&self) -> u32 {
        self.burst
    }

    /// How long a cost has to wait. A cost of 0 waits until everything is replenished.
    #[must_use]
    pub fn wait(&self, tat: u64, now: u64, cost: u32) -> Wait {
        let wait = match cost {
            0 => tat.saturating_sub(now),
            _ if cost > self.burst => return Wait::Never,
            _ => self.next(tat, now, cost).saturating_sub(now).saturating_sub(self.tolerance),
        };
        Wait::of_nanos(wait)
    }

    /// The TAT after a cost was given back; never before `now`, so that a refund gives no more than the burst.
    #[must_use]
    pub fn refunded(&self, tat: u64, now: u64, cost: u32) -> u64 {
        tat.saturating_sub(self.interval.saturating_mul(cost.into())).max(now)
    }

    /// What a TAT means for a cost that asks now.
    #[must_use]
    pub fn state(&self, tat: u64, now: u64, cost: u32) -> WindowState {
        WindowState { wait: self.wait(tat, now, cost), ..self.charged(tat, now) }
    }

    /// What a TAT means after a cost was admitted, when there is nothing to wait for.
    #[inline]
    #[must_use]
    pub fn charged(&self, tat: u64, now: u64) -> WindowState {
        let used = tat.saturating_sub(now);
        let remaining = self.tolerance.saturating_sub(used) / self.interval;
        WindowState {
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            full_in: std::time::Duration::from_nanos(used),
            wait: Wait::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use super::*;

    #[test]
    fn a_burst_then_one_an_interval() {
        let ten = NonZeroU32::new(10).expect("ten");
        let gcra = Gcra::new(&Window::per_second(ten));
        let now = 5_000_000_000;
        let mut tat = 0;
        for left in (0..10).rev() {
            let next = gcra.next(tat, now, 1);
            assert!(gcra.admits(next, now));
            tat = next;
            assert_eq!(gcra.state(tat, now, 1).remaining, left);
        }
        assert!(!gcra.admits(gcra.next(tat, now, 1), now));
        assert_eq!(gcra.wait(tat, now, 1), Wait::For(Duration::from_millis(100)));
        assert_eq!(gcra.wait(tat, now, 0), Wait::For(Duration::from_secs(1)));
        assert_eq!(gcra.wait(tat, now, 11), Wait::Never);
        assert_eq!(gcra.refunded(tat, now, 100), now);
    }
}
