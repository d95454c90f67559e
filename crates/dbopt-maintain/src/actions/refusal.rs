//! How many rows of a table may be deleted, or why none are, however expired they are.

use dbopt_pg::Session;
use dbopt_policy::TableSelector;
use dbopt_run::Error;

use super::retention::{DAY, Method, Retention};
use crate::facts::Moment;
use crate::object::TableRef;

/// What the catalogue says of the table and the column.
const TABLE: &str = "
    SELECT c.oid, c.relkind::text AS kind, c.relpersistence = 't' AS is_temporary,
           pg_catalog.row_security_active(c.oid) AS is_hidden,
           (SELECT pg_catalog.format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = $3 AND a.attnum > 0 AND NOT a.attisdropped) AS type,
           EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '4') AS has_rules,
           EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                   JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname = 'btree'
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND a.attname = $3) AS is_indexed
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2";

/// All that a DELETE reaches by foreign keys, however far: tables that lose rows (`d`), and those of which columns are
/// updated (`u`), which matters to keys on these columns only. Nothing is reached when `$2` says that only rows go which nothing refers to
/// (<https://www.postgresql.org/docs/current/catalog-pg-constraint.html>).
const REACHED: &str = "
    WITH RECURSIVE reached (relation, event, columns) AS (
        SELECT $1::oid, 'd', '{}'::int2[]
        UNION
        SELECT k.conrelid, CASE WHEN r.event = 'd' AND k.confdeltype = 'c' THEN 'd' ELSE 'u' END,
               CASE WHEN r.event = 'd' AND k.confdeltype = 'c' THEN '{}' ELSE k.conkey END
        FROM reached r JOIN pg_catalog.pg_constraint k ON k.contype = 'f' AND k.confrelid = r.relation
        WHERE NOT $2 AND CASE r.event WHEN 'd' THEN k.confdeltype ELSE k.confupdtype END IN ('c', 'n', 'd')
            AND (r.event = 'd' OR k.confkey && r.columns)
    )";

/// Foreign keys that look at each row that goes or is changed along, whether an index helps them, and what they do. A
/// partition is listed with a table that it is a part of.
const REFERENCES: &str = "
    SELECT DISTINCT k.conname::text AS name, n.nspname::text AS schema, c.relname::text AS table,
           CASE r.event WHEN 'd' THEN k.confdeltype ELSE k.confupdtype END IN ('c', 'n', 'd') AS changes,
           ARRAY(SELECT an.nspname::text FROM pg_catalog.pg_partition_ancestors(c.oid) WITH ORDINALITY p (oid, at)
                 JOIN pg_catalog.pg_class ac ON ac.oid = p.oid
                 JOIN pg_catalog.pg_namespace an ON an.oid = ac.relnamespace ORDER BY p.at) AS schemas,
           ARRAY(SELECT ac.relname::text FROM pg_catalog.pg_partition_ancestors(c.oid) WITH ORDINALITY p (oid, at)
                 JOIN pg_catalog.pg_class ac ON ac.oid = p.oid ORDER BY p.at) AS tables,
           EXISTS (SELECT FROM pg_catalog.pg_index i
                   WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
                       AND k.conkey <@ (i.indkey::int2[])[0:pg_catalog.cardinality(k.conkey) - 1]) AS is_indexed
    FROM reached r
    JOIN pg_catalog.pg_constraint k ON k.contype = 'f' AND k.confrelid = r.relation
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE r.event = 'd' OR k.confkey && r.columns ORDER BY 2, 3, 1";

/// Triggers that would fire, of the table and of all that is changed along.
const TRIGGERS: &str = "
    SELECT DISTINCT t.tgname::text AS name, n.nspname::text AS schema, c.relname::text AS table
    FROM reached r
    JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.relation AND NOT t.tgisinternal AND t.tgenabled <> 'D'
    JOIN pg_catalog.pg_class c ON c.oid = r.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE CASE r.event WHEN 'd' THEN t.tgtype & 8 <> 0
          ELSE t.tgtype & 16 <> 0
              AND (pg_catalog.cardinality(t.tgattr::int2[]) = 0 OR t.tgattr::int2[] && r.columns) END
    ORDER BY 2, 3, 1";

