//! Deleting three of ten million rows beside an application: by batches, by one DELETE, and by a loop over a sub-select with
//! LIMIT.
//!
//! Each has a copy of one database. The application is pgbench at a fixed rate, whose latencies count from when a
//! transaction was due; it runs alone for a while right before each, which is the baseline.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dbopt_maintain::actions::{DeleteRows, Method, Retention};
use dbopt_maintain::{Moment, TableRef};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_run::{Action, Event, Options, Outcome, Runner};
use dbopt_testkit::{Cluster, Database};
use tempfile::TempDir;

use super::super::say;

/// Rows at scale 1.
const ROWS: f64 = 1e7;

/// The share of them that is expired.
const EXPIRED: f64 = 0.3;

/// Transactions of the application in a second.
const RATE: &str = "300";

/// What the application does: it reads and changes rows that are not expired, and adds some.
const APPLICATION: &str = "
\\set id random(:first, :last)
BEGIN;
SELECT note FROM events WHERE id = :id;
UPDATE events SET note = note WHERE id = :id;
INSERT INTO events (id, at, note) VALUES (nextval('events_id'), now(), 'an event of the application');
COMMIT;
";

/// The ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Single,
    Loop,
    Batches(Method),
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Single => "one DELETE",
            Self::Loop => "loop, sub-select with LIMIT 5000",
            Self::Batches(Method::Pages) => "dbopt, by pages",
            Self::Batches(Method::Keys) => "dbopt, by keys",
        }
    }
}

/// What one way took.
struct Figures {
    rows: u64,
    seconds: f64,
    vacuum: Option<f64>,
    /// Milliseconds of each transaction that deletes.
    batches: Vec<f64>,
    wal: f64,
    dead: String,
}

