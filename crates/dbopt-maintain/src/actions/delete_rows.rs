//! Deleting expired rows without anybody noticing.
//!
//! One DELETE of many rows commits everything or nothing after minutes, behind which the application waits. Here each
//! batch is a transaction of its own, of a size that adapts to a time, found by pages or by an index and never by a
//! sub-select with LIMIT, which reads the same dead rows again and again. The dead rows are removed at the end, and between
//! chunks.

use std::time::Duration;

use dbopt_pg::Session;
use dbopt_run::{Action, Batches, Effect, Error, Event, Hands, Lock, Outcome, Pending, Progress, STATEMENT, Step};
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;

use super::archive::{self, ArchiveFile, Refused};
use super::object::{counters, or_locked, step};
use super::refusal::{Permit, count, fit, permit};
use super::retention::{ANY, Method, Retention, create_archive};
use super::vacuum::{Vacuum, VacuumOptions};
use crate::object::TableRef;
use crate::plan::Archived;

/// Deletes the expired rows of one table, batch by batch, and vacuums it.
#[derive(Clone, Debug)]
pub struct DeleteRows {
    step: Step,
    table: TableRef,
    retention: Retention,
    vacuum: Vacuum,
}

/// How one batch ended.
enum Batch {
    /// So many rows went.
    Gone(u64),
    /// A lock was not to be had.
    Locked,
    /// It took too long, and nothing went.
    Slow,
    /// The server, or the archive, could not.
    Failed(String),
}

/// A batch may take so many times its target, and a second at least, before it is broken off.
const SLACK: u32 = 20;

/// How a range is named in the batch's statement.
type Range = (String, String);

impl DeleteRows {
    /// The kind of the step.
    pub const KIND: &'static str = "delete-rows";

    /// Of a plain table or a partition.
    #[must_use]
    pub fn new(table: &TableRef, retention: Retention) -> Self {
        let vacuum = Vacuum::new(table, &VacuumOptions::default());
        let create = retention.archive.as_ref().and_then(|archive| create_archive(archive, table));
        let mut statements: Vec<String> = create.into_iter().collect();
        statements.extend(retention.lock(table, ANY));
        statements.push(retention.batch(table, ANY));
        statements.extend(vacuum.step().statements.clone());
        let risk = match retention.archive {
            Some(_) => "the rows are gone from the table, and in the archive",
            None => "the rows are gone for good",
        };
        let step = Step { lock: Lock::None, bytes: None, ..step(Self::KIND, table, statements, risk) };
        Self { step, table: table.clone(), retention, vacuum }
    }

    /// Why it will be refused, as far as that can be seen without reading the whole table.
    pub(crate) async fn obstacle(&self, session: &Session) -> Result<Option<String>, Error> {
        let is_indexed = match fit(session, &self.table, &self.retention).await? {
            Ok(is_indexed) => is_indexed,
            Err(reason) => return Ok(Some(reason)),
        };
        if let Some(Archived::Table { schema, name }) = &self.retention.archive
            && let Some(reason) = archive::unfit(session, &self.table, (schema, name)).await?
        {
            return Ok(Some(reason));
        }
        // Without an index all rows would be read, as the run will do.
        match is_indexed {
            true => Ok(count(session, &self.table, &self.retention).await?.err()),
            false => Ok(None),
        }
    }

    async fn act(&self, hands: &mut Hands<'_>) -> Result<Effect, Error> {
        let before = match counters(hands.control, &self.table).await? {
            Ok(counters) => counters,
            Err(outcome) => return Ok(outcome.into()),
        };
        let permit = permit(hands.control, &self.table, &self.retention).await;
        let permit = match or_locked(hands.control, self.table.oid, permit).await? {
            Ok(Ok(permit)) => permit,
            Ok(Err(reason)) => return Ok(Outcome::Failed(reason).into()),
            Err(outcome) => return Ok(outcome.into()),
        };
        let statement = self.retention.batch(&self.table, ANY);
        let names = (self.step.schema.as_str(), self.step.object.as_str());
        let entry = hands.journal.open(hands.control, STATEMENT, names, Some(self.table.oid), &statement, None).await?;
        let (outcome, rows) = self.all(hands, permit).await?;
        // Each batch was done or not done as a whole.
        hands.journal.close(entry);
        let bytes_after = counters(hands.control, &self.table).await?.ok().map(|after| after.bytes);
        Ok(Effect { outcome, bytes_before: Some(before.bytes), bytes_after, rows: Some(rows), definition: None })
    }

