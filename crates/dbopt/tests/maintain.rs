//! `dbopt maintain` against a real server.

mod support;

use std::io::Write as _;

use dbopt_testkit::{Cluster, Database};
use serde_json::{Value, json};
use support::{command, dbopt, ran};
use tempfile::TempDir;

/// A table with dead rows and a bloated index, and one that is tidy.
const SCHEMA: &str = "
    CREATE TABLE \"Orders\" (id int PRIMARY KEY, customer_id int NOT NULL, note text) WITH (autovacuum_enabled = off);
    CREATE INDEX orders_customer_idx ON \"Orders\" (customer_id);
    INSERT INTO \"Orders\" SELECT n, n * 7919 % 100000, repeat('x', 20) FROM generate_series(1, 100000) n;
    CREATE TABLE tidy (id int PRIMARY KEY) WITH (autovacuum_enabled = off);
    INSERT INTO tidy SELECT generate_series(1, 1000);";

/// Small thresholds, for small tables.
const POLICY: &str = "policy = 'maintenance'\nversion = 1\n[reindex]\nbytes = '100kB'\n[locks]\ntries = 2\nfirst_pause = '10ms'\n\
                      [throttle]\npause = '50ms'\n";

/// A migrated database, its target, and a folder with a policy.
fn shop(cluster: &Cluster) -> (Database<'_>, String, TempDir) {
    let database = cluster.database();
    database.execute(SCHEMA);
    // VACUUM is no part of a transaction.
    database.execute("VACUUM ANALYZE");
    database.execute("DELETE FROM \"Orders\" WHERE id % 4 <> 0");
    database.execute("SELECT pg_stat_force_next_flush()");
    let target = database.conn_string();
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("m.toml"), POLICY).expect("written");
    (database, target, folder)
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

fn maintain(verb: &str, target: &str, folder: &TempDir, more: &[&str]) -> support::Ran {
    let policy = path(folder, "m.toml");
    dbopt(&[&["maintain", verb, "-d", target, "--policy", &policy], more].concat())
}

/// The pairs of kind and outcome of a run's steps.
fn outcomes(view: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let steps = view["runs"][0]["steps"].as_array().expect("steps");
    steps.iter().map(|step| (text(&step["class"]), text(&step["outcome"]))).collect()
}

