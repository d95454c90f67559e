//! What of the data of persons goes by itself when its time is over, and which rows stay all the same.
//!
//! The policy says of a table how long its rows stay after a time that is in them. A row of that age stays when it is held, or a field of it; when
//! the law wants it kept still, or a field of it that has a value; and when another row refers to it by a foreign key, whatever `ON DELETE`
//! says, so that nobody's row goes along. These are conditions in SQL, which the deleting statement has in it, so that they
//! hold when rows go and not when that was planned. Deleting is not done here: `dbopt-maintain` does it in batches.

mod condition;

use std::collections::BTreeSet;

use dbopt_finding::Finding;
use jiff::Timestamp;
use tokio_postgres::Transaction;

use crate::{
    graph::{Graph, NodeId},
    plan::{
        hold::{self, Holds},
        order::order,
    },
    policy::{GdprPolicy, HoldSource, Retention, TableName},
    walk::{Error, guarded},
};

/// What stands for the table in the condition of an [`Exemption`]. No name or constant of PostgreSQL can have it.
pub const TABLE: &str = "\0";

/// A table whose rows go when their time is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Retained {
    /// The table; of a partitioned one, all parts.
    pub table: TableName,
    /// When.
    pub retention: Retention,
    /// Which rows stay all the same. Among them is each row that a foreign key refers to.
    pub exemptions: Vec<Exemption>,
}

/// A reason for which rows stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// It in words, after "rows stay that".
    pub why: String,
    /// The condition in SQL that such a row meets, with [`TABLE`] where the table's name stands before a column. A row for which it is NULL stays as well.
    /// It is for a `search_path` of `pg_catalog`, and `row_security` off.
    pub condition: String,
}

/// The tables whose rows go, those that refer to others before them, so that rows that all are too old go in one turn; and what is to be
/// known. With an error among it nothing may be deleted.
///
/// # Errors
/// When the server refuses a query.
pub async fn retained(
    transaction: &Transaction<'_>,
    graph: &Graph,
    policy: &GdprPolicy,
    as_of: Timestamp,
) -> Result<(Vec<Retained>, Vec<Finding>), Error> {
    let before = guarded(transaction).await?;
    let mut findings = Vec::new();
    // Who finds a hold that cannot be read does not know which row it is of.
    Holds::load(transaction, graph, policy, as_of, &mut findings).await?;
    let in_files = in_files(graph, policy, as_of);
    let mut rules = Vec::new();
    for rule in &policy.tables {
        let Some(retention) = &rule.retention else { continue };
        let named = rule.table.exact().map(|(schema, name)| TableName::new(schema, name));
        let found = named.as_ref().and_then(|named| graph.find(named));
        match found.filter(|id| Some(&graph.node(*id).table) == named.as_ref()) {
            Some(id) => rules.push((id, rule, retention)),
            None => {
                let message = format!("there is no table `{}`, for which there is a retention", rule.table);
                let help = "Name one table; of a partitioned one, the table itself.";
                findings.push(Finding::error("no-such-table", message).help(help));
            }
        }
    }
    let mut all = Vec::with_capacity(rules.len());
    let tables: BTreeSet<NodeId> = rules.iter().map(|(id, ..)| *id).collect();
    for id in order(graph, &tables, |_| false).groups.into_iter().flatten() {
        for (_, rule, retention) in rules.iter().filter(|(other, ..)| *other == id) {
            let table = graph.node(id).table.clone();
            if in_files.contains(&id) {
                let message = format!("rows of `{table}` are held in a file, which the server cannot look at");
                let help = "Put its holds into a table, or take `retention` out for as long as there are such holds.";
                findings.push(Finding::error("held-in-file", message).help(help));
            }
            let exemptions = condition::exemptions(transaction, graph.node(id), rule, policy, as_of).await?;
            all.push(Retained { table, retention: (*retention).clone(), exemptions });
        }
    }
    before.restore(transaction).await?;
    Ok((all, findings))
}

/// The tables of which a file holds rows. A file that cannot be read was told of before.
fn in_files(graph: &Graph, policy: &GdprPolicy, as_of: Timestamp) -> BTreeSet<NodeId> {
    let files = policy.holds.iter().filter_map(|rule| match &rule.source {
        HoldSource::File(path) => hold::file(path, as_of).ok(),
        HoldSource::Table { .. } => None,
    });
    files.flatten().filter_map(|written| hold::table(graph, written.relation.as_deref()?)).collect()
}