    /// Everything from the archive to the last VACUUM, with the session's settings put back whatever happens; how it went,
    /// and how many rows did.
    async fn all(&self, hands: &mut Hands<'_>, permit: Permit) -> Result<(Outcome, u64), Error> {
        if let Some(archive @ Archived::Table { schema, name }) = &self.retention.archive {
            let create = create_archive(archive, &self.table).unwrap_or_default();
            if let Some(outcome) = hands.in_turns(&create, None).await? {
                return Ok((outcome, 0));
            }
            if let Some(reason) = archive::misfit(hands.control, &self.table, (schema, name)).await? {
                return Ok((Outcome::Failed(reason), 0));
            }
        }
        let mut file = match archive::file(hands, self.retention.archive.as_ref(), &self.table, self.retention.cutoff) {
            Ok(file) => file,
            Err(reason) => return Ok((Outcome::Failed(reason), 0)),
        };
        if permit.expired == 0 {
            return Ok((self.nothing(), 0));
        }
        let longest = hands.options.batches.target.saturating_mul(SLACK).max(Duration::from_secs(1)).as_millis();
        // A crash of the server may bring the last rows back, with the archive they went to as it was before; they are
        // still expired then. What the run says at its end is flushed, and with it everything before.
        let settings = format!(
            "SET statement_timeout = {longest}; SET lock_timeout = {}; SET row_security = off; \
             SET synchronous_commit = off",
            hands.options.backoff.limit().as_millis()
        );
        hands.work.batch(&settings).await?;
        let mut run =
            Run { action: self, settings: &settings, permit, deleted: 0, since_vacuum: 0, vacuumed: Outcome::Done };
        let outcome = match self.retention.method {
            Method::Pages => run.pages(hands, &mut file).await?,
            Method::Keys => run.keys(hands, &mut file).await?,
        };
        hands
            .work
            .batch(
                "SET statement_timeout = 0; SET lock_timeout = '1s'; RESET row_security; SET synchronous_commit = on",
            )
            .await?;
        let outcome = match outcome {
            None => self.left(hands, run.deleted).await?,
            ended => ended,
        };
        let rows = run.deleted;
        Ok((run.end(hands, outcome).await?, rows))
    }

    /// The outcome when no row was there to go.
    fn nothing(&self) -> Outcome {
        let is_whole = self.retention.exempt.reasons.is_empty();
        Outcome::Skipped(if is_whole { "no row is expired" } else { "no row that may go is expired" }.to_owned())
    }

    /// What stays though all batches were done. A trigger may keep rows without an error, so it is looked at where one may
    /// fire, and where nothing went.
    async fn left(&self, hands: &Hands<'_>, deleted: u64) -> Result<Option<Outcome>, Error> {
        if deleted > 0 && self.retention.triggers.is_empty() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM ONLY {} WHERE {}",
            self.table,
            self.retention.condition(&self.table)
        );
        let rows: i64 = hands.control.query(&sql, &[]).await?.first().map_or(0, |row| row.get(0));
        Ok((rows > 0).then(|| {
            let cause = if self.retention.triggers.is_empty() { "" } else { ": a trigger may keep them" };
            Outcome::Failed(format!("{rows} expired rows are still there{cause}"))
        }))
    }
}

/// The batches of one action.
struct Run<'a> {
    action: &'a DeleteRows,
    settings: &'a str,
    permit: Permit,
    deleted: u64,
    since_vacuum: u64,
    vacuumed: Outcome,
}

