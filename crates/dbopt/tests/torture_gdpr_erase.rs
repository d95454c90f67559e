//! `dbopt gdpr erase`, ended in every way at random moments, in one transaction and in parts. Whenever it is ended, either all is as it was
//! or all is as an undisturbed erasure leaves it, or parts are gone, and the audit record says which; nobody else's row has changed, and the
//! same confirmation again leaves the same as one transaction. Nowhere is anything of the person that dbopt wrote.
//!
//! A handful of points every day; `cargo xtask torture gdpr` for more.

mod support;

use std::{
    io::Write as _,
    process::Child,
    time::{Duration, Instant},
};

use dbopt_testkit::{Cluster, Database, Random, network};
use serde_json::{Value, json};
use support::{Ran, command, dbopt, piped, ran};

/// Twenty persons, of whom number 7 has most. No statement has a text by which a person could be found in the server's log.
const SCHEMA: &str = "
    CREATE TABLE person (id text PRIMARY KEY, email text UNIQUE, phone text, home int);
    CREATE TABLE home (id int PRIMARY KEY, owner text NOT NULL REFERENCES person, street text);
    ALTER TABLE person ADD FOREIGN KEY (home) REFERENCES home;
    CREATE TABLE orders (id int PRIMARY KEY, person text NOT NULL REFERENCES person, note text);
    CREATE TABLE item (order_id int REFERENCES orders ON DELETE CASCADE, line int, what text, PRIMARY KEY (order_id, line));
    CREATE TABLE message (id int PRIMARY KEY, sender text REFERENCES person, recipient text REFERENCES person, body text);
    CREATE TABLE visit (person text REFERENCES person, at date, ip text) PARTITION BY RANGE (at);
    CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE visit_2 PARTITION OF visit DEFAULT;
    CREATE TABLE invoice (id int PRIMARY KEY, person text REFERENCES person, name text, paid date);
    INSERT INTO person SELECT 'person-' || n || '-key', 'mail' || n || '@example.org', '+49 555 00' || n FROM generate_series(0, 20) n;
    INSERT INTO home SELECT n, id, 'Street ' || n FROM person, generate_series(1, 20) n WHERE id = 'person-' || n || '-key';
    UPDATE person SET home = (SELECT id FROM home WHERE owner = person.id);
    INSERT INTO orders SELECT n, 'person-' || CASE WHEN n % 2 = 0 THEN 7 ELSE 1 + n % 20 END || '-key', 'Note ' || n
        FROM generate_series(1, 4000) n;
    INSERT INTO item SELECT 1 + n % 4000, n, 'Thing ' || n FROM generate_series(1, 16000) n;
    INSERT INTO message SELECT n, 'person-' || 1 + n % 20 || '-key', 'person-' || 1 + n * 7 % 20 || '-key', 'Text ' || n
        FROM generate_series(1, 2000) n;
    INSERT INTO visit SELECT 'person-' || 1 + n % 20 || '-key', date '2024-01-01' + n % 700, '10.0.0.' || n % 250 FROM generate_series(1, 4000) n;
    INSERT INTO invoice SELECT n, 'person-' || 1 + n % 20 || '-key', 'Name ' || 1 + n % 20, '2024-01-01' FROM generate_series(1, 400) n;
    CREATE INDEX ON orders (person); CREATE INDEX ON message (sender); CREATE INDEX ON message (recipient);
    CREATE INDEX ON visit (person); CREATE INDEX ON invoice (person); CREATE INDEX ON home (owner); CREATE INDEX ON person (home);
    ANALYZE;";

/// Whom it is about, by what must be found nowhere.
const PERSON: &str = "person-7-key";
const IDENTIFIERS: [&str; 3] = [PERSON, "mail7@example.org", "+49 555 007"];

