//! Rebuilding an index without blocking anybody.

use dbopt_pg::Session;
use dbopt_run::{
    Action, Effect, Ended, Error, Hands, Outcome, Pending, REINDEX, Step, builds_concurrently, old_transaction,
};

use super::object::{or_locked, step};
use crate::object::IndexRef;

/// What to do with an invalid `…_ccnew` or `…_ccold` that was there before and that the journal does not prove to be ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leftovers {
    /// It is reported, and the index is not rebuilt, so that they do not pile up.
    #[default]
    Refuse,
    /// It is dropped, as somebody has said explicitly.
    Drop,
}

/// `REINDEX INDEX CONCURRENTLY`, watched, verified, and cleaned up after when it does not come to its end.
#[derive(Clone, Debug)]
pub struct Reindex {
    step: Step,
    index: IndexRef,
    leftovers: Leftovers,
}

impl Reindex {
    /// The kind of the step, and of its journal entries.
    pub const KIND: &'static str = REINDEX;

    /// Of an index that is still the one, with the file, that the plan saw.
    #[must_use]
    pub fn new(index: &IndexRef) -> Self {
        let statements = vec![format!("REINDEX INDEX CONCURRENTLY {index};")];
        let risk = "while it is built it costs every write of the table, and it waits for older transactions";
        let step = Step { object: index.name.clone(), ..step(Self::KIND, &index.table, statements, risk) };
        Self { step, index: index.clone(), leftovers: Leftovers::default() }
    }

    /// The same, with what to do about leftovers of others.
    #[must_use]
    pub fn with_leftovers(mut self, leftovers: Leftovers) -> Self {
        self.leftovers = leftovers;
        self
    }

    async fn rebuild(&self, hands: &mut Hands<'_>) -> Result<Effect, Error> {
        let looked = Found::look(hands.control, &self.index).await;
        let found = match or_locked(hands.control, self.index.oid, looked).await? {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Outcome::Skipped("it is not there any more".to_owned()).into()),
            Err(outcome) => return Ok(outcome.into()),
        };
        if let Some(outcome) = self.refusal(&found, hands.work.server_version_num()) {
            return Ok(outcome.into());
        }
        let (table, name) = (found.table, self.index.name.as_str());
        if let Some(outcome) = self.left_before(hands, &found).await? {
            return Ok(outcome.into());
        }
        if let Some(outcome) = hands.no_room(found.bytes.unsigned_abs()).await? {
            return Ok(outcome.into());
        }
        if let Some(who) = old_transaction(hands.control, table, hands.options.oldest_transaction).await? {
            return Ok(Outcome::Deferred(format!("it would wait for an old transaction: {who}")).into());
        }
        let statement = self.step.statements[0].as_str();
        let names = (self.step.schema.as_str(), name);
        let definition = Some(found.definition.as_str());
        let entry = hands.journal.open(hands.control, Self::KIND, names, Some(table), statement, definition).await?;
        let ended = hands.watched(statement).await?;
        let is_done = matches!(ended, Ended::Done);
        let mut outcome = ended.outcome(Outcome::Done);
        let fate = match is_done {
            true => dbopt_run::Fate::Nothing,
            false => hands.discard_rebuild(table, name, &found.definition).await?,
        };
        if let dbopt_run::Fate::Kept(reason) = fate {
            // The entry stays open, and the next run tries again.
            let with = |why: String| format!("{why}; the invalid index is left to the next run: {reason}");
            outcome = match outcome {
                Outcome::Deferred(why) => Outcome::Deferred(with(why)),
                Outcome::Failed(why) => Outcome::Failed(with(why)),
                other => other,
            };
        } else {
            hands.journal.close(entry);
        }
        let after = Found::look(hands.control, &self.index).await?;
        if is_done && after.as_ref().is_none_or(|after| !after.is_valid || after.file == found.file) {
            outcome = Outcome::Failed("the server says it is done, and it is not another, valid index".to_owned());
        }
        Ok(Effect {
            outcome,
            bytes_before: Some(found.bytes),
            bytes_after: after.as_ref().map(|after| after.bytes),
            rows: None,
            definition: after.map(|after| after.definition),
        })
    }

    /// Why this index is not rebuilt.
    fn refusal(&self, found: &Found, version: u32) -> Option<Outcome> {
        if !builds_concurrently(version) {
            return Some(Outcome::Blocked(
                "PostgreSQL 14.0 to 14.3 may corrupt indexes that are rebuilt concurrently; update to 14.4".to_owned(),
            ));
        }
        if found.oid != self.index.oid || found.file != self.index.relfilenode || found.table != self.index.table.oid {
            return Some(Outcome::Skipped("it was rebuilt or replaced since the plan was made".to_owned()));
        }
        let why = match found {
            Found { is_system: true, .. } => "it is of a system catalogue, which cannot be rebuilt concurrently",
            Found { is_temporary: true, .. } => "it is temporary, and only its own session can use it",
            Found { is_exclusion: true, .. } => {
                "an exclusion constraint stands on it, so it cannot be rebuilt concurrently"
            }
            Found { is_partitioned: true, .. } => "it is of a partitioned table; its parts are rebuilt one by one",
            Found { is_valid: false, .. } => {
                return Some(Outcome::Failed(
                    "it is not valid, and a rebuild would put it to use; drop it, or rebuild it by hand".to_owned(),
                ));
            }
            _ => return None,
        };
        Some(Outcome::Skipped(why.to_owned()))
    }

    /// What to say when an earlier rebuild, not proven to be ours, has left something.
    async fn left_before(&self, hands: &mut Hands<'_>, found: &Found) -> Result<Option<Outcome>, Error> {
        let left = hands.rebuild_leftovers(found.table, &self.index.name, &found.definition).await?;
        let Some((_, name, _)) = left.first() else { return Ok(None) };
        if self.leftovers == Leftovers::Refuse {
            return Ok(Some(Outcome::Failed(format!(
                "a broken-off rebuild has left the invalid index `{name}`, which this database's journal does not prove to \
                 be dbopt's; drop it when nobody is building it, or allow that with `--drop-leftovers`"
            ))));
        }
        let fate = hands.discard_rebuild(found.table, &self.index.name, &found.definition).await?;
        Ok(match fate {
            dbopt_run::Fate::Kept(reason) => {
                Some(Outcome::Deferred(format!("the invalid index `{name}` could not be dropped: {reason}")))
            }
            _ => None,
        })
    }
}

