//! The columns of a policy with their keys: what a service seals and opens with.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use super::{ColumnRule, EncryptionPolicy};
use crate::{BlindIndex, Envelope, KeyOwner, KeyRing, KeyStore, OpenError, SealError, StoreError};

/// All columns of a policy.
#[derive(Debug)]
pub struct FieldCipher {
    fields: Vec<Field>,
}

/// One column: seals and opens its values, and makes the terms that they are found by.
pub struct Field {
    rule: ColumnRule,
    table_name: String,
    store: Arc<KeyStore>,
    /// For each index its column, and the index of each version, the one that is written first.
    indexes: Vec<(String, Vec<BlindIndex>)>,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedField {
    /// For the column itself.
    pub value: Vec<u8>,
    /// For each index its column, and the term. None where the value has none: it is shorter than a prefix, or no UTF-8.
    pub terms: Vec<(String, Option<Vec<u8>>)>,
}

/// Why a value was not sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FieldCipherError {
    /// There are no keys.
    #[error(transparent)]
    Keys(#[from] StoreError),
    /// It was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its key is that of a person, who is to be given: see [`Field::seal_of`] and [`Field::open_of`].
    #[error("values of `{0}` are under keys of single persons")]
    NeedsSubject(String),
}

impl FieldCipher {
    /// The columns of a policy with the keys of a store. Index keys are fetched now: when they change, so does the policy, and a
    /// new one of these is to be made.
    ///
    /// # Errors
    /// When there is no key of a version that the policy names.
    pub fn new(policy: &EncryptionPolicy, store: &Arc<KeyStore>) -> Result<Self, StoreError> {
        let field = |rule: &ColumnRule| {
            let indexes = rule.indexes.iter().map(|index| {
                let versions = index.versions().map(|version| {
                    let key = store.index_key(&index.purpose, version.version.into())?;
                    let (table, column) = (rule.table_name(), &rule.column);
                    let blind = BlindIndex::new(&key, &table, column, version.version, version.form, version.bits);
                    // Those of a policy that was read are in range.
                    blind.ok_or_else(|| StoreError::Bits { index: index.column.clone(), bits: version.bits })
                });
                Ok((index.column.clone(), versions.collect::<Result<_, StoreError>>()?))
            });
            Ok(Field {
                table_name: rule.table_name(),
                store: store.clone(),
                indexes: indexes.collect::<Result<_, StoreError>>()?,
                rule: rule.clone(),
            })
        };
        Ok(Self { fields: policy.columns.iter().map(field).collect::<Result<_, StoreError>>()? })
    }

    /// The columns, in the policy's order.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// A column by its real names.
    #[must_use]
    pub fn field(&self, schema: &str, table: &str, column: &str) -> Option<&Field> {
        let is_it =
            |field: &&Field| field.rule.schema == schema && field.rule.table == table && field.rule.column == column;
        self.fields.iter().find(is_it)
    }
}

impl Field {
    /// What the policy says of it.
    #[must_use]
    pub const fn rule(&self) -> &ColumnRule {
        &self.rule
    }

    /// Seals a value for its row, given by the text of the row's key, and makes its terms.
    pub fn seal(&self, row: &[&str], value: &[u8]) -> Result<SealedField, FieldCipherError> {
        if self.rule.subject.is_some() {
            return Err(self.needs_subject());
        }
        let ring = self.ring()?;
        self.seal_by(&ring, row, value)
    }

    /// Seals a value by the key of the person whose it is, where the rule names a `subject`; see `SubjectTable` for keys.
    pub fn seal_of(&self, person: &KeyRing, row: &[&str], value: &[u8]) -> Result<SealedField, FieldCipherError> {
        self.seal_by(person, row, value)
    }

    fn seal_by(&self, ring: &KeyRing, row: &[&str], value: &[u8]) -> Result<SealedField, FieldCipherError> {
        let sealed = ring.seal(&self.rule.cell(&self.table_name, row), value)?;
        Ok(SealedField { value: sealed, terms: self.terms(value) })
    }

