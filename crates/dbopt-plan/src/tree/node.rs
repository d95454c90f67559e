//! One node of a plan.

use std::fmt::Write as _;

use super::condition::{Condition, ConditionKind};
use super::kind::NodeKind;
use super::usage::Usage;

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// EXPLAIN's word for it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// How a node is attached to its parent.
    Relationship {
        /// The first or only input.
        Outer "Outer",
        /// The second input of a join.
        Inner "Inner",
        /// One of several inputs of an Append, a bitmap combination or an older ModifyTable.
        Member "Member",
        /// The plan below a Subquery Scan.
        Subquery "Subquery",
        /// A sub-plan that runs once at most, when its value is first needed, and every CTE.
        InitPlan "InitPlan",
        /// A sub-plan that runs for each row of its parent, or is hashed once.
        SubPlan "SubPlan",
        /// An input of an extension's node.
        Child "child",
    }
}

words! {
    /// Which rows a join returns.
    JoinType {
        /// Pairs.
        Inner "Inner",
        /// Pairs, and outer rows without a partner.
        Left "Left",
        /// Pairs, and inner rows without a partner.
        Right "Right",
        /// Pairs, and rows of both sides without a partner.
        Full "Full",
        /// Outer rows with a partner.
        Semi "Semi",
        /// Outer rows without a partner.
        Anti "Anti",
        /// Inner rows with a partner.
        RightSemi "Right Semi",
        /// Inner rows without a partner.
        RightAnti "Right Anti",
    }
}

words! {
    /// How an Aggregate or SetOp groups its rows.
    Strategy {
        /// One group.
        Plain "Plain",
        /// Sorted input.
        Sorted "Sorted",
        /// A hash table.
        Hashed "Hashed",
        /// Some grouping sets hashed, others sorted.
        Mixed "Mixed",
    }
}

words! {
    /// Which part of a parallel aggregation a node does.
    PartialMode {
        /// All of it.
        Simple "Simple",
        /// The part in each worker.
        Partial "Partial",
        /// The combination of the parts.
        Finalize "Finalize",
    }
}

words! {
    /// What a ModifyTable or Foreign Scan does to its table.
    Operation {
        /// Reads.
        Select "Select",
        /// Inserts.
        Insert "Insert",
        /// Updates.
        Update "Update",
        /// Deletes.
        Delete "Delete",
        /// Merges.
        Merge "Merge",
    }
}

words! {
    /// In which direction an index is read.
    Direction {
        /// In the index's order.
        Forward "Forward",
        /// Against it.
        Backward "Backward",
        /// Not at all.
        NoMovement "NoMovement",
    }
}

/// What was measured by EXPLAIN ANALYZE. Times and rows are averages over loops; loops count those of all processes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Actual {
    /// Time to the first row, ms, average of a loop. None with `TIMING OFF` and for nodes never executed.
    pub startup_ms: Option<f64>,
    /// Time to the last row, ms, average of a loop. None with `TIMING OFF` and for nodes never executed.
    pub total_ms: Option<f64>,
    /// Rows returned, average of a loop. PostgreSQL up to 17 rounds it to a whole number.
    pub rows: f64,
    /// Executions over all processes; 0 for a node never executed.
    pub loops: u64,
}

/// The table a node reads or writes. A function, CTE or VALUES list has only an alias here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// Schema, printed with VERBOSE only.
    pub schema: Option<String>,
    /// Name of a table; none for what is not one.
    pub name: Option<String>,
    /// Alias in the query; the name itself when there is no other.
    pub alias: Option<String>,
}

/// One worker's part of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worker {
    /// Number, from 0.
    pub number: u32,
    /// What was measured in it (with VERBOSE).
    pub actual: Option<Actual>,
    /// What it used.
    pub usage: Usage,
    /// What is not modelled, in printed order.
    pub extra: Vec<(String, String)>,
}

