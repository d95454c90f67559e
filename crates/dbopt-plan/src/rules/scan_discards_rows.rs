//! The rule `scan-discards-rows`.

use super::{Report, columns::columns, number};
use crate::tree::condition::ConditionKind;
use crate::tree::kind::NodeKind;

/// The share of the rows read that a filter throws away from which on it is reported.
pub(crate) const DISCARDED_SHARE: f64 = 0.8;

/// The least number of rows thrown away over all loops; a small table is read as a whole anyway.
pub(crate) const MIN_DISCARDED: f64 = 1000.0;

/// `scan-discards-rows`: a scan throws away most of the rows that it reads.
///
/// **Why it hurts.** Each row is read, perhaps from disk, and checked, only to be dropped. An index on the filter's
/// columns finds the few that remain directly. When the scan uses an index already, the filter's columns are missing
/// in it.
///
/// Bad:
///
/// ```text
/// Seq Scan on orders  (actual time=0.031..84.1 rows=12 loops=1)
///   Filter: (state = 'open'::text)
///   Rows Removed by Filter: 1199988
/// ```
///
/// Good, after `CREATE INDEX ON orders (state)`:
///
/// ```text
/// Index Scan using orders_state_idx on orders  (actual time=0.020..0.031 rows=12 loops=1)
///   Index Cond: (state = 'open'::text)
/// ```
pub(super) fn check(report: &mut Report<'_>) {
    for (at, node, _) in report.accounts.iter() {
        let Some(filter) = node.condition(ConditionKind::Filter).filter(|_| node.kind.reads_table()) else { continue };
        let actual = node.actual.unwrap_or_default();
        let loops = actual.loops as f64;
        let discarded = node.rows_removed_by_filter * loops;
        let read = discarded + actual.rows * loops;
        if discarded < MIN_DISCARDED || discarded < read * DISCARDED_SHARE {
            continue;
        }
        let share = 100.0 * discarded / read;
        let message = if discarded < read {
            format!("throws away {share:.1} % of the {} rows it reads", number(read))
        } else {
            format!("throws away all of the {} rows it reads", number(read))
        };
        let relation = node.relation.clone().unwrap_or_default();
        let named = columns(filter, relation.alias.as_deref());
        let table = relation.name.as_deref().unwrap_or("the table");
        let list = named.join(", ");
        let help = match (&node.kind, &node.index_name, named.is_empty()) {
            (NodeKind::ForeignScan, ..) => {
                "The filter runs here and not on the remote side; use functions and types that can be sent there."
                    .into()
            }
            (_, _, true) => {
                "The filter names no column that an index could find; see whether it can be written so.".into()
            }
            (_, Some(index), false) => format!("Index {index} lacks columns of the filter: {list}."),
            (_, None, false) => {
                format!("An index on {table} may find the rows directly; the filter's columns are {list}.")
            }
        };
        // Reading what remains would cost its part with an index too.
        let impact = report.own(at).times(discarded / read);
        report.node("scan-discards-rows", at, impact, message, help);
        report.columns(named);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    const PLAN: &str = "\
Nested Loop  (cost=0.00..99.00 rows=5 width=4) (actual time=0.000..100.000 rows=50 loops=1)
  ->  Seq Scan on a  (cost=0.00..9.00 rows=50 width=4) (actual time=0.000..10.000 rows=50 loops=1)
  ->  Seq Scan on shop.b b_1  (cost=0.00..1.00 rows=1 width=4) (actual time=0.000..1.600 rows=1 loops=50)
        Filter: ((b_1.a_id = a.id) AND (b_1.state = 'open'::text))
        Rows Removed by Filter: 999
";

    #[test]
    fn rows_are_counted_over_loops() {
        let found = found("scan-discards-rows", PLAN);
        assert_eq!(found[0].message, "throws away 99.9 % of the 50.0 thousand rows it reads");
        assert_eq!(found[0].table.as_deref(), Some("shop.b"));
        assert_eq!(found[0].columns, ["a_id", "state"]);
        assert!((found[0].impact.share - 0.7992).abs() < 1e-4);
    }

    #[test]
    fn a_filter_that_keeps_its_rows_is_fine() {
        assert!(found("scan-discards-rows", &PLAN.replace("Filter: 999", "Filter: 3")).is_empty());
    }
}
