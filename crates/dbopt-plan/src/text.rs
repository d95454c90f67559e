//! EXPLAIN's text format.
//!
//! The tree is in the indentation: a child's `->` stands in the column of its parent's properties, and the heading of
//! a sub-plan (`InitPlan 1`, `CTE x`) in that column too with its `->` two further in. Only the order of columns is
//! used, never their width, so that a psql margin, a log's tabs or a trimmed first line do no harm.

use crate::input::{Notes, lines};
use crate::property::{Value, finish_node, set_node, set_plan, set_planning, set_worker};
use crate::text_head::{self, Head};
use crate::text_property::{self, Line, Unclosed};
use crate::tree::kind::NodeKind;
use crate::tree::node::{Node, Relationship, Worker};
use crate::tree::plan::{Jit, Plan};

/// The most workers of one node that are read, which is PostgreSQL's own limit (`MAX_PARALLEL_WORKER_LIMIT`).
const MAX_WORKERS: usize = 1_024;

/// Whether the line is that of a plan node with its numbers, wherever it stands.
pub(crate) fn is_node_line(line: &str) -> bool {
    text_head::parse(line.trim_start().trim_start_matches("->")).is_some_and(|head| head.has_numbers)
}

/// Reads the plans of a text.
pub(crate) fn read(text: &str, notes: &mut Notes<'_>) -> Vec<Plan> {
    let mut reader = Reader { notes, plans: Vec::new(), current: None, query: None, at: 0 };
    for (at, line) in lines(text) {
        if !line.trim().is_empty() {
            reader.at = at + line.len();
        }
        reader.line(at, line);
    }
    reader.end_plan();
    reader.plans
}

struct Reader<'a, 'n> {
    notes: &'a mut Notes<'n>,
    plans: Vec<Plan>,
    current: Option<Current>,
    /// Text and parameters that auto_explain prints before the plan.
    query: Option<Query>,
    /// End of the last line with text.
    at: usize,
}

#[derive(Default)]
struct Query {
    text: String,
    parameters: Option<String>,
}

/// The plan being read.
struct Current {
    plan: Plan,
    /// Open nodes from the root inwards.
    open: Vec<Open>,
    /// The heading of a sub-plan whose first line is still to come.
    heading: Option<(usize, String)>,
    /// Column of the `->` of a node that was left out; what lies deeper is left out too.
    left_out: Option<usize>,
    nodes_left_out: bool,
    worker: Option<(usize, Worker)>,
    section: Section,
    /// The last property, while its quotes are open: literals may hold line breaks.
    pending: Option<Unclosed>,
}

struct Open {
    node: Node,
    /// Column of the node's own properties.
    inner: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Tree,
    Planning,
    Jit,
    Serialization,
    Footer,
}

impl Reader<'_, '_> {
    fn line(&mut self, at: usize, line: &str) {
        let body = line.trim_start();
        let column = line.len() - body.len();
        let body = body.trim_end();
        if self.current.as_mut().is_some_and(|current| current.continue_pending(line)) {
            return;
        }
        if body.is_empty() {
            self.blank();
            return;
        }
        if let Some(rest) = body.strip_prefix("->") {
            if let Some(current) = &mut self.current {
                match text_head::parse(rest) {
                    Some(head) => return current.child(column, head, at, self.notes),
                    None => return self.notes.trailing(at),
                }
            }
        } else if self.is_root(column, body) {
            return self.root(column, body, at);
        }
        // A log entry's first line, or the next plan's query text, ends the plan before it.
        let known =
            self.current.as_mut().is_some_and(|current| current.property(column, body)) || self.before_plan(line, body);
        if !known {
            self.notes.trailing(at);
        }
    }

    fn blank(&mut self) {
        match (&mut self.query, &self.current) {
            (Some(query), None) if query.parameters.is_none() => query.text.push('\n'),
            (_, Some(_)) => self.end_plan(),
            _ => {}
        }
    }

