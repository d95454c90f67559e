//! The lock and the counter of the store, or loom's models of them (<https://docs.rs/loom>).

#[cfg(dbopt_loom)]
pub(super) use self::model::*;
#[cfg(not(dbopt_loom))]
pub(super) use self::real::*;

#[cfg(not(dbopt_loom))]
mod real {
    pub(in crate::memory) use std::sync::atomic::AtomicUsize;

    use spinning_top::{RawSpinlock, lock_api, relax::Relax};

    /// A lock that is let go by a mere store, so that an uncontended one costs half of what a mutex does. It is held for some
    /// tens of nanoseconds, and for some tens of microseconds when a table grows.
    pub(in crate::memory) type Mutex<T> = lock_api::Mutex<RawSpinlock<Patience>, T>;
    pub(in crate::memory) type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawSpinlock<Patience>, T>;

    /// Spins for a moment and then lets other threads run, since one of them may hold the lock and wait for the processor.
    #[derive(Debug, Default)]
    pub(in crate::memory) struct Patience {
        tries: u8,
    }

    impl Relax for Patience {
        #[inline]
        fn relax(&mut self) {
            if self.tries < 64 {
                self.tries += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

#[cfg(dbopt_loom)]
mod model {
    pub(in crate::memory) use loom::sync::{MutexGuard, atomic::AtomicUsize};

    /// loom's mutex, without its poisoning.
    #[derive(Debug)]
    pub(in crate::memory) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(in crate::memory) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(in crate::memory) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no thread panics with the lock")
        }
    }
}
