//! What the server says of tables beyond the catalogue: what fires, what hides, what is allowed.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{
    Transaction,
    types::{ToSql, Type},
};

use crate::{
    graph::{Graph, NodeId},
    walk::{Error, failed},
};

/// What the server says.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    tables: BTreeMap<NodeId, TableFacts>,
    /// Names of foreign keys that may be checked at the end of a transaction, by schema, table and name.
    deferrable: BTreeSet<(String, String, String)>,
    /// Whether parameters of statements are in the server's log.
    pub(super) logs_parameters: bool,
    /// The role.
    pub(super) role: String,
    /// Materialised views that are made from the tables, directly or by way of other views, as SQL names them.
    pub(super) materialised: Vec<String>,
}

/// What the server says of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TableFacts {
    /// Triggers of users that a DELETE fires.
    pub(super) on_delete: Vec<String>,
    /// Triggers of users that an UPDATE fires.
    pub(super) on_update: Vec<String>,
    /// Whether rules turn a DELETE or an UPDATE into something else.
    pub(super) has_rules: bool,
    /// Whether row-level security holds for the role.
    pub(super) row_security: bool,
    /// Publications that need a replica identity, which the table has not.
    pub(super) unidentified: Vec<String>,
    pub(super) may_select: bool,
    pub(super) may_delete: bool,
    /// Columns that may be written. To lock a row there has to be one.
    pub(super) may_update: BTreeSet<String>,
    /// The types of all columns, as a cast takes them.
    kinds: BTreeMap<String, String>,
    /// Who owns it.
    pub(super) owner: String,
}

