//! Key-encryption keys: who wraps the keys that encrypt data.
//!
//! Data keys are kept wrapped. What unwraps them is one key-encryption key, which is kept elsewhere and encrypts nothing else, so
//! that changing it means wrapping a few keys anew and touching no value.

mod binding;
mod command;
mod local;
mod service;
mod several;
mod stand_in;
mod wrapped;

pub use binding::{Binding, KeyKind};
pub use command::CommandService;
pub use local::LocalProvider;
pub use service::{KeyService, ServiceError, ServiceProvider};
pub use several::Providers;
pub use stand_in::StandIn;
pub use wrapped::{WrappedKey, WrappedKeyError};

use crate::{DataKey, KeyId, RandomError};

/// Wraps and unwraps data keys.
pub trait KeyProvider: Send + Sync {
    /// The name of the key-encryption key that wraps from now on.
    fn current(&self) -> &KeyId;

    /// Wraps a key for its place.
    ///
    /// # Errors
    /// When the key-encryption key cannot be used.
    fn wrap(&self, binding: &Binding, key: &DataKey) -> Result<WrappedKey, ProviderError>;

    /// Unwraps a key in its place.
    ///
    /// # Errors
    /// When the key-encryption key cannot be used or is not known, or the key was wrapped for another place.
    fn unwrap(&self, binding: &Binding, wrapped: &WrappedKey) -> Result<DataKey, ProviderError>;
}

impl<P: KeyProvider + ?Sized> KeyProvider for Box<P> {
    fn current(&self) -> &KeyId {
        (**self).current()
    }

    fn wrap(&self, binding: &Binding, key: &DataKey) -> Result<WrappedKey, ProviderError> {
        (**self).wrap(binding, key)
    }

    fn unwrap(&self, binding: &Binding, wrapped: &WrappedKey) -> Result<DataKey, ProviderError> {
        (**self).unwrap(binding, wrapped)
    }
}

/// Why a key was not wrapped or unwrapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The key-encryption key is not at hand.
    #[error("there is no key-encryption key `{0}` here")]
    UnknownKek(KeyId),
    /// A key service has wrapped it, and this is none; or the reverse.
    #[error("the key was wrapped by another kind of key-encryption key than `{0}` is")]
    Elsewhere(KeyId),
    /// It was changed, wrapped for another place, or by another key of this name. Which of them cannot be told.
    #[error("key-encryption key `{0}` did not wrap this key for its place")]
    Rejected(KeyId),
    /// There is no nonce.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The key service gave nothing.
    #[error("key service `{kek}` gave no key: {error}")]
    Service {
        /// The key-encryption key.
        kek: KeyId,
        /// Why.
        #[source]
        error: ServiceError,
    },
    /// What was wrapped, or came back, is no key.
    #[error("what was wrapped is no key")]
    Malformed,
}
