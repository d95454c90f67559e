//! `dbopt gdpr lint`, `dbopt gdpr plan` and `dbopt gdpr record`: what they answer, and how they fail.

mod support;

use std::{io::Write as _, path::PathBuf};

use dbopt_testkit::Cluster;
use support::{Ran, command, piped, ran, root};

const SCHEMA: &str = "
    CREATE TABLE customer (id text PRIMARY KEY, email text UNIQUE);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id text NOT NULL REFERENCES customer);
    CREATE INDEX ON orders (customer_id);";

const ROWS: &str = "
    INSERT INTO customer VALUES ('ann-4711', 'ann@example.org'), ('bob-4712', 'bob@example.org');
    INSERT INTO orders VALUES (1, 'ann-4711'), (2, 'ann-4711'), (3, 'bob-4712');";

const POLICY: &str = "policy = 'gdpr'\nversion = 1\n[pseudonym]\nid = 'k1'\nkey = 'env:GDPR_KEY'\n\
    [controller]\nname = 'Shop'\ncontact = 'Road 1'\nsecurity = ['Doors are locked.']\n\
    [purpose.sale]\nabout = 'To sell.'\nbasis = 'contract'\nrecipients = ['the carrier']\nretention = '365d'\n\
    [[subject]]\nname = 'customer'\ntable = 'public.customer'\nkey = ['id']\n\
    [[table]]\nname = 'public.customer'\nclass = 'owned'\npurpose = 'sale'\nplain = ['id']\n\
    column.email = { about = 'The address.', erase = 'null' }\n\
    [[table]]\nname = 'public.orders'\nclass = 'owned'\nabout = 'What was ordered.'\npurpose = 'sale'\nplain = ['id', 'customer_id']\n\
    [[reference]]\nfrom = 'public.orders'\nto = 'public.customer'\ncolumns = ['customer_id']\nclass = 'owned'\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("gdpr.toml", POLICY);
        folder.write("schema.sql", SCHEMA);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    /// `dbopt gdpr …` with the policy, and a text on standard input.
    fn run(&self, args: &[&str], input: &str) -> Ran {
        let mut command = command();
        command
            .arg("gdpr")
            .args(args)
            .arg("--policy")
            .arg(self.path("gdpr.toml"))
            .env("GDPR_KEY", "0123456789abcdef".repeat(4));
        let mut child = piped(&mut command);
        // A command that reads nothing may have ended by now.
        let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
        ran(child.wait_with_output().expect("it ends"))
    }

    fn ddl(&self) -> String {
        self.path("schema.sql").display().to_string()
    }
}

fn codes(of: &serde_json::Value) -> Vec<&str> {
    of["findings"].as_array().expect("a list").iter().filter_map(|finding| finding["code"].as_str()).collect()
}

#[test]
fn lint_fails_when_something_is_not_covered() {
    let folder = Folder::new();
    let good = folder.run(&["lint", "--ddl", &folder.ddl(), "--format", "json"], "");
    assert_eq!((&good.json()["tables"], &good.json()["references"], good.stderr.as_str()), (&2.into(), &1.into(), ""));
    assert_eq!(codes(&good.json()), [""; 0]);
    let more = "CREATE TABLE parcel (id int PRIMARY KEY, customer_id text REFERENCES customer); ALTER TABLE customer ADD phone text;";
    folder.write("schema.sql", &format!("{SCHEMA}{more}"));
    let bad = folder.run(&["lint", "--ddl", &folder.ddl(), "--format", "json"], "");
    let view = serde_json::from_str(&bad.stdout).expect("JSON");
    assert_eq!((bad.code, codes(&view)), (1, vec!["uncovered-column", "uncovered-table", "uncovered-reference"]));
    let table = folder.run(&["lint", "--ddl", &folder.ddl()], "");
    assert!(table.code == 1 && table.stdout.contains("parcel") && table.stdout.contains("phone"), "{table:?}");
    folder.run(&["lint", "--ddl", "/nonexistent.sql"], "").fails(2, "no such file");
    folder.write("gdpr.toml", "policy = 'gdpr'\nversion = 1\n[[table]]\nname = 'public.t'\nclass = 'mine'\n");
    folder.run(&["lint", "--ddl", &folder.ddl()], "").fails(2, "cannot be used");
}

