//! Large objects to which rows refer that go, or that let them go.
//!
//! The server keeps no count of who refers to a large object (<https://www.postgresql.org/docs/current/lo.html>). One goes
//! when no other row of any table has its number in a column of type `oid` or `lo`; else it stays, and the plan says so.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_finding::Finding;
use dbopt_sql::quote_ident;
use tokio_postgres::{Transaction, types::Type};

use super::{Part, Statement, StatementKind};
use crate::{
    graph::{Graph, Node, NodeColumn, NodeId},
    policy::GdprPolicy,
    walk::{Error, Key, KeyArrays, MOST_KEYS, ask, failed},
};

/// What becomes of the large objects to which a column refers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeObjects {
    /// The table.
    pub table: NodeId,
    /// The column.
    pub column: String,
    /// How many go.
    pub unlinked: usize,
    /// How many stay, because others refer to them.
    pub kept: usize,
}

/// Numbers of large objects, each with how often it is referred to.
type Counts = BTreeMap<String, i64>;

/// Finds the large objects that go, adds the statements that unlink them, and says what becomes of all.
pub(super) async fn large_objects(
    transaction: &Transaction<'_>,
    graph: &Graph,
    policy: &GdprPolicy,
    statements: &mut Vec<Statement>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<LargeObjects>, Error> {
    let mut let_go: BTreeMap<(NodeId, String), Counts> = BTreeMap::new();
    for statement in &*statements {
        for part in &statement.parts {
            let node = graph.node(part.table);
            let lets_go = |column: &&NodeColumn| match statement.kind {
                StatementKind::Delete => refers(policy, node, column),
                StatementKind::Change => refers(policy, node, column) && statement.columns.contains(&column.name),
                _ => false,
            };
            for column in node.columns.iter().filter(lets_go) {
                let counts = let_go.entry((part.table, column.name.clone())).or_default();
                referred(transaction, node, &column.name, &part.keys, counts).await?;
            }
        }
    }
    let numbers: BTreeSet<&String> = let_go.values().flat_map(BTreeMap::keys).collect();
    let existing = existing(transaction, &numbers).await?;
    if existing.is_empty() {
        return Ok(Vec::new());
    }
    let (all, unread) = everywhere(transaction, graph, &existing).await?;
    if !unread.is_empty() {
        let message =
            format!("large objects stay, because it is not seen whether `{}` refers to them", unread.join("`, `"));
        findings.push(Finding::warning("large-objects", message).help("Let this role read these tables."));
    }
    let mut own = Counts::new();
    let_go.values().flatten().for_each(|(number, count)| *own.entry(number.clone()).or_default() += count);
    let (mut told, mut gone, mut foreign) = (Vec::new(), BTreeSet::new(), 0);
    for ((table, column), counts) in &let_go {
        let here: Vec<&String> = counts.keys().filter(|number| existing.contains_key(*number)).collect();
        let (goes, stays): (Vec<&String>, Vec<&String>) =
            here.into_iter().partition(|number| unread.is_empty() && all.get(*number) == own.get(*number));
        if goes.is_empty() && stays.is_empty() {
            continue;
        }
        if !stays.is_empty() && unread.is_empty() {
            let place = format!("{}.{}", graph.node(*table).table, quote_ident(column));
            let message =
                format!("{} large objects of `{place}` stay, because other rows refer to them, too", stays.len());
            findings.push(Finding::note("large-objects", message));
        }
        told.push(LargeObjects { table: *table, column: column.clone(), unlinked: goes.len(), kept: stays.len() });
        // Two columns may refer to one.
        let goes: Vec<&String> = goes.into_iter().filter(|number| gone.insert((*number).clone())).collect();
        foreign += goes.iter().filter(|number| existing.get(**number) == Some(&false)).count();
        if !goes.is_empty() {
            statements
                .push(unlink(*table, goes.into_iter().map(|number| [Box::from(number.as_str())].into()).collect()));
        }
    }
    if foreign > 0 {
        let message = format!("this role may not unlink {foreign} large objects, which others own");
        findings.push(Finding::error("no-privilege", message).help("Use a role that is a member of their owners."));
    }
    Ok(told)
}

/// Whether a column refers to large objects that are data of persons: a number that the policy says to be such, or the type that
/// means it.
fn refers(policy: &GdprPolicy, node: &Node, column: &NodeColumn) -> bool {
    let is_named =
        || policy.table(&node.table).is_some_and(|rule| rule.columns.iter().any(|(name, _)| *name == column.name));
    is_of_type(column, "lo") || is_of_type(column, "oid") && is_named()
}

fn is_of_type(column: &NodeColumn, name: &str) -> bool {
    let own = |text: &str| text.rsplit('.').next() == Some(name);
    own(&column.kind.name) || name == "oid" && column.kind.base.as_deref().is_some_and(own)
}

/// How often some rows refer to each large object by a column.
async fn referred(
    transaction: &Transaction<'_>,
    node: &Node,
    column: &str,
    keys: &[Key],
    counts: &mut Counts,
) -> Result<(), Error> {
    let column = quote_ident(column);
    let sql = format!(
        "SELECT t.{column}::oid::text, count(*) FROM {} WHERE t.{column} IS NOT NULL GROUP BY 1",
        node.by_keys("t")
    );
    for chunk in keys.chunks(MOST_KEYS) {
        for row in ask(transaction, &sql, &KeyArrays::of(chunk), || format!("`{}.{column}`", node.table)).await? {
            *counts.entry(row.get(0)).or_default() += row.get::<_, i64>(1);
        }
    }
    Ok(())
}

/// Those that there are, each with whether the role may unlink it.
async fn existing(transaction: &Transaction<'_>, numbers: &BTreeSet<&String>) -> Result<BTreeMap<String, bool>, Error> {
    const SQL: &str = "SELECT oid::text, pg_has_role(lomowner, 'USAGE') FROM pg_largeobject_metadata \
         WHERE oid = ANY ($1::text[]::oid[])";
    let numbers: Vec<&String> = numbers.iter().copied().collect();
    if numbers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = transaction.query_typed(SQL, &[(&numbers, Type::TEXT_ARRAY)]).await;
    let rows = rows.map_err(|error| failed("the large objects", &error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// How often all rows of all tables refer to each, and the tables that may not be read.
async fn everywhere(
    transaction: &Transaction<'_>,
    graph: &Graph,
    existing: &BTreeMap<String, bool>,
) -> Result<(Counts, Vec<String>), Error> {
    const MAY: &str = "SELECT has_table_privilege($1::text::regclass, 'SELECT')";
    let numbers: Vec<&String> = existing.keys().collect();
    let (mut counts, mut unread) = (Counts::new(), Vec::new());
    for node in &graph.nodes {
        let columns = node.columns.iter().filter(|column| is_of_type(column, "oid") || is_of_type(column, "lo"));
        for column in columns {
            let (name, column) = (node.table.to_string(), quote_ident(&column.name));
            let what = || format!("`{name}.{column}`");
            let may = transaction.query_typed_one(MAY, &[(&name, Type::TEXT)]).await;
            if !may.map_err(|error| failed(what(), &error))?.get::<_, bool>(0) {
                unread.push(name);
                break;
            }
            let sql = format!(
                "SELECT t.{column}::oid::text, count(*) FROM {} AS t WHERE t.{column} = ANY ($1::text[]::oid[]) GROUP BY 1",
                node.from_item()
            );
            let rows = transaction.query_typed(&sql, &[(&numbers, Type::TEXT_ARRAY)]).await;
            for row in rows.map_err(|error| failed(what(), &error))? {
                *counts.entry(row.get(0)).or_default() += row.get::<_, i64>(1);
            }
        }
    }
    Ok((counts, unread))
}

/// Unlinks large objects. A trigger may have done so before (`lo_manage` of the extension `lo`).
fn unlink(table: NodeId, numbers: Vec<Key>) -> Statement {
    let sql = "SELECT lo_unlink(m.oid) FROM unnest($1::text[]) AS k (k0) JOIN pg_largeobject_metadata AS m ON m.oid = k.k0::oid;";
    Statement {
        kind: StatementKind::Unlink,
        sql: sql.to_owned(),
        parts: vec![Part { table, keys: numbers }],
        values: Vec::new(),
        columns: Vec::new(),
        is_divisible: true,
    }
}
