//! Dropping a partition whose rows are all expired.
//!
//! Whether they are is said by its real bounds, looked at again when its turn has come. Without an archive it is detached
//! concurrently, which nobody waits for, and then dropped; where that is not allowed, and with an archive, one transaction
//! does everything, under a strong lock that is tried for in short turns at its very end
//! (<https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION>).

use dbopt_pg::Session;
use dbopt_run::{Action, Effect, Ended, Entry, Error, Fate, Hands, Lock, Outcome, Pending, STATEMENT, Step};

use super::archive::{self, Refused};
use super::delete_rows::rows_of;
use super::object::{counters, step};
use super::retention::{DAY, create_archive, literal};
use crate::facts::{Bound, Moment, PartitionFacts};
use crate::object::TableRef;
use crate::plan::Archived;

/// Detaches one partition and drops it.
#[derive(Clone, Debug)]
pub struct DropPartition {
    step: Step,
    partition: TableRef,
    parent: TableRef,
    rule: Expiry,
}

/// When a partition goes, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Its upper bound must not be later than this: microseconds since 1970-01-01 UTC.
    pub cutoff: i64,
    /// The column by which it is proved that no row is younger, if it is to be.
    pub prove: Option<String>,
    /// Where its rows are put first.
    pub archive: Option<Archived>,
    /// Whether the partitioned table has a default partition, so that nothing can be detached from it concurrently.
    pub has_default: bool,
}

impl DropPartition {
    /// The kind of the step, and of the journal entries that a later run may have to complete.
    pub const KIND: &'static str = "drop-partition";

    /// Of a partition and the table that it is a part of.
    #[must_use]
    pub fn new(partition: &TableRef, parent: &TableRef, rule: Expiry) -> Self {
        let create = rule.archive.as_ref().and_then(|archive| create_archive(archive, parent));
        let mut statements: Vec<String> = create.into_iter().collect();
        statements.extend(put_away(partition, rule.archive.as_ref()));
        let how = if is_concurrent(&rule) { " CONCURRENTLY" } else { "" };
        statements.push(format!("ALTER TABLE {parent} DETACH PARTITION {partition}{how};"));
        statements.push(format!("DROP TABLE {partition};"));
        let risk = match rule.archive {
            Some(_) => "the rows are gone from the table, and in the archive",
            None => "the rows are gone for good",
        };
        let lock = if is_concurrent(&rule) { Lock::ShareUpdateExclusive } else { Lock::AccessExclusive };
        let table = Some((parent.schema.clone(), parent.name.clone()));
        let step = Step { lock, table, bytes: Some(0.0), ..step(Self::KIND, partition, statements, risk) };
        Self { step, partition: partition.clone(), parent: parent.clone(), rule }
    }

    /// Why it will be refused, as far as that can be seen without reading its rows.
    pub(crate) async fn obstacle(&self, session: &Session) -> Result<Option<String>, Error> {
        if let Err(outcome) = self.place(session).await? {
            return Ok(outcome.reason().map(str::to_owned));
        }
        match &self.rule.archive {
            Some(Archived::Table { schema, name }) => archive::unfit(session, &self.partition, (schema, name)).await,
            Some(Archived::Folder(_)) | None => Ok(None),
        }
    }

    async fn act(&self, hands: &mut Hands<'_>) -> Result<Effect, Error> {
        let before = match counters(hands.control, &self.partition).await? {
            Ok(counters) => counters,
            Err(outcome) => return Ok(outcome.into()),
        };
        let place = match self.refusal(hands).await? {
            Ok(place) => place,
            Err(outcome) => return Ok(outcome.into()),
        };
        let (outcome, rows) = match is_concurrent(&self.rule) || place.is_pending {
            // What nobody reads nobody has counted.
            true => (self.concurrently(hands, place.is_pending).await?, None),
            false => self.at_once(hands).await?,
        };
        let after = if outcome == Outcome::Done { 0 } else { before.bytes };
        Ok(Effect {
            outcome,
            bytes_before: Some(before.bytes),
            bytes_after: Some(after),
            rows,
            definition: Some(place.bound),
        })
    }

    /// Where the partition stands, when it may go and its rows are as old as they should be.
    async fn refusal(&self, hands: &Hands<'_>) -> Result<Result<Place, Outcome>, Error> {
        let place = match self.place(hands.control).await? {
            Ok(place) => place,
            Err(outcome) => return Ok(Err(outcome)),
        };
        Ok(match self.younger(hands).await? {
            Some(why) => Err(Outcome::Failed(why)),
            None => Ok(place),
        })
    }

