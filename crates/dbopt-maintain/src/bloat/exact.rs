//! The extension pgstattuple, where it is and may be called.
//!
//! It reads the whole table to count its rows (<https://www.postgresql.org/docs/current/pgstattuple.html>). Its own idea of bloat
//! is blind to dropped columns and to how rows fall onto pages, so only its count and its mean length are taken.

use dbopt_pg::Session;
use dbopt_sql::quote_ident;

/// The function, by its qualified name.
#[derive(Debug)]
pub(super) struct Pgstattuple(String);

impl Pgstattuple {
    /// Looks for it; none where it is not installed or this role may not call it.
    pub(super) async fn find(session: &Session) -> Result<Option<Self>, dbopt_pg::Error> {
        let sql = "SELECT n.nspname::text FROM pg_catalog.pg_proc p \
                   JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
                   JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid \
                       AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e' \
                   JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'pgstattuple' \
                   WHERE p.proname = 'pgstattuple' AND p.proargtypes = '2205'::oidvector \
                       AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
                       AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')";
        let rows = session.query(sql, &[]).await?;
        Ok(rows.first().map(|row| Self(format!("{}.pgstattuple", quote_ident(row.get(0))))))
    }

    /// Live rows of a table, and their bytes.
    pub(super) async fn count(&self, session: &Session, table: u32) -> Result<Option<(f64, f64)>, dbopt_pg::Error> {
        let sql = format!("SELECT s.tuple_count::float8, s.tuple_len::float8 FROM {}($1::oid::regclass) AS s", self.0);
        let rows = session.query(&sql, &[&table]).await?;
        Ok(rows.first().map(|row| (row.get(0), row.get(1))))
    }
}
