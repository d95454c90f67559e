//! The history: what ran, with sizes and seconds; what predictions and roll-backs are made from.

use dbopt_pg::Session;

use crate::error::Error;
use crate::index::IndexFacts;
use crate::journal::{Entry, Journal};
use crate::report::Report;

/// How many rows are kept.
const ROWS: i64 = 10_000;

impl Journal {
    /// Writes down what became of a step.
    pub(crate) async fn record(
        &self,
        control: &Session,
        report: &Report,
        definition: Option<&str>,
        table: Option<(u32, i64)>,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO dbopt.history (run, kind, schema, object, relation, definition, outcome, reason, \
                       table_bytes, bytes_before, bytes_after, bytes_predicted, seconds, seconds_predicted) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
        let step = &report.step;
        let (relation, table_bytes) = table.unzip();
        let predicted = step.bytes.map(|bytes| bytes as i64);
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
                ],
            )
            .await?;
        Ok(())
    }

    /// Writes down a step of a dead run that had come to its end; how long it took is not known and counts as nothing
    /// for predictions.
    pub(crate) async fn adopt(&self, control: &Session, entry: &Entry, facts: &IndexFacts) -> Result<(), Error> {
        let sql = "INSERT INTO dbopt.history (run, kind, schema, object, relation, definition, outcome, bytes_after, \
                       seconds) VALUES ($1, $2, $3, $4, $5, $6, 'done', $7, 0)";
        let table = facts.table;
        control
            .query(
                sql,
                &[&entry.run, &entry.kind, &entry.schema, &entry.object, &table, &facts.definition, &facts.bytes],
            )
            .await?;
        Ok(())
    }

    /// Drops the oldest rows beyond what is kept.
    pub(crate) async fn trim(&self, control: &Session) -> Result<(), Error> {
        let sql = "DELETE FROM dbopt.history WHERE id <= (SELECT pg_catalog.max(id) - $1 FROM dbopt.history)";
        control.query(sql, &[&ROWS]).await?;
        Ok(())
    }
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

/// An index that a run created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The table's identity.
    pub table: u32,
    /// As the server printed it.
    pub definition: String,
}

/// What the history says of an index: how a run created it, unless it was dropped since.
///
/// # Errors
/// When the session fails.
pub async fn created(session: &Session, schema: &str, name: &str) -> Result<Option<Created>, Error> {
    let sql = "SELECT kind, relation, definition FROM dbopt.history \
               WHERE schema = $1 AND object = $2 AND outcome = 'done' ORDER BY id DESC LIMIT 1";
    let rows = session.query(sql, &[&schema, &name]).await?;
    let last = rows.first().filter(|row| row.get::<_, &str>(0).starts_with("create"));
    Ok(last.and_then(|row| {
        Some(Created { table: row.get::<_, Option<u32>>(1)?, definition: row.get::<_, Option<String>>(2)? })
    }))
}
