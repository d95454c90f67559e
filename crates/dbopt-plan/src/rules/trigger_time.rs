//! The rule `trigger-time`.

use super::{Report, number};

/// The share of the execution time that a trigger takes from which on it is reported.
pub(crate) const TRIGGER_SHARE: f64 = 0.1;

/// `trigger-time`: a trigger takes a large part of the statement's time.
///
/// **Why it hurts.** A trigger's time is in no node of the plan. Most often it is a foreign key: a DELETE, or an UPDATE
/// of the key, looks into the referencing table for each row, and without an index on the referencing columns it reads
/// that table as a whole each time.
///
/// Bad: `Trigger for constraint orders_customer_id_fkey: time=4420.3 calls=1000`.
/// Good, after `CREATE INDEX ON orders (customer_id)`: `time=11.2 calls=1000`.
pub(super) fn check(report: &mut Report<'_>) {
    for trigger in &report.plan.triggers {
        let Some(ms) = trigger.time_ms else { continue };
        let impact = report.time(ms);
        if impact.share < TRIGGER_SHARE {
            continue;
        }
        let (what, help) = match (&trigger.constraint, &trigger.name) {
            (Some(constraint), _) => (
                format!("the trigger of constraint `{constraint}`"),
                "If it is a foreign key that points to this table, index the referencing columns; if it points away, the \
                 referenced key is indexed and the time is that of many single checks."
                    .to_owned(),
            ),
            (None, Some(name)) => (
                format!("the trigger `{name}`"),
                "Look at what its function runs (auto_explain.log_nested_statements), or make it a statement trigger with \
                 transition tables."
                    .to_owned(),
            ),
            (None, None) => continue,
        };
        let message = format!("{what} takes {ms:.1} ms in {} calls", number(trigger.calls as f64));
        report.add("trigger-time", impact, message, help);
        if let Some(finding) = report.findings.last_mut() {
            finding.table.clone_from(&trigger.relation);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    #[test]
    fn a_foreign_keys_trigger_is_reported() {
        let plan = "\
Delete on a  (cost=0.00..9.00 rows=0 width=0) (actual time=1.000..1.000 rows=0 loops=1)
  ->  Seq Scan on a  (cost=0.00..9.00 rows=10 width=6) (actual time=0.000..1.000 rows=10 loops=1)
Planning Time: 0.100 ms
Trigger for constraint b_a_id_fkey on a: time=8.000 calls=10
Trigger audit: time=0.500 calls=10
Execution Time: 10.000 ms
";
        let found = found("trigger-time", plan);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "the trigger of constraint `b_a_id_fkey` takes 8.0 ms in 10 calls");
        assert_eq!((found[0].impact.share, found[0].table.as_deref()), (0.8, Some("a")));
    }
}
