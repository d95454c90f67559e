//! The history: what ran, with sizes and seconds; what predictions and roll-backs are made from.

use dbopt_pg::Session;
use serde_json::json;

use crate::audit::Change;
use crate::error::Error;
use crate::journal::{Entry, Journal, begin, commit};
use crate::leftover::Fate;
use crate::report::Report;

/// How many rows are kept.
const ROWS: i64 = 10_000;

impl Journal {
    /// Writes down what became of a step: its row here, the end of its journal entries, and the audit's second record,
    /// all or none of them.
    pub(crate) async fn settle(
        &self,
        control: &Session,
        report: &Report,
        definition: Option<&str>,
        table: Option<(u32, i64)>,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO dbopt.history (run, kind, schema, object, relation, definition, outcome, reason, \
                       table_bytes, bytes_before, bytes_after, bytes_predicted, seconds, seconds_predicted, rows) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
        let step = &report.step;
        let (relation, table_bytes) = table.unzip();
        let predicted = step.bytes.map(|bytes| bytes as i64);
        let deleted = report.rows.map(|rows| i64::try_from(rows).unwrap_or(i64::MAX));
        begin(control).await?;
        self.close_ended(control).await?;
        control
            .query(
                sql,
                &[
                    &self.run(),
                    &step.kind,
                    &step.schema,
                    &step.object,
                    &relation,
                    &definition,
                    &report.outcome.word(),
                    &report.outcome.reason(),
                    &table_bytes,
                    &report.bytes_before,
                    &report.bytes_after,
                    &predicted,
                    &report.seconds,
                    &step.seconds,
                    &deleted,
                ],
            )
            .await?;
        for begun in self.take_begun() {
            let change = Change { run: self.run(), kind: step.kind, schema: &step.schema, object: &step.object };
            let mut more = vec![("begun", json!(begun)), ("bytes", json!(report.bytes_after))];
            more.extend(deleted.map(|rows| ("rows", json!(rows))));
            self.audit().ended(control, change, report.outcome.word(), &more).await?;
        }
        commit(control).await
    }

    /// Writes down what became of an entry of a dead run, all of it or nothing: the end of the entry unless something is
    /// left, the audit's record, and the step itself when it had come to its end. How long that took is not known, and
    /// counts as nothing for predictions.
    pub(crate) async fn settle_repair(
        &self,
        control: &Session,
        entry: &Entry,
        fate: &Fate,
        adopted: Option<&Adopted>,
    ) -> Result<(), Error> {
        begin(control).await?;
        self.close_ended(control).await?;
        if let Some(Adopted { kind, definition, bytes }) = adopted {
            let sql = "INSERT INTO dbopt.history (run, kind, schema, object, relation, definition, outcome, \
                           bytes_after, seconds) VALUES ($1, $2, $3, $4, $5, $6, 'done', $7, 0)";
            let Entry { run, schema, object, table, .. } = entry;
            control.query(sql, &[run, kind, schema, object, table, definition, bytes]).await?;
        }
        if fate.is_settled() {
            let change = Change { run: self.run(), kind: "repair", schema: &entry.schema, object: &entry.object };
            let more = [("of_run", json!(entry.run)), ("of_kind", json!(entry.kind))];
            self.audit().ended(control, change, fate.word(), &more).await?;
        }
        commit(control).await
    }

    /// Drops the oldest rows beyond what is kept: of the history, and of runs and entries that are over, as far as the role
    /// may.
    pub(crate) async fn trim(&self, control: &Session) -> Result<(), Error> {
        let history = "DELETE FROM dbopt.history WHERE id <= (SELECT pg_catalog.max(id) - $1 FROM dbopt.history)";
        control.query(history, &[&ROWS]).await?;
        let entries = "DELETE FROM dbopt.journal WHERE closed_at IS NOT NULL \
                           AND id <= (SELECT pg_catalog.max(id) - $1 FROM dbopt.journal)";
        let runs = "DELETE FROM dbopt.run r WHERE r.ended_at IS NOT NULL \
                        AND r.id <= (SELECT pg_catalog.max(id) - $1 FROM dbopt.run) \
                        AND NOT EXISTS (SELECT FROM dbopt.journal j WHERE j.run = r.id)";
        for (table, sql) in [("dbopt.journal", entries), ("dbopt.run", runs)] {
            let may = control.query("SELECT pg_catalog.has_table_privilege($1::text, 'DELETE')", &[&table]).await?;
            if may.first().is_some_and(|row| row.get(0)) {
                control.query(sql, &[&ROWS]).await?;
            }
        }
        Ok(())
    }
}

