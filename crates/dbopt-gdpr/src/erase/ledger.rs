//! The ledger: records of the action `gdpr.erase` in the audit record.

use std::collections::BTreeMap;

use dbopt_audit::{Entry, append_in};
use dbopt_crypto::{Pseudonym, Pseudonymizer};
use serde_json::{Map, Value, json};
use tokio_postgres::{Client, Transaction, types::Type};

use super::{
    Approval, EraseError, Erasure, PersonKey,
    remainder::{Remainder, Sum},
};
use crate::{
    plan::Plan,
    walk::{Error, failed},
};

/// The action of the records.
pub const ACTION: &str = "gdpr.erase";

/// How an erasure has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    RolledBack,
    NotDone,
    /// Some parts are done, and no more will be by this one.
    InPart,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::RolledBack => "rolled-back",
            Self::NotDone => "not-done",
            Self::InPart => "in-part",
        }
    }
}

/// What the record says of a person so far.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Beginnings without an end.
    pub(super) open: Vec<Open>,
    /// Records of erasures that were done, each with its approval.
    done: Vec<(u64, String)>,
}

/// A beginning without an end.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// Its record.
    pub(super) begun: u64,
    /// What was approved.
    plan: String,
    /// What is left of it, when it goes in parts.
    pub(super) left: Option<Remainder>,
    /// Rows that are gone.
    pub(super) rows: u64,
}

impl Open {
    /// How it has ended when nobody goes on with it.
    pub(super) fn outcome(&self) -> Outcome {
        if self.rows == 0 { Outcome::NotDone } else { Outcome::InPart }
    }
}

impl Before {
    /// What was begun by an approval and is done in part.
    pub(super) fn begun_by(&self, approved: &Approval) -> Option<Open> {
        let text = approved.to_string();
        self.open.iter().find(|open| open.plan == text && open.rows > 0 && open.left.is_some()).cloned()
    }

    /// The record of the erasure that was done by an approval.
    pub(super) fn done_by(&self, approved: &Approval) -> Option<u64> {
        let text = approved.to_string();
        self.done.iter().find(|(_, plan)| *plan == text).map(|(record, _)| *record)
    }
}

/// The records of one person.
pub(super) struct Ledger {
    subject: Pseudonym,
    actor: String,
}

impl Ledger {
    pub(super) async fn new(client: &Client, subject: Pseudonym) -> Result<Self, EraseError> {
        Ok(Self { subject, actor: actor(client).await? })
    }

    pub(super) async fn read(&self, client: &Client) -> Result<Before, EraseError> {
        const SQL: &str =
            "SELECT sequence, details FROM dbopt.audit_record WHERE subject = $1 AND action = $2 ORDER BY sequence";
        let subject = self.subject.to_string();
        let rows = client.query_typed(SQL, &[(&subject, Type::TEXT), (&ACTION, Type::TEXT)]).await;
        let (mut before, mut open) = (Before::default(), BTreeMap::new());
        for row in rows.map_err(|error| failed("the audit record", &error))? {
            let sequence = row.get::<_, i64>(0).unsigned_abs();
            let Ok(details) = serde_json::from_str::<Value>(row.get(1)) else { continue };
            if details["stage"] == "begun" {
                let text = |name: &str| details["apart"][name].as_str();
                let left = || Some(Remainder { frame: text("frame")?.parse().ok()?, rows: Sum::parse(text("rows")?)? });
                let plan = details["plan"].as_str().unwrap_or_default().to_owned();
                open.insert(sequence, Open { begun: sequence, plan, left: left(), rows: 0 });
            }
            if details["stage"] == "part"
                && let Some(open) = details["begun"].as_u64().and_then(|begun| open.get_mut(&begun))
            {
                open.rows += details["rows"].as_u64().unwrap_or_default();
                let sum = details["sum"].as_str().and_then(Sum::parse).unwrap_or_default();
                open.left.iter_mut().for_each(|left| left.rows.toggle(sum));
            }
            if details["stage"] == "ended" {
                details["begun"].as_u64().and_then(|begun| open.remove(&begun));
                if details["outcome"] == Outcome::Done.name() {
                    before.done.push((sequence, details["plan"].as_str().unwrap_or_default().to_owned()));
                }
            }
        }
        before.open = open.into_values().collect();
        Ok(before)
    }

