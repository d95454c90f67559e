//! The bytes of a wrapped key.
//!
//! | bytes | |
//! | --- | --- |
//! | 1 | version, 1 |
//! | 1 | who wrapped it: 1 this program by XChaCha20-Poly1305, 2 a key service |
//! | 1 | length of the name of the key-encryption key, 1 to 64 |
//! | n | that name |
//! | m | by this program: a nonce of 24 bytes, 32 encrypted bytes, a tag of 16; by a key service: what it gave |
//!
//! The header is authenticated with the key's [`super::Binding`].

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::KeyId;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 3;

/// Who wrapped a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapper {
    Local,
    Service,
}

/// A data key under a key-encryption key. It is of no use to whoever does not have that one.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    pub(crate) wrapper: Wrapper,
    kek: KeyId,
    body: Vec<u8>,
}

/// Why bytes are no wrapped key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrappedKeyError {
    /// Not base64, too short or too long, or with a name that is none.
    #[error("this is no wrapped key")]
    Malformed,
    /// Of another version.
    #[error("version {0} of wrapped keys is not known")]
    Version(u8),
}

impl WrappedKey {
    /// Most bytes; key services give a few hundred.
    pub const MOST_BYTES: usize = 8 * 1024;

    pub(crate) fn new(wrapper: Wrapper, kek: KeyId, body: Vec<u8>) -> Option<Self> {
        let wrapped = Self { wrapper, kek, body };
        (wrapped.header().len() + wrapped.body.len() <= Self::MOST_BYTES).then_some(wrapped)
    }

    /// The name of the key-encryption key.
    #[must_use]
    pub const fn kek(&self) -> &KeyId {
        &self.kek
    }

    /// Reads the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WrappedKeyError> {
        let malformed = WrappedKeyError::Malformed;
        if bytes.len() > Self::MOST_BYTES {
            return Err(malformed);
        }
        match bytes.first() {
            Some(&VERSION) => {}
            Some(version) => return Err(WrappedKeyError::Version(*version)),
            None => return Err(malformed),
        }
        let ([_, wrapper, length], rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(malformed)?;
        let wrapper = match wrapper {
            1 => Wrapper::Local,
            2 => Wrapper::Service,
            _ => return Err(malformed),
        };
        let (kek, body) = rest.split_at_checked((*length).into()).ok_or(malformed)?;
        let kek = std::str::from_utf8(kek).ok().and_then(|name| KeyId::new(name).ok()).ok_or(malformed)?;
        Ok(Self { wrapper, kek, body: body.to_vec() })
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.header(), self.body.clone()].concat()
    }

    /// Reads the base64 of the bytes.
    pub fn parse(text: &str) -> Result<Self, WrappedKeyError> {
        if text.len() > Self::MOST_BYTES * 2 {
            return Err(WrappedKeyError::Malformed);
        }
        Self::from_bytes(&STANDARD.decode(text).map_err(|_| WrappedKeyError::Malformed)?)
    }

    pub(crate) fn header(&self) -> Vec<u8> {
        header(self.wrapper, &self.kek)
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// The header of a key that is about to be wrapped.
pub(crate) fn header(wrapper: Wrapper, kek: &KeyId) -> Vec<u8> {
    let wrapper = match wrapper {
        Wrapper::Local => 1,
        Wrapper::Service => 2,
    };
    let name = kek.as_str().as_bytes();
    // A name has at most 64 bytes.
    [&[VERSION, wrapper, u8::try_from(name.len()).unwrap_or(u8::MAX)], name].concat()
}

/// Base64 of the bytes.
impl fmt::Display for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.to_bytes()))
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({})", self.kek)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_none_is_refused() {
        let good = WrappedKey::new(Wrapper::Service, KeyId::new("kek-1").expect("a name"), vec![7; 9]).expect("short");
        assert_eq!(WrappedKey::parse(&good.to_string()), Ok(good.clone()));
        let bytes = good.to_bytes();
        for end in 0..8 {
            assert_eq!(WrappedKey::from_bytes(&bytes[..end]), Err(WrappedKeyError::Malformed), "{end}");
        }
        for (at, byte, error) in [
            (0, 2, WrappedKeyError::Version(2)),
            (1, 3, WrappedKeyError::Malformed),
            (2, 0, WrappedKeyError::Malformed),
            (3, b'K', WrappedKeyError::Malformed),
        ] {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            assert_eq!(WrappedKey::from_bytes(&bytes), Err(error));
        }
        assert_eq!(WrappedKey::parse("####"), Err(WrappedKeyError::Malformed));
        let kek = KeyId::new("kek-1").expect("a name");
        assert!(WrappedKey::new(Wrapper::Service, kek, vec![0; WrappedKey::MOST_BYTES]).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(mut bytes in prop::collection::vec(any::<u8>(), 0..100), whole in any::<bool>()) {
            if whole && bytes.len() > 3 {
                bytes[..3].copy_from_slice(&[1, 1, 1]);
            }
            if let Ok(wrapped) = WrappedKey::from_bytes(&bytes) {
                prop_assert_eq!(wrapped.to_bytes(), bytes);
            }
        }
    }
}