impl Run<'_> {
    /// Page by page; none when all was done.
    async fn pages(&mut self, hands: &mut Hands<'_>, file: &mut Option<ArchiveFile>) -> Result<Option<Outcome>, Error> {
        let sql = "SELECT pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint, \
                       greatest(c.reltuples, 0)::float8 / greatest(c.relpages, 1) FROM pg_catalog.pg_class c WHERE c.oid = $1";
        let rows = hands.control.query(sql, &[&self.action.table.oid]).await?;
        let (end, density): (i64, f64) = rows.first().map_or((0, 0.0), |row| (row.get(0), row.get(1)));
        // A batch is measured in pages, since what has no expired rows must be read as well.
        let density = density.max(1.0);
        let in_pages = |rows: u64| (rows as f64 / density).ceil().max(1.0) as u64;
        let limits = hands.options.batches;
        let mut batches =
            Batches::new(limits.target, in_pages(limits.smallest), in_pages(limits.largest), in_pages(1000));
        let mut at = 0;
        let mut locked: Vec<Range> = Vec::new();
        while at < end {
            if self.has_all(hands).await? {
                break;
            }
            if let Some(outcome) = hands.wait(&self.action.step, None).await? {
                return Ok(Some(outcome));
            }
            let size = batches.size();
            let to = at.saturating_add_unsigned(size).min(end);
            let range = (at.to_string(), to.to_string());
            let since = Instant::now();
            match self.batch(hands, file, &range).await? {
                Batch::Gone(_) => {}
                Batch::Locked => locked.push(range),
                Batch::Slow => {
                    batches.learn_broken_off(size, since.elapsed());
                    if batches.size() >= size {
                        return Ok(Some(Outcome::Failed(format!("a batch of {size} pages takes too long"))));
                    }
                    continue;
                }
                Batch::Failed(reason) => return Ok(Some(Outcome::Failed(reason))),
            }
            batches.learn((to - at).unsigned_abs(), since.elapsed());
            at = to;
            let progress =
                Progress { phase: "deleting".to_owned(), blocks_done: at, blocks_total: end, waits_for: None };
            (hands.on_event)(Event::Progress(&progress));
            self.vacuum_between(hands).await?;
        }
        self.again(hands, file, locked).await
    }

    /// Whether the rest of the pages need not be read: as many rows have gone as were expired, and the index says that none
    /// has come to be since. It is asked after a VACUUM, when it no longer leads to all that went.
    async fn has_all(&mut self, hands: &mut Hands<'_>) -> Result<bool, Error> {
        if !self.permit.is_indexed || self.deleted < self.permit.expired {
            return Ok(false);
        }
        if self.since_vacuum > 0 {
            self.vacuum(hands).await?;
            hands.work.batch(self.settings).await?;
        }
        let column = dbopt_sql::quote_ident(&self.action.retention.column);
        let sql = format!(
            "SELECT FROM ONLY {} WHERE {} ORDER BY {column} LIMIT 1",
            self.action.table,
            self.action.retention.condition(&self.action.table)
        );
        let is_over = hands.control.query(&sql, &[]).await?.is_empty();
        // What has come since may be anywhere.
        self.permit.expired = u64::MAX;
        Ok(is_over)
    }

    /// From key to key; none when all was done.
    async fn keys(&mut self, hands: &mut Hands<'_>, file: &mut Option<ArchiveFile>) -> Result<Option<Outcome>, Error> {
        let retention = &self.action.retention;
        let table = &self.action.table;
        let (column, condition) = (dbopt_sql::quote_ident(&retention.column), retention.condition(table));
        let mut batches = hands.options.batches.start();
        let mut from = "'-infinity'".to_owned();
        let mut locked: Vec<Range> = Vec::new();
        loop {
            if let Some(outcome) = hands.wait(&self.action.step, None).await? {
                return Ok(Some(outcome));
            }
            let size = batches.size();
            // Rows of one time go together.
            let sql = format!(
                "SELECT pg_catalog.to_json(pg_catalog.max(s.at)) #>> '{{}}' FROM (SELECT {column} AS at FROM ONLY {table} \
                 WHERE {column} > {from} AND {condition} ORDER BY {column} LIMIT {size}) s"
            );
            let rows = hands.control.query(&sql, &[]).await?;
            let Some(to) = rows.first().and_then(|row| row.get::<_, Option<String>>(0)) else { break };
            let range = (from.clone(), dbopt_sql::quote_literal(&to));
            let since = Instant::now();
            match self.batch(hands, file, &range).await? {
                Batch::Gone(rows) => batches.learn(rows, since.elapsed()),
                Batch::Locked => locked.push(range.clone()),
                Batch::Slow => {
                    batches.learn_broken_off(size, since.elapsed());
                    if batches.size() >= size {
                        return Ok(Some(Outcome::Failed(format!("a batch of {size} rows takes too long"))));
                    }
                    continue;
                }
                Batch::Failed(reason) => return Ok(Some(Outcome::Failed(reason))),
            }
            from = range.1;
            // How many there are is not known before the end.
            let phase = format!("deleting, {} rows so far", self.deleted);
            let progress = Progress { phase, blocks_done: 0, blocks_total: 0, waits_for: None };
            (hands.on_event)(Event::Progress(&progress));
            self.vacuum_between(hands).await?;
        }
        self.again(hands, file, locked).await
    }

    /// Ranges in which somebody held a row; a few times more, and never behind a lock for long.
    async fn again(
        &mut self,
        hands: &mut Hands<'_>,
        file: &mut Option<ArchiveFile>,
        mut locked: Vec<Range>,
    ) -> Result<Option<Outcome>, Error> {
        let backoff = hands.options.backoff;
        for attempt in 0..backoff.tries {
            let ranges = std::mem::take(&mut locked);
            if ranges.is_empty() {
                return Ok(None);
            }
            tokio::time::sleep(backoff.jittered(attempt)).await;
            for range in ranges {
                if let Some(outcome) = hands.wait(&self.action.step, None).await? {
                    return Ok(Some(outcome));
                }
                match self.batch(hands, file, &range).await? {
                    Batch::Gone(_) => {}
                    Batch::Locked | Batch::Slow => locked.push(range),
                    Batch::Failed(reason) => return Ok(Some(Outcome::Failed(reason))),
                }
            }
        }
        if locked.is_empty() {
            return Ok(None);
        }
        let who = hands.blocker(self.action.step.table.as_ref()).await?;
        let who = who.map(|who| format!(": {who}")).unwrap_or_default();
        Ok(Some(Outcome::Blocked(format!("rows of {} batches are locked{who}", locked.len()))))
    }

    /// One batch, which is a transaction.
    async fn batch(
        &mut self,
        hands: &mut Hands<'_>,
        file: &mut Option<ArchiveFile>,
        (from, to): &Range,
    ) -> Result<Batch, Error> {
        let DeleteRows { table, retention, .. } = self.action;
        let lock = retention.lock(table, (from, to)).unwrap_or_default();
        let statement = retention.batch(table, (from, to));
        let is_moved = matches!(retention.archive, Some(Archived::Table { .. }));
        let ended = match file {
            None if is_moved => match moved(hands, &format!("{lock}{statement}")).await? {
                Ok(Ok(rows)) => Ok(rows),
                Ok(Err(reason)) => return Ok(Batch::Failed(reason)),
                Err(error) => Err(error),
            },
            // Both statements are one transaction.
            None => match hands.work.client().simple_query(&format!("{lock}{statement}")).await {
                Ok(messages) => Ok(rows_of(&messages)),
                Err(error) => Err(hands.work.error(error)),
            },
            Some(file) => {
                hands.work.batch(&format!("BEGIN;{lock}")).await?;
                match file.take(hands, &statement).await? {
                    Ok(rows) => hands.work.batch("COMMIT").await.map(|()| rows),
                    Err(refused) => {
                        hands.work.batch("ROLLBACK").await?;
                        match refused {
                            Refused::Server(error) => Err(error),
                            Refused::File(reason) => return Ok(Batch::Failed(reason)),
                        }
                    }
                }
            }
        };
        Ok(match ended {
            Ok(rows) => {
                self.deleted += rows;
                self.since_vacuum += rows;
                Batch::Gone(rows)
            }
            Err(dbopt_pg::Error::ConnectionLost { .. }) => return Err(Error::LockLost),
            Err(dbopt_pg::Error::LockTimeout { .. }) => Batch::Locked,
            Err(dbopt_pg::Error::Cancelled { .. }) => Batch::Slow,
            Err(error) => Batch::Failed(error.to_string()),
        })
    }

    /// Vacuums when enough has gone since the last time.
    async fn vacuum_between(&mut self, hands: &mut Hands<'_>) -> Result<(), Error> {
        if self.since_vacuum >= self.action.retention.vacuum_after.max(1) {
            self.vacuum(hands).await?;
            hands.work.batch(self.settings).await?;
        }
        Ok(())
    }

    async fn vacuum(&mut self, hands: &mut Hands<'_>) -> Result<(), Error> {
        hands.work.batch("SET statement_timeout = 0").await?;
        report_counts(hands).await?;
        self.vacuumed = self.action.vacuum.act(hands).await?.outcome;
        self.since_vacuum = 0;
        Ok(())
    }

    /// The VACUUM at the end, unless the window has ended, and what the whole comes to.
    async fn end(mut self, hands: &mut Hands<'_>, outcome: Option<Outcome>) -> Result<Outcome, Error> {
        if self.since_vacuum > 0 && !matches!(outcome, Some(Outcome::Deferred(_))) {
            self.vacuum(hands).await?;
        }
        let rows = self.deleted;
        let with = |why: String| format!("{rows} rows went; {why}");
        Ok(match (outcome, self.vacuumed) {
            (Some(Outcome::Deferred(why)), _) => Outcome::Deferred(with(why)),
            (Some(Outcome::Blocked(why)), _) => Outcome::Blocked(with(why)),
            (Some(Outcome::Failed(why)), _) => Outcome::Failed(with(why)),
            (_, Outcome::Blocked(why) | Outcome::Skipped(why)) => Outcome::Blocked(with(why)),
            (_, Outcome::Failed(why)) => Outcome::Failed(with(why)),
            (_, Outcome::Deferred(why)) => Outcome::Deferred(with(why)),
            (_, Outcome::Done) if rows == 0 => self.action.nothing(),
            (_, Outcome::Done) => Outcome::Done,
        })
    }
}

