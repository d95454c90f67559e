//! Unwrapped keys that are kept for a while.
//!
//! Bounded in number and in time. A key that nobody asks for is wiped when something else is asked for after its time:
//! there is no thread that would do it.

use std::{
    collections::HashMap,
    hash::Hash,
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Values by key, at most so many, each for at most so long.
///
/// Values are in two halves, the newer and the older one. When the newer is full, it becomes the older, and what was older goes;
/// what is asked for moves to the newer. So whatever was used recently stays, and no call looks at all of them.
pub(crate) struct Cache<K, V> {
    halves: Mutex<Halves<K, V>>,
    half: usize,
    lifetime: Duration,
}

struct Halves<K, V> {
    newer: HashMap<K, Timed<V>>,
    older: HashMap<K, Timed<V>>,
    /// When what is over has to be looked for.
    sweep: Option<Instant>,
}

struct Timed<V> {
    value: V,
    since: Instant,
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(most: NonZeroUsize, lifetime: Duration) -> Self {
        let halves = Halves { newer: HashMap::new(), older: HashMap::new(), sweep: None };
        Self { halves: Mutex::new(halves), half: most.get().div_ceil(2), lifetime }
    }

    /// The value of a key, if it is there and not too old.
    pub(crate) fn get<Q: ?Sized + Eq + Hash>(&self, key: &Q, now: Instant) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let mut halves = self.lock();
        halves.sweep(now, self.lifetime);
        if let Some(timed) = halves.newer.get(key) {
            return timed.is_current(now, self.lifetime).then(|| timed.value.clone());
        }
        let (key, timed) = halves.older.remove_entry(key)?;
        let value = timed.is_current(now, self.lifetime).then(|| timed.value.clone())?;
        halves.insert(key, timed, self.half);
        Some(value)
    }

    pub(crate) fn insert(&self, key: K, value: V, now: Instant) {
        let mut halves = self.lock();
        halves.older.remove(&key);
        halves.insert(key, Timed { value, since: now }, self.half);
        halves.sweep.get_or_insert(now + self.lifetime);
    }

    pub(crate) fn clear(&self) {
        let mut halves = self.lock();
        halves.newer.clear();
        halves.older.clear();
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Halves<K, V>> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Halves<K, V> {
    fn insert(&mut self, key: K, timed: Timed<V>, half: usize) {
        if self.newer.len() >= half && !self.newer.contains_key(&key) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, timed);
    }

    /// Once in a lifetime all that is over goes, so nothing stays longer than twice its time while anything is asked for.
    fn sweep(&mut self, now: Instant, lifetime: Duration) {
        if self.sweep.is_some_and(|sweep| now >= sweep) {
            self.newer.retain(|_, timed| timed.is_current(now, lifetime));
            self.older.retain(|_, timed| timed.is_current(now, lifetime));
            self.sweep = Some(now + lifetime);
        }
    }
}

impl<V> Timed<V> {
    fn is_current(&self, now: Instant, lifetime: Duration) -> bool {
        now.saturating_duration_since(self.since) < lifetime
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cache(most: usize) -> Cache<u32, Arc<u32>> {
        Cache::new(NonZeroUsize::new(most).expect("above zero"), 10 * SECOND)
    }

    #[test]
    fn nothing_is_given_after_its_time() {
        let (cache, start) = (cache(4), Instant::now());
        let value = Arc::new(7);
        cache.insert(1, value.clone(), start);
        assert_eq!(cache.get(&1, start + 9 * SECOND), Some(value.clone()));
        assert_eq!(cache.get(&1, start + 10 * SECOND), None, "asking does not make it younger");
        assert_eq!(Arc::strong_count(&value), 1, "it is gone");
        cache.insert(2, value.clone(), start + 20 * SECOND);
        assert_eq!(cache.get(&3, start + 40 * SECOND), None);
        assert_eq!(Arc::strong_count(&value), 1, "it went when another was asked for");
    }

    #[test]
    fn there_are_never_more_and_the_used_ones_stay() {
        let (cache, now) = (cache(8), Instant::now());
        let value = Arc::new(0);
        for key in 0..1_000 {
            cache.insert(key, value.clone(), now);
            assert!(Arc::strong_count(&value) <= 1 + 8, "{key}");
            assert!(key < 4 || cache.get(&3, now).is_some(), "{key}");
        }
        assert!(cache.get(&5, now).is_none());
        cache.clear();
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
