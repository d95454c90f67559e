//! Is HypoPG there, and may this user use it?

use tokio_postgres::{Client, Error};

/// Whether HypoPG can answer on a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Availability {
    /// Installed and usable.
    Usable {
        /// Its version, such as `1.3.1`.
        version: String,
        /// The schema of its functions.
        schema: String,
        /// Whether it can hide existing indexes (1.4 and later).
        hides: bool,
    },
    /// Installed, but this user may not call its functions.
    Forbidden {
        /// Its version.
        version: String,
        /// The schema of its functions.
        schema: String,
    },
    /// The server has it, but the database does not: `CREATE EXTENSION hypopg` by a superuser.
    Installable {
        /// The version that would be installed.
        version: String,
    },
    /// The server does not have it: its package is to be installed first.
    Missing,
}

/// Asks a session for HypoPG.
///
/// # Errors
/// When the session does not answer.
pub async fn available(client: &Client) -> Result<Availability, Error> {
    const QUERY: &str = "\
        SELECT a.default_version::text, e.extversion::text, n.nspname::text, \
               coalesce(bool_and(has_function_privilege(p.oid, 'EXECUTE')) AND \
                        bool_and(has_schema_privilege(n.oid, 'USAGE')), false), \
               coalesce(bool_or(p.proname = 'hypopg_hide_index'), false) \
        FROM (SELECT max(default_version) AS default_version FROM pg_catalog.pg_available_extensions \
              WHERE name = 'hypopg') a \
        LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'hypopg' \
        LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
        LEFT JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::regclass \
              AND d.refobjid = e.oid AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.deptype = 'e' \
        LEFT JOIN pg_catalog.pg_proc p ON p.oid = d.objid \
        GROUP BY 1, 2, 3";
    let row = client.query_one(QUERY, &[]).await?;
    let (offered, installed, schema): (Option<String>, Option<String>, Option<String>) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (usable, hides): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
    Ok(match (installed, schema, offered) {
        (Some(version), Some(schema), _) if usable => Availability::Usable { version, schema, hides },
        (Some(version), Some(schema), _) => Availability::Forbidden { version, schema },
        (_, _, Some(version)) => Availability::Installable { version },
        _ => Availability::Missing,
    })
}
