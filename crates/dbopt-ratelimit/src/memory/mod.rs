//! Limits kept in the memory of this process.
//!
//! Keys are spread over shards, each behind a lock of its own. A request locks the shards of its keys in order, looks at all windows of
//! all its charges, and only then charges, so that all or nothing is charged however many threads ask. One entry holds all
//! windows of a key, and so the common request, one charge of a known key, takes one lock and touches one or two lines of memory.

mod lease;
mod place;
mod scratch;
mod shard;
mod sync;
mod table;

use std::{num::NonZeroU32, sync::atomic::Ordering, time::Duration};

use governor::clock::{Clock, DefaultClock, Reference as _};
use smallvec::SmallVec;

use self::{
    lease::Leases,
    place::{Place, Places},
    scratch::Scratch,
    shard::Shard,
    sync::{AtomicUsize, Mutex, MutexGuard},
};
use crate::{Answer, Charge, Key, Lease, Limit, Store, StoreError, WindowStates, meter::Meter};

/// Keys of a shard when a store of the default size is full: a table of so many is rebuilt in some tens of microseconds.
const KEYS_OF_A_SHARD: usize = 4_096;
/// The most shards, as a power of two.
const MOST_SHARD_BITS: u32 = 12;
/// How many slots are looked at for one to forget, when a new key comes to a full store.
const SWEEP: usize = 256;

/// How much a [`MemoryStore`] may keep.
#[derive(Clone, Copy, Debug)]
pub struct MemoryConfig {
    /// The most keys. See [`MemoryStore`] for what happens to one more.
    pub most_keys: usize,
}

impl Default for MemoryConfig {
    /// A million keys: up to 64 MB of three windows each by [`crate::Algorithm::Gcra`].
    fn default() -> Self {
        Self { most_keys: 1_000_000 }
    }
}

/// Keeps limits in the memory of this process, by a monotonic clock.
///
/// A key costs 16 bytes and what its windows keep (8 bytes for [`crate::Algorithm::Gcra`], see [`crate::Sliding`] for the other), and
/// 1.3 to 1.6 times that with the room to grow. A key whose windows are all full again is forgotten when its place is
/// needed; one that is still limited never is. When the store is full of those, new keys are counted together, one bucket for
/// each limit: nobody is admitted without limit, and nobody can push out a victim's state by asking under many names.
///
/// Several charges are admitted together or not at all, and what was charged can be given back:
///
/// ```
/// use std::num::NonZeroU32;
/// use dbopt_ratelimit::{Algorithm, Charge, Key, Limit, MemoryConfig, MemoryStore, Window};
///
/// let of = |limit| NonZeroU32::new(limit).expect("above zero");
/// let user = Limit::new(Algorithm::Gcra, [Window::per_minute(of(10))])?;
/// let address = Limit::new(Algorithm::Sliding, [Window::per_hour(of(4))])?;
/// let store = MemoryStore::new(MemoryConfig { most_keys: 10_000 });
/// let request = [Charge { limit: &user, key: Key([1, 7]), cost: 3 }, Charge { limit: &address, key: Key([2, 9]), cost: 3 }];
///
/// assert!(store.charge_now(&request)?.admitted);
/// assert!(!store.charge_now(&request)?.admitted);
/// assert_eq!(store.peek_now(&request)?.windows[0].remaining, 7, "the refused request charged nothing");
/// store.refund_now(&request);
/// assert!(store.charge_now(&request)?.admitted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A single window is counted here, too, and not by governor's own limiter: that takes the same time for a check of a key
/// (docs/benchmarks.md), but never forgets one by itself, and can neither be peeked at nor give back.
#[derive(Debug)]
pub struct MemoryStore<C: Clock = DefaultClock> {
    clock: C,
    start: C::Instant,
    places: Places,
    shards: Box<[Padded]>,
    most_keys: usize,
    keys: AtomicUsize,
    overflowed: AtomicUsize,
    leases: Leases,
}

/// A shard in a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Padded(Mutex<Shard>);

/// What a [`MemoryStore`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// The keys that are known, limited or not.
    pub keys: usize,
    /// The bytes of shards and tables.
    pub bytes: usize,
    /// How often a new key was counted together with others because the store was full.
    pub overflowed: usize,
}

/// The shards of a request, locked, in order.
type Locked<'a> = SmallVec<[(usize, MutexGuard<'a, Shard>); 4]>;

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        Self::with_clock(config, DefaultClock::default())
    }
}

