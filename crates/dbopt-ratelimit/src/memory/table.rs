//! A table of keys with the states of one layout.
//!
//! Open addressing with linear probing, the entries ordered by the home of their keys (Amble and Knuth, "Ordered hash
//! tables", 1974), so that a key that is missing is known to be so early, and a table grows by one pass in order. One entry is
//! a slot: two words of key, then the windows' states. It grows by a quarter, so that 0.70 of the slots are in use on average.

use std::sync::Arc;

use super::place::{Place, Places};
use crate::layout::Layout;

/// The words of a key in its slot.
const KEY: usize = 2;
/// Slots behind the last home at first.
const TAIL: usize = 4;

/// The keys of one layout, in one shard.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) layout: Arc<Layout>,
    /// Slots, all zero when empty: `homes`, and some behind them for keys that find theirs taken.
    words: Box<[u64]>,
    homes: u32,
    /// `len <= 25/32 · homes`
    len: u32,
}

/// A slot number, or where a missing key's slot is to be.
pub(super) type Found = Result<usize, usize>;

impl Table {
    pub(super) fn new(layout: Arc<Layout>) -> Self {
        Self { layout, words: Box::default(), homes: 0, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val::<[u64]>(&self.words)
    }

    #[inline]
    pub(super) fn find(&self, place: &Place, places: &Places) -> Found {
        let stride = self.stride();
        let mut slot = self.home(place.home);
        // Not by `chunks_exact`, which divides.
        while let Some([low, high]) = self.words.get(slot * stride..slot * stride + KEY) {
            let key = [*low, *high];
            if key == place.key {
                return Ok(slot);
            }
            if key == [0, 0] || places.home(key) > place.home {
                break;
            }
            slot += 1;
        }
        Err(slot)
    }

    #[inline]
    pub(super) fn state(&self, slot: usize) -> &[u64] {
        let stride = self.stride();
        &self.words[slot * stride + KEY..(slot + 1) * stride]
    }

    #[inline]
    pub(super) fn state_mut(&mut self, slot: usize) -> &mut [u64] {
        let stride = self.stride();
        &mut self.words[slot * stride + KEY..(slot + 1) * stride]
    }

    /// The layout beside the state.
    pub(super) fn entry(&mut self, slot: usize) -> (&Arc<Layout>, &mut [u64]) {
        let stride = self.stride();
        (&self.layout, &mut self.words[slot * stride + KEY..(slot + 1) * stride])
    }

    /// Adds a key that is missing. When the table has to grow, full entries are forgotten first; how many, is returned.
    pub(super) fn insert(&mut self, place: &Place, state: &[u64], places: &Places, now: u64) -> usize {
        let mut forgotten = 0;
        if (self.len() + 1) * 32 > self.homes as usize * 25 {
            forgotten = self.rebuild(1, places, now);
        }
        let stride = self.stride();
        let slot = self.find(place, places).unwrap_or_else(|slot| slot);
        let free = (slot..self.slots()).find(|slot| self.key(*slot) == [0, 0]).unwrap_or(self.slots());
        if free == self.slots() {
            self.lengthen();
        }
        self.words.copy_within(slot * stride..free * stride, (slot + 1) * stride);
        self.words[slot * stride..slot * stride + KEY].copy_from_slice(&place.key);
        self.state_mut(slot).copy_from_slice(state);
        self.len += 1;
        forgotten
    }

    /// Removes an entry; those behind it move up as far as to their homes.
    pub(super) fn remove(&mut self, slot: usize, places: &Places) {
        let stride = self.stride();
        let stays = |next: &usize| {
            let key = self.key(*next);
            key == [0, 0] || self.home(places.home(key)) == *next
        };
        let end = (slot + 1..self.slots()).find(stays).unwrap_or(self.slots());
        self.words.copy_within((slot + 1) * stride..end * stride, slot * stride);
        self.words[(end - 1) * stride..end * stride].fill(0);
        self.len -= 1;
    }

    /// Forgets full entries among some slots from a key's home on.
    pub(super) fn sweep(&mut self, place: &Place, slots: usize, places: &Places, now: u64) -> usize {
        let (before, mut slot) = (self.len(), if self.homes == 0 { 0 } else { self.home(place.home) });
        for _ in 0..slots.min(self.slots()) {
            if slot >= self.slots() {
                slot = 0;
            }
            if self.key(slot) != [0, 0] && self.layout.is_full(self.state(slot), now) {
                // Another entry may be in this slot now.
                self.remove(slot, places);
            } else {
                slot += 1;
            }
        }
        before - self.len()
    }

    /// Forgets all full entries, and makes room for those that stay and some more. How many were forgotten.
    pub(super) fn rebuild(&mut self, more: usize, places: &Places, now: u64) -> usize {
        let (stride, layout) = (self.stride(), Arc::clone(&self.layout));
        let live = |words: &&[u64]| (words[0] != 0 || words[1] != 0) && !layout.is_full(&words[KEY..], now);
        let old = std::mem::take(&mut self.words);
        let before = self.len();
        self.len = old.chunks_exact(stride).filter(live).count() as u32;
        let homes = (self.len() + more) * 8 / 5;
        self.homes = u32::try_from(if homes == 0 { 0 } else { homes.max(4) }).unwrap_or(u32::MAX);
        let slots = if homes == 0 { 0 } else { self.homes as usize + TAIL };
        self.words = vec![0; slots * stride].into();
        let mut next = 0;
        for words in old.chunks_exact(stride).filter(live) {
            let slot = self.home(places.home([words[0], words[1]])).max(next);
            if slot >= self.slots() {
                self.lengthen();
            }
            self.words[slot * stride..(slot + 1) * stride].copy_from_slice(words);
            next = slot + 1;
        }
        before - self.len()
    }

    /// Adds slots behind the last home.
    fn lengthen(&mut self) {
        let mut words = std::mem::take(&mut self.words).into_vec();
        words.resize(words.len() + TAIL * self.stride(), 0);
        self.words = words.into();
    }

    #[inline]
    fn stride(&self) -> usize {
        KEY + self.layout.words()
    }

    fn slots(&self) -> usize {
        self.words.len() / self.stride()
    }

    fn key(&self, slot: usize) -> [u64; 2] {
        let at = slot * self.stride();
        [self.words[at], self.words[at + 1]]
    }

    /// The slot of a home: homes in order are slots in order.
    #[inline]
    fn home(&self, home: u64) -> usize {
        ((u128::from(home) * u128::from(self.homes)) >> 64) as usize
    }
}
