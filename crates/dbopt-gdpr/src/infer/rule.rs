//! What a first policy says of each table: whose its rows are, what becomes of them, and which columns have data of persons.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Confidence, Inferred,
    class::{Classes, classes},
    mask::{Mask, mask},
    personal::{Strength, personal, strength},
};
use crate::{
    graph::{Identity, Node, NodeId},
    policy::{Class, ReferenceErase},
};

/// What is said of a table.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) node: NodeId,
    pub(super) class: Class,
    /// Whether rows stay and are masked, because others refer to them that stay.
    pub(super) is_masked: bool,
    pub(super) columns: Vec<Column>,
    pub(super) plain: Vec<String>,
    /// Columns of which nothing is said, so that `lint` asks; with what they look like.
    pub(super) open: Vec<(String, &'static str)>,
    /// Plain columns that look like data of persons, and why they are plain.
    pub(super) doubtful: Vec<(String, String)>,
    /// Plain columns of texts whose names say nothing.
    pub(super) texts: Vec<String>,
}

/// What is said of a column with data of persons.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) mask: Mask,
    pub(super) what: &'static str,
    pub(super) confidence: Confidence,
    pub(super) why: String,
}

/// What is said of all tables and references.
pub(super) fn rules(inferred: &Inferred, minimum: Confidence) -> (Vec<Rule>, Classes) {
    let graph = &inferred.graph;
    let mut classes = classes(graph, &inferred.subjects, &inferred.persons, &inferred.references, minimum);
    let mut rules: Vec<Rule> = (0..graph.nodes.len()).map(|at| rule(inferred, &classes, NodeId(at))).collect();
    let stays = staying(&classes);
    for rule in &mut rules {
        rule.is_masked = stays.contains(&rule.node) && !rule.columns.is_empty();
        let is_subject = inferred.subjects.iter().any(|subject| subject.node == rule.node);
        if rule.is_masked || is_subject || !stays.contains(&rule.node) || rule.class != Class::Owned {
            continue;
        }
        // Nothing in it is of the person, and rows that stay refer to it.
        for link in classes.links.iter_mut().filter(|link| link.child == rule.node && link.class == Some(Class::Owned))
        {
            link.class = Some(Class::Shared);
            link.erase = ReferenceErase::Keep;
            link.reason = "the row has no data of the person, and rows that stay refer to it".to_owned();
        }
        rule.class = Class::Shared;
    }
    (rules, classes)
}

/// Tables of which rows stay: rows that are not the person's refer to them, or rows that stay themselves.
fn staying(classes: &Classes) -> BTreeSet<NodeId> {
    let mut stays = BTreeSet::new();
    let mut parents: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    let mut open = Vec::new();
    for link in classes.links.iter().filter(|link| link.class.is_some() && !link.is_to_itself()) {
        if link.class == Some(Class::Owned) {
            parents.entry(link.child).or_default().push(link.parent);
        } else {
            open.push(link.parent);
        }
    }
    while let Some(next) = open.pop() {
        if stays.insert(next) {
            open.extend(parents.get(&next).into_iter().flatten());
        }
    }
    stays
}

fn rule(inferred: &Inferred, classes: &Classes, id: NodeId) -> Rule {
    let node = inferred.graph.node(id);
    let is_subject = inferred.subjects.iter().any(|subject| subject.node == id);
    let leading = classes.links.iter().filter(|link| link.child == id && !link.is_to_itself());
    let class = if is_subject { Some(Class::Owned) } else { leading.filter_map(|link| link.class).max() };
    let class = class.unwrap_or(Class::Lookup);
    let mut rule = Rule {
        node: id,
        class,
        is_masked: false,
        columns: Vec::new(),
        plain: Vec::new(),
        open: Vec::new(),
        doubtful: Vec::new(),
        texts: Vec::new(),
    };
    let tied = tied(classes, id, node);
    for column in node.columns.iter().filter(|column| is_name(&column.name)) {
        let look = look(inferred, id, &column.name, personal(&column.name, &column.kind));
        let Some((what, confidence, why)) = look else {
            let is_json = matches!(column.kind.name.as_str(), "json" | "jsonb" | "xml");
            let is_open = is_json || column.kind.name == "text";
            if class.is_followed() && is_open && !tied.contains(column.name.as_str()) {
                rule.texts.push(column.name.clone());
            } else if is_json && !class.is_followed() {
                rule.doubtful.push((column.name.clone(), "may have anything in it, persons as well".to_owned()));
            }
            rule.plain.push(column.name.clone());
            continue;
        };
        if !class.is_followed() {
            let is_asked = personal(&column.name, &column.kind).is_some();
            if is_asked && (strength(what) == Strength::Strong || why != BY_NAME) {
                rule.open.push((column.name.clone(), what));
            } else {
                rule.doubtful.push((column.name.clone(), format!("looks like {what}")));
                rule.plain.push(column.name.clone());
            }
        } else if tied.contains(column.name.as_str()) {
            let why = format!("looks like {what}, and rows are told or referred to by it");
            rule.doubtful.push((column.name.clone(), why));
            rule.plain.push(column.name.clone());
        } else {
            match mask(&inferred.graph, node, column) {
                Ok(mask) => rule.columns.push(Column { name: column.name.clone(), mask, what, confidence, why }),
                Err(obstacle) => {
                    rule.doubtful.push((column.name.clone(), format!("looks like {what}, but {obstacle}")));
                    rule.plain.push(column.name.clone());
                }
            }
        }
    }
    rule
}

/// What a column looks like by its name and by values that were sampled, how sure that is, and why.
fn look(
    inferred: &Inferred,
    id: NodeId,
    column: &str,
    by_name: Option<&'static str>,
) -> Option<(&'static str, Confidence, String)> {
    let sampled = inferred.sampled.iter().find(|sampled| sampled.node == id && sampled.column == column);
    if let Some(sampled) = sampled {
        let share = sampled.share();
        let confidence = if share >= 0.8 { Confidence::High } else { Confidence::Medium };
        return Some((sampled.what, confidence, format!("{:.0} % of sampled values look like it", share * 100.0)));
    }
    let what = by_name?;
    let confidence = if strength(what) == Strength::Strong { Confidence::High } else { Confidence::Low };
    Some((what, confidence, BY_NAME.to_owned()))
}

/// Columns that cannot be masked without losing rows: those of keys, and of references.
fn tied<'a>(classes: &'a Classes, id: NodeId, node: &'a Node) -> BTreeSet<&'a str> {
    let mut tied = BTreeSet::new();
    if let Identity::Key(columns) = &node.identity {
        tied.extend(columns.iter().map(|column| column.name.as_str()));
    }
    for link in &classes.links {
        if link.parent == id && !matches!(link.kind, crate::ReferenceKind::Identifier { .. }) {
            tied.extend(link.key.iter().map(String::as_str));
        }
        if link.child == id
            && matches!(link.kind, crate::ReferenceKind::Columns(_) | crate::ReferenceKind::Polymorphic { .. })
        {
            tied.extend(link.columns().iter().map(String::as_str));
        }
    }
    tied
}

/// Whether PostgreSQL could have such a name; a file may claim others.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 63 && !name.contains('\0')
}

const BY_NAME: &str = "by its name and type";
