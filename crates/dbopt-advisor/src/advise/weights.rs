//! How much does one unit of a query's cost weigh?
//!
//! Executions, first of all. But the planner is sometimes far off: for `WHERE lower(email) = $1 LIMIT 1` it expects the
//! row at once and a cost of nearly nothing, while the server reads the whole table; for a `NOT IN` with a large
//! sub-select it expects many times the work that is done. The log knows better. A unit of cost weighs as much as the
//! time that it took in the log, beside what it usually takes, so that the search saves time.

use crate::{query::Query, whatif::Answer};

/// Waits for locks lengthen executions too, so that the log is not believed without limit.
const MOST: f64 = 50.0;

/// Fewer timed queries say nothing about what is usual.
const ENOUGH: usize = 5;

/// How many times longer a unit of each query's cost took than is usual; 1 where the log does not say.
pub(super) fn slowness(queries: &[Query], before: &[Option<Answer>]) -> Vec<f64> {
    let rate = |(query, answer): (&Query, &Option<Answer>)| {
        let cost = answer.as_ref()?.cost * query.calls;
        query.total_ms.filter(|ms| *ms > 0.0 && cost > 0.0).map(|ms| ms / cost)
    };
    let rates: Vec<Option<f64>> = queries.iter().zip(before).map(rate).collect();
    let mut known: Vec<f64> = rates.iter().flatten().copied().collect();
    if known.len() < ENOUGH {
        return vec![1.0; queries.len()];
    }
    known.sort_by(f64::total_cmp);
    let usual = known[known.len() / 2];
    let times = |rate: Option<f64>| rate.map_or(1.0, |rate| (rate / usual).clamp(1.0 / MOST, MOST));
    rates.into_iter().map(times).collect()
}

#[cfg(test)]
mod tests {
    use dbopt_sql::ir::{Source, Statement, StatementKind};

    use super::*;

    fn check(costs_and_ms: &[(f64, Option<f64>)], expected: &[f64]) {
        let statement =
            Statement { kind: StatementKind::Select, target: None, blocks: Vec::new(), source: Source::Parser };
        let query = |(_, total_ms): &(f64, Option<f64>)| Query {
            fingerprint: String::new(),
            sql: String::new(),
            normalized: String::new(),
            statement: statement.clone(),
            constants: Vec::new(),
            calls: 10.0,
            total_ms: *total_ms,
            rows: None,
        };
        let answer = |(cost, _): &(f64, Option<f64>)| {
            Some(Answer { cost: *cost, rows: 1.0, used: Vec::new(), plan: String::new() })
        };
        let queries: Vec<Query> = costs_and_ms.iter().map(query).collect();
        let answers: Vec<Option<Answer>> = costs_and_ms.iter().map(answer).collect();
        assert_eq!(slowness(&queries, &answers), expected);
    }

    #[test]
    fn a_unit_of_cost_weighs_by_the_time_it_took() {
        let usual = (100.0, Some(1000.0));
        let (cheap, dear) = ((1.0, Some(300.0)), (1000.0, Some(5000.0)));
        check(&[usual, usual, usual, usual, cheap, dear, (100.0, None)], &[1.0, 1.0, 1.0, 1.0, 30.0, 0.5, 1.0]);
        check(&[usual, cheap], &[1.0, 1.0]);
    }

    #[test]
    fn the_log_is_not_believed_without_limit() {
        let usual = (100.0, Some(1000.0));
        check(&[usual, usual, usual, (1e6, Some(1.0)), (1e-6, Some(1000.0))], &[1.0, 1.0, 1.0, 0.02, 50.0]);
    }
}
