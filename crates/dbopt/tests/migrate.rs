//! `dbopt migrate` against a real server.

mod support;

use dbopt_testkit::Cluster;
use support::dbopt;

#[test]
fn a_database_is_migrated_once() {
    let database = Cluster::shared().database();
    let target = database.conn_string();
    let status = dbopt(&["migrate", "status", "-d", &target]);
    assert_eq!(status.code, 1, "{}", status.stderr);
    assert!(status.stdout.contains("migrations are pending; `dbopt migrate up` applies them."), "{}", status.stdout);

    let up = dbopt(&["migrate", "up", "-d", &target, "--format", "json"]).json();
    assert_eq!(up["up_to_date"], true);
    assert_eq!(up["applied_now"].as_array().map(Vec::len), up["migrations"].as_array().map(Vec::len));
    let again = dbopt(&["migrate", "up", "-d", &target, "--format", "json"]).json();
    assert_eq!(again["applied_now"], serde_json::json!([]));

    let status = dbopt(&["migrate", "status", "-d", &target, "--format", "json"]).json();
    assert_eq!(status["migrations"][0]["state"], "applied");
    assert_eq!(status["migrations"], again["migrations"]);
}

#[test]
fn a_migration_under_way_elsewhere_is_75() {
    let database = Cluster::shared().database();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _guard = runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&database.conn_string(), tokio_postgres::NoTls).await.expect("a session");
        let connection = tokio::spawn(connection);
        let lock = dbopt_migrate::ADVISORY_LOCK;
        client.batch_execute(&format!("SELECT pg_advisory_lock({lock})")).await.expect("the lock is free");
        (client, connection)
    });
    dbopt(&["migrate", "up", "-d", &database.conn_string()]).fails(75, "another `dbopt migrate up` is working");
}

#[test]
fn what_cannot_be_migrated_is_2_with_a_hint() {
    let database = Cluster::shared().database();
    let target = database.conn_string();
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    database.execute("UPDATE dbopt.migration SET checksum = repeat('0', 64)");
    dbopt(&["migrate", "up", "-d", &target]).fails(2, "was applied with checksum");
    let status = dbopt(&["migrate", "status", "-d", &target]);
    assert_eq!(status.code, 1);
    assert!(status.stdout.contains("changed since it was applied"), "{}", status.stdout);

    let foreign = Cluster::shared().database();
    foreign.execute("CREATE SCHEMA dbopt; CREATE TABLE dbopt.orders (a int)");
    for command in ["status", "up"] {
        dbopt(&["migrate", command, "-d", &foreign.conn_string()]).fails(2, "is not dbopt's own");
    }
    dbopt(&["migrate", "up", "-d", "host=/nonexistent dbname=x"]).fails(3, "cannot connect");
}

/// The grants that docs/migrations.md gives are run as they stand there.
#[test]
fn the_documented_grants_are_valid() {
    let guide = std::fs::read_to_string(support::root().join("docs/migrations.md")).expect("the guide");
    let sql: String = guide.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let cluster = Cluster::builder().start().expect("a cluster starts");
    let database = cluster.database();
    let (before, after) = sql.split_once("-- dbopt migrate up\n").expect("the guide says when to migrate");
    database.execute(before);
    let owner = database.conn_string().replace("user=postgres", "user=dbopt_owner");
    let up = dbopt(&["migrate", "up", "-d", &owner]);
    assert_eq!(up.code, 0, "{}", up.stderr);
    database.execute(after);
    for role in ["dbopt_runner", "dbopt_auditor"] {
        let target = database.conn_string().replace("user=postgres", &format!("user={role}"));
        assert_eq!(dbopt(&["migrate", "status", "-d", &target]).code, 0, "{role}");
        assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0, "nothing to do, for {role}");
    }
}

/// The schema of an unprivileged role is a trap for superusers, whichever command they give.
#[test]
fn a_superuser_does_not_walk_into_the_schema_of_another_role() {
    let database = Cluster::shared().database();
    let (name, target) = (database.name(), database.conn_string());
    database.execute(&format!("CREATE ROLE mallory LOGIN; GRANT CREATE ON DATABASE {name} TO mallory"));
    let hers = target.replace("user=postgres", "user=mallory");
    let up = dbopt(&["migrate", "up", "-d", &hers]);
    assert_eq!(up.code, 0, "{}", up.stderr);
    for command in [["migrate", "up"], ["migrate", "status"], ["audit", "verify"]] {
        let ran = dbopt(&[command[0], command[1], "-d", &target]);
        ran.fails(2, "cannot be trusted: it belongs to `mallory`");
        assert!(ran.stderr.contains("hint: connect as `mallory`"), "{}", ran.stderr);
    }
    let doctor = dbopt(&["doctor", "-d", &target]).stdout;
    assert!(doctor.contains("cannot be trusted: it belongs to `mallory`"), "{doctor}");
    assert_eq!(dbopt(&["migrate", "status", "-d", &hers]).code, 0, "it is her own");
}
