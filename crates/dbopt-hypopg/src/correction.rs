//! What HypoPG leaves out of a plan's cost.
//!
//! `btcostestimate` (`selfuncs.c`) charges `(tree_height + 1) * 50 * cpu_operator_cost` for each descent of a B-tree.
//! HypoPG leaves the height unknown (-1), so that a descent is free: little for one scan, much for the inner side of
//! a nested loop. It also sizes an index without deduplication, up to four times too large, and the planner charges
//! `random_page_cost` for each leaf page it expects to read.

use std::collections::BTreeMap;

use dbopt_catalog::Settings;
use dbopt_plan::{ConditionKind, Node, NodeKind, Relationship};

/// `DEFAULT_PAGE_CPU_MULTIPLIER`.
const PAGE_CPU_MULTIPLIER: f64 = 50.0;

/// What is known of one hypothetical index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Levels above the leaves; `None` for an index that is no B-tree.
    pub(crate) height: Option<u32>,
    /// Pages that HypoPG takes it to have.
    pub(crate) assumed_pages: f64,
    /// Pages that it would have.
    pub(crate) pages: f64,
    /// Entries.
    pub(crate) entries: f64,
}

/// What to add to a plan's total cost, by the hypothetical indexes that its nodes name.
pub(crate) fn correction(root: &Node, shapes: &BTreeMap<String, Shape>, settings: &Settings) -> f64 {
    below(root, 1.0, shapes, settings).total
}

/// What to add to the costs of one run of a node.
#[derive(Clone, Copy, Default)]
struct Missing {
    /// To the first row: one descent of each index.
    startup: f64,
    /// To the last row.
    total: f64,
}

/// What one run of a node misses; the node itself runs so many times in all.
fn below(node: &Node, loops: f64, shapes: &BTreeMap<String, Shape>, settings: &Settings) -> Missing {
    let mut missing = Missing::default();
    if let Some(shape) = node.index_name.as_ref().and_then(|name| shapes.get(name)) {
        let descent = match shape.height {
            Some(height) => (f64::from(height) + 1.0) * PAGE_CPU_MULTIPLIER * settings.cpu_operator_cost,
            None => 0.0,
        };
        missing.startup = descent;
        missing.total = descent * arrays(node) + pages(node, loops, shape) * settings.random_page_cost;
    }
    for child in &node.children {
        let runs = runs(node, child);
        let each = below(child, loops * runs, shapes, settings);
        missing.startup += each.startup;
        missing.total += runs * each.total;
    }
    // A Limit pays the first row of its input in full, and of the rest the share that it reads.
    if let (NodeKind::Limit, [child]) = (&node.kind, node.children.as_slice()) {
        let (all, read) = (child.total_cost - child.startup_cost, node.total_cost - child.startup_cost);
        let share = if all > 0.0 { (read / all).clamp(0.0, 1.0) } else { 1.0 };
        missing.total = missing.startup + share * (missing.total - missing.startup);
    }
    missing
}

/// How often a node runs a child of it for one run of its own.
fn runs(node: &Node, child: &Node) -> f64 {
    match child.relationship {
        // Correlated: once for each row that the parent looks at. Rows that the parent's filter removes are not
        // known, so this is a lower bound.
        Some(Relationship::SubPlan) => node.plan_rows.max(1.0),
        Some(Relationship::Inner) if node.kind == NodeKind::NestedLoop && child.kind != NodeKind::Materialize => {
            let outer = node.children.iter().find(|other| other.relationship == Some(Relationship::Outer));
            outer.map_or(1.0, |outer| outer.plan_rows.max(1.0))
        }
        _ => 1.0,
    }
}

/// Elements of an `= ANY` array in the index condition: each is a descent (`num_sa_scans`).
fn arrays(node: &Node) -> f64 {
    let Some(condition) = node.condition(ConditionKind::IndexCond) else { return 1.0 };
    let mut scans = 1.0;
    for part in condition.split("= ANY ('{").skip(1) {
        let list = part.split("}'").next().unwrap_or_default();
        scans *= list.split(',').count() as f64;
    }
    scans
}

/// Leaf pages that are really read less those that HypoPG's size makes the planner expect. Only for a node that runs
/// once: repeated scans find pages in the cache, and the planner counts that in.
fn pages(node: &Node, loops: f64, shape: &Shape) -> f64 {
    if loops > 1.5 || shape.entries < 1.0 {
        return 0.0;
    }
    // The node's rows are those of the index condition as long as no filter removes more.
    let filtered = node.condition(ConditionKind::Filter).is_some();
    let rows = if filtered { return 0.0 } else { node.plan_rows.min(shape.entries) };
    let read = |pages: f64| (rows * pages / shape.entries).ceil();
    read(shape.pages) - read(shape.assumed_pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: &str = r#"{"Node Type": "Index Scan", "Relation Name": "t", "Index Name": "<1>t",
        "Parent Relationship": "Inner", "Startup Cost": 0, "Total Cost": 8, "Plan Rows": 1, "Plan Width": 4}"#;

    fn check(plan: &str, shape: Shape, expected: f64) {
        let (plans, findings) = dbopt_plan::parse_json(&format!("[{{\"Plan\": {plan}}}]"));
        assert!(findings.is_empty(), "{findings:?}");
        let shapes = BTreeMap::from([("<1>t".to_owned(), shape)]);
        let found = correction(&plans[0].root, &shapes, &Settings::default());
        assert!((found - expected).abs() < 1e-9, "{found}");
    }

    const TREE: Shape = Shape { height: Some(2), assumed_pages: 100.0, pages: 100.0, entries: 1000.0 };

    #[test]
    fn each_descent_is_paid() {
        check(SCAN, TREE, 3.0 * 50.0 * 0.0025);
        let outer = r#"{"Node Type": "Seq Scan", "Relation Name": "o", "Parent Relationship": "Outer",
            "Startup Cost": 0, "Total Cost": 100, "Plan Rows": 200, "Plan Width": 4}"#;
        let join = format!(
            r#"{{"Node Type": "Nested Loop", "Startup Cost": 0, "Total Cost": 1000, "Plan Rows": 200, "Plan Width": 8,
            "Plans": [{outer}, {SCAN}]}}"#
        );
        check(&join, TREE, 200.0 * 0.375);
        let join = join.replace("\"Total Cost\": 1000", "\"Total Cost\": 1000, \"Parent Relationship\": \"Outer\"");
        let limit = format!(
            r#"{{"Node Type": "Limit", "Startup Cost": 0, "Total Cost": 50, "Plan Rows": 10, "Plan Width": 8,
            "Plans": [{join}]}}"#
        );
        check(&limit, TREE, 0.375 + 0.05 * 199.0 * 0.375);
        let listed = SCAN.replace("\"Startup", r#""Index Cond": "(a = ANY ('{1,2,3}'::integer[]))", "Startup"#);
        check(&listed, TREE, 3.0 * 0.375);
    }

    #[test]
    fn leaf_pages_follow_the_real_size() {
        let half = Shape { height: None, assumed_pages: 200.0, ..TREE };
        let many = SCAN.replace("\"Plan Rows\": 1", "\"Plan Rows\": 500");
        check(&many, half, -50.0 * 4.0);
    }
}
