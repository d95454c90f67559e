//! The walk itself.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::{Duration, Instant},
};

use dbopt_sql::quote_ident;
use futures_util::future::try_join_all;
use tokio_postgres::{
    Row as PgRow, Transaction,
    error::SqlState,
    types::{ToSql, Type},
};

use super::{
    found::{Found, Key, KeyArrays, Put, Subject},
    sql,
};
use crate::{
    graph::{EdgeId, Graph, Identity, NodeId},
    policy::{Class, GdprPolicy, SubjectRule},
};

/// Most keys in one query, where they can be divided.
pub(crate) const MOST_KEYS: usize = 50_000;

/// What was found of a person.
#[derive(Clone, Debug)]
pub struct Walked {
    /// Whose it is.
    pub subject: Subject,
    /// The rows, table by table, in the order of the graph's tables; tables without any are left out.
    pub found: Vec<Found>,
    /// Rows that others own, and that refer to rows of the person.
    pub others: Vec<Others>,
    /// What was asked.
    pub asked: Vec<Asked>,
}

impl Walked {
    /// The rows of one table.
    #[must_use]
    pub fn of(&self, table: NodeId) -> Option<&Found> {
        self.found.iter().find(|found| found.table == table)
    }

    /// How many rows there are in all.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.found.iter().map(Found::len).sum()
    }
}

/// Rows that others own, and that refer to rows of the person.
#[derive(Clone)]
pub struct Others {
    /// The table.
    pub table: NodeId,
    /// By which reference.
    pub edge: EdgeId,
    /// Their keys.
    pub keys: Vec<Key>,
}

impl std::fmt::Debug for Others {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Others").field("edge", &self.edge).field("rows", &self.keys.len()).finish_non_exhaustive()
    }
}

/// How long one reference took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub edge: EdgeId,
    /// In how many queries.
    pub queries: u32,
    /// For how many keys.
    pub keys: usize,
    /// How many rows came back, some of them maybe known.
    pub rows: usize,
    /// How long they took.
    pub took: Duration,
}

/// Why a person's rows were not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy has no such subject, or none that the database has.
    #[error("the policy has no subject `{0}` that is in this database")]
    NoSubject(String),
    /// The key has another number of columns, or a value that is none of its type.
    #[error("this is no key of `{0}`")]
    BadKey(String),
    /// Nobody has this key.
    #[error("there is no `{0}` with this key")]
    NoPerson(String),
    /// The key is of more than one.
    #[error("there is more than one `{0}` with this key")]
    ManyPersons(String),
    /// A policy of row-level security hides rows from the role.
    #[error("row-level security hides rows of a person from this role: {0}")]
    Hidden(String),
    /// A query failed. What the server said is left out where values of rows may be in it.
    #[error("could not ask for {what}: {said}")]
    Query {
        /// What was asked.
        what: String,
        /// What the server said, without values.
        said: String,
        /// The server's code, unless the connection broke.
        code: Option<SqlState>,
    },
}

/// An error of the server without values of rows. Only errors of a few classes are sure to name nothing but objects.
pub(crate) fn failed(what: impl Into<String>, error: &tokio_postgres::Error) -> Error {
    let what = what.into();
    let Some(db) = error.as_db_error() else {
        // Of the client: it may quote a parameter's type, and no value.
        return Error::Query { what, said: error.to_string(), code: None };
    };
    let code = db.code();
    let is_safe = matches!(code.code().get(..2), Some("08" | "25" | "42" | "53" | "54" | "55" | "57" | "58"));
    if *code == SqlState::INSUFFICIENT_PRIVILEGE && db.message().contains("row-level security") {
        return Error::Hidden(db.message().to_owned());
    }
    let said = if is_safe { db.message().to_owned() } else { format!("the server refused with {}", code.code()) };
    Error::Query { what, said, code: Some(code.clone()) }
}

/// Finds the rows of a person, in the caller's transaction, which best is `REPEATABLE READ READ ONLY`; within one that writes, the same
/// rows are found, and places (`ctid`) hold once their rows are locked.
///
/// `key` is the values of the subject's key, as texts. With `row_security` off for the while, the server refuses rather than
/// to hide rows.
///
/// # Errors
/// When there is no such person, or the server refuses a query.
pub async fn walk(
    transaction: &Transaction<'_>,
    graph: &Graph,
    policy: &GdprPolicy,
    subject: &SubjectRule,
    key: &[String],
) -> Result<Walked, Error> {
    let before = guarded(transaction).await?;
    let result = walk_guarded(transaction, graph, policy, subject, key, before.has_utf8).await;
    // After an error the transaction is of no use, and its settings go with it.
    let walked = result?;
    before.restore(transaction).await?;
    Ok(walked)
}