/// Has the session hand in what it has counted. Otherwise the server would learn of the dead rows when they have been
/// removed, and have them vacuumed again.
async fn report_counts(hands: &Hands<'_>) -> Result<(), Error> {
    let sql = if hands.work.server_version_num() >= 150_000 {
        "SELECT pg_catalog.pg_stat_force_next_flush()"
    } else {
        // It does so at the end of a transaction, half a second after the last time.
        tokio::time::sleep(Duration::from_millis(550)).await;
        "SELECT"
    };
    Ok(hands.work.batch(sql).await?)
}

/// Moves rows into the archive, in a transaction that is committed only when all that left have arrived; why not, if so.
async fn moved(hands: &Hands<'_>, statement: &str) -> Result<Result<Result<u64, String>, dbopt_pg::Error>, Error> {
    let messages = match hands.work.client().simple_query(&format!("BEGIN; {statement}")).await {
        Ok(messages) => messages,
        Err(error) => {
            return match hands.work.error(error) {
                dbopt_pg::Error::ConnectionLost { .. } => Err(Error::LockLost),
                error => {
                    hands.work.batch("ROLLBACK").await?;
                    Ok(Err(error))
                }
            };
        }
    };
    // Its answer is the last.
    let counted = messages.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0)?.parse().ok()?, row.get(1)?.parse().ok()?)),
        _ => None,
    });
    let reason = match counted {
        Some((gone, kept)) => match archive::lost(gone, kept) {
            None => return Ok(hands.work.batch("COMMIT").await.map(|()| Ok(gone))),
            Some(reason) => reason,
        },
        None => "the server did not say how many rows arrived in the archive".to_owned(),
    };
    hands.work.batch("ROLLBACK").await?;
    Ok(Ok(Err(reason)))
}

/// How many rows the last statement says it has dealt with.
pub(super) fn rows_of(messages: &[SimpleQueryMessage]) -> u64 {
    let rows = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
        _ => None,
    };
    messages.iter().rev().find_map(rows).unwrap_or_default()
}

impl Action for DeleteRows {
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
