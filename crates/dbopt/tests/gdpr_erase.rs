//! `dbopt gdpr erase`: seen, confirmed, done once, killed, and nothing of the person in what is left.

mod support;

use std::{io::Write as _, process::Child};

use dbopt_testkit::{Cluster, Database};
use support::{Ran, command, dbopt, piped, ran};

const SCHEMA: &str = "
    CREATE TABLE customer (id text PRIMARY KEY, email text UNIQUE);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id text NOT NULL REFERENCES customer);
    CREATE INDEX ON orders (customer_id);
    INSERT INTO customer VALUES ('ann-4711', 'ann@example.org'), ('bob-4712', 'bob@example.org');
    INSERT INTO orders VALUES (1, 'ann-4711'), (2, 'ann-4711'), (3, 'bob-4712');";

const POLICY: &str = "policy = 'gdpr'\nversion = 1\n[pseudonym]\nid = 'k1'\nkey = 'env:GDPR_KEY'\n\
    [[subject]]\nname = 'customer'\ntable = 'public.customer'\nkey = ['id']\n\
    [[table]]\nname = 'public.customer'\nclass = 'owned'\nplain = ['id']\ncolumn.email.erase = 'null'\n\
    [[table]]\nname = 'public.orders'\nclass = 'owned'\nplain = ['id', 'customer_id']\n\
    [[reference]]\nfrom = 'public.orders'\nto = 'public.customer'\ncolumns = ['customer_id']\nclass = 'owned'\n";

const LEFT: &str =
    "SELECT concat_ws(' ', (SELECT string_agg(id, ',') FROM customer), (SELECT string_agg(id::text, ',') FROM orders))";

const LEDGER: &str = "SELECT string_agg(concat_ws(' ', details::json ->> 'stage', details::json ->> 'outcome'), ', ' ORDER BY sequence) \
    FROM dbopt.audit_record";

/// A key of Ann's own.
const KEY: &str =
    "INSERT INTO dbopt.subject_key (purpose, subject, number, wrapped) VALUES ('notes', sha256('ann-4711'), 7, '')";
const KEYS: &str = "SELECT count(*) FROM dbopt.subject_key";

struct Shop<'a> {
    database: Database<'a>,
    target: String,
    folder: tempfile::TempDir,
}

impl<'a> Shop<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let database = cluster.database();
        database.execute(SCHEMA);
        let target = database.conn_string();
        assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("gdpr.toml"), POLICY).expect("written");
        Self { database, target, folder }
    }

    fn start(&self, args: &[&str]) -> Child {
        let policy = self.folder.path().join("gdpr.toml");
        let mut command = command();
        command
            .args(["gdpr", "erase", "-d", &self.target, "--subject", "-", "--policy"])
            .arg(policy)
            .args(args)
            .env("GDPR_KEY", "0123456789abcdef".repeat(4));
        let mut child = piped(&mut command);
        child.stdin.take().expect("it is piped").write_all(b"ann-4711\n").expect("written");
        child
    }

    fn erase(&self, args: &[&str]) -> Ran {
        ran(self.start(args).wait_with_output().expect("it ends"))
    }

    fn approval(&self) -> String {
        let seen = self.erase(&["--dry-run", "--format", "json"]).json();
        assert_eq!((&seen["outcome"], &seen["deleted"]), (&"planned".into(), &3.into()));
        seen["approval"].as_str().expect("a text").to_owned()
    }
}

#[test]
fn what_was_confirmed_is_done_once() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let shop = Shop::new(&cluster);
    shop.erase(&[]).fails(2, "nobody is there to be asked");
    for command in ["plan", "erase"] {
        let (file, key) = (shop.folder.path().join("gdpr.toml"), "0123456789abcdef".repeat(4));
        let nobody = ["gdpr", command, "-d", &shop.target, "--subject", "nobody", "--policy"];
        let asked = support::command().args(nobody).arg(file).env("GDPR_KEY", key).output().expect("the binary starts");
        ran(asked).fails(1, "there is no `customer` with this key");
    }
    let approval = shop.approval();
    shop.database.execute("INSERT INTO orders VALUES (4, 'ann-4711')");
    shop.erase(&["--confirm", &approval]).fails(1, "no longer what was approved");
    shop.database.execute("DELETE FROM orders WHERE id = 4");
    let erased = shop.erase(&["--confirm", &approval, "--format", "json"]);
    assert_eq!((&erased.json()["outcome"], &erased.json()["deleted"]), (&"done".into(), &3.into()));
    assert_eq!(shop.database.value(LEFT), "bob-4712 3");
    let again = shop.erase(&["--confirm", &approval]);
    assert!(again.code == 0 && again.stdout.contains("done before"), "{again:?}");
    assert_eq!(shop.database.value(LEDGER), "begun, ended done");
    assert_eq!(dbopt(&["audit", "verify", "-d", &shop.target]).code, 0);
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    let ledger = dbopt(&["audit", "export", "-d", &shop.target]).stdout;
    for text in [&erased.stdout, &erased.stderr, &again.stdout, &again.stderr, &ledger, &log] {
        assert!(!text.contains("ann-4711") && !text.contains("ann@"), "{text}");
    }
}

