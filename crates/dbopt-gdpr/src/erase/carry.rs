//! The transaction that erases.

use std::collections::BTreeMap;

use dbopt_sql::quote_ident;
use tokio_postgres::{
    Client, Transaction,
    types::{ToSql, Type},
};

use super::{
    Approval, EraseError, Erased, Erasure,
    ledger::{Ledger, durable},
    parts::Progress,
    sealed,
    witness::Witness,
};
use crate::{
    graph::NodeId,
    plan::{Part, Plan, Statement, StatementKind},
    policy::ColumnErase,
    walk::{Error, Key, KeyArrays, MOST_KEYS, ask, failed, guarded},
};

/// The context of what stands for a value, and for a person in columns; another than that of records, so that these do not lead to each other.
const VALUE_CONTEXT: &str = "gdpr.value";
const COLUMN_CONTEXT: &str = "gdpr.column";

impl Erasure<'_> {
    /// Does what was approved, or what is left of it, and records that, in one transaction.
    pub(super) async fn carry(
        &self,
        client: &mut Client,
        ledger: &Ledger,
        first: &Plan,
        approved: &Approval,
        progress: &Progress,
    ) -> Result<Erased, EraseError> {
        let transaction = self.begin(client).await?;
        self.lock(&transaction, &first.statements[first.apart.map_or(0, |apart| apart.statements)..]).await?;
        // Nobody can change these rows now, nor refer to them anew by a foreign key.
        let (_, plan) = self.plan(&transaction, approved.as_of).await?;
        match &progress.left {
            Some(left) => self.is_left(&plan, left)?,
            None => self.agreed(&plan, approved)?,
        }
        let numbers = sealed::numbers(self, &transaction).await?;
        let witness = Witness::begin(&transaction).await?;
        for statement in &plan.statements {
            self.run(&transaction, &plan, statement).await?;
        }
        let checked = transaction.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await;
        checked.map_err(|error| failed("what was to be checked at the end", &error))?;
        let findings = witness.end(&transaction, self.graph, &plan.statements, &plan.effects).await?;
        let keys = sealed::destroy(self, &transaction, &numbers).await?;
        let (deleted, changed) = (progress.rows + plan.deleted(), plan.changed());
        let record = ledger.done(&transaction, progress.begun, self, approved, (deleted, changed, keys)).await?;
        if let Err(error) = transaction.commit().await {
            // The server has said no, or nothing.
            return Err(match error.as_db_error() {
                Some(_) => failed("the end of the transaction", &error).into(),
                None => EraseError::Unknown,
            });
        }
        Ok(Erased { deleted, changed, keys, findings, ..Erased::none(plan.subject, record, Vec::new()) })
    }

    /// Begins a transaction in which rows are erased.
    pub(super) async fn begin<'a>(&self, client: &'a mut Client) -> Result<Transaction<'a>, EraseError> {
        let transaction = client.transaction().await.map_err(|error| failed("a transaction", &error))?;
        durable(&transaction).await?;
        guarded(&transaction).await?;
        let wait = self.policy.run.options.backoff.limit().as_millis();
        let set = format!("SET LOCAL lock_timeout = {wait}");
        transaction.batch_execute(&set).await.map_err(|error| failed("the settings", &error))?;
        Ok(transaction)
    }

    /// Locks the rows of some statements.
    pub(super) async fn lock(&self, transaction: &Transaction<'_>, statements: &[Statement]) -> Result<(), EraseError> {
        let mut rows: BTreeMap<NodeId, Vec<&Key>> = BTreeMap::new();
        let of_rows = statements.iter().filter(|statement| statement.kind.is_of_rows());
        for part in of_rows.flat_map(|statement| &statement.parts) {
            rows.entry(part.table).or_default().extend(&part.keys);
        }
        for (table, mut keys) in rows {
            keys.sort_unstable();
            keys.dedup();
            let node = self.graph.node(table);
            let sql = format!("SELECT FROM {} FOR UPDATE OF t", node.by_keys("t"));
            for chunk in keys.chunks(MOST_KEYS) {
                let what = || format!("the locks of rows of `{}`", node.table);
                ask(transaction, &sql, &KeyArrays::of(chunk.iter().copied()), what).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn run(
        &self,
        transaction: &Transaction<'_>,
        plan: &Plan,
        statement: &Statement,
    ) -> Result<(), EraseError> {
        match (statement.kind, &*statement.parts) {
            (StatementKind::Defer, _) => {
                let done = transaction.batch_execute(&statement.sql).await;
                Ok(done.map_err(|error| failed("checks that are to wait", &error))?)
            }
            (StatementKind::Unlink, [only]) => unlink(transaction, &statement.sql, &only.keys).await,
            (_, [only]) => {
                let most = if statement.is_divisible { MOST_KEYS } else { usize::MAX };
                for keys in only.keys.chunks(most) {
                    self.run_for(transaction, plan, statement, only.table, keys).await?;
                }
                Ok(())
            }
            (_, several) => self.run_together(transaction, statement, several).await,
        }
    }

    /// Runs a statement of one table for some of its keys.
    async fn run_for(
        &self,
        transaction: &Transaction<'_>,
        plan: &Plan,
        statement: &Statement,
        table: NodeId,
        keys: &[Key],
    ) -> Result<(), EraseError> {
        let name = self.graph.node(table).table.to_string();
        let values = self.values(transaction, plan, statement, table, keys).await?;
        let arrays = KeyArrays::of(keys);
        let mut parameters = arrays.parameters();
        parameters.extend(values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT_ARRAY)));
        let what = || format!("the rows of `{name}` to be changed");
        if statement.kind != StatementKind::Change {
            let done = transaction.execute_typed(&statement.sql, &parameters).await;
            return counted(&name, keys.len(), done.map_err(|error| failed(what(), &error))?);
        }
        let rows =
            transaction.query_typed(&statement.sql, &parameters).await.map_err(|error| failed(what(), &error))?;
        counted(&name, keys.len(), rows.len() as u64)?;
        match rows.iter().filter(|row| !row.get::<_, bool>(0)).count() as u64 {
            0 => Ok(()),
            rows => Err(EraseError::Unwritten { table: name, rows }),
        }
    }

    /// Runs a statement of several tables, which says how many rows of each it has deleted.
    async fn run_together(
        &self,
        transaction: &Transaction<'_>,
        statement: &Statement,
        parts: &[Part],
    ) -> Result<(), EraseError> {
        let arrays: Vec<_> = parts.iter().map(|part| KeyArrays::of(&part.keys)).collect();
        let parameters: Vec<_> = arrays.iter().flat_map(KeyArrays::parameters).collect();
        let row = transaction.query_typed_one(&statement.sql, &parameters).await;
        let row = row.map_err(|error| failed("the rows to be deleted together", &error))?;
        for (at, part) in parts.iter().enumerate() {
            let name = self.graph.node(part.table).table.to_string();
            counted(&name, part.keys.len(), row.get::<_, i64>(at).unsigned_abs())?;
        }
        Ok(())
    }

    /// The values of a statement that are computed here, for each key.
    async fn values(
        &self,
        transaction: &Transaction<'_>,
        plan: &Plan,
        statement: &Statement,
        table: NodeId,
        keys: &[Key],
    ) -> Result<Vec<Vec<Option<String>>>, Error> {
        if statement.values.is_empty() {
            return Ok(Vec::new());
        }
        let node = self.graph.node(table);
        let mut columns = node.key_texts("t");
        let width = columns.len();
        columns.extend(statement.values.iter().map(|value| format!("t.{}::text", quote_ident(&value.column))));
        let sql = format!("SELECT {} FROM {}", columns.join(", "), node.by_keys("t"));
        let rows = ask(transaction, &sql, &KeyArrays::of(keys), || format!("`{}`", node.table)).await?;
        let key = |row: &tokio_postgres::Row| (0..width).map(|at| Box::from(row.get::<_, &str>(at))).collect::<Key>();
        let rows: BTreeMap<Key, tokio_postgres::Row> = rows.into_iter().map(|row| (key(&row), row)).collect();
        let person = self.pseudonyms.pseudonym(COLUMN_CONTEXT, plan.subject.to_string().as_bytes()).to_string();
        let computed = |at: usize, how: &ColumnErase, key: &Key| {
            let text = rows.get(key)?.get::<_, Option<&str>>(width + at)?;
            Some(match how {
                ColumnErase::Pseudonym => tag(&person).chars().take(32).collect(),
                _ => tag(&self.pseudonyms.pseudonym(VALUE_CONTEXT, text.as_bytes()).to_string()).to_owned(),
            })
        };
        let of = |(at, value): (usize, &crate::Value)| keys.iter().map(|key| computed(at, &value.how, key)).collect();
        Ok(statement.values.iter().enumerate().map(of).collect())
    }
}

/// Unlinks large objects, and looks whether they are gone.
async fn unlink(transaction: &Transaction<'_>, sql: &str, numbers: &[Key]) -> Result<(), EraseError> {
    const LEFT: &str =
        "SELECT count(*) FROM unnest($1::text[]) AS k (k0) JOIN pg_largeobject_metadata AS m ON m.oid = k.k0::oid";
    for chunk in numbers.chunks(MOST_KEYS) {
        let arrays = KeyArrays::of(chunk);
        let what = || "the large objects".to_owned();
        ask(transaction, sql, &arrays, what).await?;
        let left = ask(transaction, LEFT, &arrays, what).await?;
        let left = left.first().map_or(0, |row| row.get::<_, i64>(0).unsigned_abs());
        counted("pg_largeobject", chunk.len(), chunk.len() as u64 - left)?;
    }
    Ok(())
}

/// The digits of a pseudonym.
fn tag(pseudonym: &str) -> &str {
    pseudonym.rsplit(':').next().unwrap_or_default()
}

fn counted(table: &str, planned: usize, done: u64) -> Result<(), EraseError> {
    let planned = planned as u64;
    if planned == done { Ok(()) } else { Err(EraseError::Count { table: table.to_owned(), planned, done }) }
}
