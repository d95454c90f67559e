//! Key-encryption keys that this program holds itself.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

use super::{
    Binding, KeyProvider, ProviderError, WrappedKey,
    wrapped::{Wrapper, header},
};
use crate::{
    Algorithm, DataKey, Key, KeyId, RandomError,
    cipher::{Cipher, NONCE_BYTES},
    mac::HmacSha256,
    random,
};

/// Wraps by keys that come from a [`crate::KeySource`]: a file, the environment, a program.
///
/// After a change of the key-encryption key the previous ones unwrap still, until all data keys are wrapped anew.
pub struct LocalProvider {
    current: KeyId,
    /// In boxes, since a map that grows moves what it holds, and wipes nothing.
    keks: BTreeMap<KeyId, Box<Cipher>>,
}

impl LocalProvider {
    /// Wraps by this key.
    #[must_use]
    pub fn new(id: KeyId, kek: &Key) -> Self {
        Self { keks: BTreeMap::from([(id.clone(), cipher(kek))]), current: id }
    }

    /// The same, and what this key wrapped is unwrapped still. A key of the current one's name changes nothing.
    #[must_use]
    pub fn with_previous(mut self, id: KeyId, kek: &Key) -> Self {
        self.keks.entry(id).or_insert_with(|| cipher(kek));
        self
    }
}

/// The material may be of any length, so it is brought to 32 bytes, which serve this one purpose.
fn cipher(kek: &Key) -> Box<Cipher> {
    let own = Zeroizing::new(HmacSha256::new(kek.bytes()).tag(&[b"dbopt key wrapping v1"]));
    let own = DataKey::from_bytes(&own[..]).expect("a tag has as many bytes as a key");
    Box::new(Cipher::new(Algorithm::XChaCha20Poly1305, &own))
}

impl KeyProvider for LocalProvider {
    fn current(&self) -> &KeyId {
        &self.current
    }

    fn wrap(&self, binding: &Binding, key: &DataKey) -> Result<WrappedKey, ProviderError> {
        let cipher = self.keks.get(&self.current).ok_or_else(|| ProviderError::UnknownKek(self.current.clone()))?;
        let mut nonce = [0; NONCE_BYTES];
        random::system(&mut nonce)?;
        if nonce.iter().all(|byte| *byte == nonce[0]) {
            return Err(RandomError::Repeating.into());
        }
        let associated = binding.associated(&header(Wrapper::Local, &self.current));
        let mut sealed = Zeroizing::new(*key.bytes());
        let tag = cipher.seal(&nonce, &associated, &mut sealed[..]).ok_or(ProviderError::Malformed)?;
        let body = [&nonce[..], &sealed[..], &tag[..]].concat();
        WrappedKey::new(Wrapper::Local, self.current.clone(), body).ok_or(ProviderError::Malformed)
    }

    fn unwrap(&self, binding: &Binding, wrapped: &WrappedKey) -> Result<DataKey, ProviderError> {
        if wrapped.wrapper != Wrapper::Local {
            return Err(ProviderError::Elsewhere(wrapped.kek().clone()));
        }
        let cipher = self.keks.get(wrapped.kek()).ok_or_else(|| ProviderError::UnknownKek(wrapped.kek().clone()))?;
        let (nonce, rest) = wrapped.body().split_first_chunk().ok_or(ProviderError::Malformed)?;
        let (sealed, tag) = rest.split_last_chunk().ok_or(ProviderError::Malformed)?;
        let mut key = Zeroizing::new(<[u8; DataKey::BYTES]>::try_from(sealed).map_err(|_| ProviderError::Malformed)?);
        let associated = binding.associated(&wrapped.header());
        cipher
            .open(nonce, &associated, &mut key[..], tag)
            .map_err(|_| ProviderError::Rejected(wrapped.kek().clone()))?;
        DataKey::from_bytes(&key[..]).ok_or(ProviderError::Malformed)
    }
}

/// The names only.
impl fmt::Debug for LocalProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalProvider({})", self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::binding::tests::binding;

    fn id(name: &str) -> KeyId {
        KeyId::new(name).expect("a name")
    }

    fn kek(first: u8) -> Key {
        Key::new((first..first + 40).collect()).expect("a key")
    }

    #[test]
    fn a_key_unwraps_in_its_place_only() {
        let provider = LocalProvider::new(id("kek-1"), &kek(1));
        let key = DataKey::random().expect("a key");
        let wrapped = provider.wrap(&binding(1), &key).expect("wrapped");
        assert_eq!(provider.unwrap(&binding(1), &wrapped).expect("unwrapped").bytes(), key.bytes());
        assert!(matches!(provider.unwrap(&binding(2), &wrapped), Err(ProviderError::Rejected(_))));
        let again = provider.wrap(&binding(1), &key).expect("wrapped");
        assert_ne!(again, wrapped, "each has a nonce of its own");
    }

    #[test]
    fn every_bit_counts() {
        let provider = LocalProvider::new(id("kek-1"), &kek(1)).with_previous(id("kek-0"), &kek(2));
        let wrapped = provider.wrap(&binding(1), &DataKey::random().expect("a key")).expect("wrapped").to_bytes();
        for bit in 0..wrapped.len() * 8 {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = WrappedKey::from_bytes(&changed) {
                provider.unwrap(&binding(1), &changed).expect_err("a bit was changed");
            }
        }
    }

    #[test]
    fn previous_keys_unwrap_and_do_not_wrap() {
        let old = LocalProvider::new(id("kek-1"), &kek(1));
        let wrapped = old.wrap(&binding(1), &DataKey::random().expect("a key")).expect("wrapped");
        let new = LocalProvider::new(id("kek-2"), &kek(2));
        assert!(matches!(new.unwrap(&binding(1), &wrapped), Err(ProviderError::UnknownKek(kek)) if kek == id("kek-1")));
        let both = new.with_previous(id("kek-1"), &kek(1));
        let key = both.unwrap(&binding(1), &wrapped).expect("unwrapped");
        assert_eq!(both.wrap(&binding(1), &key).expect("wrapped").kek(), &id("kek-2"));
        let impostor = LocalProvider::new(id("kek-1"), &kek(3));
        assert!(matches!(impostor.unwrap(&binding(1), &wrapped), Err(ProviderError::Rejected(_))));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let provider = LocalProvider::new(id("kek-1"), &kek(1));
        assert_eq!(format!("{provider:?}"), "LocalProvider(kek-1)");
    }
}
