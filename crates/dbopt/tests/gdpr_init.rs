//! `dbopt gdpr init`: what it writes is a policy, lint and plan take it, and no value of a row is in what it says.

mod support;

use std::fs;

use dbopt_testkit::Cluster;
use support::dbopt;

const SCHEMA: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE NOT NULL, born date);
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL, note text, payload jsonb);
    CREATE TABLE order_items (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE);
    CREATE TABLE comments (id bigint PRIMARY KEY, author_id bigint, parent_id bigint REFERENCES comments, body text);
    CREATE TABLE events (id bigint PRIMARY KEY, target_type text, target_id bigint, extra jsonb);
    CREATE TABLE trace (id bigint PRIMARY KEY, what jsonb);
    CREATE TABLE products (id bigint PRIMARY KEY, name text, contact text);
    INSERT INTO users SELECT n, 'person' || n || '@example.org', '1990-01-01' FROM generate_series(1, 50) n;
    INSERT INTO orders SELECT n, n % 50 + 1, 'call person1@example.org', '{\"user_id\": 1}' FROM generate_series(1, 100) n;
    INSERT INTO order_items SELECT n, n FROM generate_series(1, 100) n;
    INSERT INTO comments SELECT n, n % 50 + 1, nullif(n - 1, 0), 'text' FROM generate_series(1, 60) n;
    INSERT INTO events SELECT n, 'User', n % 50 + 1, '{}' FROM generate_series(1, 60) n;
    INSERT INTO trace SELECT n, jsonb_build_object('user_id', n % 50 + 1) FROM generate_series(1, 60) n;
    INSERT INTO products SELECT n, 'Zebra', 'maker' || n || '@example.org' FROM generate_series(1, 30) n;";

const KEY: &str = "\n[pseudonym]\nid = 'k1'\nkey = 'env:GDPR_INIT_KEY'\n";

#[test]
fn a_first_policy_is_checked_linted_and_planned_with() {
    let database = Cluster::shared().database();
    database.execute(SCHEMA);
    let target = database.conn_string();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gdpr.toml").display().to_string();
    let written = dbopt(&["gdpr", "init", "-d", &target, "-o", &path, "--format", "json"]);
    assert_eq!(written.code, 0, "{written:?}");
    let view = written.json();
    assert_eq!((view["output"].as_str(), view["policy"].is_null()), (Some(&*path), true));
    assert_eq!(view["subjects"][0]["table"], "public.users");
    let checked = dbopt(&["policy", "check", &path]);
    assert!(checked.code == 0 && !checked.stdout.contains("warning:"), "{checked:?}");

    // What looks like data of persons and is reached by nothing is left to say, and nothing else.
    let linted = dbopt(&["gdpr", "lint", "--policy", &path, "-d", &target, "--format", "json"]);
    let left: Vec<_> = linted.json()["findings"].as_array().expect("findings").clone();
    assert!(left.iter().all(|finding| finding["code"] == "uncovered-column"), "{left:?}");
    assert_eq!(linted.code, i32::from(!left.is_empty()));

    let text = fs::read_to_string(&path).expect("written");
    fs::write(&path, format!("{text}{KEY}")).expect("written");
    let mut plan = support::command();
    plan.args(["gdpr", "plan", "--policy", &path, "-d", &target, "--subject", "7", "--format", "json"]);
    plan.env("GDPR_INIT_KEY", "hex:8f3a1c0d5e7b92a4463f18d0c7e5b1a29d4c6f0b3e8a7512c9d0e4f6a8b1c3d5");
    let planned = support::ran(plan.output().expect("it runs"));
    assert_eq!(planned.code, 0, "{planned:?}");
    let rows = |name: &str| {
        let tables = planned.json()["tables"].as_array().expect("tables").clone();
        tables.iter().find(|table| table["table"] == name).map(|table| table["owned"].clone())
    };
    assert_eq!(rows("public.orders"), Some(2.into()));
    assert_eq!(rows("public.order_items"), Some(2.into()));
    assert_eq!(rows("public.comments"), Some(2.into()));
}

