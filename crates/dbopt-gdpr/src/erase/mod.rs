//! Erasing a person, by a plan that somebody has approved and by nothing else.
//!
//! Before anything is changed, the audit record says in a transaction of its own that it begins. Then one transaction locks the rows, makes
//! the plan again and compares it with the approved one, runs its statements, counts what each has done and what the server has done
//! along, and records the end. The end is a part of it: an erasure that has no end in the record was not done, whatever
//! has died in the middle, and the next one says so and begins anew.
//!
//! Where the plan says so ([`crate::Apart`]), some rows go before in transactions of their own, each of which records itself; the same
//! approval goes on where an earlier try has died.

mod approval;
mod carry;
mod ledger;
mod parts;
mod remainder;
mod replay;
mod sealed;
mod witness;

use dbopt_crypto::{KeyId, Pseudonym, Pseudonymizer, SubjectId};
use dbopt_finding::Finding;
use jiff::Timestamp;
use tokio_postgres::{Client, Transaction, types::Type};

pub use approval::{Approval, ParseApprovalError};
pub use ledger::ACTION;
pub(crate) use ledger::{actor, durable, entry};
pub use replay::{Recorded, destroy_again, find_again, find_keys_again};

use crate::{
    graph::Graph,
    plan::{Plan, SEALED, plan, pseudonym},
    policy::{GdprPolicy, SubjectRule},
    walk::{Error, Subject, Walked, failed, walk},
};
use ledger::{Ledger, Outcome};
use parts::Progress;
use remainder::Remainder;

/// A person to be erased.
#[derive(Clone, Copy)]
pub struct Erasure<'a> {
    /// The tables.
    pub graph: &'a Graph,
    /// What becomes of rows.
    pub policy: &'a GdprPolicy,
    /// What names persons in records.
    pub pseudonyms: &'a Pseudonymizer,
    /// As what the person is erased.
    pub subject: &'a SubjectRule,
    /// The person's key.
    pub key: &'a [String],
    /// The keys of the person's own that are destroyed.
    pub keys: &'a [PersonKey],
}

/// A key of a person's own (`dbopt.subject_key`), by which values are sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonKey {
    /// What it is for, by the encryption policy.
    pub purpose: KeyId,
    /// Whose it is.
    pub subject: SubjectId,
}

