//! Maintenance, ended in every way at random points of each action, beside an application that writes. Whenever it is
//! ended, each expired row is either in its table or in the archive, and no other row is gone; after the next run nothing
//! is left of either, every index that was valid still is, and nothing is half done.
//!
//! A handful of points every day; `cargo xtask torture maintain` for more.

#[path = "support/application.rs"]
mod application;
mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use application::Application;
use dbopt_maintain::actions::{Analyze, DeleteRows, DropPartition, Expiry, Reindex, Retention, Vacuum, VacuumOptions};
use dbopt_maintain::plan::Archived;
use dbopt_maintain::{IndexRef, Moment, TableRef};
use dbopt_pg::Session;
use dbopt_run::{Action, BatchLimits, Options, Outcome, Runner};
use dbopt_testkit::{Cluster, Database, Random, network};

/// Rows before this are expired: 200 hours after 1970.
const CUTOFF: i64 = 200 * 3600 * 1_000_000;

/// Makes everything anew between two points. Of 40,000 rows 16,000 are expired, and two partitions of each table.
const TABLES: &str = "
    DROP TABLE IF EXISTS t, e, f, old_t, old_f;
    CREATE TABLE t (id int PRIMARY KEY, at timestamptz, note text) WITH (autovacuum_enabled = off);
    INSERT INTO t SELECT n, to_timestamp(n * 45), md5(n::text) FROM generate_series(0, 39999) n;
    CREATE INDEX t_at_idx ON t (at);
    CREATE INDEX t_note_idx ON t (note);
    CREATE TABLE e (at timestamptz, a int) PARTITION BY RANGE (at);
    CREATE TABLE e_1 PARTITION OF e FOR VALUES FROM ('1970-01-01Z') TO ('1970-01-05Z');
    CREATE TABLE e_2 PARTITION OF e FOR VALUES FROM ('1970-01-05Z') TO ('1970-02-05Z');
    INSERT INTO e SELECT to_timestamp(n * 360), n FROM generate_series(0, 4999) n;
    CREATE TABLE f (at timestamptz, a int) PARTITION BY RANGE (at);
    CREATE TABLE f_1 PARTITION OF f FOR VALUES FROM ('1970-01-01Z') TO ('1970-01-05Z');
    CREATE TABLE f_2 PARTITION OF f FOR VALUES FROM ('1970-01-05Z') TO ('1970-02-05Z');
    CREATE TABLE f_d PARTITION OF f DEFAULT;
    INSERT INTO f SELECT to_timestamp(n * 360), n FROM generate_series(0, 4999) n;";

/// The actions, each with its steps in a whole run.
const ACTIONS: [(&str, std::ops::Range<usize>); 6] = [
    ("reindex", 0..2),
    ("delete-rows", 2..3),
    ("drop-partition", 3..4),
    ("drop-partition beside a default one", 4..5),
    ("vacuum", 5..6),
    ("analyze", 6..7),
];

/// The program that is ended: this one, with this variable naming the database.
const TARGET: &str = "DBOPT_TORTURE_TARGET";

/// With this variable naming an action it does nothing else.
const ONLY: &str = "DBOPT_TORTURE_ONLY";

/// What the program does when it is to be ended; without the variable nothing.
#[tokio::test]
#[ignore = "it is the program that the other test ends"]
async fn a_run_that_is_to_be_ended() {
    let Ok(target) = std::env::var(TARGET) else { return };
    let batches = BatchLimits { target: Duration::from_millis(4), smallest: 50, largest: 800 };
    let options = Options { batches, longest_wait: Duration::from_secs(20), ..Options::default() };
    let mut runner = Runner::start(&support::settings(&target), "maintain", options).await.expect("a run");
    let repairs = dbopt_maintain::actions::repair(&mut runner).await.expect("it repairs");
    assert!(repairs.iter().all(|repair| !matches!(repair.fate, dbopt_run::Fate::Foreign(_))), "{repairs:?}");
    let mut actions = actions(runner.session()).await;
    if let Some((_, steps)) = ACTIONS.iter().find(|(name, _)| std::env::var(ONLY).is_ok_and(|only| only == *name)) {
        actions = actions.drain(steps.clone()).collect();
    }
    let reports = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
    runner.finish(&reports).await.expect("it ends");
    let bad: Vec<_> = reports.iter().filter(|report| !report.outcome.is_good()).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert!(reports.iter().any(|report| report.outcome == Outcome::Done), "{reports:?}");
}

