//! The arithmetic on a plan: whose time, cost, rows and blocks they are.
//!
//! EXPLAIN prints a node's time as the average of its loops, and including its inputs. What one wants to know is the
//! time spent in the node itself, out of the time somebody waited:
//!
//! - **inclusive** = `total_ms × loops / processes`. Below a Gather, loops count those of all processes, which ran at
//!   the same time; dividing by their number gives the wall-clock time of an average process. The number is measured:
//!   the loops of the Gather's input by those of the Gather itself (the leader may or may not take part, and fewer
//!   workers may have come than were planned).
//! - **exclusive** = inclusive − inclusive of the inputs and sub-plans.
//! - An **InitPlan** hangs under the topmost node of its query, but runs inside the node that first needs its value, so
//!   it is charged to the deepest node that mentions it (`$0`, `(InitPlan 1).col1`).
//! - A **CTE** runs inside the CTE Scans that read it. The first to come pays; which one that was is not printed, so
//!   the reader with the most time of its own pays first. A CTE that nobody reads (a data-modifying one) runs after
//!   the plan and is charged to no node.
//!
//! Blocks are totals over loops and processes already and only need the subtraction. Costs of a plain EXPLAIN are per
//! execution; the estimated executions of a nested loop's inner side are its outer rows, and inputs that are not read
//! to their end (LIMIT) count with what their parent has left of them. All results are zero or more: printed averages
//! are rounded and clocks are read at different moments. What had to be cut off is kept in [`Account::overrun_ms`].
//!
//! Source: `InstrEndLoop` and `ExplainNode` in PostgreSQL, and
//! <https://www.postgresql.org/docs/current/using-explain.html#USING-EXPLAIN-ANALYZE>.

use crate::tree::kind::NodeKind;
use crate::tree::node::{JoinType, Node, Relationship, Strategy};
use crate::tree::plan::Plan;
use crate::tree::usage::Buffers;

/// In which direction an estimate is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EstimateDirection {
    /// There were more rows than estimated.
    Under,
    /// There were fewer rows than estimated.
    Over,
}

/// By how much the estimated rows of a node differ from those it returned, per loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Misestimate {
    /// The larger by the smaller, each at least one row; 1 when they agree.
    pub factor: f64,
    /// Which one was the larger.
    pub direction: EstimateDirection,
    /// Whether the node ran to its end each time, so that the comparison is fair: not below a LIMIT or an EXISTS, not
    /// an input of a merge join that ended early or was read again.
    pub fair: bool,
}

/// What one node is answerable for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Account {
    /// Depth in the tree; 0 for the root.
    pub depth: usize,
    /// Position of the parent.
    pub parent: Option<usize>,
    /// Processes that shared the work, on average.
    pub processes: f64,
    /// Wall-clock time with inputs, ms; none without ANALYZE and timing.
    pub inclusive_ms: Option<f64>,
    /// Wall-clock time in the node itself, ms.
    pub exclusive_ms: Option<f64>,
    /// By how much the inputs' printed times exceed the node's, beyond what rounding explains, ms.
    pub overrun_ms: f64,
    /// Estimated cost with inputs, as part of the root's.
    pub inclusive_cost: f64,
    /// Estimated cost of the node itself.
    pub exclusive_cost: f64,
    /// The node's own share of the plan's time, or of its cost when there is no time; from 0 to 1.
    pub share: f64,
    /// Rows returned over all loops.
    pub rows: Option<f64>,
    /// How far off the estimate was.
    pub misestimate: Option<Misestimate>,
    /// Blocks touched by the node itself.
    pub exclusive_buffers: Option<Buffers>,
}

/// The accounts of all nodes of a plan, each node before its children.
#[derive(Clone, Debug)]
pub struct Accounts<'a> {
    nodes: Vec<&'a Node>,
    accounts: Vec<Account>,
    ends: Vec<usize>,
    total_ms: Option<f64>,
}

impl Plan {
    /// Does the arithmetic.
    #[must_use]
    pub fn accounts(&self) -> Accounts<'_> {
        let mut book = Book::open(self);
        book.charge_subplans();
        book.settle();
        book.costs();
        book.misestimates();
        let total_ms = book.total_ms(self);
        for account in &mut book.accounts {
            account.share = match (account.exclusive_ms, total_ms) {
                (Some(own), Some(total)) => ratio(own, total),
                _ => ratio(account.exclusive_cost, self.root.total_cost),
            };
        }
        Accounts { nodes: book.nodes, accounts: book.accounts, ends: book.ends, total_ms }
    }
}

