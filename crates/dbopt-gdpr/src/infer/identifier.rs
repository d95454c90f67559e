//! Columns with an identifier of a person in tables to which no key leads: a newsletter's addresses, and hashes of them.

use std::collections::BTreeSet;

use super::{
    Confidence,
    class::classes,
    name::words,
    personal::{MAIL, PERSON, PHONE, personal},
    reference::ReferenceGuess,
    subject::SubjectGuess,
    tables::{Family, family},
};
use crate::{
    graph::{Graph, Node, NodeColumn, NodeId},
    policy::{Hash, ReferenceKind},
};

/// The references by identifiers.
pub(super) fn identifiers(
    graph: &Graph,
    subjects: &[SubjectGuess],
    persons: &BTreeSet<NodeId>,
    references: &[ReferenceGuess],
) -> Vec<ReferenceGuess> {
    let reached = classes(graph, subjects, persons, references, Confidence::Medium).depth;
    let mut guesses = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate().filter(|(at, _)| !reached.contains_key(&NodeId(*at))) {
        let before = guesses.len();
        // Of several addresses of a row, such as a sender's and a receiver's, each may be the person's.
        for column in &node.columns {
            let own = subjects.iter().find(|subject| subject.table.schema == node.table.schema).or(subjects.first());
            let Some(subject) = own else { continue };
            guesses.extend(guess(graph, (NodeId(at), node), column, subject, references));
        }
        // A hash beside the value says nothing more.
        let is_hashed = |guess: &ReferenceGuess| matches!(guess.kind, ReferenceKind::Identifier { hash: Some(_), .. });
        if guesses[before..].iter().any(|guess| !is_hashed(guess)) {
            let own = guesses.split_off(before);
            guesses.extend(own.into_iter().filter(|guess| !is_hashed(guess)));
        }
    }
    guesses
}

fn guess(
    graph: &Graph,
    (id, node): (NodeId, &Node),
    column: &NodeColumn,
    subject: &SubjectGuess,
    references: &[ReferenceGuess],
) -> Option<ReferenceGuess> {
    if family(&column.kind) != Some(Family::Text) {
        return None;
    }
    let what = personal(&column.name, &column.kind)?;
    let name = match what {
        MAIL => "email",
        PHONE => "phone",
        PERSON if words(&column.name).iter().any(|word| word == "username" || word == "login") => "username",
        _ => return None,
    };
    let identifier = subject.identifiers.iter().find(|identifier| identifier.name == name)?;
    let hash = hash(column);
    // What others refer to is something of its own, such as a firm: an address in it is not whose it is.
    let is_referred_to = graph.edges_to(id).next().is_some() || references.iter().any(|guess| guess.ends.1 == id);
    let most = if is_referred_to { Confidence::Low } else { Confidence::Medium };
    let (confidence, why) = match (is_hash(&column.name), hash) {
        (true, Some(_)) => (Confidence::Medium, format!("`{}` is named after a hash of {what}", column.name)),
        // Which hash it is, nobody can tell by the name.
        (true, None) => (Confidence::Low, format!("`{}` may be a hash of {what}", column.name)),
        (false, _) if name == "email" => (Confidence::Medium, format!("`{}` looks like {what}", column.name)),
        (false, _) => (Confidence::Low, format!("`{}` looks like {what}", column.name)),
    };
    let hash = if is_hash(&column.name) { Some(hash.unwrap_or(Hash::Sha256)) } else { None };
    let kind = ReferenceKind::Identifier { column: column.name.clone(), name: name.to_owned(), hash };
    let reason = format!("{why}, and no key leads from `{}` to a person", node.table);
    let why = (confidence.min(most), reason);
    Some(ReferenceGuess::new(graph, (id, subject.node), vec![identifier.column.clone()], kind, why))
}

/// Whether a column is named after a hash of something.
pub(super) fn is_hash(column: &str) -> bool {
    words(column).iter().any(|word| matches!(word.as_str(), "hash" | "md" | "sha" | "digest" | "hashed" | "gravatar"))
}

/// The hash that a name or a length says.
fn hash(column: &NodeColumn) -> Option<Hash> {
    let name = column.name.to_lowercase();
    let most = column.kind.modifier.trim_matches(['(', ')']).parse::<usize>().ok();
    if name.contains("md5") || name.contains("gravatar") || most == Some(32) {
        Some(Hash::Md5)
    } else if name.contains("sha256") || name.contains("sha_256") || most == Some(64) {
        Some(Hash::Sha256)
    } else {
        None
    }
}