/// Settings as they were.
pub(crate) struct Before {
    search_path: String,
    row_security: String,
    jit: String,
    pub(crate) has_utf8: bool,
}

/// Makes names mean what they say, and the server refuse rather than to hide rows, for the rest of the transaction. Compiling
/// a query for a few keys takes longer than to run it.
pub(crate) async fn guarded(transaction: &Transaction<'_>) -> Result<Before, Error> {
    const SQL: &str = "SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_setting('row_security'), \
         pg_catalog.getdatabaseencoding() = 'UTF8', pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), \
         pg_catalog.set_config('row_security', 'off', true), pg_catalog.current_setting('jit'), \
         pg_catalog.set_config('jit', 'off', true)";
    let row = transaction.query_typed_one(SQL, &[]).await.map_err(|error| failed("the session's settings", &error))?;
    Ok(Before { search_path: row.get(0), row_security: row.get(1), jit: row.get(5), has_utf8: row.get(2) })
}

impl Before {
    pub(crate) async fn restore(self, transaction: &Transaction<'_>) -> Result<(), Error> {
        const SQL: &str = "SELECT pg_catalog.set_config('search_path', $1, true), pg_catalog.set_config('row_security', $2, true), \
             pg_catalog.set_config('jit', $3, true)";
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&self.search_path, Type::TEXT), (&self.row_security, Type::TEXT), (&self.jit, Type::TEXT)];
        let done = transaction.query_typed(SQL, &parameters).await;
        done.map(|_| ()).map_err(|error| failed("the session's settings", &error))
    }
}

async fn walk_guarded(
    transaction: &Transaction<'_>,
    graph: &Graph,
    policy: &GdprPolicy,
    rule: &SubjectRule,
    key: &[String],
    has_utf8: bool,
) -> Result<Walked, Error> {
    let root = graph.find(&rule.table).ok_or_else(|| Error::NoSubject(rule.name.clone()))?;
    let row = person(transaction, graph, rule, root, key).await?;
    let subject = Subject {
        rule: rule.name.clone(),
        table: root,
        key: key.iter().map(|text| Box::from(text.as_str())).collect(),
    };
    let mut walk = Walk::new(graph, policy, root, has_utf8);
    walk.put(root, row, Class::Owned, None);
    loop {
        while let Some((node, class, rows)) = walk.next() {
            walk.step(transaction, node, class, &rows).await?;
        }
        if !walk.promote(transaction).await? {
            break;
        }
    }
    Ok(walk.finish(subject))
}

async fn person(
    transaction: &Transaction<'_>,
    graph: &Graph,
    rule: &SubjectRule,
    root: NodeId,
    key: &[String],
) -> Result<Key, Error> {
    let node = graph.node(root);
    if key.len() != rule.key.len() || rule.key.iter().any(|name| node.column(name).is_none()) {
        return Err(Error::BadKey(rule.name.clone()));
    }
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
        key.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect();
    let rows = transaction.query_typed(&sql::person(node, &rule.key), &parameters).await.map_err(|error| {
        let is_value = error.code().is_some_and(|code| code.code().starts_with("22"));
        if is_value { Error::BadKey(rule.name.clone()) } else { failed(format!("`{}`", rule.table), &error) }
    })?;
    match &*rows {
        [] => Err(Error::NoPerson(rule.name.clone())),
        [only] => Ok(texts(only, 0, node.identity.width()).unwrap_or_default()),
        _ => Err(Error::ManyPersons(rule.name.clone())),
    }
}

/// Some columns of a row as a key; none when one of them is NULL.
fn texts(row: &PgRow, from: usize, width: usize) -> Option<Key> {
    (from..from + width).map(|at| row.get::<_, Option<&str>>(at).map(Box::from)).collect()
}

/// A query by keys.
pub(crate) async fn ask(
    transaction: &Transaction<'_>,
    sql: &str,
    keys: &KeyArrays<'_>,
    what: impl FnOnce() -> String,
) -> Result<Vec<PgRow>, Error> {
    transaction.query_typed(sql, &keys.parameters()).await.map_err(|error| failed(what(), &error))
}

struct Walk<'a> {
    graph: &'a Graph,
    has_utf8: bool,
    /// By table.
    found: Vec<Found>,
    /// The reference that says whose a row is, by table.
    owners: Vec<Option<EdgeId>>,
    /// When a table's turn is: after those that lead to it, as far as there is an order.
    rank: Vec<usize>,
    /// Rows whose references are still to be followed, by rank and table and class.
    open: BTreeMap<(usize, NodeId, Class), Vec<u32>>,
    /// Rows that may be others', as long as their owner was not found.
    pending: Vec<Pending>,
    asked: Vec<Asked>,
}

