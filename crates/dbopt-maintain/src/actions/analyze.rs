//! `ANALYZE`.

use dbopt_run::{Action, Effect, Error, Hands, Outcome, Pending, STATEMENT, Step};

use super::object::{counted, counters, passed_over, step};
use crate::object::TableRef;

/// `ANALYZE` of one table, tried for in short turns, and verified by the server's own count.
#[derive(Clone, Debug)]
pub struct Analyze {
    step: Step,
    table: TableRef,
}

impl Analyze {
    /// The kind of the step.
    pub const KIND: &'static str = "analyze";

    /// Of a table or a materialised view.
    #[must_use]
    pub fn new(table: &TableRef) -> Self {
        let risk = "plans may change with the statistics";
        Self { step: step(Self::KIND, table, vec![format!("ANALYZE {table};")], risk), table: table.clone() }
    }

    async fn act(&self, hands: &mut Hands<'_>) -> Result<Effect, Error> {
        let before = match counters(hands.control, &self.table).await? {
            Ok(counters) => counters,
            Err(outcome) => return Ok(outcome.into()),
        };
        let names = (self.step.schema.as_str(), self.step.object.as_str());
        let statement = self.step.statements[0].as_str();
        let entry = hands.journal.open(hands.control, STATEMENT, names, Some(self.table.oid), statement, None).await?;
        let outcome = hands.in_turns(statement, self.step.table.as_ref()).await?;
        hands.journal.close(entry);
        if let Some(outcome) = outcome {
            return Ok(outcome.into());
        }
        Ok(match counted(hands.control, &self.table, &before, |counters| counters.analyzes).await? {
            Ok(Some(_)) => Outcome::Done.into(),
            Ok(None) => passed_over(hands, &self.step, &before).await?.into(),
            Err(outcome) => outcome.into(),
        })
    }
}

impl Action for Analyze {
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
