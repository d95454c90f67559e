//! The rule `sort-spilled`.

use super::{Report, setting};
use crate::tree::node::{Node, Relationship};

/// Bytes of a tuple's header that the file leaves out, less the file's length word: `MINIMAL_TUPLE_DATA_OFFSET` (10)
/// − 4.
const HEADER: f64 = 6.0;

/// Bytes of a chunk's own header in the memory context.
const CHUNK: f64 = 16.0;

/// Bytes of a row's entry in the array that is sorted, doubled because the array grows by doubling.
const ENTRY: f64 = 2.0 * 24.0;

/// Memory by disk when the rows are not known.
const FALLBACK_FACTOR: f64 = 3.0;

/// `sort-spilled`: a sort did not fit into `work_mem` and went to disk.
///
/// **Why it hurts.** The rows are written to temporary files and read again, at least once.
///
/// **How much memory it takes.** More than it took on disk: in memory each row has its header, the allocator's header
/// and rounding, and an entry in the array that is sorted. With `d` the bytes per row on disk,
/// `work_mem ≥ rows × (2^⌈log₂(d + 6 + 16)⌉ + 2 × 24)`; two to three times the disk for ordinary rows. In a parallel
/// plan each process needs that for its part. `work_mem` holds for each sort and hash of each session, so raise it for
/// the statement or role, not for the server.
///
/// Bad: `Sort Method: external merge  Disk: 30560kB`. Good: `Sort Method: quicksort  Memory: 71842kB`.
pub(super) fn check(report: &mut Report<'_>) {
    for (at, node, _) in report.accounts.iter() {
        let Some((disk_kb, memory_kb)) = spilled(node) else { continue };
        let message = format!("the sort went to disk with {disk_kb} kB");
        let help = format!(
            "It takes about {0} in memory: SET LOCAL work_mem = '{0}' for this statement, or an index in the order of the \
             sort key.",
            setting(memory_kb)
        );
        report.node("sort-spilled", at, report.own(at), message, help);
    }
}

/// The largest sort on disk of one process, and the memory that would hold it, kB.
fn spilled(node: &Node) -> Option<(u64, f64)> {
    let uses: Vec<_> = std::iter::once(&node.usage).chain(node.workers.iter().map(|worker| &worker.usage)).collect();
    let groups =
        uses.iter().flat_map(|usage| &usage.sort_groups).filter(|groups| groups.on_disk).map(|g| g.peak_kb).max();
    if let Some(peak_kb) = groups {
        return Some((peak_kb, peak_kb as f64 * FALLBACK_FACTOR));
    }
    let disks: Vec<u64> = uses
        .iter()
        .filter_map(|usage| usage.sort.as_ref())
        .filter(|sort| sort.on_disk)
        .map(|sort| sort.space_kb)
        .collect();
    let largest = *disks.iter().max()?;
    let average = disks.iter().map(|kb| *kb as f64).sum::<f64>() / disks.len() as f64;
    // The rows of one process, scaled to the one with the largest part.
    let rows = node
        .input(Relationship::Outer)
        .and_then(|input| input.actual)
        .map_or(0.0, |actual| actual.rows * largest as f64 / average.max(1.0));
    if rows < 1.0 {
        return Some((largest, largest as f64 * FALLBACK_FACTOR));
    }
    let on_disk = largest as f64 * 1024.0 / rows;
    let chunk = (on_disk + HEADER + CHUNK).log2().ceil().exp2();
    // Above 8 kB, the allocator does not round.
    let chunk = if chunk > 8192.0 { on_disk + HEADER + CHUNK } else { chunk };
    Some((largest, rows * (chunk + ENTRY) / 1024.0))
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    #[test]
    fn memory_is_derived_from_rows_and_disk() {
        let plan = |method: &str| {
            format!(
                "Sort  (cost=0.00..99.00 rows=60000 width=42) (actual time=50.000..100.000 rows=60000 loops=1)
  Sort Key: total
  Sort Method: {method}
  ->  Seq Scan on a  (cost=0.00..9.00 rows=60000 width=42) (actual time=0.000..10.000 rows=60000 loops=1)
"
            )
        };
        let found_one = found("sort-spilled", &plan("external merge  Disk: 3432kB"));
        assert_eq!(found_one[0].message, "the sort went to disk with 3432 kB");
        // 58.6 bytes a row on disk, so chunks of 128 bytes: 60,000 × 176 bytes.
        assert!(found_one[0].help.contains("work_mem = '11MB'"), "{}", found_one[0].help);
        assert!((found_one[0].impact.share - 0.9).abs() < 1e-9);
        assert!(found("sort-spilled", &plan("quicksort  Memory: 3432kB")).is_empty());
    }
}
