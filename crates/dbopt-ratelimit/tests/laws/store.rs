//! Laws of the store: all or nothing, nothing lost, nobody pushed out.

use std::{num::NonZeroU32, time::Duration};

use dbopt_ratelimit::{Algorithm, Charge, Key, Limit, MemoryConfig, MemoryStore, Window};
use governor::clock::FakeRelativeClock;
use proptest::prelude::*;

use crate::{
    common::{KEY, charge, limits, store, window},
    model::Model,
};

/// What is done with a store. Limits and keys are numbers of few.
#[derive(Clone, Debug)]
enum Step {
    Charge(Vec<(usize, u64, u32)>),
    Peek(Vec<(usize, u64, u32)>),
    Refund(usize, u64, u32),
    Reset(usize, u64),
    Pass(u64),
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // The same key is never asked twice in a request here.
    let asked = prop::collection::vec((0_usize..4, 0_u64..40, 0_u32..60), 1..5).prop_map(|mut asked| {
        asked.sort_by_key(|(_, key, _)| *key);
        asked.dedup_by_key(|(_, key, _)| *key);
        asked
    });
    let step = prop_oneof![
        8 => asked.clone().prop_map(Step::Charge),
        2 => asked.prop_map(Step::Peek),
        1 => (0_usize..4, 0_u64..40, 0_u32..60).prop_map(|(limit, key, cost)| Step::Refund(limit, key, cost)),
        1 => (0_usize..4, 0_u64..40).prop_map(|(limit, key)| Step::Reset(limit, key)),
        4 => (0_u64..400_000_000).prop_map(Step::Pass),
        1 => Just(Step::Sweep),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is asked, and by whatever limits a key is asked in turn, the store answers as one lock around one map would. It
    /// has room for just the keys there are, so that it has to forget full ones.
    #[test]
    fn the_store_answers_as_the_model(limits in prop::collection::vec(limits(), 4), steps in steps(), most_keys in 40_usize..40_000) {
        let clock = FakeRelativeClock::default();
        let store = MemoryStore::with_clock(MemoryConfig { most_keys }, clock.clone());
        let mut model = Model::default();
        let charges = |asked: &[(usize, u64, u32)]| -> Vec<Charge<'_>> {
            asked.iter().map(|(limit, key, cost)| Charge { limit: &limits[*limit], key: Key([*key, 1]), cost: *cost }).collect()
        };
        for step in steps {
            match step {
                Step::Charge(asked) => prop_assert_eq!(store.charge_now(&charges(&asked)).expect("memory answers"), model.charge(&charges(&asked))),
                Step::Peek(asked) => prop_assert_eq!(store.peek_now(&charges(&asked)).expect("memory answers"), model.peek(&charges(&asked))),
                Step::Refund(limit, key, cost) => {
                    store.refund_now(&charges(&[(limit, key, cost)]));
                    model.refund(&charges(&[(limit, key, cost)]));
                }
                Step::Reset(limit, key) => {
                    store.reset_now(&limits[limit], Key([key, 1]));
                    model.reset(&limits[limit], Key([key, 1]));
                }
                Step::Pass(nanos) => {
                    clock.advance(Duration::from_nanos(nanos));
                    model.now += nanos;
                }
                Step::Sweep => store.sweep(),
            }
        }
        prop_assert_eq!(store.memory_use().overflowed, 0);
        prop_assert!(store.memory_use().keys <= 40);
        clock.advance(Duration::from_secs(1_000_000_000));
        store.sweep();
        prop_assert_eq!(store.memory_use().keys, 0);
    }

    /// One request that asks for a key twice is charged for both, or for neither.
    #[test]
    fn two_charges_of_one_key_have_to_fit_together(limit in limits(), costs in prop::collection::vec(1_u32..200, 2..4)) {
        let (store, clock) = store();
        let charges: Vec<_> = costs.iter().map(|cost| Charge { limit: &limit, key: KEY, cost: *cost }).collect();
        let sum: u32 = costs.iter().sum();
        let answer = store.charge_now(&charges).expect("memory answers");
        prop_assert_eq!(answer.admitted, sum <= limit.most_at_once());
        if answer.admitted {
            prop_assert_eq!(charge(&store, &limit, KEY, limit.most_at_once()).admitted, false);
            clock.advance(Duration::from_secs(36_000_000));
        } else {
            prop_assert_eq!(answer.wait(), dbopt_ratelimit::Wait::Never);
        }
        prop_assert!(charge(&store, &limit, KEY, limit.most_at_once()).admitted);
    }

    /// A refusal by the last of several rules leaves the others as they were.
    #[test]
    fn a_refused_request_changes_nothing(limits in prop::collection::vec(limits(), 3), costs in prop::collection::vec(1_u32..20, 3)) {
        let (store, _clock) = store();
        let charges: Vec<_> = limits.iter().zip(&costs).enumerate().map(|(at, (limit, cost))| Charge { limit, key: Key([at as u64, 9]), cost: *cost }).collect();
        for _ in 0..500 {
            let before = store.peek_now(&charges).expect("memory answers");
            let answer = store.charge_now(&charges).expect("memory answers");
            prop_assert_eq!(before.admitted, answer.admitted);
            if !answer.admitted {
                prop_assert_eq!(&before, &answer);
                prop_assert_eq!(&before, &store.peek_now(&charges).expect("memory answers"));
                return Ok(());
            }
        }
        prop_assert!(false, "it was never refused");
    }
}

