//! The last step on a partitioned table: whether its index became valid with all its parts, and how large it is in all.

use dbopt_run::{Action, Effect, Error, Hands, Lock, Outcome, Pending, Step, find_index};

/// Looks whether the index of a partitioned table is valid, and how large it is.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    step: Step,
}

impl Verified {
    /// Of an index of a table in the same schema, of a predicted size in all.
    pub(super) fn new((schema, table): (&str, &str), name: &str, bytes: f64) -> Self {
        Self {
            step: Step {
                kind: "verify-index",
                schema: schema.to_owned(),
                object: name.to_owned(),
                table: Some((schema.to_owned(), table.to_owned())),
                statements: Vec::new(),
                lock: Lock::None,
                risk: "none, it only looks",
                seconds: None,
                bytes: Some(bytes),
                needs: Vec::new(),
            },
        }
    }

    async fn look(&self, hands: &Hands<'_>) -> Result<Effect, Error> {
        let facts = find_index(hands.control, &self.step.schema, &self.step.object).await?;
        let bytes = facts.as_ref().map(|facts| facts.bytes);
        let outcome = match facts {
            Some(facts) if facts.is_valid => Outcome::Done,
            Some(_) => Outcome::Failed("it is not valid, so a partition came in that has no part of it".to_owned()),
            None => Outcome::Failed("it is not there".to_owned()),
        };
        // Its parts were counted as they were built.
        Ok(Effect { outcome, bytes_before: bytes, bytes_after: bytes, rows: None, definition: None })
    }
}

impl Action for Verified {
    fn step(&self) -> &Step {
        &self.step
    }

    fn step_mut(&mut self) -> &mut Step {
        &mut self.step
    }

    fn run<'a>(&'a mut self, hands: &'a mut Hands<'_>) -> Pending<'a> {
        Box::pin(self.look(hands))
    }
}
