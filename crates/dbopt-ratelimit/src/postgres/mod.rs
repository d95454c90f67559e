//! Limits kept in PostgreSQL.
//!
//! One statement answers a request. It locks the rows of its keys in one order, so that requests never wait for each other in a
//! circle; then it reads the clock, so that whoever waited for a lock is not ahead of its time; then it asks every window and
//! writes when all of them admit. A key that has no row yet cannot be locked: two requests that make it at once collide at the
//! primary key, and the later one is run again.
//!
//! The tables are those of `migrations/0004_limit.sql`. Limits that are not durable are in an unlogged table
//! (<https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-UNLOGGED>).

mod error;
mod sessions;

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use dbopt_pg::Settings;
use tokio_postgres::{Row, error::SqlState};

use self::{
    error::Failure,
    sessions::{Open, Sessions},
};
use crate::{
    Algorithm, Answer, Charge, Gcra, Key, Lease, Limit, Store, StoreError, Wait, Window, WindowState, bucket::Buckets,
};

/// How a [`PostgresStore`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostgresConfig {
    /// How many sessions it opens at most. Requests share them, and are sent before earlier ones are answered; one that waits for a
    /// row holds up those that come after it on its session.
    pub sessions: NonZeroU32,
    /// For how long an answer is waited for, connecting included.
    pub timeout: Duration,
}

impl Default for PostgresConfig {
    /// 4 sessions, and a second.
    fn default() -> Self {
        Self { sessions: NonZeroU32::new(4).unwrap_or(NonZeroU32::MIN), timeout: Duration::from_secs(1) }
    }
}

/// Keeps limits in PostgreSQL, from version 14 on, by its clock.
///
/// It needs the schema of `dbopt migrate up` and the rights SELECT, INSERT, UPDATE and DELETE on `dbopt.limit_state` and
/// `dbopt.limit_place`. All processes that share limits have the same secret of their [`crate::Keyer`]. Times of use are counted in
/// nanoseconds, up to 73 years.
///
/// Rows stay when they are worth nothing any more: call [`PostgresStore::purge`] now and then.
#[derive(Clone)]
pub struct PostgresStore {
    sessions: Arc<Sessions>,
}

impl PostgresStore {
    /// A store that opens its sessions when requests come, and again when they are lost.
    #[must_use]
    pub fn new(settings: Settings, config: PostgresConfig) -> Self {
        Self { sessions: Arc::new(Sessions::new(settings, config)) }
    }

    /// Deletes rows that are worth nothing any more, at most so many of each table, and says how many. Nothing waits for it
    /// and it waits for nothing, but it reads the tables from their beginning; every few minutes is often enough.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn purge(&self, most: NonZeroU32) -> Result<u64, StoreError> {
        let most = i64::from(most.get());
        let purge = async |open: &Open| {
            let states = open.client().execute(&open.purge_state, &[&most]).await?;
            Ok(states + open.client().execute(&open.purge_place, &[&most]).await?)
        };
        self.sessions.with(purge).await
    }

    async fn ask(&self, ask: Ask, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        if charges.is_empty() {
            return Ok(Answer { admitted: true, windows: std::iter::empty().collect() });
        }
        let asked = Asked::new(ask, charges);
        // Each collision is with a row that was made meanwhile, which the next try sees.
        for _ in 0..COLLISIONS {
            let run = async |open: &Open| {
                let statement = if ask == Ask::Peek { &open.peek } else { &open.charge };
                let written = ask != Ask::Peek;
                open.client()
                    .query(
                        statement,
                        &[
                            &asked.durable,
                            &asked.sliding,
                            &asked.keys,
                            &asked.numbers,
                            &asked.periods,
                            &asked.needs,
                            &asked.most,
                            &written,
                        ],
                    )
                    .await
                    .map(Some)
                    .or_else(|error| match error.code() {
                        Some(&SqlState::UNIQUE_VIOLATION) => Ok(None),
                        _ => Err(error),
                    })
            };
            if let Some(rows) = self.sessions.with(run).await? {
                return read(ask, charges, &rows).map_err(|error| Failure::of(&error).into_store_error());
            }
        }
        Err(Failure::Late.into_store_error())
    }
}

impl Store for PostgresStore {
    async fn charge(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.ask(Ask::Charge, charges).await
    }

    async fn peek(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.ask(Ask::Peek, charges).await
    }

