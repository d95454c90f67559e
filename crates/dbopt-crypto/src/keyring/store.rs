//! The keys of a ring, for a service.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{FileError, Keyring, KeyringError, KeyringFile};
use crate::{Key, KeyId, KeyNumber, KeyProvider, KeyRing, SubjectKeys, cache::Cache};

/// Gives the keys of a ring's file, unwrapped, and keeps them for a while.
///
/// After [`KeyStore::LIFETIME`], or another time, the file is read and the provider asked anew: a rotated key is in use by then, and one
/// that the key service no longer gives is gone. Ask for the ring with each request rather than keep it.
///
/// Reading a file and asking a provider block; from a runtime, ask for each purpose once at the start.
pub struct KeyStore {
    file: KeyringFile,
    provider: Box<dyn KeyProvider>,
    rings: Cache<KeyId, Cached>,
    subjects: SubjectKeys,
    /// How long after the file was read it may be read again for a key that is not there.
    rest: Duration,
}

#[derive(Clone)]
struct Cached {
    ring: Arc<KeyRing>,
    read: Instant,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file was not read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The ring does not give them.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A blind index is to have terms of no bits, or of more than there are.
    #[error("index `{index}` cannot have terms of {bits} bits")]
    Bits {
        /// The column of the terms.
        index: String,
        /// The bits.
        bits: u16,
    },
}

impl KeyStore {
    /// How long keys are kept, when nothing else is said.
    pub const LIFETIME: Duration = Duration::from_secs(5 * 60);
    /// Purposes whose keys are kept. A policy has a few; whatever is beyond is unwrapped each time.
    pub const MOST_PURPOSES: NonZeroUsize = NonZeroUsize::new(64).expect("above zero");

    /// The keys of a file, which is read when they are asked for.
    #[must_use]
    pub fn new(file: KeyringFile, provider: Box<dyn KeyProvider>) -> Self {
        Self::with_lifetime(file, provider, Self::LIFETIME)
    }

    /// The same, kept for another time.
    #[must_use]
    pub fn with_lifetime(file: KeyringFile, provider: Box<dyn KeyProvider>, lifetime: Duration) -> Self {
        let rings = Cache::new(Self::MOST_PURPOSES, lifetime);
        Self { file, provider, rings, subjects: SubjectKeys::default(), rest: Duration::from_secs(1) }
    }

    /// The ring as it stands in the file.
    pub fn keyring(&self) -> Result<Keyring, FileError> {
        self.file.read()
    }

    /// The keys that encrypt for a purpose.
    pub fn ring(&self, purpose: &KeyId) -> Result<Arc<KeyRing>, StoreError> {
        self.ring_at(purpose, |_| true, Instant::now())
    }

    /// The keys that encrypt for a purpose, with the key of a number among them when there is one: after a rotation,
    /// another process may have sealed with a key that this one has not read yet. For that the file is read at most once a second.
    pub fn ring_with(&self, purpose: &KeyId, number: KeyNumber) -> Result<Arc<KeyRing>, StoreError> {
        self.ring_at(purpose, |ring| ring.keys().any(|(known, ..)| known == number), Instant::now())
    }

    fn ring_at(
        &self,
        purpose: &KeyId,
        is_good: impl Fn(&KeyRing) -> bool,
        now: Instant,
    ) -> Result<Arc<KeyRing>, StoreError> {
        if let Some(Cached { ring, read }) = self.rings.get(purpose, now)
            && (is_good(&ring) || now.saturating_duration_since(read) < self.rest)
        {
            return Ok(ring);
        }
        let ring = Arc::new(self.file.read()?.ring(purpose, &*self.provider)?);
        self.rings.insert(purpose.clone(), Cached { ring: ring.clone(), read: now }, now);
        Ok(ring)
    }

    /// The key for blind indexes of a purpose, of one generation. It is not kept here, but by the indexes.
    pub fn index_key(&self, purpose: &KeyId, generation: u32) -> Result<Key, StoreError> {
        Ok(self.file.read()?.index_key(purpose, generation, &*self.provider)?)
    }

    /// Keys of subjects that were unwrapped lately, of all purposes.
    #[must_use]
    pub const fn subjects(&self) -> &SubjectKeys {
        &self.subjects
    }

    /// Wipes all keys that are kept, as far as nobody uses them. The next request reads the file anew.
    pub fn forget(&self) {
        self.rings.clear();
        self.subjects.forget();
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyStore({})", self.file.path().display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Algorithm, Cell, KeyKind, NewKey, ServiceProvider, StandIn,
        keyring::change::tests::{at, id},
    };

    const SECOND: Duration = Duration::from_secs(1);
    const CELL: Cell<'static> = Cell::new("public.customer", "email", &["42"]);
    const KIND: KeyKind = KeyKind::Encrypt(Algorithm::XChaCha20Poly1305);

    #[test]
    fn keys_are_kept_for_a_while_and_changes_are_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = KeyringFile::new(folder.path().join("shop.keys"));
        let service = StandIn::new().expect("a key");
        let provider = || ServiceProvider::new(id("kms-1"), service.clone());
        let make = |ring: &Keyring| NewKey::make(ring.place(id("customer"), KIND), &provider()).expect("a key");
        let first = Keyring::new(id("shop"));
        let first = first.with_new(make(&first), at(0)).expect("changed");
        let locked = file.lock().expect("locked");
        locked.create(&first).expect("written");

        let store = KeyStore::with_lifetime(file.clone(), Box::new(provider()), 60 * SECOND);
        let start = Instant::now();
        let ring = |at: Instant| store.ring_at(&id("customer"), |_| true, at);
        let one = ring(start).expect("a ring").active();
        service.set_available(false);
        assert_eq!(ring(start + 59 * SECOND).expect("it is kept").active(), one);
        ring(start + 60 * SECOND).expect_err("the service is away, and the time is over");
        service.set_available(true);

        let second = first.rotated(make(&first), at(1)).expect("changed");
        ring(start).expect("a ring");
        locked.replace(&second).expect("written");
        let sealed = second.ring(&id("customer"), &provider()).expect("a ring").seal(&CELL, b"new").expect("sealed");
        let number = crate::Envelope::parse(&sealed).expect("sealed").key;
        let has = |ring: &KeyRing| ring.keys().any(|(known, ..)| known == number);
        let with = |at: Instant| store.ring_at(&id("customer"), has, at).expect("a ring");
        assert_eq!(ring(start + SECOND).expect("a ring").active(), one, "the old one is kept");
        assert!(with(start).open(&CELL, &sealed).is_err(), "not twice in a second");
        assert!(with(start + SECOND).open(&CELL, &sealed).is_ok());
        store.forget();
        assert_eq!(store.ring(&id("customer")).expect("a ring").active(), Some(number));
    }
}
