//! The search against scripted planners, compared with trying every set.
//!
//! A scripted planner knows for each query a few plans, each with the indexes it needs and its cost, and takes the
//! cheapest that is possible. That is what a planner is to the search, and small enough to enumerate.

use std::collections::BTreeSet;

use dbopt_catalog::{Index, TableId};
use proptest::{prelude::*, strategy::ValueTree};

use super::{Limits, Outcome, Problem, Search, Step};
use crate::{
    query::QueryId,
    whatif::{Answer, Candidate, CandidateId, Question, UsedIndex},
};

/// The indexes that a plan needs, and its cost.
type Plan = (BTreeSet<usize>, f64);

#[derive(Clone, Debug)]
struct Script {
    weights: Vec<f64>,
    /// Per query: the cost without indexes, and plans with the indexes they need.
    plans: Vec<(f64, Vec<Plan>)>,
    bytes: Vec<f64>,
    upkeep: Vec<f64>,
}

impl Script {
    fn answer(&self, query: usize, set: &BTreeSet<usize>) -> Answer {
        let (base, plans) = &self.plans[query];
        let none = BTreeSet::new();
        let possible = plans.iter().filter(|(needs, _)| needs.is_subset(set)).map(|(needs, cost)| (needs, *cost));
        let (needs, cost) = possible.chain([(&none, *base)]).min_by(|a, b| a.1.total_cmp(&b.1)).expect("one plan");
        let used = needs.iter().map(|at| UsedIndex::Candidate(CandidateId(*at))).collect();
        Answer { cost, rows: 1.0, used, plan: format!("{needs:?}") }
    }

    fn objective(&self, set: &BTreeSet<usize>) -> f64 {
        let reads: f64 = (0..self.plans.len()).map(|query| self.weights[query] * self.answer(query, set).cost).sum();
        reads + set.iter().map(|at| self.upkeep[*at]).sum::<f64>()
    }

    fn size(&self, set: &BTreeSet<usize>) -> f64 {
        set.iter().map(|at| self.bytes[*at]).sum()
    }

    fn optimum(&self, budget: f64) -> f64 {
        let all = 0..1_u32 << self.bytes.len();
        let sets = all.map(|bits| (0..self.bytes.len()).filter(|at| bits >> at & 1 == 1).collect::<BTreeSet<usize>>());
        sets.filter(|set| self.size(set) <= budget).map(|set| self.objective(&set)).fold(f64::INFINITY, f64::min)
    }

    fn search(&self, limits: Limits) -> Search<'_> {
        let candidates = self.bytes.iter().enumerate().map(|(at, bytes)| Candidate {
            table: TableId(0),
            index: Index { name: at.to_string(), ..Index::default() },
            bytes: *bytes,
        });
        let number = |candidate: &Candidate| candidate.index.name.parse::<usize>().expect("a number");
        let relevant = move |query: QueryId, candidate: &Candidate| {
            self.plans[query.0].1.iter().any(|(needs, _)| needs.contains(&number(candidate)))
        };
        let problem = Problem {
            weights: self.weights.clone(),
            executions: self.weights.clone(),
            candidates: candidates.collect(),
            relevant: Box::new(relevant),
            upkeep: Box::new(move |candidate| self.upkeep[number(candidate)]),
            merge: Box::new(|_, _| None),
        };
        Search::new(problem, limits)
    }

    fn answers(&self, questions: &[Question]) -> Vec<Option<Answer>> {
        let set = |question: &Question| question.configuration.add.iter().map(|id| id.0).collect();
        questions.iter().map(|question| Some(self.answer(question.query.0, &set(question)))).collect()
    }

    fn solve(&self, limits: Limits) -> Outcome {
        let mut search = self.search(limits);
        loop {
            match search.step() {
                Step::Ask(questions) => search.answer(self.answers(&questions)),
                Step::Done(outcome) => return *outcome,
            }
        }
    }
}

fn exact(budget: f64) -> Limits {
    Limits { budget, query_gain: 0.0, query_saving: 0.0, total_gain: 0.0, narrowing_loss: 0.0, rounds: 6 }
}

fn chosen(outcome: &Outcome) -> BTreeSet<usize> {
    outcome.chosen.iter().map(|id| id.0).collect()
}

