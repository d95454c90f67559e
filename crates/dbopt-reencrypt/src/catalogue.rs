//! What the database says of a policy's columns.

use std::collections::BTreeSet;

use dbopt_crypto::{ColumnFacts, ColumnRule, DatabaseFacts, EncryptionPolicy, ServerFacts, TableFacts};
use dbopt_pg::Session;

/// What the database says of the tables of a policy.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// For [`EncryptionPolicy::review_database`].
    pub facts: DatabaseFacts,
    /// Whether there is a table of keys of persons.
    pub(crate) has_subject_keys: bool,
    tables: Vec<Table>,
}

/// Why something could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A session failed.
    #[error(transparent)]
    Session(#[from] dbopt_pg::Error),
    /// Keys of persons could not be looked at.
    #[error(transparent)]
    Subjects(#[from] dbopt_crypto::SubjectTableError),
}

/// What is to be known of a table beyond its facts.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// As in `pg_class.relkind`.
    pub(crate) kind: String,
    pub(crate) has_rules: bool,
    /// The role, when it may not read or write any column.
    pub(crate) refused: Option<String>,
    /// Triggers of rows that an UPDATE fires.
    pub(crate) triggers: Vec<String>,
    /// About how many rows it has.
    pub(crate) rows: f64,
    pub(crate) columns: Vec<Column>,
    /// Columns of its unique indexes, in their order, the primary key's first.
    pub(crate) keys: Vec<Vec<String>>,
}

/// What is to be known of a column beyond its facts.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its type as a cast takes it.
    pub(crate) cast: String,
    pub(crate) is_not_null: bool,
    pub(crate) is_generated: bool,
    /// Whether `=` and `<` of its type are found without a search path.
    pub(crate) is_builtin: bool,
}

const TABLES: &str = "
    SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
           greatest(c.reltuples, 0)::float8 AS rows, current_user::text AS role,
           pg_catalog.has_any_column_privilege(c.oid, 'SELECT') AND pg_catalog.has_any_column_privilege(c.oid, 'UPDATE')
               AS is_allowed,
           EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '2') AS has_rules,
           ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger t
                 WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 16 <> 0
                 ORDER BY 1) AS triggers
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN unnest($1::text[], $2::text[]) AS w(schema, name) ON n.nspname = w.schema AND c.relname = w.name
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 2, 3";

const COLUMNS: &str = "
    SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS data_type,
           pg_catalog.format_type(a.atttypid, -1) AS cast, a.attnotnull AS is_not_null, a.attgenerated <> '' AS is_generated,
           CASE y.typtype WHEN 'd' THEN
                    (SELECT b.typnamespace = 'pg_catalog'::regnamespace FROM pg_catalog.pg_type b WHERE b.oid = y.typbasetype)
                WHEN 'e' THEN true ELSE y.typnamespace = 'pg_catalog'::regnamespace END AS is_builtin,
           ARRAY(SELECT x.relname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                 WHERE i.indrelid = a.attrelid AND (a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
                     OR a.attnum <> ALL (i.indkey::int2[]) AND EXISTS (
                         SELECT FROM pg_catalog.pg_depend d
                         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
                             AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid
                             AND d.refobjsubid = a.attnum)) ORDER BY 1) AS indexes,
           ARRAY(SELECT x.relname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                 WHERE i.indrelid = a.attrelid AND i.indisunique
                     AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) ORDER BY 1) AS unique,
           ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k
                 WHERE k.contype = 'f' AND (k.conrelid = a.attrelid AND a.attnum = ANY (k.conkey)
                     OR k.confrelid = a.attrelid AND a.attnum = ANY (k.confkey)) ORDER BY 1) AS foreign_keys,
           coalesce(s.has_statistics, false) AS has_statistics, s.distinct::float8 AS distinct
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
    LEFT JOIN LATERAL (
        SELECT pg_catalog.bool_or(p.most_common_vals IS NOT NULL OR p.histogram_bounds IS NOT NULL) AS has_statistics,
               pg_catalog.max(p.n_distinct) AS distinct
        FROM pg_catalog.pg_stats p WHERE p.schemaname = $2 AND p.tablename = $3 AND p.attname = a.attname) s ON true
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const KEYS: &str = "
    SELECT ARRAY(SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, at)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.at) AS columns
    FROM pg_catalog.pg_index i
    WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
        AND 0 <> ALL ((i.indkey::int2[])[0:i.indnkeyatts - 1])
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                        WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
                            AND NOT a.attnotnull)
    ORDER BY i.indisprimary DESC, i.indexrelid";