impl<'a> Accounts<'a> {
    /// Positions, nodes and accounts in printed order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'a Node, &Account)> {
        self.nodes.iter().zip(&self.accounts).enumerate().map(|(at, (node, account))| (at, *node, account))
    }

    /// The node at a position.
    #[must_use]
    pub fn node(&self, at: usize) -> &'a Node {
        self.nodes[at]
    }

    /// The account of the node at a position.
    #[must_use]
    pub fn account(&self, at: usize) -> &Account {
        &self.accounts[at]
    }

    /// Positions of a node's children.
    pub fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        (at + 1..self.ends[at]).filter(move |child| self.accounts[*child].parent == Some(at))
    }

    /// Time of the whole statement, ms: what was printed as execution time, or else the root's.
    #[must_use]
    pub fn total_ms(&self) -> Option<f64> {
        self.total_ms
    }
}

struct Book<'a> {
    nodes: Vec<&'a Node>,
    accounts: Vec<Account>,
    /// Position after the last node of each node's subtree.
    ends: Vec<usize>,
}

impl<'a> Book<'a> {
    fn open(plan: &'a Plan) -> Self {
        let mut nodes: Vec<&Node> = Vec::new();
        let mut accounts: Vec<Account> = Vec::new();
        let mut path: Vec<usize> = Vec::new();
        for (depth, node) in plan.nodes() {
            path.truncate(depth);
            let parent = path.last().copied();
            let processes = parent.map_or(1.0, |at| processes(nodes[at], accounts[at].processes, node));
            let actual = node.actual;
            let loops = actual.map_or(0.0, |actual| actual.loops as f64);
            let timed = actual.filter(|actual| actual.total_ms.is_some() || actual.loops == 0);
            let inclusive = timed.map(|actual| actual.total_ms.unwrap_or(0.0) * loops / processes);
            path.push(nodes.len());
            nodes.push(node);
            accounts.push(Account {
                depth,
                parent,
                processes,
                inclusive_ms: inclusive,
                exclusive_ms: inclusive,
                overrun_ms: 0.0,
                inclusive_cost: 0.0,
                exclusive_cost: 0.0,
                share: 0.0,
                rows: actual.map(|actual| actual.rows * loops),
                misestimate: None,
                exclusive_buffers: node.usage.buffers,
            });
        }
        let mut ends: Vec<usize> = (1..=nodes.len()).collect();
        for at in (0..nodes.len()).rev() {
            if let Some(parent) = accounts[at].parent {
                ends[parent] = ends[parent].max(ends[at]);
            }
        }
        let mut book = Self { nodes, accounts, ends };
        for at in 1..book.nodes.len() {
            if let Some(parent) = book.accounts[at].parent
                && book.nodes[at].relationship != Some(Relationship::InitPlan)
            {
                book.charge(parent, at);
            }
        }
        book
    }

    /// Takes the node's inclusive time and blocks off a payer's own.
    fn charge(&mut self, payer: usize, at: usize) {
        let (time, blocks) = (self.accounts[at].inclusive_ms, self.nodes[at].usage.buffers);
        let account = &mut self.accounts[payer];
        account.exclusive_ms = account.exclusive_ms.map(|own| own - time.unwrap_or(0.0));
        account.exclusive_buffers = account.exclusive_buffers.map(|own| own.minus(blocks.unwrap_or_default()));
    }

    fn charge_subplans(&mut self) {
        for at in 1..self.nodes.len() {
            let (Some(parent), Some(Relationship::InitPlan)) = (self.accounts[at].parent, self.nodes[at].relationship)
            else {
                continue;
            };
            let name = self.nodes[at].subplan_name.as_deref().unwrap_or("");
            match name.strip_prefix("CTE ") {
                Some(cte) => self.charge_cte(at, parent, cte),
                None => {
                    let payer = self.payer_of(at, parent, name);
                    self.charge(payer, at);
                }
            }
        }
    }

