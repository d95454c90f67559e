//! The search's view of the problem: which query can use what, what is known, and what must be asked.

use std::{collections::BTreeSet, rc::Rc};

use super::{Limits, Problem, mailbox::Mailbox, memo::Memo, outcome::Outcome, selection::Selection};
use crate::{
    query::QueryId,
    whatif::{Answer, Candidate, CandidateId, Configuration, Question, UsedIndex},
};

/// Size exponents of the greedy runs: 0 looks at the gain alone, 1 at the gain per byte.
const EXPONENTS: [f64; 4] = [0.0, 0.5, 0.8, 1.0];

/// A query whose cost is this close to its floor is as good as there.
const AT_FLOOR: f64 = 1.001;

/// The search while it runs.
pub(super) struct Explorer<'a> {
    pub(super) problem: Problem<'a>,
    pub(super) limits: Limits,
    mailbox: Rc<Mailbox>,
    memo: Memo,
    /// Candidates that a query can use.
    relevant: Vec<BTreeSet<CandidateId>>,
    /// Queries that can use a candidate.
    pub(super) users: Vec<Vec<QueryId>>,
    upkeep: Vec<f64>,
    before: Vec<Option<Answer>>,
    pub(super) floor: Vec<Option<Answer>>,
    /// Workload cost of all reads without candidates.
    pub(super) base: f64,
    /// The least that an index must save: a share of what all candidates together could save. A share of the whole cost
    /// would let one enormous query that no index helps hide all others.
    pub(super) least_gain: f64,
    best: Option<Selection>,
}

impl<'a> Explorer<'a> {
    pub(super) fn new(problem: Problem<'a>, limits: Limits, mailbox: Rc<Mailbox>) -> Self {
        let queries = problem.weights.len();
        let mut explorer = Self {
            limits,
            mailbox,
            memo: Memo::default(),
            relevant: vec![BTreeSet::new(); queries],
            users: Vec::new(),
            upkeep: Vec::new(),
            before: vec![None; queries],
            floor: vec![None; queries],
            base: 0.0,
            least_gain: 0.0,
            best: None,
            problem,
        };
        for at in 0..explorer.problem.candidates.len() {
            explorer.register(CandidateId(at));
        }
        explorer
    }

    /// The whole search.
    pub(super) async fn run(mut self) -> Outcome {
        self.survey().await;
        let nothing = self.nothing();
        self.offer(&nothing);
        if self.problem.candidates.is_empty() {
            return self.outcome(&nothing, true).await;
        }
        for exponent in EXPONENTS {
            // Without a budget the size matters through the upkeep alone, and the exponents would find the same set.
            if exponent > 0.0 && exponent < 1.0 && self.limits.budget.is_infinite() {
                continue;
            }
            let found = self.greedy(nothing.clone(), exponent).await;
            self.offer(&found);
            let improved = self.improve(found, exponent).await;
            self.offer(&improved);
        }
        let best = self.best.clone().unwrap_or(nothing);
        let best = self.drop_unworthy(best).await;
        self.outcome(&best, true).await
    }

    /// Asks for both ends: every query without candidates, and with all that it can use.
    async fn survey(&mut self) {
        let queries: Vec<QueryId> = (0..self.problem.weights.len()).map(QueryId).collect();
        let none = BTreeSet::new();
        let wanted = queries.iter().map(|query| (*query, none.clone())).collect();
        self.before = self.answers(wanted).await;
        let plannable: Vec<QueryId> = queries.into_iter().filter(|query| self.before[query.0].is_some()).collect();
        let wanted = plannable.iter().map(|query| (*query, self.relevant[query.0].clone())).collect();
        for (query, answer) in plannable.iter().zip(self.answers(wanted).await) {
            // An engine that fails with all candidates at once still counts as one that finds no use for them.
            self.floor[query.0] = answer.or_else(|| self.before[query.0].clone());
        }
        let before = self.nothing();
        self.base = before.reads;
        let possible: f64 = before.costs.iter().enumerate().map(|(at, cost)| self.headroom(QueryId(at), *cost)).sum();
        self.least_gain = (self.limits.total_gain * possible).max(1e-12 * self.base);
    }

    /// The empty selection.
    pub(super) fn nothing(&self) -> Selection {
        let costs: Vec<f64> =
            self.before.iter().map(|answer| answer.as_ref().map_or(0.0, |answer| answer.cost)).collect();
        let reads = self.reads(&costs);
        Selection { set: BTreeSet::new(), costs, reads, upkeep: 0.0, bytes: 0.0 }
    }

