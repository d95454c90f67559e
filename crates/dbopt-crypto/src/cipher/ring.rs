//! A ring of data keys: one seals, all that are not destroyed open.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

use super::{
    Algorithm, Cell, DataKey, Envelope, EnvelopeError, KeyNumber, KeyOwner,
    aead::Cipher,
    envelope::{HEADER_BYTES, NONCE_BYTES, OVERHEAD_BYTES, header},
};
use crate::{RandomError, random};

/// What a key of a ring may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Seals and opens; one key of a ring at most.
    Active,
    /// Opens what it has sealed.
    Retired,
    /// Is gone for good, and with it what it has sealed.
    Destroyed,
}

impl KeyState {
    /// The name, one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
        }
    }
}

/// Data keys by their numbers. Seals with the active one, opens by the number that a value names, never by trial.
///
/// It can be shared between threads; rotation makes a new ring and exchanges them.
pub struct KeyRing {
    owner: KeyOwner,
    keys: BTreeMap<KeyNumber, Member>,
    active: Option<KeyNumber>,
}

struct Member {
    algorithm: Algorithm,
    state: KeyState,
    /// None of a destroyed key. In a box, since a map that grows moves what it holds, and wipes nothing.
    cipher: Option<Box<Cipher>>,
}

/// Why keys make no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// A number is there twice.
    #[error("key {0} is in the ring twice")]
    Twice(KeyNumber),
    /// Two keys are active.
    #[error("keys {0} and {1} are both active")]
    TwoActive(KeyNumber, KeyNumber),
}

/// Why a value was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// No key of the ring is active.
    #[error("no key of the ring is active")]
    NoActiveKey,
    /// There is no nonce.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The value is longer than [`KeyRing::MOST_BYTES`], or a name of its cell is.
    #[error("the value is longer than {} bytes", KeyRing::MOST_BYTES)]
    Long,
}

/// Why a value was not opened. For the log: a client is told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is no sealed value.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// It is under the key of a subject, and the ring has none of those; or the other way round.
    #[error("the value is not under a key of this kind of ring")]
    WrongOwner,
    /// The ring has no key of that number.
    #[error("the ring has no key {0}")]
    UnknownKey(KeyNumber),
    /// The key was destroyed, and with it the value.
    #[error("key {0} was destroyed")]
    DestroyedKey(KeyNumber),
    /// The value names another algorithm than its key has.
    #[error("key {0} is not one of this algorithm")]
    WrongAlgorithm(KeyNumber),
    /// It was changed, or sealed for another cell, or by another key of this number. Which of them cannot be told.
    #[error("the value was changed, or sealed for another cell")]
    Rejected,
}

impl KeyRing {
    /// Most bytes of a value; larger ones are for the streaming form.
    pub const MOST_BYTES: usize = 64 << 20;

    /// A ring without keys.
    #[must_use]
    pub const fn new() -> Self {
        Self { owner: KeyOwner::Ring, keys: BTreeMap::new(), active: None }
    }

    /// The ring of a subject: one key, which seals.
    pub(crate) fn of_subject(number: KeyNumber, algorithm: Algorithm, key: &DataKey) -> Self {
        let ring = Self { owner: KeyOwner::Subject, ..Self::new() };
        ring.with(number, algorithm, true, key).expect("a ring takes its first key")
    }

    /// The ring and one more key. A destroyed key has no material any more; see [`KeyRing::with_destroyed`].
    pub fn with(
        mut self,
        number: KeyNumber,
        algorithm: Algorithm,
        active: bool,
        key: &DataKey,
    ) -> Result<Self, RingError> {
        let state = if active { KeyState::Active } else { KeyState::Retired };
        self.insert(number, Member { algorithm, state, cipher: Some(Box::new(Cipher::new(algorithm, key))) })?;
        Ok(self)
    }

    /// The ring, and the knowledge that there was one more key.
    pub fn with_destroyed(mut self, number: KeyNumber, algorithm: Algorithm) -> Result<Self, RingError> {
        self.insert(number, Member { algorithm, state: KeyState::Destroyed, cipher: None })?;
        Ok(self)
    }

    fn insert(&mut self, number: KeyNumber, member: Member) -> Result<(), RingError> {
        if self.keys.contains_key(&number) {
            return Err(RingError::Twice(number));
        }
        if member.state == KeyState::Active {
            if let Some(active) = self.active {
                return Err(RingError::TwoActive(active, number));
            }
            self.active = Some(number);
        }
        self.keys.insert(number, member);
        Ok(())
    }