    fn charge_cte(&mut self, at: usize, parent: usize, cte: &str) {
        let mut readers: Vec<usize> = (parent..self.ends[parent])
            .filter(|reader| {
                let node = self.nodes[*reader];
                node.kind == NodeKind::CteScan && node.cte_name.as_deref() == Some(cte)
            })
            .filter(|reader| self.definer(*reader, cte) == Some(parent))
            .collect();
        let own = |book: &Self, reader: usize| book.accounts[reader].exclusive_ms.unwrap_or(0.0);
        readers.sort_by(|a, b| own(self, *b).total_cmp(&own(self, *a)));
        let mut time = self.accounts[at].inclusive_ms.unwrap_or(0.0);
        let mut blocks = self.nodes[at].usage.buffers.unwrap_or_default();
        for reader in readers.iter().copied() {
            let account = &mut self.accounts[reader];
            if let Some(own) = &mut account.exclusive_ms {
                let paid = time.min(own.max(0.0));
                *own -= paid;
                time -= paid;
            }
            if let Some(own) = &mut account.exclusive_buffers {
                (*own, blocks) = (own.minus(blocks), blocks.minus(*own));
            }
        }
        // What no reader could pay is the first one's, and shows as its overrun.
        if let Some(own) = readers.first().and_then(|reader| self.accounts[*reader].exclusive_ms.as_mut()) {
            *own -= time;
        }
    }

    /// The node under which the CTE that a scan reads was defined: the nearest, for inner names hide outer ones.
    fn definer(&self, reader: usize, cte: &str) -> Option<usize> {
        let mut at = Some(reader);
        while let Some(node) = at {
            let defines = self.nodes[node]
                .children
                .iter()
                .any(|child| child.subplan_name.as_deref().and_then(|name| name.strip_prefix("CTE ")) == Some(cte));
            if defines {
                return Some(node);
            }
            at = self.accounts[node].parent;
        }
        None
    }

    /// The node inside which an InitPlan ran.
    fn payer_of(&self, at: usize, parent: usize, name: &str) -> usize {
        let marks = marks(name);
        let cost = self.accounts[at].inclusive_ms.unwrap_or(0.0);
        let mut users: Vec<usize> = (parent..self.ends[parent])
            .filter(|user| !(at..self.ends[at]).contains(user))
            .filter(|user| !self.nodes[*user].never_executed() && mentions(self.nodes[*user], &marks))
            .collect();
        users.sort_by_key(|user| std::cmp::Reverse(self.accounts[*user].depth));
        // A Gather computes the values that its workers need before it starts them.
        let gather = users.iter().copied().find(|user| self.nodes[*user].kind.is_gather());
        let affords = |user: &usize| {
            self.accounts[*user].exclusive_ms.is_none_or(|own| own + rounding(self.nodes[*user]) >= cost)
        };
        gather.or_else(|| users.into_iter().find(affords)).unwrap_or(parent)
    }

    /// Cuts negative times off.
    fn settle(&mut self) {
        for at in 0..self.nodes.len() {
            let node = self.nodes[at];
            let slack: f64 = rounding(node) + node.children.iter().map(rounding).sum::<f64>();
            let account = &mut self.accounts[at];
            if let Some(own) = account.exclusive_ms.as_mut().filter(|own| **own < 0.0) {
                if -*own > slack {
                    account.overrun_ms = -*own;
                }
                *own = 0.0;
            }
        }
    }

    fn total_ms(&self, plan: &Plan) -> Option<f64> {
        let root = self.accounts[0].inclusive_ms?;
        Some(plan.execution_ms.map_or(root, |total| total.max(root)))
    }

    /// Distributes the root's cost downwards.
    fn costs(&mut self) {
        self.accounts[0].inclusive_cost = self.nodes[0].total_cost;
        self.accounts[0].exclusive_cost = self.nodes[0].total_cost;
        for at in 0..self.nodes.len() {
            let node = self.nodes[at];
            let own = self.accounts[at].inclusive_cost;
            let scale = ratio(own, node.total_cost);
            let children: Vec<usize> =
                (at + 1..self.ends[at]).filter(|child| self.accounts[*child].parent == Some(at)).collect();
            let costs: Vec<f64> = children
                .iter()
                .map(|child| self.nodes[*child].total_cost.max(0.0) * executions(node, self.nodes[*child]) * scale)
                .collect();
            let sum: f64 = costs.iter().sum();
            let fit = if sum > own { ratio(own, sum) } else { 1.0 };
            for (child, cost) in children.into_iter().zip(costs) {
                self.accounts[child].inclusive_cost = cost * fit;
                self.accounts[child].exclusive_cost = cost * fit;
            }
            self.accounts[at].exclusive_cost = (own - sum * fit).max(0.0);
        }
    }