#[test]
fn a_client_that_is_killed_or_interrupted_changes_nothing_and_the_next_one_goes_on() {
    let cluster = Cluster::builder().start().expect("a cluster");
    for table in ["orders", "customer"] {
        let shop = Shop::new(&cluster);
        let approval = shop.approval();
        shop.database.execute(&format!(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.7); RETURN OLD; END';
             CREATE TRIGGER slow BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION slow()"
        ));
        let mut child = shop.start(&["--confirm", &approval]);
        let sleeps =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
        while shop.database.value(sleeps) == "0" {
            assert!(child.try_wait().expect("it can be asked").is_none(), "it ended too soon");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        if table == "orders" {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("told to end");
            ran(child.wait_with_output().expect("it ends")).fails(130, "give the same confirmation again");
        } else {
            child.kill().expect("it is killed");
            child.wait().expect("it ends");
        }
        assert_eq!(shop.database.value(LEDGER), "begun");
        // The server notices when it is to answer; until then the session holds the lock.
        let sessions =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        while shop.database.value(sessions) != "0" {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(shop.database.value(LEFT), "ann-4711,bob-4712 1,2,3", "{table}");
        let erased = shop.erase(&["--confirm", &approval, "--format", "json"]).json();
        assert_eq!((&erased["outcome"], &erased["died"]), (&"done".into(), &serde_json::json!([1])), "{table}");
        assert_eq!(shop.database.value(LEFT), "bob-4712 3", "{table}");
        assert_eq!(shop.database.value(LEDGER), "begun, ended not-done, begun, ended done");
    }
}

#[test]
fn a_database_without_the_record_is_not_touched() {
    let database = Cluster::shared().database();
    database.execute(SCHEMA);
    let shop = Shop { target: database.conn_string(), database, folder: tempfile::tempdir().expect("a folder") };
    std::fs::write(shop.folder.path().join("gdpr.toml"), POLICY).expect("written");
    let approval = shop.approval();
    shop.erase(&["--confirm", &approval]).fails(2, "");
    assert_eq!(shop.database.value(LEFT), "ann-4711,bob-4712 1,2,3");
}

#[test]
fn who_was_erased_is_erased_again_after_a_restore() {
    let cluster = Cluster::shared();
    let shop = Shop::new(cluster);
    shop.database.execute(KEY);
    shop.database.execute(&KEY.replace("ann-4711", "bob-4712").replace(" 7,", " 8,"));
    let destroy = ["--destroy-key", "notes"];
    let seen = shop.erase(&[&destroy[..], &["--dry-run", "--format", "json"]].concat()).json();
    let approval = seen["approval"].as_str().expect("a text");
    assert_eq!(shop.erase(&[&destroy[..], &["--confirm", approval]].concat()).code, 0);
    assert_eq!(shop.database.value(KEYS), "1");
    let ledger = shop.folder.path().join("ledger.jsonl").display().to_string();
    assert_eq!(dbopt(&["audit", "export", "-d", &shop.target, "-o", &ledger]).code, 0);
    let restored = Shop::new(cluster);
    restored.database.execute(KEY);
    restored.database.execute(&KEY.replace("ann-4711", "bob-4712").replace(" 7,", " 8,"));
    let replay = |since: &str, more: &[&str]| {
        let policy = restored.folder.path().join("gdpr.toml");
        let mut command = command();
        command.args(["gdpr", "replay", "-d", &restored.target, "--ledger", &ledger, "--since", since]);
        command
            .args(["--format", "json", "--policy"])
            .arg(policy)
            .args(more)
            .env("GDPR_KEY", "0123456789abcdef".repeat(4));
        ran(command.output().expect("the binary starts"))
    };
    replay("2999-01-01T00:00:00Z", &["--yes"]).fails(2, "`--since` is yet to come");
    let late = replay(&jiff::Timestamp::now().to_string(), &["--yes"]);
    assert!(late.stderr.contains("the last record of the copy is of "), "{}", late.stderr);
    let nobody = late.json();
    assert_eq!((&nobody["recorded"], &nobody["persons"]), (&0.into(), &serde_json::json!([])));
    let listed = replay("2020-01-01T00:00:00Z", &[]).json();
    assert_eq!((&listed["recorded"], &listed["persons"][0]["outcome"]), (&1.into(), &"planned".into()));
    assert_eq!(restored.database.value(LEFT), "ann-4711,bob-4712 1,2,3");
    assert_eq!((&listed["keys"], &*restored.database.value(KEYS)), (&0.into(), "2"));
    let done = replay("2020-01-01T00:00:00Z", &["--yes"]);
    assert_eq!(done.json()["persons"][0]["outcome"], "done");
    assert!(!done.stdout.contains("ann-4711") && !done.stderr.contains("ann-4711"), "{done:?}");
    assert_eq!(restored.database.value(LEFT), "bob-4712 3");
    let again = replay("2020-01-01T00:00:00Z", &["--yes"]).json();
    assert_eq!((&again["persons"], &again["keys"]), (&serde_json::json!([]), &0.into()));
    // Of the table of keys alone there is an older copy.
    restored.database.execute(KEY);
    assert_eq!(replay("2020-01-01T00:00:00Z", &[]).json()["keys"], 1);
    assert_eq!(restored.database.value(KEYS), "2");
    assert_eq!(replay("2020-01-01T00:00:00Z", &["--yes"]).json()["keys"], 1);
    assert_eq!(restored.database.value(KEYS), "1");
    assert_eq!(dbopt(&["audit", "verify", "-d", &restored.target]).code, 0);
    let text = std::fs::read_to_string(&ledger).expect("read").replace("rolled-back", "done").replace("begun", "began");
    std::fs::write(&ledger, text).expect("written");
    replay("2020-01-01T00:00:00Z", &["--yes"]).fails(1, "is not a whole audit record");
}