#[test]
fn lint_and_plan_look_at_a_database() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let database = cluster.database();
    database.execute(&format!("{SCHEMA}{ROWS}"));
    let (target, folder) = (database.conn_string(), Folder::new());
    assert_eq!(folder.run(&["lint", "-d", &target], "").code, 0);
    let plan = ["plan", "-d", &target, "--subject"];
    let planned = folder.run(&[&plan[..], &["-", "--format", "json"]].concat(), "ann-4711\n");
    let view = planned.json();
    assert_eq!((&view["refused"], &view["rule"]), (&false.into(), &"customer".into()));
    let rows = |table: &str| {
        let tables = view["tables"].as_array().expect("a list");
        tables.iter().find(|one| one["table"] == table).map(|one| one["deleted"].clone())
    };
    assert_eq!((rows("public.customer"), rows("public.orders")), (Some(1.into()), Some(2.into())));
    let kinds: Vec<_> =
        view["statements"].as_array().expect("a list").iter().map(|one| one["tables"][0].clone()).collect();
    assert_eq!(kinds, ["public.orders", "public.customer"]);
    let table = folder.run(&[&plan[..], &["-"]].concat(), "ann-4711\n");
    for text in [&planned.stdout, &planned.stderr, &table.stdout, &table.stderr] {
        assert!(!text.contains("ann-4711") && !text.contains("ann@"), "{text}");
    }
    // Nothing was changed, and nobody else is named by accident.
    assert_eq!(database.value("SELECT count(*) FROM orders"), "3");
    folder.run(&[&plan[..], &["-"]].concat(), "nobody\n").fails(1, "there is no `customer` with this key");
    folder
        .run(&[&plan[..], &["-"]].concat(), "ann-4711\nbob-4712\n")
        .fails(2, "once for each column of the subject's key");
    folder.run(&[&plan[..], &["-", "--as", "employee"]].concat(), "ann-4711\n").fails(2, "no such subject");
    folder.run(&["plan", "-d", "host=/nonexistent dbname=x", "--subject", "-"], "ann-4711\n").fails(3, "");
    // Rows of others that would go along refuse it.
    database.execute("CREATE TABLE vote (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE); INSERT INTO vote VALUES (1, 1)");
    let refused = folder.run(&[&plan[..], &["-", "--format", "json"]].concat(), "ann-4711\n");
    let view: serde_json::Value = serde_json::from_str(&refused.stdout).expect("JSON");
    assert_eq!((refused.code, &view["refused"]), (1, &true.into()));
    assert_eq!(folder.run(&["lint", "-d", &target], "").code, 1);
}

#[test]
fn the_record_is_written_from_the_policy_and_is_a_gate() {
    let folder = Folder::new();
    let whole = folder.run(&["record", "--check", "--format", "markdown"], "");
    assert_eq!((whole.code, whole.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(whole.stdout, @"
    # Record of processing activities (Article 30)

    - Controller: Shop
    - Contact: Road 1

    ## sale

    To sell.

    - Legal basis, by Article 6(1): contract
    - Persons: customer
    - Given to: the carrier
    - Given outside of the European Union to: nobody
    - Kept: 365d

    | table | column | what it is |
    | --- | --- | --- |
    | public.customer | email | The address. |
    | public.orders |  | What was ordered. |

    ## Measures of security

    - Doors are locked.
    - Records of exports and erasures name persons by keyed pseudonyms (HMAC-SHA-256) only.
    ");
    let json = folder.run(&["record", "--check", "--ddl", &folder.ddl(), "--format", "json"], "").json();
    assert_eq!(
        (&json["missing"], &json["activities"][0]["persons"]),
        (&serde_json::json!([]), &serde_json::json!(["customer"]))
    );

    folder.write(
        "schema.sql",
        &format!("{SCHEMA}CREATE TABLE parcel (id int PRIMARY KEY, customer_id text REFERENCES customer);"),
    );
    let more = folder.run(&["record", "--check", "--ddl", &folder.ddl(), "--format", "json"], "");
    let view: serde_json::Value = serde_json::from_str(&more.stdout).expect("JSON");
    let points: Vec<_> = view["missing"].as_array().expect("a list").iter().map(|one| one["point"].clone()).collect();
    assert_eq!((more.code, points.as_slice()), (1, [serde_json::json!("c"), serde_json::json!("c")].as_slice()));

    folder.write("gdpr.toml", &POLICY.replace("recipients = ['the carrier']\n", "").replace("name = 'Shop'\n", ""));
    let missing = folder.run(&["record", "--check"], "");
    assert!(missing.code == 1 && missing.stdout.contains("(a)") && missing.stdout.contains("(d)"), "{missing:?}");
    assert_eq!(folder.run(&["record"], "").code, 0, "without `--check` it is no gate");
    folder.run(&["record", "--snapshot", "/nonexistent.json"], "").fails(2, "no such file");
    std::fs::remove_file(folder.path("gdpr.toml")).expect("removed");
    folder.run(&["record"], "").fails(2, "no such file");
}

#[test]
fn the_shipped_policy_has_a_whole_record() {
    let policy = root().join("policies/gdpr.toml").display().to_string();
    let ran = support::dbopt(&["gdpr", "record", "--check", "--policy", &policy]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
}
