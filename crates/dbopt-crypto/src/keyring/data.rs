//! What a key ring holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    Algorithm, Binding, DataKey, Key, KeyId, KeyKind, KeyNumber, KeyProvider, KeyRing, KeyState, ProviderError,
    WrappedKey,
};

/// Wrapped keys with all that is known of them. Clone it, change it, compare it: nothing in it is secret.
///
/// Numbers are unique, `entries` are in their order, and all are below `next`. Keys of one purpose are of like kinds, and
/// at most one of them is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    pub(super) name: KeyId,
    pub(super) next: KeyNumber,
    pub(super) entries: Vec<KeyringEntry>,
}

/// A key of a ring. Of a destroyed one all but the key stays, so that its number never comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringEntry {
    /// Its number, which every value says that it sealed.
    pub number: KeyNumber,
    /// What its values are, such as `customer`.
    pub purpose: KeyId,
    /// What it does with them.
    pub kind: KeyKind,
    /// Which key of its purpose it is, from 1 on. Of an index key this is the version of its terms.
    pub generation: u32,
    /// When it was made.
    pub created: Timestamp,
    /// When it stopped to be the active key of its purpose.
    pub retired: Option<Timestamp>,
    /// When it was destroyed.
    pub destroyed: Option<Timestamp>,
    /// The key itself. Some exactly when it is not destroyed.
    pub wrapped: Option<WrappedKey>,
}

impl KeyringEntry {
    /// What it may do.
    #[must_use]
    pub const fn state(&self) -> KeyState {
        match (self.retired, self.destroyed) {
            (_, Some(_)) => KeyState::Destroyed,
            (Some(_), None) => KeyState::Retired,
            (None, None) => KeyState::Active,
        }
    }
}

/// Why a ring does not give what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// No key is for this.
    #[error("the key ring has no purpose `{0}`")]
    NoPurpose(KeyId),
    /// The keys of the purpose encrypt, and index keys are asked for, or the reverse.
    #[error("keys of purpose `{0}` are of another kind")]
    Kind(KeyId),
    /// No index key of this generation is left.
    #[error("purpose `{0}` has no key of generation {1}, or it was destroyed")]
    NoGeneration(KeyId, u32),
    /// A key does not unwrap.
    #[error("key {number} does not unwrap: {error}")]
    Unwrap {
        /// Its number.
        number: KeyNumber,
        /// Why.
        #[source]
        error: ProviderError,
    },
}

impl Keyring {
    /// Most keys of a ring.
    pub const MOST_KEYS: usize = 10_000;

    /// A ring without keys. Its name is bound to each wrapped key, so that no key can be moved between rings.
    #[must_use]
    pub fn new(name: KeyId) -> Self {
        Self { name, next: KeyNumber::FIRST, entries: Vec::new() }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &KeyId {
        &self.name
    }

    /// The keys, in the order of their numbers.
    #[must_use]
    pub fn entries(&self) -> &[KeyringEntry] {
        &self.entries
    }

    /// The key of this number.
    #[must_use]
    pub fn entry(&self, number: KeyNumber) -> Option<&KeyringEntry> {
        self.entries.binary_search_by_key(&number, |entry| entry.number).ok().map(|at| &self.entries[at])
    }

    /// The keys of a purpose, oldest first.
    pub fn of<'a, 'b>(&'a self, purpose: &'b KeyId) -> impl DoubleEndedIterator<Item = &'a KeyringEntry> + use<'a, 'b> {
        self.entries.iter().filter(move |entry| entry.purpose == *purpose)
    }

    /// The purposes, in the order of their names.
    #[must_use]
    pub fn purposes(&self) -> BTreeSet<&KeyId> {
        self.entries.iter().map(|entry| &entry.purpose).collect()
    }

    /// The active key of a purpose.
    #[must_use]
    pub fn active(&self, purpose: &KeyId) -> Option<&KeyringEntry> {
        self.of(purpose).find(|entry| entry.state() == KeyState::Active)
    }

    /// The newest key of a purpose.
    pub(super) fn newest(&self, purpose: &KeyId) -> Option<&KeyringEntry> {
        self.of(purpose).next_back()
    }

