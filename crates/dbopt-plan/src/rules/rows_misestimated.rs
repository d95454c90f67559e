//! The rule `rows-misestimated`.

use super::{Impact, Report, columns::columns, number};
use crate::account::EstimateDirection;
use crate::tree::condition::ConditionKind;
use crate::tree::kind::NodeKind;
use crate::tree::node::{Node, Relationship};

/// The factor by which an estimate is off from which on it is reported.
pub(crate) const FACTOR: f64 = 10.0;

/// The least difference in rows over all loops, of the node or of one above that inherits its error; below, a wrong
/// estimate does no harm.
pub(crate) const MIN_DIFFERENCE: f64 = 100.0;

/// `rows-misestimated`: a node returned 10 times more or fewer rows than estimated, while its inputs were estimated
/// well; the error begins here.
///
/// **Why it hurts.** The planner chooses join methods, join order and memory by these numbers. An error multiplies on
/// its way up: a nested loop that is the best for 5 rows is the worst for 50,000.
///
/// **Impact** is the time of the node itself and of the nodes above it that inherit the error or plan by it, with the
/// inner side of a nested loop that runs more often than thought.
///
/// Bad: two columns that depend on each other are taken for independent:
///
/// ```text
/// Seq Scan on address  (cost=... rows=12 width=40) (actual ... rows=4800 loops=1)
///   Filter: ((city = 'Bern'::text) AND (country = 'CH'::text))
/// ```
///
/// Good, after `CREATE STATISTICS s (dependencies, mcv) ON city, country FROM address; ANALYZE address`:
///
/// ```text
/// Seq Scan on address  (cost=... rows=4790 width=40) (actual ... rows=4800 loops=1)
/// ```
pub(super) fn check(report: &mut Report<'_>) {
    let accounts = report.accounts;
    for (at, node, account) in accounts.iter() {
        let Some(misestimate) = account.misestimate.filter(|off| off.fair && off.factor >= FACTOR) else { continue };
        if difference(report, at) < MIN_DIFFERENCE {
            continue;
        }
        // An input whose estimate is off, fairly compared or not, is where to look first.
        if accounts.children(at).any(|child| is_off(report, child)) {
            continue;
        }
        let relation = match misestimate.direction {
            EstimateDirection::Under => "more",
            EstimateDirection::Over => "fewer",
        };
        let message = format!(
            "{} rows where {} were estimated, {} times {relation}; the error begins here",
            number(node.actual.unwrap_or_default().rows),
            number(node.plan_rows),
            number(misestimate.factor.round()),
        );
        let named = condition_columns(node);
        report.node("rows-misestimated", at, impact(report, at), message, help(node, &named));
        report.columns(named);
    }
}

fn is_off(report: &Report<'_>, at: usize) -> bool {
    report.accounts.account(at).misestimate.is_some_and(|off| off.factor >= FACTOR)
}

/// The largest difference in rows over all loops, of the node and of those above that inherit its error.
fn difference(report: &Report<'_>, at: usize) -> f64 {
    let of = |at: usize| {
        let node = report.accounts.node(at);
        let actual = node.actual.unwrap_or_default();
        (actual.rows - node.plan_rows).abs() * (actual.loops as f64)
    };
    let mut most = of(at);
    let mut below = at;
    while let Some(parent) = report.accounts.account(below).parent {
        if !passes_on(report, parent) && !is_off(report, parent) {
            break;
        }
        most = most.max(of(parent));
        below = parent;
    }
    most
}

/// Whether a node only passes the rows on to the node that planned by them.
fn passes_on(report: &Report<'_>, at: usize) -> bool {
    matches!(report.accounts.node(at).kind, NodeKind::Hash | NodeKind::Materialize)
}

