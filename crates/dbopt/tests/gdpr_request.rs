//! `dbopt gdpr request` and `dbopt gdpr status`: opened, extended, closed, overdue, and what is refused.

mod support;

use std::io::Write as _;

use dbopt_testkit::{Cluster, Database};
use jiff::{Span, Zoned, civil::Date};
use support::{Ran, command, dbopt, piped, ran};

const SCHEMA: &str = "
    CREATE TABLE customer (id text PRIMARY KEY, email text UNIQUE);
    INSERT INTO customer VALUES ('ann-4711', 'ann@example.org'), ('bob-4712', 'bob@example.org');";

const POLICY: &str = "policy = 'gdpr'\nversion = 1\n[pseudonym]\nid = 'k1'\nkey = 'env:GDPR_KEY'\n[requests]\nzone = 'UTC'\n\
    [purpose.sale]\nabout = 'To sell.'\nbasis = 'contract'\n\
    [[subject]]\nname = 'customer'\ntable = 'public.customer'\nkey = ['id']\n\
    [[table]]\nname = 'public.customer'\nclass = 'owned'\npurpose = 'sale'\nplain = ['id']\ncolumn.email.erase = 'null'\n";

struct Desk<'a> {
    database: Database<'a>,
    target: String,
    folder: tempfile::TempDir,
}

impl<'a> Desk<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let database = cluster.database();
        database.execute(SCHEMA);
        let target = database.conn_string();
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("gdpr.toml"), POLICY).expect("written");
        Self { database, target, folder }
    }

    /// `dbopt gdpr …` with `ann-4711` on standard input.
    fn run(&self, args: &[&str]) -> Ran {
        let policy = self.folder.path().join("gdpr.toml");
        let mut command = command();
        command
            .arg("gdpr")
            .args(args)
            .args(["-d", &self.target, "--policy"])
            .arg(policy)
            .env("GDPR_KEY", "0123456789abcdef".repeat(4));
        let mut child = piped(&mut command);
        // A command that asks for nobody may have ended by now.
        let _ = child.stdin.take().expect("it is piped").write_all(b"ann-4711\n");
        ran(child.wait_with_output().expect("it ends"))
    }

    fn open(&self, kind: &str, received: Date) -> serde_json::Value {
        let received = received.to_string();
        self.run(&["request", "open", "--kind", kind, "--subject", "-", "--received", &received, "--format", "json"])
            .json()
    }

    /// The exit code of the status, and what it says.
    fn status(&self, args: &[&str]) -> (i32, serde_json::Value) {
        let ran = self.run(&[&["status", "--format", "json"], args].concat());
        (ran.code, serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr)))
    }
}

fn today() -> Date {
    Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date()
}

#[test]
fn a_request_is_opened_answered_and_closed() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let desk = Desk::new(&cluster);
    assert_eq!(dbopt(&["migrate", "up", "-d", &desk.target]).code, 0);
    let (code, none) = desk.status(&[]);
    assert_eq!((code, &none["open"], &none["next_due"]), (0, &0.into(), &serde_json::Value::Null));

    let opened = desk.open("erasure", today());
    let id = opened["id"].as_u64().expect("a number").to_string();
    assert_eq!((&opened["kind"], &opened["outcome"]), (&"erasure".into(), &serde_json::Value::Null));
    let due: Date = opened["due"].as_str().expect("a text").parse().expect("a day");
    assert!(due >= today().saturating_add(Span::new().months(1)), "{due}");
    assert!(opened["subject"].as_str().expect("a text").starts_with("hmac-sha256:k1:"));
    let (code, one) = desk.status(&[]);
    assert_eq!((code, &one["open"], &one["due_soon"], &one["next_due"]), (0, &1.into(), &0.into(), &opened["due"]));
    let (code, soon) = desk.status(&["--within", "40d"]);
    assert_eq!((code, &soon["due_soon"], &soon["overdue"]), (1, &1.into(), &0.into()));

    let extended =
        desk.run(&["request", "extend", &id, "--reason", "many requests at once", "--format", "json"]).json();
    let later: Date = extended["due"].as_str().expect("a text").parse().expect("a day");
    assert!(later >= today().saturating_add(Span::new().months(3)) && later > due, "{later}");
    assert_eq!(extended["extension_reason"], "many requests at once");

    let planned = desk.run(&["erase", "--subject", "-", "--dry-run", "--format", "json"]).json();
    let erased = desk.run(&["erase", "--subject", "-", "--confirm", planned["approval"].as_str().expect("a text")]);
    assert_eq!(erased.code, 0, "{}", erased.stderr);
    let (_, answered) = desk.status(&[]);
    let answer = &answered["requests"][0]["answers"][0];
    assert_eq!((&answer["what"], &answer["answers"]), (&"erasure".into(), &true.into()));

    let closed = desk.run(&["request", "close", &id, "--outcome", "done"]);
    assert!(closed.code == 0 && closed.stderr.is_empty() && closed.stdout.contains("closed: done"), "{closed:?}");
    assert_eq!(desk.status(&[]).1["requests"], serde_json::json!([]));
    let (code, all) = desk.status(&["--all"]);
    assert_eq!((code, &all["requests"][0]["outcome"], &all["requests"][0]["late"]), (0, &"done".into(), &false.into()));
    desk.run(&["request", "close", &id, "--outcome", "withdrawn"]).fails(1, "is closed");

    let table = desk.run(&["status", "--all"]).stdout;
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    let ledger = dbopt(&["audit", "export", "-d", &desk.target]).stdout;
    for text in [&table, &ledger, &log, &opened.to_string(), &all.to_string()] {
        assert!(!text.contains("ann-4711"), "{text}");
    }
    assert_eq!(dbopt(&["audit", "verify", "-d", &desk.target]).code, 0);
}