    fn misestimates(&mut self) {
        let limited = self.nodes.iter().any(|node| node.kind == NodeKind::Limit);
        let mut reads: Vec<Reading> = Vec::with_capacity(self.nodes.len());
        for at in 0..self.nodes.len() {
            let node = self.nodes[at];
            let reading = match self.accounts[at].parent {
                None => Reading { stops: false, repeats: false },
                Some(parent) => reads[parent].of_child(self.nodes[parent], node, limited),
            };
            reads.push(reading);
            self.accounts[at].misestimate = misestimate(node, reading);
        }
    }
}

/// How a node's rows are read by its parent.
#[derive(Clone, Copy)]
struct Reading {
    /// Perhaps not to the end: the rows returned may be too few.
    stops: bool,
    /// Perhaps some of them more than once: the rows returned may be too many.
    repeats: bool,
}

impl Reading {
    fn of_child(self, parent: &Node, child: &Node, limited: bool) -> Self {
        let to_the_end = Self { stops: false, repeats: false };
        let stops = Self { stops: true, repeats: false };
        if child.subplan_name.as_deref().is_some_and(|name| name.starts_with("CTE ")) {
            return if limited { stops } else { to_the_end };
        }
        let inner = child.relationship == Some(Relationship::Inner);
        match (&parent.kind, child.relationship) {
            (_, Some(Relationship::InitPlan | Relationship::SubPlan)) | (NodeKind::Limit, _) => stops,
            (NodeKind::Sort | NodeKind::Hash | NodeKind::BitmapHeapScan | NodeKind::ModifyTable, _) => to_the_end,
            (NodeKind::Aggregate, _) if parent.strategy != Some(Strategy::Sorted) => to_the_end,
            (NodeKind::SetOp, _) if parent.strategy == Some(Strategy::Hashed) => to_the_end,
            (NodeKind::MergeJoin, _) => Self { stops: true, repeats: inner },
            (NodeKind::NestedLoop, _) if inner => {
                let partial = parent.inner_unique || matches!(parent.join_type, Some(JoinType::Semi | JoinType::Anti));
                if partial { stops } else { Self { repeats: false, ..self } }
            }
            (NodeKind::HashJoin, Some(Relationship::Outer)) => {
                // Without an inner row, an inner join stops at the first outer one.
                let empty = parent
                    .input(Relationship::Inner)
                    .and_then(|hash| hash.actual)
                    .is_some_and(|actual| actual.rows == 0.0 && actual.loops > 0);
                if empty { stops } else { Self { repeats: false, ..self } }
            }
            _ => self,
        }
    }
}

fn misestimate(node: &Node, reading: Reading) -> Option<Misestimate> {
    // These return no rows that an estimate could be compared with.
    if matches!(node.kind, NodeKind::BitmapAnd | NodeKind::BitmapOr | NodeKind::ModifyTable) {
        return None;
    }
    let actual = node.actual.filter(|actual| actual.loops > 0)?;
    if node.plan_rows <= 0.0 {
        return None;
    }
    let (estimated, returned) = (node.plan_rows.max(1.0), actual.rows.max(1.0));
    let direction = if returned > estimated { EstimateDirection::Under } else { EstimateDirection::Over };
    let fair = match direction {
        EstimateDirection::Under => !reading.repeats,
        EstimateDirection::Over => !reading.stops,
    };
    Some(Misestimate { factor: (returned / estimated).max(estimated / returned), direction, fair })
}

/// The processes that share the child's work.
fn processes(parent: &Node, of_parent: f64, child: &Node) -> f64 {
    let loops = |node: &Node| node.actual.map_or(0.0, |actual| actual.loops as f64);
    if child.relationship == Some(Relationship::InitPlan) && loops(child) < of_parent {
        // The leader ran it before it started the workers.
        return 1.0;
    }
    if !parent.kind.is_gather() || loops(parent) == 0.0 {
        return of_parent;
    }
    let most = f64::from(parent.workers_launched.unwrap_or(u32::MAX - 1)) + 1.0;
    (loops(child) / loops(parent)).clamp(1.0, most)
}

/// The largest error of the node's inclusive time by the rounding of its printed average, ms.
fn rounding(node: &Node) -> f64 {
    0.001 + 0.0005 * node.actual.map_or(0.0, |actual| actual.loops as f64)
}