/// One node of a plan, with its inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it does.
    pub kind: NodeKind,
    /// How it is attached to its parent; none for a root.
    pub relationship: Option<Relationship>,
    /// Heading of a sub-plan as printed: `InitPlan 1 (returns $0)`, `SubPlan 2`, `CTE recent`.
    pub subplan_name: Option<String>,
    /// Whether processes share its work (`Parallel Seq Scan`).
    pub parallel_aware: bool,
    /// Whether an Append may run it asynchronously.
    pub async_capable: bool,
    /// Whether it is used although an `enable_` setting turns it off (PostgreSQL 18+).
    pub disabled: bool,
    /// Join type of a join.
    pub join_type: Option<JoinType>,
    /// Whether each outer row has one inner partner at most. The text format says it with VERBOSE only.
    pub inner_unique: bool,
    /// Strategy of an Aggregate or SetOp.
    pub strategy: Option<Strategy>,
    /// Part of a parallel aggregation.
    pub partial_mode: Option<PartialMode>,
    /// Operation of a ModifyTable or Foreign Scan.
    pub operation: Option<Operation>,
    /// Command of a SetOp, such as `Except All`.
    pub command: Option<String>,
    /// Table read or written.
    pub relation: Option<Relation>,
    /// Index used, without schema.
    pub index_name: Option<String>,
    /// Direction of an index scan.
    pub scan_direction: Option<Direction>,
    /// Name of the CTE that a CTE Scan or WorkTable Scan reads.
    pub cte_name: Option<String>,
    /// Name of the function that a Function Scan calls.
    pub function_name: Option<String>,
    /// Provider of a Custom Scan.
    pub provider: Option<String>,
    /// Estimated cost to the first row; 0 with `COSTS OFF`.
    pub startup_cost: f64,
    /// Estimated cost to the last row; 0 with `COSTS OFF`.
    pub total_cost: f64,
    /// Estimated rows of one execution; below a Gather, of one process.
    pub plan_rows: f64,
    /// Estimated average row width, bytes.
    pub plan_width: u32,
    /// What was measured; none without ANALYZE.
    pub actual: Option<Actual>,
    /// Conditions, in printed order.
    pub conditions: Vec<Condition>,
    /// Rows that the filter threw away, average of a loop, rounded by PostgreSQL.
    pub rows_removed_by_filter: f64,
    /// Joined rows that the join filter threw away, average of a loop.
    pub rows_removed_by_join_filter: f64,
    /// Rows that the recheck of an index condition threw away, average of a loop.
    pub rows_removed_by_recheck: f64,
    /// Output columns (VERBOSE).
    pub output: Vec<String>,
    /// Sort keys.
    pub sort_key: Vec<String>,
    /// Leading sort keys that the input has already.
    pub presorted_key: Vec<String>,
    /// Grouping keys.
    pub group_key: Vec<String>,
    /// Grouping sets, in printed order.
    pub grouping_sets: Vec<Vec<String>>,
    /// Key of a Memoize.
    pub cache_key: Option<String>,
    /// Workers that the planner asked for.
    pub workers_planned: Option<u32>,
    /// Workers that there were.
    pub workers_launched: Option<u32>,
    /// Partitions that were pruned when execution started.
    pub subplans_removed: u64,
    /// What was used.
    pub usage: Usage,
    /// Details of workers.
    pub workers: Vec<Worker>,
    /// What is not modelled, in printed order; nested values as JSON.
    pub extra: Vec<(String, String)>,
    /// Inputs and sub-plans, in printed order.
    pub children: Vec<Node>,
}

impl Node {
    /// A node of a kind, with nothing known about it.
    #[must_use]
    pub fn new(kind: NodeKind) -> Self {
        Self {
            kind,
            relationship: None,
            subplan_name: None,
            parallel_aware: false,
            async_capable: false,
            disabled: false,
            join_type: None,
            inner_unique: false,
            strategy: None,
            partial_mode: None,
            operation: None,
            command: None,
            relation: None,
            index_name: None,
            scan_direction: None,
            cte_name: None,
            function_name: None,
            provider: None,
            startup_cost: 0.0,
            total_cost: 0.0,
            plan_rows: 0.0,
            plan_width: 0,
            actual: None,
            conditions: Vec::new(),
            rows_removed_by_filter: 0.0,
            rows_removed_by_join_filter: 0.0,
            rows_removed_by_recheck: 0.0,
            output: Vec::new(),
            sort_key: Vec::new(),
            presorted_key: Vec::new(),
            group_key: Vec::new(),
            grouping_sets: Vec::new(),
            cache_key: None,
            workers_planned: None,
            workers_launched: None,
            subplans_removed: 0,
            usage: Usage::default(),
            workers: Vec::new(),
            extra: Vec::new(),
            children: Vec::new(),
        }
    }

