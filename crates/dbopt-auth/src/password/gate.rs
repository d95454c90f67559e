//! How many hashes run at once, and the memory that they run in.
//!
//! Each hash takes megabytes and all of a processor, so that requests without a bound would be the shortest way to take a service
//! down. So many run, so many more wait, each for so long, and the rest is told at once that there is no place.
//!
//! Memory is kept for the next hash, because most of a hash's time could otherwise go into the operating system's giving it
//! out page by page; it is wiped after each, because it is derived from the password.

use std::{
    num::NonZeroUsize,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use argon2::Block;
use zeroize::Zeroize as _;

/// The gate before the hashes.
pub(super) struct Gate {
    at_once: usize,
    waiting: usize,
    patience: Duration,
    /// Blocks of memory that are kept from one hash to the next.
    kept: usize,
    inside: Mutex<Inside>,
    left: Condvar,
}

#[derive(Default)]
struct Inside {
    running: usize,
    waiting: usize,
    /// Wiped.
    free: Vec<Vec<Block>>,
}

/// There is no place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Gate {
    pub(super) fn new(at_once: NonZeroUsize, waiting: usize, patience: Duration, kept: usize) -> Self {
        Self { at_once: at_once.get(), waiting, patience, kept, inside: Mutex::default(), left: Condvar::new() }
    }

    /// Takes a place, after waiting for one if there has to be.
    pub(super) fn enter(&self) -> Result<Place<'_>, Full> {
        let mut inside = self.lock();
        if inside.running >= self.at_once {
            if inside.waiting >= self.waiting {
                return Err(Full);
            }
            inside.waiting += 1;
            let until = Instant::now() + self.patience;
            while inside.running >= self.at_once {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    inside.waiting -= 1;
                    return Err(Full);
                }
                inside = self.left.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            inside.waiting -= 1;
        }
        inside.running += 1;
        let memory = inside.free.pop().unwrap_or_default();
        Ok(Place { gate: self, memory })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Nothing is half done while it is held.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, which is left by dropping it.
pub(super) struct Place<'a> {
    gate: &'a Gate,
    memory: Vec<Block>,
}

impl Place<'_> {
    /// So many blocks of memory, with anything in them.
    pub(super) fn memory(&mut self, blocks: usize) -> &mut [Block] {
        if self.memory.len() < blocks {
            // Growing would leave a copy behind.
            self.memory.iter_mut().for_each(Block::zeroize);
            self.memory = vec![Block::new(); blocks];
        }
        &mut self.memory[..blocks]
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut memory = std::mem::take(&mut self.memory);
        memory.iter_mut().for_each(Block::zeroize);
        let mut inside = self.gate.lock();
        inside.running -= 1;
        // What a hash of another policy needed is given back.
        if memory.len() == self.gate.kept {
            inside.free.push(memory);
        }
        drop(inside);
        self.gate.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn gate(at_once: usize, waiting: usize, patience: Duration) -> Gate {
        Gate::new(NonZeroUsize::new(at_once).expect("above zero"), waiting, patience, 8)
    }

    #[test]
    fn so_many_run_so_many_wait_and_the_rest_is_refused() {
        let gate = gate(2, 1, Duration::from_secs(60));
        let first = gate.enter().expect("a place");
        let _second = gate.enter().expect("a place");
        std::thread::scope(|threads| {
            let waits = threads.spawn(|| gate.enter().map(drop));
            while gate.lock().waiting == 0 {
                std::thread::yield_now();
            }
            assert_eq!(gate.enter().err(), Some(Full), "one waits already");
            drop(first);
            assert_eq!(waits.join().expect("a thread"), Ok(()));
        });
    }

    #[test]
    fn whoever_waits_too_long_is_refused() {
        let gate = gate(1, 1, Duration::from_millis(10));
        let place = gate.enter().expect("a place");
        assert_eq!(gate.enter().err(), Some(Full));
        assert_eq!(gate.lock().waiting, 0);
        drop(place);
        assert!(gate.enter().is_ok());
    }

    #[test]
    fn never_more_than_that_run_at_once() {
        let gate = gate(3, 64, Duration::from_secs(60));
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|threads| {
            for _ in 0..16 {
                threads.spawn(|| {
                    for _ in 0..50 {
                        let _place = gate.enter().expect("a place");
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        assert_eq!(gate.lock().running, 0);
    }

    /// Also when a hash panics in the middle.
    #[test]
    fn memory_is_wiped_and_reused() {
        let gate = gate(1, 0, Duration::ZERO);
        let used = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut place = gate.enter().expect("a place");
            place.memory(8).iter_mut().for_each(|block| block.as_mut().fill(7));
            std::panic::resume_unwind(Box::new("in the middle"));
        }));
        assert!(used.is_err());
        let mut place = gate.enter().expect("a place");
        assert_eq!(place.memory.len(), 8, "the memory is the one from before");
        assert!(place.memory(8).iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
        // More than is kept is given back.
        place.memory(9);
        drop(place);
        assert!(gate.lock().free.is_empty());
    }
}