fn impact(report: &Report<'_>, at: usize) -> Impact {
    let mut impact = report.own(at);
    let mut below = at;
    while let Some(parent) = report.accounts.account(below).parent {
        impact = impact.plus(report.own(parent));
        let from_outer = report.accounts.node(below).relationship == Some(Relationship::Outer);
        if report.accounts.node(parent).kind == NodeKind::NestedLoop && from_outer {
            let inner = report
                .accounts
                .children(parent)
                .find(|child| report.accounts.node(*child).relationship == Some(Relationship::Inner));
            if let Some(inner) = inner {
                impact = impact.plus(report.whole(inner));
            }
        }
        if !passes_on(report, parent) && !is_off(report, parent) {
            break;
        }
        below = parent;
    }
    impact
}

fn condition_columns(node: &Node) -> Vec<String> {
    let alias = node.relation.as_ref().and_then(|relation| relation.alias.as_deref());
    let mut named = Vec::new();
    for condition in &node.conditions {
        if matches!(condition.kind, ConditionKind::IndexCond | ConditionKind::RecheckCond | ConditionKind::Filter) {
            for column in columns(&condition.text, alias) {
                if !named.contains(&column) {
                    named.push(column);
                }
            }
        }
    }
    named
}

fn help(node: &Node, named: &[String]) -> String {
    let table = node.relation.as_ref().and_then(|relation| relation.name.as_deref());
    match (&node.kind, table) {
        (NodeKind::Aggregate | NodeKind::Group | NodeKind::Unique, _) => {
            "The number of groups is estimated from the columns' distinct values: ANALYZE their tables, and for several \
             columns of one table CREATE STATISTICS (ndistinct)."
                .into()
        }
        (NodeKind::FunctionScan, _) => "Declare the function with ROWS, or with a support function.".into(),
        (_, Some(table)) if named.len() > 1 => format!(
            "ANALYZE {table}; if its columns {} depend on each other, CREATE STATISTICS (dependencies, mcv) on them.",
            named.join(", ")
        ),
        (_, Some(table)) => format!(
            "ANALYZE {table}; if that does not help, raise the column's statistics target, or index the expression that \
             is filtered by."
        ),
        (kind, None) if kind.is_join() => "The joined columns' values are distributed differently on both sides, or \
             depend on a filter: ANALYZE both tables, and see whether a filter on one side can be written on the other."
            .into(),
        (NodeKind::BitmapIndexScan, None) => {
            "ANALYZE the index's table; for an index on an expression that gathers the expression's statistics.".into()
        }
        _ => "ANALYZE the tables below.".into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    const PLAN: &str = "\
Nested Loop  (cost=0.00..99.00 rows=5 width=4) (actual time=0.000..100.000 rows=5000 loops=1)
  ->  Seq Scan on address a  (cost=0.00..9.00 rows=5 width=4) (actual time=0.000..10.000 rows=5000 loops=1)
        Filter: ((city = 'Bern'::text) AND (country = 'CH'::text))
        Rows Removed by Filter: 10
  ->  Index Scan using i on b  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..0.016 rows=1 loops=5000)
";

    #[test]
    fn the_error_is_reported_where_it_begins() {
        let found = found("rows-misestimated", PLAN);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path.as_deref(), Some(&[0][..]));
        assert_eq!(found[0].message, "5000 rows where 5 were estimated, 1000 times more; the error begins here");
        assert_eq!(found[0].columns, ["city", "country"]);
        assert!(!found[0].help.contains("Bern"));
        // The loop and its inner side follow from it.
        assert!(found[0].impact.share > 0.9);
    }

    #[test]
    fn small_or_unfair_differences_are_not() {
        assert!(found("rows-misestimated", &PLAN.replace("rows=5 ", "rows=4000 ")).is_empty());
        let limited = "\
Limit  (cost=0.00..1.00 rows=10 width=4) (actual time=0.000..1.000 rows=10 loops=1)
  ->  Seq Scan on a  (cost=0.00..9.00 rows=50000 width=4) (actual time=0.000..1.000 rows=10 loops=1)
";
        assert!(found("rows-misestimated", limited).is_empty());
    }
}
