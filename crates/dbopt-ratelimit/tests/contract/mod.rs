//! What every store keeps to. Time is the engine's own, so that nothing here depends on being fast: what must not be replenished
//! meanwhile has windows of hours, and what must be is waited for.

#![allow(dead_code, unused_imports, reason = "not every store needs every help")]

pub(crate) mod processes;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dbopt_ratelimit::{Algorithm, Charge, Key, Limit, Store, Wait, Window};

/// Makes a test of each check, on the store that an expression gives.
#[macro_export]
macro_rules! contract {
    ($store:expr) => {
        contract!($store, [
            admits_the_limit_and_not_more,
            keys_and_algorithms_are_apart,
            all_windows_have_to_admit,
            a_refusal_changes_nothing,
            a_refusal_changes_nothing_of_other_charges,
            a_key_that_comes_twice_is_charged_for_both,
            more_than_the_burst_is_never,
            a_gate_passes_while_nothing_is_used,
            a_peek_changes_nothing,
            a_refund_gives_no_more_than_the_window,
            a_reset_forgets,
            a_changed_limit_keeps_what_is_used,
            admits_when_it_said,
            sliding_windows_are_strict,
            long_and_short_periods_are_exact,
            places_are_taken_given_back_and_end,
            many_tasks_admit_exactly_the_limit,
            the_first_requests_of_a_key_are_not_lost,
            many_tasks_take_exactly_the_places,
        ]);
    };
    ($store:expr, [$($check:ident),* $(,)?]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                $crate::contract::$check($store).await;
            }
        )*
    };
}

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// A key of its own for each call, in any process.
pub(crate) fn new_key() -> Key {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = u64::from(std::process::id());
    Key([NEXT.fetch_add(1, Ordering::Relaxed), id << 32 | 0x7b7d_2d2b])
}

pub(crate) fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("above zero")
}

pub(crate) fn window(limit: u32, period: Duration) -> Window {
    Window::new(number(limit), period).expect("a period within bounds")
}

pub(crate) fn limit(algorithm: Algorithm, windows: &[(u32, Duration)]) -> Limit {
    Limit::new(algorithm, windows.iter().map(|(number, period)| window(*number, *period))).expect("a limit")
}

pub(crate) const BOTH: [Algorithm; 2] = [Algorithm::Gcra, Algorithm::Sliding];

/// Whether a cost is admitted.
pub(crate) async fn admits(store: &impl Store, limit: &Limit, key: Key, cost: u32) -> bool {
    store.charge(&[Charge { limit, key, cost }]).await.expect("an answer").admitted
}

/// What remains of each window.
pub(crate) async fn remaining(store: &impl Store, limit: &Limit, key: Key) -> Vec<u32> {
    let answer = store.peek(&[Charge { limit, key, cost: 1 }]).await.expect("an answer");
    answer.windows.iter().map(|window| window.remaining).collect()
}

pub(crate) async fn admits_the_limit_and_not_more(store: impl Store) {
    for algorithm in BOTH {
        let (limit, key) = (limit(algorithm, &[(10, HOUR)]), new_key());
        for left in (0..10).rev() {
            let answer = store.charge(&[Charge { limit: &limit, key, cost: 1 }]).await.expect("an answer");
            assert!(answer.admitted);
            assert_eq!(answer.windows.len(), 1);
            assert_eq!((answer.windows[0].remaining, answer.windows[0].wait), (left, Wait::None));
            assert!(answer.windows[0].full_in > Duration::ZERO);
        }
        let answer = store.charge(&[Charge { limit: &limit, key, cost: 1 }]).await.expect("an answer");
        assert!(!answer.admitted);
        assert_eq!(answer.windows[0].remaining, 0);
        let Wait::For(wait) = answer.wait() else { panic!("there is a time to wait for: {answer:?}") };
        let longest = if algorithm == Algorithm::Gcra { HOUR / 10 } else { HOUR + HOUR / 60 };
        assert!(wait <= longest && wait > longest / 2, "{wait:?}");
        assert!(answer.windows[0].full_in > HOUR / 2);
    }
}

pub(crate) async fn keys_and_algorithms_are_apart(store: impl Store) {
    let (gcra, sliding) = (limit(Algorithm::Gcra, &[(1, HOUR)]), limit(Algorithm::Sliding, &[(1, HOUR)]));
    let (one, other) = (new_key(), new_key());
    for (limit, key) in [(&gcra, one), (&sliding, one), (&gcra, other), (&sliding, other)] {
        assert!(admits(&store, limit, key, 1).await);
    }
    for (limit, key) in [(&gcra, one), (&sliding, one), (&gcra, other), (&sliding, other)] {
        assert!(!admits(&store, limit, key, 1).await);
    }
}

