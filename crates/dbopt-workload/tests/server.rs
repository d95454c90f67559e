//! Logs of a real server, written in three formats at once: they must say the same.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use dbopt_testkit::Cluster;
use dbopt_workload::{Format, Input, QueryClass, ReadOptions, Workload, read_inputs};
use tokio_postgres::NoTls;

/// The formats that a server writes, with its names for them and for the files; `jsonlog` came with PostgreSQL 15.
fn formats() -> Vec<(Format, &'static str, &'static str)> {
    let mut formats = vec![(Format::Stderr, "stderr", "log"), (Format::Csv, "csvlog", "csv")];
    if Cluster::shared().server_version_num() >= 150_000 {
        formats.push((Format::Json, "jsonlog", "json"));
    }
    formats
}

/// Settings under which a log says all that csvlog says.
fn cluster(settings: &[(&str, &str)]) -> Cluster {
    let mut builder = Cluster::builder();
    let destinations: Vec<&str> = formats().iter().map(|(_, destination, _)| *destination).collect();
    for (name, value) in [
        ("logging_collector", "on"),
        ("log_destination", destinations.join(",").as_str()),
        ("log_directory", "log"),
        ("log_filename", "server.log"),
        ("log_file_mode", "0644"),
        ("log_line_prefix", "%m %p %c %l %u %d %a %e %h "),
        ("log_connections", "on"),
        ("log_disconnections", "on"),
        ("log_lock_waits", "on"),
        ("deadlock_timeout", "50ms"),
        ("log_temp_files", "0"),
        ("log_checkpoints", "on"),
        ("work_mem", "64kB"),
    ]
    .iter()
    .chain(settings)
    {
        builder = builder.setting(name, value);
    }
    builder.start().expect("a server starts")
}

fn read(path: PathBuf, options: &ReadOptions) -> Workload {
    read_inputs(vec![Input::path(path)], options, &|_| ControlFlow::Continue(())).expect("the log is usable")
}

/// Stops the server and reads its log in all formats, by one and by three threads; all must say the same.
fn read_all(cluster: &Cluster) -> Workload {
    cluster.stop();
    let folder = cluster.data_dir().join("log");
    let file = |extension: &str| folder.join(format!("server.{extension}"));
    // The collector writes on for a moment after the server has ended.
    for (.., extension) in formats() {
        let complete = || {
            std::fs::read(file(extension)).is_ok_and(|log| {
                memchr::memmem::find(&log, b"database system is shut down").is_some() && log.ends_with(b"\n")
            })
        };
        for _ in 0..500 {
            if complete() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(complete(), "the {extension} log is complete");
    }
    let mut all: Vec<(Format, Workload)> = Vec::new();
    for (format, _, extension) in formats() {
        for threads in [1, 3] {
            let options = ReadOptions { threads: NonZeroUsize::new(threads), ..ReadOptions::default() };
            let workload = read(file(extension), &options);
            let covered = &workload.coverage.inputs[0];
            assert_eq!(covered.format, Some(format));
            assert_eq!(covered.recognised, covered.records, "{:?}", covered.skipped);
            all.push((format, workload));
        }
    }
    let (_, first) = &all[0];
    for (format, other) in &all[1..] {
        assert_eq!(first.events, other.events, "{format}");
        assert_eq!(first.errors, other.errors, "{format}");
        assert_eq!(first.period, other.period, "{format}");
        let texts = |workload: &Workload| workload.classes.iter().map(|c| c.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(first), texts(other), "{format}");
        for (a, b) in first.classes.iter().zip(&other.classes) {
            assert_eq!(without_places(a), without_places(b), "{format}");
        }
    }
    all.swap_remove(0).1
}

/// A class without file names and lines, which differ between formats.
fn without_places(class: &QueryClass) -> QueryClass {
    let mut class = class.clone();
    class.samples.iter_mut().for_each(|sample| sample.place = None);
    class.plans.iter_mut().for_each(|plan| plan.place = None);
    class
}

fn class<'a>(workload: &'a Workload, text: &str) -> &'a QueryClass {
    let all: Vec<&str> = workload.classes.iter().map(|c| c.text.as_str()).collect();
    workload.classes.iter().find(|c| c.text == text).unwrap_or_else(|| panic!("no class `{text}` in {all:#?}"))
}

