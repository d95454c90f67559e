//! `dbopt re-encrypt` and `dbopt keys status` against a real server.

mod support;

use std::{
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use dbopt_crypto::{EncryptionPolicy, FieldCipher};
use dbopt_testkit::{Cluster, Database};
use serde_json::{Value, json};
use support::{
    command, dbopt,
    keys::{COLUMNS, Place},
};
use tokio_postgres::{Client, NoTls};

/// Customers, and beside them what their values really are.
const SCHEMA: &str = "
    CREATE TABLE customer (id bigint PRIMARY KEY, email text, email_sealed bytea, email_term bytea, phone bytea, other int)
        WITH (autovacuum_enabled = off);
    INSERT INTO customer (id, email, phone)
        SELECT n, CASE WHEN n % 10 <> 0 THEN 'Person' || n || '@Example.org' END, convert_to('+49 30 ' || n, 'UTF8')
        FROM generate_series(1, {rows}) n;
    CREATE INDEX ON customer (email_term);
    CREATE TABLE truth AS SELECT id, email FROM customer;
    ALTER TABLE truth ADD PRIMARY KEY (id);";

/// A second column, whose plain values are in the column itself.
const PHONE: &str = "[[column]]\ntable = 'public.customer'\ncolumn = 'phone'\nkey = 'customer'\nrow = ['id']\n";

fn shop(cluster: &Cluster, rows: u32) -> (Database<'_>, String, Place) {
    let database = cluster.database();
    database.execute(&SCHEMA.replace("{rows}", &rows.to_string()));
    let target = database.conn_string();
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    let place = Place::with(&format!("{COLUMNS}{PHONE}"));
    place.json(&["new"]);
    (database, target, place)
}

fn re_encrypt(place: &Place, target: &str, more: &[&str]) -> Value {
    place.run(&[&["re-encrypt", "-d", target, "--format", "json"], more].concat()).json()
}

/// The keys of a place as a service has them.
fn cipher(place: &Place) -> FieldCipher {
    let policy = dbopt_policy::load::<EncryptionPolicy>(place.path("e.toml")).expect("good").policy;
    FieldCipher::new(&policy, &Arc::new(policy.store().expect("keys"))).expect("keys")
}

async fn connect(target: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(target, NoTls).await.expect("connected");
    tokio::spawn(connection);
    client
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Opens each value and compares it with the truth, its term too; how many values there are. Values in plain count when
/// `plain` says that there may be some.
fn verify(place: &Place, target: &str, may_be_plain: bool) -> usize {
    let cipher = cipher(place);
    let field = cipher.field("public", "customer", "email_sealed").expect("a column");
    block_on(async {
        let sql = "SELECT c.id::text, c.email, c.email_sealed, c.email_term, t.email FROM customer c JOIN truth t USING (id) ORDER BY id";
        let rows = connect(target).await.query(sql, &[]).await.expect("rows");
        for row in &rows {
            let (id, plain): (&str, Option<&str>) = (row.get(0), row.get(1));
            let (sealed, term): (Option<&[u8]>, Option<&[u8]>) = (row.get(2), row.get(3));
            let truth: Option<&str> = row.get(4);
            assert!(may_be_plain || plain.is_none(), "the value of {id} is in plain");
            let value = match (plain, sealed) {
                (Some(plain), _) => Some(plain.as_bytes().to_vec()),
                (None, Some(sealed)) => {
                    let value = field.open(&[id], sealed).unwrap_or_else(|error| panic!("{id}: {error}"));
                    assert_eq!(term, field.terms(&value)[0].1.as_deref(), "the term of {id}");
                    Some(value.to_vec())
                }
                (None, None) => None,
            };
            assert_eq!(value.as_deref(), truth.map(str::as_bytes), "the value of {id}");
        }
        rows.len()
    })
}

#[test]
fn plain_values_are_sealed_and_sealed_anew_by_each_new_key() {
    let cluster = Cluster::builder().setting("log_statement", "all").start().expect("a cluster");
    let (database, target, place) = shop(&cluster, 300);
    let due = place.keys(&["status", "-d", &target]);
    assert_eq!(due.code, 1, "{}", due.stderr);
    for part in [
        "270 values of `public.customer.email_sealed` are in plain",
        "300 values of `public.customer.phone` are in plain",
    ] {
        assert!(due.stdout.contains(part), "`{part}` is not in:\n{}", due.stdout);
    }
    let dry = re_encrypt(&place, &target, &["--dry-run"]);
    assert_eq!((&dry["counted"][0]["plain"], &dry["counted"][1]["plain"]), (&json!(270), &json!(300)));
    assert_eq!(database.value("SELECT count(email_sealed) FROM customer"), "0");

    let done = re_encrypt(&place, &target, &[]);
    let (table, email, phone) =
        (&done["tables"][0], &done["tables"][0]["columns"][0], &done["tables"][0]["columns"][1]);
    assert_eq!((&table["outcome"], &email["sealed"], &phone["sealed"]), (&json!("done"), &json!(270), &json!(300)));
    assert_eq!(email["verified"], json!([{ "key": 1, "values": 270 }]));
    assert_eq!(verify(&place, &target, false), 300);
    assert_eq!(database.value("SELECT count(*) FROM customer WHERE substr(phone, 1, 6) = '\\x010100000001'"), "300");
    // Values are found by their terms.
    let cipher = cipher(&place);
    let terms = cipher.fields()[0].search("email_term", " person17@EXAMPLE.org").expect("an index");
    let found = block_on(async {
        let sql = "SELECT id FROM customer WHERE email_term = ANY ($1)";
        connect(&target).await.query_one(sql, &[&terms]).await.expect("one row").get::<_, i64>(0)
    });
    assert_eq!(found, 17);
    let again = re_encrypt(&place, &target, &[]);
    assert_eq!(
        (&again["tables"][0]["outcome"], &again["tables"][0]["columns"][0]["sealed"]),
        (&json!("skipped"), &json!(0))
    );

    place.json(&["rotate", "customer"]);
    let due = place.keys(&["status", "-d", &target]);
    assert!(
        due.stdout.contains("270 values of `public.customer.email_sealed` are under retired key 1"),
        "{}",
        due.stdout
    );
    let held = ["destroy", "1", "-d", &target, "--yes", "--yes"];
    place.keys(&held).fails(2, "services may still seal by it");
    place.age();
    place.keys(&held).fails(2, "570 values or terms are under key 1, and nothing was destroyed");
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["resealed"], 270);
    assert_eq!(done["tables"][0]["columns"][1]["verified"], json!([{ "key": 3, "values": 300 }]));
    assert_eq!(verify(&place, &target, false), 300);
    let destroyed = place.keys(&held);
    assert_eq!(destroyed.code, 0, "{}", destroyed.stderr);
    assert_eq!(verify(&place, &target, false), 300);
    let records = "SELECT count(*) FROM dbopt.audit_record WHERE action = 'keys.destroy'";
    assert_eq!(database.value(records), "2");
    assert_eq!(dbopt(&["audit", "verify", "-d", &target]).code, 0);

    // No value went through the server's log, and no old version of a row is left.
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    assert!(log.contains("UPDATE public.customer") && !log.contains("Person17@") && !log.contains("Person299@"));
    assert_eq!(database.value("SELECT n_dead_tup < 100 FROM pg_stat_user_tables WHERE relname = 'customer'"), "t");
}

#[test]
fn terms_follow_their_key_too() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 200);
    re_encrypt(&place, &target, &[]);
    // A value that was deleted, with its term left behind; a term that is another value's.
    database.execute(
        "UPDATE customer SET email_sealed = NULL WHERE id = 1; UPDATE truth SET email = NULL WHERE id = 1; \
         UPDATE customer SET email_term = (SELECT email_term FROM customer WHERE id = 3) WHERE id = 2; \
         UPDATE customer SET email_term = NULL WHERE id = 4",
    );
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["terms"], 2, "{done}");
    assert_eq!(verify(&place, &target, false), 200);
    place.json(&["rotate", "lookup"]);
    let version = |version: u8| format!("form = 'folded'\nbits = 64\nversion = {version}\n");
    let columns = COLUMNS.replace(&version(1), &format!("{}[[column.index.previous]]\n{}", version(2), version(1)));
    place.policy(&place.kek("kek-1", "kek"), &format!("{columns}{PHONE}"));
    let due = place.keys(&["status", "-d", &target]);
    assert!(due.stdout.contains("179 terms of `email_term`"), "{}", due.stdout);
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(
        (&done["tables"][0]["columns"][0]["terms"], &done["tables"][0]["columns"][0]["resealed"]),
        (&json!(179), &json!(0))
    );
    assert_eq!(database.value("SELECT count(*) FROM customer WHERE get_byte(email_term, 0) = 2"), "179");
    assert_eq!(verify(&place, &target, false), 200);
}

