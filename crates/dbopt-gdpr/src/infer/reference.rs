//! References that no foreign key declares, by the names and types of columns.

use std::collections::BTreeSet;

use dbopt_catalog::TypeName;

use super::{
    Confidence,
    name::{singular, stem, stems, words},
    role::{is_person, role},
    tables::{Match, Tables, is_kin},
};
use crate::{
    graph::{Graph, Identity, Node, NodeId},
    policy::{ReferenceKind, TableName},
};

/// A reference that seems to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceGuess {
    /// The table that refers.
    pub from: TableName,
    /// The table that is referred to.
    pub to: TableName,
    /// The columns that are referred to, in the order of those that refer.
    pub key: Vec<String>,
    /// How.
    pub kind: ReferenceKind,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why, in words. Names, numbers and shares only, never a value of a row.
    pub reason: String,
    pub(super) ends: (NodeId, NodeId),
}

impl ReferenceGuess {
    pub(super) fn new(
        graph: &Graph,
        ends: (NodeId, NodeId),
        key: Vec<String>,
        kind: ReferenceKind,
        (confidence, reason): (Confidence, String),
    ) -> Self {
        let name = |id: NodeId| graph.node(id).table.clone();
        Self { from: name(ends.0), to: name(ends.1), key, kind, confidence, reason, ends }
    }

    /// The columns that hold the reference.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        match &self.kind {
            ReferenceKind::Columns(columns) | ReferenceKind::Polymorphic { columns, .. } => columns,
            ReferenceKind::Json { column, .. }
            | ReferenceKind::Array(column)
            | ReferenceKind::Identifier { column, .. } => std::slice::from_ref(column),
        }
    }

    pub(super) fn order(&self) -> impl Ord + use<> {
        let kind = match &self.kind {
            ReferenceKind::Columns(_) => String::new(),
            ReferenceKind::Polymorphic { type_value, .. } => format!("1{type_value}"),
            ReferenceKind::Json { path, .. } => format!("2{}", path.join(".")),
            ReferenceKind::Array(_) => "3".to_owned(),
            ReferenceKind::Identifier { name, .. } => format!("4{name}"),
        };
        (self.ends.0, self.columns().to_vec(), kind, self.ends.1)
    }
}

/// What the name of a column says of what it holds.
enum Shape {
    /// A key: `author_id`.
    One(Vec<String>),
    /// Several: `member_ids`.
    Many(Vec<String>),
    /// Maybe a key: `userid`, `owner`.
    Bare(Vec<String>),
}

/// The references that the name of a table in a column's name speaks for.
pub(super) fn by_name(tables: &Tables<'_>) -> Vec<ReferenceGuess> {
    let mut guesses = Vec::new();
    for (id, node) in tables.nodes() {
        guesses.extend(composite(tables, id, node));
        for column in &node.columns {
            if tables.is_declared(id, &column.name) || super::pair::is_half(tables, id, node, &column.name) {
                continue;
            }
            let (found, kind) = match shape(&column.name, &column.kind) {
                Shape::One(words) => {
                    let found = tables.named(id, &words, &column.name, &column.kind);
                    let found = found.or_else(|| tables.by_key_name(id, &column.name, &column.kind));
                    (found, ReferenceKind::Columns(vec![column.name.clone()]))
                }
                Shape::Many(words) => {
                    let Some(item) = column.kind.name.strip_suffix("[]") else { continue };
                    let found = tables.named(id, &words, &column.name, &TypeName::of(item));
                    (found, ReferenceKind::Array(column.name.clone()))
                }
                Shape::Bare(words) => {
                    let found = tables.named(id, &words, &column.name, &column.kind);
                    let exact = found.filter(|found| found.confidence == Confidence::High);
                    let exact = exact.map(|found| Match { confidence: Confidence::Low, ..found });
                    (exact, ReferenceKind::Columns(vec![column.name.clone()]))
                }
            };
            if let Some(found) = found {
                let ends = (id, found.table);
                let why = (found.confidence, found.reason);
                guesses.push(ReferenceGuess::new(tables.graph, ends, vec![found.key], kind, why));
            }
        }
    }
    guesses
}

/// These, and those that are only understood once it is known who the persons are.
pub(super) fn all(tables: &Tables<'_>, named: Vec<ReferenceGuess>, roots: &[NodeId]) -> Vec<ReferenceGuess> {
    let known: BTreeSet<(NodeId, String)> = named
        .iter()
        .filter(|guess| matches!(guess.kind, ReferenceKind::Columns(_)))
        .flat_map(|guess| guess.columns().iter().map(|column| (guess.ends.0, column.clone())))
        .collect();
    let mut guesses = named;
    for (id, node) in tables.nodes() {
        for column in &node.columns {
            if tables.is_declared(id, &column.name)
                || super::pair::is_half(tables, id, node, &column.name)
                || known.contains(&(id, column.name.clone()))
            {
                continue;
            }
            let found = of_role(tables, id, roots, &column.name, &column.kind)
                .or_else(|| to_itself(tables, id, &column.name, &column.kind));
            if let Some(found) = found {
                let kind = ReferenceKind::Columns(vec![column.name.clone()]);
                let why = (found.confidence, found.reason);
                guesses.push(ReferenceGuess::new(tables.graph, (id, found.table), vec![found.key], kind, why));
            }
        }
    }
    guesses
}

