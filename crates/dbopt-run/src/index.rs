//! What the catalogue says of one index.

use dbopt_pg::Session;

use crate::error::Error;

/// What the catalogue says of one index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFacts {
    /// Its identity.
    pub oid: u32,
    /// The table's identity.
    pub table: u32,
    /// Whether queries use it.
    pub is_valid: bool,
    /// Whether it is of a partitioned table.
    pub is_partitioned: bool,
    /// Whether a constraint stands on it.
    pub has_constraint: bool,
    /// Whether it is a part of a partitioned table's index.
    pub is_attached: bool,
    /// As the server prints it.
    pub definition: String,
    /// Its size; for a partitioned one the sum of its parts.
    pub bytes: i64,
}

const FIND: &str = "
    SELECT i.indexrelid AS oid, i.indrelid AS table, i.indisvalid AS is_valid, c.relkind = 'I' AS is_partitioned,
           EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid
                       AND k.contype IN ('p', 'u', 'x')) AS has_constraint,
           EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid) AS is_attached,
           pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
           (SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(p.relid)),
                            pg_catalog.pg_relation_size(i.indexrelid))::bigint
            FROM pg_catalog.pg_partition_tree(i.indexrelid) p) AS bytes
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2";

/// Looks an index up.
///
/// # Errors
/// When the session fails.
pub async fn find(session: &Session, schema: &str, name: &str) -> Result<Option<IndexFacts>, Error> {
    let rows = session.query(FIND, &[&schema, &name]).await?;
    Ok(rows.first().map(|row| IndexFacts {
        oid: row.get("oid"),
        table: row.get("table"),
        is_valid: row.get("is_valid"),
        is_partitioned: row.get("is_partitioned"),
        has_constraint: row.get("has_constraint"),
        is_attached: row.get("is_attached"),
        // The index may vanish between the catalogue's snapshot and the function's.
        definition: row.get::<_, Option<String>>("definition").unwrap_or_default(),
        bytes: row.get("bytes"),
    }))
}

/// Identity and size of a table.
pub(crate) async fn table(session: &Session, schema: &str, name: &str) -> Result<Option<(u32, i64)>, Error> {
    let sql = "SELECT c.oid, (SELECT coalesce(pg_catalog.sum(pg_catalog.pg_table_size(p.relid)), \
                   pg_catalog.pg_table_size(c.oid))::bigint FROM pg_catalog.pg_partition_tree(c.oid) p) \
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'm')";
    let rows = session.query(sql, &[&schema, &name]).await?;
    Ok(rows.first().map(|row| (row.get(0), row.get::<_, Option<i64>>(1).unwrap_or_default())))
}

/// Whether anything else has the name, in the one namespace that tables, indexes, views and sequences share.
pub(crate) async fn is_taken(session: &Session, schema: &str, name: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
               ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)";
    Ok(session.query(sql, &[&schema, &name]).await?.first().is_some_and(|row| row.get(0)))
}
