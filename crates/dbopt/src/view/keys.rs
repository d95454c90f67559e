//! Keys as they leave the program: all but the keys themselves.

use std::path::Path;

use dbopt_crypto::{KeyId, KeyNumber, Keyring, KeyringEntry};
use dbopt_finding::Finding;
use dbopt_reencrypt::{Counted, CountedPerson};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView, re_encrypt::CountedView};

/// What `dbopt keys` answers, but for `status`.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt keys")]
pub(crate) struct KeysView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The key ring.
    #[serde(flatten)]
    pub(crate) ring: RingView,
    /// Numbers of the keys that this command has made or changed.
    pub(crate) changed: Vec<u32>,
}

/// What `dbopt keys status` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt keys status")]
pub(crate) struct KeysStatusView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The key ring.
    #[serde(flatten)]
    pub(crate) ring: RingView,
    /// With a database, what is in the columns of the policy.
    pub(crate) counted: Vec<CountedView>,
    /// What is to be done about keys, and with a database about its columns.
    pub(crate) findings: Vec<FindingView>,
}

/// What `dbopt keys destroy --subject` did. Whose key it was is not in it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt keys destroy --subject")]
pub(crate) struct ErasedView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Purpose of the keys that wrapped it.
    pub(crate) purpose: String,
    /// Number of the key that is gone, which the values under it still say.
    pub(crate) number: u32,
    /// Values that open nowhere any more.
    pub(crate) values: u64,
    /// Terms of blind indexes of the person's rows, which `dbopt re-encrypt` removes.
    pub(crate) terms: u64,
}

/// A key ring.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct RingView {
    /// Its file.
    pub(crate) file: String,
    /// Its name, which each key is bound to.
    pub(crate) name: String,
    /// Its keys by their numbers.
    pub(crate) keys: Vec<KeyView>,
}

/// A key.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct KeyView {
    /// Its number, which each value under it says.
    pub(crate) number: u32,
    /// What its values are.
    pub(crate) purpose: String,
    /// What it does.
    pub(crate) algorithm: String,
    /// Which key of its purpose it is, from 1 on; of an index key the version of its terms.
    pub(crate) generation: u32,
    /// `active`, `retired` or `destroyed`.
    pub(crate) state: String,
    /// When it was made, in UTC.
    pub(crate) created: String,
    /// When it stopped to seal.
    pub(crate) retired: Option<String>,
    /// When it was destroyed.
    pub(crate) destroyed: Option<String>,
    /// Name of the key-encryption key that wraps it.
    pub(crate) kek: Option<String>,
}

impl KeysView {
    /// The view of a key ring after a change.
    pub(crate) fn new(file: &Path, ring: &Keyring, changed: &[KeyNumber]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            ring: RingView::new(file, ring),
            changed: changed.iter().map(|number| number.get()).collect(),
        }
    }
}

impl ErasedView {
    /// The view of a person's key that is gone.
    pub(crate) fn new(purpose: &KeyId, number: KeyNumber, found: &CountedPerson) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            purpose: purpose.to_string(),
            number: number.get(),
            values: found.values,
            terms: found.terms,
        }
    }
}

impl KeysStatusView {
    /// The view of a key ring and of what was found.
    pub(crate) fn new(file: &Path, ring: &Keyring, counted: &[Counted], findings: &[Finding]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            ring: RingView::new(file, ring),
            counted: counted.iter().map(CountedView::new).collect(),
            findings: findings.iter().map(FindingView::from).collect(),
        }
    }
}

impl RingView {
    fn new(file: &Path, ring: &Keyring) -> Self {
        Self {
            file: file.display().to_string(),
            name: ring.name().to_string(),
            keys: ring.entries().iter().map(KeyView::new).collect(),
        }
    }
}

impl KeyView {
    fn new(entry: &KeyringEntry) -> Self {
        Self {
            number: entry.number.get(),
            purpose: entry.purpose.to_string(),
            algorithm: entry.kind.name().to_owned(),
            generation: entry.generation,
            state: entry.state().name().to_owned(),
            created: entry.created.to_string(),
            retired: entry.retired.map(|time| time.to_string()),
            destroyed: entry.destroyed.map(|time| time.to_string()),
            kek: entry.wrapped.as_ref().map(|wrapped| wrapped.kek().to_string()),
        }
    }
}
