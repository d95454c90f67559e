//! Transactions before the last one, each of some rows that may go before the others, and recorded in it.

use dbopt_finding::Finding;
use tokio_postgres::Client;

use super::{EraseError, Erasure, ledger::Ledger, remainder::Remainder, witness::Witness};
use crate::{
    plan::{Part, Plan, Statement},
    walk::failed,
};

/// How far an erasure is.
#[derive(Debug)]
pub(super) struct Progress {
    /// The record of its beginning.
    pub(super) begun: u64,
    /// What is left, when it goes in parts.
    pub(super) left: Option<Remainder>,
    /// Rows that went in parts, earlier tries included.
    pub(super) rows: u64,
    /// What is to be known of the parts.
    pub(super) findings: Vec<Finding>,
}

impl Erasure<'_> {
    /// Carries out the statements that go apart.
    pub(super) async fn parts(
        &self,
        client: &mut Client,
        ledger: &Ledger,
        plan: &Plan,
        progress: &mut Progress,
    ) -> Result<(), EraseError> {
        let Some((apart, left)) = plan.apart.zip(progress.left.as_mut()) else { return Ok(()) };
        for statement in &plan.statements[..apart.statements] {
            for part in &statement.parts {
                for keys in part.keys.chunks(apart.rows) {
                    let one = [Statement {
                        kind: statement.kind,
                        sql: statement.sql.clone(),
                        parts: vec![Part { table: part.table, keys: keys.to_vec() }],
                        values: Vec::new(),
                        columns: Vec::new(),
                        is_divisible: statement.is_divisible,
                    }];
                    let transaction = self.begin(client).await?;
                    self.lock(&transaction, &one).await?;
                    let witness = Witness::begin(&transaction).await?;
                    self.run(&transaction, plan, &one[0]).await?;
                    let checked = transaction.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await;
                    checked.map_err(|error| failed("what was to be checked at the end", &error))?;
                    progress.findings.extend(witness.end(&transaction, self.graph, &one, &[]).await?);
                    let sum = self.sum(&one);
                    let table = self.graph.node(part.table).table.to_string();
                    ledger.part(&transaction, progress.begun, &table, keys.len(), sum).await?;
                    if let Err(error) = transaction.commit().await {
                        return Err(match error.as_db_error() {
                            Some(_) => failed("the end of the transaction", &error).into(),
                            None => EraseError::Unknown,
                        });
                    }
                    left.rows.toggle(sum);
                    progress.rows += keys.len() as u64;
                }
            }
        }
        Ok(())
    }
}
