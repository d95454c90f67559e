//! Whether the store is worth asking.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Remembers that a store did not answer, so that not every request waits for its timeout: after a failure it is left alone for a
/// while, and then the next requests ask it again.
#[derive(Debug)]
pub(super) struct Health {
    /// In nanoseconds.
    retry: u64,
    /// When to ask again; 0 when it answers.
    ask_again: AtomicU64,
    /// What it last said when it did not.
    error: Mutex<Arc<str>>,
    /// When it was last told that the store is full, plus one; 0 for never.
    told_full: AtomicU64,
}

/// How often it is told that a store is full, in nanoseconds.
const FULL_EVERY: u64 = 10_000_000_000;

impl Health {
    pub(super) fn new(retry: Duration) -> Self {
        let retry = u64::try_from(retry.as_nanos()).unwrap_or(u64::MAX);
        Self { retry, ask_again: AtomicU64::new(0), error: Mutex::new("".into()), told_full: AtomicU64::new(0) }
    }

    pub(super) fn may_ask(&self, now: u64) -> bool {
        now >= self.ask_again.load(Relaxed)
    }

    pub(super) fn failed(&self, now: u64, error: Arc<str>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        self.ask_again.store(now.saturating_add(self.retry), Relaxed);
    }

    /// Why the store is left alone.
    pub(super) fn error(&self) -> Arc<str> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn answered(&self) {
        // Reading is cheaper for all the threads that find it zero.
        if self.ask_again.load(Relaxed) != 0 {
            self.ask_again.store(0, Relaxed);
        }
    }

    /// Whether it is time to tell that the store is full.
    pub(super) fn tell_full(&self, now: u64) -> bool {
        let told = self.told_full.load(Relaxed);
        let due = told == 0 || now >= (told - 1).saturating_add(FULL_EVERY);
        due && self.told_full.compare_exchange(told, now.saturating_add(1), Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_remembered_for_a_while() {
        let health = Health::new(Duration::from_nanos(10));
        assert!(health.may_ask(0));
        health.failed(5, "gone".into());
        assert_eq!(&*health.error(), "gone");
        assert_eq!([5, 14, 15].map(|now| health.may_ask(now)), [false, false, true]);
        health.answered();
        assert!(health.may_ask(5));
    }

    #[test]
    fn fullness_is_told_now_and_then() {
        let health = Health::new(Duration::ZERO);
        assert_eq!(
            [0, 1, FULL_EVERY - 1, FULL_EVERY, FULL_EVERY + 1].map(|now| health.tell_full(now)),
            [true, false, false, true, false]
        );
    }
}