    /// What the wrapped form of a key is bound to.
    #[must_use]
    pub fn binding(&self, entry: &KeyringEntry) -> Binding {
        Binding { keyring: self.name.clone(), purpose: entry.purpose.clone(), kind: entry.kind, number: entry.number }
    }

    /// The keys that encrypt for a purpose, unwrapped.
    pub fn ring(&self, purpose: &KeyId, provider: &dyn KeyProvider) -> Result<KeyRing, KeyringError> {
        let mut ring = KeyRing::new();
        let mut found = false;
        for entry in self.of(purpose) {
            found = true;
            let algorithm = algorithm(entry)?;
            let added = match self.unwrapped(entry, provider)? {
                None => ring.with_destroyed(entry.number, algorithm),
                Some(key) => ring.with(entry.number, algorithm, entry.state() == KeyState::Active, &key),
            };
            ring = added.expect("numbers of a key ring are unique, and one key of a purpose is active at most");
        }
        if found { Ok(ring) } else { Err(KeyringError::NoPurpose(purpose.clone())) }
    }

    /// The key for blind indexes of a purpose, of one generation, unwrapped.
    pub fn index_key(&self, purpose: &KeyId, generation: u32, provider: &dyn KeyProvider) -> Result<Key, KeyringError> {
        let mut found = false;
        for entry in self.of(purpose) {
            found = true;
            if entry.kind != KeyKind::Index {
                return Err(KeyringError::Kind(purpose.clone()));
            }
            if entry.generation == generation
                && let Some(key) = self.unwrapped(entry, provider)?
            {
                let key = Key::new(key.bytes().to_vec());
                return key.map_err(|_| KeyringError::Unwrap { number: entry.number, error: ProviderError::Malformed });
            }
        }
        let purpose = purpose.clone();
        Err(if found { KeyringError::NoGeneration(purpose, generation) } else { KeyringError::NoPurpose(purpose) })
    }

    pub(super) fn unwrapped(
        &self,
        entry: &KeyringEntry,
        provider: &dyn KeyProvider,
    ) -> Result<Option<DataKey>, KeyringError> {
        let Some(wrapped) = &entry.wrapped else { return Ok(None) };
        let key = provider.unwrap(&self.binding(entry), wrapped);
        key.map(Some).map_err(|error| KeyringError::Unwrap { number: entry.number, error })
    }

    /// What of the type's promises does not hold.
    pub(super) fn fault(&self) -> Option<String> {
        if self.entries.len() > Self::MOST_KEYS {
            return Some(format!("it has more than {} keys", Self::MOST_KEYS));
        }
        let mut last: Option<KeyNumber> = None;
        let mut purposes: BTreeMap<&KeyId, (KeyKind, u32, bool)> = BTreeMap::new();
        for entry in &self.entries {
            let number = entry.number;
            if last.is_some_and(|last| last >= number) || number >= self.next {
                return Some(format!("key {number} is out of order"));
            }
            last = Some(number);
            if entry.wrapped.is_some() == entry.destroyed.is_some() {
                return Some(format!("key {number} is destroyed and there, or neither"));
            }
            if entry.destroyed.is_some() && entry.retired.is_none() {
                return Some(format!("key {number} was destroyed while it was active"));
            }
            let is_active = entry.state() == KeyState::Active;
            let (kind, generation, has_active) = purposes.entry(&entry.purpose).or_insert((entry.kind, 0, false));
            if !kind.is_like(entry.kind) {
                return Some(format!("key {number} is of another kind than others of its purpose"));
            }
            if entry.generation != *generation + 1 {
                return Some(format!("key {number} is of the wrong generation"));
            }
            if is_active && *has_active {
                return Some(format!("key {number} is active beside another one of its purpose"));
            }
            (*generation, *has_active) = (entry.generation, *has_active || is_active);
        }
        None
    }
}

fn algorithm(entry: &KeyringEntry) -> Result<Algorithm, KeyringError> {
    match entry.kind {
        KeyKind::Encrypt(algorithm) => Ok(algorithm),
        KeyKind::Index => Err(KeyringError::Kind(entry.purpose.clone())),
    }
}
