//! Key rings as data: which keys there are, what each is for, and how they follow each other (feature `keyring`).
//!
//! A key ring holds data keys wrapped, and says of each its number, purpose, algorithm and state. Changing one is a function
//! from a ring to a ring; [`KeyringFile`] keeps it in a file, and [`KeyStore`] gives a service the keys out of it.

mod change;
mod data;
mod file;
mod json;
mod store;

pub use change::{ChangeError, MakeError, NewKey};
pub use data::{Keyring, KeyringEntry, KeyringError};
pub use file::{FileError, KeyringFile, LockedKeyring};
pub use json::ParseKeyringError;
pub use store::{KeyStore, StoreError};
