//! Why the rows of a table are not deleted, however expired they are.

use dbopt_policy::TableSelector;
use dbopt_run::{Error, Hands};

use super::retention::{Method, Retention};
use crate::facts::Moment;
use crate::object::TableRef;

/// What the catalogue says of the table and the column.
const TABLE: &str = "
    SELECT c.oid, c.relkind::text AS kind, c.relpersistence = 't' AS is_temporary,
           (SELECT pg_catalog.format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = $3 AND a.attnum > 0 AND NOT a.attisdropped) AS type,
           EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '4') AS has_rules,
           EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                   JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname = 'btree'
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND a.attname = $3) AS is_indexed
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2";

/// Foreign keys that look at each row that goes, whether an index helps them, and what they do.
const REFERENCES: &str = "
    SELECT k.conname::text AS name, n.nspname::text AS schema, c.relname::text AS table,
           k.confdeltype IN ('c', 'n', 'd') AS changes,
           EXISTS (SELECT FROM pg_catalog.pg_index i
                   WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
                       AND k.conkey <@ (i.indkey::int2[])[0:pg_catalog.cardinality(k.conkey) - 1]) AS is_indexed
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'f' AND k.confrelid = $1 ORDER BY 2, 3, 1";

const TRIGGERS: &str = "
    SELECT t.tgname::text FROM pg_catalog.pg_trigger t
    WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 8 <> 0 ORDER BY 1";

/// The first reason not to delete, if there is one.
pub(super) async fn refusal(
    hands: &Hands<'_>,
    table: &TableRef,
    retention: &Retention,
) -> Result<Option<String>, Error> {
    let rows = hands.control.query(TABLE, &[&table.schema, &table.name, &retention.column]).await?;
    let Some(row) = rows.first().filter(|row| row.get::<_, u32>("oid") == table.oid) else {
        return Ok(Some("it is not the table that the plan saw".to_owned()));
    };
    let column = &retention.column;
    if row.get::<_, &str>("kind") != "r" || row.get::<_, bool>("is_temporary") {
        return Ok(Some("it is no plain table; of a partitioned one the parts are cleared one by one".to_owned()));
    }
    match (row.get::<_, Option<&str>>("type"), retention.cutoff) {
        (Some("timestamp with time zone"), Moment::Instant(_))
        | (Some("timestamp without time zone" | "date"), Moment::Civil(_)) => {}
        (Some(kind), _) => {
            return Ok(Some(format!("`{column}` is of type {kind}, by which the plan's cutoff cannot be judged")));
        }
        (None, _) => return Ok(Some(format!("it has no column `{column}`"))),
    }
    if row.get("has_rules") {
        return Ok(Some("a rule changes what a DELETE does to it".to_owned()));
    }
    let is_indexed: bool = row.get("is_indexed");
    match retention.method {
        Method::Keys if !is_indexed => return Ok(Some(format!("no index begins with `{column}`"))),
        Method::Pages if hands.control.server_version_num() < 140_000 => {
            return Ok(Some("before version 14 rows are found by an index of the column only".to_owned()));
        }
        _ => {}
    }
    if let Some(reason) = references(hands, table, retention).await? {
        return Ok(Some(reason));
    }
    for row in hands.control.query(TRIGGERS, &[&table.oid]).await? {
        let name: String = row.get(0);
        if !retention.triggers.contains(&name) {
            return Ok(Some(format!("the trigger `{name}` would fire, which the policy does not list")));
        }
    }
    too_many(hands, table, retention).await
}

async fn references(hands: &Hands<'_>, table: &TableRef, retention: &Retention) -> Result<Option<String>, Error> {
    let listed: Vec<TableSelector> =
        retention.cascades.iter().filter_map(|selector| TableSelector::parse(selector).ok()).collect();
    for row in hands.control.query(REFERENCES, &[&table.oid]).await? {
        let (name, schema, other): (String, String, String) = (row.get("name"), row.get("schema"), row.get("table"));
        if !row.get::<_, bool>("is_indexed") {
            return Ok(Some(format!(
                "the foreign key `{name}` of `{schema}.{other}` has no index, so each row would cost a scan of that table"
            )));
        }
        if row.get("changes") && !listed.iter().any(|selector| selector.matches(&schema, &other)) {
            return Ok(Some(format!(
                "rows of `{schema}.{other}` would be changed along by `{name}`, and the policy does not list it"
            )));
        }
    }
    Ok(None)
}

/// Counts no further than to where it is too many.
async fn too_many(hands: &Hands<'_>, table: &TableRef, retention: &Retention) -> Result<Option<String>, Error> {
    let sql = format!(
        "SELECT CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint ELSE (SELECT pg_catalog.count(*) FROM ONLY {table}) END \
         FROM pg_catalog.pg_class c WHERE c.oid = $1"
    );
    let all: i64 = hands.control.query(&sql, &[&table.oid]).await?.first().map_or(0, |row| row.get(0));
    let of_share = (all as f64 * retention.most_share).floor() as u64;
    let (most, why) = match of_share < retention.most_rows {
        true => {
            let share = retention.most_share;
            (of_share, format!("`most_share` allows no more than a share of {share} of about {all}"))
        }
        false => (retention.most_rows, "`most_rows` allows no more".to_owned()),
    };
    let limit = i64::try_from(most).unwrap_or(i64::MAX - 1);
    let condition = retention.condition();
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM (SELECT FROM ONLY {table} WHERE {condition} LIMIT {}) s",
        limit.saturating_add(1)
    );
    let found: i64 = hands.control.query(&sql, &[]).await?.first().map_or(0, |row| row.get(0));
    Ok((found > limit).then(|| format!("more than {most} rows would go, and {why}")))
}