/// Estimated executions of the child in one of its parent.
fn executions(parent: &Node, child: &Node) -> f64 {
    let rows = |node: Option<&Node>| node.map_or(1.0, |node| node.plan_rows.max(1.0));
    match child.relationship {
        Some(Relationship::Inner)
            if parent.kind == NodeKind::NestedLoop
                && !matches!(child.kind, NodeKind::Materialize | NodeKind::Memoize) =>
        {
            rows(parent.input(Relationship::Outer))
        }
        Some(Relationship::SubPlan) => {
            let name = child.subplan_name.as_deref().unwrap_or("");
            let hashed = parent.conditions.iter().any(|condition| condition.text.contains(&format!("hashed {name}")));
            if hashed { 1.0 } else { rows(Some(parent)).max(rows(parent.input(Relationship::Outer))) }
        }
        _ => 1.0,
    }
}

/// How expressions name the values of an InitPlan: `$0` up to PostgreSQL 16, `InitPlan 1` from 17 on.
fn marks(name: &str) -> Vec<String> {
    let (title, parameters) = name.split_once(" (returns ").unwrap_or((name, ""));
    let mut marks: Vec<String> =
        parameters.trim_end_matches(')').split(',').filter(|mark| !mark.is_empty()).map(str::to_owned).collect();
    marks.push(format!("({title})"));
    marks
}

fn mentions(node: &Node, marks: &[String]) -> bool {
    let conditions = node.conditions.iter().map(|condition| condition.text.as_str());
    let lists = [&node.output, &node.sort_key, &node.group_key].into_iter().flatten().map(String::as_str);
    let others = node.extra.iter().map(|(_, value)| value.as_str()).chain(node.cache_key.as_deref());
    conditions.chain(lists).chain(others).any(|text| {
        marks.iter().any(|mark| {
            text.match_indices(mark.as_str())
                .any(|(at, _)| !text[at + mark.len()..].starts_with(|next: char| next.is_ascii_digit()))
        })
    })
}

/// `part / whole`, and 0 when there is no whole.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        let (mut plans, findings) = crate::parse_text(text);
        assert!(findings.is_empty(), "{findings:?}");
        plans.remove(0)
    }

    /// The exclusive times in printed order, in µs.
    fn check(text: &str, expected: &[i64]) {
        let plan = plan(text);
        let accounts = plan.accounts();
        let times: Vec<_> = accounts
            .iter()
            .map(|(_, _, account)| (account.exclusive_ms.expect("timed") * 1000.0).round() as i64)
            .collect();
        assert_eq!(times, expected, "{text}");
    }

    #[test]
    fn loops_multiply() {
        check(
            "Nested Loop  (cost=0.00..9.00 rows=1 width=4) (actual time=0.000..10.000 rows=1 loops=1)
  ->  Seq Scan on a  (cost=0.00..1.00 rows=100 width=4) (actual time=0.000..2.000 rows=100 loops=1)
  ->  Seq Scan on b  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..0.050 rows=1 loops=100)
",
            &[3000, 2000, 5000],
        );
    }

    #[test]
    fn workers_share_the_time() {
        // 3 × 6 ms of scanning took the three processes 6 ms.
        check(
            "Gather  (cost=0.00..9.00 rows=30 width=4) (actual time=0.000..10.000 rows=30 loops=1)
  Workers Planned: 4
  Workers Launched: 2
  ->  Partial Aggregate  (cost=0.00..9.00 rows=30 width=4) (actual time=0.000..7.000 rows=10 loops=3)
        ->  Parallel Seq Scan on a  (cost=0.00..1.00 rows=10 width=4) (actual time=0.000..6.000 rows=10 loops=3)
",
            &[3000, 1000, 6000],
        );
    }

    #[test]
    fn a_gather_in_a_loop_counts_its_processes_per_loop() {
        check(
            "Nested Loop  (cost=0.00..9.00 rows=1 width=4) (actual time=0.000..30.000 rows=1 loops=1)
  ->  Seq Scan on a  (cost=0.00..1.00 rows=2 width=4) (actual time=0.000..1.000 rows=2 loops=1)
  ->  Gather  (cost=0.00..9.00 rows=30 width=4) (actual time=0.000..10.000 rows=30 loops=2)
        Workers Planned: 1
        Workers Launched: 1
        ->  Parallel Seq Scan on b  (cost=0.00..1.00 rows=10 width=4) (actual time=0.000..8.000 rows=10 loops=4)
",
            &[9000, 1000, 4000, 16000],
        );
    }

    #[test]
    fn an_init_plan_is_charged_to_its_user() {
        for (name, mark) in [("InitPlan 1 (returns $0)", "$0"), ("InitPlan 1", "(InitPlan 1).col1")] {
            check(
                &format!(
                    "Sort  (cost=0.00..9.00 rows=1 width=4) (actual time=0.000..10.000 rows=1 loops=1)
  Sort Key: a.x
  InitPlan 2 (returns $1)
    ->  Seq Scan on c  (cost=0.00..1.00 rows=1 width=4) (never executed)
  {name}
    ->  Seq Scan on b  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..5.000 rows=1 loops=1)
  ->  Seq Scan on a  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..9.000 rows=1 loops=1)
        Filter: (x = {mark})
"
                ),
                &[1000, 0, 5000, 4000],
            );
        }
    }

    #[test]
    fn a_cte_is_charged_to_its_readers_once() {
        check(
            "Hash Join  (cost=0.00..9.00 rows=1 width=4) (actual time=0.000..10.000 rows=1 loops=1)
  Hash Cond: (a.x = b.x)
  CTE r
    ->  Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..5.000 rows=1 loops=1)
  ->  CTE Scan on r a  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..6.000 rows=1 loops=1)
  ->  Hash  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..2.000 rows=1 loops=1)
        ->  CTE Scan on r b  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..1.500 rows=1 loops=1)