fn policy(most: u32) -> String {
    let table = |name: &str, class: &str, plain: &str, rest: &str| {
        let plain = plain.replace(' ', "', '");
        format!("[[table]]\nname = 'public.{name}'\nclass = '{class}'\nplain = ['{plain}']\n{rest}\n")
    };
    let reference = |from: &str, column: &str, to: &str, rest: &str| {
        format!("[[reference]]\nfrom = 'public.{from}'\nto = 'public.{to}'\ncolumns = ['{column}']\n{rest}\n")
    };
    let nobody = "class = 'shared'\nerase = 'detach'\nbecome = ['person-0-key']";
    [
        "policy = 'gdpr'\nversion = 1\n[pseudonym]\nid = 'k1'\nkey = 'env:GDPR_KEY'\n\
         [[subject]]\nname = 'person'\ntable = 'public.person'\nkey = ['id']\n"
            .to_owned(),
        format!("[erase]\nmost_rows_at_once = {most}\n"),
        table("person", "owned", "id home", "column.email.erase = 'redact'\ncolumn.phone.erase = 'null'"),
        table("home", "owned", "id owner", "column.street.erase = 'null'"),
        table("orders", "owned", "id person", "column.note.erase = 'null'"),
        table("item", "owned", "order_id line what", ""),
        table("message", "shared", "id sender recipient body", ""),
        table("visit", "owned", "person at", "column.ip.erase = 'null'"),
        table("invoice", "shared", "id person paid", "column.name.erase = 'null'"),
        reference("home", "owner", "person", "class = 'owned'"),
        reference("person", "home", "home", "class = 'foreign'"),
        reference("orders", "person", "person", "class = 'owned'"),
        reference("item", "order_id", "orders", "class = 'owned'"),
        reference("message", "sender", "person", nobody),
        reference("message", "recipient", "person", nobody),
        reference("visit", "person", "person", "class = 'owned'"),
        reference("invoice", "person", "person", nobody),
    ]
    .concat()
}

/// The rows of each table, as a digest.
fn rows(database: &Database<'_>) -> Vec<(&'static str, String)> {
    let digest = |table| {
        let sql = format!("SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} t");
        (table, database.query(&sql)[0][0].clone().unwrap_or_default())
    };
    ["person", "home", "orders", "item", "message", "visit", "invoice"].map(digest).to_vec()
}

/// The rows of others, which are never touched.
const OTHERS: &str = "
    SELECT md5(concat_ws(' ', (SELECT string_agg(p::text, ' ' ORDER BY id) FROM person p WHERE id <> 'person-' || 7 || '-key'),
        (SELECT string_agg(h::text, ' ' ORDER BY id) FROM home h WHERE id <> 7),
        (SELECT string_agg(o::text, ' ' ORDER BY id) FROM orders o WHERE person <> 'person-' || 7 || '-key'),
        (SELECT string_agg(i::text, ' ' ORDER BY order_id, line) FROM item i WHERE order_id % 2 = 1 AND 1 + order_id % 20 <> 7),
        (SELECT string_agg(v::text, ' ' ORDER BY v) FROM visit v WHERE person <> 'person-' || 7 || '-key'),
        (SELECT string_agg(concat(id, body), ' ' ORDER BY id) FROM message), (SELECT string_agg(concat(id, name, paid), ' ' ORDER BY id) FROM invoice)))";

/// How the records of an erasure follow each other: beginnings, and ends with what they say.
fn ledger(database: &Database<'_>) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', details::json ->> 'stage', details::json ->> 'outcome', details::json ->> 'begun')
        FROM dbopt.audit_record ORDER BY sequence";
    database.query(sql).into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

/// How long the last one took from its first record to its last.
fn works(database: &Database<'_>) -> Duration {
    let seconds = database.value(
        "SELECT extract(epoch FROM max(time) - max(time) FILTER (WHERE details::json ->> 'stage' = 'begun')) FROM dbopt.audit_record",
    );
    Duration::from_secs_f64(seconds.parse().expect("a number"))
}