impl PersonKey {
    /// What stands for it in records. It is not made of the person's pseudonym, so that the key is found again without the person.
    #[must_use]
    pub fn pseudonym(&self, pseudonyms: &Pseudonymizer) -> Pseudonym {
        const CONTEXT: &str = "gdpr.key";
        let purpose = self.purpose.as_str();
        let mut value = (purpose.len() as u64).to_be_bytes().to_vec();
        value.extend(purpose.as_bytes());
        value.extend(self.subject.bytes());
        pseudonyms.pseudonym(CONTEXT, &value)
    }
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Erased {
    /// Who, as a pseudonym.
    pub subject: Pseudonym,
    /// The number of the record of the end.
    pub record: u64,
    /// Whether it was done before, by the same approval, and nothing was done now.
    pub was_done: bool,
    /// The earlier beginning that this has gone on with, by the number of its record, when it had died between two parts.
    pub resumed: Option<u64>,
    /// Earlier erasures of the person that had begun and were not done, by the numbers of their records.
    pub died: Vec<u64>,
    /// Rows that were deleted.
    pub deleted: u64,
    /// Rows that were changed.
    pub changed: u64,
    /// Keys that were destroyed.
    pub keys: u64,
    /// What is to be known: rows that triggers have written, such as copies.
    pub findings: Vec<Finding>,
}

/// Why a person was not erased. Nothing is changed then, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// The rows were not found, or a statement failed.
    #[error(transparent)]
    Query(#[from] Error),
    /// The audit record could not be read or written.
    #[error(transparent)]
    Ledger(#[from] dbopt_audit::Error),
    /// Another session is erasing the person.
    #[error("another session is erasing this person")]
    Busy,
    /// The plan itself says that it may not be done.
    #[error("something speaks against erasing this person")]
    Refused(Vec<Finding>),
    /// What would be done is not what was approved.
    #[error("what would be done is no longer what was approved")]
    Changed,
    /// The approval is of a time that is yet to come, when less may have to be kept.
    #[error("the approval is of a time that is yet to come")]
    Future,
    /// A statement has not changed all rows, or more.
    #[error("a statement on `{table}` has changed {done} rows instead of {planned}")]
    Count {
        /// The table.
        table: String,
        /// How many rows were to be changed.
        planned: u64,
        /// How many were.
        done: u64,
    },
    /// A trigger has kept what was to be written from being there.
    #[error("{rows} rows of `{table}` do not have what was written to them")]
    Unwritten {
        /// The table.
        table: String,
        /// How many rows.
        rows: u64,
    },
    /// Rows were changed or deleted along, as by a trigger.
    #[error("{updated} rows of `{table}` were changed and {deleted} deleted in all, which is not what was planned")]
    Beyond {
        /// The table.
        table: String,
        /// Rows that were changed.
        updated: i64,
        /// Rows that were deleted.
        deleted: i64,
    },
    /// The keys of persons could not be used.
    #[error(transparent)]
    Keys(#[from] dbopt_crypto::SubjectTableError),
    /// It goes in parts, and some of them are done.
    #[error("{rows} rows are erased in parts, and the rest is not: {cause}")]
    InPart {
        /// How many rows are gone.
        rows: u64,
        /// Why the rest is not.
        cause: Box<EraseError>,
    },
    /// The connection broke at the end. The record says whether it was done, and so does the next try.
    #[error("the connection broke when it was all but done, so only the audit record knows whether it was")]
    Unknown,
}

impl EraseError {
    /// A name for the audit record.
    fn cause(&self) -> String {
        match self {
            Self::Query(Error::Query { code: Some(code), .. }) => format!("sqlstate-{}", code.code()),
            Self::Query(Error::Hidden(_)) => "row-security".to_owned(),
            Self::Query(_) => "query".to_owned(),
            Self::Ledger(_) => "ledger".to_owned(),
            Self::Busy => "busy".to_owned(),
            Self::Refused(_) => "refused".to_owned(),
            Self::Changed | Self::Future => "plan-changed".to_owned(),
            Self::Count { table, .. } => format!("count of {table}"),
            Self::Unwritten { table, .. } => format!("not as written: {table}"),
            Self::Beyond { table, .. } => format!("unplanned changes of {table}"),
            Self::Keys(_) => "keys".to_owned(),
            Self::InPart { cause, .. } => cause.cause(),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

impl Erasure<'_> {
    /// What stands for the person in records.
    #[must_use]
    pub fn pseudonym(&self) -> Pseudonym {
        let subject = Subject {
            rule: self.subject.name.clone(),
            table: self.graph.find(&self.subject.table).unwrap_or(crate::NodeId(0)),
            key: self.key.iter().map(|part| Box::from(part.as_str())).collect(),
        };
        pseudonym(self.pseudonyms, &subject)
    }

    /// Finds the person's rows and says what would be done. Nothing is changed.
    ///
    /// # Errors
    /// When there is no such person, or the server refuses a query.
    pub async fn plan(&self, transaction: &Transaction<'_>, as_of: Timestamp) -> Result<(Walked, Plan), Error> {
        let walked = walk(transaction, self.graph, self.policy, self.subject, self.key).await?;
        let mut plan = plan(transaction, self.graph, self.policy, self.pseudonyms, &walked, as_of).await?;
        let numbers = sealed::numbers(self, transaction).await?;
        plan.findings.retain(|finding| finding.code.0 != SEALED);
        plan.findings.extend(sealed::findings(self, &plan, &numbers));
        Ok((walked, plan))
    }

    /// Erases the person, in a session that is in no transaction and has the audit record (migration 2, and 7 for keys of persons).
    ///
    /// The same approval again does nothing more, and says so. A session must not be used further when this future is dropped before its end:
    /// it holds an advisory lock still.
    ///
    /// # Errors
    /// See [`EraseError`]. The rows are as they were, unless it says [`EraseError::InPart`], and the audit record says why, as far as it can be
    /// reached.
    pub async fn erase(&self, client: &mut Client, approved: &Approval) -> Result<Erased, EraseError> {
        const LOCK: &str = "SELECT pg_catalog.pg_try_advisory_lock($1)";
        const UNLOCK: &str = "SELECT pg_catalog.pg_advisory_unlock($1)";
        let subject = self.pseudonym();
        let number = lock_number(&subject);
        let locked = client.query_typed_one(LOCK, &[(&number, Type::INT8)]).await;
        if !locked.map_err(|error| failed("the lock", &error))?.get::<_, bool>(0) {
            return Err(EraseError::Busy);
        }
        let erased = self.locked(client, &subject, approved).await;
        // A broken connection has no lock, and what went wrong before matters more.
        let _ = client.query_typed_one(UNLOCK, &[(&number, Type::INT8)]).await;
        erased
    }

    async fn locked(
        &self,
        client: &mut Client,
        subject: &Pseudonym,
        approved: &Approval,
    ) -> Result<Erased, EraseError> {
        let ledger = Ledger::new(client, subject.clone()).await?;
        let before = ledger.read(client).await?;
        let going_on = before.begun_by(approved);
        let died: Vec<_> =
            before.open.iter().filter(|open| going_on.as_ref().is_none_or(|on| on.begun != open.begun)).collect();
        for open in &died {
            ledger.end(client, open.begun, open.outcome(), "the run ended before it was done").await?;
        }
        let died = died.iter().map(|open| open.begun).collect();
        if let Some(record) = before.done_by(approved) {
            return Ok(Erased { was_done: true, ..Erased::none(subject.clone(), record, died) });
        }
        if approved.as_of > Timestamp::now() {
            return Err(EraseError::Future);
        }
        let transaction = client.build_transaction().read_only(true).start().await;
        let transaction = transaction.map_err(|error| failed("a transaction", &error))?;
        let (_, plan) = self.plan(&transaction, approved.as_of).await?;
        transaction.rollback().await.map_err(|error| failed("the end of the transaction", &error))?;
        let has_begun = going_on.is_some();
        let mut progress = match going_on {
            Some(open) => Progress { begun: open.begun, left: open.left, rows: open.rows, findings: Vec::new() },
            None => {
                self.agreed(&plan, approved)?;
                let left = plan.apart.map(|_| self.remainder(&plan));
                let begun = ledger.begin(client, self, &plan, approved, left.as_ref()).await?;
                Progress { begun, left, rows: 0, findings: Vec::new() }
            }
        };
        match self.all(client, &ledger, &plan, approved, &mut progress).await {
            Ok(mut erased) => {
                erased.findings.append(&mut progress.findings);
                Ok(Erased { died, resumed: has_begun.then_some(progress.begun), ..erased })
            }
            // Whether it was done is in the record, or will be known when the next one looks.
            Err(EraseError::Unknown) => Err(EraseError::Unknown),
            Err(error) if progress.rows == 0 => {
                // Without a connection the next one records it.
                let _ = ledger.end(client, progress.begun, Outcome::RolledBack, &error.cause()).await;
                Err(error)
            }
            Err(error) => {
                // The same approval may go on, unless what is left is something else now.
                if matches!(error, EraseError::Changed | EraseError::Refused(_)) {
                    let _ = ledger.end(client, progress.begun, Outcome::InPart, &error.cause()).await;
                }
                Err(EraseError::InPart { rows: progress.rows, cause: Box::new(error) })
            }
        }
    }

    /// Does the parts that are left, and the last transaction.
    async fn all(
        &self,
        client: &mut Client,
        ledger: &Ledger,
        plan: &Plan,
        approved: &Approval,
        progress: &mut Progress,
    ) -> Result<Erased, EraseError> {
        if let Some(left) = &progress.left {
            self.is_left(plan, left)?;
        }
        self.parts(client, ledger, plan, progress).await?;
        self.carry(client, ledger, plan, approved, progress).await
    }

    /// Compares a plan with what is left of the approved one.
    fn is_left(&self, plan: &Plan, left: &Remainder) -> Result<(), EraseError> {
        self.refused(plan)?;
        if self.remainder(plan) == *left { Ok(()) } else { Err(EraseError::Changed) }
    }

    /// Compares a plan with the approved one.
    fn agreed(&self, plan: &Plan, approved: &Approval) -> Result<(), EraseError> {
        self.refused(plan)?;
        if self.approval(plan) == *approved { Ok(()) } else { Err(EraseError::Changed) }
    }

    fn refused(&self, plan: &Plan) -> Result<(), EraseError> {
        let errors = plan.findings.iter().filter(|finding| finding.severity == dbopt_finding::Severity::Error);
        if plan.is_refused() { Err(EraseError::Refused(errors.cloned().collect())) } else { Ok(()) }
    }
}

impl Erased {
    fn none(subject: Pseudonym, record: u64, died: Vec<u64>) -> Self {
        let (deleted, changed, keys) = (0, 0, 0);
        Self { subject, record, was_done: false, resumed: None, died, deleted, changed, keys, findings: Vec::new() }
    }
}

/// The number of the advisory lock of a person: 64 bits of the pseudonym.
fn lock_number(subject: &Pseudonym) -> i64 {
    let text = subject.to_string();
    let digits = text.get(text.len().saturating_sub(16)..).unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or_default().cast_signed()
}