    /// Where the partition stands, when it may go.
    async fn place(&self, session: &Session) -> Result<Result<Place, Outcome>, Error> {
        let Some(place) = Place::look(session, self.partition.oid).await? else {
            return Ok(Err(Outcome::Skipped("it is no partition any more".to_owned())));
        };
        let failed = |why: &str| Ok(Err(Outcome::Failed(why.to_owned())));
        if place.parent != self.parent.oid {
            return Ok(Err(Outcome::Skipped("it is a partition of another table by now".to_owned())));
        }
        let Some(kind) = place.key_type.clone() else {
            return failed("the table is not partitioned by one column, so nothing can be said of its rows");
        };
        // What was begun earlier was found to be expired then, and has lost nothing of its bounds.
        let facts = PartitionFacts {
            bound: Bound::parse(&place.bound),
            key: vec![None],
            key_types: vec![Some(kind.clone())],
            ..PartitionFacts::default()
        };
        if !crate::plan::is_expired(&facts, self.rule.cutoff) {
            return failed("its bounds do not say that all its rows are expired");
        }
        if place.others < 1 {
            return Ok(Err(Outcome::Skipped("it is the last partition besides a default one".to_owned())));
        }
        if place.has_default && is_concurrent(&self.rule) && !place.is_pending {
            return Ok(Err(Outcome::Skipped("the table has a default partition since the plan was made".to_owned())));
        }
        // Nobody is to be locked out because of what a file says.
        if !place.has_default && self.rule.has_default {
            let why =
                "the table has no default partition, as the plan says it has; without one nobody need be locked out";
            return Ok(Err(Outcome::Skipped(why.to_owned())));
        }
        if place.is_pending && self.rule.archive.is_some() {
            return failed("a DETACH of it was begun without an archive; finish it by hand, with FINALIZE");
        }
        Ok(Ok(place))
    }

    /// Whether a row is younger than the cutoff after all, where that is to be proved.
    async fn younger(&self, hands: &Hands<'_>) -> Result<Option<String>, Error> {
        let Some(column) = &self.rule.prove else { return Ok(None) };
        let sql = "SELECT pg_catalog.format_type(a.atttypid, NULL), pg_catalog.row_security_active(a.attrelid) \
                   FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped";
        let rows = hands.control.query(sql, &[&self.partition.oid, column]).await?;
        if rows.first().is_some_and(|row| row.get(1)) {
            return Ok(Some("row security may hide rows of it from this role, so nothing is proved".to_owned()));
        }
        // Where that hour comes last, it is so twelve hours after UTC.
        let civil = self.rule.cutoff.saturating_sub(12 * 3600 * 1_000_000);
        let cutoff = match rows.first().map(|row| row.get::<_, &str>(0)) {
            Some("timestamp with time zone") => Moment::Instant(self.rule.cutoff),
            Some("timestamp without time zone") => Moment::Civil(civil),
            // What is of a day may be of its last moment.
            Some("date") => Moment::Civil(civil.saturating_sub(civil.rem_euclid(DAY))),
            _ => return Ok(Some(format!("`{column}` is no column with times, so nothing is proved"))),
        };
        let (column, partition) = (dbopt_sql::quote_ident(column), &self.partition);
        let sql = format!("SELECT EXISTS (SELECT FROM {partition} WHERE {column} >= {})", literal(cutoff));
        let is_younger = hands.control.query(&sql, &[]).await?.first().is_none_or(|row| row.get(0));
        Ok(is_younger.then(|| format!("a row's `{column}` is not expired")))
    }

    /// Detaches without anybody waiting, and then drops. What a kill leaves between the two is in the journal.
    async fn concurrently(&self, hands: &mut Hands<'_>, is_pending: bool) -> Result<Outcome, Error> {
        let names = (self.step.schema.as_str(), self.step.object.as_str());
        let statement = self.step.statements.join(" ");
        let oid = Some(self.partition.oid);
        let entry = hands.journal.open(hands.control, Self::KIND, names, oid, &statement, None).await?;
        let (parent, partition) = (&self.parent, &self.partition);
        let how = if is_pending { "FINALIZE" } else { "CONCURRENTLY" };
        let ended = hands.watched(&format!("ALTER TABLE {parent} DETACH PARTITION {partition} {how};")).await?;
        if !matches!(ended, Ended::Done) {
            let outcome = ended.outcome(Outcome::Done);
            if Place::look(hands.control, partition.oid).await?.is_none_or(|place| !place.is_pending) {
                hands.journal.close(entry);
                return Ok(outcome);
            }
            let with = |why: String| format!("{why}; the rest is left to the next run");
            return Ok(match outcome {
                Outcome::Deferred(why) => Outcome::Deferred(with(why)),
                Outcome::Failed(why) => Outcome::Failed(with(why)),
                other => other,
            });
        }
        let table = (partition.schema.clone(), partition.name.clone());
        let dropped = hands.in_turns(&format!("DROP TABLE {partition};"), Some(&table)).await?;
        if let Some(outcome) = dropped {
            // The entry stays open, and the next run drops it.
            return Ok(outcome);
        }
        hands.journal.close(entry);
        Ok(Outcome::Done)
    }

