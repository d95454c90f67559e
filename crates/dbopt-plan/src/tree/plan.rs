//! A plan: the tree and what is printed around it.

use super::node::Node;
use super::usage::{Buffers, IoTimes};

/// One EXPLAINed statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The topmost node.
    pub root: Node,
    /// Time to plan, ms.
    pub planning_ms: Option<f64>,
    /// Time to execute, ms, with triggers and shutdown of the executor.
    pub execution_ms: Option<f64>,
    /// What planning used.
    pub planning: Planning,
    /// Time in triggers.
    pub triggers: Vec<Trigger>,
    /// Just-in-time compilation.
    pub jit: Option<Jit>,
    /// Settings that influence the planner and differ from their defaults (`SETTINGS`), in printed order.
    pub settings: Vec<(String, String)>,
    /// The statement, when auto_explain printed it.
    pub query_text: Option<String>,
    /// Its parameters, when auto_explain printed them (PostgreSQL 16+).
    pub query_parameters: Option<String>,
    /// Hash of the statement, as in pg_stat_statements.
    pub query_id: Option<i64>,
    /// What is not modelled, in printed order; nested values as JSON.
    pub extra: Vec<(String, String)>,
}

/// What planning used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planning {
    /// Blocks touched.
    pub buffers: Option<Buffers>,
    /// Time on blocks.
    pub io: Option<IoTimes>,
    /// Memory used, kB (PostgreSQL 17+).
    pub memory_used_kb: Option<u64>,
    /// Memory allocated, kB (PostgreSQL 17+).
    pub memory_allocated_kb: Option<u64>,
}

/// The calls of one trigger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trigger {
    /// Name of the trigger; the text format leaves it out for a constraint's trigger without VERBOSE.
    pub name: Option<String>,
    /// Name of the constraint it enforces.
    pub constraint: Option<String>,
    /// Table it is on; the text format says it only when there are several.
    pub relation: Option<String>,
    /// Time of all calls, ms; none with `TIMING OFF`.
    pub time_ms: Option<f64>,
    /// Calls.
    pub calls: u64,
}

/// Just-in-time compilation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jit {
    /// Functions compiled.
    pub functions: u64,
    /// Options by name, in printed order.
    pub options: Vec<(String, bool)>,
    /// Generating code, ms.
    pub generation_ms: Option<f64>,
    /// Inlining, ms.
    pub inlining_ms: Option<f64>,
    /// Optimising, ms.
    pub optimization_ms: Option<f64>,
    /// Emitting machine code, ms.
    pub emission_ms: Option<f64>,
    /// All of it, ms.
    pub total_ms: Option<f64>,
}

impl Plan {
    /// A plan of this tree, with nothing around it.
    #[must_use]
    pub fn new(root: Node) -> Self {
        Self {
            root,
            planning_ms: None,
            execution_ms: None,
            planning: Planning::default(),
            triggers: Vec::new(),
            jit: None,
            settings: Vec::new(),
            query_text: None,
            query_parameters: None,
            query_id: None,
            extra: Vec::new(),
        }
    }

    /// The nodes with their depth (0 for the root), each before its children.
    pub fn nodes(&self) -> impl Iterator<Item = (usize, &Node)> {
        let mut open = vec![(0, &self.root)];
        std::iter::from_fn(move || {
            let (depth, node) = open.pop()?;
            open.extend(node.children.iter().rev().map(|child| (depth + 1, child)));
            Some((depth, node))
        })
    }

    /// Estimated total cost.
    #[must_use]
    pub fn total_cost(&self) -> f64 {
        self.root.total_cost
    }

    /// Whether the plan was executed (ANALYZE, or auto_explain with `log_analyze`).
    #[must_use]
    pub fn is_analyzed(&self) -> bool {
        self.root.actual.is_some()
    }

    /// Names of the indexes used, each once, in printed order.
    #[must_use]
    pub fn indexes_used(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.nodes().filter_map(|(_, node)| node.index_name.as_deref()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Tables read or written as (schema, name), each once, in printed order.
    #[must_use]
    pub fn relations(&self) -> Vec<(Option<&str>, &str)> {
        let mut names: Vec<(Option<&str>, &str)> = Vec::new();
        for relation in self.nodes().filter_map(|(_, node)| node.relation.as_ref()) {
            if let Some(name) = relation.name.as_deref() {
                let entry = (relation.schema.as_deref(), name);
                if !names.contains(&entry) {
                    names.push(entry);
                }
            }
        }
        names
    }

    /// The value of a setting printed by `SETTINGS`.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
