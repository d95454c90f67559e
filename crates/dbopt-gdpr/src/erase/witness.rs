//! What the server itself has counted: rows that a transaction has changed, in whatever table and by whatever means.
//!
//! A statement says only how many rows it has changed itself. What foreign keys and triggers have done along is in the counters of
//! the session (`pg_stat_xact_user_tables`), which are compared with the plan before anything is committed.

use std::collections::BTreeMap;

use dbopt_catalog::Relkind;
use dbopt_finding::Finding;
use tokio_postgres::Transaction;

use super::EraseError;
use crate::{
    graph::{Graph, OnDelete},
    plan::{Effect, Statement, StatementKind, Whose},
    policy::TableName,
    walk::failed,
};

/// Rows inserted, updated, deleted.
type Counts = [i64; 3];

/// The counters at the beginning: they may have those of earlier transactions in them.
#[derive(Debug)]
pub(super) struct Witness(BTreeMap<TableName, Counts>);

impl Witness {
    pub(super) async fn begin(transaction: &Transaction<'_>) -> Result<Self, EraseError> {
        counters(transaction).await.map(Self)
    }

    /// Compares what was changed since with what was planned; rows that were inserted are told.
    pub(super) async fn end(
        self,
        transaction: &Transaction<'_>,
        graph: &Graph,
        statements: &[Statement],
        effects: &[Effect],
    ) -> Result<Vec<Finding>, EraseError> {
        const COUNTS: &str = "SELECT pg_catalog.current_setting('track_counts')::boolean";
        let counts = transaction.query_typed_one(COUNTS, &[]).await.map_err(|error| failed("a setting", &error))?;
        if !counts.get::<_, bool>(0) {
            let message =
                "the server does not count (`track_counts`), so it is not known what triggers have changed along";
            return Ok(vec![Finding::warning("not-counted", message)]);
        }
        let mut seen: BTreeMap<TableName, Counts> = BTreeMap::new();
        for (table, counts) in counters(transaction).await? {
            let before = self.0.get(&table).copied().unwrap_or_default();
            // Parts of a partitioned table count as it.
            let table = graph.find(&table).map_or(table, |id| graph.node(id).table.clone());
            let entry = seen.entry(table).or_default();
            (0..3).for_each(|at| entry[at] += counts[at] - before[at]);
        }
        let mut planned: BTreeMap<TableName, [i64; 3]> = BTreeMap::new();
        let rows = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for statement in statements.iter().filter(|statement| statement.kind.is_of_rows()) {
            for part in &statement.parts {
                let entry = planned.entry(graph.node(part.table).table.clone()).or_default();
                let at = if statement.kind == StatementKind::Delete { 2 } else { 1 };
                entry[at] += rows(part.keys.len());
            }
        }
        // Rows of the person that are kept may lose a reference along; the plan has said so.
        let mut along: BTreeMap<TableName, i64> = BTreeMap::new();
        for effect in effects {
            let is_emptied = matches!(effect.action, OnDelete::SetNull | OnDelete::SetDefault);
            if is_emptied && effect.whose == Whose::Kept && !effect.is_planned {
                *along.entry(graph.node(graph.edge(effect.edge).child).table.clone()).or_default() += rows(effect.rows);
            }
        }
        let mut findings = Vec::new();
        let none = Counts::default();
        let tables: std::collections::BTreeSet<&TableName> = seen.keys().chain(planned.keys()).collect();
        for table in tables {
            let [inserted, updated, deleted] = *seen.get(table).unwrap_or(&none);
            let [_, to_update, to_delete] = *planned.get(table).unwrap_or(&none);
            let most = to_update + along.get(table).copied().unwrap_or_default();
            // A row that moves to another part of its table counts as deleted there and inserted here.
            let is_parted = graph.find(table).is_some_and(|id| graph.node(id).kind == Relkind::Partitioned);
            let moved = if is_parted { (deleted - to_delete).clamp(0, inserted) } else { 0 };
            let (inserted, updated, deleted) = (inserted - moved, updated + moved, deleted - moved);
            if deleted != to_delete || !(to_update..=most).contains(&updated) {
                return Err(EraseError::Beyond { table: table.to_string(), updated, deleted });
            }
            if inserted > 0 {
                let message =
                    format!("triggers have written {inserted} rows to `{table}`, maybe copies of what was erased");
                let help = "Cover the table by the policy, or have the triggers leave out what is personal.";
                findings.push(Finding::warning("copied-rows", message).help(help));
            }
        }
        Ok(findings)
    }
}

async fn counters(transaction: &Transaction<'_>) -> Result<BTreeMap<TableName, Counts>, EraseError> {
    const SQL: &str = "SELECT schemaname::text, relname::text, n_tup_ins, n_tup_upd, n_tup_del \
         FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0";
    let rows = transaction.query_typed(SQL, &[]).await.map_err(|error| failed("the counters", &error))?;
    let one = |row: &tokio_postgres::Row| {
        (TableName::new(row.get::<_, &str>(0), row.get::<_, &str>(1)), [row.get(2), row.get(3), row.get(4)])
    };
    Ok(rows.iter().map(one).collect())
}