fn pgbench(cluster: &Cluster, mode: &str, script: &str, transactions: u32, variables: &[(&str, &str)]) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script).expect("a file can be written");
    let mut command = cluster.binaries().client("pgbench");
    command.args(["-n", "-M", mode, "-c", "2", "-t", &transactions.to_string(), "-U", "postgres", "-f"]).arg(&file);
    command.arg("-h").arg(cluster.socket_dir()).args(["-p", &cluster.port().to_string()]);
    for (name, value) in variables {
        command.arg(format!("-D{name}={value}"));
    }
    let output = command.arg("postgres").output().expect("pgbench runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Statements that a session may run, whose failure is part of the log.
fn attempt(cluster: &Cluster, sql: &str) {
    let mut command = cluster.binaries().client("psql");
    command.args(["-X", "-q", "-U", "postgres", "-c", sql]).arg("-h").arg(cluster.socket_dir());
    let output = command.args(["-p", &cluster.port().to_string(), "postgres"]).output().expect("psql runs");
    drop(output);
}

/// Hostile values: a forged record, a forged parameter, quotes, newlines and TABs.
const HOSTILE: &str = "x', $2 = ''y\n\t2024-01-01 00:00:00.000 UTC 1 65a1b2c3.1 1 u d a 00000 h LOG:  duration: 99999.000 ms  statement: select forged\n2024-01-01 00:00:00.000 UTC,\"u\",\"d\",1,\"h\",65a1b2c3.1,1,\"SELECT\",,,,LOG,00000,\"duration: 99999.000 ms\"\r\n\\ \u{1b}[0m {\"a\"}";

async fn extended(cluster: &Cluster) {
    let (mut client, connection) =
        tokio_postgres::connect(&cluster.conn_string("postgres"), NoTls).await.expect("the server answers");
    let connection = tokio::spawn(connection);
    for _ in 0..5 {
        client.query("select id, v from item where v = $1 and id > $2", &[&HOSTILE, &3]).await.expect("it runs");
    }
    let null: Option<&str> = None;
    client.query("update item set v = $1 where id = $2", &[&null, &7]).await.expect("it runs");
    client.query("insert into item (v) values ($1) returning id", &[&"r"]).await.expect("it runs");
    let transaction = client.transaction().await.expect("it begins");
    let statement = transaction.prepare("select * from item where id < $1 order by id").await.expect("it parses");
    let portal = transaction.bind(&statement, &[&50]).await.expect("it binds");
    for _ in 0..3 {
        transaction.query_portal(&portal, 10).await.expect("it fetches");
    }
    transaction.query("select count(*) from item where id = $1", &[&1]).await.expect("it runs");
    transaction.commit().await.expect("it commits");
    client.query("select 1 / $1::int", &[&0]).await.expect_err("it divides by zero");
    drop(client);
    connection.await.expect("the connection ends").expect("in order");
}

fn run(cluster: &Cluster) {
    cluster.execute("postgres", "create table item (id int generated always as identity primary key, v text)");
    cluster.execute("postgres", "insert into item (v) select 'v' || n from generate_series(1, 2000) n");
    cluster.execute(
        "postgres",
        "create function slow_count(int) returns bigint language plpgsql as $$ begin return (select count(*) from item where id > $1); end $$",
    );
    cluster.execute("postgres", "checkpoint");
    for mode in ["simple", "extended", "prepared"] {
        pgbench(cluster, mode, "select v from item where id = :id;\n", 20, &[("id", "17")]);
    }
    pgbench(
        cluster,
        "extended",
        "begin;\nupdate item set v = :v where id = :id;\ncommit;\n",
        5,
        &[("id", "3"), ("v", "it''s \t")],
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(extended(cluster));
    cluster.execute("postgres", "select slow_count(5)");
    cluster.execute("postgres", "select a.v, b.v from item a, item b where a.id < 60 order by a.v, b.v");
    attempt(cluster, "select * from missing\n\twhere id = 1");
    attempt(cluster, "selec 1");
    attempt(cluster, "prepare p(int) as select v from item where id = $1 or id = 5");
    attempt(cluster, "begin; prepare p(int) as select v from item where id = $1 or id = 5; commit");
    let mut psql = cluster.binaries().client("psql");
    psql.args(["-X", "-q", "-U", "postgres", "-c", "prepare p(int) as select v from item where id = $1 or id = 5"]);
    psql.args(["-c", "execute p(1)", "-c", "execute p(2)"]).arg("-h").arg(cluster.socket_dir());
    psql.args(["-c", "begin", "-c", "declare c cursor for select * from item where v > 'a'", "-c", "fetch 7 from c"]);
    psql.args(["-c", "commit", "-p", &cluster.port().to_string(), "postgres"]);
    assert!(psql.output().expect("psql runs").status.success());
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| attempt(cluster, "begin; lock item; select pg_sleep(0.6); commit"));
        std::thread::sleep(std::time::Duration::from_millis(250));
        attempt(cluster, "update item set v = 'waited' where id = 1");
        holder.join().expect("the holder ends");
    });
}

