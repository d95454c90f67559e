//! What a killed run left behind: proven to be ours and dropped, or reported and left.
//!
//! A leftover is dropped only when all of this holds: it is not valid; an open journal entry of a dead run names it; it
//! is on the same table; it has the same definition; no constraint stands on it; it is no part of another index; nobody
//! is building on its table. A valid index is never dropped here, whatever the journal says.

use dbopt_sql::quote_ident;

use crate::audit::Change;
use crate::definition::same_definition;
use crate::error::Error;
use crate::hands::Hands;
use crate::history::Adopted;
use crate::index::{self, IndexFacts};
use crate::journal::Entry;
use crate::rebuild;
use crate::watch::{self, Ended};

/// What became of a journal entry of a dead run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The entry.
    pub entry: Entry,
    /// What became of it.
    pub fate: Fate,
}

/// What became of what an entry names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing was left behind.
    Nothing,
    /// What was wanted is there and valid: only the end of the run was missing.
    Complete,
    /// A leftover was dropped.
    Dropped,
    /// A leftover is ours, but could not be dropped now.
    Kept(
        /// Why.
        String,
    ),
    /// What is there could not be proven to be ours, and was left.
    Foreign(
        /// What does not fit.
        String,
    ),
    /// A kind of step that its own command has to resume.
    Unknown,
}

impl Fate {
    /// The one word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing-left",
            Self::Complete => "complete",
            Self::Dropped => "dropped",
            Self::Kept(_) | Self::Unknown => "kept",
            Self::Foreign(_) => "not-ours",
        }
    }

    /// Whether the entry needs no further run.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self, Self::Nothing | Self::Complete | Self::Dropped)
    }
}

/// Deals with one entry of an earlier run.
pub(crate) async fn repair(hands: &mut Hands<'_>, entry: &Entry) -> Result<Fate, Error> {
    if entry.kind == rebuild::REINDEX {
        let fate = rebuild::repair(hands, entry).await?;
        if fate.is_settled() {
            hands.journal.close(entry.id);
        }
        hands.journal.settle_repair(hands.control, entry, &fate, None).await?;
        return Ok(fate);
    }
    if ![crate::create_index::KIND, crate::drop_index::KIND, crate::ddl::KIND].contains(&&*entry.kind) {
        return Ok(Fate::Unknown);
    }
    let facts = index::find(hands.control, &entry.schema, &entry.object).await?;
    let is_drop = entry.statement.starts_with("DROP INDEX ");
    let (fate, adopted) = match &facts {
        // The statement had come to its end, and only the history was not told.
        None if is_drop => (Fate::Nothing, Some(Adopted::dropped(entry.definition.clone()))),
        None => (Fate::Nothing, None),
        Some(facts) if entry.kind == crate::ddl::KIND => match made(facts, entry) {
            true => (Fate::Complete, Some(Adopted::created(facts))),
            false => (Fate::Nothing, None),
        },
        Some(facts) => match unfit(facts, entry) {
            Some(reason) => (Fate::Foreign(reason), None),
            // A drop that had not begun leaves everything as it was.
            None if facts.is_valid && is_drop => (Fate::Nothing, None),
            None if facts.is_valid => (Fate::Complete, Some(Adopted::created(facts))),
            None => {
                let fate = discard(hands, Some(entry.id), &entry.schema, &entry.object, facts).await?;
                let is_done = is_drop && fate == Fate::Dropped;
                (fate, is_done.then(|| Adopted::dropped(Some(facts.definition.clone()))))
            }
        },
    };
    if fate.is_settled() {
        hands.journal.close(entry.id);
    }
    hands.journal.settle_repair(hands.control, entry, &fate, adopted.as_ref()).await?;
    Ok(fate)
}

impl Adopted {
    fn created(facts: &IndexFacts) -> Self {
        Self { kind: crate::create_index::KIND, definition: Some(facts.definition.clone()), bytes: facts.bytes }
    }

    fn dropped(definition: Option<String>) -> Self {
        Self { kind: crate::drop_index::KIND, definition, bytes: 0 }
    }
}

