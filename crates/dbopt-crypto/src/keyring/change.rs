//! How keys follow each other: from one ring to the next, without touching a file, a clock or a key.

use jiff::Timestamp;

use super::{Keyring, KeyringEntry};
use crate::{
    Binding, DataKey, KeyId, KeyKind, KeyNumber, KeyProvider, KeyState, ProviderError, RandomError, WrappedKey,
};

/// A key that was made for a place of a ring, wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    binding: Binding,
    wrapped: WrappedKey,
}

/// Why a ring is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// A new purpose has keys already.
    #[error("purpose `{0}` has keys already")]
    HasKeys(KeyId),
    /// Nothing is to be rotated.
    #[error("purpose `{0}` has no keys")]
    NoKeys(KeyId),
    /// A key that encrypts cannot follow one of an index, or the reverse.
    #[error("keys of purpose `{0}` are of another kind")]
    Kind(KeyId),
    /// There is no such key.
    #[error("the key ring has no key {0}")]
    NoKey(KeyNumber),
    /// A key is not in the state that the change starts from.
    #[error("key {number} is {} already", .state.name())]
    State {
        /// Its number.
        number: KeyNumber,
        /// What it is.
        state: KeyState,
    },
    /// An active key is not destroyed.
    #[error("key {0} is active")]
    Active(KeyNumber),
    /// The new key was made for another place: the ring has changed meanwhile.
    #[error("the key was made for an older state of the key ring")]
    Stale,
    /// Numbers, generations or room are used up.
    #[error("the key ring takes no more keys of this purpose")]
    Full,
}

impl ChangeError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::HasKeys(_) => Some("rotate it to get a new key"),
            Self::NoKeys(_) => Some("make a new key for it first"),
            Self::Active(_) => Some("rotate its purpose or retire the key, and seal its values anew first"),
            _ => None,
        }
    }
}

/// Why a new key was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// There are no random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// It was not wrapped.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl NewKey {
    /// Makes a key for a place, see [`Keyring::place`], from the operating system's random bytes.
    pub fn make(binding: Binding, provider: &dyn KeyProvider) -> Result<Self, MakeError> {
        let wrapped = provider.wrap(&binding, &DataKey::random()?)?;
        Ok(Self { binding, wrapped })
    }
}

impl Keyring {
    /// Most generations of index keys: their number is a byte of each term.
    pub const MOST_GENERATIONS: u32 = 255;

    /// The place that the next key has.
    #[must_use]
    pub fn place(&self, purpose: KeyId, kind: KeyKind) -> Binding {
        Binding { keyring: self.name.clone(), purpose, kind, number: self.next }
    }

    /// The ring with the first key of a purpose, active.
    pub fn with_new(&self, key: NewKey, now: Timestamp) -> Result<Self, ChangeError> {
        match self.newest(&key.binding.purpose) {
            Some(_) => Err(ChangeError::HasKeys(key.binding.purpose)),
            None => self.with(key, now),
        }
    }

    /// The ring with a new active key of a purpose; the one that was is retired, and opens what it has sealed.
    pub fn rotated(&self, key: NewKey, now: Timestamp) -> Result<Self, ChangeError> {
        match self.newest(&key.binding.purpose) {
            None => Err(ChangeError::NoKeys(key.binding.purpose)),
            Some(entry) if !entry.kind.is_like(key.binding.kind) => Err(ChangeError::Kind(key.binding.purpose)),
            Some(_) => self.with(key, now),
        }
    }