fn check_counts(workload: &Workload) {
    assert_eq!(class(workload, "select v from item where id = $1").calls, 120);
    assert_eq!(class(workload, "select v from item where id = $1").errors, 0);
    assert!(workload.classes.iter().all(|class| !class.text.contains("forged")), "no value became a record");
    let hostile = class(workload, "select id, v from item where v = $1 and id > $2");
    assert_eq!(hostile.calls, 5);
    let sample = hostile.samples.first().expect("a sample is kept");
    assert_eq!(sample.parameters, Some(vec![Some(HOSTILE.to_owned()), Some("3".to_owned())]));
    assert_eq!(class(workload, "update item set v = $1 where id = $2").calls, 10 + 1 + 1);
    let portal = class(workload, "select * from item where id < $1 order by id");
    assert_eq!((portal.calls, portal.fetches), (1, 2));
    let divided = class(workload, "select $1 / $2::int");
    assert_eq!((divided.calls, divided.errors), (0, 1));
    let prepared = class(workload, "select v from item where id = $1 or id = $2");
    assert_eq!(prepared.calls, 2, "SQL-level EXECUTE");
    let mut arguments: Vec<_> = prepared.samples.iter().map(|sample| sample.parameters.clone()).collect();
    arguments.sort();
    assert_eq!(arguments, [Some(vec![Some("1".to_owned())]), Some(vec![Some("2".to_owned())])]);
    let errors: BTreeMap<&str, u64> = workload
        .errors
        .iter()
        .filter(|e| e.severity == "ERROR")
        .map(|e| (e.sqlstate.as_deref().unwrap_or("none"), e.count))
        .collect();
    assert_eq!(errors, BTreeMap::from([("22012", 1), ("42601", 1), ("42P01", 1)]));
    assert_eq!(workload.events.lock_waits.count, 1);
    assert_eq!(workload.events.locks_acquired.count, 1);
    assert!(workload.events.temp_files.count >= 1);
    assert!(workload.events.checkpoints >= 1);
    let sorted = class(workload, "select a.v, b.v from item a, item b where a.id < $1 order by a.v, b.v");
    assert!(sorted.temp_bytes > 0);
    assert!(hostile.databases.contains("postgres") && hostile.users.contains("postgres"));
}

#[test]
fn three_formats_say_the_same() {
    let cluster = cluster(&[("log_min_duration_statement", "0")]);
    run(&cluster);
    let workload = read_all(&cluster);
    check_counts(&workload);
    assert_eq!(workload.classes.iter().map(|c| c.untimed_calls).sum::<u64>(), 0);
}

#[test]
fn text_and_duration_on_two_lines_are_one_execution() {
    let cluster = cluster(&[("log_statement", "all"), ("log_duration", "on")]);
    run(&cluster);
    let workload = read_all(&cluster);
    check_counts_of_announced(&workload);
}

