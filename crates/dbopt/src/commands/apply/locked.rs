//! Who holds the locks that keep an advice from being looked at.

use dbopt_finding::Finding;
use dbopt_pg::{Error, Session};

use super::file::File;

const LOCKED: &str = "
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, l.pid,
           coalesce(pg_catalog.format(' of %I, in a transaction since %s', a.usename,
               pg_catalog.to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"')), '') AS holder
    FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS advised (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = advised.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = advised.name
    JOIN pg_catalog.pg_locks l ON l.locktype = 'relation' AND l.relation = c.oid AND l.granted
        AND l.mode = 'AccessExclusiveLock'
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
    LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    GROUP BY 1, 2, 3 ORDER BY 1, 2";

/// The tables of an advice that nobody else can read now.
pub(super) async fn tables(session: &Session, file: &File) -> Result<Vec<Finding>, Error> {
    let create = file.advice.create.iter().map(|entry| (&*entry.value.schema, &*entry.value.table));
    let drop = file.advice.drop.iter().map(|entry| (&*entry.value.schema, &*entry.value.table));
    let (schemas, tables): (Vec<&str>, Vec<&str>) = create.chain(drop).unzip();
    let rows = session.query(LOCKED, &[&schemas, &tables]).await?;
    let finding = |row: &tokio_postgres::Row| {
        let (name, pid, holder): (&str, i32, &str) = (row.get(0), row.get(1), row.get(2));
        Finding::error("locked-table", format!("`{name}` is locked by process {pid}{holder}"))
    };
    Ok(rows.iter().map(finding).collect())
}