    fn with(&self, key: NewKey, now: Timestamp) -> Result<Self, ChangeError> {
        let NewKey { binding: Binding { keyring, purpose, kind, number }, wrapped } = key;
        if keyring != self.name || number != self.next {
            return Err(ChangeError::Stale);
        }
        let generation = self.newest(&purpose).map_or(0, |entry| entry.generation) + 1;
        let is_last = kind == KeyKind::Index && generation > Self::MOST_GENERATIONS;
        let next = number.next().filter(|_| !is_last && self.entries.len() < Self::MOST_KEYS);
        let mut ring = self.clone();
        ring.next = next.ok_or(ChangeError::Full)?;
        for entry in ring.entries.iter_mut().filter(|entry| entry.purpose == purpose) {
            entry.retired = entry.retired.or(Some(now));
        }
        let (retired, destroyed) = (None, None);
        let wrapped = Some(wrapped);
        ring.entries.push(KeyringEntry {
            number,
            purpose,
            kind,
            generation,
            created: now,
            retired,
            destroyed,
            wrapped,
        });
        Ok(ring)
    }

    /// The ring with an active key retired and none in its place: nothing of its purpose is sealed any more.
    pub fn with_retired(&self, number: KeyNumber, now: Timestamp) -> Result<Self, ChangeError> {
        self.changed(number, |entry| match entry.state() {
            KeyState::Active => {
                entry.retired = Some(now);
                Ok(())
            }
            state => Err(ChangeError::State { number, state }),
        })
    }

    /// The ring without a retired key. What it has sealed is lost for good, wherever no copy of the old ring is left.
    pub fn with_destroyed(&self, number: KeyNumber, now: Timestamp) -> Result<Self, ChangeError> {
        self.changed(number, |entry| match entry.state() {
            KeyState::Active => Err(ChangeError::Active(number)),
            KeyState::Retired => {
                (entry.destroyed, entry.wrapped) = (Some(now), None);
                Ok(())
            }
            state => Err(ChangeError::State { number, state }),
        })
    }

    /// The ring with all keys wrapped by the provider's current key-encryption key, and how many were not yet.
    pub fn rewrapped(&self, provider: &dyn KeyProvider) -> Result<(Self, usize), super::KeyringError> {
        let mut ring = self.clone();
        let mut count = 0;
        for (at, entry) in self.entries.iter().enumerate() {
            if entry.wrapped.as_ref().is_none_or(|wrapped| wrapped.kek() == provider.current()) {
                continue;
            }
            if let Some(key) = self.unwrapped(entry, provider)? {
                let wrapped = provider.wrap(&self.binding(entry), &key);
                let failed = |error| super::KeyringError::Unwrap { number: entry.number, error };
                ring.entries[at].wrapped = Some(wrapped.map_err(failed)?);
                count += 1;
            }
        }
        Ok((ring, count))
    }

    fn changed(
        &self,
        number: KeyNumber,
        change: impl FnOnce(&mut KeyringEntry) -> Result<(), ChangeError>,
    ) -> Result<Self, ChangeError> {
        let mut ring = self.clone();
        let entry = ring.entries.iter_mut().find(|entry| entry.number == number).ok_or(ChangeError::NoKey(number))?;
        change(entry)?;
        Ok(ring)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Algorithm, Cell, Key, LocalProvider, OpenError, keyring::KeyringError};

    const CELL: Cell<'static> = Cell::new("public.customer", "email", &["42"]);
    const ENCRYPT: KeyKind = KeyKind::Encrypt(Algorithm::XChaCha20Poly1305);

    pub(in crate::keyring) fn id(name: &str) -> KeyId {
        KeyId::new(name).expect("a name")
    }

    pub(in crate::keyring) fn provider(name: &str, first: u8) -> LocalProvider {
        LocalProvider::new(id(name), &Key::new((first..first + 32).collect()).expect("a key"))
    }

    pub(in crate::keyring) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    fn number(number: u32) -> KeyNumber {
        KeyNumber::new(number).expect("above zero")
    }

    fn make(ring: &Keyring, purpose: &str, kind: KeyKind) -> NewKey {
        NewKey::make(ring.place(id(purpose), kind), &provider("kek-1", 1)).expect("a key")
    }

