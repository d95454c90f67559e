//! Working through one table.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use dbopt_crypto::{
    Envelope, Field, FieldCipher, FieldCipherError, KeyNumber, KeyOwner, KeyRing, SubjectId, SubjectTableError,
};
use dbopt_run::{Action, Batches, Effect, Error, Event, Hands, Lock, Outcome, Pending, Progress, STATEMENT, Step};
use tokio::time::Instant;
use tokio_postgres::{
    Row,
    error::SqlState,
    types::{ToSql, Type},
};

use crate::{
    row::{Decision, Fault, New, Stored, Was, Whose, decide},
    sql::{Bounds, Target},
    tally::{Tallies, Tally},
};

/// Seals and re-seals the values of one table, batch by batch, and opens them all at the end.
#[derive(Debug)]
pub struct ReEncrypt {
    step: Step,
    target: Target,
    cipher: Arc<FieldCipher>,
    tallies: Tallies,
}

/// A batch may take so many times its target, and a second at least, before it is broken off.
const SLACK: u32 = 20;
/// After so many rows the versions that they replaced are removed, so that the table grows no further.
const VACUUM_AFTER: u64 = 500_000;
/// More rows than this that the server refuses are no exceptions.
const MOST_REFUSED: u64 = 100;

/// The text of a row's key must not depend on the role or the database: values are bound to it.
pub(crate) const SETTINGS: &str = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; \
                        SET extra_float_digits = 1; SET row_security = off; ";
/// A batch is small beside the table, which the planner cannot know of arrays.
const BY_INDEX: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET enable_hashjoin = off; \
                        SET enable_mergejoin = off; SET jit = off; ";
const RESET: &str = "RESET TimeZone; RESET DateStyle; RESET IntervalStyle; RESET bytea_output; RESET extra_float_digits; \
                     RESET row_security; RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_sort; RESET enable_hashjoin; \
                     RESET enable_mergejoin; RESET jit; ";

/// A row that is to be written.
struct Change {
    key: Vec<String>,
    version: String,
    /// For each column what is to be there, where something is to be written.
    new: Vec<Option<New>>,
}

/// The persons of a batch of rows.
struct Persons {
    keys: BTreeMap<SubjectId, Arc<KeyRing>>,
    /// Numbers of the rows' values whose keys are still there.
    living: BTreeSet<KeyNumber>,
}

/// What a row has of one encrypted column.
struct Found<'a> {
    value: Option<&'a [u8]>,
    plain: Option<&'a [u8]>,
    terms: Vec<Option<&'a [u8]>>,
    subject: Option<SubjectId>,
}

/// What a row has of each encrypted column, as [`Target::read`] reads it.
fn cells<'a>(row: &'a Row, target: &Target) -> Vec<Found<'a>> {
    let mut at = target.keys.len() + 1;
    let mut take = || {
        at += 1;
        row.get::<_, Option<&[u8]>>(at - 1)
    };
    let found = target.members.iter().map(|member| Found {
        value: take(),
        plain: member.plain.as_ref().and_then(|_| take()),
        terms: member.terms.iter().map(|_| take()).collect(),
        subject: member.subject.as_ref().and_then(|_| take()).and_then(SubjectId::from_bytes),
    });
    found.collect()
}

/// The text of a row's key, which is read first.
fn key_of(row: &Row, target: &Target) -> Vec<String> {
    (0..target.keys.len()).map(|at| row.get(at)).collect()
}

/// Which rows a pass reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Those where first bytes say that there is something to do.
    Todo,
    /// All of them, to open each value.
    All,
}

impl ReEncrypt {
    /// The kind of the step.
    pub const KIND: &'static str = "re-encrypt";

    pub(crate) fn new(target: Target, cipher: Arc<FieldCipher>, tallies: Tallies) -> Self {
        let step = Step {
            kind: Self::KIND,
            schema: target.schema.clone(),
            object: target.name.clone(),
            table: Some((target.schema.clone(), target.name.clone())),
            statements: vec![target.write(), target.vacuum()],
            lock: Lock::None,
            risk: "without the key ring, its values are lost; keep a copy of it and of the key-encryption key",
            seconds: None,
            bytes: None,
            needs: Vec::new(),
        };
        Self { step, target, cipher, tallies }
    }