/// Each kind of action, of what is there.
async fn actions(session: &Session) -> Vec<Box<dyn Action>> {
    let number =
        async |sql: String| session.query(&sql, &[]).await.expect("it answers").first().map_or(0, |row| row.get(0));
    let table = async |name: &str| {
        let oid: u32 = number(format!("SELECT coalesce(to_regclass('public.{name}')::oid, 0::oid)")).await;
        TableRef { oid, schema: "public".to_owned(), name: name.to_owned() }
    };
    let t = table("t").await;
    let mut actions: Vec<Box<dyn Action>> = Vec::new();
    for name in ["t_pkey", "t_note_idx"] {
        let of = async |what: &str| {
            number(format!("SELECT {what} FROM pg_class WHERE oid = 'public.{name}'::regclass")).await
        };
        let (oid, relfilenode) = (of("oid").await, of("relfilenode").await);
        actions.push(Box::new(Reindex::new(&IndexRef { oid, relfilenode, name: name.to_owned(), table: t.clone() })));
    }
    let into = |name: &str| Some(Archived::Table { schema: "public".to_owned(), name: name.to_owned() });
    let rule =
        Retention { archive: into("old_t"), vacuum_after: 8000, ..Retention::new("at", Moment::Instant(CUTOFF)) };
    actions.push(Box::new(DeleteRows::new(&t, rule)));
    let expiry = Expiry { cutoff: CUTOFF, prove: None, archive: None, has_default: false };
    actions.push(Box::new(DropPartition::new(&table("e_1").await, &table("e").await, expiry.clone())));
    let kept = Expiry { archive: into("old_f"), has_default: true, ..expiry };
    actions.push(Box::new(DropPartition::new(&table("f_1").await, &table("f").await, kept)));
    actions.push(Box::new(Vacuum::new(&t, &VacuumOptions { freeze: true, ..VacuumOptions::default() })));
    actions.push(Box::new(Analyze::new(&t)));
    actions
}