const TABLES: &str = "
    SELECT w.at::int4 AS at, pg_get_userbyid(c.relowner)::text AS owner,
        ARRAY(SELECT t.tgname::text FROM pg_trigger t WHERE t.tgrelid = ANY (f.oids) AND NOT t.tgisinternal
              AND t.tgenabled IN ('O', 'A') AND t.tgtype & 8 <> 0 GROUP BY 1 ORDER BY 1) AS on_delete,
        ARRAY(SELECT t.tgname::text FROM pg_trigger t WHERE t.tgrelid = ANY (f.oids) AND NOT t.tgisinternal
              AND t.tgenabled IN ('O', 'A') AND t.tgtype & 16 <> 0 GROUP BY 1 ORDER BY 1) AS on_update,
        EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type IN ('2', '4') AND r.ev_enabled IN ('O', 'A')) AS has_rules,
        c.relrowsecurity AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)
            AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) AS row_security,
        ARRAY(SELECT DISTINCT p.pubname::text FROM pg_publication p JOIN pg_publication_tables pt ON pt.pubname = p.pubname
              JOIN pg_class l ON l.oid = ANY (f.oids) JOIN pg_namespace ln ON ln.oid = l.relnamespace
                  AND ln.nspname = pt.schemaname AND l.relname = pt.tablename
              WHERE (p.pubdelete OR p.pubupdate) AND (l.relreplident = 'n' OR l.relreplident = 'd' AND NOT EXISTS (
                  SELECT FROM pg_index i WHERE i.indrelid = l.oid AND i.indisprimary)) ORDER BY 1) AS unidentified,
        has_table_privilege(c.oid, 'SELECT') AS may_select, has_table_privilege(c.oid, 'DELETE') AS may_delete,
        a.names, a.kinds, a.may_update
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, name, at)
    JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
    CROSS JOIN LATERAL (SELECT array_agg(t.relid::oid) || c.oid AS oids FROM pg_partition_tree(c.oid) AS t) AS f
    CROSS JOIN LATERAL (SELECT array_agg(attname::text) AS names, array_agg(format_type(atttypid, atttypmod)) AS kinds,
            coalesce(array_agg(attname::text) FILTER (WHERE has_column_privilege(c.oid, attnum, 'UPDATE')), '{}') AS may_update
        FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS a";

const DEFERRABLE: &str = "
    SELECT n.nspname::text, c.relname::text, k.conname::text
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'f' AND k.condeferrable";

/// Whatever makes it log statements, their parameters are in the log unless they are cut to nothing
/// (<https://www.postgresql.org/docs/current/runtime-config-logging.html>).
const SERVER: &str = "
    SELECT current_setting('log_parameter_max_length') <> '0' AND (current_setting('log_statement') IN ('mod', 'all')
            OR current_setting('log_min_duration_statement') <> '-1' OR current_setting('log_min_duration_sample') <> '-1'
            OR current_setting('log_transaction_sample_rate') <> '0')
        OR current_setting('log_parameter_max_length_on_error') <> '0', current_user::text";

/// What a view is made from, its rule depends on.
const MATERIALISED: &str = "
    WITH RECURSIVE made (oid) AS (
        SELECT t.relid::oid FROM unnest($1::text[], $2::text[]) AS w (schema, name)
        JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
        CROSS JOIN LATERAL (SELECT relid FROM pg_partition_tree(c.oid) UNION SELECT c.oid) AS t
      UNION
        SELECT r.ev_class FROM made JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = made.oid
            AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite r ON r.oid = d.objid)
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM made JOIN pg_class c ON c.oid = made.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'm' AND c.relispopulated ORDER BY 1";

/// The populated materialised views that are made from some tables, directly or by way of other views, as SQL names them; with the search
/// path of the system alone.
pub(crate) async fn materialised(
    transaction: &Transaction<'_>,
    schemas: &[&str],
    names: &[&str],
) -> Result<Vec<String>, Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&schemas, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)];
    let rows = transaction.query_typed(MATERIALISED, &parameters).await;
    let rows = rows.map_err(|error| failed("the materialised views", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

impl Facts {
    /// Asks for some tables, with the search path of the system alone.
    pub(super) async fn load(
        transaction: &Transaction<'_>,
        graph: &Graph,
        tables: &BTreeSet<NodeId>,
    ) -> Result<Self, Error> {
        let ids: Vec<NodeId> = tables.iter().copied().collect();
        let schemas: Vec<&str> = ids.iter().map(|id| &*graph.node(*id).table.schema).collect();
        let names: Vec<&str> = ids.iter().map(|id| &*graph.node(*id).table.name).collect();
        let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&schemas, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)];
        let rows = transaction.query_typed(TABLES, &parameters).await.map_err(|error| failed("the tables", &error))?;
        let mut facts = Self::default();
        for row in &rows {
            let Some(id) = usize::try_from(row.get::<_, i32>("at") - 1).ok().and_then(|at| ids.get(at)) else {
                continue;
            };
            let table = TableFacts {
                on_delete: row.get("on_delete"),
                on_update: row.get("on_update"),
                has_rules: row.get("has_rules"),
                row_security: row.get("row_security"),
                unidentified: row.get("unidentified"),
                may_select: row.get("may_select"),
                may_delete: row.get("may_delete"),
                may_update: row.get::<_, Vec<String>>("may_update").into_iter().collect(),
                kinds: row.get::<_, Vec<String>>("names").into_iter().zip(row.get::<_, Vec<String>>("kinds")).collect(),
                owner: row.get("owner"),
            };
            facts.tables.insert(*id, table);
        }
        let rows =
            transaction.query_typed(DEFERRABLE, &[]).await.map_err(|error| failed("the foreign keys", &error))?;
        facts.deferrable = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        facts.materialised = materialised(transaction, &schemas, &names).await?;
        let row = transaction.query_typed_one(SERVER, &[]).await.map_err(|error| failed("the settings", &error))?;
        (facts.logs_parameters, facts.role) = (row.get(0), row.get(1));
        Ok(facts)
    }

    pub(super) fn table(&self, id: NodeId) -> Option<&TableFacts> {
        self.tables.get(&id)
    }

    /// The type of a column, as a cast takes it, with its length.
    pub(super) fn kind(&self, id: NodeId, column: &str) -> &str {
        self.table(id).and_then(|table| table.kinds.get(column)).map_or("text", String::as_str)
    }

    /// Whether all foreign keys of these names may be checked at the end of the transaction.
    pub(super) fn is_deferrable(&self, schema: &str, table: &str, name: &str) -> bool {
        self.deferrable.contains(&(schema.to_owned(), table.to_owned(), name.to_owned()))
    }
}