#[test]
fn what_is_planned_is_run_and_then_nothing_is_left_to_do() {
    let cluster = Cluster::builder().setting("log_statement", "all").setting("log_line_prefix", "%a|");
    let cluster = cluster.start().expect("a cluster");
    let (database, target, folder) = shop(&cluster);
    let saved = path(&folder, "plan.json");
    let plan = maintain("plan", &target, &folder, &["--save", &saved]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    for part in ["vacuum", r#"VACUUM (TRUNCATE OFF, SKIP_LOCKED) public."Orders";"#, "SHARE UPDATE EXCLUSIVE", "guess"]
    {
        assert!(plan.stdout.contains(part), "`{part}` is not in:\n{}", plan.stdout);
    }
    let json = maintain("plan", &target, &folder, &["--format", "json"]).json();
    let file: Value = serde_json::from_str(&std::fs::read_to_string(&saved).expect("saved")).expect("JSON");
    assert_eq!(json["plans"][0]["items"], file["plans"][0]["items"]);
    let classes: Vec<_> =
        json["plans"][0]["items"].as_array().expect("items").iter().map(|i| i["class"].clone()).collect();
    assert_eq!(classes, ["vacuum", "analyze", "reindex", "reindex"]);

    let done = maintain("run", &target, &folder, &["--plan", &saved, "--format", "json"]);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    let view = done.json();
    assert!(outcomes(&view).iter().all(|(_, outcome)| outcome == "done"), "{view}");
    let rebuilt = &view["runs"][0]["steps"][2];
    assert!(rebuilt["bytes_after"].as_i64() < rebuilt["bytes_before"].as_i64(), "{rebuilt}");
    // Under cron each event is a JSON object on standard error.
    let lines: Vec<Value> = done.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    let events: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!((events[0], events[1], events[2]), ("run-begun", "step-begun", "step-ended"));
    assert_eq!((events.last(), &lines[0]["database"]), (Some(&"run-ended"), &json!(database.name())));
    assert!(lines.iter().all(|line| line["time"].is_string()));

    // The statements are byte for byte those of the plan.
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    let run: Vec<&str> = log.lines().filter(|line| line.starts_with("dbopt-run|")).collect();
    for item in file["plans"][0]["items"].as_array().expect("items") {
        let statement = item["statements"][0].as_str().expect("a statement");
        assert_eq!(run.iter().filter(|line| line.ends_with(statement)).count(), 1, "{statement}");
    }

    let nothing = maintain("run", &target, &folder, &[]);
    assert_eq!(nothing.code, 0, "{}", nothing.stderr);
    assert!(nothing.stdout.contains("There was nothing to do."), "{}", nothing.stdout);
    // A plan is run once: the indexes have other files now.
    let again = maintain("run", &target, &folder, &["--plan", &saved, "--format", "json"]);
    assert_eq!(again.code, 6, "{}", again.stderr);
    let view: Value = serde_json::from_str(&again.stdout).expect("JSON");
    let refused = outcomes(&view).iter().filter(|(class, outcome)| class == "reindex" && outcome == "refused").count();
    assert_eq!(refused, 2, "{view}");
    assert!(again.stdout.contains("has been rewritten since it was planned"), "{}", again.stdout);
}

#[test]
fn what_a_rebuild_of_somebody_else_left_is_dropped_only_when_told() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    let key = "(SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE relname = 'orders_customer_idx_ccnew')";
    // Such an index, broken off in the middle, and valid: the second is nobody's leftover.
    database.execute(
        "CREATE INDEX orders_customer_idx_ccnew ON \"Orders\" (customer_id); \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_customer_idx_ccnew'::regclass",
    );
    let refused = maintain("run", &target, &folder, &["--log", "off"]);
    assert_eq!(refused.code, 6, "{}", refused.stdout);
    assert!(refused.stdout.contains("`--drop-leftovers`"), "{}", refused.stdout);
    assert_eq!(database.value(&format!("SELECT {key}")), "f", "it is left");
    let told = maintain("run", &target, &folder, &["--log", "off", "--drop-leftovers"]);
    assert_eq!(told.code, 0, "{}", told.stdout);
    assert_eq!(database.value(&format!("SELECT {key} IS NULL")), "t");
}

#[test]
fn no_connection_is_3_and_nobody_is_left_untold() {
    let cluster = Cluster::shared();
    let (_database, target, folder) = shop(cluster);
    let told = path(&folder, "told");
    let policy = format!("{POLICY}[notify]\ncommand = \"echo $DBOPT_EXIT > '{told}'\"\n");
    std::fs::write(folder.path().join("m.toml"), policy).expect("written");
    let nowhere = target.replace(&cluster.socket_dir().display().to_string(), "/nonexistent");
    for verb in ["plan", "status"] {
        assert_eq!(maintain(verb, &nowhere, &folder, &[]).code, 3);
    }
    let run = maintain("run", &nowhere, &folder, &[]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(&told).expect("somebody was told"), "3\n");
    // Nor when the plan cannot be read.
    let unread = maintain("run", &target, &folder, &["--plan", &path(&folder, "nowhere.json")]);
    let code = std::fs::read_to_string(&told).expect("somebody was told");
    assert_eq!((unread.code, code), (2, "2\n".to_owned()), "{}", unread.stderr);
}

#[test]
fn one_that_keeps_everybody_out_of_a_table_blocks_that_table_alone() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    database.execute(
        "CREATE TABLE events (at timestamptz) WITH (autovacuum_enabled = off); INSERT INTO events SELECT '2020-01-01'; \
         DELETE FROM tidy; INSERT INTO tidy SELECT generate_series(1, 3000); DELETE FROM tidy; SELECT pg_stat_force_next_flush()",
    );
    let rule = |table: &str| {
        format!("[[retention]]\ntable = 'public.{table}'\nkeep = '9d'\nby = 'rows'\ncolumn = 'at'\nmost_share = 1\n")
    };
    let policy = format!("{POLICY}{}{}", rule("events"), rule("unseen"));
    std::fs::write(folder.path().join("m.toml"), policy).expect("written");
    database.execute("VACUUM events");
    database.execute("CREATE TABLE unseen (at timestamptz) WITH (autovacuum_enabled = off); INSERT INTO unseen VALUES ('2020-01-01')");
    let mut holder = cluster.binaries().client("psql");
    holder.env("PGAPPNAME", "rewriting").args(["-q", "-d", &database.conn_string()]);
    let mut holder = holder.stdin(std::process::Stdio::piped()).spawn().expect("psql starts");
    let input = holder.stdin.as_mut().expect("it is piped");
    input.write_all(b"BEGIN; LOCK \"Orders\", unseen, events IN ACCESS EXCLUSIVE MODE;\n").expect("it reads");
    while database
        .value("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'events'::regclass")
        == "0"
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let run = maintain("run", &target, &folder, &["--format", "json", "--log", "off"]);
    holder.kill().expect("it is ended");
    holder.wait().expect("it has ended");
    assert_eq!(run.code, 5, "{}{}", run.stdout, run.stderr);
    let view: Value = serde_json::from_str(&run.stdout).expect("JSON");
    for step in view["runs"][0]["steps"].as_array().expect("steps") {
        let (table, outcome) = (&step["work"]["table"]["name"], &step["outcome"]);
        if *table == "tidy" {
            assert_eq!(outcome, "done", "{step}");
        } else if step["class"] != "reindex" {
            assert_eq!(outcome, "blocked", "{step}");
            assert!(step["reason"].as_str().is_some_and(|why| why.contains("rewriting")), "{step}");
        }
    }
    // Nobody has ever counted the rows of this one.
    let unseen = view["runs"][0]["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .find(|step| step["work"]["table"]["name"] == "unseen");
    assert_eq!(unseen.map(|step| &step["outcome"]), Some(&json!("blocked")), "{view}");
    // Each step says who; that it could not be seen before need not be said again.
    assert!(!view["runs"][0]["notes"].to_string().contains("cannot be seen"), "{view}");
    let classes: Vec<_> = outcomes(&view).into_iter().map(|(class, _)| class).collect();
    assert!(classes.contains(&"retention".to_owned()) && classes.contains(&"vacuum".to_owned()), "{view}");
}

#[test]
fn a_role_without_rights_is_told_what_to_grant() {
    let cluster = Cluster::shared();
    let (database, _target, folder) = shop(cluster);
    let role = format!("visitor_of_{}", database.name());
    database.execute(&format!("CREATE TABLE events (at timestamptz); CREATE ROLE {role} LOGIN"));
    let rule = format!("{POLICY}[[retention]]\ntable = 'public.events'\nkeep = '9d'\nby = 'rows'\ncolumn = 'at'\n");
    std::fs::write(folder.path().join("m.toml"), rule).expect("written");
    let (socket, port) = (cluster.socket_dir().display().to_string(), cluster.port().to_string());
    let as_role = |verb: &str, more: &[&str]| {
        maintain(verb, database.name(), &folder, &[&["-h", &socket, "-p", &port, "-U", &role], more].concat())
    };
    let plan = as_role("plan", &["--format", "json"]).json();
    let notes = plan["plans"][0]["notes"].to_string();
    // From version 17 there is a right for it, and before that only its owner may.
    let has_maintain = database.value("SELECT current_setting('server_version_num')::int >= 170000") == "t";
    let maintaining = match has_maintain {
        true => format!("GRANT MAINTAIN ON TABLE public.\\\"Orders\\\" TO {role};"),
        // Its owner is a superuser, whose role nobody else gets.
        false => "a superuser has to do it".to_owned(),
    };
    for part in [format!("GRANT SELECT ON public.events TO {role};"), maintaining] {
        assert!(notes.contains(&part), "`{part}` is not in {notes}");
    }
    assert!(!notes.contains("GRANT postgres"), "{notes}");
    // To read what dbopt has there, and then to write down a run.
    for _ in 0..2 {
        let run = as_role("run", &["--log", "off"]);
        assert_eq!(run.code, 2, "{}", run.stderr);
        let grants = run.stderr.lines().find_map(|line| line.strip_prefix("hint: ")?.split_once(": GRANT "));
        let (_, grants) = grants.unwrap_or_else(|| panic!("{}", run.stderr));
        database.execute(&format!("GRANT {grants}"));
    }
    // What is granted is enough to be told what else is needed.
    let run = as_role("run", &["--log", "off"]);
    assert_eq!(run.code, 6, "{}", run.stderr);
    assert!(run.stdout.contains("is due, and this role may not"), "{}", run.stdout);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn an_edited_plan_and_one_for_another_database_are_refused() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    let saved = path(&folder, "plan.json");
    assert_eq!(maintain("plan", &target, &folder, &["--save", &saved]).code, 0);
    let text = std::fs::read_to_string(&saved).expect("saved");
    let run = |text: &str, target: &str| {
        std::fs::write(&saved, text).expect("written");
        maintain("run", target, &folder, &["--plan", &saved, "--log", "off"])
    };
    // What is read is not written over.
    let policy = path(&folder, "m.toml");
    maintain("plan", &target, &folder, &["--save", &policy]).fails(2, "is an input, which the output would replace");
    maintain("status", &target, &folder, &["--prometheus", &policy]).fails(2, "is an input");
    assert_eq!(std::fs::read_to_string(&policy).expect("it is there"), POLICY);
    let edited = run(&text.replacen("VACUUM (", "DROP TABLE (", 1), &target);
    assert_eq!(edited.code, 2, "{}", edited.stderr);
    assert!(edited.stderr.contains("are not those of its work"), "{}", edited.stderr);
    let newer = run(&text.replacen("\"schema_version\": 1", "\"schema_version\": 99", 1), &target);
    newer.fails(2, "it has format 99, and this dbopt reads 1");
    // What is refused is no run, and so none that has died.
    assert_eq!(database.value("SELECT count(*) FROM dbopt.run"), "0");
    let unknown = run(&text.replacen("\"class\"", "\"klass\"", 1), &target);
    unknown.fails(2, "is no plan: unknown field `klass`");
    let other = cluster.database();
    assert_eq!(dbopt(&["migrate", "up", "-d", &other.conn_string()]).code, 0);
    let elsewhere = run(&text, &other.conn_string());
    assert_eq!(elsewhere.code, 2, "{}", elsewhere.stderr);
    assert!(elsewhere.stderr.contains("the plan is not for the database"), "{}", elsewhere.stderr);
}

#[test]
fn a_run_needs_the_schema_an_open_window_and_no_stop_file() {
    let cluster = Cluster::shared();
    let bare = cluster.database();
    let run = dbopt(&["maintain", "run", "-d", &bare.conn_string(), "--log", "off"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("hint: run `dbopt migrate up -d "), "{}", run.stderr);
    // Planning needs none of it.
    assert_eq!(dbopt(&["maintain", "plan", "-d", &bare.conn_string()]).code, 0);

    let (_database, target, folder) = shop(cluster);
    let stop = path(&folder, "stop");
    std::fs::write(&stop, "").expect("written");
    let stopped = maintain("run", &target, &folder, &["--stop-file", &stop]);
    assert_eq!(stopped.code, 4, "{}", stopped.stderr);
    assert!(stopped.stdout.contains("deferred") && stopped.stdout.contains("the stop file"), "{}", stopped.stdout);

    // A window of a minute, half a day from now.
    let hour = (jiff::Timestamp::now().as_second() / 3600 + 12) % 24;
    let policy = format!("{POLICY}[[window]]\nfrom = '{hour:02}:00'\nto = '{hour:02}:01'\n");
    std::fs::write(folder.path().join("m.toml"), policy).expect("written");
    let closed = maintain("run", &target, &folder, &["--log", "off"]);
    assert_eq!(closed.code, 4, "{}", closed.stderr);
    assert!(closed.stderr.contains("no window of the policy is open"), "{}", closed.stderr);
}

#[test]
fn a_second_runner_gets_75() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    // The lock is the one of docs/run.md, whoever holds it.
    let mut holder = cluster.binaries().client("psql");
    let key = dbopt_run_lock();
    holder.args(["-d", &database.conn_string(), "-c"]).arg(format!("SELECT pg_advisory_lock({key}), pg_sleep(6)"));
    let mut holder = holder.stdout(std::process::Stdio::null()).spawn().expect("psql starts");
    let held = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database \
                        WHERE datname = current_database()) AND (classid::bigint << 32 | objid::bigint) = {key}"
    );
    while database.value(&held) == "0" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let second = maintain("run", &target, &folder, &["--log", "off"]);
    holder.kill().expect("it is ended");
    holder.wait().expect("it has ended");
    assert_eq!(second.code, 75, "{}", second.stderr);
    assert!(second.stderr.contains("another run is working on this database"), "{}", second.stderr);
}