#[test]
fn values_that_do_not_open_are_told_and_left() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 100);
    re_encrypt(&place, &target, &[]);
    place.json(&["rotate", "customer"]);
    database.execute(
        "UPDATE customer SET email_sealed = (SELECT email_sealed FROM customer WHERE id = 2) WHERE id = 1; \
         UPDATE customer SET email_sealed = set_byte(email_sealed, 5, 99) WHERE id = 3; \
         UPDATE customer SET email_sealed = 'plain' WHERE id = 4; \
         UPDATE customer SET email_sealed = '\\x01' WHERE id = 5",
    );
    let broken = "SELECT string_agg(email_sealed::text, ',' ORDER BY id) FROM customer WHERE id IN (1, 3, 4, 5)";
    let before = database.value(broken);
    let ran = place.run(&["re-encrypt", "-d", &target, "--format", "json"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    let view: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let email = &view["tables"][0]["columns"][0];
    let unopened = json!([{ "why": "unknown-key", "values": 1 }, { "why": "rejected", "values": 1 }, { "why": "malformed", "values": 2 }]);
    assert_eq!((&email["unopened"], &email["resealed"]), (&unopened, &json!(86)));
    assert_eq!(database.value(broken), before);
    let status = place.keys(&["status", "-d", &target]);
    for code in ["malformed-values", "unknown-key"] {
        assert!(status.stdout.contains(code), "{}", status.stdout);
    }
    // Erased values are meant not to open.
    place.json(&["retire", "3"]);
    place.json(&["rotate", "customer"]);
    let erase = place.keys(&["destroy", "3", "-d", &target, "--lose-values", "--yes", "--yes"]);
    assert_eq!(erase.code, 0, "{}", erase.stderr);
    database.execute("DELETE FROM customer WHERE id IN (1, 3, 4, 5)");
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["unopened"], json!([{ "why": "erased", "values": 86 }]));
}

