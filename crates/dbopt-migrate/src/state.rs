//! What there is under the name `dbopt` in a database.

use tokio_postgres::GenericClient;

use crate::{error::Error, trust};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No such schema.
    Nothing,
    /// An empty schema.
    Empty(Schema),
    /// dbopt's own, with what was applied, by number.
    Own(Schema, Vec<Record>),
}

/// A schema, and what this session may do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    /// Its owner.
    pub(crate) owner: String,
    /// Whether the owner can be trusted with the rights of this session. Anybody else could replace what is created there.
    pub(crate) is_trusted: bool,
    /// Whether the owner cannot, and this session has the rights of a superuser.
    pub(crate) is_dangerous: bool,
    /// Whether this role may create in it.
    pub(crate) is_writable: bool,
    /// The names of its tables.
    pub(crate) tables: Vec<String>,
}

/// A row of `dbopt.migration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) checksum: String,
    /// When it was applied, in UTC, by RFC 3339.
    pub(crate) applied_at: String,
}

/// Default privileges count as nothing in the schema: a careful administrator sets them before the first object is there.
const FIND: &str = "
    SELECT pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner,
           {trusted} AS is_trusted,
           NOT {trusted} AND {powerful} AS is_dangerous,
           ARRAY(SELECT t.relname::text FROM pg_catalog.pg_class t WHERE t.relnamespace = n.oid) AS tables,
           pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS is_readable,
           pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS is_writable,
           c.relkind::text AS kind,
           pg_catalog.has_table_privilege(c.oid, 'SELECT') AS is_selectable,
           (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND NOT a.attisdropped
                AND a.attname IN ('number', 'name', 'checksum', 'program', 'applied_by', 'applied_at')) AS columns,
           (SELECT pg_catalog.count(*) FROM pg_catalog.pg_depend d
            WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
                AND d.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass) AS objects,
           current_user::text AS role
    FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
    LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'migration'
    WHERE n.nspname = 'dbopt'";

const RECORDS: &str = "
    SELECT number, name, checksum,
           pg_catalog.to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS applied_at
    FROM ONLY dbopt.migration ORDER BY number";

/// Looks.
pub(crate) async fn find(client: &impl GenericClient) -> Result<Result<Found, Error>, tokio_postgres::Error> {
    let sql = FIND.replace("{trusted}", &trust::trusted()).replace("{powerful}", trust::POWERFUL);
    let Some(row) = client.query_opt(&sql, &[]).await? else { return Ok(Ok(Found::Nothing)) };
    let schema = Schema {
        owner: row.try_get("owner")?,
        is_trusted: row.try_get("is_trusted")?,
        is_dangerous: row.try_get("is_dangerous")?,
        is_writable: row.try_get("is_writable")?,
        tables: row.try_get("tables")?,
    };
    let kind: Option<String> = row.try_get("kind")?;
    let objects: i64 = row.try_get("objects")?;
    if kind.is_none() {
        return Ok(if objects == 0 {
            Ok(Found::Empty(schema))
        } else {
            let (noun, verb) = if objects == 1 { ("object", "is") } else { ("objects", "are") };
            Err(Error::Foreign { reason: format!("{objects} {noun} {verb} in it, but no table `migration`") })
        });
    }
    if kind.as_deref() != Some("r") || row.try_get::<_, i64>("columns")? != 6 {
        return Ok(Err(Error::Foreign {
            reason: "its `migration` is not the table of that name that dbopt makes".to_owned(),
        }));
    }
    if !row.try_get::<_, bool>("is_readable")? || row.try_get::<_, Option<bool>>("is_selectable")? != Some(true) {
        let role: String = row.try_get("role")?;
        let name = quoted(&role);
        return Ok(Err(Error::Forbidden {
            role,
            action: "read the table `dbopt.migration`",
            grant: format!("GRANT USAGE ON SCHEMA dbopt TO {name}; GRANT SELECT ON dbopt.migration TO {name};"),
        }));
    }
    if let Some(error) = trust::fault(client, &schema).await? {
        return Ok(Err(error));
    }
    let mut records = Vec::new();
    for row in client.query(RECORDS, &[]).await? {
        records.push(Record {
            // The table's check keeps numbers positive.
            number: u32::try_from(row.try_get::<_, i32>("number")?).unwrap_or(0),
            name: row.try_get("name")?,
            checksum: row.try_get("checksum")?,
            applied_at: row.try_get("applied_at")?,
        });
    }
    Ok(Ok(Found::Own(schema, records)))
}

/// An identifier as SQL takes it literally.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
