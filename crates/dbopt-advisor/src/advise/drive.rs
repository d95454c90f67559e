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
    /// The live cost of each query without candidates.
    bases: BTreeMap<QueryId, f64>,
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
            Some(base) if plain.cost > 0.0 => base / plain.cost,
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
        let mut answers = self.live.ask(questions).await?;
        self.explains += answers.iter().flatten().count();
        for (question, answer) in questions.iter().zip(&mut answers) {
            match answer {
                Some(answer) if question.configuration.add.is_empty() && question.configuration.hide.is_empty() => {
                    self.bases.insert(question.query, answer.cost);
                }
                Some(_) => {}
                None => *answer = self.by_model(question).await?,
            }
        }
        Ok(answers)
    }
}

/// Whether HypoPG knows the access method (<https://github.com/HypoPG/hypopg>, "limitations").
pub(super) fn is_simulated(method: &Method) -> bool {
    matches!(method, Method::Btree | Method::Brin | Method::Hash)
}