#[test]
fn a_locked_row_is_passed_over_and_said() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 60);
    let policy = hasty(&place);
    block_on(async {
        let holder = connect(&target).await;
        holder.batch_execute("BEGIN; SELECT FROM customer WHERE id = 7 FOR UPDATE").await.expect("locked");
        let ran = place.run(&["re-encrypt", "-d", &target, "--run-policy", &policy, "--format", "json"]);
        assert_eq!(ran.code, 5, "{}", ran.stderr);
        let view: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(view["tables"][0]["columns"][0]["left"], 1, "{view}");
        holder.batch_execute("ROLLBACK").await.expect("ended");
    });
    assert_eq!(database.value("SELECT string_agg(id::text, ',') FROM customer WHERE email IS NOT NULL"), "7");
    re_encrypt(&place, &target, &[]);
    assert_eq!(verify(&place, &target, false), 60);
    let stop = place.path("stop").display().to_string();
    std::fs::write(&stop, "").expect("written");
    assert_eq!(place.run(&["re-encrypt", "-d", &target, "--stop-file", &stop]).code, 4);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_done() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 10);
    database.execute(
        "ALTER TABLE customer ALTER COLUMN email SET DEFAULT ''; UPDATE customer SET email = '' WHERE email IS NULL",
    );
    database.execute("ALTER TABLE customer ALTER COLUMN email SET NOT NULL");
    let run = || place.run(&["re-encrypt", "-d", &target]);
    run().fails(2, "plain-not-null");
    database.execute("ALTER TABLE customer ALTER COLUMN email DROP NOT NULL, DROP CONSTRAINT customer_pkey");
    run().fails(2, "row-not-unique");
    database.execute("ALTER TABLE customer ADD PRIMARY KEY (id), DROP COLUMN email_term");
    run().fails(2, "missing-column");
    database.execute("ALTER TABLE customer ADD COLUMN email_term bytea");
    // A key that the policy needs is not there.
    place.json(&["retire", "1"]);
    run().fails(2, "no-active-key");
    assert_eq!(database.value("SELECT count(*) FROM customer WHERE email IS NULL"), "0");
}

#[test]
fn rows_the_server_refuses_do_not_hold_up_the_others() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 200);
    database.execute("ALTER TABLE customer ADD CHECK (id <> 42 OR email IS NOT NULL)");
    let ran = place.run(&["re-encrypt", "-d", &target]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stdout.contains("`customer_check`"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("Person42"), "{}", ran.stdout);
    assert_eq!(database.value("SELECT string_agg(id::text, ',') FROM customer WHERE email IS NOT NULL"), "42");
}

#[test]
fn keys_of_several_columns_odd_names_and_partitions() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    database.execute(
        "CREATE TABLE \"Odd Table\" (\"n o\" char(4), at timestamptz, \"select\" bytea, \"P\" json, PRIMARY KEY (at, \"n o\"))
             PARTITION BY RANGE (at);
         CREATE TABLE odd_1 PARTITION OF \"Odd Table\" FOR VALUES FROM ('2020-01-01') TO ('2025-01-01');
         CREATE TABLE odd_2 PARTITION OF \"Odd Table\" DEFAULT;
         INSERT INTO \"Odd Table\" SELECT 'a' || n % 7, timestamptz '2024-12-31 00:00:00+00' + n * interval '1 hour', NULL,
             json_build_object('n', n) FROM generate_series(1, 200) n",
    );
    let target = database.conn_string();
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    let place = Place::with(
        "[key.customer]\nrotate = '365d'\n[[column]]\ntable = 'public.\"Odd Table\"'\ncolumn = 'select'\nplain = 'P'\nkey = 'customer'\n\
         row = ['n o', 'at']\n",
    );
    place.json(&["new"]);
    database.execute(&format!("ALTER DATABASE \"{}\" SET TimeZone = 'Asia/Tokyo'", database.name()));
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["verified"], json!([{ "key": 1, "values": 200 }]));
    // The text of the row's key is that of UTC, whatever the database has.
    let cipher = cipher(&place);
    block_on(async {
        let client = connect(&target).await;
        let row =
            client.query_one("SELECT \"select\" FROM \"Odd Table\" WHERE at = '2025-01-02 00:00:00+00'", &[]).await;
        let opened = cipher.fields()[0].open(&["a6", "2025-01-02 00:00:00+00"], row.expect("a row").get(0));
        assert_eq!(opened.expect("opened").as_slice(), br#"{"n" : 48}"#);
    });
}

