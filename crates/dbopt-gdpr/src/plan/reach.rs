//! What the server would do along: rows that refer to rows that go.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_finding::Finding;
use futures_util::future::try_join_all;
use tokio_postgres::Transaction;

use super::{
    Effect, Whose,
    fate::{Change, Fate, Fates},
};
use crate::{
    graph::{By, Edge, EdgeId, Graph, NodeId, OnDelete},
    policy::{ColumnErase, GdprPolicy, ReferenceErase},
    walk::{Error, Key, KeyArrays, MOST_KEYS, ask, children},
};

/// What is known of who refers to rows that go.
pub(super) struct Reach<'a, 'b> {
    pub(super) transaction: &'a Transaction<'b>,
    pub(super) graph: &'a Graph,
    pub(super) policy: &'a GdprPolicy,
    pub(super) has_utf8: bool,
    counts: BTreeMap<(EdgeId, Whose, bool), usize>,
    /// Rows of others that would go along, not to count one twice.
    cascaded: BTreeSet<(NodeId, Key)>,
}

impl<'a, 'b> Reach<'a, 'b> {
    pub(super) fn new(
        transaction: &'a Transaction<'b>,
        graph: &'a Graph,
        policy: &'a GdprPolicy,
        has_utf8: bool,
    ) -> Self {
        Self { transaction, graph, policy, has_utf8, counts: BTreeMap::new(), cascaded: BTreeSet::new() }
    }