    /// The first condition of a kind.
    #[must_use]
    pub fn condition(&self, kind: ConditionKind) -> Option<&str> {
        self.conditions.iter().find(|condition| condition.kind == kind).map(|condition| condition.text.as_str())
    }

    /// Executions over all processes: those measured, or 1 without ANALYZE.
    #[must_use]
    pub fn loops(&self) -> u64 {
        self.actual.map_or(1, |actual| actual.loops)
    }

    /// Whether ANALYZE ran and never came to this node.
    #[must_use]
    pub fn never_executed(&self) -> bool {
        self.actual.is_some_and(|actual| actual.loops == 0)
    }

    /// The input of this relationship.
    #[must_use]
    pub fn input(&self, relationship: Relationship) -> Option<&Self> {
        self.children.iter().find(|child| child.relationship == Some(relationship))
    }

    /// The node in the words of EXPLAIN's text format, such as `Index Scan Backward using i on shop.orders o`.
    #[must_use]
    pub fn label(&self) -> String {
        let mut label = String::new();
        if self.parallel_aware {
            label.push_str("Parallel ");
        }
        if self.async_capable {
            label.push_str("Async ");
        }
        if let Some(mode) = self.partial_mode.filter(|mode| *mode != PartialMode::Simple) {
            label.push_str(mode.name());
            label.push(' ');
        }
        label.push_str(&self.kind_label());
        if self.scan_direction == Some(Direction::Backward) {
            label.push_str(" Backward");
        }
        if let Some(index) = &self.index_name {
            label.push_str(if self.kind == NodeKind::BitmapIndexScan { " on " } else { " using " });
            label.push_str(&quoted(index));
        }
        if let Some(target) = self.target_label() {
            label.push_str(" on ");
            label.push_str(&target);
        }
        label
    }

    fn kind_label(&self) -> String {
        match (&self.kind, self.join_type, self.strategy, self.operation) {
            (NodeKind::NestedLoop, None | Some(JoinType::Inner), ..) => "Nested Loop".into(),
            (NodeKind::NestedLoop, Some(join), ..) => format!("Nested Loop {} Join", join.name()),
            (NodeKind::HashJoin, Some(join), ..) if join != JoinType::Inner => format!("Hash {} Join", join.name()),
            (NodeKind::MergeJoin, Some(join), ..) if join != JoinType::Inner => format!("Merge {} Join", join.name()),
            (NodeKind::Aggregate, _, Some(Strategy::Sorted), _) => "GroupAggregate".into(),
            (NodeKind::Aggregate, _, Some(Strategy::Hashed), _) => "HashAggregate".into(),
            (NodeKind::Aggregate, _, Some(Strategy::Mixed), _) => "MixedAggregate".into(),
            (NodeKind::SetOp, _, strategy, _) => {
                let mut label = String::from(if strategy == Some(Strategy::Hashed) { "HashSetOp" } else { "SetOp" });
                if let Some(command) = &self.command {
                    let _ = write!(label, " {command}");
                }
                label
            }
            (NodeKind::ModifyTable, _, _, Some(operation)) => operation.name().into(),
            (NodeKind::ForeignScan, _, _, Some(operation)) if operation != Operation::Select => {
                format!("Foreign {}", operation.name())
            }
            (NodeKind::CustomScan, ..) => {
                self.provider.as_ref().map_or_else(|| "Custom Scan".into(), |name| format!("Custom Scan ({name})"))
            }
            (kind, ..) => kind.name().into(),
        }
    }

    fn target_label(&self) -> Option<String> {
        let relation = self.relation.clone().unwrap_or_default();
        let name = relation.name.as_ref().or(self.cte_name.as_ref()).or(self.function_name.as_ref());
        let mut label = String::new();
        if let Some(name) = name {
            if let Some(schema) = &relation.schema {
                let _ = write!(label, "{}.", quoted(schema));
            }
            label.push_str(&quoted(name));
        }
        if let Some(alias) = relation.alias.filter(|alias| Some(alias) != name) {
            if !label.is_empty() {
                label.push(' ');
            }
            label.push_str(&quoted(&alias));
        }
        (!label.is_empty()).then_some(label)
    }
}

/// The identifier, quoted when it would not be read back as it is. Keywords are left as they are: this is for reading.
fn quoted(name: &str) -> String {
    let plain =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte >= 128)
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.is_empty();
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