    /// Records that an erasure begins, before anything is changed.
    pub(super) async fn begin(
        &self,
        client: &mut Client,
        erasure: &Erasure<'_>,
        plan: &Plan,
        approved: &Approval,
        left: Option<&Remainder>,
    ) -> Result<u64, EraseError> {
        let kept: usize = plan.tables.iter().map(|table| table.kept).sum();
        let keys: Vec<&str> = erasure.keys.iter().map(|key| key.purpose.as_str()).collect();
        let mut details = json!({
            "stage": "begun", "rule": plan.rule, "plan": approved.to_string(), "tables": plan.tables.len(),
            "deleted": plan.deleted(), "changed": plan.changed(), "kept": kept, "keys": keys,
        });
        if let Some(left) = left {
            details["apart"] = json!({ "frame": left.frame.to_string(), "rows": left.rows.text() });
        }
        self.commit(client, details).await
    }

    /// Records a part, as the last of its transaction.
    pub(super) async fn part(
        &self,
        transaction: &Transaction<'_>,
        begun: u64,
        table: &str,
        rows: usize,
        sum: Sum,
    ) -> Result<u64, EraseError> {
        let details = json!({ "stage": "part", "begun": begun, "table": table, "rows": rows, "sum": sum.text() });
        Ok(append_in(transaction, &self.entry(details)?).await?.sequence)
    }

    /// Records how an erasure has ended that has changed nothing.
    pub(super) async fn end(
        &self,
        client: &mut Client,
        begun: u64,
        outcome: Outcome,
        cause: &str,
    ) -> Result<u64, EraseError> {
        let details = json!({ "stage": "ended", "begun": begun, "outcome": outcome.name(), "cause": cause });
        self.commit(client, details).await
    }

    /// Records that an erasure is done, as the last of its transaction.
    pub(super) async fn done(
        &self,
        transaction: &Transaction<'_>,
        begun: u64,
        erasure: &Erasure<'_>,
        approved: &Approval,
        (deleted, changed, keys): (u64, u64, u64),
    ) -> Result<u64, EraseError> {
        let details = json!({
            "stage": "ended", "begun": begun, "outcome": Outcome::Done.name(), "plan": approved.to_string(),
            "deleted": deleted, "changed": changed, "keys": keys,
            "destroyed": destroyed(erasure.pseudonyms, erasure.keys),
        });
        Ok(append_in(transaction, &self.entry(details)?).await?.sequence)
    }

    async fn commit(&self, client: &mut Client, details: Value) -> Result<u64, EraseError> {
        commit(client, &self.entry(details)?).await
    }

    fn entry(&self, details: Value) -> Result<Entry, EraseError> {
        Ok(entry(&self.actor, ACTION, details)?.about(&self.subject))
    }
}

/// Keys, as records name them. After a restore they are found again by that, as persons are.
pub(super) fn destroyed(pseudonyms: &Pseudonymizer, keys: &[PersonKey]) -> Value {
    let one =
        |key: &PersonKey| json!({ "purpose": key.purpose.as_str(), "key": key.pseudonym(pseudonyms).to_string() });
    keys.iter().map(one).collect()
}

/// The role in whose name records are.
pub(crate) async fn actor(client: &Client) -> Result<String, Error> {
    let row = client.query_typed_one("SELECT current_user::text", &[]).await;
    Ok(dbopt_audit::actor(row.map_err(|error| failed("the role", &error))?.get(0)))
}

/// A record about nobody.
pub(crate) fn entry(actor: &str, action: &str, details: Value) -> Result<Entry, dbopt_audit::Error> {
    let details = match details {
        Value::Object(details) => details,
        _ => Map::new(),
    };
    Entry::new(actor, action, &details)
}

/// Writes a record in a transaction of its own; its number.
pub(super) async fn commit(client: &mut Client, entry: &Entry) -> Result<u64, EraseError> {
    let transaction = client.transaction().await.map_err(dbopt_audit::Error::Statement)?;
    durable(&transaction).await?;
    let record = append_in(&transaction, entry).await?;
    transaction.commit().await.map_err(dbopt_audit::Error::Statement)?;
    Ok(record.sequence)
}

/// What is committed is there after a crash of the server, whatever the session says.
pub(crate) async fn durable(transaction: &Transaction<'_>) -> Result<(), dbopt_audit::Error> {
    let set = "SET LOCAL synchronous_commit = on; SET TRANSACTION ISOLATION LEVEL READ COMMITTED";
    Ok(transaction.batch_execute(set).await?)
}
