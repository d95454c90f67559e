//! The keys of an issuer, of which one signs.
//!
//! A key is changed with an overlap: a new one signs, and the old one verifies as long as a token that it signed may live.
//! Whoever verifies elsewhere reads the public keys as a JWK set (RFC 7517, section 5).

use std::time::SystemTime;

use jsonwebtoken::jwk::JwkSet;

use super::key::TokenKey;

/// Keys by name.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<TokenKey>,
    /// The one that signs.
    signing: Option<usize>,
}

/// Why keys are no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeys {
    /// Two have the same name.
    #[error("key `{0}` is there twice")]
    SameName(Box<str>),
    /// The one that shall sign is not there.
    #[error("key `{0}`, which shall sign, is not there")]
    Missing(Box<str>),
    /// The one that shall sign has no private key.
    #[error("key `{0}`, which shall sign, has no private key")]
    CannotSign(Box<str>),
    /// Two names have the same key with different algorithms, so that a signature of one could be taken for the other's.
    #[error("keys `{0}` and `{1}` are the same key with two algorithms")]
    SharedKey(Box<str>, Box<str>),
}

impl KeySet {
    /// Keys, and the name of the one that signs; none to verify only.
    ///
    /// # Errors
    /// When names come twice, keys are shared, or the one that shall sign cannot.
    pub fn new(keys: impl IntoIterator<Item = TokenKey>, signing: Option<&str>) -> Result<Self, InvalidKeys> {
        let mut set = Self::default();
        for key in keys {
            set.add(key)?;
        }
        set.signing = signing.map(|id| set.signer(id)).transpose()?;
        Ok(set)
    }

    /// Makes a new key the one that signs. The one before verifies until then: now, and as long as a token may live, and the leeway.
    ///
    /// # Errors
    /// As for [`Self::new`]; nothing has changed then.
    pub fn rotate(&mut self, key: TokenKey, until: SystemTime) -> Result<(), InvalidKeys> {
        if !key.signs() {
            return Err(InvalidKeys::CannotSign(key.id().into()));
        }
        self.add(key)?;
        if let Some(before) = self.signing.replace(self.keys.len() - 1) {
            self.keys[before].end(until);
        }
        Ok(())
    }

    /// Forgets keys that have ended.
    pub fn forget_ended(&mut self, now: SystemTime) {
        let signing = self.signing.map(|at| Box::<str>::from(self.keys[at].id()));
        self.keys.retain(|key| !key.has_ended(now));
        self.signing = signing.and_then(|id| self.keys.iter().position(|key| *key.id() == *id));
    }

    /// The key of a name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&TokenKey> {
        self.keys.iter().find(|key| key.id() == id)
    }

    /// The key that signs.
    #[must_use]
    pub fn signing(&self) -> Option<&TokenKey> {
        self.signing.and_then(|at| self.keys.get(at))
    }

    /// All keys.
    #[must_use]
    pub fn keys(&self) -> &[TokenKey] {
        &self.keys
    }

    /// The public keys that have not ended, for whoever verifies elsewhere. Secrets are never among them.
    #[must_use]
    pub fn jwks(&self, now: SystemTime) -> JwkSet {
        JwkSet { keys: self.keys.iter().filter(|key| !key.has_ended(now)).filter_map(TokenKey::jwk).collect() }
    }

    fn add(&mut self, key: TokenKey) -> Result<(), InvalidKeys> {
        for other in &self.keys {
            if other.id() == key.id() {
                return Err(InvalidKeys::SameName(key.id().into()));
            }
            let public = key.material.public_bytes();
            if public.is_some() && public == other.material.public_bytes() && key.algorithm() != other.algorithm() {
                return Err(InvalidKeys::SharedKey(other.id().into(), key.id().into()));
            }
        }
        self.keys.push(key);
        Ok(())
    }

    fn signer(&self, id: &str) -> Result<usize, InvalidKeys> {
        let at = self.keys.iter().position(|key| key.id() == id).ok_or_else(|| InvalidKeys::Missing(id.into()))?;
        if self.keys[at].signs() { Ok(at) } else { Err(InvalidKeys::CannotSign(id.into())) }
    }
}
