//! Making the plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use dbopt_catalog::{Build, Index, IndexKey, Method, Relkind};
use dbopt_crypto::{Pseudonym, Pseudonymizer};
use dbopt_finding::{Finding, Severity};
use jiff::Timestamp;
use tokio_postgres::{Transaction, types::Type};

use super::{
    Lock, MissingIndex, Part, Plan, SUBJECT_CONTEXT, Statement, TablePlan,
    apart::Planned,
    change,
    facts::Facts,
    fate::{Change, Fate, Fates, Judge, KeptRows},
    hold::Holds,
    large::large_objects,
    order::{order, untied},
    preflight::preflight,
    reach::Reach,
    sealed,
};
use crate::{
    graph::{Edge, Graph, NodeId},
    policy::{Class, GdprPolicy},
    walk::{Error, Key, KeyArrays, Subject, Walked, ask, check, failed, guarded},
};

/// About how long it takes to delete or change a row, with its indexes and its foreign keys' checks: a guess.
const SECONDS_A_ROW: f64 = 60e-6;

/// Says what an erasure of a person would do, in the transaction in which the rows were found. Nothing is changed.
///
/// The findings of [`Graph::uncovered`] that are errors are among its findings: what the policy does not cover would be missed.
///
/// # Errors
/// When the server refuses a query.
pub async fn plan(
    transaction: &Transaction<'_>,
    graph: &Graph,
    policy: &GdprPolicy,
    pseudonyms: &Pseudonymizer,
    walked: &Walked,
    as_of: Timestamp,
) -> Result<Plan, Error> {
    let began = Instant::now();
    let before = guarded(transaction).await?;
    let mut findings = graph.uncovered(policy);
    findings.retain(|finding| finding.severity == Severity::Error);
    let mut kept = KeptRows::default();
    let holds = Holds::load(transaction, graph, policy, as_of, &mut findings).await?;
    let judge = Judge { transaction, graph, policy, holds: &holds, as_of };
    let mut fates = judge.fates(walked, &mut kept, &mut findings).await?;
    let reach = Reach::new(transaction, graph, policy, before.has_utf8);
    let effects = reach.effects(&mut fates, &mut findings).await?;
    for (table, rows) in &fates {
        let along = rows.values().filter(|fate| **fate == Fate::Along).count();
        kept.add(*table, None, "it is not the person's alone", along, None);
    }
    let touched: BTreeSet<NodeId> = fates.keys().copied().collect();
    let facts = Facts::load(transaction, graph, &touched).await?;
    let mut statements = statements(graph, policy, &facts, as_of, &fates);
    let large_objects = large_objects(transaction, graph, policy, &mut statements, &mut findings).await?;
    findings.extend(preflight(graph, policy, &facts, &fates, &statements));
    let sealed = sealed::sealed(transaction, graph, policy, &fates).await?;
    findings.extend(sealed::findings(graph, &sealed));
    let indexes = missing_indexes(transaction, graph, &fates).await?;
    for index in &indexes {
        let edge = graph.edge(index.edge);
        let message = format!(
            "no index serves `{edge}`, so `{}` is read {} times, about {:.1} s in all",
            graph.node(edge.child).table,
            index.checks,
            index.seconds * index.checks as f64
        );
        findings.push(Finding::warning("unindexed-reference", message).help(format!("Run `{}`.", index.sql.join(" "))));
    }
    before.restore(transaction).await?;
    let tables = tables(walked, &fates);
    let root = walked.subject.table;
    let planned = Planned { graph, policy, root, tables: &tables, effects: &effects, large_objects: &large_objects };
    let apart = planned.set_apart(&mut statements, &mut findings);
    let rows: usize = statements.iter().flat_map(|statement| &statement.parts).map(|part| part.keys.len()).sum();
    let changing = rows as f64 * SECONDS_A_ROW;
    let checking: f64 = indexes.iter().map(|index| index.seconds * index.checks as f64).sum();
    // Whoever erases looks for the rows and plans twice more: before the beginning is recorded, and when the rows are locked.
    let looking = 2.0 * (walked.asked.iter().map(|asked| asked.took).sum::<Duration>() + began.elapsed()).as_secs_f64();
    let seconds = changing + checking + looking;
    Ok(Plan {
        subject: pseudonym(pseudonyms, &walked.subject),
        rule: walked.subject.rule.clone(),
        as_of,
        tables,
        apart,
        locks: locks(&statements),
        effects,
        kept: kept.list(),
        sealed,
        large_objects,
        findings,
        seconds,
        // With an index, looking takes next to nothing.
        seconds_indexed: if indexes.is_empty() { seconds } else { changing },
        indexes,
        statements,
    })
}