    /// A ring with two generations of keys that encrypt and one of an index.
    pub(in crate::keyring) fn ring() -> Keyring {
        let ring = Keyring::new(id("shop"));
        let ring = ring.with_new(make(&ring, "customer", ENCRYPT), at(0)).expect("changed");
        let ring = ring.with_new(make(&ring, "lookup", KeyKind::Index), at(1)).expect("changed");
        ring.rotated(make(&ring, "customer", KeyKind::Encrypt(Algorithm::Aes256Gcm)), at(2)).expect("changed")
    }

    #[test]
    fn values_of_each_key_open_until_it_is_destroyed() {
        let (provider, customer) = (provider("kek-1", 1), id("customer"));
        let first = Keyring::new(id("shop"));
        let first = first.with_new(make(&first, "customer", ENCRYPT), at(0)).expect("changed");
        let old = first.ring(&customer, &provider).expect("a ring").seal(&CELL, b"old").expect("sealed");
        let second = first.rotated(make(&first, "customer", ENCRYPT), at(1)).expect("changed");
        let open = second.ring(&customer, &provider).expect("a ring");
        assert_eq!(open.open(&CELL, &old).expect("opened").as_slice(), b"old");
        assert_eq!((open.active(), open.is_stale(&old)), (Some(number(2)), Ok(true)));
        assert_eq!(second.with_destroyed(number(2), at(2)), Err(ChangeError::Active(number(2))));
        let third = second.with_destroyed(number(1), at(2)).expect("changed");
        let open = third.ring(&customer, &provider).expect("a ring");
        assert_eq!(open.open(&CELL, &old), Err(OpenError::DestroyedKey(number(1))));
        assert_eq!(third.entry(number(1)).map(|entry| entry.wrapped.clone()), Some(None));
    }

    /// A file that is kept today unwraps for ever. The ring is [`ring`], with its first key destroyed.
    #[test]
    fn kept_rings_unwrap() {
        let text = include_bytes!("../../../../fuzz/seeds/keyring/shop.keys");
        let (ring, provider) = (Keyring::parse(text).expect("a ring"), provider("kek-1", 1));
        let customer = ring.ring(&id("customer"), &provider).expect("a ring");
        assert_eq!(customer.active(), Some(number(3)));
        ring.index_key(&id("lookup"), 1, &provider).expect("a key");
        let (_, count) = ring.rewrapped(&provider).expect("wrapped");
        assert_eq!(count, 0);
    }

    #[test]
    fn generations_of_index_keys_differ() {
        let (provider, ring, lookup) = (provider("kek-1", 1), ring(), id("lookup"));
        let ring = ring.rotated(make(&ring, "lookup", KeyKind::Index), at(3)).expect("changed");
        let key = |generation| ring.index_key(&lookup, generation, &provider).map(|key| key.bytes().to_vec());
        assert_ne!(key(1).expect("a key"), key(2).expect("a key"));
        assert_eq!(key(3), Err(KeyringError::NoGeneration(lookup.clone(), 3)));
        assert_eq!(ring.ring(&lookup, &provider).err(), Some(KeyringError::Kind(lookup)));
        assert_eq!(ring.index_key(&id("customer"), 1, &provider).err(), Some(KeyringError::Kind(id("customer"))));
        assert_eq!(ring.index_key(&id("none"), 1, &provider).err(), Some(KeyringError::NoPurpose(id("none"))));
    }

    #[test]
    fn changes_that_make_no_sense_are_refused() {
        let ring = ring();
        assert_eq!(ring.with_new(make(&ring, "customer", ENCRYPT), at(3)), Err(ChangeError::HasKeys(id("customer"))));
        assert_eq!(ring.rotated(make(&ring, "none", ENCRYPT), at(3)), Err(ChangeError::NoKeys(id("none"))));
        assert_eq!(ring.rotated(make(&ring, "lookup", ENCRYPT), at(3)), Err(ChangeError::Kind(id("lookup"))));
        let stale = make(&ring, "customer", ENCRYPT);
        let changed = ring.rotated(make(&ring, "customer", ENCRYPT), at(3)).expect("changed");
        assert_eq!(changed.rotated(stale, at(4)), Err(ChangeError::Stale));
        assert_eq!(ring.with_retired(number(9), at(3)), Err(ChangeError::NoKey(number(9))));
        let state = KeyState::Retired;
        let refused = ring.with_retired(number(1), at(3)).expect_err("it is retired");
        assert_eq!(refused, ChangeError::State { number: number(1), state });
        assert_eq!(refused.to_string(), "key 1 is retired already");
    }

