//! A query that stands for the application: while it is slow, a run waits.
//!
//! It is a policy's text and no change, so it has a session of its own, on which it can let go of nothing that the run
//! holds, and a read-only transaction (<https://www.postgresql.org/docs/current/sql-set-transaction.html>).

use std::time::Duration;

use dbopt_pg::{Session, Settings};
use dbopt_sql::lex;
use tokio::time::Instant;

use crate::error::Error;
use crate::guard;

/// A query of the application and how long it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The query, by qualified names: one statement that reads.
    pub sql: String,
    /// How long it may take.
    pub longest: Duration,
}

impl Probe {
    /// Whether the text is one statement of a kind that answers with rows: SELECT, WITH, VALUES or TABLE. What it calls is
    /// kept from writing by the server.
    #[must_use]
    pub fn is_query(&self) -> bool {
        let words = || lex(self.sql.as_bytes()).filter_map(|token| self.sql.get(token.start..token.end));
        let first = words().next().unwrap_or_default();
        let reads = ["select", "with", "values", "table", "("].iter().any(|word| first.eq_ignore_ascii_case(word));
        reads && words().skip_while(|word| *word != ";").all(|word| word == ";")
    }
}

/// A probe with its session.
#[derive(Debug)]
pub(crate) struct Prober {
    session: Session,
    probe: Probe,
}

impl Prober {
    /// Opens the session, and lets the server look at the query.
    pub(crate) async fn open(settings: &Settings, probe: Probe) -> Result<Self, Error> {
        if !probe.is_query() {
            return Err(Error::Probe { reason: "it is not one statement that reads".to_owned() });
        }
        let session = guard::open(settings).await?;
        let longest = i32::try_from(probe.longest.as_millis()).unwrap_or(i32::MAX).max(1);
        // One that hangs is broken off when it is known to be too slow.
        session.batch(&format!("SET statement_timeout = {longest}")).await?;
        match session.client().prepare(&probe.sql).await.map_err(|error| session.error(error)) {
            // Whoever holds a lock on its tables now only makes it slow.
            Ok(_) | Err(dbopt_pg::Error::Cancelled { .. } | dbopt_pg::Error::LockTimeout { .. }) => {}
            Err(error) => return Err(unusable(error)),
        }
        Ok(Self { session, probe })
    }

    /// Why a run has to wait, if the query is slow.
    pub(crate) async fn reason(&self) -> Result<Option<String>, Error> {
        let Self { session, probe } = self;
        session.batch("BEGIN READ ONLY").await?;
        let since = Instant::now();
        let result = session.query(&probe.sql, &[]).await;
        let took = since.elapsed();
        session.batch("ROLLBACK").await?;
        let over = |what: &str| {
            let [took, longest] = [took, probe.longest].map(|time| time.as_secs_f64() * 1e3);
            Some(format!("the probe query {what} {took:.0} ms, more than {longest:.0} ms"))
        };
        match result {
            Ok(_) if took > probe.longest => Ok(over("took")),
            Ok(_) => Ok(None),
            Err(dbopt_pg::Error::Cancelled { .. }) => Ok(over("was broken off after")),
            Err(dbopt_pg::Error::LockTimeout { .. }) => Ok(over("did not get a lock in")),
            Err(error) => Err(unusable(error)),
        }
    }
}

fn unusable(error: dbopt_pg::Error) -> Error {
    match error {
        error @ dbopt_pg::Error::ConnectionLost { .. } => error.into(),
        error => Error::Probe { reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_statement_that_reads_is_a_query() {
        let is_query = |sql: &str| Probe { sql: sql.to_owned(), longest: Duration::ZERO }.is_query();
        for good in
            ["SELECT 1", "select 1;", "WITH a AS (SELECT 1) SELECT * FROM a", "(SELECT 1)", "/* a */ TABLE s.t ;"]
        {
            assert!(is_query(good), "{good}");
        }
        for bad in ["", "DROP TABLE s.t", "SELECT 1; COMMIT", "COMMIT", "SET transaction_read_only = off", "-- SELECT"]
        {
            assert!(!is_query(bad), "{bad}");
        }
    }
}
