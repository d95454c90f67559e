//! Places held by concurrent requests.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Key, Lease, StoreError};

/// Locks that share the keys.
const SHARDS: usize = 16;

/// The leases of all keys.
#[derive(Debug)]
pub(super) struct Leases {
    shards: [Mutex<Shard>; SHARDS],
    /// The most keys of a shard.
    most_keys: usize,
}

#[derive(Debug, Default)]
struct Shard {
    /// The latest lease's number.
    latest: u128,
    /// Of each key its leases' ids and when they end; never empty.
    keys: HashMap<Key, Vec<(u128, u64)>>,
}

impl Leases {
    pub(super) fn new(most_keys: usize) -> Self {
        Self { shards: Default::default(), most_keys: most_keys.div_ceil(SHARDS) }
    }

    pub(super) fn acquire(
        &self,
        key: Key,
        most: NonZeroU32,
        now: u64,
        longest: u64,
    ) -> Result<Option<Lease>, StoreError> {
        let mut shard = self.lock(key);
        // What nobody released is forgotten whenever the map would have to grow.
        if shard.keys.len() == shard.keys.capacity().min(self.most_keys) && !shard.keys.contains_key(&key) {
            shard.keys.retain(|_, leases| leases.iter().any(|(_, end)| *end > now));
            if shard.keys.len() == self.most_keys {
                return Err(StoreError::Full);
            }
        }
        let id = shard.latest + 1;
        let leases = shard.keys.entry(key).or_default();
        leases.retain(|(_, end)| *end > now);
        if leases.len() >= most.get() as usize {
            return Ok(None);
        }
        leases.push((id, now.saturating_add(longest)));
        shard.latest = id;
        Ok(Some(Lease { key, id }))
    }

    pub(super) fn release(&self, lease: Lease) {
        let mut shard = self.lock(lease.key);
        if let Some(leases) = shard.keys.get_mut(&lease.key) {
            leases.retain(|(id, _)| *id != lease.id);
            if leases.is_empty() {
                shard.keys.remove(&lease.key);
            }
        }
    }

    fn lock(&self, key: Key) -> MutexGuard<'_, Shard> {
        let shard = (key.0[0] ^ key.0[1]) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_given_back_and_end() {
        let (leases, key) = (Leases::new(100), Key([1, 2]));
        let acquire = |now| leases.acquire(key, NonZeroU32::MIN, now, 9).expect("an answer");
        let lease = acquire(0).expect("a place");
        assert_eq!(acquire(8), None);
        leases.release(lease);
        let lease = acquire(8).expect("the place given back");
        assert_eq!(acquire(16), None);
        let other = acquire(17).expect("the place that has ended");
        leases.release(lease);
        assert_eq!(acquire(17), None, "releasing the old lease does not release the new one");
        leases.release(other);
    }

    #[test]
    fn keys_are_bounded_and_those_that_ended_forgotten() {
        let leases = Leases::new(16);
        let acquire = |key, now| leases.acquire(Key([key, 0]), NonZeroU32::MIN, now, 9);
        assert!(matches!(acquire(0, 0), Ok(Some(_))));
        assert!(matches!(acquire(16, 8), Err(StoreError::Full)));
        assert!(matches!(acquire(16, 9), Ok(Some(_))));
    }
}