    /// A node's line without `->` opens a plan. Without numbers (`COSTS OFF`) only where a plan is to be expected.
    fn is_root(&self, column: usize, body: &str) -> bool {
        let Some(head) = text_head::parse(body) else { return false };
        match &self.current {
            None => head.has_numbers || (self.query.is_none() && head.is_known),
            Some(current) => {
                head.has_numbers
                    && current.section != Section::Jit
                    && current.open.first().is_none_or(|root| column < root.inner)
            }
        }
    }

    fn root(&mut self, column: usize, body: &str, at: usize) {
        self.end_plan();
        let Some(head) = text_head::parse(body) else { return };
        if !self.notes.may_add_node(0, at) {
            return;
        }
        let mut plan = Plan::new(Node::new(NodeKind::Result));
        if let Some(query) = self.query.take() {
            plan.query_text = Some(query.text.trim_end().to_owned()).filter(|text| !text.is_empty());
            plan.query_parameters = query.parameters;
        }
        self.current = Some(Current {
            plan,
            open: vec![Open { node: head.node, inner: column + 2 }],
            heading: None,
            left_out: None,
            nodes_left_out: false,
            worker: None,
            section: Section::Tree,
            pending: None,
        });
    }

    fn end_plan(&mut self) {
        let Some(current) = self.current.take() else { return };
        let complete = current.pending.is_none() && current.heading.is_none();
        let left_out = current.nodes_left_out;
        let plan = current.finish();
        if !complete || (!left_out && plan.nodes().any(|(_, node)| is_cut(node, &plan))) {
            self.notes.truncated(self.at);
        }
        self.plans.push(plan);
    }

    /// What stands around plans: auto_explain's heading, psql's echo. False when it is not known.
    fn before_plan(&mut self, line: &str, body: &str) -> bool {
        if body.contains("duration: ") && body.ends_with("plan:") {
            self.end_plan();
            self.query = None;
            return true;
        }
        if let Some(text) = body.strip_prefix("Query Text:") {
            self.end_plan();
            self.query = Some(Query { text: text.trim_start().to_owned(), parameters: None });
            return true;
        }
        if self.current.is_none()
            && let Some(query) = &mut self.query
        {
            if let Some(parameters) = body.strip_prefix("Query Parameters:") {
                query.parameters = Some(parameters.trim().to_owned());
                return true;
            }
            let target = query.parameters.as_mut().unwrap_or(&mut query.text);
            target.push('\n');
            target.push_str(line.strip_prefix('\t').unwrap_or(line));
            return true;
        }
        is_chatter(body)
    }
}

impl Current {
    fn child(&mut self, column: usize, head: Head, at: usize, notes: &mut Notes<'_>) {
        self.end_worker();
        self.section = Section::Tree;
        if self.left_out.is_some_and(|above| column > above) {
            return;
        }
        self.left_out = None;
        self.close_to(column);
        let heading = self.heading.take().filter(|(heading, _)| *heading <= column);
        if !notes.may_add_node(self.open.len(), at) {
            self.left_out = Some(column);
            self.nodes_left_out = true;
            return;
        }
        let mut node = head.node;
        if let Some((_, name)) = heading {
            let relationship = if name.starts_with("SubPlan") { Relationship::SubPlan } else { Relationship::InitPlan };
            node.relationship = Some(relationship);
            node.subplan_name = Some(name);
        }
        self.open.push(Open { node, inner: column + 6 });
    }

