//! The ciphers by ring (feature `ring`).
//!
//! Ring has ciphers of 12-byte nonces, made for short values in assembly. Both of ours are such a cipher under a key of its own for
//! each long nonce: deriving that is what is added here.

use aes::{
    Aes256Enc,
    cipher::{BlockCipherEncrypt as _, KeyInit as _},
};
use chacha20::{R20, hchacha};
use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{
    Algorithm, DataKey,
    envelope::{NONCE_BYTES, TAG_BYTES},
};

const BLOCK_BYTES: usize = 16;

/// A cipher with its key.
#[expect(clippy::large_enum_variant, reason = "each is in a box, which one more would not make smaller")]
pub(crate) enum Cipher {
    XChaCha(DataKey),
    Aes(Xaes),
}

/// XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>): the key's schedule, and `K1` of its CMAC.
pub(crate) struct Xaes {
    cipher: Aes256Enc,
    k1: Zeroizing<[u8; BLOCK_BYTES]>,
}

impl Cipher {
    pub(crate) fn new(algorithm: Algorithm, key: &DataKey) -> Self {
        match algorithm {
            Algorithm::XChaCha20Poly1305 => Self::XChaCha(key.clone()),
            Algorithm::Aes256Gcm => Self::Aes(Xaes::new(key)),
        }
    }

    /// Encrypts in place and gives the tag. None when the value is longer than the cipher takes.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        value: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let (key, nonce) = self.derive(nonce)?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(associated), value).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Checks the tag, then decrypts in place.
    pub(super) fn decrypt(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        value: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Option<()> {
        let (key, nonce) = self.derive(nonce)?;
        key.open_in_place_separate_tag(nonce, Aad::from(associated), (*tag).into(), value, 0..).ok().map(|_| ())
    }

    /// The key and the short nonce for a long one.
    fn derive(&self, nonce: &[u8; NONCE_BYTES]) -> Option<(LessSafeKey, Nonce)> {
        let mut short = [0; 12];
        let key = match self {
            // draft-irtf-cfrg-xchacha-03, section 2.3: the nonce is four zero bytes, then the last eight of the long one.
            Self::XChaCha(key) => {
                let (first, last) = nonce.split_first_chunk::<16>()?;
                short[4..].copy_from_slice(last);
                let derived = Zeroizing::new(<[u8; 32]>::from(hchacha::<R20>(key.bytes().into(), first.into())));
                UnboundKey::new(&CHACHA20_POLY1305, &derived[..])
            }
            Self::Aes(xaes) => {
                let (first, last) = nonce.split_first_chunk::<12>()?;
                short.copy_from_slice(last);
                UnboundKey::new(&AES_256_GCM, &xaes.derive(first)[..])
            }
        };
        Some((LessSafeKey::new(key.ok()?), Nonce::assume_unique_for_key(short)))
    }
}

impl Xaes {
    fn new(key: &DataKey) -> Self {
        let cipher = Aes256Enc::new(key.bytes().into());
        let mut l = Zeroizing::new([0; BLOCK_BYTES]);
        cipher.encrypt_block((&mut *l).into());
        // K1 = L · x in GF(2^128), without a branch on the secret (NIST SP 800-38B, section 6.1).
        let shifted = u128::from_be_bytes(*l);
        let k1 = (shifted << 1) ^ ((shifted >> 127) * 0x87);
        Self { cipher, k1: Zeroizing::new(k1.to_be_bytes()) }
    }

    /// `AES(K, M1 ⊕ K1) ‖ AES(K, M2 ⊕ K1)`, where `Mi` is `00 ‖ i ‖ 'X' ‖ 00 ‖ N[:12]`.
    fn derive(&self, first: &[u8; 12]) -> Zeroizing<[u8; DataKey::BYTES]> {
        let mut key = Zeroizing::new([0; DataKey::BYTES]);
        for (block, i) in key.as_chunks_mut::<BLOCK_BYTES>().0.iter_mut().zip(1..) {
            block[..4].copy_from_slice(&[0, i, b'X', 0]);
            block[4..].copy_from_slice(first);
            block.iter_mut().zip(self.k1.iter()).for_each(|(byte, other)| *byte ^= other);
            self.cipher.encrypt_block(block.into());
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::{XChaCha20Poly1305, aead::AeadInOut};
    use proptest::prelude::*;
    use xaes_256_gcm::Xaes256Gcm;

    use super::*;

    /// What the other backend makes of a value.
    fn peer<C: AeadInOut + chacha20poly1305::KeyInit>(
        key: &[u8; 32],
        nonce: &[u8; 24],
        aad: &[u8],
        value: &[u8],
    ) -> (Vec<u8>, Vec<u8>) {
        let mut value = value.to_vec();
        let cipher = C::new_from_slice(key).expect("32 bytes");
        let nonce = nonce.as_slice().try_into().expect("24 bytes");
        let tag = cipher.encrypt_inout_detached(nonce, aad, value.as_mut_slice().into()).expect("short");
        (value, tag.to_vec())
    }

    proptest! {
        #[test]
        fn both_backends_make_the_same_bytes(
            key in any::<[u8; 32]>(),
            nonce in any::<[u8; 24]>(),
            aad in prop::collection::vec(any::<u8>(), 0..100),
            value in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let own = DataKey::from_bytes(&key).expect("32 bytes");
            for (algorithm, other) in [
                (Algorithm::XChaCha20Poly1305, peer::<XChaCha20Poly1305>(&key, &nonce, &aad, &value)),
                (Algorithm::Aes256Gcm, peer::<Xaes256Gcm>(&key, &nonce, &aad, &value)),
            ] {
                let cipher = Cipher::new(algorithm, &own);
                let mut sealed = value.clone();
                let tag = cipher.seal(&nonce, &aad, &mut sealed).expect("short");
                prop_assert_eq!((&sealed, &tag[..]), (&other.0, &other.1[..]));
                cipher.decrypt(&nonce, &aad, &mut sealed, &tag).expect("opened");
                prop_assert_eq!(&sealed, &value);
            }
        }
    }
}
