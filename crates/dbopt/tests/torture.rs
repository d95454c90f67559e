//! `dbopt apply`, ended in every way at random points, beside an application that writes. After the next run the wanted
//! indexes are valid, nothing else is left, and no valid index was dropped; when the next run takes the advice back,
//! everything is as it was before.
//!
//! A handful of points every day; `cargo xtask torture apply` for more.

mod support;

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dbopt_testkit::{Cluster, Database, Random};
use serde_json::{Value, json};
use support::{command, dbopt, ran};
use tokio_postgres::NoTls;

const TABLES: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, note text);
    INSERT INTO orders SELECT n, n * 7919 % 20000, CASE WHEN n % 50 = 0 THEN 'open' ELSE 'done' END, md5(n::text)
        FROM generate_series(1, 120000) n;
    CREATE TABLE events (at int NOT NULL, kind int) PARTITION BY RANGE (at);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (30000);
    CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (30000) TO (1000000);
    INSERT INTO events SELECT n, n * 7919 % 1000 FROM generate_series(0, 59999) n;
    CREATE INDEX orders_keep ON orders (note, id);
    CREATE INDEX orders_unused ON orders (status, id);";

/// How many steps of the advice change something.
const STEPS: u64 = 9;

/// What is undone between two points.
const UNDO: &str = "
    DROP INDEX IF EXISTS orders_customer_id_idx, orders_lower_idx, orders_id_idx, events_kind_idx, events_1_kind_idx,
        events_2_kind_idx;
    CREATE INDEX IF NOT EXISTS orders_unused ON orders (status, id);";

/// What is there before, and again after a roll-back.
const BEFORE: &str = "orders_keep, orders_unused";

const WANTED: &str = "events_1_kind_idx, events_2_kind_idx, events_kind_idx, orders_customer_id_idx, orders_id_idx, \
                      orders_keep, orders_lower_idx";

fn create(table: &str, name: &str, key: &str, predicate: Option<&str>) -> Value {
    let filter = predicate.map(|predicate| format!(" WHERE {predicate}")).unwrap_or_default();
    let sql = format!("CREATE INDEX CONCURRENTLY {name} ON public.{table} USING btree ({key}){filter};");
    json!({
        "schema": "public", "table": table, "name": name, "keys": [key], "include": [], "predicate": predicate,
        "method": "btree", "sql": [sql], "rollback": [format!("DROP INDEX CONCURRENTLY IF EXISTS public.{name};")],
        "bytes": 1e6, "build_seconds": null, "replaces": [],
    })
}

/// A plain index, one over an expression, one with a predicate that the server prints otherwise, one of a partitioned
/// table, and one to drop.
fn advice() -> Value {
    let mut partitioned = create("events", "events_kind_idx", "kind", None);
    partitioned["sql"] = json!([
        "CREATE INDEX events_kind_idx ON ONLY public.events USING btree (kind);",
        "CREATE INDEX CONCURRENTLY events_1_kind_idx ON public.events_1 USING btree (kind);",
        "ALTER INDEX public.events_kind_idx ATTACH PARTITION public.events_1_kind_idx;",
        "CREATE INDEX CONCURRENTLY events_2_kind_idx ON public.events_2 USING btree (kind);",
        "ALTER INDEX public.events_kind_idx ATTACH PARTITION public.events_2_kind_idx;",
    ]);
    partitioned["rollback"] = json!(["DROP INDEX IF EXISTS public.events_kind_idx;"]);
    json!({
        "schema_version": 1,
        "create": [
            create("orders", "orders_customer_id_idx", "customer_id", None),
            create("orders", "orders_lower_idx", "lower(note)", None),
            create("orders", "orders_id_idx", "id DESC", Some("status = 'open' AND id > 7")),
            partitioned,
        ],
        "drop": [{
            "schema": "public", "table": "orders", "name": "orders_unused",
            "sql": "DROP INDEX CONCURRENTLY public.orders_unused;",
            "rollback": "CREATE INDEX CONCURRENTLY orders_unused ON public.orders USING btree (status, id);",
        }],
    })
}