    /// What is found and done, column by column; it can be looked at when the action is over.
    #[must_use]
    pub fn tallies(&self) -> Tallies {
        Tallies::clone(&self.tallies)
    }

    async fn act(&self, hands: &mut Hands<'_>) -> Result<Effect, Error> {
        let before = match self.bytes(hands).await? {
            Some((oid, bytes)) if oid == self.target.oid => bytes,
            _ => return Ok(Outcome::Failed("it is not the table that was planned for".to_owned()).into()),
        };
        let names = (self.step.schema.as_str(), self.step.object.as_str());
        let statement = self.target.write();
        let entry =
            hands.journal.open(hands.control, STATEMENT, names, Some(self.target.oid), &statement, None).await?;
        let longest = hands.options.batches.target.saturating_mul(SLACK).max(Duration::from_secs(1)).as_millis();
        // A crash of the server may take the last batches back, whose rows are then as they were before. What the run says
        // at its end is flushed, and with it everything before.
        let work = format!(
            "{SETTINGS}{BY_INDEX}SET plan_cache_mode = force_generic_plan; SET synchronous_commit = off; \
             SET statement_timeout = {longest}; SET lock_timeout = {}",
            hands.options.backoff.limit().as_millis()
        );
        hands.work.batch(&work).await?;
        hands.control.batch(&format!("{SETTINGS}{BY_INDEX}")).await?;
        let mut run = Run { action: self, settings: &work, since_vacuum: 0, refused: 0, refusal: None, rows: 0 };
        let outcome = run.all(hands).await?;
        hands.control.batch(RESET).await?;
        hands
            .work
            .batch(&format!(
                "{RESET}RESET plan_cache_mode; SET synchronous_commit = on; SET statement_timeout = 0; SET lock_timeout = '1s'"
            ))
            .await?;
        // Each batch was done or not done as a whole.
        hands.journal.close(entry);
        let bytes_after = self.bytes(hands).await?.map(|(_, bytes)| bytes);
        Ok(Effect { outcome, bytes_before: Some(before), bytes_after, rows: None, definition: None })
    }

    /// The table's identity now, and its size with all that belongs to it.
    async fn bytes(&self, hands: &Hands<'_>) -> Result<Option<(u32, i64)>, Error> {
        let sql = "SELECT c.oid, (SELECT coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(t.relid)), 0)::bigint \
                       FROM (SELECT c.oid AS relid UNION SELECT p.relid FROM pg_catalog.pg_partition_tree(c.oid) p) t) \
                   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = $1 AND c.relname = $2";
        let rows = hands.control.query(sql, &[&self.target.schema, &self.target.name]).await?;
        Ok(rows.first().map(|row| (row.get(0), row.get(1))))
    }

    fn field(&self, member: usize) -> &Field {
        &self.cipher.fields()[self.target.members[member].field]
    }
}

/// The passes of one action.
struct Run<'a> {
    action: &'a ReEncrypt,
    settings: &'a str,
    since_vacuum: u64,
    refused: u64,
    /// What the server said first when it refused a row.
    refusal: Option<String>,
    /// Rows that this pass has read.
    rows: u64,
}

