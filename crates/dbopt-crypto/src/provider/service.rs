//! Key-encryption keys that never leave a key service.

use std::{collections::BTreeMap, fmt};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Binding, KeyProvider, ProviderError, WrappedKey, wrapped::Wrapper};
use crate::{DataKey, KeyId};

/// One key of a key service such as AWS KMS, Google Cloud KMS, Azure Key Vault or Vault's transit engine.
///
/// `context` is what these services call encryption context or additional authenticated data. A service that has
/// no such thing must put it next to the key and compare it.
///
/// Calls block: they are made when keys are loaded or changed, not for each value. From a runtime, load on a thread that may block.
pub trait KeyService: Send + Sync {
    /// Encrypts a data key.
    ///
    /// # Errors
    /// As the service says. The error must not show the key.
    fn encrypt(&self, key: &[u8], context: &[(&str, String)]) -> Result<Vec<u8>, ServiceError>;

    /// Decrypts what [`KeyService::encrypt`] gave, under the same context.
    ///
    /// # Errors
    /// As the service says.
    fn decrypt(&self, sealed: &[u8], context: &[(&str, String)]) -> Result<Zeroizing<Vec<u8>>, ServiceError>;
}

/// Why a key service gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// It cannot be reached, or is busy. Trying again later may help.
    #[error("it cannot be reached: {0}")]
    Unavailable(String),
    /// It does not allow it, or has disabled or destroyed the key.
    #[error("it refuses: {0}")]
    Refused(String),
    /// What it was given is nothing that it sealed under this key and context.
    #[error("it does not know what it was given")]
    Rejected,
}

/// Wraps by a key service.
///
/// After a change of the key-encryption key the previous ones unwrap still, until all data keys are wrapped anew.
pub struct ServiceProvider<S> {
    current: KeyId,
    keks: BTreeMap<KeyId, S>,
}

impl<S: KeyService> ServiceProvider<S> {
    /// Wraps by this key of a service. The name is this program's own for it.
    #[must_use]
    pub fn new(id: KeyId, service: S) -> Self {
        Self { keks: BTreeMap::from([(id.clone(), service)]), current: id }
    }

    /// The same, and what this key wrapped is unwrapped still. A key of the current one's name changes nothing.
    #[must_use]
    pub fn with_previous(mut self, id: KeyId, service: S) -> Self {
        self.keks.entry(id).or_insert(service);
        self
    }

    fn service(&self, id: &KeyId) -> Result<&S, ProviderError> {
        self.keks.get(id).ok_or_else(|| ProviderError::UnknownKek(id.clone()))
    }
}

impl<S: KeyService> KeyProvider for ServiceProvider<S> {
    fn current(&self) -> &KeyId {
        &self.current
    }

    /// What cannot be unwrapped again is refused at once, before anything is sealed with the key.
    fn wrap(&self, binding: &Binding, key: &DataKey) -> Result<WrappedKey, ProviderError> {
        let failed = |error| ProviderError::Service { kek: self.current.clone(), error };
        let body = self.service(&self.current)?.encrypt(key.bytes(), &binding.context()).map_err(failed)?;
        let wrapped = WrappedKey::new(Wrapper::Service, self.current.clone(), body).ok_or(ProviderError::Malformed)?;
        let again = self.unwrap(binding, &wrapped)?;
        if bool::from(again.bytes().ct_eq(key.bytes())) { Ok(wrapped) } else { Err(ProviderError::Malformed) }
    }

    fn unwrap(&self, binding: &Binding, wrapped: &WrappedKey) -> Result<DataKey, ProviderError> {
        let kek = || wrapped.kek().clone();
        if wrapped.wrapper != Wrapper::Service {
            return Err(ProviderError::Elsewhere(kek()));
        }
        let key =
            self.service(wrapped.kek())?.decrypt(wrapped.body(), &binding.context()).map_err(|error| match error {
                ServiceError::Rejected => ProviderError::Rejected(kek()),
                error => ProviderError::Service { kek: kek(), error },
            })?;
        DataKey::from_bytes(&key).ok_or(ProviderError::Malformed)
    }
}

/// The names only.
impl<S> fmt::Debug for ServiceProvider<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceProvider({})", self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{binding::tests::binding, stand_in::StandIn};

    fn id(name: &str) -> KeyId {
        KeyId::new(name).expect("a name")
    }

    #[test]
    fn a_key_unwraps_in_its_place_only() {
        let provider = ServiceProvider::new(id("kms-1"), StandIn::new().expect("a key"));
        let key = DataKey::random().expect("a key");
        let wrapped = provider.wrap(&binding(1), &key).expect("wrapped");
        assert_eq!(provider.unwrap(&binding(1), &wrapped).expect("unwrapped").bytes(), key.bytes());
        assert!(matches!(provider.unwrap(&binding(2), &wrapped), Err(ProviderError::Rejected(_))));
        let other = ServiceProvider::new(id("kms-1"), StandIn::new().expect("a key"));
        assert!(matches!(other.unwrap(&binding(1), &wrapped), Err(ProviderError::Rejected(_))));
    }

    #[test]
    fn previous_keys_unwrap_and_do_not_wrap() {
        let (one, two) = (StandIn::new().expect("a key"), StandIn::new().expect("a key"));
        let wrapped = ServiceProvider::new(id("kms-1"), one.clone())
            .wrap(&binding(1), &DataKey::random().expect("a key"))
            .expect("wrapped");
        let provider = ServiceProvider::new(id("kms-2"), two).with_previous(id("kms-1"), one);
        let key = provider.unwrap(&binding(1), &wrapped).expect("unwrapped");
        assert_eq!(provider.wrap(&binding(1), &key).expect("wrapped").kek(), &id("kms-2"));
    }

    #[test]
    fn a_service_that_is_away_is_an_error() {
        let service = StandIn::new().expect("a key");
        let provider = ServiceProvider::new(id("kms-1"), service.clone());
        let key = DataKey::random().expect("a key");
        let wrapped = provider.wrap(&binding(1), &key).expect("wrapped");
        service.set_available(false);
        let error = provider.unwrap(&binding(1), &wrapped).expect_err("it is away");
        assert_eq!(error.to_string(), "key service `kms-1` gave no key: it cannot be reached: it was switched off");
        provider.wrap(&binding(1), &key).expect_err("it is away");
    }

    /// Gives nonsense.
    struct Broken;

    impl KeyService for Broken {
        fn encrypt(&self, _: &[u8], _: &[(&str, String)]) -> Result<Vec<u8>, ServiceError> {
            Ok(vec![1, 2, 3])
        }

        fn decrypt(&self, _: &[u8], _: &[(&str, String)]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
            Ok(Zeroizing::new(vec![7; 32]))
        }
    }

    #[test]
    fn a_service_that_gives_another_key_back_wraps_nothing() {
        let provider = ServiceProvider::new(id("kms-1"), Broken);
        let key = DataKey::random().expect("a key");
        assert!(matches!(provider.wrap(&binding(1), &key), Err(ProviderError::Malformed)));
    }
}