",
            &[2000, 5000, 1000, 500, 1500],
        );
    }

    #[test]
    fn a_cte_that_nobody_reads_is_not_the_plans() {
        check(
            "Result  (cost=0.00..9.00 rows=1 width=4) (actual time=0.000..1.000 rows=1 loops=1)
  CTE gone
    ->  Delete on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..5.000 rows=0 loops=1)
          ->  Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..4.000 rows=1 loops=1)
",
            &[1000, 1000, 4000],
        );
    }

    #[test]
    fn times_are_never_negative_and_overruns_are_kept() {
        let plan = plan(
            "Limit  (cost=0.00..9.00 rows=1 width=4) (actual time=0.000..1.000 rows=1 loops=1)
  ->  Seq Scan on t  (cost=0.00..20.00 rows=1 width=4) (actual time=0.000..1.500 rows=1 loops=1)
",
        );
        let accounts = plan.accounts();
        assert_eq!(accounts.account(0).exclusive_ms, Some(0.0));
        assert!((accounts.account(0).overrun_ms - 0.5).abs() < 1e-9);
        // The cost too is the root's at most.
        assert_eq!(accounts.account(1).inclusive_cost, 9.0);
    }

    #[test]
    fn costs_multiply_by_the_estimated_loops() {
        let plan = plan(
            "Nested Loop  (cost=0.00..61.00 rows=1 width=4)
  ->  Seq Scan on a  (cost=0.00..10.00 rows=100 width=4)
  ->  Index Scan using i on b  (cost=0.00..0.50 rows=1 width=4)
",
        );
        let accounts = plan.accounts();
        let own: Vec<_> = accounts.iter().map(|(_, _, account)| account.exclusive_cost).collect();
        assert_eq!(own, [1.0, 10.0, 50.0]);
        assert!((accounts.iter().map(|(_, _, account)| account.share).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn estimates_are_compared_per_loop() {
        let plan = plan(
            "Limit  (cost=0.00..9.00 rows=10 width=4) (actual time=0.000..1.000 rows=10 loops=1)
  ->  Nested Loop  (cost=0.00..20.00 rows=1000 width=4) (actual time=0.000..1.000 rows=10 loops=1)
        ->  Seq Scan on a  (cost=0.00..20.00 rows=5 width=4) (actual time=0.000..0.500 rows=500 loops=1)
        ->  Seq Scan on b  (cost=0.00..20.00 rows=2 width=4) (actual time=0.000..0.001 rows=4 loops=500)
",
        );
        let found: Vec<_> = plan.accounts().iter().map(|(_, _, account)| account.misestimate.expect("run")).collect();
        let of = |factor, direction, fair| Misestimate { factor, direction, fair };
        assert_eq!(
            found,
            [
                of(1.0, EstimateDirection::Over, true),
                of(100.0, EstimateDirection::Over, false),
                of(100.0, EstimateDirection::Under, true),
                of(2.0, EstimateDirection::Under, true),
            ]
        );
    }
}
