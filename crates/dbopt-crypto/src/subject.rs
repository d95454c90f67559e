//! A key for each person: erasing it erases all that was sealed with it, in every table at once.
//!
//! A subject's key is wrapped by a ring of keys and kept wherever the program keeps such things, as a column of type `bytea` of the
//! table of persons, say. Erasing a person is then deleting a few bytes. Copies of them remain for a while, in backups and in what
//! replicas have not removed yet. To be rid of those, too, rotate the ring, wrap the keys of all who are left anew
//! ([`SubjectKeys::rewrapped`]), and destroy the ring's old key: what is wrapped by it is worth nothing from then on.
//!
//! ```
//! use dbopt_crypto::{Algorithm, Cell, DataKey, KeyNumber, KeyRing, SubjectKeys};
//!
//! let ring = KeyRing::new().with(KeyNumber::FIRST, Algorithm::default(), true, &DataKey::random()?)?;
//! let subjects = SubjectKeys::default();
//! let wrapped = subjects.make(&ring, "customer 42", KeyNumber::FIRST)?; // To be kept beside the customer.
//! let own = subjects.open(&ring, "customer 42", &wrapped)?;
//! let cell = Cell::new("public.visit", "note", &["7"]);
//! let sealed = own.seal(&cell, b"allergic to nuts")?;
//! assert_eq!(own.open(&cell, &sealed)?.as_slice(), b"allergic to nuts");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    fmt,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use crate::{Algorithm, Cell, DataKey, KeyNumber, KeyRing, OpenError, RandomError, SealError, cache::Cache};

/// Makes, unwraps and keeps the keys of subjects, at most so many, each for at most so long.
///
/// A key that is kept opens values of its subject for as long, even when the ring's key is gone; but only for who
/// has its wrapped form still. So with that deleted, nothing opens, in this process or another.
pub struct SubjectKeys {
    cache: Cache<String, Unwrapped>,
}

#[derive(Clone)]
struct Unwrapped {
    wrapped: Arc<[u8]>,
    ring: Arc<KeyRing>,
}

/// Why no key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// There are no random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The key was not wrapped.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key to be wrapped anew does not unwrap.
    #[error(transparent)]
    Open(#[from] OpenError),
}

const NUMBER_BYTES: usize = 4;

/// The ring of what a wrapped key holds: algorithm, number, key.
fn unpack(bytes: &[u8]) -> Option<KeyRing> {
    let (algorithm, rest) = bytes.split_first()?;
    let (number, key) = rest.split_first_chunk::<NUMBER_BYTES>()?;
    let number = KeyNumber::new(u32::from_be_bytes(*number))?;
    Some(KeyRing::of_subject(number, Algorithm::from_byte(*algorithm)?, &DataKey::from_bytes(key)?))
}

