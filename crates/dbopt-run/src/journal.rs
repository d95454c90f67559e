//! The journal: what was begun, written before it acts.
//!
//! An entry is committed, and durable, before its statement is sent, and the record of the audit with it. It is closed in
//! one transaction with the history's row and the audit's second record. Whoever finds an entry open under the lock of
//! the run knows that its run is dead, that its object may be half done, and that the history does not know of it.

use std::cell::{Cell, RefCell};

use dbopt_pg::Session;

use crate::audit::{Audit, Change};
use crate::error::Error;

/// The journal of one run.
#[derive(Debug)]
pub struct Journal {
    run: i64,
    audit: Audit,
    /// Entries that the step which is being done has ended.
    ended: RefCell<Vec<i64>>,
    /// The kind of the step which is being done, by which the audit calls it.
    step: Cell<Option<&'static str>>,
    /// The audit's records of its beginning, one for each statement.
    begun: RefCell<Vec<u64>>,
}

/// An entry that a dead run left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// The run that wrote it.
    pub run: i64,
    /// What was being done.
    pub kind: String,
    /// Schema of the object.
    pub schema: String,
    /// Name of the object.
    pub object: String,
    /// Identity of the table.
    pub table: Option<u32>,
    /// The statement.
    pub statement: String,
    /// The object as the server printed it, if that was seen.
    pub definition: Option<String>,
}

impl Journal {
    /// Begins a run and closes the books of those that died. The lock of the run must be held.
    pub(crate) async fn begin(control: &Session, command: &str, work_pid: i32, audit: Audit) -> Result<Self, Error> {
        let sql =
            "UPDATE dbopt.run SET ended_at = pg_catalog.clock_timestamp(), outcome = 'died' WHERE ended_at IS NULL";
        control.query(sql, &[]).await?;
        let sql = "INSERT INTO dbopt.run (command, program, backend_pid) VALUES ($1, $2, $3) RETURNING id";
        let rows = control.query(sql, &[&command, &env!("CARGO_PKG_VERSION"), &work_pid]).await?;
        let run = rows.first().map(|row| row.get(0)).unwrap_or_default();
        Ok(Self { run, audit, ended: RefCell::default(), step: Cell::default(), begun: RefCell::default() })
    }

    /// The number of the run.
    #[must_use]
    pub fn run(&self) -> i64 {
        self.run
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Opens an entry, and records in the audit that its statement is about to be run; both are durable when this returns.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn open(
        &self,
        control: &Session,
        kind: &str,
        (schema, object): (&str, &str),
        table: Option<u32>,
        statement: &str,
        definition: Option<&str>,
    ) -> Result<i64, Error> {
        let sql = "INSERT INTO dbopt.journal (run, kind, schema, object, relation, statement, definition) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
        begin(control).await?;
        let rows = control.query(sql, &[&self.run, &kind, &schema, &object, &table, &statement, &definition]).await?;
        let change = Change { run: self.run, kind: self.step.get().unwrap_or(kind), schema, object };
        let begun = self.audit.begun(control, change, statement).await?;
        commit(control).await?;
        self.begun.borrow_mut().extend(begun);
        Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
    }

    /// Says that nothing of an entry is half done any more. It is closed with the result of the step, in one transaction.
    pub fn close(&self, entry: i64) {
        self.ended.borrow_mut().push(entry);
    }

    /// Closes the entries that have ended. In the session's transaction.
    pub(crate) async fn close_ended(&self, control: &Session) -> Result<(), Error> {
        let ended = self.ended.take();
        let sql = "UPDATE dbopt.journal SET closed_at = pg_catalog.clock_timestamp() WHERE id = ANY ($1)";
        if !ended.is_empty() {
            control.query(sql, &[&ended]).await?;
        }
        Ok(())
    }

    /// Says which kind of step is being done from now on.
    pub(crate) fn set_step(&self, kind: &'static str) {
        self.step.set(Some(kind));
    }

    /// The audit's records with which the step that is being done has begun; once.
    pub(crate) fn take_begun(&self) -> Vec<u64> {
        self.begun.take()
    }

    /// Notes what an index looks like; whether it could be seen yet.
    pub(crate) async fn note_definition(&self, control: &Session, entry: i64, index: u32) -> Result<bool, Error> {
        let sql = "UPDATE dbopt.journal SET definition = pg_catalog.pg_get_indexdef($2) \
                   WHERE id = $1 AND pg_catalog.pg_get_indexdef($2) IS NOT NULL RETURNING id";
        Ok(!control.query(sql, &[&entry, &index]).await?.is_empty())
    }

    /// What earlier runs left open, the oldest first.
    pub(crate) async fn unfinished(&self, control: &Session) -> Result<Vec<Entry>, Error> {
        let sql = "SELECT id, run, kind, schema, object, relation, statement, definition FROM dbopt.journal \
                   WHERE closed_at IS NULL AND run <> $1 ORDER BY id";
        let rows = control.query(sql, &[&self.run]).await?;
        let entry = |row: &tokio_postgres::Row| Entry {
            id: row.get("id"),
            run: row.get("run"),
            kind: row.get("kind"),
            schema: row.get("schema"),
            object: row.get("object"),
            table: row.get("relation"),
            statement: row.get("statement"),
            definition: row.get("definition"),
        };
        Ok(rows.iter().map(entry).collect())
    }

    /// Records that a change begins which has no entry of its own; durable when this returns.
    pub(crate) async fn record_begun(
        &self,
        control: &Session,
        change: Change<'_>,
        statement: &str,
    ) -> Result<Option<u64>, Error> {
        begin(control).await?;
        let begun = self.audit.begun(control, change, statement).await?;
        commit(control).await?;
        Ok(begun)
    }

    /// Records how it has ended.
    pub(crate) async fn record_ended(
        &self,
        control: &Session,
        change: Change<'_>,
        outcome: &str,
        begun: Option<u64>,
    ) -> Result<(), Error> {
        begin(control).await?;
        self.audit.ended(control, change, outcome, &[("begun", begun.into())]).await?;
        commit(control).await
    }

    /// Ends the run.
    pub(crate) async fn end(&self, control: &Session, outcome: &str) -> Result<(), Error> {
        let sql = "UPDATE dbopt.run SET ended_at = pg_catalog.clock_timestamp(), outcome = $2 WHERE id = $1";
        control.query(sql, &[&self.run, &outcome]).await?;
        Ok(())
    }
}

/// Begins a transaction in which records of the audit may be appended. Another command may be appending in a transaction
/// of its own, and nobody queues behind who waits for that.
pub(crate) async fn begin(control: &Session) -> Result<(), Error> {
    Ok(control.batch("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '30s'").await?)
}

/// Commits; an error before it ends the run, and its session with it.
pub(crate) async fn commit(control: &Session) -> Result<(), Error> {
    Ok(control.batch("COMMIT").await?)
}