impl Run<'_> {
    /// All passes: what is to be done, again while rows are busy, and a look at everything.
    async fn all(&mut self, hands: &mut Hands<'_>) -> Result<Outcome, Error> {
        let backoff = hands.options.backoff;
        if let Err(outcome) = self.rewrap(hands).await? {
            return Ok(outcome);
        }
        for attempt in 0..backoff.tries.max(1) {
            if attempt > 0 {
                tokio::time::sleep(backoff.jittered(attempt - 1)).await;
            }
            match self.pass(hands, Reading::Todo).await? {
                Ok(0) => break,
                Ok(_) => {}
                Err(outcome) => return Ok(self.ended_early(outcome)),
            }
        }
        if let Err(outcome) = self.pass(hands, Reading::All).await? {
            return Ok(self.ended_early(outcome));
        }
        if self.since_vacuum > 0 {
            self.vacuum(hands).await?;
        }
        let mut tallies = self.action.tallies.borrow_mut();
        for tally in tallies.iter_mut() {
            tally.is_complete = true;
        }
        let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
        let (written, left, broken) = (sum(Tally::written), sum(|tally| tally.left), sum(Tally::broken));
        if broken > 0 {
            return Ok(Outcome::Failed(format!("{broken} values do not open, and were left as they are")));
        }
        if self.refused > 0 {
            let why = self.refusal.as_deref().unwrap_or("no reason");
            return Ok(Outcome::Failed(format!("the server refused {} rows: {why}", self.refused)));
        }
        if left > 0 {
            return Ok(Outcome::Blocked(format!("{left} values are in rows that were locked or changed meanwhile")));
        }
        Ok(if written == 0 { Outcome::Skipped("all values are as they should be".to_owned()) } else { Outcome::Done })
    }

    /// An outcome, with how far it came.
    fn ended_early(&self, outcome: Outcome) -> Outcome {
        let written: u64 = self.action.tallies.borrow().iter().map(Tally::written).sum();
        let with = |why: String| format!("{written} values were written; {why}");
        match outcome {
            Outcome::Deferred(why) => Outcome::Deferred(with(why)),
            Outcome::Blocked(why) => Outcome::Blocked(with(why)),
            Outcome::Failed(why) => Outcome::Failed(with(why)),
            other => other,
        }
    }

    /// One pass over the table; how many rows were busy, or what ended it.
    async fn pass(&mut self, hands: &mut Hands<'_>, reading: Reading) -> Result<Result<u64, Outcome>, Error> {
        (self.rows, self.refused) = (0, 0);
        for tally in self.action.tallies.borrow_mut().iter_mut() {
            tally.look_again();
        }
        let target = &self.action.target;
        let headers = match reading {
            Reading::Todo => match self.headers() {
                Ok(headers) => Some(headers),
                Err(error) => return Ok(Err(keys_away(&error))),
            },
            Reading::All => None,
        };
        let mut batches = hands.options.batches.start();
        let (mut last, mut busy): (Option<Vec<String>>, u64) = (None, 0);
        // Where the page ends; none of the last one, and when all rows are read, so that each statement finds enough of them.
        let mut end: Option<Vec<String>> = None;
        let mut is_page_over = reading == Reading::Todo;
        loop {
            if let Some(outcome) = hands.wait(&self.action.step, None).await? {
                return Ok(Err(outcome));
            }
            if is_page_over {
                let rows = self.read(hands, &target.page(last.is_some()), last.as_ref(), None).await?;
                end = rows.first().map(|row| key_of(row, target));
                is_page_over = false;
            }
            let bounds = Bounds { after: last.is_some(), to: end.is_some() };
            let sql = target.read(batches.size(), bounds, headers.as_deref());
            let rows = self.read(hands, &sql, last.as_ref(), end.as_ref()).await?;
            let Some(row) = rows.last() else {
                if end.is_none() {
                    return Ok(Ok(busy));
                }
                (last, is_page_over) = (end.take(), true);
                continue;
            };
            last = Some(key_of(row, target));
            let persons = match self.persons(hands, &rows).await? {
                Ok(persons) => persons,
                Err(outcome) => return Ok(Err(outcome)),
            };
            let changes = match self.decide_all(&rows, &persons) {
                Ok(changes) => changes,
                Err(error) => return Ok(Err(keys_away(&error))),
            };
            self.rows += rows.len() as u64;
            drop(rows);
            match self.write_all(hands, changes, &mut batches).await? {
                Ok(more) => busy += more,
                Err(outcome) => return Ok(Err(outcome)),
            }
            let phase = if reading == Reading::Todo { "sealing" } else { "opening" };
            let blocks_total = (target.rows as i64).max(self.rows.cast_signed());
            let progress = Progress {
                phase: phase.to_owned(),
                blocks_done: self.rows.cast_signed(),
                blocks_total,
                waits_for: None,
            };
            (hands.on_event)(Event::Progress(&progress));
            if self.since_vacuum >= VACUUM_AFTER {
                self.vacuum(hands).await?;
            }
        }
    }

    /// Reads rows between two keys, as far as they are given.
    async fn read(
        &self,
        hands: &Hands<'_>,
        sql: &str,
        after: Option<&Vec<String>>,
        to: Option<&Vec<String>>,
    ) -> Result<Vec<Row>, Error> {
        let parts = after.into_iter().chain(to).flatten().map(|part| (part as &(dyn ToSql + Sync), Type::TEXT));
        let rows = hands.control.client().query_typed(sql, &parts.collect::<Vec<_>>()).await;
        Ok(rows.map_err(|error| hands.control.error(error))?)
    }

    /// The first bytes of values under the active key of each column.
    fn headers(&self) -> Result<Vec<Vec<u8>>, FieldCipherError> {
        let header = |member: usize| {
            let field = self.action.field(member);
            if field.rule().subject.is_some() {
                return Ok(vec![KeyOwner::Subject.version()]);
            }
            let mut sealed = field.seal(&[], b"")?.value;
            // Version, algorithm and number of the key.
            sealed.truncate(6);
            Ok(sealed)
        };
        (0..self.action.target.members.len()).map(header).collect()
    }

    /// The persons whose values are in these rows, with their keys; who has none and a value that is to be sealed is given one.
    async fn persons(&self, hands: &Hands<'_>, rows: &[Row]) -> Result<Result<Vec<Option<Persons>>, Outcome>, Error> {
        let target = &self.action.target;
        let mut all: Vec<Option<Persons>> = Vec::new();
        for at in 0..target.members.len() {
            let Some(table) = self.action.field(at).subjects() else {
                all.push(None);
                continue;
            };
            let (mut known, mut sealing, mut numbers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            for row in rows {
                let found = cells(row, target).swap_remove(at);
                let sealed = found.value.and_then(|value| Envelope::parse(value).ok());
                let number = sealed.filter(|sealed| sealed.owner == KeyOwner::Subject).map(|sealed| sealed.key);
                numbers.extend(number);
                if let Some(subject) = found.subject {
                    let is_to_seal = found.plain.is_some() || found.value.is_some() && number.is_none();
                    if is_to_seal { &mut sealing } else { &mut known }.insert(subject);
                }
            }
            let client = hands.work.client();
            let ask = async {
                let mut keys = table.find(client, &known).await?;
                keys.extend(table.find_or_make(client, &sealing).await?);
                let living = table.living(client, &numbers).await?;
                Ok(Persons { keys, living })
            };
            match ask.await {
                Ok(persons) => all.push(Some(persons)),
                Err(error) => return no_persons(hands, error).map(Err),
            }
        }
        Ok(Ok(all))
    }

    /// Wraps the keys of persons by the active keys of their purposes.
    async fn rewrap(&self, hands: &Hands<'_>) -> Result<Result<(), Outcome>, Error> {
        let mut done = BTreeSet::new();
        for at in 0..self.action.target.members.len() {
            let field = self.action.field(at);
            let Some(table) = field.subjects().filter(|_| done.insert(&field.rule().purpose)) else { continue };
            match table.rewrap(hands.work.client()).await {
                Ok(count) => self.action.tallies.borrow_mut()[at].rewrapped = count,
                Err(error) => return no_persons(hands, error).map(Err),
            }
        }
        Ok(Ok(()))
    }

    /// Decides about each row; those that are to be written.
    fn decide_all(&self, rows: &[Row], persons: &[Option<Persons>]) -> Result<Vec<Change>, FieldCipherError> {
        let target = &self.action.target;
        let mut tallies = self.action.tallies.borrow_mut();
        let mut changes = Vec::new();
        for row in rows {
            let key: Vec<&str> = (0..target.keys.len()).map(|at| row.get(at)).collect();
            let mut new = Vec::with_capacity(target.members.len());
            let members = target.members.iter().zip(tallies.iter_mut()).zip(persons);
            for (((member, tally), persons), found) in members.zip(cells(row, target)) {
                let place: Vec<&str> = member.row.iter().map(|part| key[*part]).collect();
                let field = &self.action.cipher.fields()[member.field];
                let whose = match persons {
                    None => Whose::Ring,
                    Some(Persons { keys, living }) => {
                        Whose::Person { key: found.subject.and_then(|subject| keys.get(&subject).cloned()), living }
                    }
                };
                let Found { value, plain, terms, .. } = found;
                new.push(match decide(field, &place, &Stored { value, plain, terms, whose })? {
                    Decision::Empty => None,
                    Decision::Good(owner, key) => {
                        tally.opened(owner, key);
                        None
                    }
                    Decision::Leave(fault) => {
                        *tally.unopened.entry(fault).or_default() += 1;
                        None
                    }
                    Decision::Write(new) => Some(new),
                });
            }
            if new.iter().any(Option::is_some) {
                let key = key.into_iter().map(str::to_owned).collect();
                changes.push(Change { key, version: row.get(target.keys.len()), new });
            }
        }
        Ok(changes)
    }

    /// Writes rows, in halves when the server refuses or takes too long for them together; how many were locked or changed
    /// meanwhile.
    async fn write_all(
        &mut self,
        hands: &mut Hands<'_>,
        changes: Vec<Change>,
        batches: &mut Batches,
    ) -> Result<Result<u64, Outcome>, Error> {
        let mut busy = 0;
        let mut parts: Vec<&[Change]> = if changes.is_empty() { Vec::new() } else { vec![&changes] };
        while let Some(part) = parts.pop() {
            let since = Instant::now();
            match self.write(hands, part).await? {
                Ok(done) => {
                    batches.learn(part.len() as u64, since.elapsed());
                    self.count(part, &done);
                    busy += (part.len() - done.len()) as u64;
                    self.since_vacuum += done.len() as u64;
                }
                // The table itself is locked; its rows are for another pass.
                Err(dbopt_pg::Error::LockTimeout { .. }) => {
                    self.count(part, &BTreeSet::new());
                    busy += part.len() as u64;
                }
                Err(_) if part.len() > 1 => {
                    batches.learn(part.len() as u64, since.elapsed());
                    let (one, other) = part.split_at(part.len() / 2);
                    parts.extend([other, one]);
                }
                Err(_) => {
                    self.count(part, &BTreeSet::new());
                    self.refused += 1;
                    if self.refused > MOST_REFUSED {
                        let why = self.refusal.as_deref().unwrap_or("no reason");
                        return Ok(Err(Outcome::Failed(format!("the server refuses row after row: {why}"))));
                    }
                }
            }
        }
        Ok(Ok(busy))
    }

    /// Writes rows in one statement; the places of those that were still as they had been read.
    async fn write(
        &mut self,
        hands: &Hands<'_>,
        part: &[Change],
    ) -> Result<Result<BTreeSet<usize>, dbopt_pg::Error>, Error> {
        let target = &self.action.target;
        let keys: Vec<Vec<&str>> =
            (0..target.keys.len()).map(|at| part.iter().map(|change| change.key[at].as_str()).collect()).collect();
        let versions: Vec<&str> = part.iter().map(|change| change.version.as_str()).collect();
        let mut wanted: Vec<Vec<bool>> = Vec::new();
        // For each column its values, and then its terms.
        let mut bytes: Vec<Vec<Vec<Option<&[u8]>>>> = Vec::new();
        for (at, member) in target.members.iter().enumerate() {
            let new = || part.iter().map(move |change| change.new[at].as_ref());
            wanted.push(new().map(|new| new.is_some()).collect());
            let mut columns = vec![new().map(|new| new?.value.as_deref()).collect::<Vec<_>>()];
            for term in 0..member.terms.len() {
                columns.push(new().map(|new| new?.terms[term].as_deref()).collect());
            }
            bytes.push(columns);
        }
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = Vec::new();
        parameters.extend(keys.iter().map(|key| (key as &(dyn ToSql + Sync), Type::TEXT_ARRAY)));
        parameters.push((&versions, Type::TEXT_ARRAY));
        for (wanted, columns) in wanted.iter().zip(&bytes) {
            parameters.push((wanted, Type::BOOL_ARRAY));
            parameters.extend(columns.iter().map(|column| (column as &(dyn ToSql + Sync), Type::BYTEA_ARRAY)));
        }
        match hands.work.client().query_typed(&self.action.step.statements[0], &parameters).await {
            Ok(rows) => {
                // Ordinality counts from 1.
                let place = |row: &Row| usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or_default();
                Ok(Ok(rows.iter().map(place).collect()))
            }
            Err(error) => {
                let said = said(&error);
                match hands.work.error(error) {
                    dbopt_pg::Error::ConnectionLost { .. } => Err(Error::LockLost),
                    error => {
                        self.refusal.get_or_insert(said);
                        Ok(Err(error))
                    }
                }
            }
        }
    }

    /// Counts what was written and what was not.
    fn count(&self, part: &[Change], done: &BTreeSet<usize>) {
        let mut tallies = self.action.tallies.borrow_mut();
        for (at, change) in part.iter().enumerate() {
            for (new, tally) in change.new.iter().zip(tallies.iter_mut()) {
                let Some(New { value, was, .. }) = new else { continue };
                if !done.contains(&at) {
                    tally.left += 1;
                    continue;
                }
                // A term without a value is no value.
                if value.is_some() || *was != Was::Terms {
                    tally.wrote(*was);
                }
                if *was == Was::Erased {
                    *tally.unopened.entry(Fault::Erased).or_default() += 1;
                    continue;
                }
                // It was opened before it was written.
                let key = value.as_deref().and_then(|value| Envelope::parse(value).ok());
                if let Some(envelope) = key {
                    tally.opened(envelope.owner, envelope.key);
                }
            }
        }
    }

    /// Removes the versions of rows that were replaced. The server warns, and goes on, when the role may not.
    async fn vacuum(&mut self, hands: &mut Hands<'_>) -> Result<(), Error> {
        hands.work.batch("SET statement_timeout = 0").await?;
        // Otherwise the session would tell of the dead rows when they have been removed, and have them vacuumed again.
        if hands.work.server_version_num() >= 150_000 {
            hands.work.batch("SELECT pg_catalog.pg_stat_force_next_flush()").await?;
        } else {
            // It does so at the end of a transaction, half a second after the last time.
            tokio::time::sleep(Duration::from_millis(550)).await;
            hands.work.batch("SELECT").await?;
        }
        hands.work.batch(&self.action.target.vacuum()).await?;
        hands.work.batch(self.settings).await?;
        self.since_vacuum = 0;
        Ok(())
    }
}

