//! Whose the rows are, by how tables are reached from the persons: a proposal that would rather refuse an erasure than take rows of
//! others along.
//!
//! A table with a reference to a person is the person's by that reference, unless the name says somebody who only did something with the
//! row. Other tables are reached from those, level by level, and a reference that is not the one by which a table was reached says nothing
//! of whose a row is: it is emptied where it may be, and otherwise refuses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dbopt_catalog::{Constraint, ConstraintKind};

use super::{
    Confidence,
    name::stems,
    reference::ReferenceGuess,
    role::{Role, role},
    subject::SubjectGuess,
};
use crate::{
    graph::{EdgeId, Graph, NodeId, OnDelete},
    policy::{Class, Detach, ReferenceErase, ReferenceKind},
};

/// A reference, declared or guessed, and what it is taken to mean.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) child: NodeId,
    pub(super) parent: NodeId,
    /// The columns that are referred to.
    pub(super) key: Vec<String>,
    pub(super) kind: ReferenceKind,
    pub(super) edge: Option<EdgeId>,
    /// Its place among the guesses.
    pub(super) guess: Option<usize>,
    /// None when it does not lead to rows of persons.
    pub(super) class: Option<Class>,
    pub(super) erase: ReferenceErase,
    /// Why it is taken to mean that.
    pub(super) reason: String,
}

/// The references of a database and whose the rows are.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    pub(super) links: Vec<Link>,
    /// How many references lead from a person to a table; only those that are reached.
    pub(super) depth: BTreeMap<NodeId, usize>,
}

impl Link {
    pub(super) fn columns(&self) -> &[String] {
        match &self.kind {
            ReferenceKind::Columns(columns) | ReferenceKind::Polymorphic { columns, .. } => columns,
            ReferenceKind::Json { column, .. }
            | ReferenceKind::Array(column)
            | ReferenceKind::Identifier { column, .. } => std::slice::from_ref(column),
        }
    }

    pub(super) fn is_to_itself(&self) -> bool {
        self.child == self.parent
    }

    /// Whether all its columns may be emptied.
    fn is_nullable(&self, graph: &Graph) -> bool {
        let by_columns = matches!(self.kind, ReferenceKind::Columns(_) | ReferenceKind::Polymorphic { .. });
        let node = graph.node(self.child);
        let is_key = |name: &String| match &node.identity {
            crate::Identity::Key(columns) => columns.iter().any(|column| column.name == *name),
            crate::Identity::Place => false,
        };
        by_columns
            && self.columns().iter().all(|name| {
                node.column(name).is_some_and(|column| !column.not_null && !column.generated) && !is_key(name)
            })
    }

    /// Whether no two rows refer to the same.
    fn is_one_to_one(&self, graph: &Graph) -> bool {
        let node = graph.node(self.child);
        let table = graph.catalog.table(node.id);
        let is_own = |columns: &[String]| columns == self.columns();
        let unique = |constraint: &Constraint| {
            matches!(constraint.kind, ConstraintKind::Primary | ConstraintKind::Unique) && is_own(&constraint.columns)
        };
        table.constraints.iter().any(unique)
            || table.indexes.iter().filter(|index| index.unique && index.predicate.is_none()).any(|index| {
                let columns: Option<Vec<_>> = index.keys.iter().map(|key| key.as_column().map(str::to_owned)).collect();
                columns.is_some_and(|columns| is_own(&columns))
            })
    }

    fn set(&mut self, class: Class, erase: ReferenceErase, reason: &str) {
        (self.class, self.erase, self.reason) = (Some(class), erase, reason.to_owned());
    }

    /// Not by this the row is the person's.
    fn loosen(&mut self, class: Class, graph: &Graph, reason: &str) {
        let erase = if self.is_nullable(graph) { ReferenceErase::Detach(Detach::Null) } else { ReferenceErase::Refuse };
        self.set(class, erase, reason);
    }
}