pub(crate) async fn all_windows_have_to_admit(store: impl Store) {
    for algorithm in BOTH {
        let windows = [(20, HOUR), (5, 24 * HOUR), (30, 48 * HOUR)];
        let (limit, key) = (limit(algorithm, &windows), new_key());
        for _ in 0..5 {
            assert!(admits(&store, &limit, key, 1).await);
        }
        let answer = store.charge(&[Charge { limit: &limit, key, cost: 1 }]).await.expect("an answer");
        assert!(!answer.admitted);
        assert_eq!(answer.windows.iter().map(|window| window.remaining).collect::<Vec<_>>(), [15, 0, 25]);
        let waits: Vec<bool> = answer.windows.iter().map(|window| window.wait.is_none()).collect();
        assert_eq!(waits, [true, false, true], "only the window that refuses has a wait");
        assert_eq!(answer.wait(), answer.windows[1].wait);
    }
}

pub(crate) async fn a_refusal_changes_nothing(store: impl Store) {
    for algorithm in BOTH {
        let (limit, key) = (limit(algorithm, &[(100, HOUR), (5, 24 * HOUR)]), new_key());
        assert!(admits(&store, &limit, key, 4).await);
        for _ in 0..50 {
            assert!(!admits(&store, &limit, key, 2).await);
        }
        assert_eq!(remaining(&store, &limit, key).await, [96, 1]);
        assert!(admits(&store, &limit, key, 1).await);
    }
}

pub(crate) async fn a_refusal_changes_nothing_of_other_charges(store: impl Store) {
    let few = limit(Algorithm::Sliding, &[(1, HOUR)]);
    let many = limit(Algorithm::Gcra, &[(10, HOUR), (20, 24 * HOUR)]);
    for order in [[0, 1], [1, 0]] {
        let (one, other) = (new_key(), new_key());
        let both = [Charge { limit: &few, key: one, cost: 1 }, Charge { limit: &many, key: other, cost: 3 }];
        let charges = order.map(|i| both[i]);
        let answer = store.charge(&charges).await.expect("an answer");
        assert!(answer.admitted);
        assert_eq!(answer.windows.len(), 3);
        let answer = store.charge(&charges).await.expect("an answer");
        assert!(!answer.admitted);
        let refused = if order[0] == 0 { 0 } else { 2 };
        for (i, window) in answer.windows.iter().enumerate() {
            assert_eq!(window.wait.is_none(), i != refused, "{answer:?}");
        }
        assert_eq!(remaining(&store, &many, other).await, [7, 17]);
        assert_eq!(remaining(&store, &few, one).await, [0]);
    }
}

pub(crate) async fn a_key_that_comes_twice_is_charged_for_both(store: impl Store) {
    for algorithm in BOTH {
        let (limit, key) = (limit(algorithm, &[(5, HOUR)]), new_key());
        let twice = [Charge { limit: &limit, key, cost: 2 }, Charge { limit: &limit, key, cost: 2 }];
        assert!(store.charge(&twice).await.expect("an answer").admitted);
        assert_eq!(remaining(&store, &limit, key).await, [1]);
        let answer = store.charge(&[Charge { cost: 1, ..twice[0] }, Charge { cost: 1, ..twice[0] }]).await;
        let answer = answer.expect("an answer");
        assert!(!answer.admitted);
        assert!(!answer.wait().is_none(), "a refusal has a wait: {answer:?}");
        assert_eq!(remaining(&store, &limit, key).await, [1]);
    }
}

pub(crate) async fn more_than_the_burst_is_never(store: impl Store) {
    for algorithm in BOTH {
        let (limit, key) = (limit(algorithm, &[(5, HOUR), (50, 24 * HOUR)]), new_key());
        for cost in [6, u32::MAX] {
            let answer = store.charge(&[Charge { limit: &limit, key, cost }]).await.expect("an answer");
            assert!(!answer.admitted);
            assert_eq!(answer.wait(), Wait::Never);
            assert_eq!(answer.windows[0].wait, Wait::Never);
        }
        assert_eq!(remaining(&store, &limit, key).await, [5, 50]);
        assert!(admits(&store, &limit, key, 5).await);
    }
    let bursts = [window(100, HOUR).burst_of(number(3))];
    let (limit, key) = (Limit::new(Algorithm::Gcra, bursts).expect("a limit"), new_key());
    assert!(!admits(&store, &limit, key, 4).await);
    assert!(admits(&store, &limit, key, 3).await);
    assert!(!admits(&store, &limit, key, 1).await);
}

