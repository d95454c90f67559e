//! References by a pair of columns, of which one says to which table: `target_type` and `target_id`.

use dbopt_catalog::{ConstraintKind, TypeName};

use super::{
    Confidence,
    name::{type_names, words},
    reference::ReferenceGuess,
    role::{is_person, role},
    tables::{Family, Tables, family},
};
use crate::{
    graph::{Node, NodeId},
    policy::ReferenceKind,
};

/// A pair of columns.
pub(super) struct Pair<'a> {
    pub(super) type_column: &'a str,
    pub(super) id_column: &'a str,
    pub(super) kind: &'a TypeName,
    is_text: bool,
}

/// The pairs of a table.
pub(super) fn of<'a>(node: &'a Node) -> Vec<Pair<'a>> {
    let says = |column: &&crate::graph::NodeColumn| {
        family(&column.kind) == Some(Family::Text) || matches!(column.kind.category, 'E')
    };
    let mut pairs = Vec::new();
    for column in node.columns.iter().filter(says) {
        let words = words(&column.name);
        let [head @ .., last] = &*words else { continue };
        if head.is_empty() || !matches!(last.as_str(), "type" | "kind" | "class" | "table") {
            continue;
        }
        let id = node.columns.iter().find(|other| {
            let others = super::name::words(&other.name);
            matches!(&*others, [same @ .., id] if same == head && matches!(id.as_str(), "id" | "uuid" | "guid"))
        });
        if let Some(id) = id {
            let is_text = family(&column.kind) == Some(Family::Text);
            pairs.push(Pair { type_column: &column.name, id_column: &id.name, kind: &id.kind, is_text });
        }
    }
    pairs
}

/// Whether a column is the key of a pair. When a table has the very name, the other column may say something else: `user_type`
/// beside `user_id` is a kind of user.
pub(super) fn is_half(tables: &Tables<'_>, table: NodeId, node: &Node, column: &str) -> bool {
    let Some(pair) = of(node).into_iter().find(|pair| pair.id_column == column) else { return false };
    let mut stems = super::name::stems(column);
    stems.pop();
    let exact = tables.named(table, &stems, column, pair.kind);
    exact.is_none_or(|found| found.confidence < Confidence::High)
}

/// What pairs may refer to: the tables that a check names, or else the persons.
pub(super) fn pairs(tables: &Tables<'_>, roots: &[NodeId]) -> Vec<ReferenceGuess> {
    let mut guesses = Vec::new();
    for (id, node) in tables.nodes() {
        for pair in of(node) {
            if tables.is_declared(id, pair.id_column) || !is_half(tables, id, node, pair.id_column) {
                continue;
            }
            let literals = checked(tables, node, pair.type_column);
            let mut named = false;
            for (parent, other) in tables.nodes() {
                let names = type_names(&other.table.name);
                let Some(value) = literals.iter().find(|literal| names.contains(literal)) else { continue };
                named = true;
                let reason = format!("a check lets `{}` say so", pair.type_column);
                guesses.extend(guess(tables, (id, parent), &pair, value, (Confidence::High, reason)));
            }
            if named || !literals.is_empty() {
                continue;
            }
            let near = roots.iter().filter(|root| tables.graph.node(**root).table.schema == node.table.schema);
            for (at, root) in near.enumerate() {
                let names = type_names(&tables.graph.node(*root).table.name);
                let Some(value) = names.first() else { continue };
                let stems = super::name::stems(pair.id_column);
                // The labels of an enum are not known here, and they may name other things.
                let is_of_persons =
                    at == 0 && pair.is_text && (role(&stems).is_some() || stems.iter().any(|word| is_person(word)));
                let confidence = if is_of_persons { Confidence::Medium } else { Confidence::Low };
                let what = if is_of_persons { "is mostly a person" } else { "may be a person" };
                let reason = format!("`{}` says what `{}` refers to, which {what}", pair.type_column, pair.id_column);
                guesses.extend(guess(tables, (id, *root), &pair, value, (confidence, reason)));
            }
        }
    }
    guesses
}

pub(super) fn guess(
    tables: &Tables<'_>,
    ends: (NodeId, NodeId),
    pair: &Pair<'_>,
    value: &str,
    why: (Confidence, String),
) -> Option<ReferenceGuess> {
    let key = tables.key(ends.1, pair.id_column, pair.kind)?;
    let kind = ReferenceKind::Polymorphic {
        columns: vec![pair.id_column.to_owned()],
        type_column: pair.type_column.to_owned(),
        type_value: value.to_owned(),
    };
    Some(ReferenceGuess::new(tables.graph, ends, vec![key.column.clone()], kind, why))
}

/// The texts that a check of a column names.
fn checked(tables: &Tables<'_>, node: &Node, column: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for constraint in &tables.graph.catalog.table(node.id).constraints {
        let ConstraintKind::Check(text) = &constraint.kind else { continue };
        let mentions = |name: &str| words(name) == words(column);
        if constraint.columns.iter().any(|name| name == column)
            || text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(mentions)
        {
            texts.extend(text.split('\'').skip(1).step_by(2).map(str::to_owned));
        }
    }
    texts
}
