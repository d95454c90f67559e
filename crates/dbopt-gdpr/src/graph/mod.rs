//! The graph of tables: what refers to what, and whose the rows are that do.
//!
//! Nodes are tables with rows of their own; a partition is its partitioned table. Edges are foreign keys and the references
//! that the policy adds. An edge is walked from the row that is referred to, its parent, to the rows that refer, its children; the
//! other way only where the policy says so, because a walk along both soon reaches everybody: in a shop of a million
//! customers, four hops from one lead to thousands of others.

mod build;
mod cover;
mod edge;
mod node;

use dbopt_catalog::Catalog;
use dbopt_finding::Finding;

pub(crate) use build::cast;
pub use edge::{By, Edge, EdgeId, ForeignKey, OnDelete};
pub use node::{Identity, KeyColumn, Node, NodeColumn, NodeId};

use crate::policy::{GdprPolicy, TableName};

/// The tables of a database and what refers to what.
#[derive(Clone, Debug)]
pub struct Graph {
    /// What the database says.
    pub catalog: Catalog,
    /// The tables, in the order of their names.
    pub nodes: Vec<Node>,
    /// What refers to what, in the order of the tables that refer and the columns.
    pub edges: Vec<Edge>,
    /// What of the policy does not fit the database.
    pub findings: Vec<Finding>,
}

impl Graph {
    /// Puts a policy together with what a database says of its tables.
    #[must_use]
    pub fn new(catalog: Catalog, policy: &GdprPolicy) -> Self {
        build::build(catalog, policy)
    }

    /// The table of an id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The edge of an id.
    #[must_use]
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.0]
    }

    /// Looks a table up; a partition is found as the table it is a part of.
    #[must_use]
    pub fn find(&self, table: &TableName) -> Option<NodeId> {
        build::find(&self.catalog, &self.nodes, table)
    }

    /// The edges by which rows refer to a table.
    pub fn edges_to(&self, parent: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.parent == parent)
    }

    /// The edges by which a table refers.
    pub fn edges_from(&self, child: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.child == child)
    }

    /// The edge that says whose a row of a table is, whatever else leads to it: the one that the policy names as `owner`, or in a
    /// table that refers to itself the only other one that makes its rows somebody's.
    #[must_use]
    pub fn owner(&self, table: NodeId, policy: &GdprPolicy) -> Option<EdgeId> {
        let node = self.node(table);
        let named = policy.table(&node.table).map(|rule| &*rule.owner).unwrap_or_default();
        if !named.is_empty() {
            return self.edges_from(table).find(|edge| edge.child_columns == named).map(|edge| edge.id);
        }
        let owns = |edge: &&Edge| edge.class == Some(crate::Class::Owned) && edge.by == By::Columns;
        if !self.edges_from(table).filter(owns).any(Edge::is_to_itself) {
            return None;
        }
        let mut others = self.edges_from(table).filter(owns).filter(|edge| !edge.is_to_itself());
        match (others.next(), others.next()) {
            (Some(only), None) => Some(only.id),
            _ => None,
        }
    }
}