pub(crate) async fn a_gate_passes_while_nothing_is_used(store: impl Store) {
    for algorithm in BOTH {
        let (limit, key) = (limit(algorithm, &[(10, HOUR)]), new_key());
        let gate = [Charge { limit: &limit, key, cost: 0 }];
        for _ in 0..3 {
            let answer = store.charge(&gate).await.expect("an answer");
            assert!(answer.admitted);
            assert_eq!((answer.windows[0].remaining, answer.windows[0].full_in), (10, Duration::ZERO));
        }
        assert!(admits(&store, &limit, key, 1).await);
        let answer = store.charge(&gate).await.expect("an answer");
        assert!(!answer.admitted);
        assert_eq!(answer.wait(), Wait::For(answer.windows[0].full_in));
        assert_eq!(remaining(&store, &limit, key).await, [9]);
        store.refund(&[Charge { limit: &limit, key, cost: 1 }]).await.expect("a refund");
        assert!(admits(&store, &limit, key, 0).await);
    }
}

pub(crate) async fn a_peek_changes_nothing(store: impl Store) {
    for algorithm in BOTH {
        let (limit, key) = (limit(algorithm, &[(2, HOUR)]), new_key());
        let charge = [Charge { limit: &limit, key, cost: 1 }];
        for left in [2, 1] {
            for _ in 0..3 {
                let answer = store.peek(&charge).await.expect("an answer");
                assert!(answer.admitted && answer.wait().is_none());
                assert_eq!(answer.windows[0].remaining, left);
            }
            assert!(admits(&store, &limit, key, 1).await);
        }
        let answer = store.peek(&charge).await.expect("an answer");
        assert!(!answer.admitted && matches!(answer.wait(), Wait::For(_)));
    }
}

pub(crate) async fn a_refund_gives_no_more_than_the_window(store: impl Store) {
    for algorithm in BOTH {
        let (limit, key) = (limit(algorithm, &[(10, HOUR), (30, 24 * HOUR)]), new_key());
        let refund = async |cost| store.refund(&[Charge { limit: &limit, key, cost }]).await.expect("a refund");
        refund(5).await;
        assert_eq!(remaining(&store, &limit, key).await, [10, 30]);
        assert!(admits(&store, &limit, key, 8).await);
        refund(3).await;
        assert_eq!(remaining(&store, &limit, key).await, [5, 25]);
        refund(u32::MAX).await;
        assert_eq!(remaining(&store, &limit, key).await, [10, 30]);
        assert!(!admits(&store, &limit, key, 11).await);
    }
}

pub(crate) async fn a_reset_forgets(store: impl Store) {
    for algorithm in BOTH {
        let (limit, key, other) = (limit(algorithm, &[(1, HOUR)]), new_key(), new_key());
        assert!(admits(&store, &limit, key, 1).await && admits(&store, &limit, other, 1).await);
        store.reset(&limit, key).await.expect("a reset");
        assert!(admits(&store, &limit, key, 1).await);
        assert!(!admits(&store, &limit, other, 1).await);
    }
}

pub(crate) async fn a_changed_limit_keeps_what_is_used(store: impl Store) {
    for algorithm in BOTH {
        let key = new_key();
        let before = limit(algorithm, &[(10, HOUR), (100, 24 * HOUR)]);
        assert!(admits(&store, &before, key, 10).await);
        // Another number of the same hour, another second window.
        let after = limit(algorithm, &[(20, HOUR), (50, 48 * HOUR)]);
        let left = remaining(&store, &after, key).await;
        // Half of what can be used at once is used, or ten of twenty; gcra counts time, the sliding window numbers.
        let expected = if algorithm == Algorithm::Gcra { 0 } else { 10 };
        assert_eq!(left, [expected, 50]);
        assert!(!admits(&store, &after, key, 11).await);
        let fewer = limit(algorithm, &[(5, HOUR)]);
        assert!(!admits(&store, &fewer, key, 1).await);
        assert_eq!(remaining(&store, &fewer, key).await, [0]);
    }
}

pub(crate) async fn admits_when_it_said(store: impl Store) {
    for algorithm in BOTH {
        let (limit, key) = (limit(algorithm, &[(2, Duration::from_millis(200)), (50, HOUR)]), new_key());
        let mut admitted = 0;
        while admitted < 5 {
            let answer = store.charge(&[Charge { limit: &limit, key, cost: 1 }]).await.expect("an answer");
            if answer.admitted {
                admitted += 1;
                continue;
            }
            let Wait::For(wait) = answer.wait() else { panic!("there is a time to wait for: {answer:?}") };
            assert!(wait <= Duration::from_millis(205), "{wait:?}");
            // Clocks of a microsecond's and timers of a millisecond's grain.
            tokio::time::sleep(wait + Duration::from_millis(1)).await;
            assert!(admits(&store, &limit, key, 1).await, "not admitted after {wait:?}");
            admitted += 1;
        }
    }
}

