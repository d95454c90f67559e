//! Reading how things stand.

use dbopt_pg::Session;

use super::{Behind, Bloat, Growth, Held, Ran, Status, Trouble};
use crate::bloat::Estimates;
use crate::error::Error;
use crate::facts::{Facts, TableFacts, TableKind};
use crate::health::behind;
use crate::plan::Plan;
use crate::policy::MaintenancePolicy;

const RUNS: &str = "
    SELECT r.id, pg_catalog.date_part('epoch', r.started_at) AS started_at,
           pg_catalog.date_part('epoch', r.ended_at - r.started_at) AS seconds,
           coalesce(r.outcome, CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
               WHERE l.locktype = 'advisory' AND d.datname = pg_catalog.current_database() AND l.pid = r.backend_pid AND l.granted)
               THEN 'running' ELSE 'died' END) AS outcome,
           pg_catalog.count(h.id) FILTER (WHERE h.outcome = 'done') AS done,
           pg_catalog.count(h.id) FILTER (WHERE h.outcome IN ('blocked', 'deferred', 'failed')) AS not_done,
           pg_catalog.sum(h.rows)::bigint AS rows,
           coalesce(pg_catalog.sum(CASE WHEN h.kind IN ('vacuum', 'delete-rows') THEN greatest(h.bytes_before - h.bytes_after, 0)
                                    ELSE h.bytes_before - h.bytes_after END) FILTER (WHERE h.outcome = 'done'), 0)::bigint AS freed
    FROM (SELECT * FROM dbopt.run WHERE command = 'maintain' ORDER BY id DESC LIMIT 10) r
    LEFT JOIN dbopt.history h ON h.run = r.id
    GROUP BY r.id, r.started_at, r.ended_at, r.outcome, r.backend_pid ORDER BY r.id DESC";

const COMPLETED: &str = "
    SELECT pg_catalog.date_part('epoch', pg_catalog.max(r.ended_at)) FROM dbopt.run r
    WHERE r.command = 'maintain' AND r.outcome = 'done'";

/// Of each object the last that was tried, when that was not done; of the last thirty days.
const TROUBLES: &str = "
    SELECT l.kind, l.schema, l.object, l.outcome, l.reason FROM (
        SELECT DISTINCT ON (h.kind, h.schema, h.object) h.kind, h.schema, h.object, h.outcome, h.reason, h.id
        FROM dbopt.history h JOIN dbopt.run r ON r.id = h.run AND r.command = 'maintain'
        WHERE h.at > pg_catalog.now() - interval '30 days'
        ORDER BY h.kind, h.schema, h.object, h.id DESC) l
    WHERE l.outcome IN ('blocked', 'deferred', 'failed') ORDER BY l.id DESC LIMIT 50";

/// Sizes of tables that still are there, when they were first and last worked on.
const GROWTH: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS table, g.then AS bytes_then, g.now AS bytes_now, g.days
    FROM (SELECT h.relation, (pg_catalog.array_agg(h.table_bytes ORDER BY h.id))[1] AS then,
                 (pg_catalog.array_agg(h.table_bytes ORDER BY h.id DESC))[1] AS now,
                 pg_catalog.date_part('epoch', pg_catalog.max(h.at) - pg_catalog.min(h.at)) / 86400 AS days
          FROM dbopt.history h
          WHERE h.relation IS NOT NULL AND h.table_bytes IS NOT NULL AND h.at > pg_catalog.now() - interval '30 days'
          GROUP BY h.relation HAVING pg_catalog.count(DISTINCT h.run) > 1) g
    JOIN pg_catalog.pg_class c ON c.oid = g.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY g.now - g.then DESC, n.nspname, c.relname LIMIT 20";

/// When an index was last rebuilt, and how large it was then.
const REBUILT: &str = "
    SELECT DISTINCT ON (h.schema, h.object) h.schema, h.object, h.bytes_after,
           pg_catalog.date_part('epoch', h.at) AS at
    FROM dbopt.history h WHERE h.kind = 'reindex' AND h.outcome = 'done'
    ORDER BY h.schema, h.object, h.id DESC";

/// Less than this share of its size, or fewer bytes, is room that an object has by nature.
const NATURAL_SHARE: f64 = 0.1;
const NATURAL_BYTES: u64 = 64 << 10;

/// How many of the most bloated are told.
const MOST_BLOATED: usize = 10;