/// A server with a database of which each point has a copy.
struct Arena<'a> {
    cluster: &'a Cluster,
    template: Database<'a>,
    folder: tempfile::TempDir,
    /// The host that the erasure that is ended connects to; everybody else uses the socket.
    host: Option<&'static str>,
    /// What an undisturbed erasure leaves.
    erased: Vec<(&'static str, String)>,
    before: Vec<(&'static str, String)>,
    others: String,
    /// How long one takes that nobody disturbs, and how long from its first record to its last.
    took: Duration,
    works: Duration,
    random: Random,
    seed: u64,
    /// Everything that dbopt has printed.
    printed: String,
}

impl<'a> Arena<'a> {
    fn new(cluster: &'a Cluster, host: Option<&'static str>) -> Self {
        let seed = number("DBOPT_TORTURE_SEED", 20_261_121);
        let template = cluster.database();
        template.execute(SCHEMA);
        assert_eq!(dbopt(&["migrate", "up", "-d", &template.conn_string()]).code, 0);
        let folder = tempfile::tempdir().expect("a folder");
        // What one transaction leaves.
        std::fs::write(folder.path().join("gdpr.toml"), policy(1_000_000)).expect("written");
        let (before, others) = (rows(&template), template.value(OTHERS));
        let mut arena = Self {
            cluster,
            template,
            folder,
            host,
            erased: Vec::new(),
            before,
            others,
            took: Duration::ZERO,
            works: Duration::ZERO,
            random: Random::new(seed),
            seed,
            printed: String::new(),
        };
        let copy = arena.copy();
        let approval = arena.approval(&copy);
        let since = Instant::now();
        let undisturbed = arena.finish(&copy, &approval);
        assert_eq!(undisturbed["outcome"], "done");
        (arena.took, arena.works) = (since.elapsed(), works(&copy));
        arena.erased = rows(&copy);
        assert_eq!(copy.value(OTHERS), arena.others);
        assert!(arena.before.iter().zip(&arena.erased).all(|(one, other)| one.1 != other.1), "every table is changed");
        arena
    }

    /// Erases in transactions of so many rows, which leaves the same.
    fn in_parts(mut self, most: u32) -> Self {
        std::fs::write(self.folder.path().join("gdpr.toml"), policy(most)).expect("written");
        let copy = self.copy();
        let approval = self.approval(&copy);
        let since = Instant::now();
        assert_eq!(self.finish(&copy, &approval)["outcome"], "done");
        (self.took, self.works) = (since.elapsed(), works(&copy));
        assert_eq!((rows(&copy), copy.value(OTHERS)), (self.erased.clone(), self.others.clone()));
        assert!(ledger(&copy).iter().filter(|record| record.starts_with("part")).count() > 10, "it goes in parts");
        self
    }

    fn copy(&self) -> Database<'a> {
        let copy = self.cluster.database();
        let (name, of) = (copy.name(), self.template.name());
        self.cluster.execute("postgres", &format!("DROP DATABASE {name}"));
        self.cluster.execute("postgres", &format!("CREATE DATABASE {name} TEMPLATE {of}"));
        copy
    }

    fn start(&self, target: &str, args: &[&str]) -> Child {
        let mut command = command();
        command
            .args(["gdpr", "erase", "-d", target, "--subject", "-", "--format", "json", "--policy"])
            .arg(self.folder.path().join("gdpr.toml"))
            .args(args)
            .env("GDPR_KEY", "0123456789abcdef".repeat(4));
        let mut child = piped(&mut command);
        child.stdin.take().expect("it is piped").write_all(format!("{PERSON}\n").as_bytes()).expect("written");
        child
    }

    fn ended(&mut self, child: Child) -> Ran {
        let ended = ran(child.wait_with_output().expect("it ends"));
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        self.printed.extend([&*ended.stdout, &ended.stderr]);
        ended
    }

    fn approval(&mut self, copy: &Database<'_>) -> String {
        let child = self.start(&copy.conn_string(), &["--dry-run"]);
        let seen = self.ended(child).json();
        assert!(seen["deleted"].as_u64() > Some(10_000), "{seen}");
        seen["approval"].as_str().expect("a text").to_owned()
    }

    /// An erasure that nobody disturbs.
    fn finish(&mut self, copy: &Database<'_>, approval: &str) -> Value {
        let child = self.start(&copy.conn_string(), &["--confirm", approval]);
        self.ended(child).json()
    }

    /// Ends one erasure in one way, and looks at what there is then and after the same again; whether it was in the middle.
    #[expect(clippy::print_stderr, reason = "a run of many points is long, and shows how far it is")]
    fn point(&mut self, point: u64, way: &str) -> bool {
        let copy = self.copy();
        let approval = self.approval(&copy);
        let mut target = copy.conn_string();
        if let Some(host) = self.host {
            target = target.replace(&self.cluster.socket_dir().display().to_string(), host);
        }
        let mut child = self.start(&target, &["--confirm", &approval]);
        let mut wait = self.took;
        if point % 4 != 3 {
            // Most moments are after it has begun to do something.
            wait = self.works;
            while ledger(&copy).is_empty() && child.try_wait().expect("looked").is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let wait = wait.mul_f64(self.random.below(1000) as f64 / 1000.0);
        std::thread::sleep(wait);
        let is_running = child.try_wait().expect("looked").is_none();
        let context = format!("seed {}, point {point}: {way} {wait:.1?} into it", self.seed);
        match way {
            "client" => child.kill().expect("it can be killed"),
            "server" => {
                self.cluster.crash();
                self.cluster.restart().expect("it recovers");
            }
            "network" => network::set(false),
            _ => copy.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
            ),
        }
        let since = Instant::now();
        let ended = self.ended(child);
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
            AND backend_type = 'client backend'";
        // A cut network says nothing: both sides notice by their timeouts of 30 seconds.
        let most = Duration::from_secs(if way == "network" { 90 } else { 20 });
        while copy.value(sessions) != "0" {
            assert!(since.elapsed() < most, "{context}: the server went on for {:?}", since.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
        if way == "network" {
            network::set(true);
        }
        // All or nothing, or so many parts, and the record says which.
        let (left, records) = (rows(&copy), ledger(&copy));
        let count = |records: &[String], is: &str| records.iter().filter(|record| record.starts_with(is)).count();
        let (is_done, parts) = (count(&records, "ended done") == 1, count(&records, "part"));
        match (is_done, parts) {
            (true, _) => assert_eq!(left, self.erased, "{context}: {records:?}"),
            (_, 0) => assert_eq!(left, self.before, "{context}: {records:?}"),
            _ => assert!(left != self.before && left != self.erased, "{context}: {records:?}"),
        }
        assert_eq!(copy.value(OTHERS), self.others, "{context}: rows of others");
        assert!(records.len() - parts <= 2 && (ended.code != 0 || is_done), "{context}: {records:?} {ended:?}");
        let is_open = count(&records, "begun") == 1 && count(&records, "ended") == 0;
        let again = self.finish(&copy, &approval);
        assert_eq!(again["outcome"], if is_done { "done-before" } else { "done" }, "{context}");
        let goes_on = is_open && parts > 0;
        assert_eq!(again["resumed"], if goes_on { json!(1) } else { json!(null) }, "{context}");
        assert_eq!(again["died"], if is_open && !goes_on { json!([1]) } else { json!([]) }, "{context}");
        assert_eq!((rows(&copy), copy.value(OTHERS)), (self.erased.clone(), self.others.clone()), "{context}");
        let all = ledger(&copy);
        assert_eq!((count(&all, "ended done"), count(&all, "begun")), (1, count(&all, "ended")), "{context}: {all:?}");
        assert_eq!(count(&all, "ended not-done"), usize::from(is_open && !goes_on), "{context}: {all:?}");
        assert_eq!(dbopt(&["audit", "verify", "-d", &copy.conn_string()]).code, 0, "{context}");
        self.printed += &dbopt(&["audit", "export", "-d", &copy.conn_string()]).stdout;
        if !is_done && !goes_on {
            self.works = works(&copy);
        }
        // In the middle is where it had begun and was not done.
        let is_amid = is_running && !is_done && !records.is_empty();
        let place = if is_amid { "in the middle" } else { "before or after" };
        eprintln!("{context}: {place}, {parts} parts");
        is_amid
    }

    #[expect(clippy::print_stderr, reason = "a run of many points is long, and its result is to be written down")]
    fn points(mut self, points: u64, ways: &[&str]) {
        let mut amid = 0;
        for point in 0..points {
            let way = ways[usize::try_from(point).expect("it is small") % ways.len()];
            amid += u64::from(self.point(point, way));
        }
        eprintln!("{points} points of {}, {amid} in the middle, {:.1?} undisturbed", ways.join(", "), self.took);
        // The server was told to log each statement, and each that takes any time.
        let log = std::fs::read_to_string(self.cluster.log_path()).expect("the log");
        assert!(log.contains("DELETE FROM ONLY public.item") && log.contains("duration: "), "it logs statements");
        for identifier in IDENTIFIERS {
            assert!(!self.printed.contains(identifier), "dbopt printed or recorded an identifier");
            let told: Vec<_> = log.lines().filter(|line| line.contains(identifier)).take(3).collect();
            assert!(told.is_empty(), "{told:?}");
        }
    }
}

/// A server that writes down every statement.
fn cluster(parameters: &str) -> dbopt_testkit::Builder {
    Cluster::builder()
        .setting("log_statement", "all")
        .setting("log_min_duration_statement", "0")
        .setting("log_parameter_max_length", parameters)
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn an_erasure_that_is_ended_is_done_or_not() {
    let points = number("DBOPT_TORTURE_POINTS", 6) * 2 / 5;
    let cluster = cluster("0").start().expect("a cluster");
    Arena::new(&cluster, None).points(points, &["client", "backend", "server"]);
}

#[test]
fn an_erasure_in_parts_that_is_ended_goes_on() {
    let points = number("DBOPT_TORTURE_POINTS", 6) * 2 / 5;
    let cluster = cluster("0").start().expect("a cluster");
    Arena::new(&cluster, None).in_parts(500).points(points, &["server", "client", "backend"]);
}

#[test]
fn parameters_in_the_log_are_warned_of() {
    let cluster = cluster("-1").start().expect("a cluster");
    let mut arena = Arena::new(&cluster, None);
    let (copy, target) = (arena.copy(), arena.template.conn_string());
    let child = arena.start(&target, &["--dry-run"]);
    let warned = arena.ended(child);
    assert!(warned.stdout.contains("logs-parameters"), "{}", warned.stdout);
    drop(copy);
    // The warning is true, and the parameters are all that is there.
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    assert!(log.lines().any(|line| line.contains(PERSON)), "the server logs parameters");
    let others = |line: &&str| IDENTIFIERS.iter().any(|text| line.contains(text)) && !line.contains("DETAIL:  ");
    assert_eq!(log.lines().filter(others).collect::<Vec<_>>(), [""; 0]);
    assert!(IDENTIFIERS.iter().all(|text| !arena.printed.contains(text)));
}

#[expect(clippy::print_stderr, reason = "what is not tested is said")]
#[test]
fn an_erasure_with_a_cut_network_is_done_or_not() {
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
    let cluster = cluster("0").listen_on_loopback().start().expect("a cluster");
    let points = number("DBOPT_TORTURE_POINTS", 1).div_ceil(10);
    Arena::new(&cluster, Some("127.0.0.1")).points(points, &["network"]);
    if points > 1 {
        Arena::new(&cluster, Some("127.0.0.1")).in_parts(500).points(points, &["network"]);
    }
}