/// Says of each reference what it means.
pub(super) fn classes(
    graph: &Graph,
    subjects: &[SubjectGuess],
    persons: &BTreeSet<NodeId>,
    references: &[ReferenceGuess],
    minimum: Confidence,
) -> Classes {
    let mut links: Vec<Link> = Vec::new();
    for edge in &graph.edges {
        links.push(link(
            (edge.child, edge.parent),
            &edge.parent_columns,
            ReferenceKind::Columns(edge.child_columns.clone()),
        ));
        links.last_mut().expect("it was just put there").edge = Some(edge.id);
    }
    for (at, guess) in references.iter().enumerate().filter(|(_, guess)| guess.confidence >= minimum) {
        links.push(link(guess.ends, &guess.key, guess.kind.clone()));
        links.last_mut().expect("it was just put there").guess = Some(at);
    }
    let mut from: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    let mut to: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for (at, link) in links.iter().enumerate() {
        from.entry(link.child).or_default().push(at);
        to.entry(link.parent).or_default().push(at);
    }
    let mut depth: BTreeMap<NodeId, usize> = subjects.iter().map(|subject| (subject.node, 0)).collect();
    let mut class: BTreeMap<NodeId, Class> = subjects.iter().map(|subject| (subject.node, Class::Owned)).collect();
    let mut open: VecDeque<NodeId> = subjects.iter().map(|subject| subject.node).collect();
    while let Some(parent) = open.pop_front() {
        let level = depth[&parent];
        let children: BTreeSet<NodeId> = to.get(&parent).into_iter().flatten().map(|at| links[*at].child).collect();
        for child in children.into_iter().filter(|child| *child != parent) {
            if depth.contains_key(&child) {
                continue;
            }
            // All references to tables of this level are looked at together; those to farther ones say nothing.
            let near: Vec<usize> = from[&child]
                .iter()
                .copied()
                .filter(|at| !links[*at].is_to_itself() && depth.get(&links[*at].parent) == Some(&level))
                .collect();
            if persons.contains(&child) && !near.iter().any(|at| links[*at].is_one_to_one(graph)) {
                for at in &near {
                    links[*at].loosen(Class::Foreign, graph, "the row is another person");
                }
            } else if level == 0 {
                direct(graph, &mut links, &near);
            } else {
                // What is the person's says more than what is in part.
                let of = |at: &usize| class.get(&links[*at].parent).copied();
                let best = near.iter().map(of).max().flatten();
                let best: Vec<usize> = near.iter().copied().filter(|at| of(at) == best).collect();
                indirect(graph, &mut links, &best);
            }
            let followed = near.iter().filter_map(|at| links[*at].class).max().filter(|class| class.is_followed());
            if let Some(own) = followed {
                // A row is as much the person's as what it refers to.
                let most = near.iter().filter_map(|at| class.get(&links[*at].parent).copied()).max().unwrap_or(own);
                class.insert(child, own.min(most));
                depth.insert(child, level + 1);
                open.push_back(child);
            }
        }
    }
    for link in &mut links {
        if link.class.is_none() && depth.contains_key(&link.parent) {
            let reason = if link.is_to_itself() {
                "rows of one table, of which each has its own owner"
            } else {
                "whose the row is, is said by another reference"
            };
            link.loosen(Class::Foreign, graph, reason);
        }
    }
    Classes { links, depth }
}

fn link((child, parent): (NodeId, NodeId), key: &[String], kind: ReferenceKind) -> Link {
    Link {
        child,
        parent,
        key: key.to_vec(),
        kind,
        edge: None,
        guess: None,
        class: None,
        erase: ReferenceErase::Refuse,
        reason: String::new(),
    }
}