/// What the catalogue says of the index now.
#[derive(Clone, Debug)]
struct Found {
    oid: u32,
    file: u32,
    table: u32,
    bytes: i64,
    definition: String,
    is_valid: bool,
    is_exclusion: bool,
    is_partitioned: bool,
    is_temporary: bool,
    is_system: bool,
}

const FIND: &str = "
    SELECT c.oid, c.relfilenode AS file, i.indrelid AS table, i.indisvalid AS is_valid,
           i.indisexclusion AS is_exclusion, c.relkind = 'I' AS is_partitioned, c.relpersistence = 't' AS is_temporary,
           c.oid < 16384 AS is_system, pg_catalog.pg_relation_size(c.oid) AS bytes,
           pg_catalog.pg_get_indexdef(c.oid) AS definition
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2";

impl Found {
    async fn look(session: &Session, index: &IndexRef) -> Result<Option<Self>, Error> {
        let rows = session.query(FIND, &[&index.table.schema, &index.name]).await?;
        Ok(rows.first().map(|row| Self {
            oid: row.get("oid"),
            file: row.get("file"),
            table: row.get("table"),
            // The index may vanish between the catalogue's snapshot and the functions'.
            bytes: row.get::<_, Option<i64>>("bytes").unwrap_or_default(),
            definition: row.get::<_, Option<String>>("definition").unwrap_or_default(),
            is_valid: row.get("is_valid"),
            is_exclusion: row.get("is_exclusion"),
            is_partitioned: row.get("is_partitioned"),
            is_temporary: row.get("is_temporary"),
            is_system: row.get("is_system"),
        }))
    }
}

impl Action for Reindex {
    fn step(&self) -> &Step {
        &self.step
    }

    fn step_mut(&mut self) -> &mut Step {
        &mut self.step
    }

    fn run<'a>(&'a mut self, hands: &'a mut Hands<'_>) -> Pending<'a> {
        Box::pin(self.rebuild(hands))
    }
}
