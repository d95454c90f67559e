//! The rule `heap-fetches`.

use super::{Report, number};

/// The part of an index-only scan's rows that were looked up in the heap from which on it is reported.
pub(crate) const FETCHED_PART: f64 = 0.1;

/// The least number of such rows.
pub(crate) const MIN_FETCHES: f64 = 100.0;

/// `heap-fetches`: an index-only scan has to look into the table all the same.
///
/// **Why it hurts.** The index does not say whether a row is visible; the visibility map does, for whole pages, and
/// only VACUUM sets it. For pages that changed since, the scan visits the heap, row by row.
///
/// Bad: `Heap Fetches: 48210`. Good, after `VACUUM orders`: `Heap Fetches: 0`.
pub(super) fn check(report: &mut Report<'_>) {
    for (at, node, account) in report.accounts.iter() {
        let Some(fetches) = node.usage.heap_fetches.map(|count| count as f64) else { continue };
        // Rows that the filter dropped or that were dead were fetched too.
        let rows = account.rows.unwrap_or(0.0) + node.rows_removed_by_filter * node.loops() as f64;
        let part = fetches / rows.max(fetches).max(1.0);
        if fetches < MIN_FETCHES || part < FETCHED_PART {
            continue;
        }
        let table = node.relation.as_ref().and_then(|relation| relation.name.as_deref()).unwrap_or("the table");
        let message = format!("looked {} rows up in the table although the index has all columns", number(fetches));
        let help = format!(
            "VACUUM {table}, and let autovacuum come more often (autovacuum_vacuum_scale_factor, and for insert-only tables \
             autovacuum_vacuum_insert_scale_factor)."
        );
        report.node("heap-fetches", at, report.own(at).times(part), message, help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    #[test]
    fn fetches_are_compared_with_all_rows() {
        let plan = |fetches: u32| {
            format!(
                "Index Only Scan using i on a  (cost=0.00..9.00 rows=10 width=6) (actual time=0.000..0.010 rows=10 loops=100)
  Index Cond: (id = 1)
  Heap Fetches: {fetches}
"
            )
        };
        let one = found("heap-fetches", &plan(500));
        assert_eq!(one[0].message, "looked 500 rows up in the table although the index has all columns");
        assert!((one[0].impact.share - 0.5).abs() < 1e-9);
        assert!(found("heap-fetches", &plan(99)).is_empty());
    }
}
