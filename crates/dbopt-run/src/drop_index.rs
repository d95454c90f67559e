//! Dropping an index without blocking anybody.

use crate::definition::same_definition;
use crate::error::Error;
use crate::hands::Hands;
use crate::horizon::old_transaction;
use crate::index;
use crate::report::{Effect, Outcome};
use crate::step::{Action, Lock, Pending, Step};
use crate::watch;

pub(crate) const KIND: &str = "drop-index";

/// `DROP INDEX CONCURRENTLY` of an index whose definition is known, watched.
#[derive(Clone, Debug)]
pub struct DropIndex {
    step: Step,
    definition: String,
}

impl DropIndex {
    /// Of an index of a table in the same schema; `definition` is what the index must look like to be dropped.
    #[must_use]
    pub fn new((schema, table): (&str, &str), name: &str, statement: &str, definition: &str) -> Self {
        Self {
            step: Step {
                kind: KIND,
                schema: schema.to_owned(),
                object: name.to_owned(),
                table: Some((schema.to_owned(), table.to_owned())),
                statements: vec![statement.to_owned()],
                lock: Lock::ShareUpdateExclusive,
                risk: "it waits for transactions that use the table, and once begun it can only be completed",
                seconds: None,
                bytes: Some(0.0),
                needs: Vec::new(),
            },
            definition: definition.to_owned(),
        }
    }

    async fn drop(&self, hands: &mut Hands<'_>) -> Result<Effect, Error> {
        let Step { schema, object, .. } = &self.step;
        let statement = self.step.statements[0].as_str();
        let Some(facts) = index::find(hands.control, schema, object).await? else {
            return Ok(Outcome::Skipped("it is not there".to_owned()).into());
        };
        if !same_definition(&facts.definition, &self.definition) {
            return Ok(Outcome::Failed(format!("it has another definition by now: {}", facts.definition)).into());
        }
        if facts.has_constraint {
            return Ok(Outcome::Failed("a constraint stands on it".to_owned()).into());
        }
        if facts.is_attached || facts.is_partitioned {
            return Ok(Outcome::Failed("it belongs to a partitioned table's index".to_owned()).into());
        }
        if let Some(who) = old_transaction(hands.control, facts.table, hands.options.oldest_transaction).await? {
            return Ok(Outcome::Deferred(format!("it would wait for an old transaction: {who}")).into());
        }
        let names = (schema.as_str(), object.as_str());
        let definition = Some(facts.definition.as_str());
        let entry = hands.journal.open(hands.control, KIND, names, Some(facts.table), statement, definition).await?;
        let ended = watch::run(hands, statement, Some(entry)).await?;
        let left = index::find(hands.control, schema, object).await?;
        // A drop that was broken off leaves the index invalid, and the entry stays open for the next run to complete it.
        if left.as_ref().is_none_or(|left| left.is_valid) {
            hands.journal.close(entry);
        }
        Ok(Effect {
            outcome: ended.outcome(Outcome::Done),
            bytes_before: Some(facts.bytes),
            bytes_after: Some(left.map_or(0, |left| left.bytes)),
            rows: None,
            definition: Some(facts.definition),
        })
    }
}

impl Action for DropIndex {
    fn step(&self) -> &Step {
        &self.step
    }

    fn step_mut(&mut self) -> &mut Step {
        &mut self.step
    }

    fn run<'a>(&'a mut self, hands: &'a mut Hands<'_>) -> Pending<'a> {
        Box::pin(self.drop(hands))
    }
}
