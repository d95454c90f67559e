//! Transactions that a concurrent build would wait for.
//!
//! `CREATE INDEX CONCURRENTLY` waits for every transaction of the database that could still need the state before it
//! (<https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY>). Waiting with a
//! half-built index costs every write, so old transactions are looked for before the build begins. Sessions whose age
//! this role may not see are left to the watcher.

use std::time::Duration;

use dbopt_pg::Session;

use crate::error::Error;

/// Locks of a prepared transaction have no process; the lock on its own number ties them to it.
const OLD: &str = "
    SELECT pg_catalog.concat_ws(', ', 'process ' || a.pid, 'user ' || a.usename, nullif(a.application_name, ''), a.state,
               pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)) || ' s old')
    FROM pg_catalog.pg_stat_activity a
    WHERE a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend'
        AND a.pid <> pg_catalog.pg_backend_pid() AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
        AND a.xact_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)
    UNION ALL
    SELECT 'prepared transaction ''' || p.gid || ''', user ' || p.owner
    FROM pg_catalog.pg_prepared_xacts p
    WHERE p.database = pg_catalog.current_database()
        AND p.prepared < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)
        AND EXISTS (SELECT FROM pg_catalog.pg_locks x
                    JOIN pg_catalog.pg_locks l ON l.virtualtransaction = x.virtualtransaction AND l.pid IS NULL
                    WHERE x.transactionid = p.transaction AND x.pid IS NULL AND l.relation = $2)
    LIMIT 1";

/// The first transaction of this database that is older than a limit, or a prepared one that holds the table.
///
/// # Errors
/// When the session fails.
pub async fn old_transaction(session: &Session, table: u32, limit: Duration) -> Result<Option<String>, Error> {
    let rows = session.query(OLD, &[&limit.as_secs_f64(), &table]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}
