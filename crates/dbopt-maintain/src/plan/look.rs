//! What a plan needs of a server besides the facts: what took how long, and how far rules of retention reach.

use dbopt_pg::Session;
use dbopt_sql::quote_ident;
use tokio_postgres::{SimpleQueryMessage, error::SqlState};

use super::{Done, Expired, History, Reach};
use crate::error::Error;
use crate::facts::{Facts, TableFacts, TableKind};
use crate::object::TableRef;
use crate::policy::{By, MaintenancePolicy};

/// The newest of what was done; nothing where dbopt's schema is not there, or not for this role.
const DONE: &str = "
    SELECT h.kind, h.schema, h.object, h.table_bytes, h.seconds,
           (pg_catalog.date_part('epoch', h.at) * 1e6)::bigint AS at
    FROM dbopt.history h
    WHERE h.outcome = 'done' AND h.table_bytes IS NOT NULL
        AND h.kind IN ('vacuum', 'analyze', 'reindex', 'delete-rows', 'drop-partition')
    ORDER BY h.id DESC LIMIT 5000";

/// What was last tried of retention and not done.
const UNDONE: &str = "
    SELECT l.kind, l.schema, l.object FROM (
        SELECT DISTINCT ON (h.kind, h.schema, h.object) h.kind, h.schema, h.object, h.outcome
        FROM dbopt.history h WHERE h.kind IN ('delete-rows', 'drop-partition')
        ORDER BY h.kind, h.schema, h.object, h.id DESC) l
    WHERE l.outcome IN ('blocked', 'failed')";

const HAS_HISTORY: &str = "
    SELECT coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), false)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'dbopt' AND c.relname = 'history'";

const COLUMN: &str = "
    SELECT pg_catalog.format_type(a.atttypid, NULL) AS kind,
           (SELECT s.correlation FROM pg_catalog.pg_stats s
            WHERE s.schemaname = $3 AND s.tablename = $4 AND s.attname = a.attname AND NOT s.inherited) AS correlation,
           EXISTS (SELECT FROM pg_catalog.pg_index i
                   JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = c.relam
                   WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL
                       AND m.amname = 'btree') AS is_indexed,
           EXISTS (SELECT FROM pg_catalog.pg_index i
                   JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = c.relam
                   WHERE i.indrelid = a.attrelid AND a.attnum = ANY (i.indkey::int2[]) AND i.indisvalid
                       AND i.indpred IS NULL AND m.amname = 'brin') AS is_summarised
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = $1 AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped";

impl History {
    /// Reads what was done in a database.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn load(session: &Session) -> Result<Self, Error> {
        if !session.query(HAS_HISTORY, &[]).await?.first().is_some_and(|row| row.get(0)) {
            return Ok(Self::default());
        }
        let done = session.query(DONE, &[]).await?;
        let done = done.iter().map(|row| Done {
            kind: row.get("kind"),
            schema: row.get("schema"),
            object: row.get("object"),
            table_bytes: row.get("table_bytes"),
            seconds: row.get("seconds"),
            at: row.get("at"),
        });
        let undone = session.query(UNDONE, &[]).await?;
        let undone = undone.iter().map(|row| (row.get("kind"), row.get("schema"), row.get("object")));
        Ok(Self { done: done.collect(), undone: undone.collect() })
    }
}

/// A table of so many bytes is read as quickly as an index would be.
const SMALL: u64 = 8 << 20;

/// Asks the server's planner how many rows the rules reach, rule by rule. Nothing is read for it but statistics, and, because
/// rows come and go between two looks of statistics, the beginning of the column's index, or a small table.
///
/// # Errors
/// When the session fails; what is wrong with a rule is a fault of that rule.
pub async fn expired(session: &Session, facts: &Facts, policy: &MaintenancePolicy) -> Result<Vec<Expired>, Error> {
    let mut all = Vec::with_capacity(policy.retention.len());
    // Statistics that still know of many expired rows would have the whole table read in search of the first.
    session.batch("SET enable_seqscan = off").await?;
    for rule in &policy.retention {
        let mut expired = Expired::default();
        let column = match &rule.by {
            By::Rows { column } => Some(column),
            By::Partitions { column, rest, .. } => column.as_ref().filter(|_| *rest),
        };
        let named = |table: &&TableFacts| (&table.table.schema, &table.table.name) == (&rule.table.0, &rule.table.1);
        if let (Some(column), Some(table)) = (column, facts.tables.iter().find(named)) {
            let cutoff = super::retention::cutoff(rule, facts.server.now);
            for part in leaves(facts, table) {
                match reach(session, part, column, cutoff).await? {
                    Ok(reach) => expired.tables.push(reach),
                    Err(fault) => {
                        let Fault { message, needs_select } = fault;
                        let (name, role) = (&part.table, quote_ident(&facts.server.role));
                        expired.help = needs_select.then(|| format!("GRANT SELECT ON {name} TO {role};"));
                        expired.fault = Some(message);
                    }
                }
            }
        }
        all.push(expired);
    }
    session.batch("RESET enable_seqscan").await?;
    Ok(all)
}

