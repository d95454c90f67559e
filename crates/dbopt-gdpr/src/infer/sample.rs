//! What sampled values say, as counts: one bounded statement for each table, and no value leaves the server.
//!
//! The statement takes some rows (`TABLESAMPLE SYSTEM` of a large table, always with a `LIMIT`) and gives numbers only: how many values
//! look like an e-mail address, how many of a reference are found where it leads, how many rows say that they refer to a table
//! (<https://www.postgresql.org/docs/current/sql-select.html>). What it looks for is made of the catalogue's names.

use std::time::Duration;

use dbopt_catalog::{Relkind, TypeName};
use dbopt_sql::{quote_ident, quote_literal};
use tokio_postgres::{
    Client, IsolationLevel, Transaction,
    types::{ToSql, Type},
};

use super::{
    Confidence, Inferred,
    name::{one_of, type_names},
    pair,
    personal::{ADDRESS, MAIL, MAILS, PHONE},
    reference::ReferenceGuess,
    tables::{Family, Tables, family},
};
use crate::{
    graph::{Node, NodeColumn, NodeId},
    policy::{ReferenceKind, TableName},
    walk::{Error, failed, guarded},
};

/// What is wanted of sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleOptions {
    /// The most rows of a table.
    pub rows: u32,
    /// How long a table may take.
    pub timeout: Duration,
}

/// A column whose values look like data of persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// The table.
    pub table: TableName,
    /// The column.
    pub column: String,
    /// What they look like, with its article.
    pub what: &'static str,
    /// How many of the values do.
    pub found: u64,
    /// Of how many that are not NULL.
    pub of: u64,
    pub(super) node: NodeId,
}

impl Sampled {
    /// The share of values that look like it.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.found as f64 / (self.of.max(1)) as f64
    }
}

/// A table of which no values were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsampled {
    /// The table.
    pub table: TableName,
    /// Why.
    pub why: String,
}

/// Samples all tables, raises and lowers guesses by what is seen, and adds what only values show. A table that cannot be read is told,
/// and its guesses stay.
///
/// # Errors
/// When the connection breaks.
pub async fn sample(
    client: &mut Client,
    inferred: &mut Inferred,
    options: SampleOptions,
) -> Result<Vec<Unsampled>, Error> {
    let mut unsampled = Vec::new();
    let graph = inferred.graph.clone();
    let tables = Tables::new(&graph);
    for (id, node) in tables.nodes() {
        let not_seen = |why: String| Unsampled { table: node.table.clone(), why };
        if node.kind == Relkind::Foreign {
            unsampled.push(not_seen("it is on another server".to_owned()));
            continue;
        }
        let mut question = Question::new(&tables, inferred, id, node);
        let mut answer = ask(client, &question, &tables, options).await;
        if !question.references.is_empty()
            && matches!(answer, Err(Error::Query { code: Some(_), .. } | Error::Hidden(_)))
        {
            // Maybe only what is referred to cannot be read.
            question.references.clear();
            answer = ask(client, &question, &tables, options).await;
        }
        match answer {
            Ok(answer) => question.learn(inferred, &tables, &answer),
            Err(Error::Query { code: Some(_), said, .. } | Error::Hidden(said)) => unsampled.push(not_seen(said)),
            Err(broken) => return Err(broken),
        }
    }
    inferred.references.sort_by_key(ReferenceGuess::order);
    Ok(unsampled)
}

/// What is asked of a table.
struct Question<'a> {
    id: NodeId,
    node: &'a Node,
    texts: Vec<&'a NodeColumn>,
    /// Places in [`Inferred::references`], each with its column and what it is looked for in.
    references: Vec<(usize, String, NodeId, String)>,
    pairs: Vec<(pair::Pair<'a>, Vec<(NodeId, String)>)>,
    json: Vec<(&'a NodeColumn, usize, Vec<String>, &'static str)>,
}

/// Counts only.
struct Answer {
    counts: Vec<i64>,
    pairs: Vec<(i64, Vec<i64>)>,
}

