//! The rule `bitmap-lossy`.

use super::{Report, number, setting};

/// The part of the heap blocks that are lossy from which on it is reported.
pub(crate) const LOSSY_PART: f64 = 0.1;

/// Bytes that the bitmap takes for a block: `tbm_calculate_entries` counts the entry and two pointers.
const ENTRY_BYTES: f64 = 64.0;

/// `bitmap-lossy`: a bitmap outgrew `work_mem` and forgot which rows of a block it meant.
///
/// **Why it hurts.** Every row of a lossy block is checked against the condition again, and blocks are read that the
/// exact bitmap would have left out once it was combined with another.
///
/// **How much memory it takes.** 64 bytes for each heap block: `work_mem ≥ (exact + lossy) × 64`.
///
/// Bad: `Heap Blocks: exact=786 lossy=7213`. Good: `Heap Blocks: exact=7999`.
pub(super) fn check(report: &mut Report<'_>) {
    for (at, node, _) in report.accounts.iter() {
        let exact = node.usage.exact_heap_blocks as f64;
        let lossy = node.usage.lossy_heap_blocks as f64;
        if lossy == 0.0 || lossy < (exact + lossy) * LOSSY_PART {
            continue;
        }
        // Blocks are counted over all loops and processes, the bitmap is built for each loop.
        let loops = node.loops().max(1) as f64 / report.accounts.account(at).processes;
        let need = (exact + lossy) / loops.max(1.0) * ENTRY_BYTES / 1024.0;
        let message = format!("{} of {} heap blocks are lossy", number(lossy), number(exact + lossy));
        let help =
            format!("SET LOCAL work_mem = '{}' for this statement, so that the bitmap stays exact.", setting(need));
        let removed = node.rows_removed_by_recheck;
        let kept = node.actual.map_or(0.0, |actual| actual.rows);
        // Without rows that the recheck removed, only the recheck itself was in vain.
        let part = if removed > 0.0 { removed / (removed + kept) } else { LOSSY_PART };
        report.node("bitmap-lossy", at, report.own(at).times(part), message, help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    #[test]
    fn memory_follows_from_the_blocks() {
        let plan = "\
Bitmap Heap Scan on a  (cost=0.00..9.00 rows=10 width=6) (actual time=1.000..10.000 rows=1000 loops=1)
  Recheck Cond: (id < 5)
  Rows Removed by Index Recheck: 3000
  Heap Blocks: exact=786 lossy=72130
  ->  Bitmap Index Scan on i  (cost=0.00..9.00 rows=1000 width=0) (actual time=1.000..1.000 rows=1000 loops=1)
        Index Cond: (id < 5)
";
        let one = found("bitmap-lossy", plan);
        assert_eq!(one[0].message, "72.1 thousand of 72.9 thousand heap blocks are lossy");
        assert!(one[0].help.contains("'5MB'"), "{}", one[0].help);
        assert!(found("bitmap-lossy", &plan.replace(" lossy=72130", "")).is_empty());
    }
}