/// Asked so that a role without rights on the schema is told that later, and of what matters.
const SUBJECT_KEYS: &str = "
    SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'dbopt' AND c.relname = 'subject_key')";

const SERVER: &str = "
    SELECT pg_catalog.current_setting('log_statement'), pg_catalog.current_setting('log_min_error_statement'),
           (SELECT s.setting::bigint FROM pg_catalog.pg_settings s WHERE s.name = 'log_min_duration_statement'),
           (SELECT s.setting::bigint FROM pg_catalog.pg_settings s WHERE s.name = 'log_min_duration_sample'),
           (SELECT s.setting::bigint FROM pg_catalog.pg_settings s WHERE s.name = 'log_parameter_max_length'),
           (SELECT s.setting::bigint FROM pg_catalog.pg_settings s WHERE s.name = 'log_parameter_max_length_on_error')";

impl Catalogue {
    /// Asks for the tables that a policy names.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn load(session: &Session, policy: &EncryptionPolicy) -> Result<Self, Error> {
        let names: BTreeSet<(&str, &str)> =
            policy.columns.iter().map(|rule| (rule.schema.as_str(), rule.table.as_str())).collect();
        let (schemas, tables): (Vec<&str>, Vec<&str>) = names.into_iter().unzip();
        let mut catalogue =
            Self { facts: DatabaseFacts { server: server(session).await?, ..Default::default() }, ..Self::default() };
        let rows = session.query(SUBJECT_KEYS, &[]).await?;
        catalogue.has_subject_keys = rows.first().is_some_and(|row| row.get(0));
        for row in session.query(TABLES, &[&schemas, &tables]).await? {
            let mut table = Table {
                oid: row.get("oid"),
                schema: row.get("schema"),
                name: row.get("name"),
                kind: row.get("kind"),
                has_rules: row.get("has_rules"),
                refused: (!row.get::<_, bool>("is_allowed")).then(|| row.get("role")),
                triggers: row.get("triggers"),
                rows: row.get("rows"),
                columns: Vec::new(),
                keys: Vec::new(),
            };
            let mut facts =
                TableFacts { schema: table.schema.clone(), table: table.name.clone(), ..Default::default() };
            for row in session.query(COLUMNS, &[&table.oid, &table.schema, &table.name]).await? {
                let distinct: Option<f64> = row.get("distinct");
                facts.columns.push(ColumnFacts {
                    column: row.get("name"),
                    data_type: row.get("data_type"),
                    indexes: row.get("indexes"),
                    unique: row.get("unique"),
                    foreign_keys: row.get("foreign_keys"),
                    has_statistics: row.get("has_statistics"),
                    // Less than zero is a share of the rows.
                    distinct: distinct.map(|distinct| if distinct < 0.0 { -distinct * table.rows } else { distinct }),
                });
                table.columns.push(Column {
                    name: row.get("name"),
                    cast: row.get("cast"),
                    is_not_null: row.get("is_not_null"),
                    is_generated: row.get("is_generated"),
                    is_builtin: row.get("is_builtin"),
                });
            }
            table.keys = session.query(KEYS, &[&table.oid]).await?.iter().map(|row| row.get("columns")).collect();
            facts.keys.clone_from(&table.keys);
            catalogue.facts.tables.push(facts);
            catalogue.tables.push(table);
        }
        Ok(catalogue)
    }

    /// The table of a rule.
    pub(crate) fn table(&self, rule: &ColumnRule) -> Option<&Table> {
        self.tables.iter().find(|table| table.schema == rule.schema && table.name == rule.table)
    }
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

async fn server(session: &Session) -> Result<ServerFacts, Error> {
    let rows = session.query(SERVER, &[]).await?;
    let Some(row) = rows.first() else { return Ok(ServerFacts::default()) };
    let number = |at: usize, other: i64| row.get::<_, Option<i64>>(at).unwrap_or(other);
    Ok(ServerFacts {
        log_statement: row.get(0),
        log_min_error_statement: row.get(1),
        log_min_duration_statement: number(2, -1),
        // Settings that came with versions 13 and 14.
        log_min_duration_sample: number(3, -1),
        log_parameter_max_length: number(4, -1),
        log_parameter_max_length_on_error: number(5, 0),
    })
}
