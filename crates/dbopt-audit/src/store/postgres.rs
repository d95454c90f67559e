//! The table `dbopt.audit_record` (migration 2).
//!
//! Appending takes an advisory lock for the transaction, reads the head, and inserts; so chains cannot fork, and a
//! transaction that is rolled back leaves no gap. Were the lock circumvented, the primary key would still refuse a
//! second record of the same number. Only SELECT and INSERT are needed, and no function of the server's.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use dbopt_pg::Session;
use futures_util::TryStreamExt as _;
use tokio_postgres::binary_copy::{BinaryCopyOutRow, BinaryCopyOutStream};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{GenericClient, Row};

use super::{Range, Store};
use crate::entry::Entry;
use crate::error::Error;
use crate::record::{Hash, Record};

/// The key of the advisory lock of appending: the ASCII letters `dbopt-au`.
const ADVISORY_LOCK: i64 = i64::from_be_bytes(*b"dbopt-au");

const COLUMNS: &str = "sequence, time, actor, action, subject, details, previous, hash";

const TYPES: &[Type] =
    &[Type::INT8, Type::TIMESTAMPTZ, Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT, Type::BYTEA, Type::BYTEA];

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
    let mut record = Record::default();
    read_row(&row, &mut record)?.ok_or(Error::Damaged)?;
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

    async fn read(&mut self, range: Range, each: &mut dyn FnMut(Option<&Record>)) -> Result<(), Error> {
        let result = async {
            // One statement sees one state. The time is compared here, since it takes no index to do so there either.
            // COPY gives the rows for less than a query does; it takes no parameters.
            let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            let (first, last) = (bound(range.first), bound(range.last));
            let sql = format!(
                "COPY (SELECT {COLUMNS} FROM dbopt.audit_record WHERE sequence >= {first} AND sequence <= {last} \
                 ORDER BY sequence) TO STDOUT (FORMAT binary)"
            );
            let mut rows = pin!(BinaryCopyOutStream::new(self.session.client().copy_out(&sql).await?, TYPES));
            let mut record = Record::default();
            while let Some(row) = rows.try_next().await? {
                match read_row(&row, &mut record)? {
                    None => each(None),
                    Some(()) if range.contains(&record) => each(Some(&record)),
                    Some(()) => {}
                }
            }
            Ok(())
        };
        result.await.map_err(|error| self.sorted(error))
    }
}

/// A row, however it came.
trait Columns {
    fn column<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<T, tokio_postgres::Error>;
}

impl Columns for Row {
    fn column<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<T, tokio_postgres::Error> {
        self.try_get(column)
    }
}

impl Columns for BinaryCopyOutRow {
    fn column<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<T, tokio_postgres::Error> {
        self.try_get(column)
    }
}

/// Reads a row into a record whose memory is used again; none when its values cannot be those of one.
fn read_row(row: &impl Columns, record: &mut Record) -> Result<Option<()>, tokio_postgres::Error> {
    let hash = |column: usize| row.column::<&[u8]>(column).map(|bytes| bytes.try_into().ok().map(Hash));
    let sequence = u64::try_from(row.column::<i64>(0)?).ok();
    let (Some(sequence), Some(previous), Some(own)) = (sequence, hash(6)?, hash(7)?) else { return Ok(None) };
    // An infinite time is none that a record can have.
    let Ok(time) = row.column::<SystemTime>(1) else { return Ok(None) };
    let details: &str = row.column(5)?;
    // Canonical JSON has no raw control characters; a line end here would forge lines of an export.
    if details.chars().any(char::is_control) {
        return Ok(None);
    }
    let refill = |to: &mut String, text: &str| {
        to.clear();
        to.push_str(text);
    };
    refill(&mut record.actor, row.column(2)?);
    refill(&mut record.action, row.column(3)?);
    match row.column::<Option<&str>>(4)? {
        Some(subject) => refill(record.subject.get_or_insert_default(), subject),
        None => record.subject = None,
    }
    refill(&mut record.details, details);
    (record.sequence, record.time) = (sequence, microseconds(time));
    (record.previous, record.hash) = (previous, own);
    Ok(Some(()))
}

fn microseconds(time: SystemTime) -> i64 {
    let whole = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => -whole(before.duration()),
    }
}