    /// Closes every node but the root whose properties stand right of the column.
    fn close_to(&mut self, column: usize) {
        while self.open.len() > 1 && self.open.last().is_some_and(|open| open.inner > column) {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(mut open) = self.open.pop() {
            relate_children(&mut open.node);
            finish_node(&mut open.node);
            match self.open.last_mut() {
                Some(parent) => parent.node.children.push(open.node),
                None => self.plan.root = open.node,
            }
        }
    }

    fn finish(mut self) -> Plan {
        if let Some(Unclosed { key, text, .. }) = self.pending.take() {
            self.store(&key, Value::Scalar(text));
        }
        self.end_worker();
        while !self.open.is_empty() {
            self.close();
        }
        self.plan.planning.buffers = self.plan.planning.buffers.filter(|counts| !counts.is_empty());
        self.plan
    }

    fn node(&mut self) -> Option<&mut Node> {
        self.open.last_mut().map(|open| &mut open.node)
    }

    fn end_worker(&mut self) {
        if let Some((_, worker)) = self.worker.take()
            && let Some(node) = self.node()
        {
            // With PostgreSQL up to 12 a worker's lines are not together.
            match node.workers.iter_mut().find(|known| known.number == worker.number) {
                Some(known) if known.usage == crate::tree::usage::Usage::default() => {
                    known.usage = worker.usage;
                    known.extra.extend(worker.extra);
                }
                _ => node.workers.push(worker),
            }
        }
    }

    /// Adds a line to a property whose quotes or brackets are open. False when none is.
    fn continue_pending(&mut self, line: &str) -> bool {
        let Some(mut pending) = self.pending.take() else { return false };
        pending.push("\n");
        // The margin of one space is psql's; a log puts a tab.
        pending.push(line.strip_prefix([' ', '\t']).unwrap_or(line));
        if pending.is_open() && pending.text.len() < text_property::MAX_CONTINUED {
            self.pending = Some(pending);
        } else {
            self.store(&pending.key, Value::Scalar(pending.text));
        }
        true
    }

    fn store(&mut self, key: &str, value: Value) {
        if self.left_out.is_some() {
            return;
        }
        match &mut self.worker {
            Some((_, worker)) => set_worker(worker, key, value),
            None => {
                if let Some(node) = self.node() {
                    set_node(node, key, value);
                }
            }
        }
    }

    /// A line that is neither a node nor empty; false when it is not understood.
    fn property(&mut self, column: usize, body: &str) -> bool {
        if let Some(section) = self.footer(body) {
            self.section = section;
            return true;
        }
        match self.section {
            Section::Tree => self.node_property(column, body),
            Section::Planning => self.planning_property(body),
            Section::Jit => text_property::jit_line(self.plan.jit.get_or_insert_default(), body),
            Section::Serialization => {
                self.plan.extra.push(("Serialization".into(), body.to_owned()));
                true
            }
            Section::Footer => false,
        }
    }

    fn node_property(&mut self, column: usize, body: &str) -> bool {
        if text_property::is_heading(body) {
            self.end_worker();
            if self.left_out.is_none_or(|above| column <= above) {
                self.left_out = None;
                self.close_to(column);
                self.heading = Some((column, body.to_owned()));
            }
            return true;
        }
        if self.worker.as_ref().is_some_and(|(worker, _)| column <= *worker) {
            self.end_worker();
        }
        let mut body = body;
        if let Some((number, rest)) = text_property::worker(body) {
            self.end_worker();
            if self.node().is_some_and(|node| node.workers.len() >= MAX_WORKERS) {
                return false;
            }
            self.worker = Some((column, Worker { number, ..Worker::default() }));
            body = rest;
        }
        let Some(kind) = self.node().map(|node| node.kind.clone()) else { return false };
        match text_property::parse(body, &kind) {
            Line::Properties(properties) => {
                for (key, value) in properties {
                    self.store(key, value);
                }
                true
            }
            Line::Open(unclosed) => {
                self.pending = Some(unclosed);
                true
            }
            Line::Text(key, value) => {
                self.store(&key, value);
                true
            }
            Line::Unknown => false,
        }
    }

    fn planning_property(&mut self, body: &str) -> bool {
        let Line::Properties(properties) = text_property::parse(body, &NodeKind::Result) else { return false };
        for (key, value) in properties {
            if set_planning(&mut self.plan.planning, key, &value).is_none() {
                return false;
            }
        }
        true
    }

    /// Lines after the tree; the section that the line opens or stays in.
    fn footer(&mut self, body: &str) -> Option<Section> {
        let (key, rest) = body.split_once(':').map_or((body, ""), |(key, rest)| (key, rest.trim()));
        let first = rest.split(' ').next().unwrap_or("");
        match key {
            "Planning" if rest.is_empty() => return Some(Section::Planning),
            "JIT" if rest.is_empty() => {
                self.plan.jit = Some(Jit::default());
                return Some(Section::Jit);
            }
            "Planning Time" | "Planning time" => set_plan(&mut self.plan, "Planning Time", Value::text(first)),
            "Execution Time" | "Execution time" | "Total runtime" => {
                set_plan(&mut self.plan, "Execution Time", Value::text(first));
            }
            "Query Identifier" => set_plan(&mut self.plan, "Query Identifier", Value::text(rest)),
            "Settings" => self.plan.settings.extend(text_property::settings(rest)),
            "Serialization" => {
                self.plan.extra.push((key.to_owned(), rest.to_owned()));
                return Some(Section::Serialization);
            }
            _ => {
                let trigger = body.strip_prefix("Trigger ").and_then(text_property::trigger)?;
                self.plan.triggers.push(trigger);
            }
        }
        Some(Section::Footer)
    }
}

/// Whether the node lacks what every complete one has: its numbers, when the root has some, and its inputs.
fn is_cut(node: &Node, plan: &Plan) -> bool {
    let inputs = match node.kind {
        NodeKind::HashJoin | NodeKind::MergeJoin | NodeKind::NestedLoop | NodeKind::RecursiveUnion => 2,
        NodeKind::Aggregate
        | NodeKind::BitmapHeapScan
        | NodeKind::Gather
        | NodeKind::GatherMerge
        | NodeKind::Group
        | NodeKind::Hash
        | NodeKind::IncrementalSort
        | NodeKind::Limit
        | NodeKind::LockRows
        | NodeKind::Materialize
        | NodeKind::Memoize
        | NodeKind::ModifyTable
        | NodeKind::ProjectSet
        | NodeKind::SetOp
        | NodeKind::Sort
        | NodeKind::SubqueryScan
        | NodeKind::Unique
        | NodeKind::WindowAgg => 1,
        _ => 0,
    };
    let has_numbers = |node: &Node| node.total_cost > 0.0 || node.plan_width > 0 || node.actual.is_some();
    node.children.iter().filter(|child| child.subplan_name.is_none()).count() < inputs
        || (plan.root.actual.is_some() && node.actual.is_none())
        || (has_numbers(&plan.root) && !has_numbers(node) && node.plan_rows == 0.0 && node.kind != NodeKind::Result)
}

/// Lines that clients print around plans and that mean nothing.
fn is_chatter(body: &str) -> bool {
    body.starts_with("Time: ")
        || matches!(
            body,
            "EXPLAIN" | "SET" | "BEGIN" | "ROLLBACK" | "COMMIT" | "Timing is on." | "Expanded display is off."
        )
}

/// Tells inputs by their order, as the text format does not name them.
fn relate_children(node: &mut Node) {
    let inputs = node.children.iter().filter(|child| child.subplan_name.is_none()).count();
    let named = |child: &&mut Node| child.subplan_name.is_none();
    for (position, child) in node.children.iter_mut().filter(named).enumerate() {
        let relationship = match node.kind {
            NodeKind::Append | NodeKind::MergeAppend | NodeKind::BitmapAnd | NodeKind::BitmapOr => Relationship::Member,
            NodeKind::ModifyTable if inputs > 1 => Relationship::Member,
            NodeKind::SubqueryScan => Relationship::Subquery,
            NodeKind::CustomScan => Relationship::Child,
            _ => match position {
                0 => Relationship::Outer,
                1 => Relationship::Inner,
                _ => Relationship::Member,
            },
        };
        child.relationship = Some(relationship);
    }
}
