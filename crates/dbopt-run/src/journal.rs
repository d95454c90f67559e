//! The journal: what was begun, written before it acts.
//!
//! An entry is committed, and durable, before its statement is sent. Whoever finds an entry open under the lock of the
//! run knows that its run is dead and its object may be half done.

use dbopt_pg::Session;

use crate::error::Error;

/// The journal of one run.
#[derive(Clone, Copy, Debug)]
pub struct Journal {
    run: i64,
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
    pub(crate) async fn begin(control: &Session, command: &str, work_pid: i32) -> Result<Self, Error> {
        let sql =
            "UPDATE dbopt.run SET ended_at = pg_catalog.clock_timestamp(), outcome = 'died' WHERE ended_at IS NULL";
        control.query(sql, &[]).await?;
        let sql = "INSERT INTO dbopt.run (command, program, backend_pid) VALUES ($1, $2, $3) RETURNING id";
        let rows = control.query(sql, &[&command, &env!("CARGO_PKG_VERSION"), &work_pid]).await?;
        Ok(Self { run: rows.first().map(|row| row.get(0)).unwrap_or_default() })
    }

    /// The number of the run.
    #[must_use]
    pub fn run(&self) -> i64 {
        self.run
    }

    /// Opens an entry; it is durable when this returns.
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
        let rows = control.query(sql, &[&self.run, &kind, &schema, &object, &table, &statement, &definition]).await?;
        Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
    }

    /// Closes an entry: nothing is half done any more.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn close(&self, control: &Session, entry: i64) -> Result<(), Error> {
        let sql = "UPDATE dbopt.journal SET closed_at = pg_catalog.clock_timestamp() WHERE id = $1";
        control.query(sql, &[&entry]).await?;
        Ok(())
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

    /// Ends the run.
    pub(crate) async fn end(self, control: &Session, outcome: &str) -> Result<(), Error> {
        let sql = "UPDATE dbopt.run SET ended_at = pg_catalog.clock_timestamp(), outcome = $2 WHERE id = $1";
        control.query(sql, &[&self.run, &outcome]).await?;
        Ok(())
    }
}
