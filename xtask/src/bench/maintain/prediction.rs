//! What a plan predicts against what comes of it: bytes and seconds, of the first run in a database, which knows nothing of
//! it but its size, and of the two after it, which have a history.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dbopt_maintain::plan::{Basis, History, Item, Plan, expired, plan};
use dbopt_maintain::policy::{By, RetentionRule, Whole};
use dbopt_maintain::{Facts, MaintenancePolicy, Sampling, estimate};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_run::{Action, Options, Report, Runner};
use dbopt_testkit::{Cluster, Database};

use super::super::say;

/// Rows of the tables that are churned.
const TABLES: [u32; 6] = [100_000, 150_000, 200_000, 300_000, 400_000, 600_000];

/// Rows of the table that is kept for a year, of which as many expire each time.
const EVENTS: u32 = 400_000;
const EXPIRED: u32 = 80_000;

/// Runs, the first of which has no history.
const RUNS: u32 = 3;

/// Runs the part.
pub(super) async fn run() -> Result<()> {
    let cluster = Cluster::builder().setting("shared_buffers", "256MB").setting("max_wal_size", "4GB").start()?;
    let database = cluster.database();
    let settings = settings(&database)?;
    let mut session = Session::connect(&settings, &SessionProfile::default()).await?;
    dbopt_migrate::up(&mut session).await?;
    session.close().await;
    if !cluster.has_extension("pgstattuple") {
        anyhow::bail!("the server has no pgstattuple, by which what VACUUM makes free is measured");
    }
    database.execute("CREATE EXTENSION pgstattuple; CREATE SEQUENCE ids");
    for (at, rows) in TABLES.iter().enumerate() {
        database.execute(&format!(
            "CREATE TABLE churned_{at} (id bigint PRIMARY KEY, customer int, note text, at timestamptz) WITH (autovacuum_enabled = off)"
        ));
        fill(&database, at, *rows);
        database.execute(&format!(
            "CREATE INDEX ON churned_{at} (customer); CREATE INDEX ON churned_{at} (note); CREATE INDEX ON churned_{at} (at, customer)"
        ));
    }
    database.execute(&format!(
        "CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz, note text) WITH (autovacuum_enabled = off);
         INSERT INTO events SELECT nextval('ids'), now() - n * interval '1 minute', md5(n::text) FROM generate_series(1, {EVENTS}) n;
         CREATE INDEX ON events (at)"
    ));
    database.execute("VACUUM ANALYZE");
    say(
        "| run | for | steps | MB predicted | really | error of a step, median / max | s predicted | really | error of a step, median / max | known from |",
    );
    say("| ---: | --- | ---: | ---: | ---: | --- | ---: | ---: | --- | --- |");
    for number in 1..=RUNS {
        damage(&database, number);
        let free = free_bytes(&database);
        let (plan, reports) = one(&settings).await?;
        let after = free_bytes(&database);
        let freed = |name: &str| Some(after.get(name)? - free.get(name)?);
        print(number, &plan, &reports, &freed);
        for (at, rows) in TABLES.iter().enumerate() {
            fill(&database, at, rows * 2 / 5);
        }
    }
    Ok(())
}

fn fill(database: &Database<'_>, at: usize, rows: u32) {
    database.execute(&format!(
        "INSERT INTO churned_{at} SELECT nextval('ids'), hashint4(n) % 5000, md5(random()::text), now() - random() * interval '1 year'
         FROM generate_series(1, {rows}) n"
    ));
}

/// Two fifths of the rows go, here and there, and some others expire.
fn damage(database: &Database<'_>, number: u32) {
    for at in 0..TABLES.len() {
        database.execute(&format!("DELETE FROM churned_{at} WHERE abs(hashint8(id + {number})) % 5 < 2"));
    }
    database.execute(&format!(
        "INSERT INTO events SELECT nextval('ids'), now() - interval '400 days' - n * interval '1 second', md5(n::text)
         FROM generate_series(1, {EXPIRED}) n"
    ));
    database.execute("ANALYZE events");
}

