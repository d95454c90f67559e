//! Maintenance, ended in every way at random points, beside an application that writes. Whenever it is ended, each expired
//! row is either in its table or in the archive, and no other row is gone; after the next run nothing is left of either,
//! every index that was valid still is, and nothing is half done.
//!
//! A handful of points every day; `cargo xtask torture maintain` for more.

mod support;

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dbopt_maintain::actions::{Analyze, DeleteRows, DropPartition, Expiry, Reindex, Retention, Vacuum, VacuumOptions};
use dbopt_maintain::plan::Archived;
use dbopt_maintain::{IndexRef, Moment, TableRef};
use dbopt_pg::Session;
use dbopt_run::{Action, BatchLimits, Options, Outcome, Runner};
use dbopt_testkit::{Cluster, Database};
use tokio_postgres::NoTls;

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

/// How many entries of the journal a whole run makes.
const ENTRIES: u64 = 9;

/// The program that is ended: this one, with this variable naming the database.
const TARGET: &str = "DBOPT_TORTURE_TARGET";

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

/// SplitMix64 (Steele, Lea, Flood 2014): a point can be run again from its seed, as far as time allows.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// An application that changes rows which are not expired. It notes what goes wrong while the server is up.
struct Application {
    stop: Arc<AtomicBool>,
    faults: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<()>,
}

impl Application {
    fn start(conn_string: String) -> Self {
        let (stop, faults) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&faults));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                while !stopped.load(Ordering::Relaxed) {
                    match work(&conn_string, &stopped).await {
                        // What a crash of the server does to it, and to nobody's blame.
                        Err(error)
                            if error.code().is_none_or(|code| ["57P01", "57P02", "57P03"].contains(&code.code())) => {}
                        Err(error) => noted.lock().expect("nobody panics").push(format!("{error:?}")),
                        Ok(()) => {}
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        });
        Self { stop, faults, thread }
    }

    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic");
        self.faults.lock().expect("nobody panics").clone()
    }
}

/// Writes until asked to stop or something goes wrong.
async fn work(conn_string: &str, stop: &AtomicBool) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(conn_string, NoTls).await?;
    let connection = tokio::spawn(connection);
    // Nobody may make it wait for long.
    client.batch_execute("SET lock_timeout = '3s'").await?;
    while !stop.load(Ordering::Relaxed) {
        client.batch_execute("BEGIN; UPDATE t SET note = note WHERE id % 5000 = 4999 AND id > 20000").await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let sql =
            "UPDATE e SET a = a WHERE at = '1970-01-20Z'; SELECT count(*) FROM f WHERE at > '1970-01-20Z'; COMMIT";
        client.batch_execute(sql).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(client);
    let _ = connection.await;
    Ok(())
}

fn spawn(target: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program is a file"));
    command.args(["a_run_that_is_to_be_ended", "--exact", "--ignored", "--nocapture"]).env(TARGET, target);
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

#[expect(clippy::print_stderr, reason = "a run of many points is long, and shows how far it is")]
#[tokio::test]
async fn maintenance_survives_its_end_at_any_point() {
    let points = number("DBOPT_TORTURE_POINTS", 4);
    let seed = number("DBOPT_TORTURE_SEED", 20_261_121);
    let mut random = Random(seed);
    let cluster = Cluster::builder().start().expect("a cluster");
    let database = support::database(&cluster, TABLES).await;
    let target = database.conn_string();
    let since = Instant::now();
    let whole = spawn(&target).wait_with_output().expect("it ends");
    assert!(whole.status.success(), "{whole:?}");
    let whole = since.elapsed();
    const WHOLE: &str = "16000 5000 24000 4040 4040";
    assert_eq!(lost(&database), WHOLE);
    for point in 0..points {
        database.execute(TABLES);
        let application = Application::start(target.clone());
        let step = random.below(ENTRIES);
        let wait = whole.mul_f64(random.below(1000) as f64 / 1000.0 / ENTRIES as f64);
        let begun = "SELECT count(*) FROM dbopt.journal";
        let before: u64 = support::number(&database, begun);
        let way = ["client", "backend", "watcher", "server"][usize::try_from(point % 4).expect("it is small")];
        let mut child = spawn(&target);
        while support::number::<u64>(&database, begun) < before + step && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(wait);
        let context = format!("seed {seed}, point {point}: {way} {wait:?} into step {step}");
        match way {
            "client" => child.kill().expect("it can be killed"),
            "server" => {
                cluster.crash();
                cluster.restart().expect("it recovers");
            }
            _ => {
                let order = if way == "backend" { "ASC" } else { "DESC" };
                // The run's sessions in the order in which they were opened: the one that works, the one that watches.
                database.execute(&format!(
                    "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
                     WHERE application_name = 'dbopt-run' ORDER BY backend_start {order} LIMIT 1) s"
                ));
            }
        }
        let ended = child.wait_with_output().expect("it ends");
        let since = Instant::now();
        support::until(&database, &format!("NOT {}", support::WORKS)).await;
        assert!(since.elapsed() < Duration::from_secs(6), "{context}: the server went on for {:?}", since.elapsed());
        let left = indexes(&database);
        let told = || format!("{context}\nleft: {left}\nfirst: {ended:?}");
        assert_eq!(lost(&database), WHOLE, "{}", told());
        for valid in ["t_pkey", "t_note_idx", "t_at_idx"] {
            assert!(left.split(", ").any(|index| index == valid), "`{valid}` is gone: {}", told());
        }
        let next = spawn(&target).wait_with_output().expect("it ends");
        assert!(next.status.success(), "{}\nnext: {next:?}", told());
        assert_eq!(indexes(&database), "t_at_idx, t_note_idx, t_pkey", "{}\nnext: {next:?}", told());
        assert_eq!(lost(&database), WHOLE, "{}", told());
        let is_clean = "SELECT (SELECT count(*) FROM t WHERE at < to_timestamp(720000)) || ' ' || \
                        coalesce(to_regclass('e_1')::text, '-') || coalesce(to_regclass('f_1')::text, '-') || ' ' || \
                        (SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL)";
        assert_eq!(database.value(is_clean), "0 -- 0", "{}\nnext: {next:?}", told());
        assert_eq!(application.end(), [""; 0], "the application was disturbed: {}", told());
        eprintln!("{context}: left {left}");
    }
}