#[test]
fn somebody_is_told_about_trouble() {
    let cluster = Cluster::shared();
    let (_database, target, folder) = shop(cluster);
    let told = path(&folder, "told.json");
    let notify = |on: &str, command: &str| {
        let policy = format!("{POLICY}[notify]\non = '{on}'\nlongest = '1s'\ncommand = \"{command}\"\n");
        std::fs::write(folder.path().join("m.toml"), policy).expect("written");
    };
    notify("trouble", &format!("cat > '{told}'; echo $DBOPT_EXIT >> '{told}'"));
    let stop = path(&folder, "stop");
    std::fs::write(&stop, "").expect("written");
    assert_eq!(maintain("run", &target, &folder, &["--stop-file", &stop]).code, 4);
    let text = std::fs::read_to_string(&told).expect("somebody was told");
    let (report, code) = text.trim_end().rsplit_once('}').expect("JSON and the code");
    let report: Value = serde_json::from_str(&format!("{report}}}")).expect("JSON");
    assert_eq!((code.trim(), &report["exit_code"]), ("4", &json!(4)));
    assert_eq!(report["runs"][0]["steps"][0]["outcome"], "deferred");

    std::fs::remove_file(&told).expect("it is there");
    assert_eq!(maintain("run", &target, &folder, &[]).code, 0);
    assert!(!std::path::Path::new(&told).exists(), "there was no trouble");
    notify("always", &format!("touch '{told}'; exit 3"));
    let failing = maintain("run", &target, &folder, &[]);
    assert_eq!(failing.code, 0, "a run is not worse for its notification");
    assert!(std::path::Path::new(&told).exists());
    assert!(failing.stderr.contains("the notification command ended with exit status: 3"), "{}", failing.stderr);
    notify("always", "sleep 60");
    let slow = maintain("run", &target, &folder, &[]);
    assert!(slow.stderr.contains("took longer than 1 s, and was ended"), "{}", slow.stderr);
}

