//! Tables by the words of their names, and the keys by which they are referred to.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_catalog::{ConstraintKind, TypeName};

use super::{Confidence, name::stems};
use crate::graph::{Graph, Node, NodeId};

/// What compares with what. A reference has to be of its key's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Whole,
    Number,
    Uuid,
    Text,
    Bytes,
}

/// The family of a type; a domain's is that of its base.
pub(super) fn family(kind: &TypeName) -> Option<Family> {
    let base = kind.base.as_deref().unwrap_or(&kind.name);
    Some(match base.rsplit('.').next().unwrap_or(base) {
        "smallint" | "integer" | "bigint" => Family::Whole,
        "numeric" => Family::Number,
        "uuid" => Family::Uuid,
        "text" | "character varying" | "character" | "citext" => Family::Text,
        "bytea" => Family::Bytes,
        _ => return None,
    })
}

/// A column that is a key by itself.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) column: String,
    pub(super) family: Family,
    pub(super) is_primary: bool,
}

/// The table that a name means.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub(super) table: NodeId,
    pub(super) key: String,
    pub(super) confidence: Confidence,
    pub(super) reason: String,
}

pub(super) struct Tables<'a> {
    pub(super) graph: &'a Graph,
    stems: Vec<Vec<String>>,
    by_key: BTreeMap<&'a str, Vec<NodeId>>,
    by_words: BTreeMap<Vec<String>, Vec<NodeId>>,
    by_last: BTreeMap<String, Vec<NodeId>>,
    keys: Vec<Vec<Key>>,
    declared: BTreeSet<(NodeId, String)>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let words: Vec<_> = graph.nodes.iter().map(|node| stems(&node.table.name)).collect();
        let (mut by_words, mut by_last, mut by_key) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (at, words) in words.iter().enumerate() {
            let Some(last) = words.last() else { continue };
            by_words.entry(words.clone()).or_insert_with(Vec::new).push(NodeId(at));
            by_last.entry(last.clone()).or_insert_with(Vec::new).push(NodeId(at));
        }
        for (at, node) in graph.nodes.iter().enumerate() {
            for key in single_keys(graph, node).into_iter().filter(|key| key.is_primary) {
                if let Some(name) = node.column(&key.column).map(|column| column.name.as_str()) {
                    by_key.entry(name).or_insert_with(Vec::new).push(NodeId(at));
                }
            }
        }
        let declared = graph
            .edges
            .iter()
            .flat_map(|edge| edge.child_columns.iter().map(|column| (edge.child, column.clone())))
            .collect();
        let keys = graph.nodes.iter().map(|node| single_keys(graph, node)).collect();
        Self { graph, stems: words, by_key, by_words, by_last, keys, declared }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = (NodeId, &'a Node)> + use<'a> {
        self.graph.nodes.iter().enumerate().map(|(at, node)| (NodeId(at), node))
    }

    /// The stems of a table's name.
    pub(super) fn stems(&self, table: NodeId) -> &[String] {
        &self.stems[table.0]
    }

    /// Whether a foreign key has the column.
    pub(super) fn is_declared(&self, table: NodeId, column: &str) -> bool {
        self.declared.contains(&(table, column.to_owned()))
    }

    /// Whether a column by itself tells a row of its table from others.
    pub(super) fn is_key(&self, table: NodeId, column: &str) -> bool {
        self.keys[table.0].iter().any(|key| key.column == column)
    }

    /// The columns of a table that are a key by themselves.
    pub(super) fn keys(&self, table: NodeId) -> &[Key] {
        &self.keys[table.0]
    }

    /// The key of a table that a column of this type and name may refer to: the primary key, or else a unique column of the type,
    /// the one of the same name before others.
    pub(super) fn key(&self, table: NodeId, column: &str, kind: &TypeName) -> Option<&Key> {
        let family = family(kind)?;
        let fitting = || self.keys[table.0].iter().filter(|key| key.family == family);
        let last = super::name::words(column).pop();
        fitting()
            .find(|key| key.is_primary)
            .or_else(|| fitting().find(|key| key.column == column))
            .or_else(|| fitting().find(|key| last.is_some() && super::name::words(&key.column).pop() == last))
    }

    /// The table that the words of a column mean, as seen from the table that has it.
    pub(super) fn named(&self, child: NodeId, words: &[String], column: &str, kind: &TypeName) -> Option<Match> {
        if words.is_empty() {
            return None;
        }
        let own = self.stems(child);
        let shown = |at: usize| format!("`{}`", words[at..].join("_"));
        let exact = self.by_words.get(words).map(|tables| (tables.clone(), Confidence::High, "names the table"));
        let module = |at: usize| {
            (1..=own.len()).rev().find_map(|length| {
                let whole: Vec<_> = own[..length].iter().chain(&words[at..]).cloned().collect();
                self.by_words.get(&whole)
            })
        };
        let within = module(0).map(|tables| (tables.clone(), Confidence::High, "names a table of the same family"));
        let found = exact.into_iter().chain(within).find_map(|step| self.pick(child, step, column, kind));
        if found.is_some() {
            return found;
        }
        for at in 1..words.len() {
            let tail = self.by_words.get(&words[at..]).or_else(|| module(at));
            let step = tail.map(|tables| (tables.clone(), Confidence::Medium, "ends with the name of the table"));
            if let Some(mut found) = step.and_then(|step| self.pick(child, step, column, kind)) {
                found.reason = format!("{} of `{column}` is the name of the table", shown(at));
                return Some(found);
            }
        }
        if let [only] = words
            && is_kin(only)
        {
            return None;
        }
        // `user_id` where the only such table is `auth_user`.
        let tables = self.by_last.get(words.last()?)?;
        let longer: Vec<_> = tables.iter().copied().filter(|table| self.stems(*table).ends_with(words)).collect();
        let near: Vec<_> = longer.iter().copied().filter(|table| self.stems(*table).first() == own.first()).collect();
        let only = if longer.len() == 1 { longer } else { near };
        (only.len() == 1)
            .then(|| self.pick(child, (only, Confidence::Medium, "ends the name of one table only"), column, kind))?
    }

    /// The table whose primary key has the same name, when there is only one.
    pub(super) fn by_key_name(&self, child: NodeId, column: &str, kind: &TypeName) -> Option<Match> {
        let tables = self.by_key.get(column)?;
        let others: Vec<_> = tables.iter().copied().filter(|table| *table != child).collect();
        let step = (others, Confidence::Medium, "is the name of the primary key of one table only");
        (tables.len() == 1).then(|| self.pick(child, step, column, kind))?
    }

    fn pick(&self, child: NodeId, step: Step, column: &str, kind: &TypeName) -> Option<Match> {
        let (tables, mut confidence, why) = step;
        let schema = |table: &NodeId| &self.graph.node(*table).table.schema;
        let same: Vec<_> = tables.iter().copied().filter(|table| schema(table) == schema(&child)).collect();
        let mut reason = format!("`{column}` {why}");
        let mut among = same;
        if among.is_empty() {
            // Tenants may have a schema each: only what is there once can be meant from elsewhere.
            among = tables;
            confidence = confidence.lower();
            reason.push_str(", which is in another schema");
        }
        let plain =
            |table: &&NodeId| !self.graph.node(**table).table.name.contains(|letter: char| letter.is_ascii_digit());
        let table = match &*among {
            [only] => *only,
            several => {
                let mut plain = several.iter().filter(plain);
                let first = *plain.next()?;
                if plain.next().is_some() {
                    return None;
                }
                first
            }
        };
        let key = self.key(table, column, kind)?;
        // A key does not refer to itself.
        if table == child && (key.column == column || self.is_key(child, column) && key.is_primary) {
            return None;
        }
        if !matches!(key.family, Family::Whole | Family::Uuid) || !key.is_primary {
            confidence = confidence.min(Confidence::Medium);
            reason.push_str(if key.is_primary { ", whose key is a text" } else { ", where it fits a unique column" });
        }
        Some(Match { table, key: key.column.clone(), confidence, reason })
    }
}

