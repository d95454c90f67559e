//! Erasing again, after a restore, who was erased since the backup.
//!
//! The restored database does not know of them; a copy of the ledger from before does, by pseudonyms. Those of all persons that are there are made
//! and compared.

use std::collections::BTreeSet;

use dbopt_audit::Record;
use dbopt_crypto::{Pseudonym, Pseudonymizer};
use dbopt_sql::quote_ident;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::{Transaction, types::Type};

use super::ledger::ACTION;
use crate::{
    graph::Graph,
    plan::pseudonym,
    policy::SubjectRule,
    walk::{Error, Key, Subject, failed, guarded},
};

/// Who was erased, by the records of a ledger from some time on. Whether its chain is whole is for `dbopt_audit::Verifier` to say.
#[must_use]
pub fn erased_since<'a>(records: impl IntoIterator<Item = &'a Record>, since: Timestamp) -> BTreeSet<Pseudonym> {
    let is_done = |record: &&Record| {
        let details = || serde_json::from_str::<Value>(&record.details).unwrap_or_default();
        record.action == ACTION && record.time >= since.as_microsecond() && details()["outcome"] == "done"
    };
    records.into_iter().filter(is_done).filter_map(|record| record.subject.as_deref()?.parse().ok()).collect()
}

/// The keys of those of some persons that are in the database. All persons are read, a part at a time.
///
/// # Errors
/// When the server refuses a query.
pub async fn find_again(
    transaction: &Transaction<'_>,
    graph: &Graph,
    pseudonyms: &Pseudonymizer,
    rule: &SubjectRule,
    wanted: &BTreeSet<Pseudonym>,
) -> Result<Vec<Key>, Error> {
    const PART: i32 = 10_000;
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
            if wanted.contains(&pseudonym(pseudonyms, &subject)) {
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
