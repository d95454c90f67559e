//! In which order tables are deleted from: those that refer before those that are referred to.
//!
//! Tables that refer to each other in a circle have no such order. The circle is opened where a reference can be emptied before, or else
//! where its check can wait for the end of the transaction (which `RESTRICT` never does); what is left goes in one statement,
//! whose checks come after all of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{By, Edge, EdgeId, Graph, Identity, NodeId, OnDelete};

/// An order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// References to be emptied before.
    pub(super) untie: Vec<EdgeId>,
    /// References whose checks are to wait.
    pub(super) defer: Vec<EdgeId>,
    /// Tables, one or several that go together.
    pub(crate) groups: Vec<Vec<NodeId>>,
}

/// Orders some tables. `can_defer` says whether all foreign keys of a reference may be checked at the end.
pub(crate) fn order(graph: &Graph, tables: &BTreeSet<NodeId>, can_defer: impl Fn(&Edge) -> bool) -> Order {
    let is_between = |edge: &&Edge| {
        edge.is_declared() && !edge.is_to_itself() && tables.contains(&edge.child) && tables.contains(&edge.parent)
    };
    let mut edges: Vec<&Edge> = graph.edges.iter().filter(is_between).collect();
    let mut order = Order::default();
    let reached = loop {
        let reached: BTreeMap<NodeId, BTreeSet<NodeId>> = tables.iter().map(|id| (*id, reached(*id, &edges))).collect();
        let is_in_circle = |edge: &&&Edge| reached[&edge.parent].contains(&edge.child);
        let opens = |wanted: &dyn Fn(&Edge) -> bool| {
            edges.iter().filter(is_in_circle).find(|edge| wanted(edge)).map(|edge| edge.id)
        };
        let (list, id) = if let Some(id) = opens(&|edge| !untied(graph, edge).is_empty()) {
            (&mut order.untie, id)
        } else if let Some(id) = opens(&|edge| edge.on_delete() != Some(OnDelete::Restrict) && can_defer(edge)) {
            (&mut order.defer, id)
        } else {
            break reached;
        };
        list.push(id);
        edges.retain(|edge| edge.id != id);
    };
    let mut left = tables.clone();
    // A table's turn is when all that reach it have gone, other than those of its own circle.
    while let Some(first) = left
        .iter()
        .copied()
        .find(|id| left.iter().all(|other| !reached[other].contains(id) || reached[id].contains(other) || other == id))
    {
        let group: Vec<NodeId> = left
            .iter()
            .copied()
            .filter(|other| *other == first || reached[other].contains(&first) && reached[&first].contains(other))
            .collect();
        group.iter().for_each(|id| {
            left.remove(id);
        });
        order.groups.push(group);
    }
    order
}

/// The columns of a reference that can be emptied in rows that go.
pub(super) fn untied(graph: &Graph, edge: &Edge) -> Vec<String> {
    let node = graph.node(edge.child);
    // A row without a key is not found again once it was changed.
    let Identity::Key(key) = &node.identity else { return Vec::new() };
    let can = |name: &&String| {
        edge.by == By::Columns
            && key.iter().all(|column| column.name != **name)
            && node.column(name).is_some_and(|column| !column.not_null && !column.generated)
    };
    edge.child_columns.iter().filter(can).cloned().collect()
}

/// The tables to which references lead from one, by one step or more.
fn reached(from: NodeId, edges: &[&Edge]) -> BTreeSet<NodeId> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(id) = open.pop() {
        for edge in edges.iter().filter(|edge| edge.child == id) {
            if reached.insert(edge.parent) {
                open.push(edge.parent);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of all tables of some DDL; foreign keys named `later…` can wait.
    fn sketch(ddl: &str) -> String {
        let (catalog, findings) = dbopt_catalog::ddl::read("t.sql", ddl);
        assert_eq!(findings, []);
        let policy = dbopt_policy::parse("policy = 'gdpr'\nversion = 1", "g.toml").expect("good").policy;
        let graph = Graph::new(catalog, &policy);
        let tables = (0..graph.nodes.len()).map(NodeId).collect();
        let order = order(&graph, &tables, |edge| edge.foreign_keys.iter().all(|key| key.name.starts_with("later")));
        let edges = |ids: &[EdgeId]| ids.iter().map(|id| graph.edge(*id).to_string()).collect::<Vec<_>>().join(", ");
        let names =
            |group: &Vec<NodeId>| group.iter().map(|id| &*graph.node(*id).table.name).collect::<Vec<_>>().join("+");
        let groups: Vec<String> = order.groups.iter().map(names).collect();
        format!("untie [{}] defer [{}] {}", edges(&order.untie), edges(&order.defer), groups.join(" "))
    }

    #[test]
    fn those_that_refer_go_first() {
        let ddl = "CREATE TABLE a (id int PRIMARY KEY, a_id int REFERENCES a); CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a);
            CREATE TABLE c (a_id int REFERENCES a, b_id int REFERENCES b); CREATE TABLE d (id int);";
        insta::assert_snapshot!(sketch(ddl), @"untie [] defer [] c b a d");
    }

    #[test]
    fn circles_are_opened_where_they_can_be() {
        let two = |one: &str, other: &str| {
            format!(
                "CREATE TABLE a (id int PRIMARY KEY, b_id int {one}); CREATE TABLE b (id int PRIMARY KEY, a_id int {other} REFERENCES a);
                 CREATE TABLE c (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a);
                 ALTER TABLE a ADD CONSTRAINT later FOREIGN KEY (b_id) REFERENCES b"
            )
        };
        insta::assert_snapshot!(sketch(&two("NOT NULL", "")), @"untie [public.b (a_id) → public.a] defer [] c a b");
        insta::assert_snapshot!(sketch(&two("NOT NULL", "NOT NULL")), @"untie [] defer [public.a (b_id) → public.b] b c a");
        insta::assert_snapshot!(sketch(&format!("{} ON DELETE RESTRICT", two("NOT NULL", "NOT NULL"))), @"untie [] defer [] c a+b");
    }
}
