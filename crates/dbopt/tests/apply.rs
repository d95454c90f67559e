//! `dbopt apply` against a real server.

mod support;

use std::time::Duration;

use dbopt_testkit::{Cluster, Database};
use serde_json::{Value, json};
use support::dbopt;
use tempfile::TempDir;

const SCHEMA: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, note text);
    CREATE INDEX orders_status ON orders (status);
    CREATE INDEX orders_status_again ON orders (status);
    INSERT INTO orders SELECT n, 1 + n * 7919 % 2000, CASE WHEN n % 50 = 0 THEN 'open' ELSE 'done' END, repeat('x', 80)
        FROM generate_series(1, 60000) n;
    ANALYZE;";

/// A dry run that is through, as something to paste.
const NOTHING: &str = "-- There is nothing to do.\n";

/// A migrated database with a table, and its target.
fn shop(cluster: &Cluster) -> (Database<'_>, String) {
    let database = cluster.database();
    database.execute(SCHEMA);
    let target = database.conn_string();
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    (database, target)
}

/// A file in a folder of its own.
fn file(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("the file is written");
    path.display().to_string()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// An advice of one index.
fn advice(table: &str, name: &str, keys: &[&str], sql: &[&str], rollback: &str) -> Value {
    json!({
        "schema_version": 1,
        "create": [{
            "schema": "public", "table": table, "name": name, "keys": keys, "include": [], "predicate": null,
            "method": "btree", "sql": sql, "rollback": [rollback], "bytes": 1e6, "build_seconds": 1.0, "replaces": [],
        }],
        "drop": [],
    })
}

/// An index on `orders.customer_id`.
fn simple() -> Value {
    advice(
        "orders",
        "orders_customer_id_idx",
        &["customer_id"],
        &["CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders USING btree (customer_id);"],
        "DROP INDEX CONCURRENTLY IF EXISTS public.orders_customer_id_idx;",
    )
}

fn indexes(database: &Database<'_>) -> String {
    database.value(
        "SELECT coalesce(string_agg(indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' invalid' END, ', ' \
             ORDER BY indexrelid::regclass::text COLLATE \"C\"), '') \
         FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
         WHERE relnamespace = 'public'::regnamespace AND NOT indisprimary",
    )
}

/// The statements in the log of sessions of the runner that define something.
fn logged(cluster: &Cluster) -> Vec<String> {
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    let statements = log.lines().filter(|line| line.starts_with("dbopt-run|"));
    statements.filter_map(|line| line.split_once("statement: ")).map(|(_, sql)| sql.to_owned()).collect()
}

#[test]
fn advice_is_applied_as_the_dry_run_says_and_taken_back() {
    let cluster = Cluster::builder().setting("log_statement", "ddl").setting("log_line_prefix", "%a|");
    let cluster = cluster.start().expect("a cluster");
    let database = cluster.database();
    database.execute(SCHEMA);
    let target = database.conn_string();
    let folder = folder();
    let queries = file(&folder, "queries.sql", "SELECT id, note FROM orders WHERE customer_id = 5;\n");
    let advised = dbopt(&["advise", "--sql", &queries, "-d", &target, "--engine", "model", "--format", "json"]).json();
    assert_eq!(
        (advised["create"].as_array().map(Vec::len), advised["drop"].as_array().map(Vec::len)),
        (Some(1), Some(1))
    );
    let advice = file(&folder, "advice.json", &serde_json::to_string_pretty(&advised).expect("it is JSON"));

    dbopt(&["apply", &advice, "-d", &target]).fails(2, "hint: run `dbopt migrate up -d ");
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    let dry = dbopt(&["apply", &advice, "-d", &target, "--drop", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert_eq!(logged(&cluster), [""; 0], "a dry run defines nothing");

    let done = dbopt(&["apply", &advice, "-d", &target, "--drop", "--format", "json"]).json();
    assert_eq!(logged(&cluster), dry.stdout.lines().collect::<Vec<_>>());
    let [create, drop] = done["steps"].as_array().map(Vec::as_slice).expect("steps") else { panic!("{done}") };
    assert_eq!((&create["kind"], &create["outcome"]), (&json!("create-index"), &json!("done")));
    assert_eq!((&drop["kind"], &drop["outcome"]), (&json!("drop-index"), &json!("done")));
    let name = create["name"].as_str().expect("a name");
    assert_eq!(create["bytes_after"].to_string(), database.value(&format!("SELECT pg_relation_size('{name}')")));
    assert_eq!(create["predicted_bytes"], advised["create"][0]["bytes"]);
    let dropped = drop["name"].as_str().expect("a name");
    assert!(dropped.starts_with("orders_status"), "{dropped}");
    assert!(!indexes(&database).split(", ").any(|index| index == dropped), "{}", indexes(&database));

    let again = dbopt(&["apply", &advice, "-d", &target, "--drop", "--format", "json"]).json();
    assert_eq!(again["steps"][0]["outcome"], "skipped");
    assert_eq!(again["steps"][1]["outcome"], "skipped");
    assert_eq!(logged(&cluster).len(), 2, "nothing more was defined");
    assert_eq!(dbopt(&["apply", &advice, "-d", &target, "--drop", "--dry-run"]).stdout, NOTHING);

    let dry = dbopt(&["apply", &advice, "-d", &target, "--rollback", "--dry-run"]);
    let back = dbopt(&["apply", &advice, "-d", &target, "--rollback"]);
    assert_eq!(back.code, 0, "{}", back.stderr);
    assert!(back.stdout.contains("drop-index"), "{}", back.stdout);
    assert_eq!(logged(&cluster)[2..], dry.stdout.lines().collect::<Vec<_>>());
    assert!(!indexes(&database).contains(name));
    assert!(indexes(&database).split(", ").any(|index| index == dropped), "{}", indexes(&database));

    // Each change is in the audit, before and after, and the chain is whole.
    assert_eq!(dbopt(&["audit", "verify", "-d", &target]).code, 0);
    let audited = database.query(
        "SELECT action, d->>'stage', d->>'object', coalesce(d->>'outcome', d->>'statement') \
         FROM (SELECT sequence, action, details::jsonb AS d FROM dbopt.audit_record) r ORDER BY sequence",
    );
    let audited: Vec<String> =
        audited.iter().map(|row| row.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")).collect();
    let mut expected = Vec::new();
    let changes = [("create-index", name), ("drop-index", dropped), ("create-index", dropped), ("drop-index", name)];
    for ((kind, object), statement) in changes.into_iter().zip(logged(&cluster)) {
        expected.push(format!("apply.{kind} begun {object} {statement}"));
        expected.push(format!("apply.{kind} ended {object} done"));
    }
    assert_eq!(audited, expected);
}

#[test]
fn an_index_that_dbopt_did_not_create_is_not_rolled_back() {
    let (database, target) = shop(Cluster::shared());
    database.execute("CREATE INDEX orders_customer_id_idx ON orders (customer_id)");
    let folder = folder();
    let advice = file(&folder, "advice.json", &simple().to_string());
    let back = dbopt(&["apply", &advice, "-d", &target, "--rollback"]);
    assert_eq!(back.code, 6, "{}", back.stderr);
    assert!(back.stderr.contains("the history does not prove that dbopt created it"), "{}", back.stderr);
    assert!(indexes(&database).contains("orders_customer_id_idx"));
}

#[test]
fn an_advice_that_was_edited_is_refused_where_it_was() {
    let (database, target) = shop(Cluster::shared());
    let folder = folder();
    let before = indexes(&database);
    let check = |edit: &dyn Fn(&mut Value), message: &str| {
        let mut advice = simple();
        edit(&mut advice);
        let text = serde_json::to_string_pretty(&advice).expect("it is JSON");
        let path = file(&folder, "edited.json", &text);
        for flag in ["--drop", "--rollback", "--dry-run"] {
            dbopt(&["apply", &path, "-d", &target, flag]).fails(2, message);
        }
        dbopt(&["apply", &path, "-d", &target]).fails(2, "edited.json:");
    };
    check(&|advice| advice["create"][0]["sql"][0] = json!("DROP TABLE orders;"), "[statement-differs]");
    check(&|advice| advice["create"][0]["rollback"][0] = json!("DROP TABLE orders;"), "[statement-differs]");
    check(&|advice| advice["create"][0]["keys"][0] = json!("customer"), "has no column `customer`");
    check(
        &|advice| advice["create"][0]["keys"][0] = json!("customer_id); DROP TABLE orders; --"),
        "is no key of an index",
    );
    check(&|advice| advice["create"][0]["table"] = json!("nothing"), "has no table `public.nothing`");
    check(
        &|advice| {
            let predicate = "true; DROP TABLE public.orders";
            advice["create"][0]["predicate"] = json!(predicate);
            let sql = "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders USING btree (customer_id)";
            advice["create"][0]["sql"][0] = json!(format!("{sql} WHERE {predicate};"));
        },
        "[not-one-statement]",
    );
    check(&|advice| *advice = json!({"schema_version": 1}), "missing field `create`");
    assert_eq!(indexes(&database), before);
}

#[test]
fn an_index_that_changed_since_is_not_dropped() {
    let (database, target) = shop(Cluster::shared());
    let mut advice = simple();
    advice["create"] = json!([]);
    advice["drop"] = json!([{
        "schema": "public", "table": "orders", "name": "orders_status_again",
        "sql": "DROP INDEX CONCURRENTLY public.orders_status_again;",
        "rollback": "CREATE INDEX CONCURRENTLY orders_status_again ON public.orders USING btree (note);",
    }]);
    let folder = folder();
    let path = file(&folder, "advice.json", &advice.to_string());
    dbopt(&["apply", &path, "-d", &target, "--drop"]).fails(2, "is not the index that the advice is about");
    assert!(indexes(&database).contains("orders_status_again"));
    // Without --drop it does not matter.
    let ran = dbopt(&["apply", &path, "-d", &target]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("nothing to do"), "{}", ran.stdout);
}

#[test]
fn an_index_that_serves_more_than_queries_is_not_dropped() {
    let (database, target) = shop(Cluster::shared());
    database.execute(
        "CREATE UNIQUE INDEX orders_once ON orders (id, note); CREATE UNIQUE INDEX orders_twice ON orders (note, id);
         CREATE UNIQUE INDEX orders_twice_again ON orders (note, id)",
    );
    let folder = folder();
    let drop = |name: &str, keys: &str| {
        let advice = json!({"schema_version": 1, "create": [], "drop": [{
            "schema": "public", "table": "orders", "name": name,
            "sql": format!("DROP INDEX CONCURRENTLY public.{name};"),
            "rollback": format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON public.orders USING btree ({keys});"),
        }]});
        dbopt(&["apply", &file(&folder, "advice.json", &advice.to_string()), "-d", &target, "--drop"])
    };
    drop("orders_pkey", "id").fails(2, "`orders_pkey` is not dropped: a constraint stands on it");
    drop("orders_once", "id, note").fails(2, "it keeps rows unique, and no other index does");
    let twin = drop("orders_twice", "note, id");
    assert_eq!(twin.code, 0, "{}", twin.stderr);
    drop("orders_twice_again", "note, id").fails(2, "it keeps rows unique");
}

#[test]
fn a_partitioned_table_gets_its_index_part_by_part() {
    let (database, target) = shop(Cluster::shared());
    database.execute(
        "CREATE TABLE events (at int, kind int) PARTITION BY RANGE (at);
         CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
         CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (1000) TO (2000);
         INSERT INTO events SELECT n, n FROM generate_series(0, 1999) n;",
    );
    let statements = [
        "CREATE INDEX events_kind_idx ON ONLY public.events USING btree (kind);",
        "CREATE INDEX CONCURRENTLY events_1_kind_idx ON public.events_1 USING btree (kind);",
        "ALTER INDEX public.events_kind_idx ATTACH PARTITION public.events_1_kind_idx;",
        "CREATE INDEX CONCURRENTLY events_2_kind_idx ON public.events_2 USING btree (kind);",
        "ALTER INDEX public.events_kind_idx ATTACH PARTITION public.events_2_kind_idx;",
    ];
    let rollback = "DROP INDEX IF EXISTS public.events_kind_idx;";
    let advice = advice("events", "events_kind_idx", &["kind"], &statements, rollback);
    let folder = folder();
    let path = file(&folder, "advice.json", &advice.to_string());
    let parts = "events_1_k, events_1_kind, events_1_kind_idx, events_2_kind_idx, events_kind_idx";
    // As if an earlier run had been killed after its second statement.
    for statement in &statements[..2] {
        database.execute(statement);
    }
    let dry = dbopt(&["apply", &path, "-d", &target, "--dry-run"]);
    assert_eq!(dry.stdout.lines().collect::<Vec<_>>(), statements[2..], "{}", dry.stderr);
    database.execute(rollback);
    database.execute("DROP INDEX events_1_kind_idx");
    // Indexes whose names are in the way, or only begin alike, change nothing.
    database.execute("CREATE INDEX events_1_kind ON events_1 (kind); CREATE INDEX events_1_k ON events_1 (kind)");

    let done = dbopt(&["apply", &path, "-d", &target, "--format", "json"]);
    assert_eq!(done.code, 0, "{}{}", done.stderr, done.stdout);
    assert!(indexes(&database).starts_with(parts), "{}", indexes(&database));
    // At the end the whole is looked at, and its size compared.
    let done = done.json();
    let last = done["steps"].as_array().and_then(|steps| steps.last()).expect("a step");
    assert_eq!(
        (&last["kind"], &last["name"], &last["outcome"]),
        (&json!("verify-index"), &json!("events_kind_idx"), &json!("done"))
    );
    assert_eq!(last["predicted_bytes"], json!(1e6));
    let audited = database.value(
        "SELECT string_agg(substr(action, 7) || ' ' || (details::jsonb->>'stage'), ', ' ORDER BY sequence) \
         FROM dbopt.audit_record",
    );
    let [parent, build, attach] =
        ["create-parent-index", "create-index", "attach-index"].map(|kind| format!("{kind} begun, {kind} ended"));
    assert_eq!(audited, [&parent, &build, &attach, &build, &attach].map(String::as_str).join(", "));
    assert_eq!(
        last["bytes_after"].to_string(),
        database.value("SELECT pg_relation_size('events_1_kind_idx') + pg_relation_size('events_2_kind_idx')")
    );
    assert_eq!(dbopt(&["apply", &path, "-d", &target, "--dry-run"]).stdout, NOTHING);
    let back = dbopt(&["apply", &path, "-d", &target, "--rollback"]);
    assert_eq!(back.code, 0, "{}{}", back.stderr, back.stdout);
    assert!(!indexes(&database).contains("kind_idx"), "{}", indexes(&database));
}

/// A partitioned table of two partitions and an advice of an index on it.
fn events(database: &Database<'_>, folder: &TempDir) -> String {
    database.execute(
        "CREATE TABLE events (at int, kind int) PARTITION BY RANGE (at);
         CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
         CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (1000) TO (2000);
         INSERT INTO events SELECT n, n FROM generate_series(0, 1999) n;",
    );
    let statements = [
        "CREATE INDEX events_kind_idx ON ONLY public.events USING btree (kind);",
        "CREATE INDEX CONCURRENTLY events_1_kind_idx ON public.events_1 USING btree (kind);",
        "ALTER INDEX public.events_kind_idx ATTACH PARTITION public.events_1_kind_idx;",
        BUILD_2,
        "ALTER INDEX public.events_kind_idx ATTACH PARTITION public.events_2_kind_idx;",
    ];
    let rollback = "DROP INDEX IF EXISTS public.events_kind_idx;";
    let advice = advice("events", "events_kind_idx", &["kind"], &statements, rollback);
    file(folder, "events.json", &advice.to_string())
}

const BUILD_2: &str = "CREATE INDEX CONCURRENTLY events_2_kind_idx ON public.events_2 USING btree (kind);";

/// As if the run that worked on an index had been killed after its last statement, before it could write that down.
fn forget(database: &Database<'_>, index: &str) {
    database.execute(&format!(
        "UPDATE dbopt.journal SET closed_at = NULL \
         WHERE id = (SELECT max(id) FROM dbopt.journal WHERE object = '{index}' AND statement NOT LIKE 'ALTER%'); \
         DELETE FROM dbopt.history WHERE object = '{index}'; \
         UPDATE dbopt.run SET ended_at = NULL, outcome = NULL WHERE id = (SELECT max(id) FROM dbopt.run)"
    ));
}

#[test]
fn a_half_applied_partitioned_index_is_rolled_back_whole() {
    let (database, target) = shop(Cluster::shared());
    let folder = folder();
    let path = events(&database, &folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        // The build on the second partition waits for a writer.
        let (writer, connection) =
            tokio_postgres::connect(&database.conn_string(), tokio_postgres::NoTls).await.expect("a session");
        tokio::spawn(connection);
        writer.batch_execute("BEGIN; INSERT INTO events_2 VALUES (1500, 1)").await.expect("it writes");
        let mut command = support::command();
        command.args(["apply", &path, "-d", &target]).stdout(std::process::Stdio::null());
        let mut child = command.stderr(std::process::Stdio::null()).spawn().expect("the binary starts");
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !indexes(&database).contains("events_2_kind_idx invalid") {
            assert!(std::time::Instant::now() < deadline, "the build never began");
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        // The server notices before the build could be completed.
        let working = "SELECT count(*) FROM pg_stat_activity \
                       WHERE application_name = 'dbopt-run' AND datname = current_database()";
        while database.value(working) != "0" {
            assert!(std::time::Instant::now() < deadline, "the build goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
        writer.batch_execute("COMMIT").await.expect("nobody disturbed it");
    });
    let left = indexes(&database);
    assert!(left.starts_with("events_1_kind_idx, events_2_kind_idx invalid, events_kind_idx invalid"), "{left}");
    let dry = dbopt(&["apply", &path, "-d", &target, "--rollback", "--dry-run"]);
    let expected =
        ["DROP INDEX IF EXISTS public.events_kind_idx;", "DROP INDEX CONCURRENTLY IF EXISTS public.events_2_kind_idx;"];
    assert_eq!(dry.stdout.lines().collect::<Vec<_>>(), expected, "{}", dry.stderr);
    let back = dbopt(&["apply", &path, "-d", &target, "--rollback"]);
    assert_eq!(back.code, 0, "{}{}", back.stderr, back.stdout);
    assert!(!indexes(&database).contains("kind_idx"), "{}", indexes(&database));
    assert_eq!(dbopt(&["audit", "verify", "-d", &target]).code, 0);
}

#[test]
fn what_was_built_and_not_attached_is_rolled_back_when_it_is_ours() {
    let (database, target) = shop(Cluster::shared());
    let folder = folder();
    let path = events(&database, &folder);
    assert_eq!(dbopt(&["apply", &path, "-d", &target]).code, 0);
    // Killed after the second build; and no word yet of the parent either.
    database.execute("DROP INDEX events_kind_idx; CREATE INDEX events_kind_idx ON ONLY events (kind)");
    database.execute("CREATE INDEX events_2_kind_idx ON events_2 (kind)");
    forget(&database, "events_2_kind_idx");
    forget(&database, "events_kind_idx");
    let back = dbopt(&["apply", &path, "-d", &target, "--rollback"]);
    assert_eq!(back.code, 0, "{}{}", back.stderr, back.stdout);
    assert!(!indexes(&database).contains("kind_idx"), "{}", indexes(&database));

    // The same by somebody else's hand is left.
    database.execute(
        "CREATE INDEX events_kind_idx ON ONLY events (kind); CREATE INDEX events_2_kind_idx ON events_2 (kind)",
    );
    let back = dbopt(&["apply", &path, "-d", &target, "--rollback"]);
    assert_eq!(back.code, 6, "{}{}", back.stderr, back.stdout);
    assert!(indexes(&database).starts_with("events_2_kind_idx, events_kind_idx invalid"), "{}", indexes(&database));
    assert_eq!(back.stderr.matches("is left: the history does not prove").count(), 2, "{}", back.stderr);
}

#[test]
fn an_index_that_was_only_attached_keeps_its_parent_and_new_partitions_do_not() {
    let (database, target) = shop(Cluster::shared());
    let folder = folder();
    let path = events(&database, &folder);
    database.execute("CREATE INDEX events_1_kind_idx ON events_1 (kind)");
    assert_eq!(dbopt(&["apply", &path, "-d", &target]).code, 0);
    let back = dbopt(&["apply", &path, "-d", &target, "--rollback"]);
    assert_eq!(back.code, 6, "{}{}", back.stderr, back.stdout);
    assert!(back.stderr.contains("`public.events_1_kind_idx` would go with it"), "{}", back.stderr);
    assert!(indexes(&database).starts_with("events_1_kind_idx, events_2_kind_idx, events_kind_idx"));
    // What a new partition got from the server goes with the index.
    database.execute("DROP INDEX events_kind_idx");
    assert_eq!(dbopt(&["apply", &path, "-d", &target]).code, 0);
    database.execute("CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (2000) TO (3000)");
    assert!(indexes(&database).contains("events_3_kind_idx"));
    dbopt(&["apply", &path, "-d", &target]).fails(2, "[statement-differs]");
    let back = dbopt(&["apply", &path, "-d", &target, "--rollback"]);
    assert_eq!(back.code, 0, "{}{}", back.stderr, back.stdout);
    assert!(!indexes(&database).contains("kind_idx"), "{}", indexes(&database));
}

#[test]
fn what_was_dropped_is_made_again_as_it_was() {
    let (database, target) = shop(Cluster::shared());
    database.execute("CREATE INDEX orders_open ON orders (note DESC, id) INCLUDE (customer_id) WHERE status = 'open'");
    let before = database.value("SELECT pg_get_indexdef('orders_open'::regclass)");
    let mut advice = simple();
    advice["create"] = json!([]);
    advice["drop"] = json!([{
        "schema": "public", "table": "orders", "name": "orders_open", "sql": "DROP INDEX CONCURRENTLY public.orders_open;",
        "rollback": format!("{};", before.replacen("INDEX", "INDEX CONCURRENTLY", 1)),
    }]);
    let folder = folder();
    let path = file(&folder, "advice.json", &advice.to_string());
    let back = || dbopt(&["apply", &path, "-d", &target, "--rollback", "--format", "json"]);
    for is_forgotten in [false, true] {
        assert_eq!(dbopt(&["apply", &path, "-d", &target, "--drop"]).code, 0);
        assert!(!indexes(&database).contains("orders_open"));
        if is_forgotten {
            forget(&database, "orders_open");
        }
        let ran = back();
        assert_eq!(ran.code, 0, "{}{}", ran.stderr, ran.stdout);
        assert_eq!(database.value("SELECT pg_get_indexdef('orders_open'::regclass)"), before);
        assert!(!indexes(&database).contains("invalid"));
    }
    let again = back().json();
    assert_eq!(again["steps"], json!([]), "the last thing known of it is that it was made");
    // Dropped by somebody else, it is not made again, and that is said.
    database.execute("DROP INDEX orders_open");
    let ran = back();
    assert_eq!(ran.code, 6, "{}{}", ran.stderr, ran.stdout);
    assert!(ran.stdout.contains("the history does not know that dbopt dropped it"), "{}", ran.stdout);
    // Dropped by dbopt, and another by then: the advice is not about it.
    database.execute("CREATE INDEX orders_open ON orders (note DESC, id) INCLUDE (customer_id) WHERE status = 'open'");
    assert_eq!(dbopt(&["apply", &path, "-d", &target, "--drop"]).code, 0);
    let edited = path.replace("advice.json", "edited.json");
    let text = std::fs::read_to_string(&path).expect("it is there").replace("note DESC", "note");
    std::fs::write(&edited, text).expect("it is written");
    let ran = dbopt(&["apply", &edited, "-d", &target, "--rollback"]);
    assert_eq!(ran.code, 6, "{}{}", ran.stderr, ran.stdout);
    assert!(ran.stderr.contains("what dbopt dropped was another"), "{}", ran.stderr);
    assert!(!indexes(&database).contains("orders_open"));
}

#[test]
fn all_faults_of_an_advice_are_told_at_once() {
    let (_database, target) = shop(Cluster::shared());
    let mut advice = simple();
    let mut second = advice["create"][0].clone();
    advice["create"][0]["table"] = json!("nothing");
    second["keys"][0] = json!("customer");
    second["rollback"][0] = json!("DROP TABLE orders;");
    advice["create"].as_array_mut().expect("a list").push(second);
    advice["drop"] = json!([{"schema": "public", "table": "orders", "name": "orders_pkey", "sql": "DROP TABLE orders;",
        "rollback": ""}]);
    let folder = folder();
    let text = serde_json::to_string_pretty(&advice).expect("it is JSON");
    let path = file(&folder, "advice.json", &text);
    let ran = dbopt(&["apply", &path, "-d", &target, "--drop"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    let line = |part: &str, nth: usize| {
        text.lines().enumerate().filter(|(_, line)| line.contains(part)).nth(nth).expect("it is there").0 + 1
    };
    // Each is placed in its own entry, though other entries have the same strings.
    for (line, message) in [
        (line("\"nothing\"", 0), "has no table `public.nothing`"),
        (line("\"customer\"", 0), "has no column `customer`"),
        (line("\"DROP TABLE orders;\"", 1), "[statement-differs]"),
    ] {
        let placed = format!("advice.json:{line}:");
        assert!(
            ran.stderr.lines().any(|told| told.contains(&placed)) && ran.stderr.contains(message),
            "{placed} {message}\n{}\n{text}",
            ran.stderr
        );
    }
}

#[test]
fn what_is_in_the_way_decides_the_exit_code() {
    let (database, target) = shop(Cluster::shared());
    let folder = folder();
    let path = file(&folder, "advice.json", &simple().to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let session = |sql: &str| {
        runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&database.conn_string(), tokio_postgres::NoTls).await.expect("a session");
            let connection = tokio::spawn(connection);
            client.batch_execute(sql).await.expect("the statement runs");
            (client, connection)
        })
    };
    let end = |(client, connection): (tokio_postgres::Client, tokio::task::JoinHandle<_>)| {
        drop(client);
        let ended: Result<(), tokio_postgres::Error> = runtime.block_on(connection).expect("the task ends");
        ended.expect("nobody disturbed it");
    };
    let lock = session(&format!("SELECT pg_advisory_lock({})", dbopt_run::ADVISORY_LOCK));
    dbopt(&["apply", &path, "-d", &target]).fails(75, "another run is working on this database: process");
    end(lock);

    let stop = file(&folder, "stop", "");
    let ran = dbopt(&["apply", &path, "-d", &target, "--stop-file", &stop, "--format", "json"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stdout.contains("the stop file"), "{}", ran.stdout);

    let old = session("BEGIN; SELECT pg_current_xact_id()");
    std::thread::sleep(Duration::from_millis(1100));
    let ran = dbopt(&["apply", &path, "-d", &target, "--old-transaction", "1s", "--format", "json"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stdout.contains("it would wait for an old transaction: process"), "{}", ran.stdout);
    end(old);

    let policy = |text: &str| file(&folder, "policy.toml", &format!("policy = \"run\"\nversion = 1\n{text}"));
    let small = policy("disk_free = \"1MB\"\n");
    let ran = dbopt(&["apply", &path, "-d", &target, "--policy", &small, "--format", "json"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stdout.contains("it may need 2000000 bytes of disk"), "{}", ran.stdout);
    assert!(ran.stdout.contains("and 1048576 are left of the policy's `disk_free`"), "{}", ran.stdout);

    database.execute("CREATE TABLE events (at int, kind int) PARTITION BY RANGE (at)");
    database.execute("CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000)");
    let statements = [
        "CREATE INDEX events_kind_idx ON ONLY public.events USING btree (kind);",
        "CREATE INDEX CONCURRENTLY events_1_kind_idx ON public.events_1 USING btree (kind);",
        "ALTER INDEX public.events_kind_idx ATTACH PARTITION public.events_1_kind_idx;",
    ];
    let rollback = "DROP INDEX IF EXISTS public.events_kind_idx;";
    let parts = advice("events", "events_kind_idx", &["kind"], &statements, rollback);
    let parts = file(&folder, "parts.json", &parts.to_string());
    let hasty = policy("[locks]\ntimeout = \"100ms\"\ntries = 2\nfirst_pause = \"10ms\"\n");
    let writer = session("BEGIN; INSERT INTO events VALUES (1, 1)");
    let ran = dbopt(&["apply", &parts, "-d", &target, "--policy", &hasty, "--format", "json"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stdout.contains("its lock was not to be had in 2 tries: process"), "{}", ran.stdout);
    end(writer);
    assert_eq!(dbopt(&["apply", &parts, "-d", &target]).code, 0);

    database.execute("DROP TABLE orders; CREATE TABLE orders (customer_id int)");
    database.execute("CREATE TABLE orders_customer_id_idx ()");
    let ran = dbopt(&["apply", &path, "-d", &target, "--format", "json"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stdout.contains("something that is no index has this name"), "{}", ran.stdout);
}

/// The grants that docs/run.md lists are enough, without superuser.
#[test]
fn an_owner_with_the_documented_grants_can_apply() {
    let (database, target) = shop(Cluster::shared());
    database.execute(
        "CREATE ROLE keeper LOGIN; ALTER TABLE orders OWNER TO keeper; GRANT CREATE ON SCHEMA public TO keeper;
         GRANT USAGE ON SCHEMA dbopt TO keeper; GRANT SELECT ON dbopt.migration TO keeper;
         GRANT SELECT, INSERT, UPDATE ON dbopt.run, dbopt.journal TO keeper;
         GRANT SELECT, INSERT, DELETE ON dbopt.history TO keeper;",
    );
    let target = target.replace("user=postgres", "user=keeper");
    let folder = folder();
    let path = file(&folder, "advice.json", &simple().to_string());
    let grant = "GRANT SELECT, INSERT ON dbopt.audit_record TO keeper;";
    let ran = dbopt(&["apply", &path, "-d", &target]);
    assert_eq!(ran.code, 0, "{}{}", ran.stderr, ran.stdout);
    assert_eq!(ran.stderr.matches(grant).count(), 1, "{}", ran.stderr);
    let strict = file(&folder, "strict.toml", "policy = \"run\"\nversion = 1\naudit = \"required\"\n");
    dbopt(&["apply", &path, "-d", &target, "--rollback", "--policy", &strict]).fails(2, grant);
    database.execute(grant);
    let back = dbopt(&["apply", &path, "-d", &target, "--rollback", "--policy", &strict]);
    assert_eq!(back.code, 0, "{}{}", back.stderr, back.stdout);
    assert!(!back.stderr.contains("audit record"), "{}", back.stderr);
    assert_eq!(database.value("SELECT count(*) FROM dbopt.audit_record"), "2");
    // A record that is damaged has nothing put after it, and nothing is changed without one.
    database.execute(
        "ALTER TABLE dbopt.audit_record DISABLE TRIGGER USER; UPDATE dbopt.audit_record SET actor = 'x' WHERE sequence = 2",
    );
    let ran = dbopt(&["apply", &path, "-d", &target, "--format", "json"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: run `dbopt audit verify`"), "{}", ran.stderr);
    assert!(ran.stdout.contains("\"outcome\": \"lost\""), "{}", ran.stdout);
    assert!(!indexes(&database).contains("orders_customer_id_idx"));
    database.execute("TRUNCATE dbopt.audit_record");
    // Somebody else's table is not its to index.
    database.execute("ALTER TABLE orders OWNER TO postgres");
    let ran = dbopt(&["apply", &path, "-d", &target, "--format", "json"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stdout.contains("must be owner of table orders"), "{}", ran.stdout);
}

/// A SIGTERM finishes the step that is being done; what is left is deferred.
#[test]
fn a_signal_finishes_the_step_and_defers_the_rest() {
    let (database, target) = shop(Cluster::shared());
    database.execute("CREATE TABLE other (a int)");
    let mut advice = simple();
    let mut second = advice["create"][0].clone();
    second["name"] = json!("orders_note_idx");
    second["keys"] = json!(["note"]);
    second["sql"] = json!(["CREATE INDEX CONCURRENTLY orders_note_idx ON public.orders USING btree (note);"]);
    second["rollback"] = json!(["DROP INDEX CONCURRENTLY IF EXISTS public.orders_note_idx;"]);
    advice["create"].as_array_mut().expect("a list").push(second);
    let folder = folder();
    let path = file(&folder, "advice.json", &advice.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (reader, connection) =
            tokio_postgres::connect(&database.conn_string(), tokio_postgres::NoTls).await.expect("a session");
        tokio::spawn(connection);
        reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other").await.expect("it reads");
        let mut command = support::command();
        command.args(["apply", &path, "-d", &target, "--format", "json"]);
        let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
        let child = child.expect("the binary starts");
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !indexes(&database).contains("invalid") {
            assert!(std::time::Instant::now() < deadline, "the build never began");
            std::thread::sleep(Duration::from_millis(20));
        }
        let kill = std::process::Command::new("sh").arg("-c").arg(format!("kill -TERM {}", child.id())).status();
        assert!(kill.expect("sh can be run").success());
        std::thread::sleep(Duration::from_millis(200));
        reader.batch_execute("COMMIT").await.expect("nobody disturbed it");
        let ran = support::ran(child.wait_with_output().expect("it ends"));
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        let view: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
        let outcomes = [&view["steps"][0]["outcome"], &view["steps"][1]["outcome"]];
        assert_eq!(outcomes, [&json!("done"), &json!("deferred")]);
    });
    assert_eq!(indexes(&database), "orders_customer_id_idx, orders_status, orders_status_again");
}

#[test]
fn a_policy_says_when_and_how_carefully() {
    let (database, target) = shop(Cluster::shared());
    let folder = folder();
    let path = file(&folder, "advice.json", &simple().to_string());
    let policy = |name: &str, more: &str| file(&folder, name, &format!("policy = \"run\"\nversion = 1\n{more}"));
    let apply = |policy: &str| dbopt(&["apply", &path, "-d", &target, "--policy", policy]);

    apply(&policy("bad.toml", "oldest_transactoin = \"1m\"\n")).fails(2, "cannot be used, and nothing was done");
    // A window of an hour on the day that is neither yesterday, today nor tomorrow anywhere.
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let away = days[(now.weekday().to_monday_zero_offset() as usize + 3) % 7];
    let closed = format!("[[window]]\ndays = [\"{away}\"]\nfrom = \"01:00\"\nto = \"02:00\"\nzone = \"UTC\"\n");
    apply(&policy("closed.toml", &closed)).fails(4, "the next one opens at");
    assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname = 'orders_customer_id_idx'"), "0");

    let stop = file(&folder, "stop", "");
    let stopped = apply(&policy("stopped.toml", &format!("stop_file = \"{stop}\"\n")));
    assert_eq!(stopped.code, 4, "{}", stopped.stderr);
    let done = apply(&policy("open.toml", ""));
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname = 'orders_customer_id_idx'"), "1");
}

#[test]
fn what_the_server_would_refuse_is_found_by_the_dry_run() {
    let (database, target) = shop(Cluster::shared());
    let folder = folder();
    let refused = |change: &dyn Fn(&mut Value), text: &str| {
        let mut advice = simple();
        change(&mut advice["create"][0]);
        let path = file(&folder, "advice.json", &advice.to_string());
        dbopt(&["apply", &path, "-d", &target, "--dry-run"]).fails(2, text);
    };
    let partial = |predicate: &str| {
        let sql = "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders USING btree (customer_id)";
        let sql = format!("{sql} WHERE {predicate};");
        let predicate = predicate.to_owned();
        move |create: &mut Value| {
            create["predicate"] = json!(predicate);
            create["sql"] = json!([sql]);
        }
    };
    refused(&partial("(customer_id = = 1)"), "syntax error");
    refused(&partial("(nowhere = 1)"), "column \"nowhere\" does not exist");
    refused(&partial("(id = 'secret')"), "invalid input syntax for type integer: \"…\"");
    refused(&|create| create["bytes"] = json!(-5), "`bytes` is not from 0 to 1e15");
    let long = "i".repeat(64);
    refused(
        &|create| {
            create["sql"] = json!([create["sql"][0].as_str().expect("text").replace("orders_customer_id_idx", &long)]);
            create["name"] = json!(long);
        },
        "longer than 63 bytes",
    );
    let path = file(&folder, "advice.json", &simple().to_string());
    database.execute("CREATE INDEX orders_customer_id_idx ON orders (id, customer_id)");
    dbopt(&["apply", &path, "-d", &target, "--dry-run"]).fails(2, "another index has this name");
    database.execute("DROP INDEX orders_customer_id_idx; CREATE INDEX orders_customer_id_idx ON orders (customer_id)");
    let ran = dbopt(&["apply", &path, "-d", &target, "--dry-run"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, NOTHING));
}

/// Two indexes that each make the other superfluous are not both dropped.
#[test]
fn what_covers_a_dropped_index_stays() {
    let (database, target) = shop(Cluster::shared());
    let folder = folder();
    let drop = |name: &str| {
        json!({
            "schema": "public", "table": "orders", "name": name, "reason": "duplicate",
            "sql": format!("DROP INDEX CONCURRENTLY public.{name};"),
            "rollback": format!("CREATE INDEX CONCURRENTLY {name} ON public.orders USING btree (status);"),
        })
    };
    let advice = |drops: Vec<Value>| json!({"schema_version": 1, "create": [], "drop": drops}).to_string();
    let both = file(&folder, "both.json", &advice(vec![drop("orders_status"), drop("orders_status_again")]));
    dbopt(&["apply", &both, "-d", &target, "--drop"]).fails(2, "no index that stays has its keys first");
    let one = file(&folder, "one.json", &advice(vec![drop("orders_status_again")]));
    assert_eq!(dbopt(&["apply", &one, "-d", &target, "--drop"]).code, 0);
    assert_eq!(indexes(&database), "orders_status");
}

/// A lock is no reason to say that a table is not there.
#[test]
fn a_locked_table_blocks_and_its_holder_is_named() {
    let (database, target) = shop(Cluster::shared());
    let folder = folder();
    let path = file(&folder, "advice.json", &simple().to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (client, connection) = runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&database.conn_string(), tokio_postgres::NoTls).await.expect("a session");
        let connection = tokio::spawn(connection);
        client.batch_execute("BEGIN; LOCK TABLE public.orders").await.expect("it locks");
        (client, connection)
    });
    dbopt(&["apply", &path, "-d", &target]).fails(5, "`public.orders` is locked by process");
    drop(client);
    runtime.block_on(connection).expect("the task ends").expect("nobody disturbed it");
    assert_eq!(dbopt(&["apply", &path, "-d", &target]).code, 0);
}