/// Runs the part.
pub(super) async fn run(scale: f64, baseline: u64, rounds: usize) -> Result<()> {
    let cluster = Cluster::builder()
        .setting("shared_buffers", "512MB")
        .setting("max_wal_size", "8GB")
        .setting("checkpoint_timeout", "30min")
        .start()?;
    let all = (ROWS * scale) as u64;
    let expired = (all as f64 * EXPIRED) as u64;
    let origin = cluster.database();
    say(&format!("{all} rows, {expired} expired, {RATE} transactions a second beside\n"));
    {
        let settings = settings(&origin)?;
        let mut session = Session::connect(&settings, &SessionProfile::default()).await?;
        dbopt_migrate::up(&mut session).await?;
        session.close().await;
    }
    for sql in [
        "CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text) WITH (autovacuum_enabled = off)"
            .to_owned(),
        format!(
            "INSERT INTO events SELECT n, to_timestamp(n), md5(n::text) || md5((n + 1)::text) FROM generate_series(1, {all}) n"
        ),
        format!("CREATE SEQUENCE events_id START {}", all + 1),
        "ALTER TABLE events ADD PRIMARY KEY (id)".to_owned(),
        "CREATE INDEX events_at_idx ON events (at)".to_owned(),
        "VACUUM (FREEZE, ANALYZE) events".to_owned(),
        "CHECKPOINT".to_owned(),
    ] {
        origin.execute(&sql);
    }
    say(
        "| way | rows/s | s | VACUUM s | batches | batch p99 ms | app p50 / p99 / max ms | alone p50 / p99 / max ms | WAL MB | dead left |",
    );
    say("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let ways = [Way::Batches(Method::Pages), Way::Single, Way::Batches(Method::Keys), Way::Loop];
    let mut speeds = ways.map(|_| Vec::new());
    for round in 0..rounds {
        for (at, way) in ways.into_iter().enumerate() {
            let name = format!("copy_{round}_{at}");
            cluster.execute("postgres", &format!("CREATE DATABASE {name} TEMPLATE {}", origin.name()));
            let copy = Copy { cluster: &cluster, name: &name };
            copy.execute("CHECKPOINT");
            speeds[at].push(measure(&copy, way, (all, expired), baseline).await?);
            cluster.execute("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
    say("\nMedians of rows/s, of those of one DELETE:");
    for (way, own) in ways.iter().zip(&speeds) {
        say(&format!("  {}: {:.2}", way.name(), at(own, 0.5) / at(&speeds[1], 0.5)));
    }
    Ok(())
}

/// A copy of the database.
struct Copy<'a> {
    cluster: &'a Cluster,
    name: &'a str,
}

impl Copy<'_> {
    fn execute(&self, sql: &str) {
        self.cluster.execute(self.name, sql);
    }

    fn value(&self, sql: &str) -> String {
        self.cluster.value(self.name, sql)
    }

    fn number<T: std::str::FromStr>(&self, sql: &str) -> Result<T> {
        self.value(sql).parse().ok().context("a number")
    }

    fn settings(&self) -> Result<Settings> {
        let target = self.cluster.conn_string(self.name);
        let args = ConnectArgs { database: Some(&target), ..Default::default() };
        Settings::resolve(&args, &Environment::default()).ok().context("the settings are good")
    }
}

fn settings(database: &Database<'_>) -> Result<Settings> {
    Copy { cluster: database.cluster(), name: database.name() }.settings()
}

/// Measures one way, and prints its line; its rows a second.
async fn measure(copy: &Copy<'_>, way: Way, (all, expired): (u64, u64), baseline: u64) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let alone = Load::start(copy, &folder, "alone", (expired + 1, all))?;
    tokio::time::sleep(Duration::from_secs(baseline)).await;
    let alone = alone.end(copy)?;
    let load = Load::start(copy, &folder, "beside", (expired + 1, all))?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let lsn = copy.value("SELECT pg_current_wal_lsn()");
    let mut figures = match way {
        Way::Batches(method) => batches(copy, method, expired).await?,
        _ => plain(copy, way, expired).await?,
    };
    figures.wal = copy.number::<f64>(&format!("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{lsn}')"))? / 1e6;
    let beside = load.end(copy)?;
    let left: u64 = copy.number(&format!("SELECT count(*) FROM events WHERE at <= to_timestamp({expired})"))?;
    anyhow::ensure!(left == 0, "{left} expired rows are left by {}", way.name());
    let Figures { rows, seconds, vacuum, batches, wal, dead } = figures;
    let three = |latencies: &[f64]| {
        format!("{:.1} / {:.1} / {:.0}", at(latencies, 0.5), at(latencies, 0.99), at(latencies, 1.0))
    };
    let mut line = String::new();
    write!(line, "| {} | {:.0} | {seconds:.1} ", way.name(), rows as f64 / seconds)?;
    write!(line, "| {} ", vacuum.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds:.1}")))?;
    write!(line, "| {} | {:.0} ", batches.len(), at(&batches, 0.99))?;
    write!(line, "| {} | {} | {wal:.0} | {dead} |", three(&beside), three(&alone))?;
    say(&line);
    Ok(rows as f64 / seconds)
}

/// One DELETE, or a loop of them.
async fn plain(copy: &Copy<'_>, way: Way, expired: u64) -> Result<Figures> {
    let session = Session::connect(
        &copy.settings()?,
        &SessionProfile { read_only: false, statement_timeout: Some(Duration::ZERO), ..SessionProfile::default() },
    )
    .await?;
    let old = format!("at <= to_timestamp({expired})");
    let sql = match way {
        Way::Loop => format!("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE {old} LIMIT 5000)"),
        _ => format!("DELETE FROM events WHERE {old}"),
    };
    let (since, mut rows, mut batches) = (Instant::now(), 0, Vec::new());
    loop {
        let begun = Instant::now();
        let gone = session.client().execute(&sql, &[]).await.map_err(|error| session.error(error))?;
        if gone > 0 {
            batches.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        rows += gone;
        if gone == 0 || way == Way::Single {
            break;
        }
    }
    let seconds = since.elapsed().as_secs_f64();
    session.close().await;
    Ok(Figures { rows, seconds, vacuum: None, batches, wal: 0.0, dead: dead(copy).await })
}

/// By dbopt's action, whose VACUUM is timed apart.
async fn batches(copy: &Copy<'_>, method: Method, expired: u64) -> Result<Figures> {
    let oid: u32 = copy.number("SELECT 'events'::regclass::oid")?;
    let table = TableRef { oid, schema: "public".to_owned(), name: "events".to_owned() };
    let cutoff = Moment::Instant(i64::try_from(expired)?.saturating_mul(1_000_000) + 1);
    let rule = Retention { method, vacuum_after: u64::MAX, ..Retention::new("at", cutoff) };
    let mut runner = Runner::start(&copy.settings()?, "maintain", Options::default()).await?;
    let mut actions: Vec<Box<dyn Action>> = vec![Box::new(DeleteRows::new(&table, rule))];
    let (mut last, mut batches) = (Instant::now(), Vec::new());
    let reports = runner
        .execute(&mut actions, &mut |event| match event {
            Event::Progress(_) => {
                batches.push(last.elapsed().as_secs_f64() * 1e3);
                last = Instant::now();
            }
            _ => last = Instant::now(),
        })
        .await?;
    anyhow::ensure!(reports[0].outcome == Outcome::Done, "{:?}", reports[0].outcome);
    let ended = reports[0].seconds;
    runner.finish(&reports).await?;
    // The journal says when the deleting began, and when the VACUUM did.
    let between = "SELECT extract(epoch FROM max(opened_at) - min(opened_at)) FROM dbopt.journal";
    let seconds: f64 = copy.number(between)?;
    // The first one waited for what is looked at before anything is deleted.
    if !batches.is_empty() {
        batches.remove(0);
    }
    Ok(Figures { rows: expired, seconds, vacuum: Some(ended - seconds), batches, wal: 0.0, dead: dead(copy).await })
}

/// Dead rows as the server counts them, of a table that nobody else vacuums.
async fn dead(copy: &Copy<'_>) -> String {
    // Sessions hand in what they have counted once a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    copy.value("SELECT pg_stat_get_dead_tuples('events'::regclass)")
}

/// The application.
struct Load<'a> {
    child: Child,
    folder: &'a Path,
    prefix: &'a str,
}

impl<'a> Load<'a> {
    fn start(copy: &Copy<'_>, folder: &'a TempDir, prefix: &'a str, (first, last): (u64, u64)) -> Result<Self> {
        let script = folder.path().join("application.sql");
        std::fs::write(&script, APPLICATION)?;
        let mut pgbench = Command::new(pgbench(copy.cluster));
        pgbench.args(["--no-vacuum", "--client", "8", "--rate", RATE, "--time", "3600", "--log"]);
        pgbench.arg("--log-prefix").arg(folder.path().join(prefix)).arg("--file").arg(&script);
        pgbench.args(["--define", &format!("first={first}"), "--define", &format!("last={last}")]);
        pgbench.arg(copy.cluster.conn_string(copy.name)).stdout(Stdio::null()).stderr(Stdio::null());
        let child = pgbench.spawn().context("cannot run pgbench")?;
        Ok(Self { child, folder: folder.path(), prefix })
    }

    /// Ends it, so that it still writes down what it has measured; the latencies in milliseconds.
    fn end(mut self, copy: &Copy<'_>) -> Result<Vec<f64>> {
        copy.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgbench'");
        self.child.wait()?;
        let mut latencies = Vec::new();
        for file in std::fs::read_dir(self.folder)?.flatten() {
            if file.file_name().to_string_lossy().starts_with(self.prefix) {
                let text = std::fs::read_to_string(file.path())?;
                // Client, number, microseconds, script, …
                let third = |line: &str| line.split(' ').nth(2).and_then(|micros| micros.parse::<f64>().ok());
                latencies.extend(text.lines().filter_map(third).map(|micros| micros / 1e3));
            }
        }
        anyhow::ensure!(!latencies.is_empty(), "pgbench has measured nothing");
        Ok(latencies)
    }
}

/// Debian keeps it apart from the server's programs.
fn pgbench(cluster: &Cluster) -> std::path::PathBuf {
    let own = cluster.binaries().folder().join("pgbench");
    if own.exists() { own } else { "pgbench".into() }
}

/// The value below which so large a share of the others is; nothing of nothing.
fn at(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(0.0)
}
