//! Field encryption: a column's values are sealed before they reach the database, and open only with their key, in their cell.
//!
//! ```
//! use dbopt_crypto::{Algorithm, BlindIndex, Cell, DataKey, Encrypted, Form, Key, KeyNumber, KeyRing};
//!
//! let ring = KeyRing::new().with(KeyNumber::FIRST, Algorithm::default(), true, &DataKey::random()?)?;
//! let cell = Cell::new("public.customer", "email", &["42"]); // The row with the primary key 42.
//! let email = Encrypted::seal(&ring, &cell, &"jo@example.org".to_owned())?; // To a column of type `bytea`.
//! assert_eq!(email.open(&ring, &cell)?, "jo@example.org");
//! assert!(email.open(&ring, &Cell::new("public.customer", "email", &["43"])).is_err()); // Moved, it does not open.
//!
//! let key = Key::parse(b"hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
//! let index = BlindIndex::new(&key, "public.customer", "email", 1, Form::Folded, 64).ok_or("64 bits are good")?;
//! assert_eq!(index.term("Jo@Example.ORG"), index.term("jo@example.org")); // To look for, in a column of its own.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is here
//!
//! - [`KeyRing`] seals and opens by keys that follow each other, and streams large values ([`SealWriter`], [`OpenReader`]);
//!   [`Encrypted`] is a column's type, for tokio-postgres (feature `postgres`) and serde (feature `serde`); [`Envelope`] says which key a
//!   value is under.
//! - [`BlindIndex`] finds sealed values, and says what that gives away. A [`Pseudonym`] names somebody in a record
//!   without saying whom.
//! - Keys are wrapped by a key-encryption key behind a [`KeyProvider`]: from a file that only its owner can use, the environment or a
//!   program ([`LocalProvider`] over a [`KeySource`]), or in a key service that it never leaves ([`ServiceProvider`]).
//! - With the feature `keyring` they are kept in a file: `Keyring` is that file as data, `KeyStore` gives a service its keys and keeps
//!   them for a while. [`SubjectKeys`] gives each person a key, so that erasing it erases what was sealed with it.
//! - With the feature `subjects` those keys of persons are kept in a table of PostgreSQL: `SubjectTable`.
//! - With the feature `policy` all that is said in a policy file, and `FieldCipher` seals, opens and searches by it.
//! - [`FernetReader`] reads what a service has sealed before.
//!
//! There is no database driver and no policy file by default. `examples/encrypted-column` is a whole service, docs/encryption.md says how
//! things are meant and what each format is.
//!
//! # What it costs
//!
//! Sealing 64 bytes takes about 2 µs with the default features, of which the `poly1305` crate's setting up of its wide
//! registers takes more than half, and about 0.5 µs with the feature `ring`: the same bytes by ring's ciphers, of which a quarter goes
//! into deriving the key that a nonce of 24 bytes needs. `cargo xtask bench crypto` measures it.
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
#[cfg(feature = "subjects")]
mod subject_table;

pub use blind::{BlindIndex, Form};
pub use cipher::{
    Algorithm, Cell, DataKey, Envelope, EnvelopeError, KeyNumber, KeyOwner, KeyRing, KeyState, OpenError, OpenReader,
    RingError, SealError, SealWriter,
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
#[cfg(feature = "subjects")]
pub use subject_table::{SubjectId, SubjectTable, SubjectTableError};
