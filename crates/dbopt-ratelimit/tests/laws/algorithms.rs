//! Laws of the algorithms: what they admit at worst and at best, and that a wait is what was promised.

use std::{num::NonZeroU32, time::Duration};

use dbopt_ratelimit::{Algorithm, Charge, Limit, Wait, Window};
use governor::{Quota, RateLimiter};
use proptest::prelude::*;

use crate::common::{KEY, charge, limits, store, window};

/// Gaps between requests: none, some nanoseconds, and about a period.
fn gaps() -> impl Strategy<Value = Vec<(u64, u32)>> {
    let gap = prop_oneof![3 => Just(0_u64), 2 => 0_u64..100, 3 => 0_u64..2_000_000, 1 => 0_u64..100_000_000];
    prop::collection::vec((gap, 1_u32..30), 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// The bound that [`Algorithm`] states, for every period that begins with a request (one that begins elsewhere sees no more).
    #[test]
    fn no_period_sees_more_than_the_bound(limit in limits(), gaps in gaps()) {
        let (store, clock) = store();
        let (mut now, mut admitted) = (0, Vec::new());
        for (gap, cost) in gaps {
            clock.advance(Duration::from_nanos(gap));
            now += gap;
            if charge(&store, &limit, KEY, cost).admitted {
                admitted.push((now, u64::from(cost)));
            }
        }
        for window in limit.windows() {
            let period = window.period().as_nanos() as u64;
            let (rate, burst) = (u64::from(window.limit().get()), u64::from(window.burst().get()));
            let bound = if limit.algorithm() == Algorithm::Gcra { burst + rate - 1 } else { rate };
            for (first, (begin, _)) in admitted.iter().enumerate() {
                let seen: u64 = admitted[first..].iter().take_while(|(at, _)| at - begin < period).map(|(_, cost)| cost).sum();
                prop_assert!(seen <= bound, "{seen} in a period of {window}");
            }
        }
    }

    /// It is admitted after the wait, and not a nanosecond before.
    #[test]
    fn a_wait_is_tight(limit in limits(), gaps in gaps(), cost in 0_u32..100) {
        let (store, clock) = store();
        for (gap, cost) in gaps {
            clock.advance(Duration::from_nanos(gap));
            charge(&store, &limit, KEY, cost);
        }
        let admitted = || store.peek_now(&[Charge { limit: &limit, key: KEY, cost }]).expect("memory answers").admitted;
        let answer = store.peek_now(&[Charge { limit: &limit, key: KEY, cost }]).expect("memory answers");
        match answer.wait() {
            Wait::None => prop_assert!(answer.admitted),
            Wait::Never => {
                clock.advance(Duration::from_secs(1_000_000));
                prop_assert!(cost > limit.most_at_once() && !admitted());
            }
            Wait::For(wait) => {
                prop_assert!(!answer.admitted);
                clock.advance(wait - Duration::from_nanos(1));
                prop_assert!(!admitted());
                clock.advance(Duration::from_nanos(1));
                prop_assert!(admitted());
            }
        }
    }

    /// A window is full again when it said so, and not a nanosecond before.
    #[test]
    fn a_window_is_full_when_it_said(limit in limits(), costs in prop::collection::vec(1_u32..20, 1..20)) {
        let (store, clock) = store();
        for cost in costs {
            charge(&store, &limit, KEY, cost);
        }
        let peek = || store.peek_now(&[Charge { limit: &limit, key: KEY, cost: 0 }]).expect("memory answers");
        let full_in = peek().windows.iter().map(|window| window.full_in).max().expect("a window");
        if full_in > Duration::ZERO {
            prop_assert_eq!(peek().wait(), Wait::For(full_in));
            clock.advance(full_in - Duration::from_nanos(1));
            prop_assert!(!peek().admitted);
            clock.advance(Duration::from_nanos(1));
        }
        prop_assert!(peek().admitted);
        prop_assert!(peek().windows.iter().zip(limit.windows()).all(|(state, window)| state.remaining == window.burst().get()));
    }

    /// One window by GCRA decides and waits as governor does.
    #[test]
    fn one_window_is_governors(limit in 1_u32..500, burst in 1_u32..500, millis in 1_u64..5_000, gaps in gaps()) {
        let window = window(limit, Duration::from_millis(millis)).burst_of(NonZeroU32::new(burst).expect("above zero"));
        let limit = Limit::new(Algorithm::Gcra, [window]).expect("a limit");
        let (store, clock) = store();
        let governor = RateLimiter::direct_with_clock(Quota::from(window), clock.clone());
        for (gap, cost) in gaps {
            clock.advance(Duration::from_nanos(gap));
            let answer = charge(&store, &limit, KEY, cost);
            match governor.check_n(NonZeroU32::new(cost).expect("above zero")) {
                Ok(Ok(())) => prop_assert!(answer.admitted),
                Ok(Err(not_until)) => {
                    let wait = not_until.wait_time_from(governor::clock::Clock::now(&clock));
                    prop_assert_eq!(answer.wait(), Wait::For(wait));
                }
                Err(_) => prop_assert_eq!(answer.wait(), Wait::Never),
            }
        }
    }

    /// What is given back can be had again, at once and no more than that; and a reset gives all of it.
    #[test]
    fn a_refund_gives_back_what_was_charged(limit in limits(), gaps in gaps(), cost in 1_u32..100) {
        let (store, clock) = store();
        for (gap, cost) in gaps {
            clock.advance(Duration::from_nanos(gap));
            charge(&store, &limit, KEY, cost);
        }
        let asked = [Charge { limit: &limit, key: KEY, cost }];
        let remaining = || -> Vec<u32> {
            let answer = store.peek_now(&asked).expect("memory answers");
            answer.windows.iter().map(|window| window.remaining).collect()
        };
        let before = remaining();
        if store.charge_now(&asked).expect("memory answers").admitted {
            store.refund_now(&asked);
            prop_assert_eq!(remaining(), before);
        }
        store.refund_now(&[Charge { limit: &limit, key: KEY, cost: u32::MAX }]);
        let bursts: Vec<u32> = limit.windows().iter().map(|window| window.burst().get()).collect();
        prop_assert_eq!(remaining(), bursts.clone());
        charge(&store, &limit, KEY, 1);
        store.reset_now(&limit, KEY);
        prop_assert_eq!(remaining(), bursts);
    }
}

/// The short answer is that of the long one, for keys that are new and known.
#[test]
fn a_refusal_is_the_answer_of_a_refused_charge() {
    for algorithm in [Algorithm::Gcra, Algorithm::Sliding] {
        let limit = Limit::new(algorithm, [window(3, Duration::from_secs(60))]).expect("a limit");
        let (store, _clock) = store();
        let asked = Charge { limit: &limit, key: KEY, cost: 1 };
        assert!((0..3).all(|_| store.refusal_now(&asked).is_none()));
        let refused = charge(&store, &limit, KEY, 1);
        assert!(!refused.admitted);
        assert_eq!(store.refusal_now(&asked), Some(refused));
        let never = store.refusal_now(&Charge { key: dbopt_ratelimit::Key([8, 8]), cost: 4, ..asked });
        assert_eq!(never.expect("a refusal").wait(), Wait::Never);
    }
}

/// Under Poisson traffic below, at and far above the limit, the buckets admit at most 2 % fewer than an exact log does.
#[test]
fn buckets_admit_hardly_less_than_a_log() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for (most, load) in [(5, 1.0), (20, 3.0), (100, 0.9), (100, 1.0), (100, 1.5), (500, 1.1), (100, 10.0)] {
        let period = Duration::from_secs(60);
        let limit = Limit::new(Algorithm::Sliding, [Window::per_minute(NonZeroU32::new(most).expect("above zero"))]);
        let (limit, (store, clock)) = (limit.expect("a limit"), store());
        let mut log = std::collections::VecDeque::new();
        let (mut now, mut by_log, mut by_buckets) = (Duration::ZERO, 0, 0);
        let gap = period.as_secs_f64() / (f64::from(most) * load);
        let end = period * (6_000 / most).max(40);
        while now < end {
            // xorshift64 (Marsaglia, 2003), and the inverse of the exponential distribution.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let uniform = (random >> 11) as f64 / (1_u64 << 53) as f64;
            let passed = Duration::from_secs_f64(-gap * (1.0 - uniform).ln());
            now += passed;
            clock.advance(passed);
            while log.front().is_some_and(|at| now - *at >= period) {
                log.pop_front();
            }
            if log.len() < most as usize {
                log.push_back(now);
                by_log += 1;
            }
            by_buckets += u32::from(charge(&store, &limit, KEY, 1).admitted);
        }
        let share = f64::from(by_buckets) / f64::from(by_log);
        assert!(share >= 0.98, "{most} a minute at {load} times as many: {share:.4}");
    }
}