    /// Everything in one transaction, in which nobody writes to the partition any more. What locks everybody out is sent in
    /// one message with its end, so that it is never held while the server waits for a client whose network is cut.
    async fn at_once(&self, hands: &mut Hands<'_>) -> Result<(Outcome, Option<u64>), Error> {
        let names = (self.step.schema.as_str(), self.step.object.as_str());
        let (statement, oid) = (self.step.statements.join(" "), Some(self.partition.oid));
        let entry = hands.journal.open(hands.control, STATEMENT, names, oid, &statement, None).await?;
        // A policy of the table may hide rows from its owner; then this is an error, and nothing is left behind.
        hands.work.batch("BEGIN; SET LOCAL row_security = off").await?;
        let done = self.within(hands).await?;
        if done.is_err() {
            hands.work.batch("ROLLBACK").await?;
        }
        hands.journal.close(entry);
        Ok(match done {
            Ok(archived) => (Outcome::Done, archived),
            Err(outcome) => (outcome, self.rule.archive.is_some().then_some(0)),
        })
    }

    /// Commits, with how many rows were archived, or says why not.
    async fn within(&self, hands: &mut Hands<'_>) -> Result<Result<Option<u64>, Outcome>, Error> {
        let (parent, partition) = (&self.parent, &self.partition);
        let own = (partition.schema.clone(), partition.name.clone());
        let mut archived = None;
        if let Some(archive) = &self.rule.archive {
            // Readers go on; whoever would write is not let in, or rows would go that are not in the archive.
            let lock = format!("LOCK TABLE {partition} IN SHARE MODE");
            if let Some(outcome) = hands.in_turns_within("dbopt_lock", &lock, Some(&own)).await? {
                return Ok(Err(outcome));
            }
            match self.put_away(hands, archive).await? {
                Ok(rows) => archived = Some(rows),
                Err(outcome) => return Ok(Err(outcome)),
            }
        }
        let sql = format!("ALTER TABLE {parent} DETACH PARTITION {partition}; DROP TABLE {partition}; COMMIT;");
        Ok(match hands.in_turns_within("dbopt_drop", &sql, self.step.table.as_ref()).await? {
            None => Ok(archived),
            Some(outcome) => Err(outcome),
        })
    }

    /// Puts all rows into the archive's table, and counts whether all have arrived.
    async fn copied(&self, hands: &Hands<'_>, copy: &str) -> Result<Result<u64, Outcome>, Error> {
        let kept = match counted(hands, copy).await? {
            Ok(kept) => kept,
            Err(why) => return Ok(Err(Outcome::Failed(why))),
        };
        let rows = hands.work.query(&format!("SELECT pg_catalog.count(*) FROM {}", self.partition), &[]).await?;
        let all = rows.first().map_or(u64::MAX, |row| row.get::<_, i64>(0).unsigned_abs());
        Ok(archive::lost(all, kept).map_or(Ok(kept), |why| Err(Outcome::Failed(why))))
    }

    /// Puts all rows into the archive; how many there were.
    async fn put_away(&self, hands: &mut Hands<'_>, archive: &Archived) -> Result<Result<u64, Outcome>, Error> {
        let failed = |why: String| Ok(Err(Outcome::Failed(why)));
        let copy = put_away(&self.partition, Some(archive)).unwrap_or_default();
        if let (Archived::Table { schema, name }, Some(create)) = (archive, create_archive(archive, &self.parent)) {
            if let Some(outcome) = hands.in_turns_within("dbopt_archive", &create, None).await? {
                return Ok(Err(outcome));
            }
            // From here on nobody can give it a trigger or a rule.
            let target = TableRef { oid: 0, schema: schema.clone(), name: name.clone() };
            let lock = format!("LOCK TABLE {target} IN ROW EXCLUSIVE MODE");
            let of_archive = (schema.clone(), name.clone());
            if let Some(outcome) = hands.in_turns_within("dbopt_archive_lock", &lock, Some(&of_archive)).await? {
                return Ok(Err(outcome));
            }
            // It was perhaps made by this transaction, which only its own session sees.
            if let Some(why) = archive::misfit(hands.work, &self.partition, (schema, name)).await? {
                return failed(why);
            }
            return self.copied(hands, &copy).await;
        }
        let cutoff = Moment::Instant(self.rule.cutoff);
        match archive::file(hands, Some(archive), &self.partition, cutoff) {
            Err(why) => failed(why),
            Ok(None) => Ok(Ok(0)),
            Ok(Some(mut file)) => Ok(match file.take(hands, &copy).await? {
                Ok(rows) => Ok(rows),
                Err(Refused::Server(error)) => Err(Outcome::Failed(error.to_string())),
                Err(Refused::File(why)) => Err(Outcome::Failed(why)),
            }),
        }
    }
}

