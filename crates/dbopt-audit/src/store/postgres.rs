//! The table `dbopt.audit_record` (migration 2).
//!
//! Appending takes an advisory lock for the transaction, reads the head, and inserts; so chains cannot fork, and a
//! transaction that is rolled back leaves no gap. Were the lock circumvented, the primary key would still refuse a
//! second record of the same number. Only SELECT and INSERT are needed, and no function of the server's.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use dbopt_pg::Session;
use futures_util::TryStreamExt as _;
use tokio_postgres::{GenericClient, Row};

use super::{Range, Store};
use crate::entry::Entry;
use crate::error::Error;
use crate::record::{Hash, Record};

/// The key of the advisory lock of appending: the ASCII letters `dbopt-au`.
const ADVISORY_LOCK: i64 = i64::from_be_bytes(*b"dbopt-au");

const COLUMNS: &str = "sequence, time, actor, action, subject, details, previous, hash";

/// The table, through a session of its own.
#[derive(Debug)]
pub struct PostgresStore {
    session: Session,
}

impl PostgresStore {
    /// Uses a session. The table must be there (`dbopt_migrate::require(session, 2)`).
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    async fn try_append(&mut self, entry: &Entry) -> Result<Record, Error> {
        let transaction = self.session.client_mut().transaction().await?;
        // A record is there before what it tells of; a server that would lose it in a crash is told not to.
        transaction.batch_execute("SET LOCAL synchronous_commit = on").await?;
        let record = append_in(&transaction, entry).await?;
        transaction.commit().await?;
        Ok(record)
    }

    /// Sorts a client's error with what is known of the session.
    fn sorted(&self, error: Error) -> Error {
        match error {
            Error::Statement(error) => Error::Session(self.session.error(error)),
            other => other,
        }
    }
}

/// Appends a record as a part of a caller's transaction: it is there when the transaction commits, and nobody else can
/// append until then. The transaction must be READ COMMITTED; one that sees an older state fails on the primary key, and
/// so, when another writer is quicker, does a client that is in no transaction.
///
/// # Errors
/// When a statement fails or the last record is damaged.
pub async fn append_in(transaction: &impl GenericClient, entry: &Entry) -> Result<Record, Error> {
    transaction.execute("SELECT pg_catalog.pg_advisory_xact_lock($1)", &[&ADVISORY_LOCK]).await?;
    let head = head(transaction).await?;
    let now: SystemTime = transaction.query_one("SELECT pg_catalog.clock_timestamp()", &[]).await?.try_get(0)?;
    let head = head.map(|head| (head.sequence, head.hash));
    let record = entry.follow(head.as_ref(), microseconds(now));
    let sql = format!("INSERT INTO dbopt.audit_record ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let sequence = i64::try_from(record.sequence).map_err(|_| Error::Damaged)?;
    let (previous, hash) = (record.previous.0.as_slice(), record.hash.0.as_slice());
    let (actor, action, subject, details) = (&record.actor, &record.action, &record.subject, &record.details);
    transaction.execute(&sql, &[&sequence, &now, actor, action, subject, details, &previous, &hash]).await?;
    Ok(record)
}

/// The last record, if its hash is right.
async fn head(client: &impl GenericClient) -> Result<Option<Record>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM dbopt.audit_record ORDER BY sequence DESC LIMIT 1");
    let Some(row) = client.query_opt(&sql, &[]).await? else { return Ok(None) };
    let record = record(&row)?.ok_or(Error::Damaged)?;
    if record.computed_hash() == record.hash { Ok(Some(record)) } else { Err(Error::Damaged) }
}

impl Store for PostgresStore {
    async fn append(&mut self, entry: &Entry) -> Result<Record, Error> {
        let result = self.try_append(entry).await;
        result.map_err(|error| self.sorted(error))
    }

    async fn head(&mut self) -> Result<Option<Record>, Error> {
        head(self.session.client()).await.map_err(|error| self.sorted(error))
    }

    async fn read(&mut self, range: Range, each: &mut dyn FnMut(Option<Record>)) -> Result<(), Error> {
        let result = async {
            // One statement sees one state. The time is compared here, since it takes no index to do so there either.
            let sql = format!(
                "SELECT {COLUMNS} FROM dbopt.audit_record WHERE sequence >= $1 AND sequence <= $2 ORDER BY sequence"
            );
            let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            let rows = self.session.client().query_raw(&sql, [bound(range.first), bound(range.last)]).await?;
            let mut rows = pin!(rows);
            while let Some(row) = rows.try_next().await? {
                match record(&row)? {
                    Some(record) if !range.contains(&record) => {}
                    other => each(other),
                }
            }
            Ok(())
        };
        result.await.map_err(|error| self.sorted(error))
    }
}

/// The record of a row; none when its values cannot be those of one.
fn record(row: &Row) -> Result<Option<Record>, tokio_postgres::Error> {
    let hash = |column: usize| row.try_get::<_, &[u8]>(column).map(|bytes| bytes.try_into().ok().map(Hash));
    let sequence = u64::try_from(row.try_get::<_, i64>(0)?).ok();
    let (Some(sequence), Some(previous), Some(own)) = (sequence, hash(6)?, hash(7)?) else { return Ok(None) };
    // An infinite time is none that a record can have.
    let Ok(time) = row.try_get::<_, SystemTime>(1) else { return Ok(None) };
    let details: String = row.try_get(5)?;
    // Canonical JSON has no raw control characters; a line end here would forge lines of an export.
    if details.chars().any(char::is_control) {
        return Ok(None);
    }
    Ok(Some(Record {
        sequence,
        time: microseconds(time),
        actor: row.try_get(2)?,
        action: row.try_get(3)?,
        subject: row.try_get(4)?,
        details,
        previous,
        hash: own,
    }))
}

fn microseconds(time: SystemTime) -> i64 {
    let whole = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => -whole(before.duration()),
    }
}
