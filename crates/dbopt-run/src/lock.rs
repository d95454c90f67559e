//! One runner at a time: a session-level advisory lock on the session that does the work.
//!
//! The lock is held by the very session that acts, so it cannot outlive the work nor the work it: when a client is
//! killed, the lock stays held until the server has noticed and stopped what it was doing
//! (<https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS>).

use std::time::Duration;

use dbopt_pg::Session;
use tokio::time::Instant;

use crate::error::Error;
use crate::guard::APPLICATION_NAME;

/// The key of the advisory lock: the ASCII letters `dbopt-rn`.
pub const ADVISORY_LOCK: i64 = i64::from_be_bytes(*b"dbopt-rn");

/// How often a lock that is held is asked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes the lock. A session whose client was killed keeps it until the server notices, so some patience spares the
/// caller a second try.
pub(crate) async fn take(session: &Session, patience: Duration) -> Result<(), Error> {
    let until = Instant::now() + patience;
    loop {
        let rows = session.query("SELECT pg_catalog.pg_try_advisory_lock($1)", &[&ADVISORY_LOCK]).await?;
        if rows.first().is_some_and(|row| row.get(0)) {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(Error::Busy { holder: holder(session).await? });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks from the session itself whether it still holds the lock.
pub(crate) async fn recheck(session: &Session) -> Result<(), Error> {
    let sql = format!("SELECT EXISTS (SELECT {HELD} AND l.pid = pg_catalog.pg_backend_pid())");
    let rows = session.query(&sql, &[&ADVISORY_LOCK]).await;
    match rows {
        Ok(rows) if rows.first().is_some_and(|row| row.get(0)) => Ok(()),
        Ok(_) | Err(dbopt_pg::Error::ConnectionLost { .. }) => Err(Error::LockLost),
        Err(error) => Err(error.into()),
    }
}

/// Waits a little for sessions of a dead run that still work.
pub(crate) async fn refuse_orphans(session: &Session, own: [i32; 2], patience: Duration) -> Result<(), Error> {
    let sql = "SELECT pid FROM pg_catalog.pg_stat_activity \
               WHERE application_name = $1 AND datname = pg_catalog.current_database() AND pid <> ALL ($2) \
                   AND state IS DISTINCT FROM 'idle' ORDER BY pid LIMIT 1";
    let until = Instant::now() + patience;
    loop {
        let rows = session.query(sql, &[&APPLICATION_NAME, &own.as_slice()]).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        if Instant::now() >= until {
            return Err(Error::Orphan { pid: row.get(0) });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A `bigint` key is kept in two halves, with `objsubid` 1.
const HELD: &str = "FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                    AND l.classid::bigint = ($1::bigint >> 32) AND l.objid::bigint = ($1::bigint & 4294967295) \
                    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d \
                                      WHERE d.datname = pg_catalog.current_database())";

async fn holder(session: &Session) -> Result<Option<String>, Error> {
    let sql = format!(
        "SELECT pg_catalog.format('process %s of %s, since %s', a.pid, a.usename, \
             pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"')) \
         FROM pg_catalog.pg_stat_activity a WHERE a.pid IN (SELECT l.pid {HELD})"
    );
    let rows = session.query(&sql, &[&ADVISORY_LOCK]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}