impl<'a> Question<'a> {
    fn new(tables: &Tables<'a>, inferred: &Inferred, id: NodeId, node: &'a Node) -> Self {
        let is_text = |column: &&NodeColumn| family(&column.kind) == Some(Family::Text) || is_json(&column.kind);
        let texts = node.columns.iter().filter(is_text).collect();
        let mut references = Vec::new();
        for (at, guess) in inferred.references.iter().enumerate().filter(|(_, guess)| guess.ends.0 == id) {
            let (ReferenceKind::Columns(columns), [key]) = (&guess.kind, &*guess.key) else { continue };
            let [column] = &**columns else { continue };
            let built_in =
                |table: &Node, name: &str| table.column(name).is_some_and(|column| is_indexable(&column.kind));
            if built_in(node, column) && built_in(tables.graph.node(guess.ends.1), key) {
                references.push((at, column.clone(), guess.ends.1, key.clone()));
            }
        }
        let mut pairs = Vec::new();
        for pair in pair::of(node) {
            if tables.is_declared(id, pair.id_column) || !pair::is_half(tables, id, node, pair.id_column) {
                continue;
            }
            let mut names = Vec::new();
            for (parent, other) in tables.nodes() {
                if tables.key(parent, pair.id_column, pair.kind).is_some() && other.table.schema == node.table.schema {
                    names.extend(type_names(&other.table.name).into_iter().map(|name| (parent, name)));
                }
            }
            pairs.push((pair, names));
        }
        let mut json = Vec::new();
        for column in node.columns.iter().filter(|column| is_json(&column.kind)) {
            for (at, subject) in inferred.subjects.iter().enumerate() {
                let [key] = &*subject.key else { continue };
                let kind = tables.graph.node(subject.node).column(key).map(|column| &column.kind);
                let Some(shape) = kind.and_then(family).and_then(shape) else { continue };
                let one = one_of(&subject.table.name);
                let camel: String = one.iter().skip(1).map(|word| capital(word)).collect();
                let first = one.first().cloned().unwrap_or_default();
                let (snake, camel) = (one.join("_"), format!("{first}{camel}"));
                for path in [vec![format!("{snake}_id")], vec![format!("{camel}Id")], vec![snake, "id".to_owned()]] {
                    json.push((column, at, path, shape));
                }
            }
        }
        Self { id, node, texts, references, pairs, json }
    }

    /// The statement: sampled rows, and counts of them.
    fn sql(&self, tables: &Tables<'_>, rows: u32) -> String {
        let mut columns: Vec<String> = Vec::new();
        let mut counts: Vec<String> = Vec::new();
        for (at, column) in self.texts.iter().enumerate() {
            columns.push(format!("left(t.{}::text, 1000) AS t{at}", quote_ident(&column.name)));
            counts.push(format!("count(t{at})"));
            counts.extend(
                PATTERNS
                    .iter()
                    .map(|(_, pattern)| format!("count(*) FILTER (WHERE t{at} ~ {})", quote_literal(pattern))),
            );
        }
        for (at, (_, column, parent, key)) in self.references.iter().enumerate() {
            columns.push(format!("t.{} AS r{at}", quote_ident(column)));
            let parent = &tables.graph.node(*parent).table;
            counts.push(format!("count(r{at})"));
            counts.push(format!(
                "count(*) FILTER (WHERE EXISTS (SELECT FROM {parent} AS p WHERE p.{} = s.r{at}))",
                quote_ident(key)
            ));
        }
        for (at, (column, _, path, shape)) in self.json.iter().enumerate() {
            let path: Vec<String> = path.iter().map(|part| quote_literal(part)).collect();
            columns.push(format!(
                "left(t.{} #>> ARRAY[{}]::text[], 100) AS j{at}",
                quote_ident(&column.name),
                path.join(", ")
            ));
            counts.push(format!("count(*) FILTER (WHERE j{at} ~ {})", quote_literal(shape)));
        }
        let mut answers = vec![
            "(SELECT count(*) FROM s)".to_owned(),
            format!("(SELECT ARRAY[{}]::bigint[] FROM s)", counts.join(", ")),
        ];
        for (at, (pair, _)) in self.pairs.iter().enumerate() {
            columns.push(format!("t.{}::text AS p{at}", quote_ident(pair.type_column)));
            answers.push(format!("(SELECT count(p{at}) FROM s)"));
            answers.push(format!(
                "(SELECT array_agg(n ORDER BY i) FROM (SELECT k.i, count(s.p{at}) AS n FROM unnest(${}::text[]) \
                 WITH ORDINALITY AS k (v, i) LEFT JOIN s ON s.p{at} = k.v GROUP BY k.i) AS q)",
                at + 1
            ));
        }
        let columns = if columns.is_empty() { "1 AS one".to_owned() } else { columns.join(", ") };
        format!(
            "WITH s AS MATERIALIZED (SELECT {columns} FROM {} AS t{} LIMIT {rows}) SELECT {}",
            self.node.from_item(),
            self.share(tables, rows),
            answers.join(", ")
        )
    }

    /// A share of the pages of a large table, so that rows from all over it are seen.
    fn share(&self, tables: &Tables<'_>, rows: u32) -> String {
        let table = tables.graph.catalog.table(self.node.id);
        let (Some(known), true) = (table.rows, table.kind == Relkind::Table) else { return String::new() };
        if known < f64::from(rows) * 10.0 || table.pages < 100.0 {
            return String::new();
        }
        let percent = (200.0 * f64::from(rows) / known).max(1000.0 / table.pages).min(100.0);
        format!(" TABLESAMPLE SYSTEM ({percent:.6}) REPEATABLE (0)")
    }

