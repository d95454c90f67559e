//! Several key-encryption keys, whoever holds them.

use std::{collections::BTreeMap, fmt};

use super::{Binding, KeyProvider, ProviderError, WrappedKey};
use crate::{DataKey, KeyId};

/// Wraps by one provider, and unwraps by whichever has the key that a wrapped key names: during a change from a file to a key
/// service, say.
pub struct Providers {
    current: KeyId,
    by_kek: BTreeMap<KeyId, Box<dyn KeyProvider>>,
}

impl Providers {
    /// Wraps by this one.
    #[must_use]
    pub fn new(current: Box<dyn KeyProvider>) -> Self {
        let id = current.current().clone();
        Self { by_kek: BTreeMap::from([(id.clone(), current)]), current: id }
    }

    /// The same, and what this one's current key wrapped is unwrapped still. A key of a name that is there changes nothing.
    #[must_use]
    pub fn with_previous(mut self, previous: Box<dyn KeyProvider>) -> Self {
        self.by_kek.entry(previous.current().clone()).or_insert(previous);
        self
    }

    fn provider(&self, kek: &KeyId) -> Result<&dyn KeyProvider, ProviderError> {
        self.by_kek.get(kek).map(|provider| &**provider).ok_or_else(|| ProviderError::UnknownKek(kek.clone()))
    }
}

impl KeyProvider for Providers {
    fn current(&self) -> &KeyId {
        &self.current
    }

    fn wrap(&self, binding: &Binding, key: &DataKey) -> Result<WrappedKey, ProviderError> {
        self.provider(&self.current)?.wrap(binding, key)
    }

    fn unwrap(&self, binding: &Binding, wrapped: &WrappedKey) -> Result<DataKey, ProviderError> {
        self.provider(wrapped.kek())?.unwrap(binding, wrapped)
    }
}

/// The names only.
impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Providers({})", self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, LocalProvider, ServiceProvider, StandIn, provider::binding::tests::binding};

    #[test]
    fn a_file_gives_way_to_a_service() {
        let id = |name: &str| KeyId::new(name).expect("a name");
        let kek = Key::new((0..32).collect()).expect("a key");
        let local = || Box::new(LocalProvider::new(id("kek-1"), &kek));
        let service = Box::new(ServiceProvider::new(id("kms-1"), StandIn::new().expect("a key")));
        let old = Providers::new(local()).wrap(&binding(1), &DataKey::random().expect("a key")).expect("wrapped");
        let alone = Providers::new(service);
        assert_eq!(alone.unwrap(&binding(1), &old).err(), Some(ProviderError::UnknownKek(id("kek-1"))));
        let both = alone.with_previous(local());
        let key = both.unwrap(&binding(1), &old).expect("unwrapped");
        let new = both.wrap(&binding(1), &key).expect("wrapped");
        assert_eq!(new.kek(), &id("kms-1"));
        assert_eq!(both.unwrap(&binding(1), &new).expect("unwrapped").bytes(), key.bytes());
    }
}