    #[test]
    fn a_purpose_without_an_active_key_opens_and_does_not_seal() {
        let provider = provider("kek-1", 1);
        let ring = ring().with_retired(number(3), at(3)).expect("changed");
        assert_eq!(ring.active(&id("customer")), None);
        let ring = ring.ring(&id("customer"), &provider).expect("a ring");
        ring.seal(&CELL, b"new").expect_err("no key is active");
    }

    #[test]
    fn a_changed_key_encryption_key_changes_no_data_key() {
        let (old, ring) = (provider("kek-1", 1), ring());
        let both = provider("kek-2", 9).with_previous(id("kek-1"), &Key::new((1..33).collect()).expect("a key"));
        let (new, count) = ring.rewrapped(&both).expect("wrapped");
        assert_eq!(count, 3);
        assert!(new.entries().iter().all(|e| e.wrapped.as_ref().is_some_and(|w| w.kek().as_str() == "kek-2")));
        assert_eq!(new.rewrapped(&both).expect("wrapped"), (new.clone(), 0));
        let sealed = ring.ring(&id("customer"), &old).expect("a ring").seal(&CELL, b"value").expect("sealed");
        let alone = provider("kek-2", 9);
        assert!(new.ring(&id("customer"), &alone).expect("a ring").open(&CELL, &sealed).is_ok());
        assert!(matches!(ring.ring(&id("customer"), &alone), Err(KeyringError::Unwrap { .. })));
    }

    #[test]
    fn a_key_that_was_moved_does_not_unwrap() {
        let (provider, ring) = (provider("kek-1", 1), ring());
        let mut swapped = ring.clone();
        let (first, third) = (ring.entries[0].wrapped.clone(), ring.entries[2].wrapped.clone());
        (swapped.entries[0].wrapped, swapped.entries[2].wrapped) = (third, first);
        assert!(matches!(swapped.ring(&id("customer"), &provider), Err(KeyringError::Unwrap { .. })));
        let renamed = Keyring { name: id("other"), ..ring };
        assert!(matches!(renamed.ring(&id("customer"), &provider), Err(KeyringError::Unwrap { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is done, in whatever order: a ring stays a ring, numbers never come back, and what is destroyed stays so.
        #[test]
        fn rings_stay_rings(steps in prop::collection::vec((0..5u8, 1..8u32, prop::sample::select(vec!["a", "b"])), 1..30)) {
            let mut ring = Keyring::new(id("shop"));
            for (second, (step, key, purpose)) in (0..).zip(steps) {
                let kind = if purpose == "a" { ENCRYPT } else { KeyKind::Index };
                let next = match step {
                    0 => ring.with_new(make(&ring, purpose, kind), at(second)),
                    1 | 2 => ring.rotated(make(&ring, purpose, kind), at(second)),
                    3 => ring.with_retired(number(key), at(second)),
                    _ => ring.with_destroyed(number(key), at(second)),
                };
                let Ok(next) = next else { continue };
                prop_assert_eq!(next.fault(), None);
                prop_assert!(next.entries.len() >= ring.entries.len());
                for (old, new) in ring.entries.iter().zip(&next.entries) {
                    prop_assert_eq!(old.number, new.number);
                    prop_assert!(old.destroyed.is_none() || old == new);
                    prop_assert!(old.retired.is_none() || old.retired == new.retired);
                }
                prop_assert_eq!(&Keyring::parse(next.to_json().as_bytes()).expect("read again"), &next);
                ring = next;
            }
        }
    }
}
