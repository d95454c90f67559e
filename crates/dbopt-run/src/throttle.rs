//! Reasons to wait before the next step or batch.
//!
//! A change that outruns its replicas fills their disks or the primary's, so each step first looks at lag, at what
//! slots retain, at the rate of WAL, at the table's autovacuum and at how the application feels
//! (<https://www.postgresql.org/docs/current/monitoring-stats.html>).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use dbopt_pg::{Session, Settings};
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::error::Error;
use crate::guard::APPLICATION_NAME;
use crate::probe::{Probe, Prober};

/// What must hold before a step or batch. What is none is not looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The most bytes of WAL that a replica has not replayed.
    pub replica_bytes: Option<i64>,
    /// The longest time that a replica is behind.
    pub replica_time: Option<Duration>,
    /// The most bytes of WAL that a replication slot keeps; a share of `max_slot_wal_keep_size` below is kept besides.
    pub slot_bytes: Option<i64>,
    /// The most bytes of WAL a second.
    pub wal_rate: Option<f64>,
    /// Whether to wait while autovacuum works on the table.
    pub autovacuum: bool,
    /// The most sessions of others that are working at once.
    pub active_sessions: Option<u32>,
    /// A query of the application and how long it may take.
    pub probe: Option<Probe>,
    /// How long to wait before a step is blocked.
    pub patience: Duration,
    /// How long to wait between two looks.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            replica_bytes: Some(256 << 20),
            replica_time: Some(Duration::from_secs(30)),
            slot_bytes: Some(8 << 30),
            wal_rate: None,
            autovacuum: true,
            active_sessions: None,
            probe: None,
            patience: Duration::from_secs(300),
            pause: Duration::from_secs(1),
        }
    }
}

/// A slot is never let past this share of `max_slot_wal_keep_size`, beyond which the server breaks it.
const SLOT_SHARE: f64 = 0.8;

/// `replay_lag` is null on an idle server, and the lag in bytes is then nothing.
const REPLICAS: &str = "
    SELECT coalesce(nullif(r.application_name, ''), 'process ' || r.pid) AS name,
           pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), r.replay_lsn)::bigint AS bytes,
           pg_catalog.date_part('epoch', r.replay_lag) AS seconds
    FROM pg_catalog.pg_stat_replication r WHERE r.replay_lsn IS NOT NULL";

const SLOTS: &str = "
    SELECT s.slot_name::text AS name,
           pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn)::bigint AS bytes,
           (SELECT nullif(g.setting::bigint, -1) * 1048576 FROM pg_catalog.pg_settings g
            WHERE g.name = 'max_slot_wal_keep_size') AS most
    FROM pg_catalog.pg_replication_slots s WHERE s.restart_lsn IS NOT NULL";

const AUTOVACUUM: &str = "
    SELECT v.pid FROM pg_catalog.pg_stat_progress_vacuum v
    JOIN pg_catalog.pg_stat_activity a ON a.pid = v.pid
    JOIN pg_catalog.pg_class c ON c.oid = v.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE v.datname = pg_catalog.current_database() AND n.nspname = $1 AND c.relname = $2
        AND a.backend_type = 'autovacuum worker'";

const WAL: &str = "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint";

/// A run's own sessions are no load of others.
const ACTIVE: &str = "
    SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
    WHERE a.state IN ('active', 'fastpath function call') AND a.backend_type = 'client backend' AND a.application_name <> $1";

/// The questions that were asked. Before each batch they are asked again, and planning them takes ten times as long as
/// answering them.
#[derive(Debug, Default)]
struct Questions(HashMap<&'static str, Statement>);

impl Questions {
    async fn ask(
        &mut self,
        session: &Session,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let client = session.client();
        let statement = match self.0.entry(sql) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(client.prepare(sql).await.map_err(|error| session.error(error))?),
        };
        client.query(statement, parameters).await.map_err(|error| session.error(error).into())
    }
}

/// Something that a run should look at or write down, and cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// What, as a sentence without full stop.
    pub what: String,
    /// What would change that.
    pub help: String,
}

/// What of others this role may not see: of their senders and sessions only the process is shown.
const HIDDEN: &str = "
    SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication WHERE state IS NULL) AS replicas,
           (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
            WHERE usesysid IS NOT NULL AND NOT pg_catalog.pg_has_role(usesysid, 'USAGE')
                AND NOT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')) AS sessions,
           pg_catalog.quote_ident(current_user) AS role";

/// Looks whether there are replicas, or sessions that matter, which this role may not see.
pub(crate) async fn unseen(session: &Session, limits: &Limits) -> Result<Vec<Unseen>, Error> {
    let rows = session.query(HIDDEN, &[]).await?;
    let Some(row) = rows.first() else { return Ok(Vec::new()) };
    let (replicas, sessions): (i64, i64) = (row.get("replicas"), row.get("sessions"));
    let whats = [
        (replicas > 0).then(|| {
            format!("this role cannot see how far {replicas} of the replicas are behind, so they hold nothing up")
        }),
        (sessions > 0 && limits.active_sessions.is_some()).then(|| {
            format!("this role cannot see whether {sessions} of the sessions are working, so they hold nothing up")
        }),
    ];
    let help = format!("GRANT pg_monitor TO {};", row.get::<_, &str>("role"));
    Ok(whats.into_iter().flatten().map(|what| Unseen { what, help: help.clone() }).collect())
}

/// Looks at the limits; keeps the last position in the WAL, to know its rate.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Limits,
    prober: Option<Prober>,
    wal: Option<(Instant, i64)>,
    questions: Questions,
}