/// What the server says of a row, without its message, which may quote values.
fn said(error: &tokio_postgres::Error) -> String {
    let Some(error) = error.as_db_error() else { return "the driver could not send it".to_owned() };
    let code = error.code();
    let by = error.constraint().map(|name| format!(" by constraint `{name}`")).unwrap_or_default();
    match *code {
        SqlState::UNIQUE_VIOLATION => format!("it would be there twice{by}"),
        SqlState::CHECK_VIOLATION | SqlState::NOT_NULL_VIOLATION => format!("it is not allowed{by}"),
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_FUNCTION => format!(
            "a trigger does not find a name (SQLSTATE {}); sessions of dbopt have an empty `search_path`, so its function should set its \
             own",
            code.code()
        ),
        _ => format!("SQLSTATE {}{by}", code.code()),
    }
}

/// What ends an action that cannot have the keys of persons.
fn no_persons(hands: &Hands<'_>, error: SubjectTableError) -> Result<Outcome, Error> {
    Ok(Outcome::Failed(match error {
        SubjectTableError::Database(error) => {
            let said = said(&error);
            if let dbopt_pg::Error::ConnectionLost { .. } = hands.work.error(error) {
                return Err(Error::LockLost);
            }
            format!("the keys of persons cannot be read or written: {said}")
        }
        error => format!("the keys of persons cannot be had: {error}"),
    }))
}

fn keys_away(error: &FieldCipherError) -> Outcome {
    Outcome::Failed(format!("keys cannot be had: {error}"))
}

impl Action for ReEncrypt {
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
