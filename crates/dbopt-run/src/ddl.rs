//! A plain statement that needs a strong lock for a moment.

use crate::error::Error;
use crate::hands::Hands;
use crate::index;
use crate::report::{Effect, Outcome};
use crate::step::{Action, Pending, Step};
use crate::watch::plain;

/// How the journal calls such a statement, whatever the step is.
pub(crate) const KIND: &str = "statement";

/// One statement that is done or not done as a whole, under a short `lock_timeout`, with a few tries.
///
/// While it waits for its lock everybody else waits behind it, so it waits only a moment, lets them pass, and tries
/// again. It never cancels anybody, and when the tries are used up it is blocked.
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
            let outcome = self.try_for(hands, statement).await?;
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
                definition: Some(before.definition.clone()),
            });
        }
        let bytes_after = facts.as_ref().map(|facts| facts.bytes);
        let definition = facts.map(|facts| facts.definition);
        let bytes_before = before.map(|facts| facts.bytes);
        Ok(Effect { outcome: Outcome::Done, bytes_before, bytes_after, definition })
    }

    /// Tries one statement; none when it was done.
    async fn try_for(&self, hands: &mut Hands<'_>, statement: &str) -> Result<Option<Outcome>, Error> {
        let backoff = hands.options.backoff;
        let mut blocker = None;
        hands.work.batch(&format!("SET lock_timeout = {}", backoff.limit().as_millis())).await?;
        for attempt in 0..backoff.tries.max(1) {
            if attempt > 0 {
                tokio::time::sleep(backoff.jittered(attempt - 1)).await;
                if let Some(reason) = hands.options.stop.reason(None) {
                    return Ok(Some(Outcome::Deferred(reason)));
                }
            }
            match plain(hands.work, statement).await? {
                Ok(()) => return Ok(None),
                Err(dbopt_pg::Error::LockTimeout { .. }) => blocker = self.blocker(hands).await?.or(blocker),
                Err(error) => return Ok(Some(Outcome::Failed(error.to_string()))),
            }
        }
        let who = blocker.map(|who| format!(": {who}")).unwrap_or_default();
        Ok(Some(Outcome::Blocked(format!("its lock was not to be had in {} tries{who}", backoff.tries.max(1)))))
    }

    /// Another session with a lock on the table.
    async fn blocker(&self, hands: &Hands<'_>) -> Result<Option<String>, Error> {
        let Some((schema, table)) = &self.step.table else { return Ok(None) };
        let sql = "SELECT pg_catalog.concat_ws(', ', 'process ' || l.pid, 'user ' || a.usename, \
                       nullif(a.application_name, ''), a.state, l.mode) \
                   FROM pg_catalog.pg_locks l \
                   JOIN pg_catalog.pg_class c ON c.oid = l.relation \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
                   WHERE n.nspname = $1 AND c.relname = $2 AND l.granted AND l.pid <> ALL ($3) \
                       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d \
                                         WHERE d.datname = pg_catalog.current_database()) LIMIT 1";
        let own = [hands.work_pid];
        let rows = hands.control.query(sql, &[schema, table, &own.as_slice()]).await?;
        Ok(rows.first().map(|row| row.get(0)))
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
