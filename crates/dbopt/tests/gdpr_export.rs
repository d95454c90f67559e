//! `dbopt gdpr export`.

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use dbopt_testkit::{Cluster, Database};
use support::{Ran, command, dbopt, ran};
use tempfile::TempDir;

/// A recipient; its secret key is nobody's.
const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

const SCHEMA: &str = "
    CREATE TABLE customer (id int PRIMARY KEY, email text);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customer, note text);
    CREATE INDEX ON orders (customer_id);
    INSERT INTO customer VALUES (471147, 'ann.secret@example.org'), (2, 'bob@example.org');
    INSERT INTO orders VALUES (1, 471147, '=1+1'), (2, 2, 'other'), (3, 471147, 'more');";

const POLICY: &str = r#"
policy = "gdpr"
version = 1
pseudonym = { id = "test", key = "env:DBOPT_TEST_GDPR_KEY" }
[[subject]]
name = "customer"
table = "public.customer"
key = ["id"]
[purpose.contract]
about = "To deliver"
basis = "contract"
[[table]]
name = "public.customer"
class = "owned"
purpose = "contract"
plain = ["id"]
column.email = { erase = "null" }
[[table]]
name = "public.orders"
class = "owned"
purpose = "contract"
plain = ["id", "customer_id"]
column.note = { erase = "null" }
[[reference]]
from = "public.orders"
columns = ["customer_id"]
to = "public.customer"
class = "owned"
"#;

struct Place {
    database: Database<'static>,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { database: Cluster::shared().database(), folder: tempfile::tempdir().expect("a folder") };
        place.database.execute(SCHEMA);
        fs::write(place.path("gdpr.toml"), POLICY).expect("written");
        place
    }

    fn migrated() -> Self {
        let place = Self::new();
        assert_eq!(dbopt(&["migrate", "up", "-d", &place.database.conn_string()]).code, 0);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, to: &str, args: &[&str]) -> std::process::Command {
        let mut command = command();
        let key = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        command.env("DBOPT_TEST_GDPR_KEY", key).args([
            "gdpr",
            "export",
            "-d",
            &self.database.conn_string(),
            "--policy",
        ]);
        command.arg(self.path("gdpr.toml")).arg("-o").arg(self.path(to)).args(args);
        command
    }

    fn export(&self, to: &str, args: &[&str]) -> Ran {
        ran(self.command(to, args).output().expect("the binary starts"))
    }

    /// The files of the folder, other than the policy.
    fn files(&self) -> Vec<String> {
        let names =
            fs::read_dir(self.folder.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> =
            names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "gdpr.toml").collect();
        names.sort();
        names
    }
}

const ANN: [&str; 2] = ["--subject", "471147"];

fn nothing_of_ann(text: &str) {
    assert!(!text.contains("471147") && !text.contains("ann.secret"), "{text}");
}

