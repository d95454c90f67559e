//! The rule `memoize-evictions`.

use super::{Report, number, setting};

/// `memoize-evictions`: the cache of a Memoize was too small and threw entries out that may have been needed again.
///
/// **Why it hurts.** Each miss runs the inner side of the join. The cache's limit is
/// `work_mem × hash_mem_multiplier`. The impact is the part of the inner side's time that evictions can have caused at
/// most.
///
/// **How much memory it takes.** At most its present memory times misses by the entries that fitted
/// (misses − evictions).
///
/// Bad: `Hits: 10  Misses: 90000  Evictions: 88000  Overflows: 0  Memory Usage: 4097kB`.
/// Good: `Hits: 80000  Misses: 10010  Evictions: 0  Overflows: 0  Memory Usage: 9120kB`.
pub(super) fn check(report: &mut Report<'_>) {
    for (at, node, _) in report.accounts.iter() {
        let uses = std::iter::once(&node.usage).chain(node.workers.iter().map(|worker| &worker.usage));
        let caches: Vec<_> = uses.filter_map(|usage| usage.cache.as_ref()).collect();
        let evictions: f64 = caches.iter().map(|cache| cache.evictions as f64).sum();
        let misses: f64 = caches.iter().map(|cache| cache.misses as f64).sum();
        let Some(input) = report.accounts.children(at).next().filter(|_| evictions > 0.0 && misses > 0.0) else {
            continue;
        };
        let part = (evictions / misses).min(1.0);
        let memory = caches.iter().map(|cache| cache.memory_kb).max().unwrap_or(0) as f64;
        let need = memory / (1.0 - part).max(0.01);
        let message = format!("the cache threw out {} of {} entries", number(evictions), number(misses));
        let help =
            format!("It takes at most {} to keep them all, and may use work_mem × hash_mem_multiplier.", setting(need));
        report.node("memoize-evictions", at, report.whole(input).times(part), message, help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    #[test]
    fn evictions_weigh_by_the_inner_sides_time() {
        let plan = "\
Nested Loop  (cost=0.00..9.00 rows=10 width=6) (actual time=1.000..10.000 rows=100 loops=1)
  ->  Seq Scan on a  (cost=0.00..9.00 rows=100 width=0) (actual time=0.000..1.000 rows=100 loops=1)
  ->  Memoize  (cost=0.00..9.00 rows=1 width=0) (actual time=0.000..0.085 rows=1 loops=100)
        Cache Key: a.x
        Cache Mode: logical
        Hits: 20  Misses: 80  Evictions: 60  Overflows: 0  Memory Usage: 65kB
        ->  Index Scan using i on b  (cost=0.00..9.00 rows=1 width=0) (actual time=0.000..0.100 rows=1 loops=80)
";
        let one = found("memoize-evictions", plan);
        assert_eq!(one[0].message, "the cache threw out 60 of 80 entries");
        assert!(one[0].help.contains("260kB"));
        assert!((one[0].impact.share - 0.6).abs() < 1e-9);
        assert!(found("memoize-evictions", &plan.replace("Evictions: 60", "Evictions: 0")).is_empty());
    }
}
