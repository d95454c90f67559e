//! The rule `expensive-inner`.

use super::{Report, number};
use crate::tree::kind::NodeKind;
use crate::tree::node::Relationship;

/// Loops of the inner side from which on it is reported.
pub(crate) const MIN_LOOPS: u64 = 100;

/// The part of the join's time that the inner side takes from which on it is reported.
pub(crate) const INNER_PART: f64 = 0.5;

/// `expensive-inner`: the inner side of a nested loop runs many times and takes most of the time.
///
/// **Why it hurts.** What is cheap once is not cheap for each outer row. With a sequential scan inside, the table is
/// read as often as there are outer rows: an index on the joined column is missing, or the condition cannot use it.
/// With an index scan inside, the planner often expected fewer outer rows; a hash join reads the table once.
///
/// The impact is the inner side's time, with the join's own when it drops most pairs by its filter.
///
/// Bad:
///
/// ```text
/// Nested Loop  (actual time=0.1..9120 rows=299 loops=1)
///   ->  Seq Scan on customer c  (actual time=0.0..0.4 rows=299 loops=1)
///   ->  Seq Scan on orders o  (actual time=0.0..30.4 rows=1 loops=299)
///         Filter: (customer_id = c.id)
/// ```
///
/// Good: `Index Scan using orders_customer on orders o  (actual time=0.003..0.004 rows=1 loops=299)`.
pub(super) fn check(report: &mut Report<'_>) {
    for (at, node, account) in report.accounts.iter() {
        let (Some(Relationship::Inner), Some(parent)) = (node.relationship, account.parent) else { continue };
        if report.accounts.node(parent).kind != NodeKind::NestedLoop || node.loops() < MIN_LOOPS {
            continue;
        }
        let (mut inner, join) = (report.whole(at), report.whole(parent));
        // Comparing each pair, only to drop it, is the price of the inner side's rows too.
        if report.accounts.node(parent).rows_removed_by_join_filter > 0.0 {
            inner = inner.plus(report.own(parent));
        }
        if inner.share < join.share * INNER_PART {
            continue;
        }
        let scan = report.plan_scan(at);
        let help = match scan {
            Some(table) => {
                format!("{table} is read as a whole each time; an index on the joined columns would find the rows directly.")
            }
            None => {
                "If far fewer loops were estimated, mend that estimate, so that a hash or merge join is chosen; else make one \
                 loop cheaper, for instance with an index that covers the columns needed."
                    .into()
            }
        };
        let message = format!("runs {} times in a nested loop", number(node.loops() as f64));
        report.node("expensive-inner", at, inner, message, help);
    }
}

impl Report<'_> {
    /// The table that is scanned as a whole in each loop at or right below a node.
    fn plan_scan(&self, at: usize) -> Option<String> {
        let loops = self.accounts.node(at).loops();
        std::iter::once(at)
            .chain(self.accounts.children(at))
            .map(|at| self.accounts.node(at))
            .find(|node| node.kind == NodeKind::SeqScan && node.loops() == loops)
            .and_then(|node| node.relation.as_ref()?.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    const PLAN: &str = "\
Nested Loop  (cost=0.00..99.00 rows=300 width=4) (actual time=0.000..100.000 rows=300 loops=1)
  ->  Seq Scan on a  (cost=0.00..9.00 rows=300 width=4) (actual time=0.000..5.000 rows=300 loops=1)
  ->  Seq Scan on b  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..0.300 rows=1 loops=300)
        Filter: (id = a.id)
";

    #[test]
    fn a_table_read_in_each_loop_is_named() {
        let one = found("expensive-inner", PLAN);
        assert_eq!(one[0].message, "runs 300 times in a nested loop");
        assert!(one[0].help.starts_with("b is read as a whole"));
        assert!((one[0].impact.share - 0.9).abs() < 1e-9);
        let index = found("expensive-inner", &PLAN.replace("Seq Scan on b", "Index Scan using i on b"));
        assert!(index[0].help.contains("hash or merge join"));
    }

    #[test]
    fn a_cheap_inner_side_is_fine() {
        assert!(found("expensive-inner", &PLAN.replace("0.300", "0.010")).is_empty());
        assert!(found("expensive-inner", &PLAN.replace("loops=300", "loops=99")).is_empty());
    }
}