fn script() -> impl Strategy<Value = Script> {
    (2..=8_usize, 1..=8_usize).prop_flat_map(|(indexes, queries)| {
        let needs = proptest::collection::btree_set(0..indexes, 1..=2.min(indexes));
        let plan = (needs, 0.01..1.2_f64);
        let query = (10.0..1000.0_f64, proptest::collection::vec(plan, 0..5))
            .prop_map(|(base, plans)| (base, plans.into_iter().map(|(needs, share)| (needs, base * share)).collect()));
        (
            proptest::collection::vec(1.0..50.0_f64, queries),
            proptest::collection::vec(query, queries),
            proptest::collection::vec(1.0..100.0_f64, indexes),
            proptest::collection::vec(prop_oneof![Just(0.0), 0.0..3000.0_f64], indexes),
        )
            .prop_map(|(weights, plans, bytes, upkeep)| Script { weights, plans, bytes, upkeep })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_chosen_fits_and_reports_true_costs(script in script(), share in 0.05..1.0_f64) {
        let budget = share * script.bytes.iter().sum::<f64>();
        let outcome = script.solve(exact(budget));
        let set = chosen(&outcome);
        prop_assert!(script.size(&set) <= budget);
        prop_assert!(outcome.complete);
        for (query, after) in outcome.after.iter().enumerate() {
            prop_assert_eq!(after.as_ref(), Some(&script.answer(query, &set)));
        }
        prop_assert!(script.objective(&set) <= script.objective(&BTreeSet::new()));
        let last = outcome.frontier.last().expect("it begins with nothing");
        let reads: f64 = outcome.after.iter().flatten().zip(&script.weights).map(|(answer, weight)| answer.cost * weight).sum();
        prop_assert!((last.1 - reads).abs() <= 1e-6 * reads);
        prop_assert_eq!(&script.solve(exact(budget)), &outcome);
    }

    #[test]
    fn no_single_drop_is_better(script in script()) {
        let set = chosen(&script.solve(exact(f64::INFINITY)));
        for at in &set {
            let mut less = set.clone();
            less.remove(at);
            prop_assert!(script.objective(&set) <= script.objective(&less) * (1.0 + 1e-9), "{at} costs more than it saves");
        }
    }

    #[test]
    fn a_search_can_be_stopped_at_any_question(script in script(), after in 0..12_usize) {
        let budget = 0.5 * script.bytes.iter().sum::<f64>();
        let mut search = script.search(exact(budget));
        for _ in 0..after {
            match search.step() {
                Step::Ask(questions) => search.answer(script.answers(&questions)),
                Step::Done(_) => return Ok(()),
            }
        }
        let outcome = search.stop();
        let set = chosen(&outcome);
        prop_assert!(!outcome.complete);
        prop_assert!(script.size(&set) <= budget);
        prop_assert!(script.objective(&set) <= script.objective(&BTreeSet::new()));
    }
}

/// Greedy with exchanges is not exact; over many instances it must come close to the optimum.
#[test]
fn the_gain_is_close_to_the_optimum() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut found, mut possible, mut exact_ones, mut asked, mut all) = (0.0, 0.0, 0, 0, 0);
    let cases = 200;
    for case in 0..cases {
        let script = script().new_tree(&mut runner).expect("a script").current();
        let share = [0.2, 0.4, 0.7, f64::INFINITY][case % 4];
        let budget = share * script.bytes.iter().sum::<f64>();
        let nothing = script.objective(&BTreeSet::new());
        let outcome = script.solve(exact(budget));
        let (gain, best) = (nothing - script.objective(&chosen(&outcome)), nothing - script.optimum(budget));
        found += gain / nothing;
        possible += best / nothing;
        exact_ones += usize::from(gain >= best - 1e-6 * nothing);
        asked += outcome.questions;
        all += script.plans.len() << script.bytes.len();
    }
    assert!(found >= 0.985 * possible, "{found} of {possible}");
    assert!(exact_ones * 100 >= 85 * cases, "{exact_ones} of {cases} optimal");
    assert!(asked * 5 < all, "{asked} questions where trying everything takes {all}");
}

#[test]
fn small_gains_and_costly_writes_are_refused() {
    let needs = |at| BTreeSet::from([at]);
    let script = Script {
        weights: vec![100.0, 1.0, 10.0],
        plans: vec![(100.0, vec![(needs(0), 1.0)]), (1.0, vec![(needs(1), 0.1)]), (100.0, vec![(needs(2), 50.0)])],
        bytes: vec![10.0; 3],
        upkeep: vec![10.0, 0.0, 600.0],
    };
    let outcome = script.solve(Limits::default());
    assert_eq!(chosen(&outcome), BTreeSet::from([0]), "1 saves too little, 2 costs its writes more than it saves");
    assert_eq!(outcome.gains, [9900.0]);
}

#[test]
fn an_enormous_query_that_nothing_helps_hides_no_other() {
    let script = Script {
        weights: vec![1.0, 10.0],
        plans: vec![(1e9, vec![]), (100.0, vec![(BTreeSet::from([0]), 1.0)])],
        bytes: vec![10.0],
        upkeep: vec![0.0],
    };
    assert_eq!(chosen(&script.solve(Limits::default())), BTreeSet::from([0]));
}