impl Throttle {
    /// Opens the session of the probe, when there is one.
    pub(crate) async fn open(settings: &Settings, limits: Limits) -> Result<Self, Error> {
        let prober = match limits.probe.clone() {
            Some(probe) => Some(Prober::open(settings, probe).await?),
            None => None,
        };
        Ok(Self { limits, prober, wal: None, questions: Questions::default() })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The first reason to wait, if there is one.
    pub(crate) async fn reason(
        &mut self,
        session: &Session,
        table: Option<&(String, String)>,
    ) -> Result<Option<String>, Error> {
        if let Some(reason) = self.replicas(session).await? {
            return Ok(Some(reason));
        }
        if let Some(reason) = self.slots(session).await? {
            return Ok(Some(reason));
        }
        if let Some(reason) = self.wal(session).await? {
            return Ok(Some(reason));
        }
        if let (true, Some((schema, name))) = (self.limits.autovacuum, table) {
            let rows = self.questions.ask(session, AUTOVACUUM, &[schema, name]).await?;
            if let Some(row) = rows.first() {
                return Ok(Some(format!("autovacuum works on the table (process {})", row.get::<_, i32>(0))));
            }
        }
        if let Some(most) = self.limits.active_sessions {
            let rows = self.questions.ask(session, ACTIVE, &[&APPLICATION_NAME]).await?;
            let active = rows.first().map_or(0, |row| row.get::<_, i64>(0));
            if active > i64::from(most) {
                return Ok(Some(format!("{active} sessions are working, more than {most}")));
            }
        }
        match &self.prober {
            Some(prober) => prober.reason().await,
            None => Ok(None),
        }
    }

    async fn replicas(&mut self, session: &Session) -> Result<Option<String>, Error> {
        if self.limits.replica_bytes.is_none() && self.limits.replica_time.is_none() {
            return Ok(None);
        }
        for row in self.questions.ask(session, REPLICAS, &[]).await? {
            let (name, bytes): (String, i64) = (row.get("name"), row.get("bytes"));
            if let Some(most) = self.limits.replica_bytes.filter(|most| bytes > *most) {
                return Ok(Some(format!("replica `{name}` is {bytes} bytes behind, more than {most}")));
            }
            let seconds: Option<f64> = row.get("seconds");
            let most = self.limits.replica_time.map(|most| most.as_secs_f64());
            if let (Some(seconds), Some(most)) = (seconds, most)
                && bytes > 0
                && seconds > most
            {
                return Ok(Some(format!("replica `{name}` is {seconds:.1} s behind, more than {most:.1} s")));
            }
        }
        Ok(None)
    }

    async fn slots(&mut self, session: &Session) -> Result<Option<String>, Error> {
        let Some(limit) = self.limits.slot_bytes else { return Ok(None) };
        for row in self.questions.ask(session, SLOTS, &[]).await? {
            let (name, bytes): (String, i64) = (row.get("name"), row.get("bytes"));
            let keep = row.get::<_, Option<i64>>("most").map(|most| (most as f64 * SLOT_SHARE) as i64);
            let most = keep.map_or(limit, |keep| keep.min(limit));
            if bytes > most {
                return Ok(Some(format!("replication slot `{name}` keeps {bytes} bytes of WAL, more than {most}")));
            }
        }
        Ok(None)
    }

    async fn wal(&mut self, session: &Session) -> Result<Option<String>, Error> {
        let Some(most) = self.limits.wal_rate else { return Ok(None) };
        let position = |rows: Vec<Row>| rows.first().map_or(0, |row| row.get(0));
        let (since, before) = match self.wal {
            Some(last) => last,
            None => {
                let first = (Instant::now(), position(self.questions.ask(session, WAL, &[]).await?));
                tokio::time::sleep(self.limits.pause.min(Duration::from_secs(1))).await;
                first
            }
        };
        let (now, after) = (Instant::now(), position(self.questions.ask(session, WAL, &[]).await?));
        self.wal = Some((now, after));
        let rate = (after - before) as f64 / (now - since).as_secs_f64().max(0.001);
        Ok((rate > most).then(|| format!("{rate:.0} bytes of WAL are written a second, more than {most:.0}")))
    }
}