pub(crate) async fn sliding_windows_are_strict(store: impl Store) {
    const LIMIT: usize = 5;
    const PERIOD: Duration = Duration::from_millis(150);
    let (limit, key) = (limit(Algorithm::Sliding, &[(LIMIT as u32, PERIOD)]), new_key());
    // The engine counted each of those admitted at some time between these.
    let mut times = Vec::new();
    while times.len() < 4 * LIMIT {
        let before = Instant::now();
        if admits(&store, &limit, key, 1).await {
            times.push((before, Instant::now()));
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for pair in times.windows(LIMIT + 1) {
        let apart = pair[LIMIT].1 - pair[0].0;
        assert!(apart >= PERIOD, "{} within {apart:?}", LIMIT + 1);
    }
}

pub(crate) async fn long_and_short_periods_are_exact(store: impl Store) {
    for algorithm in BOTH {
        for (most, period) in [(3, Window::LONGEST), (1_000_000, Window::LONGEST), (7, 60 * 24 * HOUR)] {
            let (limit, key) = (limit(algorithm, &[(most, period)]), new_key());
            assert!(admits(&store, &limit, key, most - 1).await);
            assert_eq!(remaining(&store, &limit, key).await, [1]);
            assert!(!admits(&store, &limit, key, 2).await);
            assert!(admits(&store, &limit, key, 1).await);
        }
        // Fully replenished after a millisecond, and a sub-bucket.
        let (limit, key) = (limit(algorithm, &[(3, Window::SHORTEST)]), new_key());
        for _ in 0..3 {
            assert!(admits(&store, &limit, key, 3).await);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

pub(crate) async fn places_are_taken_given_back_and_end(store: impl Store) {
    let (key, other, two) = (new_key(), new_key(), number(2));
    let acquire = async |key, longest| store.acquire(key, two, longest).await.expect("an answer");
    let first = acquire(key, HOUR).await.expect("a place");
    assert!(acquire(key, HOUR).await.is_some());
    assert_eq!(acquire(key, HOUR).await, None);
    assert!(acquire(other, HOUR).await.is_some());
    store.release(first).await.expect("a release");
    // Once more changes nothing.
    store.release(first).await.expect("a release");
    let third = acquire(key, Duration::from_millis(50)).await.expect("the place given back");
    assert_ne!(third, first);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(acquire(key, HOUR).await.is_some(), "the third has ended by itself");
    assert_eq!(acquire(key, HOUR).await, None);
    store.release(third).await.expect("a place that has ended can be released");
    assert_eq!(acquire(key, HOUR).await, None);
}

pub(crate) async fn many_tasks_admit_exactly_the_limit(store: impl Store) {
    let (store, tasks) = (&store, 16);
    for algorithm in BOTH {
        let (limit, other) = (&limit(algorithm, &[(100, HOUR), (1_000, 24 * HOUR)]), &limit(algorithm, &[(500, HOUR)]));
        let keys = [new_key(), new_key()];
        let task = async |number: usize| {
            let mut admitted = 0;
            for _ in 0..10 {
                // In either order, as no caller knows of the others.
                let mut charges =
                    [(limit, keys[0]), (other, keys[1])].map(|(limit, key)| Charge { limit, key, cost: 1 });
                if number.is_multiple_of(2) {
                    charges.reverse();
                }
                admitted += u32::from(store.charge(&charges).await.expect("an answer").admitted);
            }
            admitted
        };
        let admitted = futures_util::future::join_all((0..tasks).map(task)).await;
        assert_eq!(admitted.iter().sum::<u32>(), 100);
        assert_eq!(remaining(store, limit, keys[0]).await, [0, 900]);
        assert_eq!(remaining(store, other, keys[1]).await, [400]);
    }
}

/// Nothing is kept of a key before its first request, so there is nothing to lock.
pub(crate) async fn the_first_requests_of_a_key_are_not_lost(store: impl Store) {
    let store = &store;
    for algorithm in BOTH {
        let (limit, other) = (&limit(algorithm, &[(3, HOUR)]), &limit(algorithm, &[(100, HOUR)]));
        for _ in 0..20 {
            let keys = [new_key(), new_key()];
            let task = async |number: usize| {
                let mut charges =
                    [(limit, keys[0]), (other, keys[1])].map(|(limit, key)| Charge { limit, key, cost: 1 });
                if number.is_multiple_of(2) {
                    charges.reverse();
                }
                store.charge(&charges).await.expect("an answer").admitted
            };
            let admitted = futures_util::future::join_all((0..8).map(task)).await;
            assert_eq!(admitted.iter().filter(|admitted| **admitted).count(), 3);
            assert_eq!(remaining(store, other, keys[1]).await, [97]);
        }
    }
}

pub(crate) async fn many_tasks_take_exactly_the_places(store: impl Store) {
    let (store, key) = (&store, new_key());
    let task = async |_| store.acquire(key, number(7), HOUR).await.expect("an answer").is_some();
    let taken = futures_util::future::join_all((0..32).map(task)).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 7);
}
