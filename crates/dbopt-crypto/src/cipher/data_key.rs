//! Keys that encrypt data, and their numbers.

use std::{fmt, num::NonZeroU32};

use zeroize::Zeroizing;

use crate::{Key, KeyError, RandomError, random};

/// The number of a data key within its ring, which every value says that it sealed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyNumber(NonZeroU32);

impl KeyNumber {
    /// The number of a first key.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// A number above zero.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The number after this one; none after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Debug for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// 256 bits that encrypt data, wiped from memory when they are dropped.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; Self::BYTES]>);

impl DataKey {
    /// Bytes of a key.
    pub const BYTES: usize = 32;

    /// A new key from the operating system's random bytes.
    ///
    /// # Errors
    /// When it gives none, or the same byte over and over.
    pub fn random() -> Result<Self, RandomError> {
        let mut key = Zeroizing::new([0; Self::BYTES]);
        random::system(&mut key[..])?;
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(RandomError::Repeating);
        }
        Ok(Self(key))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; Self::BYTES]);
        (bytes.len() == Self::BYTES).then(|| {
            key.copy_from_slice(bytes);
            Self(key)
        })
    }

    pub(crate) fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// A key of exactly 32 bytes.
impl TryFrom<&Key> for DataKey {
    type Error = KeyError;

    fn try_from(key: &Key) -> Result<Self, KeyError> {
        Self::from_bytes(key.bytes()).ok_or(KeyError::Long)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}
