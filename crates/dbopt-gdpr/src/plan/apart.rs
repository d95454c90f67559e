//! Which rows may go in transactions of their own, before the others.
//!
//! An erasure that dies between two of them is begun again by looking for the person's rows anew. So what goes first must not be what the
//! others are found by, and nothing that happens in the last transaction may have to happen before. Tables are taken in the order in which
//! they are deleted from; what does not qualify, and the person's own row, is left to the last transaction.

use std::collections::BTreeSet;

use dbopt_finding::Finding;

use super::{Effect, LargeObjects, Statement, StatementKind, TablePlan};
use crate::{
    graph::{Graph, Identity, NodeId},
    policy::{GdprPolicy, ReferenceErase},
};

/// Statements that are carried out in transactions of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apart {
    /// How many, of the first.
    pub statements: usize,
    /// Most rows of one transaction.
    pub rows: usize,
}

/// What a plan has so far.
pub(super) struct Planned<'a> {
    pub(super) graph: &'a Graph,
    pub(super) policy: &'a GdprPolicy,
    /// The table with the person's own row.
    pub(super) root: NodeId,
    pub(super) tables: &'a [TablePlan],
    pub(super) effects: &'a [Effect],
    pub(super) large_objects: &'a [LargeObjects],
}

impl Planned<'_> {
    /// Puts the statements first that may go apart, when there are more rows than may go at once.
    pub(super) fn set_apart(&self, statements: &mut Vec<Statement>, findings: &mut Vec<Finding>) -> Option<Apart> {
        let most = usize::try_from(self.policy.erase.most_rows_at_once?.get()).unwrap_or(usize::MAX);
        let count = |statements: &[Statement]| -> usize {
            statements.iter().flat_map(|statement| &statement.parts).map(|part| part.keys.len()).sum()
        };
        if count(statements) <= most {
            return None;
        }
        let mut gone = BTreeSet::new();
        let (apart, rest): (Vec<Statement>, Vec<Statement>) =
            std::mem::take(statements).into_iter().partition(|statement| {
                let table = self.goes_apart(statement, &gone);
                gone.extend(table);
                table.is_some()
            });
        let (first, last) = (count(&apart), count(&rest));
        let parts: usize = apart.iter().map(|statement| count(std::slice::from_ref(statement)).div_ceil(most)).sum();
        let apart_count = apart.len();
        statements.extend(apart.into_iter().chain(rest));
        if last > most {
            let message =
                format!("the last transaction has {last} rows, more than {most}: these cannot go before the others");
            findings.push(Finding::note("one-transaction", message));
        }
        if apart_count == 0 {
            return None;
        }
        let message =
            format!("{first} rows go in {parts} transactions before the last one, and others see that in between");
        findings.push(Finding::note("in-parts", message));
        Some(Apart { statements: apart_count, rows: most })
    }

    /// The table of a statement that may go apart, after the tables that have gone.
    fn goes_apart(&self, statement: &Statement, gone: &BTreeSet<NodeId>) -> Option<NodeId> {
        let [part] = &*statement.parts else { return None };
        let (graph, table) = (self.graph, part.table);
        let is_touched = |id: NodeId| self.tables.iter().any(|table| table.table == id);
        let leads_nowhere = graph.edges_to(table).all(|edge| {
            let is_of_it = edge.is_declared() || edge.is_followed() || matches!(edge.erase, ReferenceErase::Detach(_));
            !is_of_it || gone.contains(&edge.child) || !is_touched(edge.child)
        });
        let is_alone = statement.kind == StatementKind::Delete
            && statement.is_divisible
            && table != self.root
            && matches!(graph.node(table).identity, Identity::Key(_))
            && leads_nowhere
            && graph.edges_from(table).all(|edge| !edge.parents)
            && self.effects.iter().all(|effect| graph.edge(effect.edge).parent != table)
            && self.large_objects.iter().all(|objects| objects.table != table);
        is_alone.then_some(table)
    }
}