#[test]
fn a_person_is_exported_sealed_and_recorded_and_nowhere_named() {
    let place = Place::migrated();
    let done = place.export("ann.tar.age", &[&ANN[..], &["--recipient", RECIPIENT]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stdout.contains("3 rows of 2 tables") && done.stdout.contains("sealed for its recipients"),
        "{}",
        done.stdout
    );
    nothing_of_ann(&done.stdout);
    nothing_of_ann(&done.stderr);
    let package = place.path("ann.tar.age");
    let bytes = fs::read(&package).expect("it is there");
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> X25519 "));
    nothing_of_ann(&String::from_utf8_lossy(&bytes));
    assert_eq!(fs::metadata(&package).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(place.files(), ["ann.tar.age"]);
    let record = place.database.value("SELECT r::text FROM dbopt.audit_record r WHERE action = 'gdpr.export'");
    assert!(record.contains("hmac-sha256:test:") && record.contains("recipients"), "{record}");
    nothing_of_ann(&record);
    assert_eq!(dbopt(&["audit", "verify", "-d", &place.database.conn_string()]).code, 0);
    // The person has one name in all records, and it is that of the answer.
    let again = place.export("again.tar", &[&ANN[..], &["--plain", "--format", "json"]].concat()).json();
    assert!(record.contains(again["subject"].as_str().expect("text")));
    place.export("ann.tar.age", &[&ANN[..], &["--plain"]].concat()).fails(2, "is there already");
    place.export("nowhere/ann.tar", &[&ANN[..], &["--plain"]].concat()).fails(2, "the folder that it is to be in");
    assert_eq!(fs::read(&package).expect("it is there"), bytes);
}

#[test]
fn a_passphrase_seals_it_and_without_a_lock_nothing_is_written() {
    let place = Place::migrated();
    fs::write(place.path("phrase"), "correct horse\n").expect("written");
    let phrase = place.path("phrase").display().to_string();
    assert_eq!(place.export("ann.age", &[&ANN[..], &["--passphrase-file", &phrase]].concat()).code, 0);
    assert!(fs::read(place.path("ann.age")).expect("there").starts_with(b"age-encryption.org/v1\n-> scrypt "));
    assert_eq!(place.export("x", &ANN).code, 2);
    place.export("x", &[&ANN[..], &["--recipient", "age1nobody"]].concat()).fails(2, "is no recipient");
    place.export("x", &[&ANN[..], &["--plain", "--article", "17"]].concat()).fails(2, "articles 15 and 20");
    assert_eq!(place.files(), ["ann.age", "phrase"]);
}

#[test]
fn a_rerun_as_of_the_same_moment_is_the_same() {
    let place = Place::migrated();
    let plain = [&ANN[..], &["--plain", "--as-of", "2026-03-01"]].concat();
    assert_eq!(place.export("one.tar", &plain).code, 0);
    let mut other = place.command("two.tar", &plain);
    other.env("PGOPTIONS", "-c DateStyle=German -c TimeZone=Asia/Kathmandu");
    assert_eq!(ran(other.output().expect("the binary starts")).code, 0);
    assert!(fs::read(place.path("one.tar")).expect("there") == fs::read(place.path("two.tar")).expect("there"));
    assert_eq!(place.export("folder", &[&plain[..], &["--folder"]].concat()).code, 0);
    let text = |name: &str| fs::read_to_string(place.path("folder").join(name)).expect("it is there");
    assert_eq!(
        text("data/public.orders.csv"),
        "\"id\",\"customer_id\",\"note\"\r\n1,471147,\"'=1+1\"\r\n3,471147,\"more\"\r\n"
    );
    assert!(
        text("manifest.json").contains("\"as_of\": \"2026-03-01T00:00:00Z\"")
            && text("index.html").contains("To deliver")
    );
}

#[test]
fn who_is_not_there_and_what_is_not_covered_end_with_one_and_leave_nothing() {
    let place = Place::new();
    place.export("x.tar", &[&ANN[..], &["--plain"]].concat()).fails(2, "dbopt migrate up");
    let audit = place.path("audit.jsonl").display().to_string();
    let plain = ["--plain", "--audit", &audit];
    place
        .export("x.tar", &[&["--subject", "999333"][..], &plain].concat())
        .fails(1, "there is no `customer` with this key");
    let bad = place.export("x.tar", &[&["--subject", "ann's"][..], &plain].concat());
    bad.fails(2, "this is no key of `customer`");
    assert!(!bad.stderr.contains("ann's"));
    place.database.execute("CREATE TABLE surprise (id int PRIMARY KEY)");
    place.export("x.tar", &[&ANN[..], &plain].concat()).fails(1, "does not cover this database");
    assert_eq!(place.files(), Vec::<String>::new());
    let done = place.export("x.tar", &[&ANN[..], &plain, &["--uncovered"]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("public.surprise"), "{}", done.stdout);
    let record = fs::read_to_string(&audit).expect("a record");
    assert!(record.contains("gdpr.export") && record.lines().count() == 1, "{record}");
    nothing_of_ann(&record);
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_killed_leaves_nothing_that_looks_whole() {
    let place = Place::migrated();
    // Enough for some seconds of work.
    place.database.execute("INSERT INTO orders SELECT n, 471147, repeat('x', 200) FROM generate_series(4, 60000) n");
    let begin = || {
        let mut command = place.command("ann.tar", &[&ANN[..], &["--plain"]].concat());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    };
    let mut killed = begin();
    until("the package is begun", || !place.files().is_empty());
    killed.kill().expect("killed");
    killed.wait().expect("ended");
    let left = place.files();
    assert!(matches!(&*left, [only] if only.starts_with(".ann.tar.") && only.ends_with(".unfinished")), "{left:?}");
    // Whoever is asked to end leaves nothing at all.
    let mut interrupted = begin();
    until("the package is begun", || place.files().len() == 2);
    let pid = rustix::process::Pid::from_child(&interrupted);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("told to end");
    assert_eq!(interrupted.wait().expect("ended").code(), Some(130));
    assert_eq!(place.files(), left);
    assert_eq!(place.database.value("SELECT count(*) FROM dbopt.audit_record WHERE action = 'gdpr.export'"), "0");
    assert_eq!(begin().wait().expect("ended").code(), Some(0));
    assert!(Path::new(&place.path("ann.tar")).is_file());
}
