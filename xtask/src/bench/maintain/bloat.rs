//! Estimates of bloat against what `VACUUM FULL` really gives back.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dbopt_maintain::{Estimates, Facts, Sampling, estimate};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_testkit::{Cluster, Database};

use super::super::say;
use super::fixtures;

const ROWS: u32 = 200_000;
const MANY_TABLES: u32 = 2_000;

pub(super) async fn run() -> Result<()> {
    let cluster = Cluster::builder()
        .setting("shared_buffers", "256MB")
        .setting("max_locks_per_transaction", "1024")
        .setting("max_wal_size", "4GB")
        .start()?;
    accuracy(&cluster.database()).await?;
    speed(&cluster.database()).await
}

/// One object: bytes now, as predicted and as they became.
struct Outcome {
    name: String,
    now: f64,
    predicted: Option<f64>,
    real: f64,
}

impl Outcome {
    /// Error in points of the present size.
    fn error(&self) -> Option<f64> {
        self.predicted.map(|predicted| (predicted - self.real) * 100.0 / self.now)
    }
}

async fn accuracy(database: &Database<'_>) -> Result<()> {
    for fixture in fixtures::ALL {
        let rows = ROWS.to_string();
        database.execute(&fixture.make.replace("{n}", &rows));
        for statement in fixture.then {
            database.execute(&statement.replace("{n}", &rows));
        }
    }
    let (facts, found, took) = look(database).await?;
    // Everything that is read comes from a user's tables, not from the system's.
    for fixture in fixtures::ALL {
        database.execute(&format!("VACUUM FULL {}", fixture.name));
    }
    let after = |oid: u32| -> Result<f64> {
        database.value(&format!("SELECT pg_relation_size({oid})")).parse::<f64>().context("a size")
    };
    let (mut tables, mut indexes) = (Vec::new(), Vec::new());
    for (oid, bloat) in &found.tables {
        let name = facts.table(*oid).map_or_else(String::new, |table| table.table.name.clone());
        let outcome = Outcome {
            name,
            now: bloat.bytes_now as f64,
            predicted: bloat.bytes_after.map(|bytes| bytes as f64),
            real: after(*oid)?,
        };
        tables.push(outcome);
    }
    for (oid, bloat) in &found.indexes {
        let name = facts.index(*oid).map_or_else(String::new, |index| index.index.name.clone());
        let outcome = Outcome {
            name,
            now: bloat.bytes_now as f64,
            predicted: bloat.bytes_after.map(|bytes| bytes as f64),
            real: after(*oid)?,
        };
        indexes.push(outcome);
    }
    say(&format!(
        "{} tables and {} indexes were estimated in {:.2} s\n",
        tables.len(),
        indexes.len(),
        took.as_secs_f64()
    ));
    say("| what | objects | answered | mean error | max error | goal | reclaimed: predicted | really |");
    say("| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |");
    summary("tables and TOAST tables", &tables, "1.5 / 6");
    summary("B-trees", &indexes, "1.5 / 8");
    let unknown: Vec<&str> =
        indexes.iter().chain(&tables).filter(|one| one.predicted.is_none()).map(|one| one.name.as_str()).collect();
    say(&format!("\nunknown: {}\n", unknown.join(", ")));
    say("| the worst | MB now | predicted | really | error |");
    say("| --- | ---: | ---: | ---: | ---: |");
    let mut all: Vec<&Outcome> = tables.iter().chain(&indexes).filter(|one| is_counted(one)).collect();
    all.sort_by(|one, two| {
        two.error().map(f64::abs).partial_cmp(&one.error().map(f64::abs)).unwrap_or(std::cmp::Ordering::Equal)
    });
    for one in all.iter().take(12) {
        let mb = |bytes: f64| bytes / 1e6;
        say(&format!(
            "| {} | {:.2} | {:.2} | {:.2} | {:+.1} |",
            one.name,
            mb(one.now),
            mb(one.predicted.unwrap_or_default()),
            mb(one.real),
            one.error().unwrap_or_default()
        ));
    }
    Ok(())
}

/// Below this size a page more or less is a point or more, and nothing is to be had.
fn is_counted(one: &Outcome) -> bool {
    one.predicted.is_some() && one.now >= 262_144.0
}

fn summary(what: &str, all: &[Outcome], goal: &str) {
    let errors: Vec<f64> = all.iter().filter(|one| is_counted(one)).filter_map(Outcome::error).map(f64::abs).collect();
    let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    let most = errors.iter().copied().fold(0.0, f64::max);
    let known = || all.iter().filter(|one| one.predicted.is_some());
    let predicted: f64 = known().map(|one| one.now - one.predicted.unwrap_or(one.now)).sum();
    let real: f64 = known().map(|one| one.now - one.real).sum();
    say(&format!(
        "| {what} | {} | {} | {mean:.2} | {most:.1} | {goal} | {:.1} MB | {:.1} MB |",
        all.len(),
        known().count(),
        predicted / 1e6,
        real / 1e6
    ));
}

/// A database of many tables: the time of the facts and of the estimates.
async fn speed(database: &Database<'_>) -> Result<()> {
    for first in (0..MANY_TABLES).step_by(100) {
        let mut sql = String::new();
        for number in first..first + 100 {
            sql.push_str(&format!(
                "CREATE TABLE t{number} (id int PRIMARY KEY, customer int, note text, at timestamptz, amount numeric);
                 INSERT INTO t{number} SELECT n, n % 50, md5(n::text), now(), n FROM generate_series(1, 300) n;
                 CREATE INDEX ON t{number} (customer); CREATE INDEX ON t{number} (at, note);"
            ));
        }
        database.execute(&sql);
    }
    database.execute("VACUUM ANALYZE");
    // As it is released: this program is not optimised.
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--release", "--package", "dbopt-maintain", "--example", "estimate", "--"]);
    command.arg(reader(database));
    let mut best: Option<(f64, f64, f64)> = None;
    for _ in 0..3 {
        let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
        anyhow::ensure!(output.status.success(), "the estimates failed");
        let said = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = said.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [loaded, both, unknown] = numbers[..] else { anyhow::bail!("`{said}` is not three numbers") };
        if best.is_none_or(|(_, other, _)| both < other) {
            best = Some((loaded, both, unknown));
        }
    }
    let (loaded, both, unknown) = best.context("a run")?;
    say(&format!(
        "\n{MANY_TABLES} tables and {} indexes, the best of three: facts {loaded:.2} s, facts and estimates {both:.2} s \
         (goal: 1 s); {unknown} unknown",
        3 * MANY_TABLES,
    ));
    Ok(())
}

async fn look(database: &Database<'_>) -> Result<(Facts, Estimates, Duration)> {
    let mut session = session(database).await?;
    let start = Instant::now();
    let facts = Facts::load(&mut session).await?;
    let found = estimate(&session, &facts, |table| !table.is_system, &Sampling::default()).await?;
    Ok((facts, found, start.elapsed()))
}

async fn session(database: &Database<'_>) -> Result<Session> {
    let text = reader(database);
    let args = ConnectArgs { database: Some(&text), ..Default::default() };
    let settings = Settings::resolve(&args, &Environment::default())?;
    Ok(Session::connect(&settings, &SessionProfile::reading()).await?)
}

/// How a role connects that has no right but to read.
fn reader(database: &Database<'_>) -> String {
    database.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader");
    database.conn_string().replace("user=postgres", "user=reader")
}
