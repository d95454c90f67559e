//! The ciphers.
//!
//! Each has two backends with the same bytes: the crates `chacha20poly1305` and `xaes-256-gcm`, and with the feature `ring`
//! ring's ciphers of 12-byte nonces, under the key that is derived from the first half of the nonce. They differ in speed
//! only, see the crate's front page.

#[cfg(not(feature = "ring"))]
use chacha20poly1305::XChaCha20Poly1305;
#[cfg(not(feature = "ring"))]
use chacha20poly1305::{KeyInit as _, aead::AeadInOut as _};
#[cfg(not(feature = "ring"))]
use xaes_256_gcm::Xaes256Gcm;
use zeroize::Zeroize as _;

#[cfg(not(feature = "ring"))]
use super::DataKey;
use super::envelope::{NONCE_BYTES, TAG_BYTES};

/// A cipher. Both take a random nonce of 24 bytes, so that no count has to be kept: after 2^80 values under one key, a
/// nonce repeats with a probability of 2^-32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), number 1: fast everywhere, in constant time without special
    /// instructions.
    #[default]
    XChaCha20Poly1305,
    /// XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>), number 2: AES-256-GCM under a key that is derived for each nonce
    /// (NIST SP 800-108), for those who have to use AES. Bare AES-256-GCM with its nonce of 12 bytes would need a new key after 2^32 values.
    Aes256Gcm,
}

impl Algorithm {
    /// The number in a sealed value.
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::XChaCha20Poly1305 => 1,
            Self::Aes256Gcm => 2,
        }
    }

    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::XChaCha20Poly1305),
            2 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }

    /// The name, as in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XChaCha20Poly1305 => "xchacha20-poly1305",
            Self::Aes256Gcm => "aes-256-gcm",
        }
    }
}

/// A value that was not sealed with this key, for this cell, or was changed. Which of them cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejected;

/// A cipher with its key.
#[cfg(not(feature = "ring"))]
#[expect(clippy::large_enum_variant, reason = "each is in a box, which one more would not make smaller")]
pub(crate) enum Cipher {
    XChaCha(XChaCha20Poly1305),
    Aes(Xaes256Gcm),
}

#[cfg(feature = "ring")]
pub(crate) use super::with_ring::Cipher;

#[cfg(not(feature = "ring"))]
impl Cipher {
    pub(crate) fn new(algorithm: Algorithm, key: &DataKey) -> Self {
        match algorithm {
            Algorithm::XChaCha20Poly1305 => Self::XChaCha(XChaCha20Poly1305::new(key.bytes().into())),
            Algorithm::Aes256Gcm => Self::Aes(Xaes256Gcm::new(key.bytes().into())),
        }
    }

    /// Encrypts in place and gives the tag. None when the value is longer than the cipher takes.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        value: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let tag = match self {
            Self::XChaCha(cipher) => cipher.encrypt_inout_detached(nonce.into(), associated, value.into()),
            Self::Aes(cipher) => cipher.encrypt_inout_detached(nonce.into(), associated, value.into()),
        };
        tag.ok().map(Into::into)
    }

    fn decrypt(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        value: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Option<()> {
        let opened = match self {
            Self::XChaCha(cipher) => cipher.decrypt_inout_detached(nonce.into(), associated, value.into(), tag.into()),
            Self::Aes(cipher) => cipher.decrypt_inout_detached(nonce.into(), associated, value.into(), tag.into()),
        };
        opened.ok()
    }
}

impl Cipher {
    /// Checks the tag, then decrypts in place. After a rejection `value` is all zeros.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        value: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), Rejected> {
        self.decrypt(nonce, associated, value, tag).ok_or_else(|| {
            value.zeroize();
            Rejected
        })
    }
}