fn shape(column: &str, kind: &TypeName) -> Shape {
    let mut stems: Vec<String> = words(column).iter().map(|word| stem(word)).collect();
    let is_id = |word: &String| matches!(word.as_str(), "id" | "uuid" | "guid" | "fk");
    if kind.name.ends_with("[]") {
        if stems.len() > 1 && stems.last().is_some_and(is_id) {
            stems.pop();
        }
        return Shape::Many(stems);
    }
    if stems.len() > 1 && stems.last().is_some_and(is_id) {
        stems.pop();
        return Shape::One(stems);
    }
    if stems.len() > 1 && stems.first().is_some_and(is_id) {
        return Shape::One(stems.split_off(1));
    }
    if let [.., last] = &mut *stems
        && let Some(rest) = last.strip_suffix("id").filter(|rest| rest.len() > 2)
    {
        *last = stem(rest);
        return Shape::One(stems);
    }
    Shape::Bare(stems)
}

/// `author_id` and `created_by`, which name no table, where only one table of persons can be meant.
fn of_role(tables: &Tables<'_>, child: NodeId, roots: &[NodeId], column: &str, kind: &TypeName) -> Option<Match> {
    let stems = stems(column);
    let is_key = matches!(shape(column, kind), Shape::One(_));
    let last = match shape(column, kind) {
        Shape::One(words) | Shape::Bare(words) => words.last().cloned()?,
        Shape::Many(_) => return None,
    };
    let of_role = role(&stems);
    if of_role.is_none() && !(is_key && is_person(&last)) {
        return None;
    }
    // `reviewers integer` is how many there are.
    let is_many = words(column).last().is_some_and(|word| singular(word) != *word);
    if !is_key && is_many {
        return None;
    }
    // A text that is not called a key is as likely a name: `author text`.
    let family = super::tables::family(kind)?;
    if !is_key && !matches!(family, super::tables::Family::Whole | super::tables::Family::Uuid) {
        return None;
    }
    let schema = |table: NodeId| &tables.graph.node(table).table.schema;
    let own = roots.iter().copied().find(|root| schema(*root) == schema(child));
    let root = own.or_else(|| roots.first().copied().filter(|_| roots.len() == 1))?;
    let key = tables.key(root, column, kind)?;
    if root == child && key.column == column {
        return None;
    }
    let confidence = if own.is_some() && key.is_primary { Confidence::Medium } else { Confidence::Low };
    let reason =
        format!("`{column}` says what a person is to the row, and `{}` has the persons", tables.graph.node(root).table);
    Some(Match { table: root, key: key.column.clone(), confidence, reason })
}

/// `parent_id` and its like.
fn to_itself(tables: &Tables<'_>, child: NodeId, column: &str, kind: &TypeName) -> Option<Match> {
    let Shape::One(words) = shape(column, kind) else { return None };
    let is_kin = words.len() < 3 && words.iter().any(|word| is_kin(word));
    let key = tables.key(child, column, kind)?;
    (is_kin && key.is_primary && key.column != column && !tables.is_key(child, column)).then(|| Match {
        table: child,
        key: key.column.clone(),
        confidence: Confidence::Medium,
        reason: format!("`{column}` is what rows of one table are to each other"),
    })
}

/// References to a key of several columns: the columns of the same names, and `order_id` for `id`.
fn composite(tables: &Tables<'_>, child: NodeId, node: &Node) -> Vec<ReferenceGuess> {
    let mut guesses = Vec::new();
    for (parent, other) in tables.nodes().filter(|(parent, _)| *parent != child) {
        let Identity::Key(key) = &other.identity else { continue };
        if key.len() < 2 || other.table.schema != node.table.schema {
            continue;
        }
        // Without a column of the table's own name, two tables may as well both refer to third ones.
        let Some(own) = key.iter().position(|part| part.name == "id" || is_own(tables, parent, &part.name)) else {
            continue;
        };
        let named = |at: usize, name: &str| {
            let fits = |column: &&crate::graph::NodeColumn| {
                let kind = other.column(name).map(|column| &column.kind);
                kind.and_then(super::tables::family)
                    .is_some_and(|family| super::tables::family(&column.kind) == Some(family))
            };
            let mut columns = node.columns.iter().filter(fits);
            if at == own {
                columns.find(|column| is_own(tables, parent, &column.name))
            } else {
                columns.find(|column| column.name == name)
            }
        };
        let columns: Option<Vec<String>> =
            key.iter().enumerate().map(|(at, part)| named(at, &part.name).map(|column| column.name.clone())).collect();
        let Some(columns) = columns.filter(|columns| columns.iter().any(|name| !tables.is_declared(child, name)))
        else {
            continue;
        };
        let is_declared =
            tables.graph.edges_from(child).any(|edge| columns.iter().all(|name| edge.child_columns.contains(name)));
        if !is_declared {
            let reason = "its columns have the names of all columns of the key".to_owned();
            let names = key.iter().map(|part| part.name.clone()).collect();
            let kind = ReferenceKind::Columns(columns);
            guesses.push(ReferenceGuess::new(tables.graph, (child, parent), names, kind, (Confidence::Medium, reason)));
        }
    }
    guesses
}

/// Whether a column is named after the table: `order_id`, `order_no` of `orders`.
fn is_own(tables: &Tables<'_>, table: NodeId, column: &str) -> bool {
    let stems = stems(column);
    let own = tables.stems(table);
    let end = ["id", "uuid", "no", "nr", "number", "key", "code"];
    !own.is_empty()
        && stems.len() == own.len() + 1
        && stems.starts_with(own)
        && stems.last().is_some_and(|last| end.contains(&last.as_str()))
}
