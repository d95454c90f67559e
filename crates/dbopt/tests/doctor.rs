//! `dbopt doctor` against a real server.

mod support;

use dbopt_testkit::{Cluster, Database};
use serde_json::Value;
use support::dbopt;

fn check<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let checks = answer["checks"].as_array().expect("the answer has checks");
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check `{name}` in {checks:#?}"))
}

fn json(more: &[&str]) -> Value {
    let ran = dbopt(&[&["doctor", "--format", "json", "--fail-on", "never"], more].concat());
    ran.json()
}

/// A database with tables of an ordinary owner, and a role that may do nothing with them.
fn database(cluster: &Cluster) -> (Database<'_>, String) {
    let database = cluster.database();
    let name = database.name().to_owned();
    database.execute(&format!(
        "CREATE ROLE owner_{name}; CREATE ROLE reader_{name} LOGIN;
         CREATE SCHEMA \"Shop\" AUTHORIZATION owner_{name};
         CREATE TABLE \"Shop\".orders (id int PRIMARY KEY, note text);
         ALTER TABLE \"Shop\".orders OWNER TO owner_{name};"
    ));
    let target = database.conn_string().replace("user=postgres", &format!("user=reader_{name}"));
    (database, target)
}

#[test]
fn without_a_database_the_machine_is_looked_at() {
    let ran = dbopt(&["doctor"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("Name a database with -d"), "{}", ran.stdout);
    dbopt(&["doctor", "-d", "host=/nonexistent dbname=x"]).fails(3, "cannot connect");
}

#[test]
fn what_a_role_lacks_is_named_with_the_grant_that_helps() {
    let (database, target) = database(Cluster::shared());
    let name = database.name();
    let ran = dbopt(&["doctor", "-d", &target]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let before = json(&["-d", &target]);
    for missing in ["read-tables", "change-tables", "own-schema"] {
        assert_eq!(check(&before, missing)["verdict"], "missing", "{missing}");
    }
    assert!(check(&before, "read-tables")["found"].as_str().is_some_and(|found| found.contains("\"Shop\".orders")));
    assert_eq!(
        check(&before, "change-tables")["fix"],
        serde_json::json!([format!("GRANT owner_{name} TO reader_{name};")])
    );

    for fix in ["read-tables", "monitor", "change-tables", "analysed"] {
        for statement in check(&before, fix)["fix"].as_array().expect("a list") {
            database.execute(statement.as_str().expect("a statement"));
        }
    }
    assert_eq!(dbopt(&["migrate", "up", "-d", &database.conn_string()]).code, 0);
    let after = json(&["-d", &target]);
    for good in ["read-tables", "monitor", "change-tables", "analysed"] {
        assert_eq!(check(&after, good)["verdict"], "good", "{good}");
    }
    // Whoever may read everything still has to be let write there.
    let own = check(&after, "own-schema");
    assert_eq!(own["verdict"], "missing");
    assert_eq!(own["fix"][0], format!("GRANT INSERT ON dbopt.audit_record TO reader_{name};"));
    for statement in own["fix"].as_array().expect("a list").iter().skip(1) {
        database.execute(statement.as_str().expect("a statement"));
    }
    let answer = json(&["-d", &target]);
    let own = check(&answer, "own-schema");
    assert_eq!(own["found"], format!("`reader_{name}` lacks INSERT on dbopt.audit_record"));
    database.execute(own["fix"][0].as_str().expect("a statement"));
    assert_eq!(check(&json(&["-d", &target]), "own-schema")["verdict"], "good");
    let snapshot = dbopt(&["doctor", "-d", &target, "--for", "snapshot", "--fail-on", "limited"]);
    assert_eq!(snapshot.code, 0, "{}", snapshot.stdout);
    assert!(!snapshot.stdout.contains("hypopg"), "{}", snapshot.stdout);
}

/// Everything that is offered for pasting is a statement that the server takes, and afterwards nothing is missing.
#[test]
fn what_is_offered_for_pasting_works() {
    let cluster = Cluster::builder().start().expect("a cluster starts");
    let database = cluster.database();
    database.execute("CREATE TABLE t (id int)");
    let target = database.conn_string();
    let before = json(&["-d", &target]);
    assert_eq!(check(&before, "log_min_duration_statement")["verdict"], "missing");
    let loads = cluster.data_dir().exists() && cluster.has_extension("pg_stat_statements");
    let fixes =
        before["checks"].as_array().expect("checks").iter().filter(|check| loads || check["name"] != "auto_explain");
    let statements: Vec<&str> = fixes
        .flat_map(|check| check["fix"].as_array().expect("a list"))
        .filter_map(Value::as_str)
        .filter(|fix| fix.ends_with(';'))
        .collect();
    assert!(statements.len() > 5, "{statements:?}");
    // One session, as when they are pasted into psql.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&target, tokio_postgres::NoTls).await.expect("the server answers");
        let connection = tokio::spawn(connection);
        for statement in &statements {
            client.batch_execute(statement).await.unwrap_or_else(|error| panic!("`{statement}`: {error:?}"));
        }
        drop(client);
        connection.await.expect("the task ends").expect("the session ends well");
    });
    let after = json(&["-d", &target, "--for", "logs"]);
    for good in ["log_min_duration_statement", "log_line_prefix"] {
        assert_eq!(check(&after, good)["verdict"], "good", "{good}");
    }
}

#[test]
fn old_transactions_slots_and_invalid_indexes_are_seen() {
    let cluster = Cluster::builder().setting("wal_level", "replica").start().expect("a cluster starts");
    let database = cluster.database();
    database.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1)");
    database.execute("SELECT pg_create_physical_replication_slot('left', true)");
    let build = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        database.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (id)");
    }));
    assert!(build.is_err(), "the values are not unique");
    let answer = json(&["-d", &database.conn_string()]);
    assert_eq!(check(&answer, "slots")["verdict"], "limited");
    assert!(check(&answer, "slots")["found"].as_str().is_some_and(|found| found.contains("`left` (inactive")));
    assert_eq!(check(&answer, "valid-indexes")["fix"], serde_json::json!(["DROP INDEX CONCURRENTLY public.broken;"]));
    assert_eq!(check(&answer, "version")["verdict"], "good");
}