    /// Follows what goes until nothing more goes along, adds to the fates what the policy says of rows of others, and gives all effects.
    pub(super) async fn effects(
        mut self,
        fates: &mut Fates,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<Effect>, Error> {
        let goes = |(id, rows): (&NodeId, &BTreeMap<Key, Fate>)| {
            (
                *id,
                rows.iter().filter(|(_, fate)| **fate == Fate::Delete).map(|(key, _)| key.clone()).collect::<Vec<_>>(),
            )
        };
        // Each with whether it goes by this plan, or would go by a cascade.
        let mut open: Vec<(NodeId, Vec<Key>, bool)> =
            fates.iter().map(goes).map(|(id, keys)| (id, keys, true)).collect();
        while let Some((table, keys, is_own)) = open.pop() {
            let graph = self.graph;
            let edges: Vec<&Edge> = graph.edges_to(table).filter(|edge| matters(edge)).collect();
            let referring = try_join_all(edges.iter().map(|edge| self.referring(edge, &keys))).await?;
            for (edge, referring) in edges.into_iter().zip(referring) {
                let mut along = Vec::new();
                let mut cascaded = Vec::new();
                for key in referring {
                    match fates.get(&edge.child).and_then(|rows| rows.get(&key)) {
                        Some(Fate::Delete) => {}
                        Some(Fate::Along) if is_own => along.push(key),
                        Some(Fate::Change(change)) if self.is_let_go(edge, change) => {}
                        Some(_) if edge.is_declared() => self.count(edge, Whose::Kept, false),
                        Some(_) => {}
                        None => match &edge.erase {
                            ReferenceErase::Detach(_) if is_own => {
                                self.count(edge, Whose::Others, true);
                                let change = Change { detach: [edge.id].into(), ..Change::default() };
                                fates.entry(edge.child).or_default().insert(key, Fate::Change(change));
                            }
                            _ if edge.is_declared() && self.cascaded.insert((edge.child, key.clone())) => {
                                self.count(edge, Whose::Others, false);
                                if edge.on_delete() == Some(OnDelete::Cascade) {
                                    cascaded.push(key);
                                }
                            }
                            _ => {}
                        },
                    }
                }
                for key in &along {
                    fates.entry(edge.child).or_default().insert(key.clone(), Fate::Delete);
                }
                open.extend(
                    [(edge.child, along, true), (edge.child, cascaded, false)]
                        .into_iter()
                        .filter(|(_, keys, _)| !keys.is_empty()),
                );
            }
        }
        // A row of others may refer by several references that are let go.
        self.merge(fates).await?;
        Ok(self.finish(findings))
    }

    /// Rows of others that are changed for one reference and refer by another that is let go, too.
    async fn merge(&self, fates: &mut Fates) -> Result<(), Error> {
        let detaching: Vec<&Edge> = self
            .graph
            .edges
            .iter()
            .filter(|edge| !edge.is_followed() && matches!(edge.erase, ReferenceErase::Detach(_)))
            .collect();
        for edge in detaching {
            let goes: Vec<Key> = fates
                .get(&edge.parent)
                .into_iter()
                .flatten()
                .filter(|(_, fate)| **fate == Fate::Delete)
                .map(|(key, _)| key.clone())
                .collect();
            if goes.is_empty() || !fates.contains_key(&edge.child) {
                continue;
            }
            for key in self.referring(edge, &goes).await? {
                if let Some(Fate::Change(change)) = fates.get_mut(&edge.child).and_then(|rows| rows.get_mut(&key)) {
                    change.detach.insert(edge.id);
                }
            }
        }
        Ok(())
    }

    async fn referring(&self, edge: &Edge, keys: &[Key]) -> Result<BTreeSet<Key>, Error> {
        let sql = children(self.graph, edge, &[], self.has_utf8);
        let width = self.graph.node(edge.child).identity.width();
        let mut found = BTreeSet::new();
        for chunk in keys.chunks(MOST_KEYS) {
            let rows = ask(self.transaction, &sql, &KeyArrays::of(chunk), || format!("`{edge}`")).await?;
            found
                .extend(rows.iter().map(|row| (0..width).map(|at| Box::from(row.get::<_, &str>(at))).collect::<Key>()));
        }
        Ok(found)
    }

    /// Whether a change empties the reference before what it refers to goes.
    fn is_let_go(&self, edge: &Edge, change: &Change) -> bool {
        if change.detach.contains(&edge.id) {
            return true;
        }
        let Some(rule) = self.policy.table(&self.graph.node(edge.child).table).filter(|_| change.mask) else {
            return false;
        };
        // With one of its columns NULL, a foreign key refers to nothing (`MATCH SIMPLE`).
        edge.child_columns.iter().any(|name| {
            let is_null =
                |(column, rule): &(String, crate::ColumnRule)| column == name && rule.erase == ColumnErase::Null;
            !change.except.contains(name) && rule.columns.iter().any(is_null)
        })
    }

    fn count(&mut self, edge: &Edge, whose: Whose, is_planned: bool) {
        *self.counts.entry((edge.id, whose, is_planned)).or_default() += 1;
    }

    fn finish(self, findings: &mut Vec<Finding>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for ((id, whose, is_planned), rows) in self.counts {
            let edge = self.graph.edge(id);
            let action = edge.on_delete().unwrap_or(OnDelete::NoAction);
            effects.push(Effect { edge: id, action, rows, whose, is_planned });
            if is_planned {
                continue;
            }
            let does = match action {
                OnDelete::Cascade => "would be deleted along",
                OnDelete::SetNull | OnDelete::SetDefault => "would be changed along",
                OnDelete::NoAction | OnDelete::Restrict => "stand in the way",
            };
            let finding = match whose {
                Whose::Others => {
                    let message = format!(
                        "{rows} rows of others {does}: they refer by `{edge}` ({}) to rows that go",
                        action.name()
                    );
                    Finding::error("effect-on-others", message).help(
                        "Say by `erase` of the reference what becomes of them, or mask the rows that they refer to instead of deleting them.",
                    )
                }
                Whose::Kept => {
                    let message = format!(
                        "{rows} rows that are to be kept {does}: they refer by `{edge}` ({}) to rows that go",
                        action.name()
                    );
                    let help = "Mask the rows that they refer to instead of deleting them.";
                    match action {
                        OnDelete::SetNull | OnDelete::SetDefault => {
                            Finding::warning("effect-on-kept", message).help(help)
                        }
                        _ => Finding::error("effect-on-kept", message).help(help),
                    }
                }
            };
            findings.push(finding);
        }
        effects
    }
}

/// Whether a reference to rows that go has to be looked at.
fn matters(edge: &Edge) -> bool {
    edge.is_declared()
        || matches!(edge.erase, ReferenceErase::Detach(_)) && matches!(edge.by, By::Columns | By::Type { .. })
}