fn spawn(target: &str, only: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program is a file"));
    command.args(["a_run_that_is_to_be_ended", "--exact", "--ignored", "--nocapture"]).env(TARGET, target);
    command.envs(only.map(|only| (ONLY, only)));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

/// Indexes besides those of the archive; what is not valid says so.
fn indexes(database: &Database<'_>) -> String {
    support::indexes(database, "t").replace(" true", "")
}

/// Expired rows that are nowhere or twice, and rows that should have stayed and are gone.
fn lost(database: &Database<'_>) -> String {
    let kept = |archive: &str| {
        let is_there = database.value(&format!("SELECT to_regclass('{archive}') IS NOT NULL")) == "t";
        if is_there { format!(" UNION ALL SELECT at FROM {archive}") } else { String::new() }
    };
    let expired = |table: &str, archive: &str| {
        database.value(&format!(
            "SELECT count(*) FROM (SELECT at FROM {table}{}) s WHERE at < to_timestamp(720000)",
            kept(archive)
        ))
    };
    let rest = database.value(
        "SELECT (SELECT count(*) FROM t WHERE at >= to_timestamp(720000)) || ' ' || (SELECT count(*) FROM e_2) || ' ' || \
             (SELECT count(*) FROM f_2)",
    );
    // Partitions go as a whole, and of these two only one is expired.
    let parts = database.value(&format!("SELECT count(*) FROM (SELECT at FROM f{}) s", kept("old_f")));
    format!("{} {parts} {rest}", expired("t", "old_t"))
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// What `lost` says as long as nothing is.
const WHOLE: &str = "16000 5000 24000 4040 4040";

/// A server with the tables.
struct Arena<'a> {
    cluster: &'a Cluster,
    database: Database<'a>,
    /// How the run that is ended connects; everybody else uses the socket.
    target: String,
    random: Random,
    seed: u64,
}

impl<'a> Arena<'a> {
    async fn new(cluster: &'a Cluster) -> Self {
        let seed = number("DBOPT_TORTURE_SEED", 20_261_121);
        let database = support::database(cluster, TABLES).await;
        let whole = spawn(&database.conn_string(), None).wait_with_output().expect("it ends");
        assert!(whole.status.success(), "{whole:?}");
        assert_eq!(lost(&database), WHOLE);
        Self { cluster, target: database.conn_string(), database, random: Random::new(seed), seed }
    }

    /// How long an action takes beside the application.
    fn took(&self, action: &str) -> Duration {
        self.database.execute(TABLES);
        let application = Application::start(self.database.conn_string());
        let ended = spawn(&self.target, Some(action)).wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(application.end(), [""; 0], "the application was disturbed by {action}");
        let newest = "SELECT sum(seconds) FROM dbopt.history WHERE run = (SELECT max(id) FROM dbopt.run)";
        Duration::from_secs_f64(support::number(&self.database, newest))
    }

    /// Ends one run in one way, and looks at what there is then and after the next run; whether it was in the middle.
    #[expect(clippy::print_stderr, reason = "a run of many points is long, and shows how far it is")]
    async fn point(&mut self, point: u64, action: &str, took: Duration, way: &str) -> bool {
        let Self { cluster, database, target, .. } = self;
        database.execute(TABLES);
        let application = Application::start(database.conn_string());
        let wait = took.mul_f64(self.random.below(950) as f64 / 1000.0);
        let begun = "SELECT count(*) FROM dbopt.journal";
        let before: u64 = support::number(database, begun);
        let watch = support::client(database).await;
        let mut child = spawn(target, Some(action));
        while child.try_wait().expect("a child").is_none() {
            let now: i64 = watch.query_one(begun, &[]).await.expect("it answers").get(0);
            if now.unsigned_abs() > before {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(wait);
        let context = format!("seed {}, point {point}: {way} {wait:?} into {action}", self.seed);
        match way {
            "client" => child.kill().expect("it can be killed"),
            "server" => {
                cluster.crash();
                cluster.restart().expect("it recovers");
            }
            "network" => network::set(false),
            _ => {
                let order = if way == "backend" { "ASC" } else { "DESC" };
                // The run's sessions in the order in which they were opened: the one that works, the one that watches.
                let sql = format!(
                    "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
                     WHERE application_name = 'dbopt-run' ORDER BY backend_start {order} LIMIT 1) s"
                );
                watch.batch_execute(&sql).await.expect("it answers");
            }
        }
        let since = Instant::now();
        let mut child = Some(child);
        if way != "network" {
            let _ = child.as_mut().map(Child::wait);
        }
        // A cut network says nothing: both sides notice by their timeouts of 30 seconds.
        let most = Duration::from_secs(if way == "network" { 45 } else { 6 });
        while database.value(&format!("SELECT {}", support::WORKS)) == "t" {
            assert!(since.elapsed() < most, "{context}: the server went on for {:?}", since.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let gone = since.elapsed();
        let child = child.take().expect("it is there");
        let ended = child.wait_with_output().expect("it ends");
        if way == "network" {
            assert!(since.elapsed() < most, "{context}: the client went on for {:?}", since.elapsed());
            network::set(true);
        }
        let left = indexes(database);
        let open: u64 = support::number(database, "SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL");
        let told = || format!("{context}\nleft: {left}\nfirst: {ended:?}");
        assert_eq!(lost(database), WHOLE, "{}", told());
        for valid in ["t_pkey", "t_note_idx", "t_at_idx"] {
            assert!(left.split(", ").any(|index| index == valid), "`{valid}` is gone: {}", told());
        }
        let next = spawn(&database.conn_string(), None).wait_with_output().expect("it ends");
        assert!(next.status.success(), "{}\nnext: {next:?}", told());
        assert_eq!(indexes(database), "t_at_idx, t_note_idx, t_pkey", "{}\nnext: {next:?}", told());
        assert_eq!(lost(database), WHOLE, "{}", told());
        let is_clean = "SELECT (SELECT count(*) FROM t WHERE at < to_timestamp(720000)) || ' ' || \
                        coalesce(to_regclass('e_1')::text, '-') || coalesce(to_regclass('f_1')::text, '-') || ' ' || \
                        (SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL)";
        assert_eq!(database.value(is_clean), "0 -- 0", "{}\nnext: {next:?}", told());
        assert_eq!(application.end(), [""; 0], "the application was disturbed: {}", told());
        eprintln!("{context}: {open} half done, gone after {gone:.1?}, left {left}");
        open > 0
    }

    /// So many points of each action.
    #[expect(clippy::print_stderr, reason = "a run of many points is long, and its result is to be written down")]
    async fn points(&mut self, points: u64, ways: &[&str]) {
        let wanted = std::env::var("DBOPT_TORTURE_ACTION").ok();
        if let Some(wanted) = &wanted {
            assert!(ACTIONS.iter().any(|(action, _)| action == wanted), "`{wanted}` is none of {ACTIONS:?}");
        }
        for (at, (action, _)) in ACTIONS.iter().enumerate() {
            if wanted.as_ref().is_some_and(|wanted| wanted != action) {
                continue;
            }
            let (mut half_done, took) = (0, self.took(action));
            for point in 0..points {
                let way = ways[(usize::try_from(point).expect("it is small") + at) % ways.len()];
                half_done += u64::from(self.point(point, action, took, way).await);
            }
            eprintln!("{action}: {points} points of {}, {half_done} of them half done", ways.join(", "));
        }
    }
}

#[tokio::test]
async fn maintenance_survives_its_end_at_any_point() {
    let points = number("DBOPT_TORTURE_POINTS", 1);
    let cluster = Cluster::builder().start().expect("a cluster");
    let mut arena = Arena::new(&cluster).await;
    arena.points(points - points / 5, &["client", "backend", "watcher", "server"]).await;
}

#[expect(clippy::print_stderr, reason = "what is not tested is said")]
#[test]
fn maintenance_survives_a_cut_network() {
    match network::run_in_own("a_network_is_cut") {
        None => eprintln!("there can be no network of its own here, so none is cut"),
        Some(went_well) => assert!(went_well),
    }
}

#[tokio::test]
#[ignore = "it is run in a network of its own, by the test above"]
async fn a_network_is_cut() {
    if !network::is_own() {
        return;
    }
    let cluster = Cluster::builder().listen_on_loopback().start().expect("a cluster");
    let mut arena = Arena::new(&cluster).await;
    arena.target = arena.target.replace(&cluster.socket_dir().display().to_string(), "127.0.0.1");
    match number("DBOPT_TORTURE_POINTS", 1) / 5 {
        0 => {
            let (action, _) = &ACTIONS[1];
            let took = arena.took(action).mul_f64(0.5);
            assert!(arena.point(0, action, took, "network").await, "it was over before the network was cut");
        }
        points => arena.points(points, &["network"]).await,
    }
}