/// A plan, and its run.
async fn one(settings: &Settings) -> Result<(Plan, Vec<Report>)> {
    let mut policy = MaintenancePolicy { retention: vec![rule()], ..MaintenancePolicy::default() };
    policy.reindex.bytes = 1 << 20;
    policy.reindex.share = 0.2;
    policy.reindex.rest = std::time::Duration::ZERO;
    policy.analyze.enabled = false;
    let mut session = Session::connect(settings, &SessionProfile::reading()).await?;
    let facts = Facts::load(&mut session).await?;
    let wanted = |table: &dbopt_maintain::TableFacts| !table.is_system && table.table.schema == "public";
    let estimates = estimate(&session, &facts, wanted, &Sampling::default()).await?;
    let expired = expired(&session, &facts, &policy).await?;
    let history = History::load(&session).await?;
    session.close().await;
    let plan = plan(&Basis {
        facts: &facts,
        estimates: &estimates,
        expired: &expired,
        policy: &policy,
        history: &history,
        refused: &BTreeMap::new(),
    });
    let mut runner = Runner::start(settings, "maintain", Options::default()).await?;
    let mut actions: Vec<Box<dyn Action>> = plan.items.iter().map(|item| item.work.action()).collect();
    let reports = runner.execute(&mut actions, &mut |_| {}).await?;
    runner.finish(&reports).await?;
    anyhow::ensure!(reports.iter().all(|report| report.outcome.is_good()), "{reports:?}");
    Ok((plan, reports))
}

fn rule() -> RetentionRule {
    RetentionRule {
        table: ("public".to_owned(), "events".to_owned()),
        keep: std::time::Duration::from_secs(365 * 86_400),
        by: By::Rows { column: "at".to_owned() },
        most_rows: u64::MAX,
        most_share: 1.0,
        whole: Whole::default(),
        cascades: Vec::new(),
        triggers: Vec::new(),
        exempt: dbopt_maintain::Exempt::default(),
        archive: None,
    }
}

/// Bytes of each table that new rows may use.
fn free_bytes(database: &Database<'_>) -> BTreeMap<String, f64> {
    let sql = "SELECT c.relname, (pgstattuple(c.oid)).free_space FROM pg_class c \
               WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace";
    let pair = |row: &Vec<Option<String>>| Some((row[0].clone()?, row[1].as_ref()?.parse().ok()?));
    database.query(sql).iter().filter_map(pair).collect()
}

/// A line for each kind of step.
fn print(number: u32, plan: &Plan, reports: &[Report], freed: &dyn Fn(&str) -> Option<f64>) {
    let mut kinds: BTreeMap<&str, Vec<(&Item, &Report)>> = BTreeMap::new();
    for (item, report) in plan.items.iter().zip(reports) {
        kinds.entry(item.work.kind()).or_default().push((item, report));
    }
    for (kind, steps) in kinds {
        let real_bytes = |report: &Report| match kind {
            "reindex" => Some((report.bytes_before? - report.bytes_after?) as f64),
            _ => freed(&report.step.object),
        };
        let pairs = |predicted: &dyn Fn(&Item) -> Option<f64>, real: &dyn Fn(&Report) -> Option<f64>| {
            let pair = |(item, report): &(&Item, &Report)| Some((predicted(item)?, real(report)?));
            steps.iter().filter_map(pair).collect::<Vec<(f64, f64)>>()
        };
        let bytes = pairs(&|item| item.gain_bytes.map(|bytes| bytes as f64 / 1e6), &|report| {
            real_bytes(report).map(|bytes| bytes / 1e6)
        });
        let seconds = pairs(&|item| item.predicted_seconds, &|report| Some(report.seconds));
        let mut from: Vec<&str> = steps.iter().filter_map(|(item, _)| Some(item.prediction?.name())).collect();
        from.sort_unstable();
        from.dedup();
        let sums = |pairs: &[(f64, f64)]| {
            let (predicted, real): (f64, f64) =
                pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
            match pairs {
                [] => "| | | |".to_owned(),
                _ => format!("| {predicted:.1} | {real:.1} | {} ", errors(pairs)),
            }
        };
        let count = steps.len();
        say(&format!("| {number} | {kind} | {count} {}{}| {} |", sums(&bytes), sums(&seconds), from.join(", ")));
    }
}

/// The median and the largest error of predictions, in percent of what really was.
fn errors(pairs: &[(f64, f64)]) -> String {
    let mut errors: Vec<f64> = pairs.iter().map(|(predicted, real)| (predicted - real) * 100.0 / real).collect();
    errors.sort_by(|one, two| one.abs().total_cmp(&two.abs()));
    let at = |place: usize| errors.get(place).copied().unwrap_or_default();
    format!("{:+.0} % / {:+.0} %", at(errors.len() / 2), at(errors.len().saturating_sub(1)))
}

fn settings(database: &Database<'_>) -> Result<Settings> {
    let text = database.conn_string();
    let args = ConnectArgs { database: Some(&text), ..Default::default() };
    Settings::resolve(&args, &Environment::default()).ok().context("the settings are good")
}
