//! `dbopt re-encrypt`, ended in every way at random moments beside an application of which some transactions write plain values, some
//! sealed ones and some another column. Whenever it is ended, each value opens and is what the application has noted; after the
//! next run all of them are under the active key.
//!
//! A handful of points every day; `cargo xtask torture re-encrypt` for more.

mod support;

use std::{
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use dbopt_crypto::FieldCipher;
use dbopt_testkit::{Cluster, Database, Random, network};
use serde_json::json;
use support::{
    command,
    customers::{block_on, cipher, hasty, re_encrypt, shop, verify},
    dbopt,
    keys::Place,
    ran,
};
use tokio_postgres::Client;

const ROWS: u32 = 400;

/// An application in the middle of its own change: each transaction notes the truth.
struct Application {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<Vec<String>>,
}

impl Application {
    fn start(place: &Place, target: &str) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counter, target, cipher) =
            (Arc::clone(&stop), Arc::clone(&written), target.to_owned(), cipher(place));
        let thread = std::thread::spawn(move || {
            let (mut faults, mut random) = (Vec::new(), Random::new(7));
            block_on(async {
                while !stopped.load(Ordering::Relaxed) {
                    match work(&target, &cipher, &mut random, &stopped, &counter).await {
                        // What a crash of the server does to it, and to nobody's blame.
                        Err(error)
                            if error.code().is_none_or(|code| ["57P01", "57P02", "57P03"].contains(&code.code())) => {}
                        Err(error) => faults.push(format!("{error:?}")),
                        Ok(()) => {}
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            faults
        });
        Self { stop, written, thread }
    }

    /// Ends it; how many transactions it made, and what went wrong.
    fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let faults = self.thread.join().expect("it does not panic");
        (self.written.load(Ordering::Relaxed), faults)
    }
}

/// Writes until asked to stop or something goes wrong.
async fn work(
    target: &str,
    cipher: &FieldCipher,
    random: &mut Random,
    stop: &AtomicBool,
    written: &AtomicU64,
) -> Result<(), tokio_postgres::Error> {
    let (mut client, connection) = tokio_postgres::connect(target, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("SET lock_timeout = '3s'").await?;
    while !stop.load(Ordering::Relaxed) {
        write(&mut client, cipher, random).await?;
        written.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn write(client: &mut Client, cipher: &FieldCipher, random: &mut Random) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    for _ in 0..=random.below(3) {
        let id = random.below(ROWS.into()) + 1;
        let (key, id) = (id.to_string(), id.cast_signed());
        let value = format!("New{}@example.org", random.below(1 << 40));
        let field = &cipher.fields()[0];
        match random.below(5) {
            0 | 1 => {
                let sql = "UPDATE customer SET email = $2 WHERE id = $1";
                transaction.execute(sql, &[&id, &value]).await?;
            }
            2 | 3 => {
                let sealed = field.seal(&[&key], value.as_bytes()).expect("sealed");
                let sql = "UPDATE customer SET email = NULL, email_sealed = $2, email_term = $3 WHERE id = $1";
                transaction.execute(sql, &[&id, &sealed.value, &sealed.terms[0].1]).await?;
            }
            _ => {
                transaction.execute("UPDATE customer SET other = other + 1 WHERE id = $1", &[&id]).await?;
                continue;
            }
        }
        transaction.execute("UPDATE truth SET email = $2 WHERE id = $1", &[&id, &value]).await?;
    }
    transaction.commit().await
}

/// A server with the table, and the application.
struct Arena<'a> {
    cluster: &'a Cluster,
    database: Database<'a>,
    place: Place,
    /// How the run that is ended connects; everybody else uses the socket.
    target: String,
    application: Application,
    random: Random,
    seed: u64,
    /// What the run before has taken.
    took: Duration,
}

impl<'a> Arena<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let seed = number("DBOPT_TORTURE_SEED", 20_261_121);
        let (database, target, place) = shop(cluster, ROWS);
        let application = Application::start(&place, &target);
        let took = Duration::from_millis(300);
        Self { cluster, database, place, target, application, random: Random::new(seed), seed, took }
    }

    fn start(&self) -> Child {
        let mut command = command();
        command.args(["re-encrypt", "-q", "-d", &self.target, "--run-policy", &hasty(&self.place), "--policy"]);
        command.arg(self.place.path("e.toml"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    /// Ends one run in one way, and looks at what there is then and after the next run; whether it was in the middle.
    #[expect(clippy::print_stderr, reason = "a run of many points is long, and shows how far it is")]
    fn point(&mut self, point: u64, way: &str) -> bool {
        let begun = "SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL";
        let mut child = self.start();
        while self.database.value(begun) == "0" && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let wait = self.took.mul_f64(self.random.below(950) as f64 / 1000.0);
        std::thread::sleep(wait);
        let is_amid = child.try_wait().expect("looked").is_none();
        let context = format!("seed {}, point {point}: {way} {wait:.1?} into it", self.seed);
        match way {
            "client" => child.kill().expect("it can be killed"),
            "server" => {
                self.cluster.crash();
                self.cluster.restart().expect("it recovers");
            }
            "network" => network::set(false),
            _ => {
                let order = if way == "backend" { "ASC" } else { "DESC" };
                // The run's sessions in the order in which they were opened: the one that works, the one that looks.
                self.database.execute(&format!(
                    "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
                     WHERE application_name = 'dbopt-run' ORDER BY backend_start {order} LIMIT 1) s"
                ));
            }
        }
        let since = Instant::now();
        // A cut network says nothing: both sides notice by their timeouts of 30 seconds.
        let most = Duration::from_secs(if way == "network" { 45 } else { 10 });
        let ended = ran(child.wait_with_output().expect("it ends"));
        let works = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbopt-run'";
        while self.database.value(works) != "0" {
            assert!(since.elapsed() < most, "{context}: the server went on for {:?}", since.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(since.elapsed() < most, "{context}: it went on for {:?}", since.elapsed());
        if way == "network" {
            network::set(true);
        }
        assert!(!ended.stderr.contains("panicked"), "{context}\n{ended:?}");
        // Whoever says that all went well, though something was ended, was done with its work a moment before.
        let says_well = is_amid && ended.code == 0 && way != "watcher";
        assert!(!says_well || self.database.value(begun) == "0", "{context}: it noticed nothing\n{ended:?}");
        let is_amid = is_amid && !says_well;
        let gone = since.elapsed();
        let near = self.database.conn_string();
        assert_eq!(verify(&self.place, &near, true), ROWS as usize, "{context}");
        let since = Instant::now();
        let rerun = self.place.run(&["re-encrypt", "-q", "-d", &near, "--run-policy", &hasty(&self.place)]);
        assert!(matches!(rerun.code, 0 | 5), "{context}: {} {}", rerun.code, rerun.stderr);
        self.took = since.elapsed().max(Duration::from_millis(200));
        assert_eq!(self.database.value(begun), "0", "{context}");
        self.place.json(&["rotate", "customer"]);
        eprintln!("{context}: {}, gone after {gone:.1?}", if is_amid { "in the middle" } else { "over" });
        is_amid
    }

    #[expect(clippy::print_stderr, reason = "a run of many points is long, and its result is to be written down")]
    fn points(mut self, points: u64, ways: &[&str]) {
        let mut amid = 0;
        for point in 0..points {
            let way = ways[usize::try_from(point).expect("it is small") % ways.len()];
            amid += u64::from(self.point(point, way));
        }
        let Self { database, place, application, .. } = self;
        let (written, faults) = application.end();
        eprintln!(
            "{points} points of {}, {amid} in the middle, {written} transactions of the application",
            ways.join(", ")
        );
        assert_eq!(faults, [""; 0], "the application was disturbed");
        assert!(written > 10, "the application did not come to write: {written}");
        let target = database.conn_string();
        let done = re_encrypt(&place, &target, &[]);
        assert_eq!(done["tables"][0]["columns"][0]["left"], 0, "{done}");
        assert_eq!(verify(&place, &target, false), ROWS as usize);
        let active = place.json(&["list"])["keys"].as_array().expect("keys").len();
        assert_eq!(done["tables"][0]["columns"][0]["verified"].as_array().map(Vec::len), Some(1), "{done}");
        assert_eq!(done["tables"][0]["columns"][0]["verified"][0]["key"], json!(active), "{done}");
        assert_eq!(database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0");
        assert_eq!(dbopt(&["audit", "verify", "-d", &target]).code, 0);
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn nothing_is_lost_by_a_run_that_is_ended_or_by_a_concurrent_writer() {
    let points = number("DBOPT_TORTURE_POINTS", 5);
    let cluster = Cluster::builder().start().expect("a cluster");
    Arena::new(&cluster).points(points - points / 5, &["client", "backend", "watcher", "server"]);
}

#[expect(clippy::print_stderr, reason = "what is not tested is said")]
#[test]
fn nothing_is_lost_by_a_cut_network() {
    match network::run_in_own("a_network_is_cut") {
        None => eprintln!("there can be no network of its own here, so none is cut"),
        Some(went_well) => assert!(went_well),
    }
}

#[test]
#[ignore = "it is run in a network of its own, by the test above"]
fn a_network_is_cut() {
    if !network::is_own() {
        return;
    }
    let cluster = Cluster::builder().listen_on_loopback().start().expect("a cluster");
    let mut arena = Arena::new(&cluster);
    arena.target = arena.target.replace(&cluster.socket_dir().display().to_string(), "127.0.0.1");
    arena.points((number("DBOPT_TORTURE_POINTS", 1) / 5).max(1), &["network"]);
}