/// Whether an index came from a plain statement of a dead run. The name was free when that began.
fn made(facts: &IndexFacts, entry: &Entry) -> bool {
    entry.definition.is_none()
        && entry.table == Some(facts.table)
        && same_definition(&facts.definition, &entry.statement)
}

/// Drops an invalid index that is proven to be ours.
pub(crate) async fn discard(
    hands: &mut Hands<'_>,
    entry: Option<i64>,
    schema: &str,
    name: &str,
    facts: &IndexFacts,
) -> Result<Fate, Error> {
    if let Some(builder) = builder(hands, facts.table).await? {
        return Ok(Fate::Kept(format!("{builder} is working on the table")));
    }
    let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {}.{};", quote_ident(schema), quote_ident(name));
    let change = Change { run: hands.journal.run(), kind: "drop-leftover", schema, object: name };
    let begun = hands.journal.record_begun(hands.control, change, &sql).await?;
    let fate = match watch::run(hands, &sql, entry).await? {
        Ended::Done => Fate::Dropped,
        Ended::GivenUp(waits_for) => Fate::Kept(format!("its table is in use by {waits_for}")),
        Ended::Failed(error) => Fate::Kept(error.to_string()),
    };
    hands.journal.record_ended(hands.control, change, fate.word(), begun).await?;
    Ok(fate)
}

/// Why an index is not the one that an entry names.
fn unfit(facts: &IndexFacts, entry: &Entry) -> Option<String> {
    let expected = entry.definition.as_deref().unwrap_or(&entry.statement);
    if entry.table != Some(facts.table) {
        return Some("it is on another table".to_owned());
    }
    if facts.has_constraint {
        return Some("a constraint stands on it".to_owned());
    }
    if facts.is_attached && !facts.is_valid {
        return Some("it is a part of a partitioned table's index".to_owned());
    }
    if !same_definition(&facts.definition, expected) {
        return Some("it has another definition".to_owned());
    }
    None
}

/// Another session that holds the lock of a concurrent build on a table. Unlike the progress view, locks are shown to
/// every role.
async fn builder(hands: &Hands<'_>, table: u32) -> Result<Option<String>, Error> {
    let sql = "SELECT 'process ' || l.pid FROM pg_catalog.pg_locks l \
               WHERE l.locktype = 'relation' AND l.relation = $1 AND l.granted \
                   AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid IS DISTINCT FROM $2 \
                   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d \
                                     WHERE d.datname = pg_catalog.current_database()) LIMIT 1";
    let rows = hands.control.query(sql, &[&table, &hands.work_pid]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_counts() {
        let definition = "CREATE INDEX i ON public.t USING btree (a)".to_owned();
        let facts = IndexFacts {
            oid: 9,
            table: 5,
            is_valid: false,
            is_partitioned: false,
            has_constraint: false,
            is_attached: false,
            definition: definition.clone(),
            bytes: 0,
        };
        let entry = Entry {
            id: 1,
            run: 1,
            kind: "create-index".to_owned(),
            schema: "public".to_owned(),
            object: "i".to_owned(),
            table: Some(5),
            statement: "CREATE INDEX CONCURRENTLY i ON public.t USING btree (a);".to_owned(),
            definition: None,
        };
        assert_eq!(unfit(&facts, &entry), None);
        assert_eq!(unfit(&facts, &Entry { definition: Some(definition), ..entry.clone() }), None);
        for (facts, entry) in [
            (IndexFacts { table: 6, ..facts.clone() }, entry.clone()),
            (IndexFacts { has_constraint: true, ..facts.clone() }, entry.clone()),
            (IndexFacts { is_attached: true, ..facts.clone() }, entry.clone()),
            (
                IndexFacts { definition: "CREATE INDEX i ON public.t USING btree (b)".to_owned(), ..facts.clone() },
                entry.clone(),
            ),
            (facts.clone(), Entry { table: None, ..entry.clone() }),
            (facts, Entry { definition: Some("CREATE INDEX i ON public.t USING hash (a)".to_owned()), ..entry }),
        ] {
            assert!(unfit(&facts, &entry).is_some(), "{facts:?} {entry:?}");
        }
    }
}