    /// The number of the key that seals.
    #[must_use]
    pub const fn active(&self) -> Option<KeyNumber> {
        self.active
    }

    /// The keys, by number.
    pub fn keys(&self) -> impl Iterator<Item = (KeyNumber, Algorithm, KeyState)> + '_ {
        self.keys.iter().map(|(number, member)| (*number, member.algorithm, member.state))
    }

    /// Seals a value for a cell, with the active key and a nonce of its own.
    pub fn seal(&self, cell: &Cell<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal_with(cell, value, random::fill)
    }

    fn seal_with(
        &self,
        cell: &Cell<'_>,
        value: &[u8],
        fill: impl FnOnce(&mut [u8]) -> Result<(), RandomError>,
    ) -> Result<Vec<u8>, SealError> {
        let (number, algorithm, cipher) = self.sealing()?;
        if value.len() > Self::MOST_BYTES {
            return Err(SealError::Long);
        }
        let header = header(self.owner, algorithm, number);
        let associated = cell.associated(&header).ok_or(SealError::Long)?;
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce)?;
        let mut sealed = Vec::with_capacity(value.len() + OVERHEAD_BYTES);
        sealed.extend_from_slice(&header);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(value);
        let tag = cipher.seal(&nonce, &associated, &mut sealed[HEADER_BYTES + NONCE_BYTES..]).ok_or(SealError::Long)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens a value in the cell where it was sealed.
    pub fn open(&self, cell: &Cell<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let envelope = Envelope::parse(sealed)?;
        if envelope.owner != self.owner {
            return Err(OpenError::WrongOwner);
        }
        let cipher = self.opening(envelope.key, envelope.algorithm)?;
        let associated =
            cell.associated(&header(envelope.owner, envelope.algorithm, envelope.key)).ok_or(OpenError::Rejected)?;
        let mut value = Zeroizing::new(envelope.value.to_vec());
        cipher.open(envelope.nonce, &associated, &mut value, envelope.tag).map_err(|_| OpenError::Rejected)?;
        Ok(value)
    }

    /// The key that seals.
    pub(crate) fn sealing(&self) -> Result<(KeyNumber, Algorithm, &Cipher), SealError> {
        let number = self.active.ok_or(SealError::NoActiveKey)?;
        let member = self.keys.get(&number).ok_or(SealError::NoActiveKey)?;
        let cipher = member.cipher.as_deref().ok_or(SealError::NoActiveKey)?;
        Ok((number, member.algorithm, cipher))
    }

    /// The key that opens what names it.
    pub(super) fn opening(&self, number: KeyNumber, algorithm: Algorithm) -> Result<&Cipher, OpenError> {
        let member = self.keys.get(&number).ok_or(OpenError::UnknownKey(number))?;
        if member.algorithm != algorithm {
            return Err(OpenError::WrongAlgorithm(number));
        }
        member.cipher.as_deref().ok_or(OpenError::DestroyedKey(number))
    }

    /// Whether a sealed value should be sealed anew: it is under another key than the active one.
    pub fn is_stale(&self, sealed: &[u8]) -> Result<bool, EnvelopeError> {
        let envelope = Envelope::parse(sealed)?;
        Ok((envelope.owner, Some(envelope.key)) != (self.owner, self.active))
    }
}

impl Default for KeyRing {
    fn default() -> Self {
        Self::new()
    }
}

