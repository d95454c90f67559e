//! The ciphers.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) has two backends with the same bytes: the `chacha20poly1305` crate,
//! and with the feature `ring` that of ring, under the subkey that HChaCha20 derives from the first 16 bytes of the
//! nonce. They differ in speed only, see the crate's front page.

#[cfg(not(feature = "ring"))]
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::{KeyInit as _, aead::AeadInOut as _};
use xaes_256_gcm::Xaes256Gcm;
use zeroize::Zeroize as _;

use super::{
    DataKey,
    envelope::{NONCE_BYTES, TAG_BYTES},
};

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
pub(crate) enum Cipher {
    #[cfg(not(feature = "ring"))]
    XChaCha(XChaCha20Poly1305),
    #[cfg(feature = "ring")]
    XChaCha(DataKey),
    Aes(Box<Xaes256Gcm>),
}

impl Cipher {
    pub(crate) fn new(algorithm: Algorithm, key: &DataKey) -> Self {
        match algorithm {
            #[cfg(not(feature = "ring"))]
            Algorithm::XChaCha20Poly1305 => Self::XChaCha(XChaCha20Poly1305::new(key.bytes().into())),
            #[cfg(feature = "ring")]
            Algorithm::XChaCha20Poly1305 => Self::XChaCha(key.clone()),
            Algorithm::Aes256Gcm => Self::Aes(Box::new(Xaes256Gcm::new(key.bytes().into()))),
        }
    }

    /// Encrypts in place and gives the tag. None when the value is longer than the cipher takes.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        value: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        match self {
            #[cfg(not(feature = "ring"))]
            Self::XChaCha(cipher) => {
                cipher.encrypt_inout_detached(nonce.into(), associated, value.into()).ok().map(Into::into)
            }
            #[cfg(feature = "ring")]
            Self::XChaCha(key) => {
                let (key, nonce) = with_ring::subkey(key, nonce)?;
                let tag = key.seal_in_place_separate_tag(nonce, ring::aead::Aad::from(associated), value).ok()?;
                tag.as_ref().try_into().ok()
            }
            Self::Aes(cipher) => {
                cipher.encrypt_inout_detached(nonce.into(), associated, value.into()).ok().map(Into::into)
            }
        }
    }

    /// Checks the tag, then decrypts in place. After a rejection `value` is all zeros.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        value: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), Rejected> {
        let opened = match self {
            #[cfg(not(feature = "ring"))]
            Self::XChaCha(cipher) => {
                cipher.decrypt_inout_detached(nonce.into(), associated, (&mut *value).into(), tag.into()).is_ok()
            }
            #[cfg(feature = "ring")]
            Self::XChaCha(key) => with_ring::subkey(key, nonce).is_some_and(|(key, nonce)| {
                let aad = ring::aead::Aad::from(associated);
                key.open_in_place_separate_tag(nonce, aad, (*tag).into(), value, 0..).is_ok()
            }),
            Self::Aes(cipher) => {
                cipher.decrypt_inout_detached(nonce.into(), associated, (&mut *value).into(), tag.into()).is_ok()
            }
        };
        if opened {
            return Ok(());
        }
        value.zeroize();
        Err(Rejected)
    }
}

#[cfg(feature = "ring")]
mod with_ring {
    use chacha20::{R20, hchacha};
    use ring::aead::{CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
    use zeroize::Zeroizing;

    use super::{DataKey, NONCE_BYTES};

    /// The subkey and the nonce of ChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, section 2.3): four zero bytes, then the last
    /// eight of the long nonce.
    pub(super) fn subkey(key: &DataKey, nonce: &[u8; NONCE_BYTES]) -> Option<(LessSafeKey, Nonce)> {
        let (first, last) = nonce.split_first_chunk::<16>()?;
        let subkey = Zeroizing::new(<[u8; 32]>::from(hchacha::<R20>(key.bytes().into(), first.into())));
        let mut short = [0; 12];
        short[4..].copy_from_slice(last);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &subkey[..]).ok()?;
        Some((LessSafeKey::new(key), Nonce::assume_unique_for_key(short)))
    }
}
