//! What a limit admits at worst.

use std::time::Duration;

use crate::{Algorithm, Limit, Window};

/// What one window of a limit comes to at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worst {
    /// The window.
    pub window: Window,
    /// The most of cost 1 that this window alone admits in a period of its length, wherever that begins.
    pub alone: u64,
    /// The most that all windows of the limit together admit in it.
    pub together: u64,
    /// Another window that always refuses before this one does, so that this one does nothing.
    pub behind: Option<Window>,
}

impl Limit {
    /// The most of cost 1 that can be admitted in a span of time, wherever it begins. No order of requests gets more; the bound of
    /// several windows is the lowest of theirs.
    #[must_use]
    pub fn most_in(&self, span: Duration) -> u64 {
        self.windows().iter().map(|window| most_in(self.algorithm(), window, span)).min().unwrap_or(0)
    }

    /// The worst case of each window.
    #[must_use]
    pub fn worst(&self) -> Vec<Worst> {
        let of = |window: &Window| Worst {
            window: *window,
            alone: most_in(self.algorithm(), window, window.period()),
            together: self.most_in(window.period()),
            behind: self.windows().iter().find(|other| *other != window && is_behind(window, other)).copied(),
        };
        self.windows().iter().map(of).collect()
    }
}

fn most_in(algorithm: Algorithm, window: &Window, span: Duration) -> u64 {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let span = nanos(span);
    match algorithm {
        // A burst at the beginning, and one after each interval that ends before the span does.
        Algorithm::Gcra => {
            let replenished = span.saturating_sub(1) / window.interval().as_u64();
            u64::from(window.burst().get()).saturating_add(replenished)
        }
        Algorithm::Sliding => u64::from(window.limit().get()).saturating_mul(span.div_ceil(nanos(window.period()))),
    }
}

/// Whether another window refuses at least whatever this one does: it lets through no more at once, and is no faster. What passes
/// it in any time `t` is at most `burst + limit/period·t`, for either algorithm.
fn is_behind(window: &Window, other: &Window) -> bool {
    let product = |window: &Window, of: &Window| u128::from(window.limit().get()) * of.period().as_nanos();
    other.burst() <= window.burst() && product(other, window) <= product(window, other)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;
    use crate::{Charge, Key, MemoryConfig, MemoryStore};

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("above zero")
    }

    #[test]
    fn a_burst_comes_on_top() {
        let limit = Limit::new(Algorithm::Gcra, [Window::per_minute(number(100)), Window::per_hour(number(1000))]);
        let worst = limit.expect("a limit").worst();
        assert_eq!(
            worst.iter().map(|worst| (worst.alone, worst.together)).collect::<Vec<_>>(),
            [(199, 199), (1999, 1999)]
        );
        assert!(worst.iter().all(|worst| worst.behind.is_none()));
        let smooth = Window::per_minute(number(100)).burst_of(number(10));
        assert_eq!(Limit::new(Algorithm::Gcra, [smooth]).expect("a limit").worst()[0].alone, 109);
    }

    #[test]
    fn a_sliding_window_keeps_to_its_number() {
        let limit = Limit::new(Algorithm::Sliding, [Window::per_minute(number(100)), Window::per_hour(number(1000))]);
        let limit = limit.expect("a limit");
        assert_eq!(limit.worst().iter().map(|worst| worst.together).collect::<Vec<_>>(), [100, 1000]);
        assert_eq!(limit.most_in(Duration::from_secs(90)), 200);
    }

    #[test]
    fn a_window_that_can_never_refuse_is_found() {
        let windows = [Window::per_minute(number(10)), Window::per_hour(number(600))];
        let worst = Limit::new(Algorithm::Gcra, windows).expect("a limit").worst();
        assert_eq!(worst.iter().map(|worst| worst.behind).collect::<Vec<_>>(), [None, Some(windows[0])]);
        let windows = [Window::per_minute(number(10)), Window::per_hour(number(599))];
        let worst = Limit::new(Algorithm::Gcra, windows).expect("a limit").worst();
        assert!(worst.iter().all(|worst| worst.behind.is_none()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whoever asks as fast as it can gets no more than the bound in a span, and a window that is behind never refuses alone.
        #[test]
        fn the_bound_holds(
            sliding in any::<bool>(), minute in 1_u32..20, hour in 1_u32..400, step in 1_u64..20_000, span in 1_u64..600,
        ) {
            let algorithm = if sliding { Algorithm::Sliding } else { Algorithm::Gcra };
            let limit = Limit::new(algorithm, [Window::per_minute(number(minute)), Window::per_hour(number(hour))]).expect("a limit");
            let clock = FakeRelativeClock::default();
            let store = MemoryStore::with_clock(MemoryConfig::default(), clock.clone());
            let worst = limit.worst();
            let mut admitted = Vec::new();
            let mut now = 0;
            while now < 600_000 {
                let answer = store.charge_now(&[Charge { limit: &limit, key: Key([1, 2]), cost: 1 }]).expect("an answer");
                if answer.admitted {
                    admitted.push(now);
                    continue;
                }
                let refusing: Vec<bool> = answer.windows.iter().map(|window| !window.wait.is_none()).collect();
                for (at, worst) in worst.iter().enumerate() {
                    prop_assert!(worst.behind.is_none() || !refusing[at] || refusing.iter().filter(|refuses| **refuses).count() > 1);
                }
                clock.advance(Duration::from_millis(step));
                now += step;
            }
            for (at, begin) in admitted.iter().enumerate() {
                let within = admitted[at..].iter().take_while(|time| **time < begin + span * 1000).count();
                prop_assert!(within as u64 <= limit.most_in(Duration::from_secs(span)));
            }
        }
    }
}