/// An application that writes in transactions of a tenth of a second. It notes what goes wrong while the server is up.
struct Application {
    stop: Arc<AtomicBool>,
    faults: Arc<Mutex<Vec<String>>>,
    is_down: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Application {
    fn start(conn_string: String) -> Self {
        let (stop, faults) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let is_down = Arc::new(AtomicBool::new(false));
        let (stopped, noted, down) = (Arc::clone(&stop), Arc::clone(&faults), Arc::clone(&is_down));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                while !stopped.load(Ordering::Relaxed) {
                    if let Err(error) = work(&conn_string, &stopped).await
                        && !down.load(Ordering::Relaxed)
                    {
                        noted.lock().expect("nobody panics").push(error.to_string());
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        });
        Self { stop, faults, is_down, thread }
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
        client.batch_execute("BEGIN; UPDATE orders SET note = note WHERE id % 5000 = 1").await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.batch_execute("INSERT INTO events VALUES (29999, 1), (30000, 1); COMMIT").await?;
    }
    drop(client);
    let _ = connection.await;
    Ok(())
}

fn spawn(args: &[&str]) -> Child {
    command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
}

/// Valid indexes besides primary keys, by name; invalid ones say so.
fn indexes(database: &Database<'_>) -> String {
    database.value(
        "SELECT string_agg(indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' invalid' END, ', ' \
             ORDER BY indexrelid::regclass::text COLLATE \"C\") \
         FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
         WHERE relnamespace = 'public'::regnamespace AND NOT indisprimary",
    )
}

/// Valid indexes that are to stay, by identity.
fn identities(database: &Database<'_>) -> Vec<String> {
    let rows = database.query(
        "SELECT c.relname || ' ' || c.oid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE c.relnamespace = 'public'::regnamespace AND i.indisvalid AND c.relname <> 'orders_unused'",
    );
    rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

fn number_of(database: &Database<'_>, sql: &str) -> u64 {
    database.value(sql).parse().expect("a number")
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[expect(clippy::print_stderr, reason = "a run of many points is long, and shows how far it is")]
#[test]
fn apply_survives_its_end_at_any_point() {
    let points = number("DBOPT_TORTURE_POINTS", 6);
    let seed = number("DBOPT_TORTURE_SEED", 20_261_121);
    let mut random = Random::new(seed);
    let cluster = Cluster::builder().start().expect("a cluster");
    let database = cluster.database();
    database.execute(TABLES);
    let target = database.conn_string();
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("advice.json").display().to_string();
    std::fs::write(&file, advice().to_string()).expect("the advice is written");
    let args = ["apply", &file, "-d", &target, "--drop", "--format", "json"];
    let back = ["apply", &file, "-d", &target, "--rollback", "--format", "json"];
    let application = Application::start(target.clone());

    let since = Instant::now();
    let whole = dbopt(&args);
    assert_eq!(whole.code, 0, "{}{}", whole.stderr, whole.stdout);
    assert_eq!(indexes(&database), WANTED);
    let whole = since.elapsed();
    for point in 0..points {
        database.execute(UNDO);
        // Some way into a step, so that a busy machine ends it in late steps as often as in early ones.
        let step = random.below(STEPS + 1);
        let wait = whole.mul_f64(random.below(1000) as f64 / 1000.0 / STEPS as f64);
        let begun = "SELECT count(*) FROM dbopt.journal";
        let before = number_of(&database, begun);
        let way = ["client", "backend", "watcher", "server"][usize::try_from(point % 4).expect("it is small")];
        let mut child = spawn(&args);
        while number_of(&database, begun) < before + step && child.try_wait().expect("it is a child").is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(wait);
        let context = format!("seed {seed}, point {point}: {way} {wait:?} into step {step}");
        match way {
            "client" => child.kill().expect("it can be killed"),
            "server" => {
                application.is_down.store(true, Ordering::Relaxed);
                cluster.crash();
                cluster.restart().expect("it recovers");
                // The application may meet the end of its old session only now.
                std::thread::sleep(Duration::from_millis(300));
                application.is_down.store(false, Ordering::Relaxed);
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
        let ended = ran(child.wait_with_output().expect("it ends"));
        let left = indexes(&database);
        let valid = identities(&database);
        // Four points at a time, so that each way meets both.
        let is_back = point / 4 % 2 == 1;
        let next = if is_back { dbopt(&back) } else { dbopt(&args) };
        let told = format!("{context}\nleft: {left}\nfirst: {ended:?}\nnext: {next:?}");
        assert!(!ended.stderr.contains("panicked"), "{told}");
        assert_eq!(next.code, 0, "{told}");
        assert_eq!(indexes(&database), if is_back { BEFORE } else { WANTED }, "{told}");
        let still = identities(&database);
        let stays = |index: &&String| !is_back || index.starts_with("orders_keep ");
        let gone: Vec<_> = valid.iter().filter(stays).filter(|index| !still.contains(index)).collect();
        assert!(gone.is_empty(), "valid indexes were dropped: {gone:?}\n{told}");
        assert_eq!(database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0", "{told}");
        eprintln!("{context}: left {left}");
    }
    assert_eq!(application.end(), [""; 0], "the application was disturbed");
    assert_eq!(dbopt(&["audit", "verify", "-d", &target]).code, 0);
}
