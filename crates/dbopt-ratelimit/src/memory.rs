//! Limits kept in the memory of this process.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::clock::{Clock, DefaultClock, Reference as _};

use crate::{Algorithm, Answer, Charge, Gcra, Key, Lease, Limit, Store, StoreError, Wait, Window, WindowState};

/// How much a [`MemoryStore`] may keep.
#[derive(Clone, Copy, Debug)]
pub struct MemoryConfig {
    /// The most keys. Keys whose windows are all full again are forgotten first; a key that is still limited never is.
    pub most_keys: usize,
}

impl Default for MemoryConfig {
    /// A million keys.
    fn default() -> Self {
        Self { most_keys: 1_000_000 }
    }
}

/// Keeps limits in the memory of this process, by a monotonic clock.
#[derive(Debug)]
pub struct MemoryStore<C: Clock = DefaultClock> {
    config: MemoryConfig,
    clock: C,
    start: C::Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: u64,
    keys: HashMap<Key, HashMap<(Algorithm, Duration), Cell>>,
    leases: HashMap<Key, Vec<(u128, u64)>>,
    lease: u128,
}

/// The TAT, or when each of those admitted leaves the period.
#[derive(Clone, Debug)]
enum Cell {
    Tat(u64),
    Log(Vec<u64>),
}

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
        Self { config, start: clock.now(), clock, state: Mutex::default() }
    }

    /// [`Store::charge`] without a future.
    pub fn charge_now(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        let mut state = self.lock();
        let before: Vec<_> = charges.iter().map(|charge| (charge.key, state.keys.get(&charge.key).cloned())).collect();
        let asked = self.peek_in(&mut state, charges)?;
        let answer = if asked.admitted { self.each(&mut state, charges, true) } else { asked };
        if !answer.admitted || charges.iter().all(|charge| charge.cost == 0) {
            for (key, cells) in before.into_iter().rev() {
                match cells {
                    None => state.keys.remove(&key),
                    Some(cells) => state.keys.insert(key, cells),
                };
            }
        }
        Ok(answer)
    }

    /// [`Store::peek`] without a future.
    pub fn peek_now(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.peek_in(&mut self.lock(), charges)
    }

    /// [`Store::refund`] without a future.
    pub fn refund_now(&self, charges: &[Charge<'_>]) {
        let mut state = self.lock();
        let now = state.now;
        for Charge { limit, key, cost } in charges {
            let Some(cells) = state.keys.get_mut(key) else { continue };
            for window in limit.windows() {
                match cells.get_mut(&(limit.algorithm(), window.period())) {
                    Some(Cell::Tat(tat)) => *tat = Gcra::new(window).refunded(*tat, now, *cost),
                    Some(Cell::Log(log)) => {
                        log.drain(..(*cost as usize).min(log.len()));
                    }
                    None => {}
                }
            }
        }
    }

    /// [`Store::reset`] without a future.
    pub fn reset_now(&self, limit: &Limit, key: Key) {
        if let Some(cells) = self.lock().keys.get_mut(&key) {
            for window in limit.windows() {
                cells.remove(&(limit.algorithm(), window.period()));
            }
        }
    }

    /// [`Store::acquire`] without a future.
    pub fn acquire_now(&self, key: Key, most: NonZeroU32, longest: Duration) -> Result<Option<Lease>, StoreError> {
        let mut state = self.lock();
        let now = state.now;
        state.lease += 1;
        let id = state.lease;
        let leases = state.leases.entry(key).or_default();
        leases.retain(|(_, end)| *end > now);
        if leases.len() >= most.get() as usize {
            return Ok(None);
        }
        leases.push((id, now.saturating_add(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX))));
        Ok(Some(Lease { key, id }))
    }

    /// [`Store::release`] without a future.
    pub fn release_now(&self, lease: Lease) {
        let mut state = self.lock();
        if let Some(leases) = state.leases.get_mut(&lease.key) {
            leases.retain(|(id, _)| *id != lease.id);
            if leases.is_empty() {
                state.leases.remove(&lease.key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = state.now.max(self.clock.now().duration_since(self.start).as_u64());
        state
    }

    fn peek_in(&self, state: &mut State, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        let now = state.now;
        if state.keys.len() + charges.len() > self.config.most_keys {
            state.keys.retain(|_, cells| !cells.values().all(|cell| cell.is_full(now)));
            let new = charges.iter().filter(|charge| !state.keys.contains_key(&charge.key)).count();
            if state.keys.len() + new > self.config.most_keys {
                return Err(StoreError::Full);
            }
        }
        Ok(self.each(state, charges, false))
    }

    fn each(&self, state: &mut State, charges: &[Charge<'_>], charge: bool) -> Answer {
        let now = state.now;
        let (mut admitted, mut windows) = (true, Vec::new());
        for Charge { limit, key, cost } in charges {
            for window in limit.windows() {
                let fresh = || match limit.algorithm() {
                    Algorithm::Gcra => Cell::Tat(0),
                    Algorithm::Sliding => Cell::Log(Vec::new()),
                };
                let (mut unused, at) = (fresh(), (limit.algorithm(), window.period()));
                let cell = if charge {
                    state.keys.entry(*key).or_default().entry(at).or_insert_with(fresh)
                } else {
                    state.keys.get_mut(key).and_then(|cells| cells.get_mut(&at)).unwrap_or(&mut unused)
                };
                let wait = cell.state(window, now, *cost).wait;
                admitted &= wait.is_none();
                if charge && wait.is_none() {
                    cell.add(window, now, *cost);
                }
                windows.push(WindowState { wait, ..cell.state(window, now, *cost) });
            }
        }
        Answer { admitted, windows: windows.into_iter().collect() }
    }
}

impl Cell {
    fn is_full(&self, now: u64) -> bool {
        match self {
            Self::Tat(tat) => *tat <= now,
            Self::Log(log) => log.iter().all(|end| *end <= now),
        }
    }

    fn state(&self, window: &Window, now: u64, cost: u32) -> WindowState {
        match self {
            Self::Tat(tat) => Gcra::new(window).state(*tat, now, cost),
            Self::Log(log) => {
                let log: Vec<u64> = log.iter().copied().filter(|end| *end > now).collect();
                let limit = window.limit().get() as usize;
                let until = |end: Option<&u64>| end.map_or(0, |end| end - now);
                let excess = (log.len() + cost as usize).saturating_sub(limit);
                let wait = match cost {
                    0 => Wait::of_nanos(until(log.last())),
                    _ if cost as usize > limit => Wait::Never,
                    _ => Wait::of_nanos(if excess == 0 { 0 } else { until(log.get(excess - 1)) }),
                };
                let remaining = u32::try_from(limit.saturating_sub(log.len())).unwrap_or(u32::MAX);
                WindowState { remaining, full_in: Duration::from_nanos(until(log.last())), wait }
            }
        }
    }

    fn add(&mut self, window: &Window, now: u64, cost: u32) {
        match self {
            Self::Tat(tat) => *tat = Gcra::new(window).next(*tat, now, cost),
            Self::Log(log) => {
                log.retain(|end| *end > now);
                let end = now + u64::try_from(window.period().as_nanos()).unwrap_or(u64::MAX);
                log.extend(std::iter::repeat_n(end, cost as usize));
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    const TEN: NonZeroU32 = NonZeroU32::new(10).expect("ten");

    #[test]
    fn a_refusal_by_one_window_charges_none() {
        for algorithm in [Algorithm::Gcra, Algorithm::Sliding] {
            let five = NonZeroU32::new(5).expect("five");
            let limit = Limit::new(algorithm, [Window::per_minute(TEN), Window::per_hour(five)]).expect("a limit");
            let clock = FakeRelativeClock::default();
            let store = MemoryStore::with_clock(MemoryConfig::default(), clock.clone());
            let charge = [Charge { limit: &limit, key: Key([1, 2]), cost: 1 }];
            let admitted = (0..100).filter(|_| store.charge_now(&charge).expect("an answer").admitted).count();
            assert_eq!(admitted, 5);
            let answer = store.peek_now(&charge).expect("an answer");
            assert_eq!((answer.windows[0].remaining, answer.windows[1].remaining), (5, 0));
            let Wait::For(wait) = answer.wait() else { panic!("{answer:?}") };
            clock.advance(wait - Duration::from_nanos(1));
            assert!(!store.peek_now(&charge).expect("an answer").admitted);
            clock.advance(Duration::from_nanos(1));
            assert!(store.charge_now(&charge).expect("an answer").admitted);
        }
    }

    #[test]
    fn places_are_taken_and_given_back() {
        let clock = FakeRelativeClock::default();
        let store = MemoryStore::with_clock(MemoryConfig::default(), clock.clone());
        let acquire = || store.acquire_now(Key([1, 2]), NonZeroU32::MIN, Duration::from_secs(9)).expect("an answer");
        let lease = acquire().expect("a place");
        assert_eq!(acquire(), None);
        store.release_now(lease);
        assert!(acquire().is_some());
        clock.advance(Duration::from_secs(9));
        assert!(acquire().is_some());
    }
}
