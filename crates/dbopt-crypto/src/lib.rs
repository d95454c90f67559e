//! Keyed pseudonyms, and keys through a trait.
//!
//! A record that must not name a person still has to say that two entries are about the same one. A [`Pseudonym`] does
//! that: it is an HMAC of the value under a key that is kept elsewhere, so nobody without the key can try out e-mail
//! addresses against it. Where keys live is the business of a [`KeySource`]; a file that only its owner can read and an environment
//! variable are here, and a key service can be added by whoever has one.
//!
//! ```
//! use dbopt_crypto::{Key, KeyId, Pseudonymizer};
//!
//! let key = Key::parse(b"hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
//! let pseudonymizer = Pseudonymizer::new(KeyId::new("audit-2026")?, &key);
//! let pseudonym = pseudonymizer.pseudonym("example.user", b"42");
//! assert!(pseudonymizer.verify(&pseudonym, "example.user", b"42"));
//! assert!(!pseudonymizer.verify(&pseudonym, "example.order", b"42"));
//! # Ok::<(), dbopt_crypto::KeyError>(())
//! ```
#![warn(missing_docs)]

mod blind;
mod cache;
mod cipher;
mod fernet;
mod field;
mod fuzz;
mod key;
#[cfg(feature = "keyring")]
mod keyring;
mod mac;
#[cfg(feature = "policy")]
mod policy;
mod provider;
mod random;
mod source;
mod subject;

pub use blind::{BlindIndex, Form};
pub use cipher::{
    Algorithm, Cell, DataKey, Envelope, EnvelopeError, KeyNumber, KeyRing, KeyState, OpenError, OpenReader, RingError,
    SealError, SealWriter,
};
pub use fernet::{FernetError, FernetReader, FernetValue};
#[cfg(feature = "serde")]
pub use field::Json;
pub use field::{Encrypted, FieldError, FieldValue};
#[cfg(feature = "keyring")]
#[doc(hidden)]
pub use fuzz::fuzz_keyring;
#[doc(hidden)]
pub use fuzz::fuzz_sealed;
pub use key::{Key, KeyError, KeyId};
#[cfg(feature = "keyring")]
pub use keyring::{
    ChangeError, FileError, KeyStore, Keyring, KeyringEntry, KeyringError, KeyringFile, LockedKeyring, MakeError,
    NewKey, ParseKeyringError, StoreError,
};
pub use mac::{ParsePseudonymError, Pseudonym, Pseudonymizer};
#[cfg(feature = "policy")]
pub use policy::{
    ColumnFacts, ColumnRule, DatabaseFacts, EncryptionPolicy, Field, FieldCipher, FieldCipherError, IndexRule,
    IndexVersion, Kek, KekSource, KeyRule, SealedField, ServerFacts, TableFacts,
};
pub use provider::{
    Binding, CommandService, KeyKind, KeyProvider, KeyService, LocalProvider, ProviderError, Providers, ServiceError,
    ServiceProvider, StandIn, WrappedKey, WrappedKeyError,
};
pub use random::RandomError;
pub use source::{CommandSource, EnvironmentSource, FileSource, KeySource, ProgramError, SourceError};
pub use subject::{SubjectError, SubjectKeys};