#[test]
fn samples_speak_for_and_against_guesses_and_are_not_shown() {
    let database = Cluster::shared().database();
    database.execute(SCHEMA);
    database.execute("CREATE TABLE hidden (id int, user_id bigint); REVOKE ALL ON hidden FROM PUBLIC");
    let target = database.conn_string();
    let sampled = dbopt(&["gdpr", "init", "-d", &target, "--sample", "50", "--format", "json"]);
    assert_eq!(sampled.code, 0, "{sampled:?}");
    let view = sampled.json();
    let guess = |from: &str, column: &str, by: &str| {
        let guesses = view["references"].as_array().expect("references");
        let found =
            guesses.iter().find(|guess| guess["from"] == from && guess["columns"][0] == column && guess["by"] == by);
        found.unwrap_or_else(|| panic!("{from}.{column} in {view:#}")).clone()
    };
    let order = guess("public.orders", "user_id", "columns");
    assert_eq!(order["reason"], "`user_id` names the table; 50 of 50 sampled values are found there");
    let event = guess("public.events", "target_id", "type");
    assert_eq!(
        (&event["confidence"], &event["reason"]),
        (&"high".into(), &"50 of 50 sampled rows say so in `target_type`".into())
    );
    let trace = guess("public.trace", "what", "json");
    assert_eq!((&trace["confidence"], &trace["taken"]), (&"medium".into(), &true.into()));
    let columns: Vec<_> = view["sampled"]
        .as_array()
        .expect("sampled")
        .iter()
        .map(|one| format!("{}.{}", one["table"], one["column"]))
        .collect();
    assert!(columns.contains(&"\"public.orders\".\"note\"".to_owned()), "{columns:?}");
    assert!(columns.contains(&"\"public.products\".\"contact\"".to_owned()), "{columns:?}");
    for value in ["@example.org", "Zebra", "1990"] {
        assert!(!sampled.stdout.contains(value) && !sampled.stderr.contains(value), "{value}");
    }
    // Without consent, nothing is asked of the tables.
    let not = dbopt(&["gdpr", "init", "-d", &target, "--format", "json"]).json();
    assert_eq!(not["sampled"], serde_json::json!([]));
    // The same again is the same.
    let text = |args: &[&str]| dbopt(&[&["gdpr", "init", "-d", &target], args].concat()).stdout;
    assert_eq!(text(&["--sample", "50"]), text(&["--sample", "50"]));
}

#[test]
fn what_cannot_be_sampled_is_told() {
    let database = Cluster::shared().database();
    database.execute(SCHEMA);
    let role = format!("reader_{}", std::process::id());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON orders TO {role}; ALTER TABLE comments ENABLE ROW LEVEL SECURITY;
         GRANT SELECT ON comments TO {role}"
    ));
    let target = format!("{} user={role}", database.conn_string());
    let sampled = dbopt(&["gdpr", "init", "-d", &target, "--sample", "10", "--format", "json"]);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(sampled.code, 0, "{sampled:?}");
    let view = sampled.json();
    let why = |table: &str| {
        let list = view["unsampled"].as_array().expect("unsampled");
        list.iter().find(|one| one["table"] == table).map(|one| one["why"].to_string())
    };
    assert_eq!(why("public.users").as_deref(), Some("\"permission denied for table users\""));
    assert!(why("public.comments").is_some_and(|why| why.contains("row-level security")), "{view:#}");
    // `users` cannot be read, so that it is not known whether the keys are there; the rest of `orders` is.
    assert_eq!(why("public.orders"), None);
}

#[test]
fn files_are_read_and_never_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ddl, policy) = (folder.path().join("schema.sql"), folder.path().join("gdpr.toml"));
    fs::write(&ddl, "CREATE TABLE users (id int PRIMARY KEY, email text); CREATE TABLE a (id int, user_id int);")
        .expect("written");
    let (ddl, policy) = (ddl.display().to_string(), policy.display().to_string());
    let printed = dbopt(&["gdpr", "init", "--ddl", &ddl]);
    assert!(printed.code == 0 && printed.stdout.starts_with("# A first policy"), "{printed:?}");
    let written = dbopt(&["gdpr", "init", "--ddl", &ddl, "-o", &policy]);
    assert!(written.code == 0 && written.stdout.contains("user_id"), "{written:?}");
    assert_eq!(fs::read_to_string(&policy).expect("written"), printed.stdout);
    dbopt(&["gdpr", "init", "--ddl", &ddl, "-o", &policy]).fails(2, "is there already");
    assert_eq!(fs::read_to_string(&policy).expect("there"), printed.stdout);
    let json = dbopt(&["gdpr", "init", "--ddl", &ddl, "--format", "json"]).json();
    assert_eq!(json["policy"].as_str(), Some(&*printed.stdout));
}

#[test]
fn what_cannot_be_guessed_of_is_one_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let ddl = |text: &str| {
        let path = folder.path().join("schema.sql");
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let none = ddl("CREATE TABLE t (id int PRIMARY KEY, x int);");
    let failed = dbopt(&["gdpr", "init", "--ddl", &none]);
    failed.fails(2, "no table looks like one of persons");
    assert!(failed.stderr.contains("--subject"), "{failed:?}");
    dbopt(&["gdpr", "init", "--ddl", &none, "--subject", "u"]).fails(2, "there is no table `u`");
    dbopt(&["gdpr", "init", "--ddl", &none, "--subject", "public.u"]).fails(2, "there is no table `public.u`");
    assert_eq!(dbopt(&["gdpr", "init", "--ddl", &none, "--subject", "t"]).code, 0);
    dbopt(&["gdpr", "init", "--ddl", &ddl("CREATE TABLE (((")]).fails(2, "defines no table");
    dbopt(&["gdpr", "init", "--ddl", &none, "--sample", "5"]).fails(2, "--sample");
    let database = Cluster::shared().database();
    let unknown = format!("{} dbname=not_there", database.conn_string());
    assert_eq!(dbopt(&["gdpr", "init", "-d", &unknown]).code, 3);
}