    /// The selection without some candidates and with others.
    pub(super) async fn moved(&mut self, from: &Selection, remove: &[CandidateId], add: &[CandidateId]) -> Selection {
        let mut set = from.set.clone();
        for id in remove {
            set.remove(id);
        }
        set.extend(add);
        let grows = from.set.is_subset(&set);
        let touched: BTreeSet<QueryId> =
            from.set.symmetric_difference(&set).flat_map(|id| self.users[id.0].iter().copied()).collect();
        let asked: Vec<QueryId> =
            touched.into_iter().filter(|query| !(grows && self.at_floor(*query, from.costs[query.0]))).collect();
        let wanted = asked.iter().map(|query| (*query, set.clone())).collect();
        let mut costs = from.costs.clone();
        for (query, answer) in asked.iter().zip(self.answers(wanted).await) {
            if let Some(answer) = answer {
                costs[query.0] = answer.cost;
            }
        }
        let reads = self.reads(&costs);
        let upkeep = set.iter().map(|id| self.upkeep[id.0]).sum();
        let bytes = set.iter().map(|id| self.bytes(*id)).sum();
        Selection { set, costs, reads, upkeep, bytes }
    }

    /// Keeps a selection when it is the best so far.
    pub(super) fn offer(&mut self, selection: &Selection) {
        if selection.bytes <= self.limits.budget && self.best.as_ref().is_none_or(|best| selection.beats(best)) {
            self.best = Some(selection.clone());
            let chosen: Vec<CandidateId> = selection.set.iter().copied().collect();
            let outcome = self.known_outcome(chosen, selection);
            self.mailbox.publish(outcome);
        }
    }

    /// Adds a merged candidate; one that exists already is returned as it is.
    pub(super) fn add_candidate(&mut self, candidate: Candidate) -> CandidateId {
        let same = |other: &Candidate| other.table == candidate.table && other.index == candidate.index;
        if let Some(at) = self.problem.candidates.iter().position(same) {
            return CandidateId(at);
        }
        let id = CandidateId(self.problem.candidates.len());
        self.mailbox.add_candidate(candidate.clone());
        self.problem.candidates.push(candidate);
        self.register(id);
        id
    }

    pub(super) fn bytes(&self, id: CandidateId) -> f64 {
        self.problem.candidates[id.0].bytes
    }

    pub(super) fn upkeep(&self, id: CandidateId) -> f64 {
        self.upkeep[id.0]
    }

    /// The most that further candidates could save of a query, over the whole workload.
    pub(super) fn headroom(&self, query: QueryId, cost: f64) -> f64 {
        if self.at_floor(query, cost) {
            return 0.0;
        }
        self.floor[query.0].as_ref().map_or(0.0, |floor| (cost - floor.cost) * self.problem.weights[query.0])
    }

    fn at_floor(&self, query: QueryId, cost: f64) -> bool {
        self.floor[query.0].as_ref().is_none_or(|floor| cost <= floor.cost * AT_FLOOR)
    }

    fn reads(&self, costs: &[f64]) -> f64 {
        costs.iter().zip(&self.problem.weights).map(|(cost, weight)| cost * weight).sum()
    }

    fn register(&mut self, id: CandidateId) {
        let candidate = &self.problem.candidates[id.0];
        let queries = (0..self.problem.weights.len()).map(QueryId);
        let users: Vec<QueryId> = queries.filter(|query| (self.problem.relevant)(*query, candidate)).collect();
        for query in &users {
            self.relevant[query.0].insert(id);
        }
        self.users.push(users);
        self.upkeep.push((self.problem.upkeep)(candidate));
    }

    /// Answers from memory, and from outside what memory does not hold. Sets are cut down to what the query can use.
    async fn answers(&mut self, wanted: Vec<(QueryId, BTreeSet<CandidateId>)>) -> Vec<Option<Answer>> {
        let wanted: Vec<Question> = wanted
            .into_iter()
            .map(|(query, set)| {
                let add = set.intersection(&self.relevant[query.0]).copied().collect();
                Question { query, configuration: Configuration { add, hide: BTreeSet::new() } }
            })
            .collect();
        let unknown = |question: &&Question| self.memo.find(question.query, &question.configuration).is_none();
        let missing: Vec<Question> = wanted.iter().filter(unknown).cloned().collect();
        if !missing.is_empty() {
            let answers = self.mailbox.ask(missing.clone()).await;
            for (question, answer) in missing.into_iter().zip(answers) {
                if let Some(answer) = answer {
                    self.memo.insert(question.query, question.configuration, answer);
                }
            }
        }
        wanted.iter().map(|question| self.memo.find(question.query, &question.configuration).cloned()).collect()
    }