impl<C: Clock> MemoryStore<C> {
    /// An empty store with a clock of its own.
    #[must_use]
    pub fn with_clock(config: MemoryConfig, clock: C) -> Self {
        let shards = (config.most_keys / KEYS_OF_A_SHARD).max(1).next_power_of_two();
        let places = Places::new(shards.trailing_zeros().min(MOST_SHARD_BITS));
        Self {
            start: clock.now(),
            clock,
            shards: (0..places.shards()).map(|_| Padded(Mutex::new(Shard::default()))).collect(),
            places,
            most_keys: config.most_keys,
            keys: AtomicUsize::new(0),
            overflowed: AtomicUsize::new(0),
            leases: Leases::new(config.most_keys),
        }
    }

    /// [`Store::charge`] without a future; it never fails.
    pub fn charge_now(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        let known = match charges {
            [charge] => self.charge_known(charge, |state, now| answer(charge, state, now)),
            _ => self.charge_all_known(charges),
        };
        Ok(known.unwrap_or_else(|| self.decide(charges, true)))
    }

    /// [`MemoryStore::charge_now`] of one charge, with an answer only if it was refused: to say what remains of each window takes
    /// as long as to charge, and not everybody wants to know.
    pub fn refusal_now(&self, charge: &Charge<'_>) -> Option<Answer> {
        let known = self.charge_known(charge, |state, now| state.is_err().then(|| answer(charge, state, now)));
        known.unwrap_or_else(|| {
            let answer = self.decide(std::slice::from_ref(charge), true);
            (!answer.admitted).then_some(answer)
        })
    }

    /// [`Store::peek`] without a future; it never fails.
    pub fn peek_now(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        Ok(self.decide(charges, false))
    }

    /// [`Store::refund`] without a future.
    pub fn refund_now(&self, charges: &[Charge<'_>]) {
        for Charge { limit, key, cost } in charges {
            self.change(limit, *key, |meter, state, now| {
                meter.advance(state, now);
                meter.refund(state, now, *cost);
            });
        }
    }

    /// [`Store::reset`] without a future.
    pub fn reset_now(&self, limit: &Limit, key: Key) {
        self.change(limit, key, |_, state, _| state.fill(0));
    }

    /// [`Store::acquire`] without a future. The keys of leases are counted apart from those of limits, and as many;
    /// [`StoreError::Full`] when there are more.
    pub fn acquire_now(&self, key: Key, most: NonZeroU32, longest: Duration) -> Result<Option<Lease>, StoreError> {
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        self.leases.acquire(key, most, self.now(), longest)
    }

    /// [`Store::release`] without a future.
    pub fn release_now(&self, lease: Lease) {
        self.leases.release(lease);
    }

    /// What the store holds. Looks into every shard.
    #[must_use]
    pub fn memory_use(&self) -> MemoryUse {
        let tables: usize = self.shards.iter().map(|shard| shard.0.lock().bytes()).sum();
        MemoryUse {
            keys: self.keys.load(Ordering::Relaxed),
            bytes: size_of_val::<[Padded]>(&self.shards) + tables,
            overflowed: self.overflowed.load(Ordering::Relaxed),
        }
    }

    /// Forgets all keys that are full again and gives their memory back, one shard after another. A store does not need it: it
    /// forgets whenever it would grow otherwise.
    pub fn sweep(&self) {
        for shard in &self.shards {
            let mut shard = shard.0.lock();
            shard.now = shard.now.max(self.now());
            // Before the lock is let go, so that whoever finds a key missing finds room for it.
            self.keys.fetch_sub(shard.rebuild(&self.places), Ordering::Relaxed);
        }
    }

    /// Which lock guards a key, for tests of their order.
    #[cfg(dbopt_loom)]
    #[doc(hidden)]
    pub fn shard_of(&self, key: Key) -> usize {
        self.places.of(key).shard
    }

    /// Nanoseconds since the store was made.
    #[inline]
    fn now(&self) -> u64 {
        self.clock.now().duration_since(self.start).as_u64()
    }

    /// Charges a key that is known by the windows of this very limit; the common case, and nothing is copied. `then` is
    /// given the state after the charge, or as an error the one that refused it.
    #[inline]
    fn charge_known<T>(&self, charge: &Charge<'_>, then: impl FnOnce(Charged<'_>, u64) -> T) -> Option<T> {
        let limit = charge.limit;
        let (place, now) = (self.places.of(charge.key), self.now());
        let mut shard = self.shards[place.shard].0.lock();
        // Another processor's clock may be a little ahead: what it has seen here is not taken back.
        let now = now.max(shard.now);
        shard.now = now;
        let slot = shard.slot_in(limit.layout(), &place, &self.places)?;
        let state = shard.state_at(slot);
        let admitted = admits(limit, state, now, charge.cost);
        if admitted {
            add(limit, state, now, charge.cost);
        }
        Some(then(if admitted { Ok(state) } else { Err(state) }, now))
    }

