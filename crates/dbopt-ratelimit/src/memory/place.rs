//! Where a key belongs: its shard, and its home in the tables there.

use std::hash::{BuildHasher as _, RandomState};

use crate::{Key, Limit};

/// Finds places, under a secret of the store: keys that are not hashes are spread too, and nobody can choose some that meet.
#[derive(Debug)]
pub(super) struct Places {
    secret: [u64; 2],
    /// The shards are a power of two.
    shard_bits: u32,
    random: RandomState,
}

/// Where a key belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Never all zero, which is an empty slot.
    pub(super) key: [u64; 2],
    pub(super) shard: usize,
    /// Tables are in its order.
    pub(super) home: u64,
    /// Whether it may be kept although the store is full.
    pub(super) overflow: bool,
}

impl Places {
    pub(super) fn new(shard_bits: u32) -> Self {
        let random = RandomState::new();
        Self { secret: [random.hash_one(0), random.hash_one(1)], shard_bits, random }
    }

    pub(super) const fn shards(&self) -> usize {
        1 << self.shard_bits
    }

    #[inline]
    pub(super) fn of(&self, key: Key) -> Place {
        let key = if key.0 == [0, 0] { [1, 0] } else { key.0 };
        let hash = self.hash(key);
        let shard = hash.checked_shr(64 - self.shard_bits).unwrap_or(0) as usize;
        Place { key, shard, home: hash << self.shard_bits, overflow: false }
    }

    /// The place that all keys of a limit share for which there is no room.
    pub(super) fn overflow(&self, limit: &Limit) -> Place {
        let key = Key([self.random.hash_one((2, limit)), self.random.hash_one((3, limit))]);
        Place { overflow: true, ..self.of(key) }
    }

    /// The order of a key in a table.
    #[inline]
    pub(super) fn home(&self, key: [u64; 2]) -> u64 {
        self.hash(key) << self.shard_bits
    }

    /// Both halves of a product, folded, as wyhash and foldhash do.
    #[inline]
    fn hash(&self, key: [u64; 2]) -> u64 {
        let product = u128::from(key[0] ^ self.secret[0]) * u128::from(key[1] ^ self.secret[1]);
        (product >> 64) as u64 ^ product as u64
    }
}