#[test]
fn what_is_overdue_fails_and_can_no_longer_be_put_off() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let desk = Desk::new(&cluster);
    assert_eq!(dbopt(&["migrate", "up", "-d", &desk.target]).code, 0);
    let old = desk.open("access", today().saturating_sub(Span::new().days(60)));
    let id = old["id"].as_u64().expect("a number").to_string();
    assert!(old["days_left"].as_i64().expect("a number") < 0, "{old}");
    let (code, status) = desk.status(&["--within", "0d"]);
    assert_eq!((code, &status["overdue"], &status["due_soon"]), (1, &1.into(), &0.into()));
    let table = desk.run(&["status"]);
    assert!(table.code == 1 && table.stdout.contains("days overdue"), "{table:?}");
    desk.run(&["request", "extend", &id, "--reason", "too late"]).fails(1, "had to be told until then");
    let closed = desk.run(&["request", "close", &id, "--outcome", "done"]);
    assert!(closed.code == 0 && closed.stderr.contains("nothing was recorded that answers"), "{closed:?}");
    assert_eq!(desk.status(&["--all"]).1["requests"][0]["late"], true);
    assert_eq!(desk.database.value("SELECT count(*) FROM dbopt.audit_record"), "2");

    // A record of a later version is no silence.
    desk.database.execute(
        "ALTER TABLE dbopt.audit_record DISABLE TRIGGER USER;
         UPDATE dbopt.audit_record SET details = '{\"stage\":\"paused\"}' WHERE sequence = 2",
    );
    let (code, strange) = desk.status(&[]);
    assert_eq!((code, &strange["strange"], &strange["overdue"]), (1, &serde_json::json!([2]), &1.into()));
    desk.database.execute("UPDATE dbopt.audit_record SET details = '{}' WHERE sequence = 1");
    let (code, strange) = desk.status(&[]);
    assert_eq!((code, &strange["strange"]), (6, &serde_json::json!([1, 2])));
}

#[test]
fn what_cannot_be_recorded_says_so() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let desk = Desk::new(&cluster);
    let open = ["request", "open", "--kind", "access", "--subject", "-"];
    desk.run(&open).fails(2, "dbopt migrate up");
    desk.run(&["status"]).fails(2, "dbopt migrate up");
    assert_eq!(dbopt(&["migrate", "up", "-d", &desk.target]).code, 0);
    let tomorrow = today().tomorrow().expect("a day").to_string();
    desk.run(&[&open[..], &["--received", &tomorrow]].concat()).fails(2, "is yet to come");
    for bad in ["2026-02-30", "30.11.2026", "yesterday", "2026-11-1", ""] {
        desk.run(&[&open[..], &["--received", bad]].concat()).fails(2, "this is no day");
    }
    desk.run(&["request", "open", "--kind", "party", "--subject", "-"]).fails(2, "invalid value 'party'");
    desk.run(&["request", "open", "--kind", "access", "--subject", "a", "--subject", "b"])
        .fails(2, "no key of `customer`");
    desk.run(&["request", "close", "7", "--outcome", "done"]).fails(2, "there is no request 7");
    desk.run(&["request", "close", "seven", "--outcome", "done"]).fails(2, "invalid value 'seven'");
    desk.run(&["request", "close", "7", "--outcome", "refused"]).fails(2, "--reason");
    desk.run(&["request", "extend", "7", "--reason", " "]).fails(2, "the reason is empty");
    assert_eq!(desk.database.value("SELECT count(*) FROM dbopt.audit_record"), "0");
    // The rights that docs/gdpr-requests.md names, and one less.
    desk.database.execute(
        "CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA dbopt TO clerk; GRANT SELECT ON dbopt.migration TO clerk;
         GRANT SELECT ON dbopt.audit_record TO clerk",
    );
    let clerk = Desk { target: desk.target.replace("user=postgres", "user=clerk"), ..desk };
    assert_eq!(clerk.status(&[]).0, 0);
    clerk.run(&open).fails(3, "permission denied");
    clerk.database.execute("GRANT INSERT ON dbopt.audit_record TO clerk");
    clerk.open("access", today());
}
