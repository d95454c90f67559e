//! Which set of candidates saves most: a state machine that asks what-if questions and is answered.
//!
//! The algorithm is a lazy greedy search (Minoux 1978: a stale gain is an upper bound as long as gains shrink while the
//! set grows) by gain per size^exponent, run for several exponents, and improved by dropping, narrowing, merging
//! and exchanging indexes. Two facts keep the questions few:
//!
//! - the plan of a query under a set C that used U ⊆ C is the plan under every C′ with U ⊆ C′ ⊆ C, since the planner
//!   takes the cheapest (the `memo` module);
//! - the cost under all candidates together is a floor: a query that has reached it is not asked about again.
//!
//! Whoever drives it calls [`Search::step`] for questions and [`Search::answer`] with their answers, so that the same
//! search runs over an in-process model, a live session, or a test's script.

mod explorer;
mod mailbox;
mod memo;
mod moves;
mod outcome;
mod selection;

#[cfg(test)]
mod simulator;

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use self::{explorer::Explorer, mailbox::Mailbox};
use crate::{
    query::QueryId,
    whatif::{Answer, Candidate, Question},
};

pub use outcome::Outcome;

/// Whether a plan of a query could use a candidate at all.
pub type Relevance<'a> = Box<dyn Fn(QueryId, &Candidate) -> bool + 'a>;

/// One index that does the work of two, when there is one.
pub type Merge<'a> = Box<dyn Fn(&Candidate, &Candidate) -> Option<Candidate> + 'a>;

/// What to search for.
pub struct Problem<'a> {
    /// How much one execution's cost of each query counts in the search, in the order of their ids.
    pub weights: Vec<f64>,
    /// Executions of each query: the frontier counts by these, and the search by the weights.
    pub executions: Vec<f64>,
    /// The candidates; merged ones are added to them while searching.
    pub candidates: Vec<Candidate>,
    /// Whether a plan of the query could use the candidate at all.
    pub relevant: Relevance<'a>,
    /// What the candidate costs the writes of the workload, in the planner's units.
    pub upkeep: Box<dyn Fn(&Candidate) -> f64 + 'a>,
    /// One index that does the work of two, when there is one.
    pub merge: Merge<'a>,
}

/// Limits of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The most bytes that the chosen indexes may have together.
    pub budget: f64,
    /// The least share of one query's cost that an index must save, for at least one query, unless it saves much of
    /// the whole workload's.
    pub query_gain: f64,
    /// The least cost of one execution that an index must save with that share, in the planner's units and weighed like
    /// the search's: a page or two fewer is nothing to feel.
    pub query_saving: f64,
    /// The least share that an index must save, of what all candidates together could save of the workload's cost.
    pub total_gain: f64,
    /// How much of an index's gain may be given up for a narrower index, as a share.
    pub narrowing_loss: f64,
    /// Rounds of improvement after the greedy search.
    pub rounds: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            budget: f64::INFINITY,
            query_gain: 0.2,
            query_saving: 10.0,
            total_gain: 0.001,
            narrowing_loss: 0.03,
            rounds: 4,
        }
    }
}

/// What a search wants next.
#[derive(Debug)]
pub enum Step {
    /// Answers to these questions.
    Ask(Vec<Question>),
    /// Nothing: it is done.
    Done(Box<Outcome>),
}

/// A search under way.
pub struct Search<'a> {
    /// The algorithm, written as an async function whose only await is "ask": the compiler makes the state machine.
    task: Pin<Box<dyn Future<Output = Outcome> + 'a>>,
    mailbox: Rc<Mailbox>,
}

impl std::fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}

impl<'a> Search<'a> {
    /// A search that has asked nothing yet.
    #[must_use]
    pub fn new(problem: Problem<'a>, limits: Limits) -> Self {
        let mailbox = Rc::new(Mailbox::new(problem.candidates.clone(), problem.weights.len()));
        let explorer = Explorer::new(problem, limits, Rc::clone(&mailbox));
        Self { task: Box::pin(explorer.run()), mailbox }
    }

    /// Goes on until answers are needed or the search is done. After `Ask`, [`Search::answer`] must come first.
    pub fn step(&mut self) -> Step {
        match self.task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Step::Done(Box::new(outcome)),
            Poll::Pending => Step::Ask(self.mailbox.questions()),
        }
    }

    /// Answers the questions of the last `Ask`, in their order. `None` says that the query cannot be planned.
    pub fn answer(&mut self, answers: Vec<Option<Answer>>) {
        self.mailbox.answer(answers);
    }

    /// All candidates, those merged during the search at the end; it only grows.
    #[must_use]
    pub fn candidates(&self) -> Vec<Candidate> {
        self.mailbox.candidates()
    }

    /// Ends the search with the best that it has found so far.
    #[must_use]
    pub fn stop(self) -> Outcome {
        self.mailbox.best()
    }
}
