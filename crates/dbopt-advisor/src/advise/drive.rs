//! Runs a search over an engine, and lets the live engine and the model answer together.

use std::collections::BTreeMap;

use dbopt_catalog::Method;

use super::options::AdviseOptions;
use crate::{
    query::QueryId,
    search::{Outcome, Search, Step},
    whatif::{Answer, Candidate, Engine, Question, WhatIf, WhatIfError},
};

/// What a search over one engine came to.
pub(super) struct Run {
    pub(super) outcome: Outcome,
    pub(super) candidates: Vec<Candidate>,
    pub(super) interrupted: bool,
}

/// Runs a search to its end, or to the interrupt.
pub(super) async fn drive<E: WhatIf>(
    mut search: Search<'_>,
    engine: &mut E,
    options: &AdviseOptions,
) -> Result<Run, WhatIfError> {
    /// So many questions at once leave no long wait after an interrupt.
    const BATCH: usize = 64;
    let mut known = usize::MAX;
    loop {
        match search.step() {
            Step::Done(outcome) => {
                return Ok(Run { outcome: *outcome, candidates: search.candidates(), interrupted: false });
            }
            Step::Ask(questions) => {
                let candidates = search.candidates();
                if candidates.len() != known {
                    engine.candidates(&candidates);
                    known = candidates.len();
                }
                let mut answers = Vec::with_capacity(questions.len());
                for batch in questions.chunks(BATCH) {
                    let stopped = match engine.ask(batch).await {
                        Ok(batch) => {
                            answers.extend(batch);
                            options.is_interrupted()
                        }
                        Err(WhatIfError::Interrupted) => true,
                        Err(error) => return Err(error),
                    };
                    if stopped {
                        return Ok(Run { outcome: search.stop(), candidates, interrupted: true });
                    }
                }
                search.answer(answers);
            }
        }
    }
}

/// The live engine, and the model where the live engine has no answer. The model's costs are then brought to the live
/// engine's scale by the query's cost without candidates, so that both can be compared.
pub(super) struct Confirming<'a, M, L> {
    model: &'a mut M,
    live: &'a mut L,
    /// The live answer to each query without candidates.
    bases: BTreeMap<QueryId, Answer>,
    /// Questions that went to the live engine.
    pub(super) explains: usize,
    /// Questions that went to the model.
    pub(super) modelled: usize,
}

impl<'a, M: WhatIf, L: WhatIf> Confirming<'a, M, L> {
    pub(super) fn new(model: &'a mut M, live: &'a mut L) -> Self {
        Self { model, live, bases: BTreeMap::new(), explains: 0, modelled: 0 }
    }

    /// Whether the live engine could plan the query.
    pub(super) fn is_confirmed(&self, query: QueryId) -> bool {
        self.bases.contains_key(&query)
    }

    async fn by_model(&mut self, question: &Question) -> Result<Option<Answer>, WhatIfError> {
        self.modelled += 2;
        let plain = Question { query: question.query, configuration: crate::whatif::Configuration::default() };
        let mut answers = self.model.ask(&[plain, question.clone()]).await?.into_iter();
        let (Some(Some(plain)), Some(Some(answer))) = (answers.next(), answers.next()) else { return Ok(None) };
        let scale = match self.bases.get(&question.query) {
            Some(base) if plain.cost > 0.0 => base.cost / plain.cost,
            _ => 1.0,
        };
        Ok(Some(Answer { cost: answer.cost * scale, ..answer }))
    }
}

impl<M: WhatIf, L: WhatIf> WhatIf for Confirming<'_, M, L> {
    fn engine(&self) -> Engine {
        self.live.engine()
    }

    fn candidates(&mut self, candidates: &[Candidate]) {
        self.model.candidates(candidates);
        self.live.candidates(candidates);
    }

    async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Option<Answer>>, WhatIfError> {
        let known = |question: &Question| is_plain(question).then(|| self.bases.get(&question.query)).flatten();
        let mut answers: Vec<Option<Answer>> = questions.iter().map(|question| known(question).cloned()).collect();
        let open: Vec<usize> = (0..questions.len()).filter(|at| answers[*at].is_none()).collect();
        let asked: Vec<Question> = open.iter().map(|at| questions[*at].clone()).collect();
        for (at, answer) in open.into_iter().zip(self.live.ask(&asked).await?) {
            let question = &questions[at];
            answers[at] = match answer {
                Some(answer) => {
                    self.explains += 1;
                    if is_plain(question) {
                        self.bases.insert(question.query, answer.clone());
                    }
                    Some(answer)
                }
                None => self.by_model(question).await?,
            };
        }
        Ok(answers)
    }
}

/// Whether a question is about the database as it is.
fn is_plain(question: &Question) -> bool {
    question.configuration.add.is_empty() && question.configuration.hide.is_empty()
}

/// Whether HypoPG knows the access method (<https://github.com/HypoPG/hypopg>, "limitations").
pub(super) fn is_simulated(method: &Method) -> bool {
    matches!(method, Method::Btree | Method::Brin | Method::Hash)
}