    fn learn(&self, inferred: &mut Inferred, tables: &Tables<'_>, answer: &Answer) {
        let mut counts = answer.counts.iter().map(|count| u64::try_from(*count).unwrap_or(0));
        let mut next = || counts.next().unwrap_or(0);
        for column in &self.texts {
            let of = next();
            let found: Vec<(&'static str, u64)> = PATTERNS.iter().map(|(what, _)| (*what, next())).collect();
            let sure = found.iter().find(|(what, found)| *found > 0 && (*what == MAILS || *found * 5 >= of));
            if let Some((what, found)) = sure {
                let (table, column) = (self.node.table.clone(), column.name.clone());
                inferred.sampled.push(Sampled { table, column, what, found: *found, of, node: self.id });
            }
        }
        for (at, ..) in &self.references {
            let (of, found) = (next(), next());
            let guess = &mut inferred.references[*at];
            if of == 0 {
                continue;
            }
            guess.confidence = match found as f64 / of as f64 {
                share if share >= 0.98 && of >= 20 => Confidence::High,
                share if share >= 0.98 => guess.confidence.max(Confidence::Medium),
                share if share >= 0.5 => guess.confidence.min(Confidence::Medium),
                _ => Confidence::Low,
            };
            guess.reason = format!("{}; {found} of {of} sampled values are found there", guess.reason);
        }
        let mut rows: Vec<(usize, u64)> = self.json.iter().enumerate().map(|(at, _)| (at, next())).collect();
        rows.retain(|(_, found)| *found > 0);
        for (at, found) in rows {
            let (column, subject, path, _) = &self.json[at];
            let subject = &inferred.subjects[*subject];
            let kind = ReferenceKind::Json { column: column.name.clone(), path: path.clone() };
            let reason = format!("{found} sampled rows have such a value at `{}`", path.join("."));
            let why = (Confidence::Medium, reason);
            let ends = (self.id, subject.node);
            inferred.references.push(ReferenceGuess::new(tables.graph, ends, subject.key.clone(), kind, why));
        }
        for ((pair, names), (of, counts)) in self.pairs.iter().zip(&answer.pairs) {
            if *of == 0 {
                continue;
            }
            let is_of_pair = |guess: &ReferenceGuess| {
                guess.ends.0 == self.id
                    && matches!(&guess.kind, ReferenceKind::Polymorphic { type_column, .. } if type_column == pair.type_column)
            };
            inferred.references.retain(|guess| !is_of_pair(guess));
            for ((parent, name), found) in names.iter().zip(counts).filter(|(_, found)| **found > 0) {
                let reason = format!("{found} of {of} sampled rows say so in `{}`", pair.type_column);
                let why = (Confidence::High, reason);
                inferred.references.extend(pair::guess(tables, (self.id, *parent), pair, name, why));
            }
        }
    }
}

async fn ask(
    client: &mut Client,
    question: &Question<'_>,
    tables: &Tables<'_>,
    options: SampleOptions,
) -> Result<Answer, Error> {
    let transaction = begin(client, options).await?;
    let names: Vec<Vec<&str>> =
        question.pairs.iter().map(|(_, names)| names.iter().map(|(_, name)| name.as_str()).collect()).collect();
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
        names.iter().map(|names| (names as &(dyn ToSql + Sync), Type::TEXT_ARRAY)).collect();
    let sql = question.sql(tables, options.rows);
    let row = transaction.query_typed_one(&sql, &parameters).await;
    let row = row.map_err(|error| failed(format!("a sample of `{}`", question.node.table), &error))?;
    let pairs = (0..question.pairs.len())
        .map(|at| (row.get(2 + 2 * at), row.get::<_, Option<Vec<i64>>>(3 + 2 * at).unwrap_or_default()))
        .collect();
    let answer = Answer { counts: row.get(1), pairs };
    transaction.rollback().await.map_err(|error| failed("the end of a transaction", &error))?;
    Ok(answer)
}

async fn begin(client: &mut Client, options: SampleOptions) -> Result<Transaction<'_>, Error> {
    let begin = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = begin.start().await.map_err(|error| failed("a transaction", &error))?;
    guarded(&transaction).await?;
    let limits =
        format!("SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = '1s'", options.timeout.as_millis());
    transaction.batch_execute(&limits).await.map_err(|error| failed("the limits of a sample", &error))?;
    Ok(transaction)
}

fn is_json(kind: &TypeName) -> bool {
    matches!(kind.base.as_deref().unwrap_or(&kind.name), "json" | "jsonb")
}

/// Whether values compare by an operator of PostgreSQL's own, and so by the key's index.
fn is_indexable(kind: &TypeName) -> bool {
    let base = kind.base.as_deref().unwrap_or(&kind.name);
    matches!(base, "smallint" | "integer" | "bigint" | "uuid" | "text" | "character varying")
}

/// What a key of a family looks like as text.
fn shape(family: Family) -> Option<&'static str> {
    match family {
        Family::Whole => Some("^[0-9]{1,19}$"),
        Family::Uuid => Some("^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"),
        Family::Text => Some("^.{1,64}$"),
        _ => None,
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What values are looked for, and the regular expressions that find it, the surest first.
const PATTERNS: [(&str, &str); 4] = [
    (MAIL, r"^[^@[:space:]]+@[^@[:space:]]+\.[[:alpha:]]{2,}$"),
    (ADDRESS, r"^([0-9]{1,3}\.){3}[0-9]{1,3}$"),
    (PHONE, r"^(\+|00)[0-9 ()./-]{7,20}$"),
    (MAILS, r"[[:alnum:]._%+-]+@[[:alnum:].-]+\.[[:alpha:]]{2,}"),
];