    /// Workload cost by executions.
    fn executed(&self, costs: &[f64]) -> f64 {
        costs.iter().zip(&self.problem.executions).map(|(cost, times)| cost * times).sum()
    }

    /// The outcome of a selection, its candidates put in order of what each adds.
    async fn outcome(&mut self, selection: &Selection, complete: bool) -> Outcome {
        let mut order = Vec::new();
        let mut current = self.nothing();
        let mut gains = Vec::new();
        let mut frontier = vec![(0.0, self.executed(&current.costs))];
        let mut left = selection.set.clone();
        while !left.is_empty() {
            let mut next: Option<(f64, CandidateId, Selection)> = None;
            for id in left.clone() {
                let with = self.moved(&current, &[], &[id]).await;
                let gain = current.objective() - with.objective();
                if next.as_ref().is_none_or(|(best, ..)| gain > *best) {
                    next = Some((gain, id, with));
                }
            }
            let Some((_, id, with)) = next else { break };
            gains.push(current.reads - with.reads);
            frontier.push((with.bytes, self.executed(&with.costs)));
            current = with;
            order.push(id);
            left.remove(&id);
        }
        // A query at its floor was not asked about again; its plan is wanted all the same.
        let all = (0..self.problem.weights.len()).map(QueryId).filter(|query| self.before[query.0].is_some());
        let wanted = all.map(|query| (query, selection.set.clone())).collect();
        self.answers(wanted).await;
        let known = self.known_outcome(order, selection);
        // A query near its floor was taken to be there; the end is known to the last digit.
        let after: Vec<f64> =
            known.after.iter().map(|answer| answer.as_ref().map_or(0.0, |answer| answer.cost)).collect();
        if let Some(last) = frontier.last_mut() {
            last.1 = self.executed(&after);
        }
        Outcome { gains, frontier, complete, promising: self.promising(), ..known }
    }

    /// For each query the best few candidates alone, and what its best plan uses.
    fn promising(&self) -> BTreeSet<CandidateId> {
        const MOST: usize = 3;
        let mut promising = BTreeSet::new();
        for (at, before) in self.before.iter().enumerate() {
            let Some(before) = before else { continue };
            let alone = self.relevant[at].iter().filter_map(|id| {
                let configuration = Configuration { add: BTreeSet::from([*id]), hide: BTreeSet::new() };
                let answer = self.memo.find(QueryId(at), &configuration)?;
                (answer.cost < before.cost * (1.0 - self.limits.query_gain)).then_some((answer.cost, *id))
            });
            let mut alone: Vec<(f64, CandidateId)> = alone.collect();
            alone.sort_by(|a, b| {
                a.0.total_cmp(&b.0).then(self.bytes(a.1).total_cmp(&self.bytes(b.1))).then(a.1.cmp(&b.1))
            });
            promising.extend(alone.into_iter().take(MOST).map(|(_, id)| id));
            let used = self.floor[at].iter().flat_map(|floor| &floor.used);
            promising.extend(used.filter_map(|used| match used {
                UsedIndex::Candidate(id) => Some(*id),
                UsedIndex::Existing(..) => None,
            }));
        }
        promising
    }

    /// What can be said of a selection without asking.
    fn known_outcome(&self, chosen: Vec<CandidateId>, selection: &Selection) -> Outcome {
        let after = self.before.iter().enumerate().map(|(at, before)| {
            let add = selection.set.intersection(&self.relevant[at]).copied().collect();
            let configuration = Configuration { add, hide: BTreeSet::new() };
            let found = self.memo.find(QueryId(at), &configuration).cloned();
            found.or_else(|| before.as_ref().map(|answer| Answer { cost: selection.costs[at], ..answer.clone() }))
        });
        Outcome {
            after: after.collect(),
            gains: Vec::new(),
            frontier: vec![
                (0.0, self.executed(&self.nothing().costs)),
                (selection.bytes, self.executed(&selection.costs)),
            ],
            chosen,
            before: self.before.clone(),
            floor: self.floor.clone(),
            promising: BTreeSet::new(),
            questions: self.mailbox.asked(),
            complete: false,
        }
    }
}
