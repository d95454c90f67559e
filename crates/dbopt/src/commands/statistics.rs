//! `pg_stat_statements` of the connected database.

use dbopt_pg::Session;
use dbopt_workload::{ReadOptions, StatementRow, Workload};

use super::{Context, connect};
use crate::failure::Failure;

/// The statements of the connected database, times in milliseconds. Columns are those since PostgreSQL 14
/// (<https://www.postgresql.org/docs/current/pgstatstatements.html>).
const STATEMENTS: &str = "\
    SELECT s.query, s.calls, s.total_exec_time, s.total_plan_time, s.min_exec_time, s.max_exec_time, s.stddev_exec_time, \
           s.rows, s.temp_blks_written * current_setting('block_size')::int8, r.rolname::text, current_database()::text, \
           NOT s.toplevel \
    FROM {schema}.pg_stat_statements s \
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.userid \
    WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";

const SCHEMA: &str = "\
    SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e \
    JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'";

/// Reads the statements as a workload.
pub(super) async fn live(context: &Context, session: &Session) -> Result<Workload, Failure> {
    let schemas = connect::or_interrupted(context, session.query(SCHEMA, &[])).await?.map_err(connect::failure)?;
    let Some(schema) = schemas.first().and_then(|row| row.try_get::<_, String>(0).ok()) else {
        return Err(Failure::usage("the database does not have pg_stat_statements").hint(
            "add it to shared_preload_libraries, restart, and run CREATE EXTENSION pg_stat_statements; or read a log",
        ));
    };
    let query = STATEMENTS.replace("{schema}", &schema);
    let rows = connect::or_interrupted(context, session.query(&query, &[])).await?.map_err(connect::failure)?;
    let rows: Result<Vec<StatementRow>, tokio_postgres::Error> = rows.iter().map(statement).collect();
    let rows = rows.map_err(|error| connect::failure(session.error(error)))?;
    Ok(Workload::from_statement_rows("pg_stat_statements", rows, &ReadOptions::default()))
}

fn statement(row: &tokio_postgres::Row) -> Result<StatementRow, tokio_postgres::Error> {
    let count = |at: usize| row.try_get::<_, i64>(at).map(|count| u64::try_from(count).unwrap_or(0));
    Ok(StatementRow {
        query: row.try_get::<_, Option<String>>(0)?.unwrap_or_default(),
        calls: count(1)?,
        total_ms: row.try_get(2)?,
        plan_ms: row.try_get(3)?,
        min_ms: row.try_get(4)?,
        max_ms: row.try_get(5)?,
        stddev_ms: row.try_get(6)?,
        rows: count(7)?,
        temp_bytes: count(8)?,
        user: row.try_get(9)?,
        database: row.try_get(10)?,
        nested: row.try_get(11)?,
    })
}