    async fn refund(&self, charges: &[Charge<'_>]) -> Result<(), StoreError> {
        self.ask(Ask::Refund, charges).await.map(drop)
    }

    async fn reset(&self, limit: &Limit, key: Key) -> Result<(), StoreError> {
        let (durable, sliding, key) = (limit.is_durable(), is_sliding(limit), key.to_string());
        let reset = async |open: &Open| open.client().execute(&open.reset, &[&durable, &sliding, &key]).await;
        self.sessions.with(reset).await.map(drop)
    }

    async fn acquire(&self, key: Key, most: NonZeroU32, longest: Duration) -> Result<Option<Lease>, StoreError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| StoreError::Refused(Box::new(error)))?;
        let id = u128::from_be_bytes(id);
        let (name, place) = (key.to_string(), format!("{id:032x}"));
        let most = i64::from(most.get());
        let longest = i64::try_from(longest.as_micros()).unwrap_or(i64::MAX).clamp(1, MOST_MICROSECONDS);
        let acquire = async |open: &Open| open.client().query(&open.acquire, &[&name, &place, &most, &longest]).await;
        let taken = self.sessions.with(acquire).await?;
        Ok((!taken.is_empty()).then_some(Lease { key, id }))
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let (key, place) = (lease.key.to_string(), format!("{:032x}", lease.id));
        let release = async |open: &Open| open.client().execute(&open.release, &[&key, &place]).await;
        self.sessions.with(release).await.map(drop)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresStore")
    }
}

/// How often a request is run again because of keys that were made at the same time.
const COLLISIONS: usize = 8;
/// A century.
const MOST_MICROSECONDS: i64 = 100 * 366 * 86_400 * 1_000_000;
/// The most time that can be used, about 73 years in nanoseconds, so that times stay within 64 bits.
const MOST: u64 = 1 << 61;
/// What no window admits.
const TOO_MUCH: u64 = 1 << 62;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Charge,
    Peek,
    Refund,
}

/// The parameters of a request, as `queries/ask.sql` names them.
#[derive(Default)]
struct Asked {
    durable: Vec<bool>,
    sliding: Vec<bool>,
    keys: Vec<String>,
    numbers: Vec<i64>,
    periods: Vec<i64>,
    needs: Vec<i64>,
    most: Vec<i64>,
}

impl Asked {
    fn new(ask: Ask, charges: &[Charge<'_>]) -> Self {
        let mut asked = Self::default();
        for (charge, number) in charges.iter().zip(1..) {
            asked.durable.push(charge.limit.is_durable());
            asked.sliding.push(is_sliding(charge.limit));
            asked.keys.push(charge.key.to_string());
            for window in charge.limit.windows() {
                let (unit, most) = match charge.limit.algorithm() {
                    Algorithm::Gcra => {
                        let interval = window.interval().as_u64();
                        (interval, interval.saturating_mul(window.burst().get().into()).min(MOST))
                    }
                    Algorithm::Sliding => (1, window.limit().get().into()),
                };
                let need = whole(unit.saturating_mul(charge.cost.into()).min(TOO_MUCH));
                // A refund is always admitted; a gate only when nothing is used.
                let (need, most) = match ask {
                    Ask::Refund => (-need, whole(TOO_MUCH)),
                    _ if charge.cost == 0 => (0, 0),
                    _ if charge.cost > window.burst().get() => (whole(TOO_MUCH), whole(most)),
                    _ => (need, whole(most)),
                };
                asked.numbers.push(number);
                asked.periods.push(whole(u64::try_from(window.period().as_nanos()).unwrap_or(u64::MAX)));
                asked.needs.push(need);
                asked.most.push(most);
            }
        }
        asked
    }
}

fn read(ask: Ask, charges: &[Charge<'_>], rows: &[Row]) -> Result<Answer, tokio_postgres::Error> {
    let mut admitted = true;
    let mut windows = Vec::with_capacity(rows.len());
    let asked = charges.iter().enumerate().flat_map(|(i, charge)| {
        // A key that comes twice was asked for both.
        let same = charges[..i].iter().filter(|other| other.key == charge.key && other.limit == charge.limit);
        let cost = same.fold(charge.cost, |cost, other| cost.saturating_add(other.cost));
        charge.limit.windows().iter().map(move |window| (charge.limit.algorithm(), window, cost))
    });
    for ((algorithm, window, cost), row) in asked.zip(rows) {
        admitted = row.try_get(0)?;
        let (now, buckets, amounts): (i64, Vec<i64>, Vec<i64>) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let mut state = state(algorithm, window, cost, now.unsigned_abs(), &buckets, &amounts);
        if admitted && ask == Ask::Charge {
            state.wait = Wait::None;
        }
        windows.push(state);
    }
    Ok(Answer { admitted, windows: windows.into_iter().collect() })
}

fn state(algorithm: Algorithm, window: &Window, cost: u32, now: u64, buckets: &[i64], amounts: &[i64]) -> WindowState {
    match algorithm {
        // The time used is a TAT if the present is 0.
        Algorithm::Gcra => Gcra::new(window).state(amounts.first().map_or(0, |used| used.unsigned_abs()), 0, cost),
        Algorithm::Sliding => {
            let count = |amount: &i64| u32::try_from(*amount).unwrap_or(u32::MAX);
            let buckets = buckets.iter().zip(amounts).map(|(bucket, amount)| (bucket.unsigned_abs(), count(amount)));
            Buckets(buckets.collect()).state(window, now, cost)
        }
    }
}

fn is_sliding(limit: &Limit) -> bool {
    limit.algorithm() == Algorithm::Sliding
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