/// What a statement counts, or why it failed.
async fn counted(hands: &Hands<'_>, statement: &str) -> Result<Result<u64, String>, Error> {
    match hands.work.client().simple_query(statement).await {
        Ok(messages) => Ok(Ok(rows_of(&messages))),
        Err(error) => match hands.work.error(error) {
            dbopt_pg::Error::ConnectionLost { .. } => Err(Error::LockLost),
            error => Ok(Err(error.to_string())),
        },
    }
}

/// Whether nobody has to wait: with an archive, no row may come between the copy and the end.
fn is_concurrent(rule: &Expiry) -> bool {
    rule.archive.is_none() && !rule.has_default
}

/// The statement that puts all rows into an archive.
fn put_away(partition: &TableRef, archive: Option<&Archived>) -> Option<String> {
    Some(match archive? {
        Archived::Table { schema, name } => {
            let archive = TableRef { oid: 0, schema: schema.clone(), name: name.clone() };
            format!("INSERT INTO {archive} SELECT * FROM {partition};")
        }
        Archived::Folder(_) => format!("COPY (SELECT * FROM {partition}) TO STDOUT;"),
    })
}

/// Where a partition stands.
#[derive(Clone, Debug)]
struct Place {
    parent: u32,
    parent_name: TableRef,
    bound: String,
    /// The type of the one column that the table is partitioned by.
    key_type: Option<String>,
    is_pending: bool,
    has_default: bool,
    /// Partitions besides this and a default one that are to stay.
    others: i64,
}

const PLACE: &str = "
    SELECT h.inhparent AS parent, n.nspname::text AS schema, p.relname::text AS name,
           coalesce(pg_catalog.pg_get_expr(c.relpartbound, c.oid), '') AS bound,
           (SELECT pg_catalog.format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = t.partrelid AND a.attnum = t.partattrs[0] AND t.partnatts = 1) AS key_type,
           coalesce((pg_catalog.to_jsonb(h) ->> 'inhdetachpending')::boolean, false) AS is_pending,
           t.partdefid <> 0 AS has_default,
           (SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits o
            WHERE o.inhparent = h.inhparent AND o.inhrelid NOT IN (h.inhrelid, t.partdefid)
                AND NOT coalesce((pg_catalog.to_jsonb(o) ->> 'inhdetachpending')::boolean, false)) AS others
    FROM pg_catalog.pg_inherits h
    JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
    JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
    JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
    JOIN pg_catalog.pg_partitioned_table t ON t.partrelid = h.inhparent
    WHERE h.inhrelid = $1";

impl Place {
    async fn look(session: &Session, partition: u32) -> Result<Option<Self>, Error> {
        // Bounds are printed by the settings of the session.
        session.batch("BEGIN; SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'").await?;
        let rows = session.query(PLACE, &[&partition]).await?;
        session.batch("COMMIT").await?;
        Ok(rows.first().map(|row| Self {
            parent: row.get("parent"),
            parent_name: TableRef { oid: row.get("parent"), schema: row.get("schema"), name: row.get("name") },
            bound: row.get("bound"),
            key_type: row.get("key_type"),
            is_pending: row.get("is_pending"),
            has_default: row.get("has_default"),
            others: row.get("others"),
        }))
    }
}

/// Completes what a dead run has begun: what it detached, after its bounds had been looked at, is dropped.
pub(super) async fn repair(hands: &mut Hands<'_>, entry: &Entry) -> Result<Fate, Error> {
    let Some(oid) = entry.table else { return Ok(Fate::Nothing) };
    let partition = TableRef { oid, schema: entry.schema.clone(), name: entry.object.clone() };
    match counters(hands.control, &partition).await? {
        Ok(_) => {}
        Err(Outcome::Blocked(why)) => return Ok(Fate::Kept(why)),
        // It has been dropped, and perhaps another has taken its name.
        Err(_) => return Ok(Fate::Nothing),
    }
    if let Some(place) = Place::look(hands.control, oid).await? {
        if !place.is_pending {
            return Ok(Fate::Nothing);
        }
        let finalize = format!("ALTER TABLE {} DETACH PARTITION {partition} FINALIZE;", place.parent_name);
        match hands.watched(&finalize).await? {
            Ended::Done => {}
            other => return Ok(Fate::Kept(other.outcome(Outcome::Done).reason().unwrap_or_default().to_owned())),
        }
    }
    let own = (partition.schema.clone(), partition.name.clone());
    Ok(match hands.in_turns(&format!("DROP TABLE {partition};"), Some(&own)).await? {
        None => Fate::Dropped,
        Some(outcome) => Fate::Kept(outcome.reason().unwrap_or_default().to_owned()),
    })
}

impl Action for DropPartition {
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