/// What stands for a person in plans, records and messages.
#[must_use]
pub fn pseudonym(pseudonyms: &Pseudonymizer, subject: &Subject) -> Pseudonym {
    let mut value = Vec::new();
    for part in std::iter::once(&*subject.rule).chain(subject.key.iter().map(|part| &**part)) {
        value.extend((part.len() as u64).to_be_bytes());
        value.extend(part.as_bytes());
    }
    pseudonyms.pseudonym(SUBJECT_CONTEXT, &value)
}

fn goes(rows: &BTreeMap<Key, Fate>) -> Vec<Key> {
    rows.iter().filter(|(_, fate)| **fate == Fate::Delete).map(|(key, _)| key.clone()).collect()
}

fn statements(graph: &Graph, policy: &GdprPolicy, facts: &Facts, as_of: Timestamp, fates: &Fates) -> Vec<Statement> {
    let deleted: BTreeMap<NodeId, Vec<Key>> =
        fates.iter().map(|(id, rows)| (*id, goes(rows))).filter(|(_, keys)| !keys.is_empty()).collect();
    let can_defer = |edge: &Edge| {
        let child = &graph.node(edge.child).table;
        edge.foreign_keys.iter().all(|key| facts.is_deferrable(&child.schema, &child.name, &key.name))
    };
    let order = order(graph, &deleted.keys().copied().collect(), can_defer);
    let mut statements = Vec::new();
    if !order.defer.is_empty() {
        let names = order.defer.iter().map(|id| graph.edge(*id)).flat_map(|edge| {
            let schema = &graph.node(edge.child).table.schema;
            edge.foreign_keys.iter().map(move |key| (schema.clone(), key.name.clone()))
        });
        statements.push(change::defer(&names.collect::<Vec<_>>()));
    }
    for (table, rows) in fates {
        let mut alike: BTreeMap<&Change, Vec<Key>> = BTreeMap::new();
        for (key, fate) in rows {
            if let Fate::Change(change) = fate {
                alike.entry(change).or_default().push(key.clone());
            }
        }
        statements.extend(
            alike
                .into_iter()
                .filter_map(|(how, rows)| change::change((graph, policy, facts), as_of, *table, how, rows)),
        );
    }
    for id in order.untie {
        let edge = graph.edge(id);
        if let Some(keys) = deleted.get(&edge.child) {
            statements.push(change::untie(graph, id, &untied(graph, edge), keys.clone()));
        }
    }
    for group in order.groups {
        let part = |id: &NodeId| deleted.get(id).map(|keys| Part { table: *id, keys: keys.clone() });
        statements.push(change::delete(graph, group.iter().filter_map(part).collect()));
    }
    statements
}

fn tables(walked: &Walked, fates: &Fates) -> Vec<TablePlan> {
    let mut tables = Vec::new();
    for (id, rows) in fates {
        let found = walked.of(*id);
        let of = |class: Class| found.map_or(0, |found| found.rows().iter().filter(|row| row.class == class).count());
        let count = |is: fn(&Fate) -> bool| rows.values().filter(|fate| is(fate)).count();
        tables.push(TablePlan {
            table: *id,
            owned: of(Class::Owned),
            shared: of(Class::Shared),
            about: of(Class::About),
            deleted: count(|fate| *fate == Fate::Delete),
            changed: count(|fate| matches!(fate, Fate::Change(_))),
            kept: count(|fate| matches!(fate, Fate::Keep | Fate::Along)),
        });
    }
    tables
}

