//! What passes between the search's algorithm and whoever drives it.

use std::{cell::RefCell, future::poll_fn, task::Poll};

use super::outcome::Outcome;
use crate::whatif::{Answer, Candidate, Question};

/// Questions out, answers in, and what can be read in between.
#[derive(Debug)]
pub(super) struct Mailbox {
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    questions: Vec<Question>,
    answers: Option<Vec<Option<Answer>>>,
    candidates: Vec<Candidate>,
    best: Outcome,
    asked: usize,
}

impl Mailbox {
    pub(super) fn new(candidates: Vec<Candidate>, queries: usize) -> Self {
        let best = Outcome::nothing(queries);
        Self { state: RefCell::new(State { questions: Vec::new(), answers: None, candidates, best, asked: 0 }) }
    }

    /// Hands questions out and waits for their answers; missing answers count as `None`.
    pub(super) async fn ask(&self, questions: Vec<Question>) -> Vec<Option<Answer>> {
        let count = questions.len();
        {
            let mut state = self.state.borrow_mut();
            state.asked += count;
            state.questions = questions;
            state.answers = None;
        }
        let mut answers = poll_fn(|_| match self.state.borrow_mut().answers.take() {
            Some(answers) => Poll::Ready(answers),
            None => Poll::Pending,
        })
        .await;
        answers.resize(count, None);
        answers
    }

    pub(super) fn add_candidate(&self, candidate: Candidate) {
        self.state.borrow_mut().candidates.push(candidate);
    }

    /// Keeps an outcome for the case that the search is stopped.
    pub(super) fn publish(&self, outcome: Outcome) {
        self.state.borrow_mut().best = outcome;
    }

    pub(super) fn asked(&self) -> usize {
        self.state.borrow().asked
    }

    pub(super) fn questions(&self) -> Vec<Question> {
        self.state.borrow().questions.clone()
    }

    pub(super) fn answer(&self, answers: Vec<Option<Answer>>) {
        self.state.borrow_mut().answers = Some(answers);
    }

    pub(super) fn candidates(&self) -> Vec<Candidate> {
        self.state.borrow().candidates.clone()
    }

    pub(super) fn best(&self) -> Outcome {
        let state = self.state.borrow();
        Outcome { questions: state.asked, ..state.best.clone() }
    }
}
