//! The rule `workers-not-launched`.

use super::Report;

/// `workers-not-launched`: a parallel plan got fewer workers than it was made for.
///
/// **Why it hurts.** The plan was chosen because several processes would share the work; with fewer, it may be slower
/// than the plan for one. The impact is the time that the missing ones would have saved at best.
///
/// Bad: `Workers Planned: 4`, `Workers Launched: 1`. Good: both the same.
pub(super) fn check(report: &mut Report<'_>) {
    for (at, node, _) in report.accounts.iter() {
        let (Some(planned), Some(launched)) = (node.workers_planned, node.workers_launched) else { continue };
        if launched >= planned || node.never_executed() {
            continue;
        }
        let saved = 1.0 - (f64::from(launched) + 1.0) / (f64::from(planned) + 1.0);
        let message = format!("only {launched} of {planned} workers were launched");
        let help = "Other sessions had the workers, or there are too few: see max_parallel_workers and \
                    max_worker_processes, and lower max_parallel_workers_per_gather when many statements run at once."
            .to_owned();
        report.node("workers-not-launched", at, report.whole(at).times(saved), message, help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    #[test]
    fn missing_workers_are_counted() {
        let plan = "\
Gather  (cost=0.00..9.00 rows=10 width=6) (actual time=1.000..10.000 rows=100 loops=1)
  Workers Planned: 3
  Workers Launched: 1
  ->  Parallel Seq Scan on a  (cost=0.00..9.00 rows=100 width=0) (actual time=0.000..9.000 rows=50 loops=2)
";
        let one = found("workers-not-launched", plan);
        assert_eq!((one[0].message.as_str(), one[0].impact.share), ("only 1 of 3 workers were launched", 0.5));
        assert!(found("workers-not-launched", &plan.replace("Launched: 1", "Launched: 3")).is_empty());
        let most = format!("Planned: {}", u32::MAX);
        assert_eq!(found("workers-not-launched", &plan.replace("Planned: 3", &most)).len(), 1, "found by fuzzing");
    }
}