#[test]
fn the_policys_databases_are_maintained_one_after_the_other() {
    let cluster = Cluster::shared();
    let (one, target, folder) = shop(cluster);
    let (two, other, _folder) = shop(cluster);
    let policy = format!("databases = ['{}', '{}']\n{}", one.name(), two.name(), POLICY);
    std::fs::write(folder.path().join("m.toml"), policy).expect("written");
    let file = path(&folder, "m.toml");
    let run = |args: &[&str]| {
        let mut command = command();
        command.env("PGHOST", cluster.socket_dir()).env("PGPORT", cluster.port().to_string());
        command.env("PGUSER", one.value("SELECT current_user"));
        ran(command.args(["maintain"]).args(args).args(["--policy", &file]).output().expect("it starts"))
    };
    let plan = run(&["plan", "--format", "json"]).json();
    let names: Vec<_> = plan["plans"].as_array().expect("plans").iter().map(|plan| plan["database"].clone()).collect();
    assert_eq!(names, [one.name(), two.name()]);
    let done = run(&["run", "--format", "json"]).json();
    assert_eq!(done["runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(two.value("SELECT count(*) FROM dbopt.run WHERE outcome = 'done'"), "1");
    // One that is not there keeps nobody from the others.
    let policy = format!("databases = ['{}', 'nobodys', '{}']\n{}", one.name(), two.name(), POLICY);
    std::fs::write(folder.path().join("m.toml"), policy).expect("written");
    for (verb, list) in [("plan", "plans"), ("status", "databases")] {
        let ran = run(&[verb, "--format", "json"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("\"nobodys\""), "{}", ran.stderr);
        let view: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let names: Vec<_> = view[list].as_array().expect(list).iter().map(|one| one["database"].clone()).collect();
        assert_eq!(names, [one.name(), two.name()]);
    }
    let third = cluster.database();
    let refused = maintain("plan", &third.conn_string(), &folder, &[]);
    refused.fails(2, "the policy is not for the database");
    assert_eq!(maintain("plan", &target, &folder, &[]).code, 0);
    drop(other);
}

#[test]
fn what_is_expired_goes_by_rows_and_by_partitions() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    database.execute(
        "CREATE TABLE events (id int, at timestamptz NOT NULL, local timestamp NOT NULL) WITH (autovacuum_enabled = off);
         INSERT INTO events SELECT n, now() - n * interval '1 hour', now() - n * interval '1 hour' FROM generate_series(1, 4000) n;
         CREATE INDEX ON events (at);
         CREATE TABLE m (at timestamptz NOT NULL) PARTITION BY RANGE (at);
         CREATE TABLE m1 PARTITION OF m FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
         CREATE TABLE m2 PARTITION OF m FOR VALUES FROM ('2020-02-01') TO ('2199-01-01');
         INSERT INTO m VALUES ('2020-01-05'), ('2020-02-05'), (now());",
    );
    database.execute("VACUUM ANALYZE");
    let policy = format!(
        "{POLICY}[[retention]]\ntable = 'public.events'\nkeep = '100d'\nby = 'rows'\ncolumn = 'at'\narchive.table = 'public.old'\n\
         [[retention]]\ntable = 'public.m'\nkeep = '365d'\nby = 'partitions'\ncolumn = 'at'\nrest = true\nprove = true\n\
         [[retention]]\ntable = 'public.tidy'\nkeep = '365d'\nby = 'rows'\ncolumn = 'id'\n"
    );
    std::fs::write(folder.path().join("m.toml"), policy).expect("written");
    let saved = path(&folder, "plan.json");
    let plan = maintain("plan", &target, &folder, &["--save", &saved, "--format", "json"]);
    assert!(plan.stdout.contains("the column `id` is of type `integer`, and no time"), "{}", plan.stdout);
    let run = maintain("run", &target, &folder, &["--plan", &saved, "--format", "json", "--log", "json"]);
    // A rule that cannot be applied is no success.
    assert_eq!(run.code, 6, "{}{}", run.stdout, run.stderr);
    let view: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let outcomes = outcomes(&view);
    let retention = outcomes.iter().filter(|(class, _)| class == "retention").collect::<Vec<_>>();
    assert!(retention.len() == 3 && retention.iter().all(|(_, outcome)| outcome == "done"), "{view}");
    // How many went is told by the report, the log and the status.
    let rows: Vec<_> = view["runs"][0]["steps"].as_array().expect("steps").iter().map(|step| &step["rows"]).collect();
    assert_eq!(rows[..3], [&json!(1601), &json!(null), &json!(1)], "{view}");
    assert!(
        run.stderr.lines().any(|line| line.contains("\"step-ended\"") && line.contains("\"rows\":1601")),
        "{}",
        run.stderr
    );
    let left = "SELECT count(*) || ' ' || bool_and(at >= now() - interval '100 days 1 minute') FROM events";
    assert_eq!(database.value(left), "2399 true");
    assert_eq!(database.value("SELECT count(*) FROM old"), "1601");
    // It was analysed too, or the next plan would still expect them there.
    let next = maintain("plan", &target, &folder, &[]);
    assert!(!next.stdout.contains("public.events"), "{}", next.stdout);
    // Rows that are older than the statistics are found all the same.
    database.execute("INSERT INTO events VALUES (0, '2020-01-01', '2020-01-01'); SELECT pg_stat_force_next_flush()");
    let next = maintain("plan", &target, &folder, &[]);
    assert!(next.stdout.contains("DELETE FROM ONLY public.events"), "{}", next.stdout);
    let status = maintain("status", &target, &folder, &[]);
    assert_eq!(status.code, 1, "{}", status.stdout);
    assert!(status.stdout.contains("the retention rule for `public.tidy` cannot be applied"), "{}", status.stdout);
    assert!(status.stdout.contains("  1,602  "), "{}", status.stdout);
    assert_eq!(database.value("SELECT count(*) || ' ' || (to_regclass('m1') IS NULL) FROM m"), "1 true");
}

#[test]
fn a_rule_takes_no_vacuum_away() {
    let cluster = Cluster::builder().setting("max_prepared_transactions", "5").start().expect("a cluster");
    let (database, target, folder) = shop(&cluster);
    // Old by the day before, so that no row is expired, and nothing but reading them all tells that.
    database.execute(
        "CREATE TABLE events (id int, at timestamptz NOT NULL, note text DEFAULT repeat('x', 150)) WITH (autovacuum_enabled = off);
         INSERT INTO events SELECT n, now() - interval '1 day' FROM generate_series(1, 60000) n",
    );
    database.execute("VACUUM ANALYZE events");
    let policy = format!(
        "{}[[retention]]\ntable = 'public.events'\nkeep = '9d'\nby = 'rows'\ncolumn = 'at'\n",
        POLICY.replace("[reindex]", "[reindex]\nenabled = false")
    );
    std::fs::write(folder.path().join("m.toml"), &policy).expect("written");
    database.execute("BEGIN; INSERT INTO tidy VALUES (5000); PREPARE TRANSACTION 'forgotten'");
    database.execute("DELETE FROM events WHERE id % 2 = 0");
    database.execute("SELECT pg_stat_force_next_flush()");
    let of_events = |ran: &support::Ran| {
        let view: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let steps = view["runs"][0]["steps"].as_array().expect("steps").clone();
        let steps = steps.iter().filter(|step| step["work"]["table"]["name"] == "events" && step["class"] != "analyze");
        steps.map(|step| format!("{} {}", step["class"], step["outcome"]).replace('"', "")).collect::<Vec<_>>()
    };
    // However often it runs, a horizon that somebody holds is no success.
    for _ in 0..2 {
        let run = maintain("run", &target, &folder, &["--format", "json", "--log", "off"]);
        assert_eq!(run.code, 5, "{}", run.stdout);
        assert!(run.stdout.contains("could not be removed, because of prepared transaction"), "{}", run.stdout);
        let all = of_events(&run);
        assert_eq!(all.last().map(String::as_str), Some("vacuum blocked"), "{all:?}");
        assert!(all.iter().all(|one| one != "retention done"), "{all:?}");
        database.execute("UPDATE events SET id = id WHERE id < 100; SELECT pg_stat_force_next_flush()");
    }
    database.execute("ROLLBACK PREPARED 'forgotten'");
    let run = maintain("run", &target, &folder, &["--format", "json", "--log", "off"]);
    assert_eq!((run.code, of_events(&run)), (0, vec!["retention skipped".to_owned(), "vacuum done".to_owned()]));
    assert_eq!(database.value("SELECT pg_stat_get_dead_tuples('events'::regclass)"), "0");

    // Where rows go, deleting them ends with VACUUM, and there is no second one.
    database.execute("UPDATE events SET at = CASE WHEN id % 8 = 1 THEN '2020-01-01' ELSE at END");
    database.execute("SELECT pg_stat_force_next_flush()");
    let vacuums = "SELECT pg_stat_get_vacuum_count('events'::regclass)";
    let before: i64 = database.value(vacuums).parse().expect("a number");
    let run = maintain("run", &target, &folder, &["--format", "json", "--log", "off"]);
    assert_eq!((run.code, of_events(&run)), (0, vec!["retention done".to_owned(), "vacuum skipped".to_owned()]));
    assert_eq!(database.value(vacuums).parse(), Ok(before + 1));
    assert_eq!(database.value("SELECT count(*) FROM events"), "22500");
}

/// Ten thousand rows of which three thousand are expired by a rule that keeps ten days.
fn events(name: &str) -> String {
    format!(
        "CREATE TABLE {name} (id int PRIMARY KEY, at timestamptz NOT NULL, note text) WITH (autovacuum_enabled = off); \
         INSERT INTO {name} SELECT n, now() - CASE WHEN n < 3000 THEN interval '20 days' ELSE interval '1 day' END, '' \
         FROM generate_series(0, 9999) n; CREATE INDEX ON {name} (at); "
    )
}

fn by_rows(table: &str, more: &str) -> String {
    format!("[[retention]]\ntable = 'public.{table}'\nkeep = '10d'\nby = 'rows'\ncolumn = 'at'\n{more}\n")
}

#[test]
fn a_plan_foresees_what_a_run_refuses() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    let names = ["keyed", "fired", "ruled", "moved", "nowhere", "many", "fine"];
    database.execute(&names.map(events).concat());
    database.execute(
        "CREATE TABLE lines (keyed_id int REFERENCES keyed); \
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; \
         CREATE TRIGGER gone BEFORE DELETE ON fired FOR EACH ROW EXECUTE FUNCTION f(); \
         CREATE RULE kept AS ON DELETE TO ruled DO INSTEAD NOTHING; CREATE TABLE old (id text)",
    );
    database.execute("VACUUM ANALYZE");
    let rules = [
        by_rows("keyed", ""),
        by_rows("fired", ""),
        by_rows("ruled", ""),
        by_rows("moved", "archive.table = 'public.old'"),
        by_rows("nowhere", "archive.table = 'there.old'"),
        by_rows("many", "most_rows = 2999"),
        by_rows("fine", ""),
    ];
    let policy = POLICY.replace("[reindex]", "[vacuum]\nenabled = false\n[reindex]\nenabled = false");
    std::fs::write(folder.path().join("m.toml"), format!("{policy}{}", rules.concat())).expect("written");
    let expected = [
        ("keyed", "the foreign key `lines_keyed_id_fkey` of `public.lines` has no index"),
        ("fired", "the trigger `gone` would fire"),
        ("ruled", "a rule changes what a DELETE does to it"),
        ("moved", "the archive `public.old` has not the same columns"),
        ("nowhere", "the archive `there.old` has no schema to be made in"),
        ("many", "more than 2999 rows would go, and `most_rows` allows no more"),
    ];
    let plan = maintain("plan", &target, &folder, &["--format", "json"]).json();
    let items = plan["plans"][0]["items"].as_array().expect("items");
    let of = |items: &[Value], name: &str, class: &str| {
        items.iter().find(|item| item["work"]["table"]["name"] == name && item["class"] == class).cloned()
    };
    let table = maintain("plan", &target, &folder, &[]);
    let markdown = maintain("plan", &target, &folder, &["--format", "markdown"]).stdout.replace('\\', "");
    for (name, why) in expected {
        let item = of(items, name, "retention").unwrap_or_else(|| panic!("{name}: {plan}"));
        assert!(item["refused"].as_str().is_some_and(|reason| reason.contains(why)), "{name}: {item}");
        assert!(of(items, name, "analyze").is_none(), "nothing will change in it: {plan}");
        // In a terminal's table long words are broken over lines.
        assert!(table.stdout.contains(&format!("retention of public.{name}")), "{}", table.stdout);
        assert!(markdown.contains(why), "{markdown}");
        assert!(!markdown.contains(&format!("DELETE FROM ONLY public.{name} ")), "{markdown}");
    }
    assert_eq!(of(items, "fine", "retention").expect("it is planned")["refused"], json!(null));
    // The run finds the same, and its statistics are not made anew each night for what stays.
    for (night, analyzed) in [(1, true), (2, false)] {
        let run = maintain("run", &target, &folder, &["--format", "json", "--log", "off"]);
        assert_eq!(run.code, 6, "{}", run.stderr);
        let view: Value = serde_json::from_str(&run.stdout).expect("JSON");
        let steps = view["runs"][0]["steps"].as_array().expect("steps");
        for (name, why) in expected {
            let step = of(steps, name, "retention").unwrap_or_else(|| panic!("{name}: {view}"));
            assert_eq!((&step["outcome"], step["rows"].as_u64().unwrap_or(0)), (&json!("failed"), 0), "{name}: {step}");
            // A schema is missed by the server itself.
            assert!(step["reason"].as_str().is_some_and(|reason| reason.contains(why) || name == "nowhere"), "{step}");
            assert_eq!(of(steps, name, "analyze").is_some(), analyzed, "{name} in night {night}");
        }
    }
    assert_eq!(database.value("SELECT count(*) || ' ' || (SELECT count(*) FROM many) FROM fine"), "7000 10000");
}

#[test]
fn whole_partitions_go_only_within_the_limits_of_their_rule() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    database.execute(
        "CREATE TABLE m (at timestamptz NOT NULL) PARTITION BY RANGE (at); \
         CREATE TABLE m1 PARTITION OF m FOR VALUES FROM ('2020-01-01') TO ('2020-02-01'); \
         CREATE TABLE m2 PARTITION OF m FOR VALUES FROM ('2020-02-01') TO ('2020-03-01'); \
         CREATE TABLE m3 PARTITION OF m FOR VALUES FROM ('2020-03-01') TO ('2199-01-01'); \
         INSERT INTO m SELECT '2020-01-05' FROM generate_series(1, 300); \
         INSERT INTO m SELECT '2020-02-05' FROM generate_series(1, 300); INSERT INTO m SELECT now() FROM generate_series(1, 400)",
    );
    database.execute("VACUUM ANALYZE");
    let rule = |more: &str| {
        let rule = format!("[[retention]]\ntable = 'public.m'\nkeep = '365d'\nby = 'partitions'\n{more}\n");
        std::fs::write(folder.path().join("m.toml"), format!("{POLICY}{rule}")).expect("written");
    };
    let left = || database.value("SELECT (SELECT count(*) FROM m) || ' ' || (SELECT count(*) FROM dbopt.run)");
    rule("");
    let saved = path(&folder, "plan.json");
    assert_eq!(maintain("plan", &target, &folder, &["--save", &saved]).code, 0);
    for (more, why) in [
        ("most_rows = 599", "about 600 rows would go with all expired partitions, and `most_rows` allows 599"),
        ("most_share = 0.59", "about 600 of 1000 rows would go with all expired partitions, and `most_share` allows"),
    ] {
        rule(more);
        let plan = maintain("plan", &target, &folder, &["--format", "markdown"]);
        assert!(plan.code == 0 && plan.stdout.replace('\\', "").matches(why).count() == 2, "{}", plan.stdout);
        // An older plan takes no more either.
        let run = maintain("run", &target, &folder, &["--plan", &saved, "--log", "off"]);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    assert_eq!(left(), "1000 0");
    let status = maintain("status", &target, &folder, &[]);
    assert!(status.stdout.contains("retention of `public.m1` is refused: about 600"), "{}", status.stdout);
    let run = maintain("run", &target, &folder, &["--log", "off", "--format", "json"]);
    assert_eq!(run.code, 6, "{}{}", run.stdout, run.stderr);
    assert_eq!(run.stdout.matches("\"refused\": \"about 600").count(), 2, "{}", run.stdout);
    assert_eq!(left(), "1000 1");
    rule("most_rows = 600\nmost_share = 0.6");
    let run = maintain("run", &target, &folder, &["--log", "off"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(left(), "400 2");
}

#[test]
fn an_edited_plan_leaves_a_partition_and_locks_nobody_out() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    database.execute(
        "CREATE TABLE m (at timestamptz NOT NULL) PARTITION BY RANGE (at); \
         CREATE TABLE m1 PARTITION OF m FOR VALUES FROM ('2020-01-01') TO ('2020-02-01'); \
         CREATE TABLE m2 PARTITION OF m FOR VALUES FROM ('2020-02-01') TO ('2020-03-01')",
    );
    let rule = "[[retention]]\ntable = 'public.m'\nkeep = '365d'\nby = 'partitions'\n";
    std::fs::write(folder.path().join("m.toml"), format!("{POLICY}[vacuum]\nenabled = false\n{rule}"))
        .expect("written");
    let saved = path(&folder, "plan.json");
    assert_eq!(maintain("plan", &target, &folder, &["--save", &saved]).code, 0);
    let mut plan: Value = serde_json::from_str(&std::fs::read_to_string(&saved).expect("saved")).expect("JSON");
    let items = plan["plans"][0]["items"].as_array_mut().expect("items");
    items.retain(|item| item["class"] == "retention");
    let [first] = &items[..] else { panic!("one of two goes: {items:?}") };
    // The other as well, and in the way that keeps everybody out.
    let oid: u64 = database.value("SELECT 'm2'::regclass::oid").parse().expect("a number");
    let file: u64 = database.value("SELECT relfilenode FROM pg_class WHERE relname = 'm2'").parse().expect("a number");
    let mut other: Value = serde_json::from_str(&first.to_string().replace("m1", "m2")).expect("JSON");
    (other["work"]["partition"]["oid"], other["work"]["relfilenode"]) = (json!(oid), json!(file));
    let mut locking = first.clone();
    (locking["work"]["has_default"], locking["lock"]) = (json!(true), json!("ACCESS EXCLUSIVE"));
    locking["statements"] = json!(["ALTER TABLE public.m DETACH PARTITION public.m1;", "DROP TABLE public.m1;"]);
    *items = vec![locking, first.clone(), other];
    std::fs::write(&saved, plan.to_string()).expect("written");
    let run = maintain("run", &target, &folder, &["--plan", &saved, "--format", "json", "--log", "off"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let view: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let steps: Vec<_> = outcomes(&view).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(steps, ["skipped", "done", "skipped"], "{view}");
    assert!(run.stdout.contains("the table has no default partition, as the plan says it has"), "{}", run.stdout);
    assert!(run.stdout.contains("it is the last partition"), "{}", run.stdout);
    assert_eq!(database.value("SELECT to_regclass('m2')"), "m2");
}

#[test]
fn a_rule_without_an_index_is_not_silent_and_never_taken_for_nothing() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    let policy = POLICY.replace("[reindex]", "[analyze]\nenabled = false\n[reindex]\nenabled = false");
    std::fs::write(folder.path().join("m.toml"), format!("{policy}{}", by_rows("events", ""))).expect("written");
    assert_eq!(maintain("run", &target, &folder, &["--log", "off"]).code, 6, "there is no such table yet");
    database.execute(
        "CREATE TABLE events (id int, at timestamptz NOT NULL, note text) WITH (autovacuum_enabled = off); \
         INSERT INTO events SELECT n, now() - interval '1 day' * CASE WHEN n < 3000 THEN 20 ELSE 1 END, repeat('x', 200) \
         FROM generate_series(0, 59999) n",
    );
    database.execute("VACUUM ANALYZE events");
    let due = |more: &str| {
        let status = maintain("status", &target, &folder, &[]);
        assert!(status.stdout.contains(more), "`{more}` is not in:\n{}", status.stdout);
    };
    due("Due now: 1 retention");
    let run = maintain("run", &target, &folder, &["--log", "off"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(database.value("SELECT count(*) FROM events"), "57000");
    // The statistics still know of them, and nothing but reading all rows tells that there are none.
    due("Nothing is known to be due");
    due("Whether rows of `public.events` are expired is known only to a run");
    let create = "CREATE INDEX CONCURRENTLY ON public.events (at);";
    let plan = maintain("plan", &target, &folder, &["--format", "json"]).json();
    let notes = plan["plans"][0]["notes"].to_string();
    for part in [
        "each run reads its 14 MB",
        create,
        "CREATE INDEX CONCURRENTLY ON public.events USING brin (at);",
        "about 2 MB",
    ] {
        assert!(notes.contains(part), "`{part}` is not in {notes}");
    }
    let item = &plan["plans"][0]["items"][0];
    assert!(item["is_uncertain"] == true && item["why"].to_string().contains("only reading them all"), "{item}");
    let run = maintain("run", &target, &folder, &["--log", "off", "--format", "json"]).json();
    assert_eq!(run["runs"][0]["steps"][0]["reason"], "no row is expired");
    assert!(run["runs"][0]["notes"].to_string().contains(create), "{run}");
    // With either index it is known.
    for kind in ["USING brin (at)", "(at)"] {
        database.execute(&format!("CREATE INDEX CONCURRENTLY events_at_idx ON public.events {kind}"));
        due("Nothing is due.");
        let plan = maintain("plan", &target, &folder, &["--format", "json"]).json();
        assert!(!plan["plans"][0]["notes"].to_string().contains("each run reads"), "{plan}");
        database.execute("DROP INDEX events_at_idx");
    }
}

#[test]
fn a_note_of_a_saved_plan_does_not_outlive_what_it_was_about() {
    let cluster = Cluster::builder().setting("max_prepared_transactions", "5").start().expect("a cluster");
    let (database, target, folder) = shop(&cluster);
    let policy = format!("oldest_transaction = '1ms'\n{POLICY}{}", by_rows("events", ""));
    std::fs::write(folder.path().join("m.toml"), &policy).expect("written");
    database.execute("BEGIN; INSERT INTO tidy VALUES (5000); PREPARE TRANSACTION 'forgotten'");
    let saved = path(&folder, "plan.json");
    let plan = maintain("plan", &target, &folder, &["--save", &saved]);
    assert!(plan.stdout.contains("forgotten") && plan.stdout.contains("there is no table"), "{}", plan.stdout);
    database.execute("ROLLBACK PREPARED 'forgotten'");
    database.execute(&events("events"));
    let run = maintain("run", &target, &folder, &["--plan", &saved, "--log", "off"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(!run.stdout.contains("forgotten") && !run.stdout.contains("there is no table"), "{}", run.stdout);

    // Too few rows are dead for a VACUUM, and who keeps them is told all the same.
    let policy = policy.replace("[reindex]", "[reindex]\nenabled = false");
    std::fs::write(folder.path().join("m.toml"), &policy).expect("written");
    assert_eq!(maintain("run", &target, &folder, &["--log", "off"]).code, 0);
    database.execute("BEGIN; INSERT INTO tidy VALUES (5000); PREPARE TRANSACTION 'again'");
    database.execute("DELETE FROM tidy WHERE id < 8; SELECT pg_stat_force_next_flush()");
    let run = maintain("run", &target, &folder, &["--log", "off"]);
    database.execute("ROLLBACK PREPARED 'again'");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("There was nothing to do.") && run.stdout.contains("again"), "{}", run.stdout);
    assert!(run.stdout.contains("tables are dead") || run.stdout.contains("table are dead"), "{}", run.stdout);
}

#[test]
fn standard_error_of_a_log_is_json_throughout() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    let lines = |ran: &support::Ran| -> Vec<Value> {
        ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", ran.stderr))).collect()
    };
    let find = |lines: &[Value], event: &str| {
        let found = lines.iter().find(|line| line["event"] == event);
        found.cloned().unwrap_or_else(|| panic!("no {event} in {lines:?}"))
    };
    let log = ["--log", "json"];
    // A policy with a fault and one with a weakness, nobody who answers, a plan that is none, a notification that fails.
    let policy = |more: &str| std::fs::write(folder.path().join("m.toml"), format!("{POLICY}{more}")).expect("written");
    policy("[vacuum]\ndead_share = 2\n");
    let ran = maintain("run", &target, &folder, &log);
    let all = lines(&ran);
    assert_eq!((ran.code, &find(&all, "finding")["severity"]), (2, &json!("error")));
    assert_eq!((&find(&all, "error")["exit_code"], find(&all, "finding")["line"].is_u64()), (&json!(2), true));
    policy("[vacuum]\ntruncate = true\n[notify]\non = 'always'\ncommand = \"echo out; echo no mail >&2; exit 3\"\n");
    let ran = maintain("run", &target, &folder, &log);
    let all = lines(&ran);
    assert_eq!((ran.code, &find(&all, "finding")["severity"]), (0, &json!("warning")));
    assert_eq!(
        all.last().map(|line| &line["message"]),
        Some(&json!("the notification command ended with exit status: 3: no mail"))
    );
    let other = cluster.database();
    let ran = maintain("run", &other.conn_string(), &folder, &log);
    let hint = find(&lines(&ran), "error")["hint"].clone();
    assert!(ran.code == 2 && hint.as_str().is_some_and(|hint| hint.contains("dbopt migrate up")), "{}", ran.stderr);
    let ran = maintain("run", &target.replace(database.name(), "nobodys"), &folder, &log);
    let error = find(&lines(&ran), "error");
    assert!(ran.code == 3 && error["hint"].to_string().contains("`psql -l` lists"), "{error}");
    for more in [["--plan", "/nonexistent"], ["--plan", "/dev/null"]] {
        let ran = maintain("run", &target, &folder, &[&log[..], &more].concat());
        assert_eq!((ran.code, &find(&lines(&ran), "error")["exit_code"]), (2, &json!(2)));
    }
    // For a person it is text.
    let ran = maintain("run", &target.replace(database.name(), "nobodys"), &folder, &["--log", "off"]);
    assert!(ran.stderr.starts_with("dbopt: ") && ran.stderr.contains("\nhint: `psql -l` lists"), "{}", ran.stderr);
}

#[test]
fn what_went_into_a_folder_can_be_put_back_as_the_documentation_says() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    database.execute(&format!(
        "{}; UPDATE events SET note = E'tab\\t, \\\\ and NULL \\\\N' WHERE id < 5",
        events("events")
    ));
    database.execute("ALTER TABLE events ALTER id ADD GENERATED ALWAYS AS IDENTITY");
    let sum = "SELECT md5(string_agg(e::text, '|' ORDER BY id)) FROM events e";
    let before = database.value(sum);
    let archive = folder.path().join("archive");
    std::fs::create_dir(&archive).expect("a folder");
    let rule = by_rows("events", &format!("archive.folder = '{}'", archive.display()));
    std::fs::write(folder.path().join("m.toml"), format!("{POLICY}{rule}")).expect("written");
    assert_eq!(maintain("run", &target, &folder, &["--log", "off"]).code, 0);
    assert_eq!(database.value("SELECT count(*) FROM events"), "7000");
    let file = std::fs::read_dir(&archive).expect("a folder").flatten().next().expect("a file").path();
    // A run that was killed may have written a row twice.
    let text = std::fs::read_to_string(&file).expect("it is text");
    let first = text.lines().next().expect("a row");
    std::fs::write(&file, format!("{text}{first}\n")).expect("written");
    let text = std::fs::read_to_string(support::root().join("docs/maintain.md")).expect("the documentation");
    let block = text.split("```sql\n").find(|block| block.starts_with("CREATE TABLE restored")).expect("it says how");
    let script = block.split("```").next().unwrap_or_default();
    let named = script.split('\'').nth(1).expect("it names a file");
    let mut psql = cluster.binaries().client("psql");
    psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", &target]).stdin(std::process::Stdio::piped());
    let mut psql = psql.spawn().expect("psql starts");
    let script = script.replace(named, &file.display().to_string());
    psql.stdin.take().expect("it is piped").write_all(script.as_bytes()).expect("it reads");
    assert!(psql.wait().expect("it ends").success(), "{script}");
    assert_eq!(database.value(sum), before);
}

#[test]
fn a_saved_plan_takes_no_more_than_the_policy_of_the_run() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    database.execute(
        "CREATE TABLE events (at timestamptz NOT NULL) WITH (autovacuum_enabled = off);
         INSERT INTO events SELECT now() - n * interval '1 hour' FROM generate_series(1, 4000) n",
    );
    database.execute("VACUUM ANALYZE events");
    let rule = |keep: &str| {
        let rule = format!("[[retention]]\ntable = 'public.events'\nkeep = '{keep}'\nby = 'rows'\ncolumn = 'at'\n");
        std::fs::write(folder.path().join("m.toml"), format!("{POLICY}{rule}")).expect("written");
    };
    rule("100d");
    let saved = path(&folder, "plan.json");
    assert_eq!(maintain("plan", &target, &folder, &["--save", &saved]).code, 0);
    let text = std::fs::read_to_string(&saved).expect("saved");
    let run = |text: &str| {
        std::fs::write(&saved, text).expect("written");
        maintain("run", &target, &folder, &["--plan", &saved, "--log", "off"])
    };
    // Edited throughout, so that its statements are those of its work.
    let plan: Value = serde_json::from_str(&text).expect("JSON");
    let items = plan["plans"][0]["items"].as_array().expect("items");
    let item = items.iter().find(|item| item["class"] == "retention").expect("something expires");
    let cutoff = item["work"]["cutoff"]["instant"].as_i64().expect("a time");
    let shown = item["statements"][0].as_str().and_then(|sql| sql.split('\'').nth(5)).expect("a time");
    let far = jiff::Timestamp::from_second(4_000_000_000).expect("a time");
    let edited = text
        .replace(&cutoff.to_string(), "4000000000000000")
        .replace(shown, &far.strftime("%Y-%m-%d %H:%M:%S+00").to_string());
    assert_ne!(edited, text);
    let refused = |text: &str, why: &str| {
        let ran = run(text);
        assert_eq!(ran.code, 2, "{}", ran.stdout);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    };
    refused(&edited, "its cutoff is later than `keep` of the rule allows");
    // Nor does it go by a policy that keeps more, or has no rule.
    rule("101d");
    refused(&text, "its cutoff is later than `keep` of the rule allows");
    std::fs::write(folder.path().join("m.toml"), POLICY).expect("written");
    refused(&text, "it has no rule for that table");
    assert_eq!(dbopt(&["maintain", "run", "-d", &target, "--plan", &saved, "--log", "off"]).code, 2);
    assert_eq!(database.value("SELECT count(*) || ' ' || (SELECT count(*) FROM dbopt.run) FROM events"), "4000 0");
    rule("100d");
    let done = run(&text);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(database.value("SELECT count(*) FROM events"), "2399");
}

#[test]
fn the_status_says_what_ran_what_is_due_and_what_is_wrong() {
    let cluster = Cluster::shared();
    let bare = cluster.database();
    dbopt(&["maintain", "status", "-d", &bare.conn_string()]).fails(2, "dbopt migrate up");
    let (database, target, folder) = shop(cluster);
    let metrics = path(&folder, "dbopt.prom");
    let status = || maintain("status", &target, &folder, &["--format", "json", "--prometheus", &metrics]);
    let json = |ran: &support::Ran| serde_json::from_str::<Value>(&ran.stdout).expect("JSON")["databases"][0].clone();
    let before = status();
    assert_eq!(before.code, 1, "{}", before.stderr);
    let view = json(&before);
    assert_eq!(view["wrong"], json!(["no run was ever completed"]));
    assert_eq!((&view["due"]["vacuum"], &view["due"]["reindex"]), (&json!(1), &json!(2)));
    // Three of four rows are gone, of the table and of both indexes.
    let bloated: Vec<_> = view["bloat"].as_array().expect("bloat").iter().map(|one| one["object"].clone()).collect();
    assert_eq!(bloated, ["Orders", "orders_customer_idx", "Orders_pkey"], "{view}");
    assert!(view["bloat"][2]["empty_bytes"].as_u64() > Some(1_500_000), "{view}");
    assert!(std::fs::read_to_string(&metrics).expect("written").contains("dbopt_maintain_overdue{database="));

    assert_eq!(maintain("run", &target, &folder, &[]).code, 0);
    let after = status();
    assert_eq!(after.code, 0, "{}{}", after.stdout, after.stderr);
    let view = json(&after);
    assert_eq!(
        (&view["due"], &view["troubles"], &view["runs"][0]["outcome"]),
        (&json!({}), &json!([]), &json!("done"))
    );
    assert!(view["runs"][0]["freed_bytes"].as_i64() > Some(0), "{view}");
    assert_eq!(view["bloat"].as_array().map(Vec::len), Some(1), "VACUUM makes a table no smaller: {view}");
    let text = std::fs::read_to_string(&metrics).expect("written");
    let name = database.name();
    assert!(
        text.contains(&format!("dbopt_maintain_last_run_outcome{{database=\"{name}\",outcome=\"done\"}} 1")),
        "{text}"
    );
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, 2, "nothing but the policy and the metrics is left");

    // A trend: what was rebuilt, and is bloated again.
    database.execute("DELETE FROM \"Orders\" WHERE id % 16 <> 0");
    let view = json(&status());
    let again = view["bloat"].as_array().and_then(|all| all.iter().find(|one| one["object"] == "Orders_pkey"));
    let again = again.unwrap_or_else(|| panic!("{view}"));
    assert!(again["rebuilt_at"].is_f64() && again["bytes_then"] == again["bytes"], "{view}");

    // A run that died, by the process of nobody.
    database.execute("INSERT INTO dbopt.run (command, program, backend_pid) VALUES ('maintain', '0', 0)");
    database.execute(
        "INSERT INTO dbopt.history (run, kind, schema, object, outcome, reason, seconds) \
                      VALUES (2, 'vacuum', 'public', 'tidy', 'blocked', 'process 7 holds it', 1)",
    );
    let table = maintain("status", &target, &folder, &[]);
    assert_eq!(table.code, 1, "{}", table.stdout);
    for part in ["run 2 died", "Bloat", "index public.Orders_pkey", "process 7 holds it", "vacuum public.tidy"] {
        assert!(table.stdout.contains(part), "`{part}` is not in:\n{}", table.stdout);
    }
}

#[test]
fn a_held_horizon_is_named_and_is_no_success() {
    let cluster = Cluster::builder().setting("max_prepared_transactions", "5").start().expect("a cluster");
    let (database, target, folder) = shop(&cluster);
    let policy = format!("oldest_transaction = '1ms'\n{POLICY}").replace("[reindex]", "[reindex]\nenabled = false");
    std::fs::write(folder.path().join("m.toml"), policy).expect("written");
    database.execute("VACUUM");
    database.execute("BEGIN; INSERT INTO tidy VALUES (5000); PREPARE TRANSACTION 'forgotten'");
    database.execute("DELETE FROM \"Orders\" WHERE id % 8 <> 0");
    let plan = maintain("plan", &target, &folder, &["--format", "markdown"]);
    assert!(plan.stdout.contains("forgotten") && plan.stdout.contains("ROLLBACK PREPARED"), "{}", plan.stdout);
    let run = maintain("run", &target, &folder, &["--format", "json"]);
    database.execute("ROLLBACK PREPARED 'forgotten'");
    assert_eq!(run.code, 5, "{}", run.stdout);
    assert!(run.stdout.contains("could not be removed, because"), "{}", run.stdout);
}

#[test]
fn what_is_near_wraparound_is_frozen_first_though_it_is_left_out() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    // The least age that can be set, and the table is nearer to it than any other to its own.
    database.execute("ALTER TABLE tidy SET (autovacuum_freeze_max_age = 100000)");
    database.execute("DO $$ BEGIN FOR i IN 1..80000 LOOP PERFORM pg_catalog.txid_current(); COMMIT; END LOOP; END $$");
    let age = || database.value("SELECT age(relfrozenxid) FROM pg_class WHERE relname = 'tidy'");
    let policy = format!("exclude = ['public.tidy']\n{POLICY}");
    std::fs::write(folder.path().join("m.toml"), policy).expect("written");
    let before: i64 = age().parse().expect("an age");
    assert!(before >= 80_000, "{before}");
    let view = maintain("run", &target, &folder, &["--format", "json", "--log", "off"]).json();
    let first = &view["runs"][0]["steps"][0];
    assert_eq!((&first["class"], &first["outcome"]), (&json!("wraparound"), &json!("done")), "{view}");
    assert_eq!(first["statements"], json!(["VACUUM (FREEZE, TRUNCATE OFF) public.tidy;"]));
    assert_eq!(outcomes(&view).iter().filter(|(class, _)| class == "wraparound").count(), 1, "{view}");
    let after: i64 = age().parse().expect("an age");
    assert!(after < 40_000, "{before} became {after}");
}

#[test]
fn what_will_not_be_done_before_the_window_closes_is_not_begun() {
    let cluster = Cluster::shared();
    let (database, target, folder) = shop(cluster);
    let hour = |more: i64| (jiff::Timestamp::now().as_second() / 3600 + 24 + more) % 24;
    let window = format!("[[window]]\nfrom = '{:02}:00'\nto = '{:02}:00'\nzone = 'UTC'\n", hour(-1), hour(2));
    std::fs::write(folder.path().join("m.toml"), format!("{POLICY}{window}")).expect("written");
    database.execute(
        "INSERT INTO dbopt.history (run, kind, schema, object, outcome, table_bytes, seconds) VALUES \
             (0, 'vacuum', 'public', 'Orders', 'done', pg_relation_size('\"Orders\"'), 100000)",
    );
    let run = maintain("run", &target, &folder, &["--format", "json", "--log", "off"]);
    assert_eq!(run.code, 4, "{}", run.stderr);
    let view: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let first = &view["runs"][0]["steps"][0];
    assert_eq!((&first["class"], &first["outcome"]), (&json!("vacuum"), &json!("deferred")), "{view}");
    assert!(first["reason"].as_str().is_some_and(|why| why.starts_with("it needs 1")), "{view}");
    // What is quick is done all the same.
    assert_eq!(outcomes(&view)[1..].iter().filter(|(_, outcome)| outcome == "done").count(), 3, "{view}");
}

/// A file of examples/maintain.
fn example(name: &str) -> String {
    std::fs::read_to_string(support::root().join("examples/maintain").join(name)).expect("it is shipped")
}

#[test]
fn the_lines_of_the_crontab_run() {
    let cluster = Cluster::shared();
    let (database, _target, folder) = shop(cluster);
    let text = example("crontab");
    // As cron does it: settings, then lines of five fields and a command for the shell.
    let jobs: Vec<&str> =
        text.lines().filter(|line| line.starts_with(|first: char| "0123456789*".contains(first))).collect();
    assert_eq!(jobs.len(), 2, "{text}");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_dbopt")).parent().expect("a folder").display().to_string();
    for job in jobs {
        let fields: Vec<&str> = job.splitn(6, ' ').collect();
        assert!(fields[..5].iter().all(|field| field.chars().all(|c| "0123456789*/".contains(c))), "{job}");
        assert!(!fields[5].contains('%'), "cron takes a percent sign for the end of the command");
        let mut line = fields[5].replace("-d shop", &format!("-d {}", database.name()));
        for folders in ["/etc/dbopt/maintenance.toml", "/var/log/dbopt", "/var/lib/node_exporter/textfile"] {
            let here =
                if folders.ends_with("toml") { path(&folder, "m.toml") } else { folder.path().display().to_string() };
            assert_eq!(line.contains(folders), line.replace(folders, &here) != line);
            line = line.replace(folders, &here);
        }
        let mut shell = std::process::Command::new("/bin/sh");
        shell.env_clear().env("PATH", format!("{program}:/usr/bin:/bin")).env("HOME", "/nonexistent");
        shell.env("PGHOST", cluster.socket_dir()).env("PGPORT", cluster.port().to_string());
        shell.env("PGUSER", database.value("SELECT current_user"));
        let ended = ran(shell.args(["-c", &line]).output().expect("the shell starts"));
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""), "{line}");
    }
    let log = std::fs::read_to_string(folder.path().join("maintain.jsonl")).expect("the log");
    assert!(log.lines().count() > 2 && log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    let metrics = std::fs::read_to_string(folder.path().join("dbopt.prom")).expect("the metrics");
    assert!(metrics.contains("dbopt_maintain_overdue{") && metrics.contains("} 0\n"), "{metrics}");
}