/// References to persons.
fn direct(graph: &Graph, links: &mut [Link], near: &[usize]) {
    let (many, near): (Vec<usize>, Vec<usize>) =
        near.iter().copied().partition(|at| matches!(links[*at].kind, ReferenceKind::Array(_)));
    for at in many {
        links[at].loosen(Class::Shared, graph, "the row refers to many persons");
    }
    let role_of = |link: &Link| link.columns().last().and_then(|name| role(&stems(name)));
    let of = |wanted: &[Option<Role>]| -> Vec<usize> {
        near.iter().copied().filter(|at| wanted.contains(&role_of(&links[*at]))).collect()
    };
    let plain = of(&[None]);
    let (owners, makers, others, actors) =
        (of(&[Some(Role::Owner)]), of(&[Some(Role::Maker)]), of(&[Some(Role::Other)]), of(&[Some(Role::Actor)]));
    let is_several = |list: &[usize]| list.len() > 1;
    let whose: Vec<usize> = [&*plain, &*owners, &*others].concat();
    let kinds: BTreeSet<NodeId> = whose.iter().map(|at| links[*at].parent).collect();
    if kinds.len() > 1 {
        for at in &whose {
            links[*at].loosen(Class::Shared, graph, "the row refers to persons of several kinds");
        }
        for at in makers.iter().chain(&actors) {
            links[*at].loosen(Class::Foreign, graph, "the person only did something with it");
        }
        return;
    }
    let leading = if !plain.is_empty() { &plain } else { &owners };
    let second = if plain.is_empty() { Vec::new() } else { owners.clone() };
    match (leading.is_empty(), is_several(leading) || (plain.is_empty() && !others.is_empty())) {
        (false, false) => {
            for at in leading {
                links[*at].set(Class::Owned, ReferenceErase::AsTable, "it refers to the person");
            }
        }
        (false, true) => {
            for at in leading {
                links[*at].loosen(Class::Shared, graph, "the row refers to more than one person");
            }
        }
        (true, _) => {
            for at in &makers {
                links[*at].loosen(
                    Class::Shared,
                    graph,
                    "the person made it; whether it is theirs, the name does not say",
                );
            }
        }
    }
    for at in second.iter().chain(&others) {
        let class = if leading.is_empty() { Class::Shared } else { Class::About };
        links[*at].loosen(class, graph, "the person is another one than whose row it is");
    }
    if !leading.is_empty() {
        for at in &makers {
            links[*at].loosen(Class::Foreign, graph, "the person made it, and another reference says whose it is");
        }
    }
    for at in actors {
        links[at].loosen(Class::Foreign, graph, "the person only did something with it");
    }
}

/// References to rows of persons.
fn indirect(graph: &Graph, links: &mut [Link], near: &[usize]) {
    let outlives = |link: &Link| {
        let edge = link.edge.map(|id| graph.edge(id));
        edge.is_some_and(|edge| edge.on_delete() == Some(OnDelete::SetNull)) && link.is_nullable(graph)
    };
    let staying: Vec<usize> = near.iter().copied().filter(|at| outlives(&links[*at])).collect();
    let going: Vec<usize> = near.iter().copied().filter(|at| !staying.contains(at)).collect();
    let cascading: Vec<usize> = going
        .iter()
        .copied()
        .filter(|at| links[*at].edge.is_some_and(|id| graph.edge(id).on_delete() == Some(OnDelete::Cascade)))
        .collect();
    let owning = if let [only] = &*going {
        Some(*only)
    } else if let [only] = &*cascading {
        Some(*only)
    } else {
        None
    };
    for at in &staying {
        links[*at].loosen(Class::Shared, graph, "the foreign key lets the row outlive what it refers to");
    }
    for at in &going {
        if owning == Some(*at) {
            links[*at].set(Class::Owned, ReferenceErase::AsTable, "it is a part of what it refers to");
        } else if owning.is_some() {
            links[*at].loosen(Class::Foreign, graph, "it is a part of something else");
        } else {
            links[*at].loosen(Class::Shared, graph, "it is a part of several things");
        }
    }
}