struct Pending {
    table: NodeId,
    key: Key,
    class: Class,
    edge: EdgeId,
    owner: Option<Key>,
}

/// A reference to be followed.
struct Ask {
    edge: EdgeId,
    /// The table whose rows are found.
    finds: NodeId,
    class: Class,
    sql: String,
    /// How many columns say whose a row is, where another reference does.
    owner: Option<usize>,
}

/// What a reference leads to, and when that was known.
async fn query(
    transaction: &Transaction<'_>,
    graph: &Graph,
    asked: &Ask,
    keys: &[Key],
) -> Result<(Vec<PgRow>, Instant), Error> {
    let mut rows = Vec::new();
    for chunk in keys.chunks(MOST_KEYS) {
        rows.extend(
            ask(transaction, &asked.sql, &KeyArrays::of(chunk), || format!("`{}`", graph.edge(asked.edge))).await?,
        );
    }
    Ok((rows, Instant::now()))
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph, policy: &GdprPolicy, root: NodeId, has_utf8: bool) -> Self {
        let ids = || (0..graph.nodes.len()).map(NodeId);
        Self {
            graph,
            has_utf8,
            found: ids().map(Found::new).collect(),
            owners: ids().map(|id| graph.owner(id, policy)).collect(),
            rank: ranks(graph, root),
            open: BTreeMap::new(),
            pending: Vec::new(),
            asked: Vec::new(),
        }
    }

    fn put(&mut self, table: NodeId, key: Key, class: Class, via: Option<EdgeId>) {
        if let Put::Grown(at) = self.found[table.0].put(key, class, via) {
            self.open.entry((self.rank[table.0], table, class)).or_default().push(at);
        }
    }

    /// The rows of one table and class whose references are to be followed next.
    fn next(&mut self) -> Option<(NodeId, Class, Vec<Key>)> {
        let ((_, table, class), rows) = self.open.pop_first()?;
        let all = self.found[table.0].rows();
        // A row that has become more the person's since has its turn there.
        let rows = rows.iter().map(|at| &all[*at as usize]).filter(|row| row.class == class);
        let keys = rows.map(|row| row.key.clone()).collect();
        Some((table, class, keys))
    }

    /// Follows all references of some rows.
    async fn step(
        &mut self,
        transaction: &Transaction<'_>,
        table: NodeId,
        class: Class,
        keys: &[Key],
    ) -> Result<(), Error> {
        let graph = self.graph;
        let mut asks: Vec<Ask> = Vec::new();
        for edge in graph.edges_to(table).filter(|edge| edge.is_followed()) {
            let owner = self.owners[edge.child.0].filter(|owner| *owner != edge.id);
            let extra: Vec<String> = owner
                .map(|owner| &graph.edge(owner).child_columns)
                .into_iter()
                .flatten()
                .map(|name| format!("c.{}::text", quote_ident(name)))
                .collect();
            let sql = sql::children(graph, edge, &extra, self.has_utf8);
            let class = class.min(edge.class.unwrap_or(class));
            asks.push(Ask { edge: edge.id, finds: edge.child, class, sql, owner: owner.map(|_| extra.len()) });
        }
        for edge in graph.edges_from(table).filter(|edge| edge.parents) {
            let class = class.min(graph.node(edge.parent).class.unwrap_or(Class::Lookup));
            if class.is_followed() {
                let sql = sql::parents(graph, edge);
                asks.push(Ask { edge: edge.id, finds: edge.parent, class, sql, owner: None });
            }
        }
        // The server answers one after the other, and does not wait for this side in between.
        let mut begun = Instant::now();
        let answers = try_join_all(asks.iter().map(|ask| query(transaction, graph, ask, keys))).await?;
        for (ask, (rows, ended)) in asks.iter().zip(answers) {
            self.count(ask.edge, keys.len(), rows.len(), ended.saturating_duration_since(begun));
            begun = ended;
            let width = graph.node(ask.finds).identity.width();
            for row in rows {
                // A key column is never NULL.
                let Some(key) = texts(&row, 0, width) else { continue };
                match ask.owner {
                    Some(columns) if self.found[ask.finds.0].get(&key).is_none_or(|known| known.class < ask.class) => {
                        let owner = texts(&row, width, columns);
                        // Who is gone owns nothing; an answer to somebody is not the person's by that.
                        if owner.is_none() && !graph.edge(ask.edge).is_to_itself() {
                            self.put(ask.finds, key, ask.class, Some(ask.edge));
                        } else {
                            let Ask { edge, finds: table, class, .. } = *ask;
                            self.pending.push(Pending { table, key, class, edge, owner });
                        }
                    }
                    _ => self.put(ask.finds, key, ask.class, Some(ask.edge)),
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, edge: EdgeId, keys: usize, rows: usize, took: Duration) {
        let queries = u32::try_from(keys.div_ceil(MOST_KEYS)).unwrap_or(u32::MAX);
        match self.asked.iter_mut().find(|other| other.edge == edge) {
            Some(other) => {
                other.queries += queries;
                other.keys += keys;
                other.rows += rows;
                other.took += took;
            }
            None => self.asked.push(Asked { edge, queries, keys, rows, took }),
        }
    }

    /// Takes in the rows whose owner was found after them, and says whether there was any.
    async fn promote(&mut self, transaction: &Transaction<'_>) -> Result<bool, Error> {
        let mut owned: BTreeMap<EdgeId, HashSet<Key>> = BTreeMap::new();
        let owners: BTreeSet<EdgeId> = self.pending.iter().filter_map(|row| self.owners[row.table.0]).collect();
        for owner in owners {
            let edge = self.graph.edge(owner);
            owned.insert(owner, self.values(transaction, edge.parent, &edge.parent_columns).await?);
        }
        let mut is_any = false;
        for pending in std::mem::take(&mut self.pending) {
            let values = self.owners[pending.table.0].and_then(|owner| owned.get(&owner));
            let is_own = pending.owner.as_ref().zip(values).is_some_and(|(owner, values)| values.contains(owner));
            if is_own {
                is_any = true;
                self.put(pending.table, pending.key, pending.class, Some(pending.edge));
            } else {
                self.pending.push(pending);
            }
        }
        Ok(is_any)
    }

    /// The values of some columns of the rows found of a table.
    async fn values(
        &self,
        transaction: &Transaction<'_>,
        table: NodeId,
        columns: &[String],
    ) -> Result<HashSet<Key>, Error> {
        let node = self.graph.node(table);
        if let Identity::Key(key) = &node.identity
            && key.iter().map(|column| &column.name).eq(columns)
        {
            return Ok(self.found[table.0].rows().iter().map(|row| row.key.clone()).collect());
        }
        let sql = sql::values(node, columns);
        let mut values = HashSet::new();
        for chunk in self.found[table.0].chunks(MOST_KEYS) {
            let rows = ask(transaction, &sql, &chunk, || format!("`{}`", node.table)).await?;
            values.extend(rows.iter().filter_map(|row| texts(row, 0, columns.len())));
        }
        Ok(values)
    }

    fn finish(self, subject: Subject) -> Walked {
        let mut others: BTreeMap<(NodeId, EdgeId), Vec<Key>> = BTreeMap::new();
        for Pending { table, key, edge, .. } in self.pending {
            // What leads to it twice, or makes it the person's after all, says nothing new.
            if self.found[table.0].get(&key).is_none() {
                others.entry((table, edge)).or_default().push(key);
            }
        }
        let others = others.into_iter().map(|((table, edge), mut keys)| {
            keys.sort_unstable();
            keys.dedup();
            Others { table, edge, keys }
        });
        Walked {
            subject,
            others: others.collect(),
            found: self.found.into_iter().filter(|found| !found.is_empty()).collect(),
            asked: self.asked,
        }
    }
}

/// An order in which a table comes after those that lead to it, as far as there is one: the reverse of the order in which a
/// search in depth leaves the tables.
fn ranks(graph: &Graph, root: NodeId) -> Vec<usize> {
    let next = |id: NodeId| -> Vec<NodeId> {
        let children = graph.edges_to(id).filter(|edge| edge.is_followed()).map(|edge| edge.child);
        children.chain(graph.edges_from(id).filter(|edge| edge.parents).map(|edge| edge.parent)).collect()
    };
    let count = graph.nodes.len();
    let (mut rank, mut seen, mut left) = (vec![count; count], vec![false; count], 0);
    let mut open = vec![(root, next(root))];
    seen[root.0] = true;
    while let Some((id, rest)) = open.last_mut() {
        match rest.pop() {
            Some(child) if !std::mem::replace(&mut seen[child.0], true) => open.push((child, next(child))),
            Some(_) => {}
            None => {
                left += 1;
                rank[id.0] = count - left;
                open.pop();
            }
        }
    }
    rank
}