fn check_counts_of_announced(workload: &Workload) {
    let class_ = class(workload, "select v from item where id = $1");
    assert_eq!((class_.calls, class_.untimed_calls), (120, 0));
    assert_eq!(class_.time.count, 120);
    let hostile = class(workload, "select id, v from item where v = $1 and id > $2");
    assert_eq!((hostile.calls, hostile.time.count), (5, 5));
    assert_eq!(
        hostile.samples.first().and_then(|s| s.parameters.clone()),
        Some(vec![Some(HOSTILE.to_owned()), Some("3".to_owned())])
    );
    assert_eq!(class(workload, "select v from item where id = $1 or id = $2").calls, 2);
}

#[test]
fn plans_are_tied_to_their_executions_and_never_counted() {
    for format in ["text", "json"] {
        let cluster = cluster(&[
            ("log_min_duration_statement", "0"),
            ("session_preload_libraries", "auto_explain"),
            ("auto_explain.log_min_duration", "0"),
            ("auto_explain.log_analyze", "on"),
            ("auto_explain.log_nested_statements", "on"),
            ("auto_explain.log_format", format),
        ]);
        run(&cluster);
        let workload = read_all(&cluster);
        check_counts(&workload);
        let simple = class(&workload, "select v from item where id = $1");
        assert_eq!(simple.plan_count, 120, "{format}");
        let plan = simple.plans.first().expect("a plan is kept");
        let parsed = plan.parse().expect("the plan is read");
        drop(parsed);
        let nested = class(&workload, "(select count(*) from item where id > $1)");
        assert_eq!((nested.calls, nested.nested_calls), (0, 1), "{format}");
        assert_eq!(class(&workload, "select slow_count($1)").calls, 1);
    }
}

#[test]
fn plans_alone_count_as_executions() {
    let cluster = cluster(&[
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_format", "yaml"),
        ("auto_explain.log_nested_statements", "on"),
    ]);
    run(&cluster);
    let workload = read_all(&cluster);
    let simple = class(&workload, "select v from item where id = $1");
    assert_eq!((simple.calls, simple.time.count, simple.plan_count), (120, 120, 120));
    let nested = class(&workload, "(select count(*) from item where id > $1)");
    assert_eq!((nested.calls, nested.nested_calls), (0, 1));
}

#[test]
fn a_wrong_prefix_is_an_error_that_names_the_right_one() {
    let log = "2024-01-01 00:00:00.000 UTC [12] bob@shop LOG:  duration: 1.000 ms  statement: select 1\n".repeat(3);
    let options = ReadOptions { prefix: Some("%t:%r:%u@%d:[%p]:".to_owned()), ..ReadOptions::default() };
    let error = read_inputs(vec![Input::bytes("pg.log", log)], &options, &|_| ControlFlow::Continue(()))
        .expect_err("the prefix is wrong");
    let finding = error.finding().expect("it has a place");
    assert_eq!(
        finding.to_string(),
        "pg.log:1:28: the log does not have the prefix `%t:%r:%u@%d:[%p]:`: 0 of 3 lines fit"
    );
    assert_eq!(
        finding.help.as_deref(),
        Some("The log fits `%m [%p] %q%u@%d `; give that, or nothing to have it inferred.")
    );
}

#[test]
fn unusable_inputs_are_errors() {
    let read = |name: &str, bytes: &[u8]| {
        read_inputs(vec![Input::bytes(name, bytes)], &ReadOptions::default(), &|_| ControlFlow::Continue(()))
            .expect_err("it cannot be used")
            .to_string()
    };
    assert_eq!(read("e", b""), "e: the input is empty");
    assert_eq!(read("b", &[0; 100]), "b:1:1: the input is binary");
    assert_eq!(read("t", b"hello\nworld\n"), "t:1:1: this is no PostgreSQL log in text, csvlog or jsonlog form");
    let missing = read_inputs(vec![Input::path(Path::new("/nowhere/x.log"))], &ReadOptions::default(), &|_| {
        ControlFlow::Continue(())
    });
    assert_eq!(missing.expect_err("there is no such file").to_string(), "cannot read `/nowhere/x.log`");
}
