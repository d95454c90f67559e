//! The policy `encryption`: which columns are encrypted, by which keys, and where those are (feature `policy`).

mod column;
mod fields;
mod kek;
mod keys;
mod live;

use std::path::PathBuf;

use dbopt_policy::{Fault, Policy, Table};

pub use column::{ColumnRule, IndexRule, IndexVersion};
pub use fields::{Field, FieldCipher, FieldCipherError, SealedField};
pub use kek::{Kek, KekSource};
pub use keys::KeyRule;
pub use live::{ColumnFacts, DatabaseFacts, ServerFacts, TableFacts};

use crate::{KeyId, KeyStore, KeyringFile, Providers, SourceError};

/// What the policy says.
#[derive(Clone, Debug)]
pub struct EncryptionPolicy {
    /// The file of wrapped keys.
    pub keyring: PathBuf,
    /// What wraps them: the current key-encryption key, then previous ones.
    pub keks: Vec<Kek>,
    /// The purposes of keys, in the order of their names.
    pub keys: Vec<KeyRule>,
    /// The columns that are encrypted.
    pub columns: Vec<ColumnRule>,
}

impl EncryptionPolicy {
    /// The rule of a purpose.
    #[must_use]
    pub fn key(&self, purpose: &KeyId) -> Option<&KeyRule> {
        self.keys.iter().find(|key| key.purpose == *purpose)
    }

    /// The rule of a column, by the real names.
    #[must_use]
    pub fn column(&self, schema: &str, table: &str, column: &str) -> Option<&ColumnRule> {
        self.columns.iter().find(|rule| rule.schema == schema && rule.table == table && rule.column == column)
    }

    /// The file of wrapped keys.
    #[must_use]
    pub fn keyring_file(&self) -> KeyringFile {
        KeyringFile::new(&self.keyring)
    }

    /// What wraps and unwraps keys. Key-encryption keys are fetched now, but for those of a key service.
    ///
    /// # Errors
    /// When one cannot be had.
    pub fn provider(&self) -> Result<Providers, SourceError> {
        let mut keks = self.keks.iter();
        let nothing = || SourceError::Other("the policy names no key-encryption key".to_owned());
        let current = Providers::new(keks.next().ok_or_else(nothing)?.provider()?);
        keks.try_fold(current, |providers, kek| Ok(providers.with_previous(kek.provider()?)))
    }

    /// The keys, for a service.
    ///
    /// # Errors
    /// As [`EncryptionPolicy::provider`].
    pub fn store(&self) -> Result<KeyStore, SourceError> {
        Ok(KeyStore::new(self.keyring_file(), Box::new(self.provider()?)))
    }
}

impl Policy for EncryptionPolicy {
    const KIND: &'static str = "encryption";
    const ABOUT: &'static str = "Which columns are encrypted, by which keys, and where those are.";

    fn read(table: &Table<'_>) -> Option<Self> {
        let keyring = kek::keyring(table);
        let keks = table.section("kek", "The key-encryption key, which wraps all others.", kek::read);
        let keys = keys::read(table);
        let columns = table.sections("column", "A column that is encrypted.", |rule| ColumnRule::read(rule, &keys));
        column::twice(table, &columns);
        for key in &keys {
            let uses = |rule: &ColumnRule| {
                rule.purpose == key.purpose || rule.indexes.iter().any(|index| index.purpose == key.purpose)
            };
            if !columns.iter().any(uses) {
                let fault = Fault::new("never-applies", format!("no column uses keys of purpose `{}`", key.purpose));
                table.warn("key", fault.help("Give a column this `key`, or take the purpose out."));
            }
        }
        let (keyring, keks) = (keyring?, keks?);
        if let (Some(KekSource::File(kek)), Some(folder)) = (keks.first().map(|kek| &kek.source), keyring.parent())
            && kek.parent() == Some(folder)
        {
            let fault = Fault::new("kek-beside-keys", "the key-encryption key is in the folder of what it wraps");
            table.warn("keyring", fault.help("Keep it where a copy of the one does not take the other along."));
        }
        Some(Self { keyring, keks, keys, columns })
    }
}

#[cfg(test)]
mod tests;