    /// Opens a value by the key of the person whose it is. One that was sealed before the column had a `subject` opens, too.
    pub fn open_of(
        &self,
        person: &KeyRing,
        row: &[&str],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, FieldCipherError> {
        match Envelope::parse(sealed).map_err(OpenError::from)?.owner {
            KeyOwner::Subject => Ok(person.open(&self.rule.cell(&self.table_name, row), sealed)?),
            KeyOwner::Ring => self.open(row, sealed),
        }
    }

    /// Opens a value in its row.
    pub fn open(&self, row: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, FieldCipherError> {
        let envelope = Envelope::parse(sealed).map_err(OpenError::from)?;
        if envelope.owner == KeyOwner::Subject {
            return Err(self.needs_subject());
        }
        let ring = self.store.ring_with(&self.rule.purpose, envelope.key)?;
        Ok(ring.open(&self.rule.cell(&self.table_name, row), sealed)?)
    }

    /// The terms of a value, as they are written: for each index its column, and the term.
    #[must_use]
    pub fn terms(&self, value: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
        let text = std::str::from_utf8(value).ok();
        let term = |versions: &[BlindIndex]| versions.first().zip(text).and_then(|(index, text)| index.term(text));
        self.indexes.iter().map(|(column, versions)| (column.clone(), term(versions))).collect()
    }

    /// The terms that rows with this text may have in an index, of all versions: `WHERE term = ANY($1)`. None when the
    /// column has no such index; empty when the text is shorter than its prefix. Rows that are found have to be opened and
    /// compared, since different values may share terms.
    #[must_use]
    pub fn search(&self, index: &str, text: &str) -> Option<Vec<Vec<u8>>> {
        let (_, versions) = self.indexes.iter().find(|(column, _)| column == index)?;
        Some(versions.iter().filter_map(|version| version.term(text)).collect())
    }

    /// The keys of the persons whose values are in the column, where the rule names a `subject`.
    #[cfg(feature = "subjects")]
    #[must_use]
    pub fn subjects(&self) -> Option<crate::SubjectTable> {
        self.rule.subject.as_ref()?;
        Some(crate::SubjectTable::new(Arc::clone(&self.store), self.rule.purpose.clone()))
    }

    /// Whether a sealed value should be sealed anew: it is under another key than the active one, or under a person's and
    /// should not be, or the other way round.
    pub fn is_stale(&self, sealed: &[u8]) -> Result<bool, FieldCipherError> {
        let Envelope { key, owner, .. } = Envelope::parse(sealed).map_err(OpenError::from)?;
        if owner == KeyOwner::Subject || self.rule.subject.is_some() {
            return Ok((owner == KeyOwner::Subject) != self.rule.subject.is_some());
        }
        Ok(self.store.ring_with(&self.rule.purpose, key)?.active() != Some(key))
    }

    fn needs_subject(&self) -> FieldCipherError {
        FieldCipherError::NeedsSubject(self.rule.name())
    }

    fn ring(&self) -> Result<Arc<KeyRing>, FieldCipherError> {
        Ok(self.store.ring(&self.rule.purpose)?)
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.rule.name())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{EnvelopeError, KeyId, KeyProvider, Keyring, KeyringError, KeyringFile, NewKey};

    const POLICY: &str = "policy = 'encryption'\nversion = 1\nkeyring = 'shop.keys'\n\
        [kek]\nname = 'kek-1'\ncommand = ['echo', '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f']\n\
        [key.customer]\nrotate = '365d'\n[key.lookup]\nalgorithm = 'hmac-sha-256'\nrotate = '365d'\n\
        [[column]]\ntable = 'public.customer'\ncolumn = 'email'\nkey = 'customer'\nrow = ['id']\ndistinct = 1000000\n\
        [[column.index]]\ncolumn = 'email_term'\nkey = 'lookup'\nform = 'folded'\nbits = 64\nversion = 1\n";

    fn policy(text: &str) -> EncryptionPolicy {
        dbopt_policy::parse::<EncryptionPolicy>(text, "encryption.toml").expect("good").policy
    }

    /// A key of each purpose, twice for those that are named.
    fn rotate(policy: &EncryptionPolicy, file: &KeyringFile, provider: &dyn KeyProvider) {
        let locked = file.lock().expect("locked");
        let old = locked.read().ok();
        let mut ring = old.clone().unwrap_or_else(|| Keyring::new(KeyId::new("shop").expect("a name")));
        for key in &policy.keys {
            let new = NewKey::make(ring.place(key.purpose.clone(), key.kind), provider).expect("a key");
            let now = Timestamp::UNIX_EPOCH;
            ring = if old.is_some() { ring.rotated(new, now) } else { ring.with_new(new, now) }.expect("changed");
        }
        locked.replace(&ring).expect("written");
    }

    #[test]
    fn a_policy_seals_opens_and_finds() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = KeyringFile::new(folder.path().join("shop.keys"));
        let old_policy = EncryptionPolicy { keyring: file.path().to_owned(), ..policy(POLICY) };
        rotate(&old_policy, &file, &old_policy.provider().expect("a provider"));
        let old_cipher = FieldCipher::new(&old_policy, &Arc::new(old_policy.store().expect("keys"))).expect("keys");
        let old = old_cipher.field("public", "customer", "email").expect("a column");
        let sealed = old.seal(&["42"], b"Jo@Example.org").expect("sealed");
        assert_eq!(old.open(&["42"], &sealed.value).expect("opened").as_slice(), b"Jo@Example.org");
        assert!(matches!(old.open(&["43"], &sealed.value), Err(FieldCipherError::Open(OpenError::Rejected))));
        let term = sealed.terms[0].1.clone().expect("a term");
        assert_eq!((sealed.terms[0].0.as_str(), term[0], term.len()), ("email_term", 1, 9));
        assert_eq!(old.search("email_term", " jo@example.ORG"), Some(vec![term.clone()]));
        assert_eq!(old.search("none", "x"), None);
        assert_eq!(old.terms(b"\xff"), [("email_term".to_owned(), None)]);
        let plain = old.open(&["42"], b"jo@example.org").expect_err("plain");
        assert!(matches!(plain, FieldCipherError::Open(OpenError::Envelope(EnvelopeError::Foreign))));

        // Both purposes get new keys. What runs by the old policy goes on, and both read what the other writes.
        rotate(&old_policy, &file, &old_policy.provider().expect("a provider"));
        let text = POLICY.replace("bits = 64\nversion = 1\n", "bits = 64\nversion = 2\n")
            + "[[column.index.previous]]\nform = 'folded'\nbits = 64\nversion = 1\n";
        let new_policy = EncryptionPolicy { keyring: file.path().to_owned(), ..policy(&text) };
        let new_cipher = FieldCipher::new(&new_policy, &Arc::new(new_policy.store().expect("keys"))).expect("keys");
        let new = &new_cipher.fields()[0];
        assert!(new.is_stale(&sealed.value).expect("sealed"));
        assert_eq!(new.open(&["42"], &sealed.value).expect("opened").as_slice(), b"Jo@Example.org");
        let terms = new.search("email_term", "jo@example.org").expect("an index");
        assert_eq!((terms.len(), terms[0][0], terms[1].clone()), (2, 2, term));
        let again = new.seal(&["42"], b"Jo@Example.org").expect("sealed");
        assert!(!new.is_stale(&again.value).expect("sealed"));
        old.store.forget();
        assert_eq!(old.open(&["42"], &again.value).expect("opened").as_slice(), b"Jo@Example.org");
        assert_eq!(format!("{new:?}"), "Field(public.customer.email)");
    }

    #[test]
    fn a_version_without_a_key_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = KeyringFile::new(folder.path().join("shop.keys"));
        let text = POLICY.replace("bits = 64\nversion = 1", "bits = 64\nversion = 2");
        let policy = EncryptionPolicy { keyring: file.path().to_owned(), ..policy(&text) };
        rotate(&policy, &file, &policy.provider().expect("a provider"));
        let error = FieldCipher::new(&policy, &Arc::new(policy.store().expect("keys"))).expect_err("no such key");
        assert!(matches!(error, StoreError::Keyring(KeyringError::NoGeneration(_, 2))), "{error}");
    }
}