/// A step of a dead run that had come to its end.
#[derive(Clone, Debug)]
pub(crate) struct Adopted {
    pub(crate) kind: &'static str,
    pub(crate) definition: Option<String>,
    pub(crate) bytes: i64,
}

/// A predicted duration, and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// Seconds.
    pub seconds: f64,
    /// Steps of the history that it comes from.
    pub samples: i64,
}

/// Predicts how long a step of a kind takes on a table of so many bytes, from what took how long before: the median
/// rate of the newest twenty. None without history.
///
/// # Errors
/// When the session fails.
pub async fn predict_seconds(session: &Session, kind: &str, table_bytes: i64) -> Result<Option<Predicted>, Error> {
    let sql = "SELECT pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY h.seconds / h.table_bytes), \
                   pg_catalog.count(*) \
               FROM (SELECT seconds, table_bytes FROM dbopt.history \
                     WHERE kind = $1 AND outcome = 'done' AND table_bytes > 0 AND seconds > 0 \
                     ORDER BY id DESC LIMIT 20) h";
    let rows = session.query(sql, &[&kind]).await?;
    let row = rows.first().map(|row| (row.get::<_, Option<f64>>(0), row.get::<_, i64>(1)));
    Ok(row.and_then(|(rate, samples)| rate.map(|rate| Predicted { seconds: rate * table_bytes as f64, samples })))
}

/// An index that a run created or dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The table's identity.
    pub table: u32,
    /// As the server printed it; of a build that a dead run left open and nobody saw, the statement.
    pub definition: String,
    /// Its size, where that is known.
    pub bytes: Option<i64>,
}

/// What is known of an index that a run created, unless it was dropped since: by the history, or by the journal when the
/// run was killed before it could tell the history.
///
/// # Errors
/// When the session fails.
pub async fn created(session: &Session, schema: &str, name: &str) -> Result<Option<Known>, Error> {
    last(session, schema, name, "create").await
}

/// What is known of an index that a run dropped, unless it was created since.
///
/// # Errors
/// When the session fails.
pub async fn dropped(session: &Session, schema: &str, name: &str) -> Result<Option<Known>, Error> {
    last(session, schema, name, "drop").await
}

/// The last that was done to an index, if that was to create or to drop it as `verb` says. An open entry is later than all
/// of the history, but what it began may not have come about, so one of the other verb says nothing.
async fn last(session: &Session, schema: &str, name: &str, verb: &str) -> Result<Option<Known>, Error> {
    let sql = "SELECT pg_catalog.starts_with(pg_catalog.lower(w.did), $3), w.relation, w.definition, w.bytes FROM ( \
                   (SELECT 0, j.id, j.statement, j.relation, coalesce(j.definition, j.statement), NULL::bigint \
                    FROM dbopt.journal j WHERE j.closed_at IS NULL AND j.schema = $1 AND j.object = $2 \
                        AND pg_catalog.starts_with(pg_catalog.lower(j.statement), $3)) \
                   UNION ALL \
                   (SELECT 1, h.id, h.kind, h.relation, h.definition, coalesce(h.bytes_before, h.bytes_after) \
                    FROM dbopt.history h WHERE h.schema = $1 AND h.object = $2 AND h.outcome = 'done' \
                        AND (h.kind LIKE 'create-%' OR h.kind LIKE 'drop-%')) \
               ) w (place, id, did, relation, definition, bytes) \
               ORDER BY w.place, w.id DESC LIMIT 1";
    let rows = session.query(sql, &[&schema, &name, &verb]).await?;
    let known = |row: &tokio_postgres::Row| {
        let (table, definition) = (row.get::<_, Option<u32>>(1)?, row.get::<_, Option<String>>(2)?);
        row.get::<_, bool>(0).then(|| Known { table, definition, bytes: row.get(3) })
    };
    Ok(rows.first().and_then(known))
}

/// Whether a run attached an index to that of a partitioned table, or began to.
///
/// # Errors
/// When the session fails.
pub async fn was_attached(session: &Session, schema: &str, name: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM dbopt.journal j WHERE j.schema = $1 AND j.object = $2 \
                   AND j.statement LIKE 'ALTER INDEX % ATTACH PARTITION %')";
    Ok(session.query(sql, &[&schema, &name]).await?.first().is_some_and(|row| row.get(0)))
}