/// Rules that would change what is done to the tables that are changed along.
const RULES: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS table
    FROM reached r
    JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.relation AND w.ev_type = CASE r.event WHEN 'd' THEN '4' ELSE '2' END
    JOIN pg_catalog.pg_class c ON c.oid = r.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY 1, 2";

/// Tables that inherit, other than partitions; a DELETE of the table's own rows leaves theirs.
const CHILDREN: &str = "
    WITH RECURSIVE child (oid) AS (
        SELECT h.inhrelid FROM pg_catalog.pg_inherits h WHERE h.inhparent = $1
        UNION SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN child ON child.oid = h.inhparent
    )
    SELECT n.nspname::text AS schema, c.relname::text AS table
    FROM child JOIN pg_catalog.pg_class c ON c.oid = child.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY 1, 2";

/// What may be deleted.
pub(super) struct Permit {
    /// So many rows were expired when they were counted.
    pub(super) expired: u64,
    /// Whether an index begins with the column.
    pub(super) is_indexed: bool,
}

/// What may be deleted, or the first reason not to.
pub(super) async fn permit(
    session: &Session,
    table: &TableRef,
    retention: &Retention,
) -> Result<Result<Permit, String>, Error> {
    let is_indexed = match fit(session, table, retention).await? {
        Ok(is_indexed) => is_indexed,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(count(session, table, retention).await?.map(|expired| Permit { expired, is_indexed }))
}

/// Whether an index begins with the column of a table that rows may be deleted from; or the first reason not to, as far as it
/// can be seen without counting rows: only what is asked of tables that inherit reads any.
pub(super) async fn fit(
    session: &Session,
    table: &TableRef,
    retention: &Retention,
) -> Result<Result<bool, String>, Error> {
    let rows = session.query(TABLE, &[&table.schema, &table.name, &retention.column]).await?;
    let Some(row) = rows.first().filter(|row| row.get::<_, u32>("oid") == table.oid) else {
        return Ok(Err("it is not the table that the plan saw".to_owned()));
    };
    let column = &retention.column;
    if row.get::<_, &str>("kind") != "r" || row.get::<_, bool>("is_temporary") {
        return Ok(Err("it is no plain table; of a partitioned one the parts are cleared one by one".to_owned()));
    }
    match (row.get::<_, Option<&str>>("type"), retention.cutoff) {
        (Some("timestamp with time zone"), Moment::Instant(_))
        | (Some("timestamp without time zone"), Moment::Civil(_)) => {}
        // What is of a day may be of its last moment: it is expired when the cutoff is not before the day's end.
        (Some("date"), Moment::Civil(at)) if at.rem_euclid(DAY) == 0 => {}
        (Some(kind), _) => {
            return Ok(Err(format!("`{column}` is of type {kind}, by which the plan's cutoff cannot be judged")));
        }
        (None, _) => return Ok(Err(format!("it has no column `{column}`"))),
    }
    if row.get("is_hidden") {
        return Ok(Err("row-level security may hide rows of it from this role, so none would be missed".to_owned()));
    }
    if row.get("has_rules") {
        return Ok(Err("a rule changes what a DELETE does to it".to_owned()));
    }
    let is_indexed: bool = row.get("is_indexed");
    match retention.method {
        Method::Keys if !is_indexed => return Ok(Err(format!("no index begins with `{column}`"))),
        Method::Pages if session.server_version_num() < 140_000 => {
            return Ok(Err("before version 14 rows are found by an index of the column only".to_owned()));
        }
        _ => {}
    }
    if let Some(reason) = references(session, table, retention).await? {
        return Ok(Err(reason));
    }
    if let Some(reason) = triggers(session, table, retention).await? {
        return Ok(Err(reason));
    }
    if let Some(reason) = children(session, table, retention).await? {
        return Ok(Err(reason));
    }
    Ok(Ok(is_indexed))
}

async fn references(session: &Session, table: &TableRef, retention: &Retention) -> Result<Option<String>, Error> {
    let is_unreferenced = retention.exempt.is_unreferenced;
    let listed: Vec<TableSelector> =
        retention.cascades.iter().filter_map(|selector| TableSelector::parse(selector).ok()).collect();
    for row in session.query(&format!("{REACHED} {REFERENCES}"), &[&table.oid, &is_unreferenced]).await? {
        let (name, schema, other): (String, String, String) = (row.get("name"), row.get("schema"), row.get("table"));
        if !row.get::<_, bool>("is_indexed") {
            return Ok(Some(format!(
                "the foreign key `{name}` of `{schema}.{other}` has no index, so each row would cost a scan of that table"
            )));
        }
        let (schemas, tables): (Vec<String>, Vec<String>) = (row.get("schemas"), row.get("tables"));
        let mut names = schemas.iter().zip(&tables).chain([(&schema, &other)]);
        let is_listed = names.any(|(schema, table)| listed.iter().any(|selector| selector.matches(schema, table)));
        if row.get("changes") && !is_listed && !is_unreferenced {
            return Ok(Some(format!(
                "rows of `{schema}.{other}` would be changed along by `{name}`, and the policy does not list it"
            )));
        }
    }
    let rules = session.query(&format!("{REACHED} {RULES}"), &[&table.oid, &is_unreferenced]).await?;
    Ok(rules.first().map(|row| {
        let (schema, other): (String, String) = (row.get("schema"), row.get("table"));
        format!("a rule changes what is done to rows of `{schema}.{other}`, which would be changed along")
    }))
}

async fn triggers(session: &Session, table: &TableRef, retention: &Retention) -> Result<Option<String>, Error> {
    for row in session.query(&format!("{REACHED} {TRIGGERS}"), &[&table.oid, &retention.exempt.is_unreferenced]).await?
    {
        let (name, schema, of): (String, String, String) = (row.get("name"), row.get("schema"), row.get("table"));
        if !retention.triggers.contains(&name) {
            let place = if (&schema, &of) == (&table.schema, &table.name) {
                String::new()
            } else {
                format!(" of `{schema}.{of}`")
            };
            return Ok(Some(format!("the trigger `{name}`{place} would fire, which the policy does not list")));
        }
    }
    Ok(None)
}

/// Whether expired rows would stay in a table that inherits from this one.
async fn children(session: &Session, table: &TableRef, retention: &Retention) -> Result<Option<String>, Error> {
    for row in session.query(CHILDREN, &[&table.oid]).await? {
        let child = TableRef { oid: 0, schema: row.get("schema"), name: row.get("table") };
        let condition = retention.condition(&child);
        let sql = format!("SELECT EXISTS (SELECT FROM ONLY {child} WHERE {condition})");
        if session.query(&sql, &[]).await?.first().is_none_or(|row| row.get(0)) {
            return Ok(Some(format!(
                "`{child}` inherits from it and has expired rows, which would stay; it needs a rule of its own, before this one"
            )));
        }
    }
    Ok(None)
}

/// How many rows are expired; counts no further than to where it is too many.
pub(super) async fn count(
    session: &Session,
    table: &TableRef,
    retention: &Retention,
) -> Result<Result<u64, String>, Error> {
    let sql = format!(
        "SELECT CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint ELSE (SELECT pg_catalog.count(*) FROM ONLY {table}) END \
         FROM pg_catalog.pg_class c WHERE c.oid = $1"
    );
    let all: i64 = session.query(&sql, &[&table.oid]).await?.first().map_or(0, |row| row.get(0));
    let of_share = (all as f64 * retention.most_share).floor() as u64;
    let (most, why) = match of_share < retention.most_rows {
        true => {
            let share = retention.most_share;
            (of_share, format!("`most_share` allows no more than a share of {share} of about {all}"))
        }
        false => (retention.most_rows, "`most_rows` allows no more".to_owned()),
    };
    let limit = i64::try_from(most).unwrap_or(i64::MAX - 1);
    let condition = retention.condition(table);
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM (SELECT FROM ONLY {table} WHERE {condition} LIMIT {}) s",
        limit.saturating_add(1)
    );
    let found: i64 = session.query(&sql, &[]).await?.first().map_or(0, |row| row.get(0));
    Ok(match found > limit {
        true => Err(format!("more than {most} rows would go, and {why}")),
        false => Ok(found.unsigned_abs()),
    })
}