/// SplitMix64 (Steele, Lea, Flood 2014).
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

/// An application in the middle of its own change: some of it still writes plain values, some of it sealed ones, and each
/// transaction notes the truth.
struct Application {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Application {
    fn start(place: &Place, target: &str, rows: u64) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counter, target, cipher) =
            (Arc::clone(&stop), Arc::clone(&written), target.to_owned(), cipher(place));
        let thread = std::thread::spawn(move || {
            block_on(async {
                let mut client = connect(&target).await;
                client.batch_execute("SET lock_timeout = '3s'").await.expect("set");
                let mut random = Random(7);
                while !stopped.load(Ordering::Relaxed) {
                    write(&mut client, &cipher, &mut random, rows).await.expect("the application is not disturbed");
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        });
        Self { stop, written, thread }
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it was not disturbed");
        self.written.load(Ordering::Relaxed)
    }
}

async fn write(
    client: &mut Client,
    cipher: &FieldCipher,
    random: &mut Random,
    rows: u64,
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    for _ in 0..=random.below(3) {
        let id = random.below(rows) + 1;
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

/// A policy by which busy rows are not waited for.
fn hasty(place: &Place) -> String {
    let text = "policy = 'run'\nversion = 1\n[locks]\ntries = 2\nfirst_pause = '10ms'\nlongest_pause = '10ms'\n";
    std::fs::write(place.path("run.toml"), text).expect("written");
    place.path("run.toml").display().to_string()
}

fn start(place: &Place, target: &str) -> Child {
    let mut command = command();
    command
        .args(["re-encrypt", "-q", "-d", target, "--run-policy", &hasty(place), "--policy"])
        .arg(place.path("e.toml"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Ended by SIGKILL at random moments beside an application that writes; a handful every day, and more by `cargo xtask
/// torture re-encrypt`.
#[test]
#[expect(clippy::print_stderr, reason = "what was seen is told, by --nocapture")]
fn nothing_is_lost_by_a_killed_run_or_a_concurrent_writer() {
    const ROWS: u32 = 400;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let points = number("DBOPT_TORTURE_POINTS").unwrap_or(3);
    let seed = number("DBOPT_TORTURE_SEED").unwrap_or(1);
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, ROWS);
    let application = Application::start(&place, &target, ROWS.into());
    let (mut random, mut longest, mut amid) = (Random(seed), 2000, 0);
    for point in 0..points {
        let mut run = start(&place, &target);
        std::thread::sleep(Duration::from_millis(random.below(longest)));
        let has_ended = run.try_wait().expect("looked").is_some();
        run.kill().expect("killed");
        run.wait().expect("ended");
        amid += u64::from(!has_ended);
        assert_eq!(verify(&place, &target, true), ROWS as usize, "seed {seed}, point {point}");
        let since = std::time::Instant::now();
        // The server may still be busy with what the dead run has sent.
        let rerun = place.run(&["re-encrypt", "-q", "-d", &target, "--run-policy", &hasty(&place)]);
        assert!(matches!(rerun.code, 0 | 5), "seed {seed}, point {point}: {} {}", rerun.code, rerun.stderr);
        longest = u64::try_from(since.elapsed().as_millis()).expect("short").max(200);
        place.json(&["rotate", "customer"]);
    }
    let written = application.end();
    eprintln!("{points} points, {amid} amid a run, {written} transactions of the application");
    assert!(written > 10, "the application did not come to write: {written}");
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["left"], 0, "{done}");
    assert_eq!(verify(&place, &target, false), ROWS as usize);
    let active = place.json(&["list"])["keys"].as_array().expect("keys").len();
    assert_eq!(done["tables"][0]["columns"][0]["verified"].as_array().map(Vec::len), Some(1), "{done}");
    assert_eq!(done["tables"][0]["columns"][0]["verified"][0]["key"], json!(active), "{done}");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0");
    assert_eq!(dbopt(&["audit", "verify", "-d", &target]).code, 0);
}