/// Numbers and states.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.keys().map(|(number, _, state)| (number, state))).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: KeyNumber = KeyNumber::new(1).expect("above zero");
    const TWO: KeyNumber = KeyNumber::new(2).expect("above zero");
    const CELL: Cell<'static> = Cell::new("public.customer", "email", &["42"]);
    const BOTH: [Algorithm; 2] = [Algorithm::XChaCha20Poly1305, Algorithm::Aes256Gcm];

    fn key(byte: u8) -> DataKey {
        DataKey::from_bytes(&[byte; 32]).expect("32 bytes")
    }

    fn ring(algorithm: Algorithm) -> KeyRing {
        KeyRing::new().with(ONE, algorithm, true, &key(1)).expect("a ring")
    }

    #[test]
    fn a_value_opens_in_its_cell_only() {
        for algorithm in BOTH {
            let ring = ring(algorithm);
            let sealed = ring.seal(&CELL, b"jo@example.org").expect("sealed");
            assert_eq!(ring.open(&CELL, &sealed).expect("opened").as_slice(), b"jo@example.org");
            for other in [
                Cell::new("public.customer", "email", &["43"]),
                Cell::new("public.customer", "phone", &["42"]),
                Cell::new("public.supplier", "email", &["42"]),
                Cell::new("public.customer", "email", &["4", "2"]),
                Cell::new("public.customer", "email", &[]),
            ] {
                assert_eq!(ring.open(&other, &sealed), Err(OpenError::Rejected), "{other:?}");
            }
        }
    }

    #[test]
    fn every_bit_counts() {
        for algorithm in BOTH {
            let ring = ring(algorithm);
            let sealed = ring.seal(&CELL, b"short").expect("sealed");
            for bit in 0..sealed.len() * 8 {
                let mut changed = sealed.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                ring.open(&CELL, &changed).expect_err("a bit was changed");
            }
            for end in 0..sealed.len() {
                ring.open(&CELL, &sealed[..end]).expect_err("the end is missing");
            }
        }
    }

    #[test]
    fn the_ciphers_leave_nothing_of_a_rejected_value() {
        for algorithm in BOTH {
            let cipher = Cipher::new(algorithm, &key(1));
            let mut value = *b"a value that is long enough to be more than one block of any of the two ciphers";
            let tag = cipher.seal(&[7; 24], b"cell", &mut value).expect("sealed");
            let sealed = value;
            cipher.open(&[7; 24], b"other", &mut value, &tag).expect_err("another cell");
            assert_eq!(value, [0; 79]);
            value = sealed;
            cipher.open(&[7; 24], b"cell", &mut value, &tag).expect("opened");
            assert!(value.starts_with(b"a value"));
        }
    }

    #[test]
    fn retired_keys_open_and_destroyed_ones_say_so() {
        let algorithm = Algorithm::XChaCha20Poly1305;
        let old = ring(algorithm).seal(&CELL, b"old").expect("sealed");
        let both = KeyRing::new()
            .with(ONE, algorithm, false, &key(1))
            .and_then(|ring| ring.with(TWO, algorithm, true, &key(2)))
            .expect("a ring");
        assert_eq!(both.open(&CELL, &old).expect("opened").as_slice(), b"old");
        let new = both.seal(&CELL, b"new").expect("sealed");
        assert_eq!((both.is_stale(&old), both.is_stale(&new)), (Ok(true), Ok(false)));
        assert_eq!(ring(algorithm).open(&CELL, &new), Err(OpenError::UnknownKey(TWO)));
        let destroyed = KeyRing::new().with_destroyed(ONE, algorithm).expect("a ring");
        assert_eq!(destroyed.open(&CELL, &old), Err(OpenError::DestroyedKey(ONE)));
        assert_eq!(destroyed.seal(&CELL, b"new"), Err(SealError::NoActiveKey));
        assert_eq!(ring(Algorithm::Aes256Gcm).open(&CELL, &old), Err(OpenError::WrongAlgorithm(ONE)));
        assert_eq!(
            KeyRing::new().with(ONE, algorithm, false, &key(9)).expect("a ring").open(&CELL, &old),
            Err(OpenError::Rejected)
        );
    }

    #[test]
    fn a_ring_has_one_active_key_and_each_number_once() {
        let algorithm = Algorithm::XChaCha20Poly1305;
        assert_eq!(ring(algorithm).with(TWO, algorithm, true, &key(2)).err(), Some(RingError::TwoActive(ONE, TWO)));
        assert_eq!(ring(algorithm).with(ONE, algorithm, false, &key(2)).err(), Some(RingError::Twice(ONE)));
    }

    #[test]
    fn without_randomness_nothing_is_sealed() {
        let result = ring(Algorithm::XChaCha20Poly1305).seal_with(&CELL, b"x", |_| Err(RandomError::Unavailable));
        assert_eq!(result, Err(SealError::Random(RandomError::Unavailable)));
    }

    #[test]
    fn debug_shows_numbers_and_states() {
        assert_eq!(format!("{:?}", ring(Algorithm::Aes256Gcm)), "{1: Active}");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(value in prop::collection::vec(any::<u8>(), 0..300), row in ".{0,300}") {
            for algorithm in BOTH {
                let ring = ring(algorithm);
                let row = [row.as_str()];
                let cell = Cell::new("t", "c", &row);
                let sealed = ring.seal(&cell, &value).expect("sealed");
                prop_assert_eq!(sealed.len(), value.len() + OVERHEAD_BYTES);
                let opened = ring.open(&cell, &sealed).expect("opened");
                prop_assert_eq!(opened.as_slice(), value.as_slice());
            }
        }
    }
}