fn locks(statements: &[Statement]) -> Vec<Lock> {
    let mut rows: BTreeMap<NodeId, BTreeSet<&Key>> = BTreeMap::new();
    for part in statements.iter().filter(|statement| statement.kind.is_of_rows()).flat_map(|statement| &statement.parts)
    {
        rows.entry(part.table).or_default().extend(&part.keys);
    }
    rows.into_iter().map(|(table, keys)| Lock { table, mode: "ROW EXCLUSIVE", rows: keys.len() }).collect()
}

/// References without an index to rows that go, each with the time that one reading takes.
///
/// The table was just read, to find the rows, as it will have been when the server reads it for one row after the other. The server does that
/// with one process.
async fn missing_indexes(
    transaction: &Transaction<'_>,
    graph: &Graph,
    fates: &Fates,
) -> Result<Vec<MissingIndex>, Error> {
    const ALONE: &str = "SELECT pg_catalog.current_setting('max_parallel_workers_per_gather'), \
         pg_catalog.set_config('max_parallel_workers_per_gather', $1, true)";
    let mut missing = Vec::new();
    let mut before: Option<String> = None;
    let set = async |workers: &str| {
        let row = transaction.query_typed_one(ALONE, &[(&workers, Type::TEXT)]).await;
        row.map(|row| row.get::<_, String>(0)).map_err(|error| failed("a setting", &error))
    };
    for edge in graph.edges.iter().filter(|edge| edge.is_declared()) {
        let Some(keys) = fates.get(&edge.parent).map(goes).filter(|keys| !keys.is_empty()) else { continue };
        if is_served(graph, edge) {
            continue;
        }
        if before.is_none() {
            before = Some(set("0").await?);
        }
        let began = Instant::now();
        ask(transaction, &check(graph, edge), &KeyArrays::of(&keys[..1]), || format!("`{edge}`")).await?;
        let seconds = began.elapsed().as_secs_f64();
        missing.push(MissingIndex { edge: edge.id, checks: keys.len(), seconds, sql: create(graph, edge) });
    }
    if let Some(before) = before {
        set(&before).await?;
    }
    Ok(missing)
}

/// Whether an index begins with the columns of a reference, in whatever order.
fn is_served(graph: &Graph, edge: &Edge) -> bool {
    let table = graph.catalog.table(graph.node(edge.child).id);
    table.indexes.iter().any(|index| {
        let first: Vec<&str> =
            index.keys.iter().take(edge.child_columns.len()).filter_map(IndexKey::as_column).collect();
        index.valid
            && index.predicate.is_none()
            && matches!(index.method, Method::Btree | Method::Hash)
            && first.len() == edge.child_columns.len()
            && edge.child_columns.iter().all(|name| first.contains(&name.as_str()))
    })
}

/// The statements that create an index without blocking writers: of a partitioned table, the index of each part, and then that of all,
/// which takes them over.
fn create(graph: &Graph, edge: &Edge) -> Vec<String> {
    let node = graph.node(edge.child);
    let keys: Vec<IndexKey> = edge.child_columns.iter().map(IndexKey::column).collect();
    let index = Index { schema: node.table.schema.clone(), keys, ..Index::default() };
    let mut sql: Vec<String> = graph
        .catalog
        .leaves(node.id)
        .into_iter()
        .map(|leaf| format!("{};", index.create_sql(graph.catalog.table(leaf), Build::Concurrently)))
        .collect();
    if node.kind == Relkind::Partitioned {
        sql.push(format!("{};", index.create_sql(graph.catalog.table(node.id), Build::Plain)));
    }
    sql
}