/// Whether a word is one for what rows of one table are to each other.
pub(super) fn is_kin(word: &str) -> bool {
    matches!(
        word,
        "parent"
            | "ancestor"
            | "previous"
            | "next"
            | "original"
            | "reply"
            | "duplicate"
            | "replacement"
            | "root"
            | "merged"
            | "predecessor"
    )
}

/// Tables that may be meant, how sure that is, and why.
type Step = (Vec<NodeId>, Confidence, &'static str);

fn single_keys(graph: &Graph, node: &Node) -> Vec<Key> {
    let table = graph.catalog.table(node.id);
    let mut keys: Vec<Key> = Vec::new();
    let mut add = |column: &str, is_primary: bool| {
        let Some(family) = node.column(column).and_then(|column| family(&column.kind)) else { return };
        match keys.iter_mut().find(|key| key.column == column) {
            Some(key) => key.is_primary |= is_primary,
            None => keys.push(Key { column: column.to_owned(), family, is_primary }),
        }
    };
    for constraint in &table.constraints {
        if let ([column], ConstraintKind::Primary | ConstraintKind::Unique) = (&*constraint.columns, &constraint.kind) {
            add(column, constraint.kind == ConstraintKind::Primary);
        }
    }
    for index in table.indexes.iter().filter(|index| index.unique && index.valid && index.predicate.is_none()) {
        if let [key] = &*index.keys
            && let Some(column) = key.as_column()
        {
            add(column, index.primary);
        }
    }
    keys
}
