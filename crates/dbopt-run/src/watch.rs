//! Watching a statement that waits for others, and giving it up when it waits too long.
//!
//! A concurrent build runs without `lock_timeout`, which would break it off half done in its last wait. Instead a second
//! session looks at it several times a second and cancels it, and nobody else, when it has waited too long.

use std::time::Duration;

use dbopt_pg::Session;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::error::Error;
use crate::hands::Hands;
use crate::report::{Event, Outcome, Progress};

/// How a watched statement ended.
#[must_use]
#[derive(Debug)]
pub enum Ended {
    /// Well.
    Done,
    /// It had waited too long for whom this names, and was cancelled.
    GivenUp(
        /// Whom it waited for.
        String,
    ),
    /// The server could not do it.
    Failed(
        /// Why.
        dbopt_pg::Error,
    ),
}

impl Ended {
    /// What is reported, when a statement that ended well comes to this.
    #[must_use]
    pub fn outcome(self, done: Outcome) -> Outcome {
        match self {
            Self::Done => done,
            Self::GivenUp(waits_for) => Outcome::Deferred(format!("it waited too long for {waits_for}")),
            Self::Failed(error) => Outcome::Failed(error.to_string()),
        }
    }
}

/// How often the second session looks.
const TICK: Duration = Duration::from_millis(100);

/// How long a statement that nobody watches any more may take to be cancelled.
const GOODBYE: Duration = Duration::from_secs(5);

const LOOK: &str = "
    SELECT coalesce(a.wait_event_type = 'Lock', false) AS waits, p.phase, p.index_relid,
           coalesce(p.blocks_done, 0) AS blocks_done, coalesce(p.blocks_total, 0) AS blocks_total,
           CASE WHEN 0 = ANY (pg_catalog.pg_blocking_pids(a.pid)) THEN 'a prepared transaction' ELSE
           (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(', ', 'process ' || b.pid, 'user ' || b.usename,
                       nullif(b.application_name, ''), b.state), '; ')
            FROM pg_catalog.pg_stat_activity b
            WHERE a.wait_event_type = 'Lock' AND b.pid = ANY (pg_catalog.pg_blocking_pids(a.pid))) END AS waits_for
    FROM pg_catalog.pg_stat_activity a
    LEFT JOIN pg_catalog.pg_stat_progress_create_index p ON p.pid = a.pid
    WHERE a.pid = $1";

/// Runs a statement on the working session. `entry` is the journal entry that learns the definition of the index as
/// soon as it can be seen, so that what a kill leaves can be proven to be ours; none when it has been written there.
pub(crate) async fn run(hands: &mut Hands<'_>, sql: &str, entry: Option<i64>) -> Result<Ended, Error> {
    hands.work.batch("SET lock_timeout = 0").await?;
    let ended = watch(hands, sql, entry).await?;
    if matches!(ended, Ended::GivenUp(_)) {
        // The cancel request may come late and meet this in place of the statement.
        match hands.work.query("SELECT", &[]).await {
            Ok(_) | Err(dbopt_pg::Error::Cancelled { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if matches!(ended, Ended::Failed(dbopt_pg::Error::ConnectionLost { .. })) {
        return Err(Error::LockLost);
    }
    hands.work.batch("SET lock_timeout = '1s'").await?;
    Ok(ended)
}

async fn watch(hands: &mut Hands<'_>, sql: &str, entry: Option<i64>) -> Result<Ended, Error> {
    let statement = hands.work.batch(sql);
    tokio::pin!(statement);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waits_since: Option<Instant> = None;
    let mut is_noted = false;
    let mut given_up: Option<String> = None;
    let mut last: Option<Progress> = None;
    loop {
        tokio::select! {
            biased;
            result = &mut statement => {
                return Ok(match (result, given_up) {
                    (Ok(()), _) => Ended::Done,
                    (Err(dbopt_pg::Error::Cancelled { .. }), Some(waits_for)) => Ended::GivenUp(waits_for),
                    (Err(error), _) => Ended::Failed(error),
                });
            }
            _ = ticks.tick() => {}
        }
        let rows = match hands.control.query(LOOK, &[&hands.work_pid]).await {
            Ok(rows) => rows,
            Err(error) => {
                // Nobody watches any more, so the statement must not go on. It is on its own session, which may be gone
                // for the same reason, and where the network is cut a request to cancel it would wait for minutes. Either
                // way this error ends the run, and its sessions, which the server notices.
                let stopped = async {
                    if hands.work.cancel().await.is_ok() {
                        let _ = statement.await;
                    }
                };
                let _ = tokio::time::timeout(GOODBYE, stopped).await;
                return Err(error.into());
            }
        };
        let Some(row) = rows.first() else { continue };
        let waits: bool = row.get("waits");
        let waits_for: Option<String> = row.get("waits_for");
        if let Some(phase) = row.get::<_, Option<String>>("phase") {
            let progress = Progress {
                phase,
                blocks_done: row.get("blocks_done"),
                blocks_total: row.get("blocks_total"),
                waits_for: waits_for.clone(),
            };
            if last.as_ref() != Some(&progress) {
                (hands.on_event)(Event::Progress(&progress));
                last = Some(progress);
            }
        }
        if let (Some(entry), Some(index)) = (entry, row.get::<_, Option<u32>>("index_relid"))
            && index != 0
            && !is_noted
        {
            is_noted = hands.journal.note_definition(hands.control, entry, index).await?;
        }
        waits_since = if waits { waits_since.or_else(|| Some(Instant::now())) } else { None };
        if waits_since.is_some_and(|since| since.elapsed() > hands.options.longest_wait) && given_up.is_none() {
            given_up = Some(waits_for.unwrap_or_else(|| "a session that cannot be seen".to_owned()));
            // Only while it waits for a lock: a build that has just got it is not disturbed.
            let sql = "SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
                       WHERE a.pid = $1 AND a.wait_event_type = 'Lock'";
            if hands.control.query(sql, &[&hands.work_pid]).await?.is_empty() {
                given_up = None;
                waits_since = None;
            }
        }
    }
}

/// Runs a statement on a session that is not watched, and tells a broken connection from a refusal.
pub(crate) async fn plain(session: &Session, sql: &str) -> Result<Result<(), dbopt_pg::Error>, Error> {
    match session.batch(sql).await {
        Err(dbopt_pg::Error::ConnectionLost { .. }) => Err(Error::LockLost),
        other => Ok(other),
    }
}
