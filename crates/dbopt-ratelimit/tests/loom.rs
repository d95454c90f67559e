//! The store under every order in which two threads can take its locks and change its counter, by loom
//! (<https://docs.rs/loom>). Run by `cargo xtask loom`, and otherwise empty.
#![cfg(dbopt_loom)]

use std::num::NonZeroU32;
use std::time::Duration;

use dbopt_ratelimit::{Algorithm, Charge, Key, Limit, MemoryConfig, MemoryStore, Window};
use governor::clock::FakeRelativeClock;
use loom::sync::Arc;
use loom::thread;

type Store = MemoryStore<FakeRelativeClock>;

fn limit(most: u32) -> Limit {
    let most = NonZeroU32::new(most).expect("above zero");
    let windows = [Window::per_minute(most), Window::per_hour(most)];
    Limit::new(Algorithm::Gcra, windows).expect("a limit")
}

/// A store of two shards, with a key in each.
fn store() -> (Arc<Store>, [Key; 2]) {
    let store = MemoryStore::with_clock(MemoryConfig { most_keys: 8_192 }, FakeRelativeClock::default());
    // Keys are spread by a secret, but loom wants each run to take the same locks.
    let key =
        |shard| (0..).map(|number| Key([number, 1])).find(|key| store.shard_of(*key) == shard).expect("such a key");
    let keys = [key(0), key(1)];
    (Arc::new(store), keys)
}

fn admitted(store: &Store, limit: &Limit, keys: &[Key]) -> bool {
    let charges: Vec<_> = keys.iter().map(|key| Charge { limit, key: *key, cost: 1 }).collect();
    store.charge_now(&charges).expect("memory answers").admitted
}

/// Two requests for the last one: one of them gets it, whether the key is new or known.
#[test]
fn the_last_one_is_admitted_once() {
    loom::model(|| {
        let (store, keys) = store();
        let other = Arc::clone(&store);
        let thread = thread::spawn(move || admitted(&other, &limit(2), &keys[..1]));
        let own = [admitted(&store, &limit(2), &keys[..1]), admitted(&store, &limit(2), &keys[..1])];
        let all = [own[0], own[1], thread.join().expect("no thread panics")];
        assert_eq!(all.into_iter().filter(|admitted| *admitted).count(), 2);
    });
}

/// Requests for the same two keys in opposite orders do not wait for each other, and are charged for both or none.
#[test]
fn two_keys_in_either_order() {
    loom::model(|| {
        let (store, [first, second]) = store();
        let other = Arc::clone(&store);
        let thread = thread::spawn(move || admitted(&other, &limit(1), &[second, first]));
        let own = admitted(&store, &limit(1), &[first, second]);
        assert_ne!(own, thread.join().expect("no thread panics"));
        for key in [first, second] {
            let limit = limit(1);
            let left = store.peek_now(&[Charge { limit: &limit, key, cost: 1 }]).expect("memory answers");
            assert_eq!(left.windows[0].remaining, 0);
        }
    });
}

/// One asks for a key, another for two: who is refused has charged nothing.
#[test]
fn who_is_refused_has_charged_nothing() {
    loom::model(|| {
        let (store, [first, second]) = store();
        let other = Arc::clone(&store);
        let thread = thread::spawn(move || admitted(&other, &limit(1), &[second]));
        let both = admitted(&store, &limit(1), &[first, second]);
        let one = thread.join().expect("no thread panics");
        assert_ne!(both, one);
        assert_eq!(admitted(&store, &limit(1), &[first]), one, "the first key is charged only with the second");
    });
}

/// A sweep beside a charge forgets nothing that is used, and the keys stay counted.
#[test]
fn a_sweep_beside_a_charge() {
    loom::model(|| {
        let clock = FakeRelativeClock::default();
        let store = Arc::new(MemoryStore::with_clock(MemoryConfig { most_keys: 1 }, clock.clone()));
        let (old, new) = (Key([1, 1]), Key([2, 1]));
        assert!(admitted(&store, &limit(1), &[old]));
        clock.advance(Duration::from_secs(3_600));
        let other = Arc::clone(&store);
        let thread = thread::spawn(move || other.sweep());
        assert!(admitted(&store, &limit(1), &[new]));
        thread.join().expect("no thread panics");
        assert!(!admitted(&store, &limit(1), &[new]));
        assert_eq!((store.memory_use().keys, store.memory_use().overflowed), (1, 0));
    });
}
