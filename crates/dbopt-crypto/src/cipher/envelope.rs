//! The bytes of a sealed value.
//!
//! | bytes | |
//! | --- | --- |
//! | 1 | version: 1 under a key of a ring, 3 under the key of a subject; 2 is a stream |
//! | 1 | algorithm, see [`Algorithm`] |
//! | 4 | number of the key, big-endian, above zero |
//! | 24 | nonce |
//! | n | the value, encrypted |
//! | 16 | tag |
//!
//! The first six are authenticated with the cell, the nonce by its use.

use super::{Algorithm, KeyNumber};

pub(crate) const VERSION: u8 = 1;
/// Of values under the key of a subject: its number is not one of the ring's.
const SUBJECT_VERSION: u8 = 3;
pub(crate) const HEADER_BYTES: usize = 6;
pub(crate) const NONCE_BYTES: usize = 24;
pub(crate) const TAG_BYTES: usize = 16;
/// Bytes that sealing adds to a value.
pub(crate) const OVERHEAD_BYTES: usize = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/// Whose numbers the keys of sealed values have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// A ring.
    #[default]
    Ring,
    /// A single person, or whoever else has a key of their own; see [`SubjectKeys`](crate::SubjectKeys).
    Subject,
}

impl KeyOwner {
    /// The first byte of values under such keys.
    #[must_use]
    pub const fn version(self) -> u8 {
        match self {
            Self::Ring => VERSION,
            Self::Subject => SUBJECT_VERSION,
        }
    }
}

/// A sealed value, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Whose key it is.
    pub owner: KeyOwner,
    /// With what it was sealed.
    pub algorithm: Algorithm,
    /// By which key.
    pub key: KeyNumber,
    pub(crate) nonce: &'a [u8; NONCE_BYTES],
    pub(crate) value: &'a [u8],
    pub(crate) tag: &'a [u8; TAG_BYTES],
}

/// Why bytes are no sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Too few of them.
    #[error("a sealed value has at least {OVERHEAD_BYTES} bytes, not {0}")]
    Short(usize),
    /// Another version, below 8.
    #[error("version {0} of sealed values is not known")]
    Version(u8),
    /// No sealed value at all: a plain one, most likely. Its first byte is not told.
    #[error("it is no sealed value")]
    Foreign,
    /// Another algorithm.
    #[error("algorithm {0} of sealed values is not known")]
    Algorithm(u8),
    /// A key without a number.
    #[error("a sealed value names no key")]
    Key,
}

impl EnvelopeError {
    /// Of a first byte. No text begins with one that might be a version.
    pub(super) const fn of_version(version: u8) -> Self {
        if version < 8 { Self::Version(version) } else { Self::Foreign }
    }
}

impl<'a> Envelope<'a> {
    /// Takes a sealed value apart; whether it is genuine only opening it tells.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let short = EnvelopeError::Short(bytes.len());
        // The version first: bytes of another one may have another length.
        let owner = match bytes.first() {
            None => return Err(short),
            Some(&VERSION) => KeyOwner::Ring,
            Some(&SUBJECT_VERSION) => KeyOwner::Subject,
            Some(version) => return Err(EnvelopeError::of_version(*version)),
        };
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(short)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or(short)?;
        let (value, tag) = rest.split_last_chunk().ok_or(short)?;
        let [_, algorithm, key @ ..] = *header;
        let algorithm = Algorithm::from_byte(algorithm).ok_or(EnvelopeError::Algorithm(algorithm))?;
        let key = KeyNumber::new(u32::from_be_bytes(key)).ok_or(EnvelopeError::Key)?;
        Ok(Self { owner, algorithm, key, nonce, value, tag })
    }
}

/// The first bytes of a sealed value.
pub(crate) fn header(owner: KeyOwner, algorithm: Algorithm, key: KeyNumber) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = key.get().to_be_bytes();
    [owner.version(), algorithm.byte(), a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_sealed_value_is_told_apart() {
        let mut bytes = vec![0; OVERHEAD_BYTES];
        bytes[..HEADER_BYTES].copy_from_slice(&[1, 1, 0, 0, 0, 7]);
        assert_eq!(Envelope::parse(&bytes).expect("an envelope").key.get(), 7);
        assert_eq!(Envelope::parse(&[]), Err(EnvelopeError::Short(0)));
        assert_eq!(Envelope::parse(&bytes[..OVERHEAD_BYTES - 1]), Err(EnvelopeError::Short(OVERHEAD_BYTES - 1)));
        for (at, byte, error) in [
            (0, 2, EnvelopeError::Version(2)),
            (0, b'j', EnvelopeError::Foreign),
            (1, 9, EnvelopeError::Algorithm(9)),
            (5, 0, EnvelopeError::Key),
        ] {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            assert_eq!(Envelope::parse(&bytes), Err(error));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(envelope) = Envelope::parse(&bytes) {
                prop_assert_eq!(envelope.value.len() + OVERHEAD_BYTES, bytes.len());
                prop_assert_eq!(&header(envelope.owner, envelope.algorithm, envelope.key)[..], &bytes[..HEADER_BYTES]);
            }
        }
    }
}