    /// The same for several charges of different keys.
    fn charge_all_known(&self, charges: &[Charge<'_>]) -> Option<Answer> {
        let places: SmallVec<[Place; 4]> = charges.iter().map(|charge| self.places.of(charge.key)).collect();
        if places.iter().enumerate().any(|(at, place)| places[..at].iter().any(|other| other.key == place.key)) {
            return None;
        }
        let mut shards = self.lock(&places);
        let now = shards.first().map_or(0, |(_, shard)| shard.now);
        let mut slots: SmallVec<[_; 4]> = SmallVec::new();
        let mut admitted = true;
        for (charge, place) in charges.iter().zip(&places) {
            let shard = shard_of(&mut shards, place);
            let slot = shard.slot_in(charge.limit.layout(), place, &self.places)?;
            admitted &= admits(charge.limit, shard.state_at(slot), now, charge.cost);
            slots.push(slot);
        }
        let mut windows = WindowStates::default();
        for ((charge, place), slot) in charges.iter().zip(&places).zip(slots) {
            let state = shard_of(&mut shards, place).state_at(slot);
            if admitted {
                add(charge.limit, state, now, charge.cost);
            }
            let state: &[u64] = state;
            let cells = charge.limit.meters().iter().zip(charge.limit.layout().ranges());
            windows.extend(cells.map(|(meter, range)| match admitted {
                true => meter.charged(&state[range], now),
                false => meter.state(&state[range], now, charge.cost),
            }));
        }
        Some(Answer { admitted, windows })
    }

    /// Decides any charges, and charges them if they are admitted and are to be.
    fn decide(&self, charges: &[Charge<'_>], charge: bool) -> Answer {
        let mut places: SmallVec<[Place; 4]> = charges.iter().map(|charge| self.places.of(charge.key)).collect();
        loop {
            let mut shards = self.lock(&places);
            let now = shards.first().map_or(0, |(_, shard)| shard.now);
            let mut trials: SmallVec<[Scratch; 2]> = SmallVec::new();
            let mut waits = SmallVec::new();
            let mut of_charge: SmallVec<[usize; 4]> = SmallVec::new();
            for (charge, place) in charges.iter().zip(&places) {
                let trial = trials.iter().position(|trial| trial.place.key == place.key).unwrap_or(trials.len());
                if let Some(trial) = trials.get_mut(trial) {
                    trial.cover(charge.limit, now);
                } else {
                    let kept = shard_of(&mut shards, place).state(place, &self.places);
                    trials.push(Scratch::new(*place, charge.limit, kept, now));
                }
                trials[trial].charge(charge, now, &mut waits);
                of_charge.push(trial);
            }
            let admitted = waits.iter().all(|wait| wait.is_none());
            if admitted {
                let new = |trial: &&Scratch| !trial.known && trial.cost > 0 && !trial.place.overflow;
                let new: SmallVec<[Place; 4]> = trials.iter().filter(new).map(|trial| trial.place).collect();
                if !self.reserve(&new, &mut shards) {
                    // The same again, with one bucket for all that come too late.
                    drop(shards);
                    for (place, charge) in places.iter_mut().zip(charges) {
                        if new.iter().any(|new| new.key == place.key) {
                            *place = self.places.overflow(charge.limit);
                        }
                    }
                    if charge {
                        self.overflowed.fetch_add(1, Ordering::Relaxed);
                    }
                    continue;
                }
                if charge {
                    self.keep(&trials, &mut shards);
                } else {
                    self.keys.fetch_sub(new.len(), Ordering::Relaxed);
                }
            }
            let (mut windows, mut waits) = (WindowStates::default(), waits.into_iter());
            for (charged, trial) in charges.iter().zip(of_charge) {
                trials[trial].states(charged, now, admitted && charge, &mut waits, &mut windows);
            }
            return Answer { admitted, windows };
        }
    }

    /// Locks the shards of some places in order, so that no two requests wait for each other, and brings them to one time.
    fn lock(&self, places: &[Place]) -> Locked<'_> {
        let mut numbers: SmallVec<[usize; 4]> = places.iter().map(|place| place.shard).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut shards: Locked<'_> = numbers.into_iter().map(|number| (number, self.shards[number].0.lock())).collect();
        let now = shards.iter().map(|(_, shard)| shard.now).fold(self.now(), u64::max);
        for (_, shard) in &mut shards {
            shard.now = now;
        }
        shards
    }

    /// Makes room for new keys, if need be by forgetting full ones; or says that there is none.
    fn reserve(&self, new: &[Place], shards: &mut Locked<'_>) -> bool {
        let room = || {
            let more = |keys: usize| keys.checked_add(new.len()).filter(|keys| *keys <= self.most_keys);
            self.keys.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
        };
        if new.is_empty() || room() {
            return true;
        }
        for place in new {
            let forgotten = shard_of(shards, place).sweep(place, SWEEP, &self.places);
            self.keys.fetch_sub(forgotten, Ordering::Relaxed);
        }
        room()
    }

    /// Writes what was charged.
    fn keep(&self, trials: &[Scratch], shards: &mut Locked<'_>) {
        for trial in trials.iter().filter(|trial| trial.cost > 0) {
            let put = shard_of(shards, &trial.place).put(&trial.layout, &trial.place, &trial.after, &self.places);
            // The others have been counted already. One that was known may have been forgotten just before, as full.
            if put.added && (trial.known || trial.place.overflow) {
                self.keys.fetch_add(1, Ordering::Relaxed);
            }
            self.keys.fetch_sub(put.forgotten, Ordering::Relaxed);
        }
    }

    /// Changes the states of a key, where it is known.
    fn change(&self, limit: &Limit, key: Key, mut change: impl FnMut(&Meter, &mut [u64], u64)) {
        let place = self.places.of(key);
        let mut shards = self.lock(&[place]);
        let shard = shard_of(&mut shards, &place);
        let now = shard.now;
        let Some(kept) = shard.state(&place, &self.places) else { return };
        let mut trial = Scratch::new(place, limit, Some(kept), now);
        for (meter, range) in limit.meters().iter().zip(trial.layout.ranges_of(limit.layout())) {
            change(meter, &mut trial.after[range], now);
        }
        let put = shard.put(&trial.layout, &place, &trial.after, &self.places);
        self.keys.fetch_sub(put.forgotten, Ordering::Relaxed);
    }
}

/// A state after it was charged, or the one that refused.
type Charged<'a> = Result<&'a [u64], &'a [u64]>;

/// Whether all windows of a limit admit a cost.
#[inline]
fn admits(limit: &Limit, state: &mut [u64], now: u64, cost: u32) -> bool {
    let mut admitted = true;
    for (meter, range) in limit.meters().iter().zip(limit.layout().ranges()) {
        meter.advance(&mut state[range.clone()], now);
        admitted &= meter.admits(&state[range], now, cost);
    }
    admitted
}

#[inline]
fn add(limit: &Limit, state: &mut [u64], now: u64, cost: u32) {
    for (meter, range) in limit.meters().iter().zip(limit.layout().ranges()) {
        meter.add(&mut state[range], now, cost);
    }
}

fn answer(charge: &Charge<'_>, state: Charged<'_>, now: u64) -> Answer {
    let cells = charge.limit.meters().iter().zip(charge.limit.layout().ranges());
    match state {
        Ok(state) => {
            Answer { admitted: true, windows: cells.map(|(meter, range)| meter.charged(&state[range], now)).collect() }
        }
        Err(state) => Answer {
            admitted: false,
            windows: cells.map(|(meter, range)| meter.state(&state[range], now, charge.cost)).collect(),
        },
    }
}

fn shard_of<'a>(shards: &'a mut Locked<'_>, place: &Place) -> &'a mut Shard {
    let at = shards.iter().position(|(number, _)| *number == place.shard).expect("every place's shard is locked");
    &mut shards[at].1
}

impl<C: Clock + Send + Sync> Store for MemoryStore<C>
where
    C::Instant: Send + Sync,
{
    async fn charge(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.charge_now(charges)
    }

    async fn peek(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.peek_now(charges)
    }

    async fn refund(&self, charges: &[Charge<'_>]) -> Result<(), StoreError> {
        self.refund_now(charges);
        Ok(())
    }

    async fn reset(&self, limit: &Limit, key: Key) -> Result<(), StoreError> {
        self.reset_now(limit, key);
        Ok(())
    }

    async fn acquire(&self, key: Key, most: NonZeroU32, longest: Duration) -> Result<Option<Lease>, StoreError> {
        self.acquire_now(key, most, longest)
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.release_now(lease);
        Ok(())
    }

    fn release_at_once(&self, lease: Lease) -> bool {
        self.release_now(lease);
        true
    }
}