impl Status {
    /// Reads how maintenance of a database stands, where dbopt's schema is there.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn load(
        session: &Session,
        policy: &MaintenancePolicy,
        (facts, estimates): (&Facts, &Estimates),
        plan: &Plan,
    ) -> Result<Self, Error> {
        let mut status = Self {
            database: facts.server.database.clone(),
            now: facts.server.now as f64 / 1e6,
            wraparound: facts.tables.iter().map(nearest).fold(0.0, f64::max),
            ..Self::default()
        };
        for item in &plan.items {
            if let Some(why) = &item.refused {
                status.wrong.push(format!("{} of `{}` is refused: {why}", item.class.name(), item.work.object()));
                continue;
            }
            if item.is_uncertain {
                status.due_unknown.push(item.work.object());
                continue;
            }
            status.due_bytes += item.gain_bytes.unwrap_or(0);
            *status.due.entry(item.class.name().to_owned()).or_insert(0) += 1;
        }
        status.runs.extend(session.query(RUNS, &[]).await?.iter().map(|row| Ran {
            run: row.get("id"),
            started_at: row.get("started_at"),
            seconds: row.get("seconds"),
            outcome: row.get("outcome"),
            done: row.get("done"),
            not_done: row.get("not_done"),
            rows: row.get("rows"),
            freed_bytes: row.get("freed"),
        }));
        status.completed_at = session.query(COMPLETED, &[]).await?.first().and_then(|row| row.get(0));
        status.troubles.extend(session.query(TROUBLES, &[]).await?.iter().map(|row| Trouble {
            kind: row.get("kind"),
            schema: row.get("schema"),
            object: row.get("object"),
            outcome: row.get("outcome"),
            reason: row.get("reason"),
        }));
        status.growth.extend(session.query(GROWTH, &[]).await?.iter().map(|row| Growth {
            schema: row.get("schema"),
            table: row.get("table"),
            bytes_then: row.get("bytes_then"),
            bytes_now: row.get("bytes_now"),
            days: row.get("days"),
        }));
        status.look_at_bloat(session, facts, estimates).await?;
        let oldest = policy.run.options.oldest_transaction.as_secs_f64();
        let is_old = |seconds: Option<f64>| seconds.is_some_and(|seconds| seconds > oldest);
        let holders = facts.horizon.iter().filter(|holder| is_old(holder.seconds) && !holder.only_catalogues);
        status.holders.extend(holders.map(|holder| Held {
            name: holder.name.clone(),
            seconds: holder.seconds,
            remedy: holder.remedy.clone(),
        }));
        status.behind.extend(behind(facts).into_iter().map(|behind| Behind {
            table: behind.table.to_string(),
            statement: behind.statement(),
            why: behind.why,
        }));
        let now = jiff::Timestamp::from_microsecond(facts.server.now).ok();
        let closed = now.filter(|now| !policy.run.windows.contains(*now));
        status.next_window = closed.and_then(|now| policy.run.windows.next(now)).map(|next| next.to_string());
        status.judge(policy.overdue.as_secs_f64());
        // What cannot be done is not among what is due.
        status.wrong.extend(plan.notes.iter().filter(|note| note.is_trouble()).map(|note| note.message.clone()));
        Ok(status)
    }
}

impl Status {
    async fn look_at_bloat(&mut self, session: &Session, facts: &Facts, estimates: &Estimates) -> Result<(), Error> {
        let tables = estimates.tables.iter().filter_map(|(oid, bloat)| {
            let table = &facts.table(*oid)?.table;
            Some(("table", table.schema.as_str(), table.name.as_str(), bloat.bytes_now, bloat.reclaimable()?))
        });
        let indexes = estimates.indexes.iter().filter_map(|(oid, bloat)| {
            let index = &facts.index(*oid)?.index;
            Some(("index", index.table.schema.as_str(), index.name.as_str(), bloat.bytes_now, bloat.reclaimable()?))
        });
        let all: Vec<_> = tables.chain(indexes).collect();
        self.bloat_bytes = all.iter().map(|(.., empty)| empty).sum();
        let is_more = |(.., bytes, empty): &&(&str, &str, &str, u64, u64)| {
            *empty >= NATURAL_BYTES && *empty as f64 >= NATURAL_SHARE * *bytes as f64
        };
        let bloated = all.iter().filter(is_more).map(|(kind, schema, object, bytes, empty)| Bloat {
            kind: (*kind).to_owned(),
            schema: (*schema).to_owned(),
            object: (*object).to_owned(),
            bytes: *bytes,
            empty_bytes: *empty,
            rebuilt_at: None,
            bytes_then: None,
        });
        self.bloat.extend(bloated);
        self.bloat.sort_by(|one, two| two.empty_bytes.cmp(&one.empty_bytes).then_with(|| one.object.cmp(&two.object)));
        self.bloat.truncate(MOST_BLOATED);
        for row in session.query(REBUILT, &[]).await? {
            let (schema, object): (&str, &str) = (row.get("schema"), row.get("object"));
            let is = |bloat: &&mut Bloat| bloat.kind == "index" && bloat.schema == schema && bloat.object == object;
            if let Some(bloat) = self.bloat.iter_mut().find(is) {
                (bloat.rebuilt_at, bloat.bytes_then) = (row.get("at"), row.get("bytes_after"));
            }
        }
        Ok(())
    }
}

/// How near a table is to where autovacuum insists on freezing it.
fn nearest(table: &TableFacts) -> f64 {
    if table.kind == TableKind::Partitioned {
        return 0.0;
    }
    let share = |age: Option<i64>, most: i64| age.map_or(0.0, |age| age as f64 / most.max(1) as f64);
    let of = &table.autovacuum;
    share(table.xid_age, of.freeze_max_age).max(share(table.mxid_age, of.multixact_freeze_max_age))
}
