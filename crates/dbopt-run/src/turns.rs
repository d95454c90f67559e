//! Trying for a lock in short turns.
//!
//! While a statement waits for its lock everybody else waits behind it, so it waits only a moment, lets them pass, and
//! tries again. It never cancels anybody, and when the tries are used up it is blocked.

use crate::error::Error;
use crate::hands::Hands;
use crate::report::Outcome;
use crate::watch::plain;

impl Hands<'_> {
    /// Runs a statement on the working session that waits for its locks in short turns; none when it was done. `table` is
    /// where to look for who is in the way. Statements in one text are done or not done as a whole.
    ///
    /// # Errors
    /// When a session fails.
    pub async fn in_turns(
        &mut self,
        statement: &str,
        table: Option<&(String, String)>,
    ) -> Result<Option<Outcome>, Error> {
        let limit = self.options.backoff.limit().as_millis();
        self.work.batch(&format!("SET lock_timeout = {limit}")).await?;
        self.in_turns_of(statement, table, None).await
    }

    /// The same within a transaction, which goes back to `savepoint` after each turn that failed.
    ///
    /// # Errors
    /// When a session fails.
    pub async fn in_turns_within(
        &mut self,
        savepoint: &str,
        statement: &str,
        table: Option<&(String, String)>,
    ) -> Result<Option<Outcome>, Error> {
        let undo = format!("ROLLBACK TO SAVEPOINT {savepoint}");
        // What is set after the savepoint would be as before again after the first turn that failed.
        let limit = self.options.backoff.limit().as_millis();
        self.work.batch(&format!("SET lock_timeout = {limit}; SAVEPOINT {savepoint}")).await?;
        self.in_turns_of(statement, table, Some(&undo)).await
    }

    async fn in_turns_of(
        &mut self,
        statement: &str,
        table: Option<&(String, String)>,
        undo: Option<&str>,
    ) -> Result<Option<Outcome>, Error> {
        let backoff = self.options.backoff;
        let mut blocker = None;
        let tries = backoff.tries.max(1);
        for attempt in 0..tries {
            if attempt > 0 {
                tokio::time::sleep(backoff.jittered(attempt - 1)).await;
                if let Some(reason) = self.options.stop.reason(None) {
                    return Ok(Some(Outcome::Deferred(reason)));
                }
            }
            let result = plain(self.work, statement).await?;
            if let (Err(_), Some(undo)) = (&result, undo) {
                self.work.batch(undo).await?;
            }
            match result {
                Ok(()) => return Ok(None),
                Err(dbopt_pg::Error::LockTimeout { .. }) => blocker = self.blocker(table).await?.or(blocker),
                Err(error) => return Ok(Some(Outcome::Failed(error.to_string()))),
            }
        }
        let who = blocker.map(|who| format!(": {who}")).unwrap_or_default();
        Ok(Some(Outcome::Blocked(format!("its lock was not to be had in {tries} tries{who}"))))
    }

    /// Another session with a lock on a table.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn blocker(&self, table: Option<&(String, String)>) -> Result<Option<String>, Error> {
        let Some((schema, table)) = table else { return Ok(None) };
        let sql = "SELECT pg_catalog.concat_ws(', ', 'process ' || l.pid, 'user ' || a.usename, \
                       nullif(a.application_name, ''), a.state, l.mode) \
                   FROM pg_catalog.pg_locks l \
                   JOIN pg_catalog.pg_class c ON c.oid = l.relation \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
                   WHERE n.nspname = $1 AND c.relname = $2 AND l.granted AND l.pid <> ALL ($3) \
                       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d \
                                         WHERE d.datname = pg_catalog.current_database()) LIMIT 1";
        let own = [self.work_pid];
        let rows = self.control.query(sql, &[schema, table, &own.as_slice()]).await?;
        Ok(rows.first().map(|row| row.get(0)))
    }
}
