//! Erasing again, after a restore, who was erased since the backup.
//!
//! The restored database does not know of them; a copy of the ledger from before does, by pseudonyms. Those of all persons that are there are made
//! and compared.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_audit::{Record, append_in};
use dbopt_crypto::{KeyId, Pseudonym, Pseudonymizer, SubjectId, SubjectTable};
use dbopt_sql::quote_ident;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_postgres::{Client, Transaction, types::Type};

use super::{
    EraseError, PersonKey,
    ledger::{ACTION, actor, commit, destroyed, durable, entry},
};
use crate::{
    graph::Graph,
    plan::pseudonym,
    policy::SubjectRule,
    walk::{Error, Key, Subject, failed, guarded},
};

/// What a ledger says to have been erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Persons, each with what the keys of theirs were for that were destroyed.
    pub persons: BTreeMap<Pseudonym, BTreeSet<KeyId>>,
    /// Keys of persons that were destroyed, by what they were for and [`PersonKey::pseudonym`].
    pub keys: BTreeSet<(KeyId, Pseudonym)>,
}

impl Recorded {
    /// By the records of a ledger from some time on. Whether its chain is whole is for `dbopt_audit::Verifier` to say.
    #[must_use]
    pub fn since<'a>(records: impl IntoIterator<Item = &'a Record>, since: Timestamp) -> Self {
        let mut recorded = Self::default();
        let is_of_it =
            |record: &&Record| [ACTION, DESTROY].contains(&&*record.action) && record.time >= since.as_microsecond();
        for record in records.into_iter().filter(is_of_it) {
            let details: Value = serde_json::from_str(&record.details).unwrap_or_default();
            if details["outcome"] != "done" {
                continue;
            }
            let mut purposes = BTreeSet::new();
            for destroyed in details["destroyed"].as_array().into_iter().flatten() {
                let text = |name: &str| destroyed[name].as_str().unwrap_or_default();
                let Ok(purpose) = KeyId::new(text("purpose")) else { continue };
                purposes.insert(purpose.clone());
                recorded.keys.extend(text("key").parse().ok().map(|key| (purpose, key)));
            }
            // A record of keys alone is about nobody.
            if let Some(person) = record.subject.as_deref().and_then(|text| text.parse().ok()) {
                recorded.persons.entry(person).or_default().extend(purposes);
            }
        }
        recorded
    }

    /// Only what is named by one key of pseudonyms; under another nothing can be compared.
    #[must_use]
    pub fn under(mut self, key: &KeyId) -> Self {
        self.persons.retain(|person, _| person.key() == key);
        self.keys.retain(|(_, name)| name.key() == key);
        self
    }
}

/// The action of records of keys that are destroyed again without their persons.
const DESTROY: &str = "gdpr.destroy-key";

/// How many rows are read at a time.
const PART: i32 = 10_000;

/// The keys of those of some persons that are in the database. All persons are read, a part at a time.
///
/// # Errors
/// When the server refuses a query.
pub async fn find_again(
    transaction: &Transaction<'_>,
    graph: &Graph,
    pseudonyms: &Pseudonymizer,
    rule: &SubjectRule,
    wanted: &Recorded,
) -> Result<Vec<Key>, Error> {
    let table = graph.find(&rule.table).ok_or_else(|| Error::NoSubject(rule.name.clone()))?;
    let before = guarded(transaction).await?;
    let columns: Vec<String> = rule.key.iter().map(|name| format!("t.{}::text", quote_ident(name))).collect();
    let sql = format!("SELECT {} FROM {} AS t", columns.join(", "), graph.node(table).from_item());
    let asked = || format!("the keys of `{}`", rule.table);
    let statement = transaction.prepare_typed(&sql, &[] as &[Type]).await.map_err(|error| failed(asked(), &error))?;
    let portal = transaction.bind(&statement, &[]).await.map_err(|error| failed(asked(), &error))?;
    let mut found = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, PART).await.map_err(|error| failed(asked(), &error))?;
        for row in &rows {
            let key: Option<Key> = (0..columns.len()).map(|at| row.get::<_, Option<&str>>(at).map(Box::from)).collect();
            let Some(key) = key else { continue };
            let subject = Subject { rule: rule.name.clone(), table, key };
            if wanted.persons.contains_key(&pseudonym(pseudonyms, &subject)) {
                found.push(subject.key);
            }
        }
        if rows.is_empty() {
            break;
        }
    }
    before.restore(transaction).await?;
    Ok(found)
}

/// Those of some destroyed keys that are in `dbopt.subject_key`, as after a restore of that table. All keys of their purposes are read, a part
/// at a time.
///
/// # Errors
/// When the server refuses the query.
pub async fn find_keys_again(
    transaction: &Transaction<'_>,
    pseudonyms: &Pseudonymizer,
    wanted: &Recorded,
) -> Result<Vec<PersonKey>, Error> {
    const SQL: &str = "SELECT purpose, subject FROM dbopt.subject_key WHERE purpose = ANY ($1)";
    if wanted.keys.is_empty() {
        return Ok(Vec::new());
    }
    let refused = |error: tokio_postgres::Error| failed("the keys of persons", &error);
    let purposes: Vec<&str> = wanted.keys.iter().map(|(purpose, _)| purpose.as_str()).collect();
    let statement = transaction.prepare_typed(SQL, &[Type::TEXT_ARRAY]).await.map_err(refused)?;
    let portal = transaction.bind(&statement, &[&purposes]).await.map_err(refused)?;
    let mut found = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, PART).await.map_err(refused)?;
        for row in &rows {
            let Some(subject) = SubjectId::from_bytes(row.get(1)) else { continue };
            let Ok(purpose) = KeyId::new(row.get::<_, &str>(0)) else { continue };
            let key = PersonKey { purpose, subject };
            if wanted.keys.contains(&(key.purpose.clone(), key.pseudonym(pseudonyms))) {
                found.push(key);
            }
        }
        if rows.is_empty() {
            return Ok(found);
        }
    }
}

/// Destroys keys again whose persons are not in the database, and records it: before, and with it. How many were there.
///
/// # Errors
/// See [`EraseError`]. Nothing is destroyed then.
pub async fn destroy_again(
    client: &mut Client,
    pseudonyms: &Pseudonymizer,
    keys: &[PersonKey],
) -> Result<u64, EraseError> {
    let actor = actor(client).await?;
    let begun = json!({ "stage": "begun", "keys": keys.len() });
    let begun = commit(client, &entry(&actor, DESTROY, begun)?).await?;
    let transaction = client.transaction().await.map_err(|error| failed("a transaction", &error))?;
    durable(&transaction).await?;
    let mut count = 0;
    for key in keys {
        count += u64::from(SubjectTable::erase(&transaction, &key.purpose, &key.subject).await?.is_some());
    }
    let ended = json!({
        "stage": "ended", "begun": begun, "outcome": "done", "keys": count, "destroyed": destroyed(pseudonyms, keys),
    });
    append_in(&transaction, &entry(&actor, DESTROY, ended)?).await?;
    transaction.commit().await.map_err(|error| failed("the end of the transaction", &error))?;
    Ok(count)
}
