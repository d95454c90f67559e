//! The rule `jit-time`.

use super::Report;

/// The share of the execution time that compilation takes from which on it is reported.
pub(crate) const JIT_SHARE: f64 = 0.25;

/// `jit-time`: just-in-time compilation takes a large part of the statement's time.
///
/// **Why it hurts.** Expressions are compiled when the estimated cost is high. When the estimate is far too high, or
/// the plan has many nodes (partitions), compiling takes longer than it saves.
///
/// Bad: `Timing: ... Total 310.2 ms` of `Execution Time: 402.0 ms`. Good: no `JIT:` at all.
pub(super) fn check(report: &mut Report<'_>) {
    let Some((jit, ms)) = report.plan.jit.as_ref().and_then(|jit| Some((jit, jit.total_ms?))) else { return };
    let impact = report.time(ms);
    if impact.share < JIT_SHARE {
        return;
    }
    let message = format!("compiling {} functions took {ms:.1} ms", jit.functions);
    let help =
        "Raise jit_above_cost, or SET LOCAL jit = off for this statement; first see whether its cost is overestimated."
            .to_owned();
    report.add("jit-time", impact, message, help);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    #[test]
    fn a_large_share_is_reported() {
        let plan = "\
Seq Scan on a  (cost=0.00..9.00 rows=10 width=6) (actual time=1.000..10.000 rows=100 loops=1)
Planning Time: 0.100 ms
JIT:
  Functions: 3
  Options: Inlining false, Optimization false, Expressions true, Deforming true
  Timing: Generation 0.400 ms (Deform 0.100 ms), Inlining 0.000 ms, Optimization 1.000 ms, Emission 2.600 ms, Total 4.000 ms
Execution Time: 10.000 ms
";
        let one = found("jit-time", plan);
        assert_eq!((one[0].message.as_str(), one[0].impact.share), ("compiling 3 functions took 4.0 ms", 0.4));
        assert!(found("jit-time", &plan.replace("Total 4.000", "Total 2.000")).is_empty());
    }
}