/// The place of a wrapped key; no table has such a name in SQL without quotes.
fn cell<'a>(subject: &'a [&'a str]) -> Cell<'a> {
    Cell::new("dbopt subject key", "v1", subject)
}

impl SubjectKeys {
    /// Keys that are kept, when nothing else is said.
    pub const MOST: NonZeroUsize = NonZeroUsize::new(10_000).expect("above zero");
    /// How long a key is kept, when nothing else is said.
    pub const LIFETIME: Duration = Duration::from_secs(60);

    /// Keeps at most so many keys, each for at most so long.
    #[must_use]
    pub fn new(most: NonZeroUsize, lifetime: Duration) -> Self {
        Self { cache: Cache::new(most, lifetime) }
    }

    /// Makes the key of a subject, and gives it wrapped. The subject's name is bound to it, and so is the number, by which sealed
    /// values name it. With a number that no other subject has ever had, a value tells whether its key is still there.
    ///
    /// Keep the first and only that one: `INSERT … ON CONFLICT DO NOTHING`, then read what is there.
    pub fn make(&self, ring: &KeyRing, subject: &str, number: KeyNumber) -> Result<Vec<u8>, SubjectError> {
        let (_, algorithm, _) = ring.sealing()?;
        // No growing, which would leave a copy behind.
        let mut key = Zeroizing::new(Vec::with_capacity(1 + NUMBER_BYTES + DataKey::BYTES));
        key.push(algorithm.byte());
        key.extend_from_slice(&number.get().to_be_bytes());
        key.extend_from_slice(DataKey::random()?.bytes());
        Ok(ring.seal(&cell(&[subject]), &key)?)
    }

    /// The subject's own ring, which seals and opens its values by the algorithm that was the ring's when it was made.
    pub fn open(&self, ring: &KeyRing, subject: &str, wrapped: &[u8]) -> Result<Arc<KeyRing>, OpenError> {
        self.open_at(ring, subject, wrapped, Instant::now())
    }

    fn open_at(&self, ring: &KeyRing, subject: &str, wrapped: &[u8], now: Instant) -> Result<Arc<KeyRing>, OpenError> {
        if let Some(kept) = self.cache.get(subject, now)
            && *kept.wrapped == *wrapped
        {
            return Ok(kept.ring);
        }
        let key = ring.open(&cell(&[subject]), wrapped)?;
        let own = Arc::new(unpack(&key).ok_or(OpenError::Rejected)?);
        self.cache.insert(subject.to_owned(), Unwrapped { wrapped: wrapped.into(), ring: own.clone() }, now);
        Ok(own)
    }

    /// A subject's key wrapped by the ring's active key; none when it is already. Its values
    /// are not touched.
    pub fn rewrapped(&self, ring: &KeyRing, subject: &str, wrapped: &[u8]) -> Result<Option<Vec<u8>>, SubjectError> {
        if !ring.is_stale(wrapped).map_err(OpenError::from)? {
            return Ok(None);
        }
        let key = ring.open(&cell(&[subject]), wrapped)?;
        Ok(Some(ring.seal(&cell(&[subject]), &key)?))
    }

    /// Wipes all keys that are kept, as far as nobody uses them.
    pub fn forget(&self) {
        self.cache.clear();
    }
}

impl Default for SubjectKeys {
    fn default() -> Self {
        Self::new(Self::MOST, Self::LIFETIME)
    }
}

impl fmt::Debug for SubjectKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: Cell<'static> = Cell::new("public.visit", "note", &["7"]);
    const MAIL: Cell<'static> = Cell::new("public.customer", "email", &["42"]);
    const TWO: KeyNumber = KeyNumber::new(2).expect("above zero");

    fn key(byte: u8) -> DataKey {
        DataKey::from_bytes(&[byte; 32]).expect("32 bytes")
    }

    fn ring() -> KeyRing {
        KeyRing::new().with(KeyNumber::FIRST, Algorithm::Aes256Gcm, true, &key(1)).expect("a ring")
    }

    #[test]
    fn without_its_key_nothing_of_a_subject_opens() {
        let (ring, subjects) = (ring(), SubjectKeys::default());
        let wrapped = subjects.make(&ring, "42", KeyNumber::FIRST).expect("a key");
        let own = subjects.open(&ring, "42", &wrapped).expect("a ring");
        let (note, mail) = (own.seal(&NOTE, b"nuts").expect("sealed"), own.seal(&MAIL, b"jo").expect("sealed"));
        assert_eq!(own.open(&NOTE, &note).expect("opened").as_slice(), b"nuts");
        drop((own, wrapped));
        // The key is erased. A new one for the same subject, another subject's, and the ring itself open nothing.
        let again = subjects.make(&ring, "42", KeyNumber::FIRST).expect("a key");
        let other = subjects.make(&ring, "43", KeyNumber::FIRST).expect("a key");
        for (cell, sealed) in [(NOTE, note), (MAIL, mail)] {
            for (subject, wrapped) in [("42", &again), ("43", &other)] {
                let own = subjects.open(&ring, subject, wrapped).expect("a ring");
                assert_eq!(own.open(&cell, &sealed), Err(OpenError::Rejected));
            }
            assert_eq!(ring.open(&cell, &sealed), Err(OpenError::WrongOwner));
            let mut passed_off = sealed.clone();
            passed_off[0] = 1;
            assert_eq!(ring.open(&cell, &passed_off), Err(OpenError::Rejected));
        }
        assert!(matches!(subjects.open(&ring, "42", &other), Err(OpenError::Rejected)), "a key of another subject");
    }

    #[test]
    fn what_backups_hold_ends_with_the_key_that_wrapped_it() {
        let subjects = SubjectKeys::default();
        let (erased, left) =
            (subjects.make(&ring(), "1", TWO).expect("a key"), subjects.make(&ring(), "2", TWO).expect("a key"));
        let sealed = subjects.open(&ring(), "2", &left).expect("a ring").seal(&NOTE, b"nuts").expect("sealed");
        let both = KeyRing::new()
            .with(KeyNumber::FIRST, Algorithm::Aes256Gcm, false, &key(1))
            .and_then(|ring| ring.with(TWO, Algorithm::XChaCha20Poly1305, true, &key(2)))
            .expect("a ring");
        let new = subjects.rewrapped(&both, "2", &left).expect("wrapped").expect("it was under the old key");
        assert_eq!(subjects.rewrapped(&both, "2", &new), Ok(None));
        let destroyed = KeyRing::new()
            .with_destroyed(KeyNumber::FIRST, Algorithm::Aes256Gcm)
            .and_then(|ring| ring.with(TWO, Algorithm::XChaCha20Poly1305, true, &key(2)))
            .expect("a ring");
        subjects.forget();
        let own = subjects.open(&destroyed, "2", &new).expect("a ring");
        assert_eq!(own.open(&NOTE, &sealed).expect("opened").as_slice(), b"nuts");
        for gone in [("1", &erased), ("2", &left)] {
            let error = subjects.open(&destroyed, gone.0, gone.1).err();
            assert_eq!(error, Some(OpenError::DestroyedKey(KeyNumber::FIRST)));
        }
    }

    #[test]
    fn keys_are_kept_for_a_while() {
        let subjects = SubjectKeys::default();
        let wrapped = subjects.make(&ring(), "42", TWO).expect("a key");
        let (empty, start) = (KeyRing::new(), Instant::now());
        subjects.open_at(&ring(), "42", &wrapped, start).expect("a ring");
        subjects.open_at(&empty, "42", &wrapped, start).expect("it is kept");
        let mut changed = wrapped.clone();
        changed[40] ^= 1;
        assert!(subjects.open_at(&empty, "42", &changed, start).is_err(), "not without the wrapped key");
        assert!(subjects.open_at(&empty, "42", &wrapped, start + SubjectKeys::LIFETIME).is_err(), "its time is over");
    }
}
