//! Building an index without blocking writes.

use crate::definition::same_definition;
use crate::error::Error;
use crate::guard::builds_concurrently;
use crate::hands::Hands;
use crate::horizon::old_transaction;
use crate::index::{self, IndexFacts};
use crate::leftover::{Fate, discard};
use crate::report::{Effect, Outcome};
use crate::step::{Action, Lock, Pending, Step};
use crate::watch::{self, Ended};

pub(crate) const KIND: &str = "create-index";

/// `CREATE INDEX CONCURRENTLY`, watched, verified, and cleaned up after when it does not come to its end.
#[derive(Clone, Debug)]
pub struct CreateIndex {
    step: Step,
}

impl CreateIndex {
    /// Of a table, by schema and name; `statement` is the whole statement and `name` the index's name in it. The index
    /// comes to be in the schema of its table.
    #[must_use]
    pub fn new((schema, table): (&str, &str), name: &str, statement: &str) -> Self {
        Self {
            step: Step {
                kind: KIND,
                schema: schema.to_owned(),
                object: name.to_owned(),
                table: Some((schema.to_owned(), table.to_owned())),
                statements: vec![statement.to_owned()],
                lock: Lock::ShareUpdateExclusive,
                risk: "while it is built it costs every write of the table, and it waits for older transactions",
                seconds: None,
                bytes: None,
                needs: Vec::new(),
            },
        }
    }

    async fn build(&self, hands: &mut Hands<'_>) -> Result<Effect, Error> {
        let Step { schema, object, .. } = &self.step;
        let statement = self.step.statements[0].as_str();
        if !builds_concurrently(hands.work.server_version_num()) {
            return Ok(Outcome::Blocked(
                "PostgreSQL 14.0 to 14.3 may corrupt indexes that are built concurrently; update to 14.4".to_owned(),
            )
            .into());
        }
        let (table_schema, table_name) = self.step.table.as_ref().map_or(("", ""), |(schema, name)| (schema, name));
        let Some((table, table_bytes)) = index::table(hands.control, table_schema, table_name).await? else {
            return Ok(Outcome::Failed(format!("there is no table `{table_schema}.{table_name}`")).into());
        };
        if let Some(effect) = self.is_there(hands, table).await? {
            return Ok(effect);
        }
        // Without a prediction: an index is seldom larger than its table.
        let predicted = self.step.bytes.unwrap_or(table_bytes as f64);
        if let Some(outcome) = hands.no_room(predicted as u64).await? {
            return Ok(outcome.into());
        }
        if let Some(who) = old_transaction(hands.control, table, hands.options.oldest_transaction).await? {
            return Ok(Outcome::Deferred(format!("it would wait for an old transaction: {who}")).into());
        }
        let entry = hands.journal.open(hands.control, KIND, (schema, object), Some(table), statement, None).await?;
        let ended = watch::run(hands, statement, Some(entry)).await?;
        let facts = index::find(hands.control, schema, object).await?;
        let outcome = match (ended, facts) {
            (Ended::Done, Some(facts)) if facts.is_valid => {
                hands.journal.close(entry);
                return Ok(Effect {
                    outcome: Outcome::Done,
                    bytes_before: None,
                    bytes_after: Some(facts.bytes),
                    rows: None,
                    definition: Some(facts.definition),
                });
            }
            (ended, facts) => {
                let outcome = ended.outcome(Outcome::Failed("the server built it and it is not valid".to_owned()));
                self.clean_up(hands, entry, outcome, facts.filter(|facts| !facts.is_valid)).await?
            }
        };
        Ok(outcome.into())
    }

    /// What to say when something has the name already.
    async fn is_there(&self, hands: &Hands<'_>, table: u32) -> Result<Option<Effect>, Error> {
        let Step { schema, object, .. } = &self.step;
        let Some(facts) = index::find(hands.control, schema, object).await? else {
            let taken = index::is_taken(hands.control, schema, object).await?;
            return Ok(taken.then(|| Outcome::Failed("something that is no index has this name".to_owned()).into()));
        };
        let is_same = facts.table == table && same_definition(&facts.definition, &self.step.statements[0]);
        let outcome = match (facts.is_valid, is_same) {
            (true, true) => Outcome::Skipped("it is there already".to_owned()),
            (true, false) => Outcome::Failed("an index of this name with another definition is there".to_owned()),
            (false, _) => Outcome::Failed(
                "an invalid index of this name is there, which this database's journal does not prove to be dbopt's; \
                 drop it when nobody is building it"
                    .to_owned(),
            ),
        };
        Ok(Some(Effect {
            outcome,
            bytes_before: Some(facts.bytes),
            bytes_after: Some(facts.bytes),
            rows: None,
            definition: None,
        }))
    }

    /// Drops what a build that ended badly has left. The name was free when it began, and this session has held the
    /// lock ever since, but another program may have been quicker with the name: then the build failed for that.
    async fn clean_up(
        &self,
        hands: &mut Hands<'_>,
        entry: i64,
        outcome: Outcome,
        left: Option<IndexFacts>,
    ) -> Result<Outcome, Error> {
        let Step { schema, object, .. } = &self.step;
        let fate = match left {
            Some(facts) if same_definition(&facts.definition, &self.step.statements[0]) => {
                discard(hands, Some(entry), schema, object, &facts).await?
            }
            Some(_) => Fate::Foreign("it has another definition".to_owned()),
            None => Fate::Nothing,
        };
        if let Fate::Kept(reason) = &fate {
            // The entry stays open, and the next run tries again.
            let with = |why: String| format!("{why}; the invalid index is left to the next run: {reason}");
            return Ok(match outcome {
                Outcome::Deferred(why) => Outcome::Deferred(with(why)),
                Outcome::Failed(why) => Outcome::Failed(with(why)),
                other => other,
            });
        }
        hands.journal.close(entry);
        Ok(outcome)
    }
}

impl Action for CreateIndex {
    fn step(&self) -> &Step {
        &self.step
    }

    fn step_mut(&mut self) -> &mut Step {
        &mut self.step
    }

    fn run<'a>(&'a mut self, hands: &'a mut Hands<'_>) -> Pending<'a> {
        Box::pin(self.build(hands))
    }
}