#[test]
fn systemd_understands_the_units() {
    let units = tempfile::tempdir().expect("a folder");
    let program = env!("CARGO_BIN_EXE_dbopt");
    let service = example("dbopt-maintain.service").replace("/usr/local/bin/dbopt", program);
    std::fs::write(units.path().join("dbopt-maintain.service"), &service).expect("written");
    std::fs::write(units.path().join("dbopt-maintain.timer"), example("dbopt-maintain.timer")).expect("written");
    // What it starts is a command line that dbopt knows.
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it starts something");
    let args: Vec<&str> = line.split(' ').skip(1).chain(["--help"]).collect();
    assert_eq!(dbopt(&args).code, 0, "{line}");
    let mut verify = std::process::Command::new("systemd-analyze");
    verify
        .arg("verify")
        .arg(units.path().join("dbopt-maintain.service"))
        .arg(units.path().join("dbopt-maintain.timer"));
    let Ok(output) = verify.output() else {
        assert!(!std::path::Path::new("/usr/bin/systemd-analyze").exists(), "it is there and does not start");
        return;
    };
    let verified = ran(output);
    let about_ours = |line: &&str| line.contains("dbopt-maintain") && !line.contains("Failed to");
    let faults: Vec<&str> = verified.stderr.lines().filter(about_ours).collect();
    assert_eq!(faults, [""; 0], "{}", verified.stderr);
}

#[test]
fn the_cron_job_of_kubernetes_starts_what_dbopt_knows() {
    let text = example("cronjob.yaml");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("args: ")).expect("it has arguments");
    let args: Vec<String> = serde_json::from_str(line).expect("a list");
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.push("--help");
    assert_eq!(dbopt(&args).code, 0, "{line}");
    for part in ["apiVersion: batch/v1", "kind: CronJob", "concurrencyPolicy: Forbid", "startingDeadlineSeconds: 600"] {
        assert!(text.contains(part), "{part}");
    }
}

/// The key of the runner's advisory lock, as docs/run.md says it.
fn dbopt_run_lock() -> i64 {
    i64::from_be_bytes(*b"dbopt-rn")
}
