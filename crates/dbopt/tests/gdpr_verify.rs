//! `dbopt gdpr verify` and `dbopt gdpr residue`: what is found, what is not, and that no value is shown.

mod support;

use std::io::Write as _;

use dbopt_testkit::{Cluster, Database};
use serde_json::Value;
use support::{Ran, command, dbopt, piped, ran};

const SCHEMA: &str = "
    CREATE TABLE customer (id int PRIMARY KEY, email text UNIQUE);
    CREATE TABLE event (id int PRIMARY KEY, body jsonb);
    INSERT INTO customer VALUES (4711, 'Ann@Example.org'), (4712, 'bob@example.org');
    INSERT INTO event VALUES (1, '{\"to\": \"ann@example.org\"}'), (2, '{\"to\": \"joann@example.org\"}');";

const POLICY: &str = "policy = 'gdpr'\nversion = 1\n[pseudonym]\nid = 'k1'\nkey = 'env:NOT_THERE'\n\
    [[subject]]\nname = 'customer'\ntable = 'public.customer'\nkey = ['id']\n\
    [[subject.identifier]]\nname = 'email'\ncolumn = 'email'\n\
    [[table]]\nname = 'public.customer'\nclass = 'owned'\nplain = ['id']\ncolumn.email.erase = 'null'\n\
    [[table]]\nname = 'public.event'\nclass = 'lookup'\n";

struct Shop {
    database: Database<'static>,
    target: String,
    folder: tempfile::TempDir,
}

impl Shop {
    fn new() -> Self {
        let database = Cluster::shared().database();
        database.execute(SCHEMA);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("gdpr.toml"), POLICY).expect("written");
        Self { target: database.conn_string(), database, folder }
    }

    fn verify(&self, args: &[&str], input: &str) -> Ran {
        let mut command = command();
        command.args(["gdpr", "verify", "-d", &self.target, "--policy"]).arg(self.folder.path().join("gdpr.toml"));
        let mut child = piped(command.args(args));
        child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("written");
        ran(child.wait_with_output().expect("it ends"))
    }
}

#[test]
fn what_is_left_of_a_person_is_found_and_not_shown() {
    let shop = Shop::new();
    for (args, input) in [(["--identifiers", "-"], "email=ann@example.org\n"), (["--subject", "-"], "4711\n")] {
        let found = shop.verify(&[&args[..], &["--format", "json"]].concat(), input);
        assert_eq!(found.code, 1, "{found:?}");
        let view: Value = serde_json::from_str(&found.stdout).expect("JSON");
        let hits: Vec<_> = view["hits"].as_array().expect("hits").iter().map(|hit| hit["place"].to_string()).collect();
        assert!(
            hits.iter().any(|hit| hit.contains("customer")) && hits.iter().any(|hit| hit.contains("event")),
            "{view}"
        );
        assert_eq!(found.stderr.contains("the person's rows have now"), args[0] == "--subject", "{}", found.stderr);
        assert!(!found.stdout.to_lowercase().contains("ann@") && !found.stderr.to_lowercase().contains("ann@"));
    }
    let shown = shop.verify(&["--identifiers", "-", "--keys"], "email=ann@example.org\n");
    assert!(shown.code == 1 && shown.stdout.contains("Found"), "{shown:?}");
    shop.database.execute("DELETE FROM event WHERE id = 1; DELETE FROM customer WHERE id = 4711; ANALYZE");
    let clean = shop.verify(&["--identifiers", "-"], "email=ann@example.org\n");
    assert!(clean.code == 0 && clean.stdout.contains("Nothing was found"), "{clean:?}");
}

#[test]
fn what_cannot_be_searched_for_is_one_error() {
    let shop = Shop::new();
    shop.verify(&["--identifiers", "-"], "ann@example.org\n").fails(2, "line 1 is not `name=value`");
    shop.verify(&["--identifiers", "-"], "\n# nobody\n").fails(2, "no identifier to search for");
    shop.verify(&["--subject", "999333"], "").fails(1, "there is no `customer` with this key");
    shop.verify(&[], "").fails(2, "--identifiers");
    let bad = shop.verify(&["--identifiers", "/nowhere/at/all"], "");
    bad.fails(2, "/nowhere/at/all");
}

#[test]
fn where_an_erased_value_may_still_be_is_said() {
    let shop = Shop::new();
    let policy = shop.folder.path().join("gdpr.toml").display().to_string();
    let args = ["gdpr", "residue", "-d", &shop.target, "--policy", &policy, "--since", "2026-01-01T00:00:00Z"];
    shop.database.execute("DELETE FROM customer WHERE id = 4711");
    let left = dbopt(&[&args[..], &["--backups-kept", "30d", "--format", "json"]].concat());
    assert_eq!(left.code, 1, "{left:?}");
    let left: Value = serde_json::from_str(&left.stdout).expect("JSON");
    let places = left["places"].to_string();
    assert!(places.contains("customer") && places.contains("backup"), "{places}");
    dbopt(&["gdpr", "residue", "-d", &shop.target, "--policy", &policy, "--since", "yesterday"])
        .fails(2, "this is no time");
}