/// A limit that is changed keeps what was used of the windows that stay, and one that gets them back finds them.
#[test]
fn a_changed_limit_keeps_the_windows_that_stay() {
    for algorithm in [Algorithm::Gcra, Algorithm::Sliding] {
        let (store, _clock) = store();
        let (minute, hour, day) = (Duration::from_secs(60), Duration::from_secs(3_600), Duration::from_secs(86_400));
        let limit = |windows: &[(u32, Duration)]| {
            Limit::new(algorithm, windows.iter().map(|(limit, period)| window(*limit, *period))).expect("a limit")
        };
        let remaining = |limit: &Limit| {
            let answer = store.peek_now(&[Charge { limit, key: KEY, cost: 1 }]).expect("memory answers");
            answer.windows.iter().map(|window| window.remaining).collect::<Vec<_>>()
        };
        let first = limit(&[(10, minute), (100, hour)]);
        assert!(charge(&store, &first, KEY, 10).admitted);
        let second = limit(&[(1_000, hour), (5_000, day)]);
        assert_eq!(remaining(&second), if algorithm == Algorithm::Gcra { [900, 5_000] } else { [990, 5_000] });
        assert!(charge(&store, &second, KEY, 500).admitted);
        assert_eq!(remaining(&first)[0], 0, "the minute was not asked for meanwhile, and is still used up");
        assert_eq!(remaining(&limit(&[(5_000, day)])), [4_500]);
        assert_eq!(store.memory_use().keys, 1);
    }
}

/// A victim under attack by very many names stays limited, the names together get no more than one of them would, and memory
/// stays bounded.
#[test]
fn many_keys_cannot_reset_a_victim() {
    for most_keys in [0, 1, 100, 5_000] {
        let clock = FakeRelativeClock::default();
        let store = MemoryStore::with_clock(MemoryConfig { most_keys }, clock.clone());
        let five = NonZeroU32::new(5).expect("five");
        let limit = Limit::new(Algorithm::Gcra, [Window::per_minute(five), Window::per_hour(five)]).expect("a limit");
        while charge(&store, &limit, KEY, 1).admitted {}
        let admitted: u32 =
            (0..7_000).map(|name| u32::from(charge(&store, &limit, Key([name, 1 << 60]), 1).admitted)).sum();
        assert!(!charge(&store, &limit, KEY, 1).admitted);
        let apart = most_keys.saturating_sub(1) as u32;
        let together = if most_keys == 0 { 0 } else { 5 };
        assert_eq!(admitted, apart + together);
        let kept = store.memory_use();
        assert!(kept.keys <= most_keys + 1 && kept.overflowed > 1_000, "{kept:?}");
        // When they are full again, there is room for others, a few slots at a time.
        clock.advance(Duration::from_secs(3_600));
        let other = Key([1, 1 << 61]);
        assert!(most_keys == 0 || (0..5).all(|_| charge(&store, &limit, other, 1).admitted));
    }
}

/// No limit is exceeded by threads that ask at once, of one window or of many keys together.
#[test]
fn threads_admit_exactly_the_limit() {
    for threads in [1, 2, 3, 8, 64] {
        let store = MemoryStore::new(MemoryConfig { most_keys: 100_000 });
        // A day's window does not replenish one while the test runs.
        let limit = Limit::new(Algorithm::Gcra, [window(500, Duration::from_secs(366 * 86_400))]).expect("a limit");
        let shared = Limit::new(Algorithm::Sliding, [window(700, Duration::from_secs(366 * 86_400))]).expect("a limit");
        let ask = |thread: u64| {
            let keys = [Key([thread % 3, 1]), Key([(thread + 1) % 3, 1])];
            let both = |key| [Charge { limit: &limit, key, cost: 1 }, Charge { limit: &shared, key: KEY, cost: 1 }];
            let one = |key| [Charge { limit: &limit, key, cost: 1 }];
            let mut admitted = (0, 0);
            for _ in 0..300 {
                admitted.0 += u32::from(store.charge_now(&both(keys[0])).expect("memory answers").admitted);
                admitted.1 += u32::from(store.charge_now(&one(keys[1])).expect("memory answers").admitted);
            }
            admitted
        };
        let (mut both, mut one) = (0, 0);
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || ask(thread))).collect();
            for handle in handles {
                let admitted = handle.join().expect("no thread panics");
                (both, one) = (both + admitted.0, one + admitted.1);
            }
        });
        let asked = [0, 1, 2]
            .map(|key| (0..threads).filter(|thread| thread % 3 == key || (thread + 1) % 3 == key).count() as u32);
        let used: u32 = [0, 1, 2]
            .map(|key| {
                let charge = [Charge { limit: &limit, key: Key([key, 1]), cost: 1 }];
                500 - store.peek_now(&charge).expect("memory answers").windows[0].remaining
            })
            .iter()
            .sum();
        assert_eq!(both + one, used, "what was admitted was charged, and nothing else");
        assert!(both <= 700);
        let most = asked.iter().map(|asking| (asking * 300).min(500)).sum::<u32>();
        assert!(both + one <= most);
        if threads >= 8 {
            assert_eq!(both + one, 1_500, "each key's limit was reached");
        }
    }
}