/// A table, or of a partitioned one all that hold its rows.
fn leaves<'a>(facts: &'a Facts, table: &'a TableFacts) -> Vec<&'a TableFacts> {
    if table.kind != TableKind::Partitioned {
        return vec![table];
    }
    let parts = facts.partitions.iter().filter(|partition| partition.parent.oid == table.table.oid);
    parts.filter_map(|partition| facts.table(partition.table.oid)).flat_map(|part| leaves(facts, part)).collect()
}

/// What is wrong with asking how far a rule reaches.
struct Fault {
    message: String,
    /// Whether the role lacks a right.
    needs_select: bool,
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { message, needs_select: false }
    }
}

/// How a rule reaches a table, or what is wrong with asking that.
async fn reach(
    session: &Session,
    table: &TableFacts,
    column: &str,
    cutoff: i64,
) -> Result<Result<Reach, Fault>, Error> {
    let TableRef { oid, schema, name } = &table.table;
    let rows = session.query(COLUMN, &[oid, &column, schema, name]).await?;
    let Some(row) = rows.first() else { return Ok(Err(format!("there is no column `{column}`").into())) };
    let kind: String = row.get("kind");
    let (is_civil, is_day, kind) = match kind.as_str() {
        "timestamp with time zone" => (false, false, "timestamptz"),
        "timestamp without time zone" => (true, false, "timestamp"),
        "date" => (true, true, "timestamp"),
        _ => return Ok(Err(format!("the column `{column}` is of type `{kind}`, and no time").into())),
    };
    let Ok(cutoff) = jiff::Timestamp::from_microsecond(cutoff) else {
        return Ok(Err("it keeps rows from before the beginning of time".to_owned().into()));
    };
    let from = format!(
        "FROM ONLY {} WHERE {} OPERATOR(pg_catalog.<) '{cutoff}'::pg_catalog.{kind}",
        table.table,
        quote_ident(column)
    );
    let sql = format!("EXPLAIN (FORMAT JSON) SELECT {from}");
    let messages = match session.client().simple_query(&sql).await {
        Ok(messages) => messages,
        Err(error) => match error.as_db_error() {
            // How many there are can be seen when nobody keeps everybody out any more.
            Some(fault) if *fault.code() == SqlState::LOCK_NOT_AVAILABLE => Vec::new(),
            Some(fault) => {
                let needs_select = *fault.code() == SqlState::INSUFFICIENT_PRIVILEGE;
                return Ok(Err(Fault { message: fault.message().to_owned(), needs_select }));
            }
            None => return Err(session.error(error).into()),
        },
    };
    let plan: Option<serde_json::Value> = serde_json::from_str(&text(&messages)).ok();
    let estimate = plan.and_then(|plan| plan[0]["Plan"]["Plan Rows"].as_f64());
    let (is_indexed, is_summarised): (bool, bool) = (row.get("is_indexed"), row.get("is_summarised"));
    let mut has_any = None;
    if (is_indexed || is_summarised || table.bytes < SMALL) && !table.row_security && !table.is_locked {
        let sql = format!("SELECT EXISTS (SELECT {from} AND {} > '-infinity')", quote_ident(column));
        has_any = match session.client().simple_query(&sql).await {
            Ok(messages) => Some(text(&messages) == "t"),
            // Locked, or too slow: it is not ruled out.
            Err(error) if error.as_db_error().is_some() => None,
            Err(error) => return Err(session.error(error).into()),
        };
    }
    Ok(Ok(Reach {
        oid: *oid,
        rows: estimate,
        has_any,
        is_civil,
        is_day,
        correlation: row.get::<_, Option<f32>>("correlation").map(f64::from),
        is_indexed,
        is_summarised,
    }))
}

/// The first column of all rows.
fn text(messages: &[SimpleQueryMessage]) -> String {
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    rows.collect()
}
