//! A plain statement that needs a strong lock for a moment.

use crate::error::Error;
use crate::hands::Hands;
use crate::index;
use crate::report::{Effect, Outcome};
use crate::step::{Action, Pending, Step};

/// How the journal calls a statement that is done or not done as a whole, whatever the step is: one that was broken off
/// has left nothing.
pub const KIND: &str = "statement";

/// One statement that is done or not done as a whole, under a short `lock_timeout`, with a few tries.
///
/// It tries for its lock as [`Hands::in_turns`] says.
#[derive(Clone, Debug)]
pub struct Ddl {
    step: Step,
    /// A query whose one boolean says whether it is done already.
    unless: Option<String>,
}

impl Ddl {
    /// A step of one statement.
    #[must_use]
    pub fn new(step: Step) -> Self {
        Self { step, unless: None }
    }

    /// The same, with a query whose one boolean says whether it is done already.
    #[must_use]
    pub fn unless(mut self, query: impl Into<String>) -> Self {
        self.unless = Some(query.into());
        self
    }

    async fn act(&self, hands: &mut Hands<'_>) -> Result<Effect, Error> {
        if let Some(query) = &self.unless {
            let rows = hands.control.query(query, &[]).await?;
            if rows.first().is_some_and(|row| row.get(0)) {
                return Ok(Outcome::Skipped("it is done already".to_owned()).into());
            }
        }
        let Step { schema, object, .. } = &self.step;
        let table = match &self.step.table {
            Some((schema, name)) => index::table(hands.control, schema, name).await?.map(|(table, _)| table),
            None => None,
        };
        // Where the object is an index, its size and looks are worth writing down.
        let before = index::find(hands.control, schema, object).await?;
        let definition = before.as_ref().map(|facts| facts.definition.as_str());
        for statement in &self.step.statements {
            let names = (schema.as_str(), object.as_str());
            let entry = hands.journal.open(hands.control, KIND, names, table, statement, definition).await?;
            let outcome = hands.in_turns(statement, self.step.table.as_ref()).await?;
            // It is done or not done as a whole.
            hands.journal.close(entry);
            if let Some(outcome) = outcome {
                return Ok(outcome.into());
            }
        }
        let facts = index::find(hands.control, schema, object).await?;
        if let (Some(before), None) = (&before, &facts) {
            return Ok(Effect {
                outcome: Outcome::Done,
                bytes_before: Some(before.bytes),
                bytes_after: Some(0),
                rows: None,
                definition: Some(before.definition.clone()),
            });
        }
        let bytes_after = facts.as_ref().map(|facts| facts.bytes);
        let definition = facts.map(|facts| facts.definition);
        let bytes_before = before.map(|facts| facts.bytes);
        Ok(Effect { outcome: Outcome::Done, bytes_before, bytes_after, rows: None, definition })
    }
}

impl Action for Ddl {
    fn step(&self) -> &Step {
        &self.step
    }

    fn step_mut(&mut self) -> &mut Step {
        &mut self.step
    }

    fn run<'a>(&'a mut self, hands: &'a mut Hands<'_>) -> Pending<'a> {
        Box::pin(self.act(hands))
    }
}
