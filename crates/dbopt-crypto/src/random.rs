//! Nonces: random numbers without a system call for each.
//!
//! A generator for each thread (ChaCha12, as the `rand` crate's own), seeded by the operating system, and anew after
//! every [`RESEED_BYTES`] and in a forked child, which would otherwise repeat its parent's nonces. Keys never come from
//! here: they are asked from the operating system directly.

use std::{
    cell::RefCell,
    sync::{
        Once,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use chacha20::{
    ChaCha12Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use zeroize::Zeroizing;

/// How much is drawn from one seed.
const RESEED_BYTES: usize = 64 * 1024;
const SEED_BYTES: usize = 32;

/// Why there is no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RandomError {
    /// The operating system gives none.
    #[error("the operating system gives no random bytes")]
    Unavailable,
    /// It gives the same bytes again.
    #[error("the operating system's random bytes repeat")]
    Repeating,
}

/// Fills bytes at random, or says why it cannot.
type Source = fn(&mut [u8]) -> Result<(), RandomError>;

/// Fills a nonce.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), RandomError> {
    thread_local! {
        static RANDOM: RefCell<Random<Source>> = const { RefCell::new(Random::new(system)) };
    }
    if !watches_forks() {
        return system(bytes);
    }
    // The generator is gone while the thread's own destructors run.
    RANDOM.try_with(|random| random.borrow_mut().fill(bytes)).unwrap_or_else(|_| system(bytes))
}

/// Fills a key.
pub(crate) fn system(bytes: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(bytes).map_err(|_| RandomError::Unavailable)
}

/// A generator over a source of seeds.
pub(crate) struct Random<S> {
    source: S,
    generator: Option<ChaCha12Rng>,
    /// Bytes that may still be drawn from this seed.
    left: usize,
    /// [`FORKS`] when the seed was drawn.
    forks: u64,
    last: [u8; SEED_BYTES],
}

impl<S: FnMut(&mut [u8]) -> Result<(), RandomError>> Random<S> {
    pub(crate) const fn new(source: S) -> Self {
        Self { source, generator: None, left: 0, forks: 0, last: [0; SEED_BYTES] }
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        let forks = FORKS.load(Ordering::Relaxed);
        if self.left < bytes.len() || self.forks != forks {
            // Whatever goes wrong below, the old seed is not used again.
            self.left = 0;
            self.generator = Some(self.seeded()?);
            (self.left, self.forks) = (RESEED_BYTES.max(bytes.len()), forks);
        }
        let generator = self.generator.as_mut().ok_or(RandomError::Unavailable)?;
        generator.fill_bytes(bytes);
        self.left -= bytes.len();
        Ok(())
    }

    /// Two draws have to differ from each other and from the last, which finds a source that is constant.
    fn seeded(&mut self) -> Result<ChaCha12Rng, RandomError> {
        let mut seeds = Zeroizing::new([0; 2 * SEED_BYTES]);
        (self.source)(&mut seeds[..])?;
        let (seed, other) = seeds.split_at(SEED_BYTES);
        if seed == other || other == self.last {
            return Err(RandomError::Repeating);
        }
        self.last.copy_from_slice(other);
        let seed = Zeroizing::new(<[u8; SEED_BYTES]>::try_from(seed).map_err(|_| RandomError::Unavailable)?);
        Ok(ChaCha12Rng::from_seed(*seed))
    }
}

/// How often this process is the child of a fork since the handler was set.
static FORKS: AtomicU64 = AtomicU64::new(0);

extern "C" fn after_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Whether forks are noticed from here on. A raw `clone` system call is not; nothing but a system call for each nonce
/// would notice that.
fn watches_forks() -> bool {
    static SET: Once = Once::new();
    static WATCHES: AtomicBool = AtomicBool::new(false);
    SET.call_once(|| {
        #[expect(unsafe_code, reason = "the one way to hear of forks; the handler only adds to an atomic number")]
        // SAFETY: the handler is an `extern "C"` function that lives for ever and is async-signal-safe.
        let code = unsafe { libc::pthread_atfork(None, None, Some(after_fork)) };
        WATCHES.store(code == 0, Ordering::Relaxed);
    });
    WATCHES.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_differ_within_and_between_threads() {
        let draw = || {
            (0..5_000).map(|_| {
                let mut nonce = [0; 24];
                fill(&mut nonce).expect("random bytes");
                nonce
            })
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(move || draw().collect::<Vec<_>>())).collect();
        let all: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect();
        assert_eq!(all.len(), 20_000);
    }

    #[test]
    fn a_seed_serves_so_many_bytes() {
        let mut seeds = 0u8;
        let mut random = Random::new(|bytes: &mut [u8]| {
            seeds += 1;
            bytes.iter_mut().zip(0u8..).for_each(|(byte, at)| *byte = at ^ seeds);
            Ok(())
        });
        for _ in 0..=RESEED_BYTES / 1_024 {
            random.fill(&mut [0; 1_024]).expect("random bytes");
        }
        assert_eq!(seeds, 2);
    }

    #[test]
    fn a_source_that_fails_or_repeats_is_an_error() {
        let mut nonce = [7; 24];
        assert_eq!(
            Random::new(|_: &mut [u8]| Err(RandomError::Unavailable)).fill(&mut nonce),
            Err(RandomError::Unavailable)
        );
        assert_eq!(Random::new(|_: &mut [u8]| Ok(())).fill(&mut nonce), Err(RandomError::Repeating));
        // One that repeats later, as a machine does that is restored twice from one snapshot within a process.
        let mut again = Random::new(|bytes: &mut [u8]| {
            bytes.iter_mut().zip(0u8..).for_each(|(byte, at)| *byte = at);
            Ok(())
        });
        again.fill(&mut nonce).expect("the first seed is good");
        again.left = 0;
        assert_eq!(again.fill(&mut nonce), Err(RandomError::Repeating));
        assert_eq!(again.fill(&mut nonce), Err(RandomError::Repeating), "the old seed is not used again");
    }

    /// The child of a fork draws other numbers than its parent. The standard library forks for a command that has
    /// something to do before it is run.
    #[test]
    fn a_forked_child_does_not_repeat() {
        use std::{io::Read as _, io::Write as _, os::unix::net::UnixStream, os::unix::process::CommandExt as _};
        let draw = || {
            let mut nonce = [0; 24];
            fill(&mut nonce).map(|()| nonce)
        };
        draw().expect("a generator that is seeded");
        let (mut ours, mut theirs) = UnixStream::pair().expect("sockets");
        let mut command = std::process::Command::new("true");
        #[expect(unsafe_code, reason = "the only way to run something in a forked child")]
        // SAFETY: the closure draws from a generator without a lock, and writes to a socket.
        unsafe {
            command.pre_exec(move || theirs.write_all(&draw().map_err(std::io::Error::other)?));
        }
        assert!(command.status().expect("a child").success());
        drop(command);
        let mut childs = [0; 24];
        ours.read_exact(&mut childs).expect("the child's number");
        assert_ne!(childs, draw().expect("a number"));
    }
}
