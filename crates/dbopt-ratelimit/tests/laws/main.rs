//! Laws of the limits and of the store in memory, by governor's clock that tests move.

#[cfg(not(dbopt_loom))]
mod algorithms;
#[cfg(not(dbopt_loom))]
mod model;
#[cfg(not(dbopt_loom))]
mod store;

#[cfg(not(dbopt_loom))]
mod common {
    use std::{num::NonZeroU32, time::Duration};

    use dbopt_ratelimit::{Algorithm, Answer, Charge, Key, Limit, MemoryConfig, MemoryStore, Window};
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    pub(crate) const KEY: Key = Key([7, 7]);

    pub(crate) fn store() -> (MemoryStore<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (MemoryStore::with_clock(MemoryConfig::default(), clock.clone()), clock)
    }

    pub(crate) fn charge(store: &MemoryStore<FakeRelativeClock>, limit: &Limit, key: Key, cost: u32) -> Answer {
        store.charge_now(&[Charge { limit, key, cost }]).expect("memory answers")
    }

    pub(crate) fn window(limit: u32, period: Duration) -> Window {
        Window::new(NonZeroU32::new(limit).expect("above zero"), period).expect("a period")
    }

    /// Limits whose windows have some of few periods, so that they often share one.
    pub(crate) fn limits() -> impl Strategy<Value = Limit> {
        let window = (0_usize..5, 1_u32..400, 1_u32..400);
        (any::<bool>(), prop::collection::vec(window, 1..5)).prop_map(|(sliding, windows)| {
            let algorithm = if sliding { Algorithm::Sliding } else { Algorithm::Gcra };
            let mut windows: Vec<Window> = windows
                .into_iter()
                .map(|(period, limit, burst)| {
                    let window = self::window(limit, [1, 7, 60, 1_000, 3_600_000].map(Duration::from_millis)[period]);
                    if sliding { window } else { window.burst_of(NonZeroU32::new(burst).expect("above zero")) }
                })
                .collect();
            windows.sort_by_key(Window::period);
            windows.dedup_by_key(|window| window.period());
            Limit::new(algorithm, windows).expect("a limit")
        })
    }
}
