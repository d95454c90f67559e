//! Bad input: one clear error or warning, the right exit code, and never an empty success.

mod support;

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use support::{Ran, command, dbopt, ran, shop};
use tempfile::TempDir;

/// A folder with one file in it.
fn file(name: &str, bytes: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("the file is written");
    let path = path.display().to_string();
    (folder, path)
}

fn advise_on(log: &[u8]) -> Ran {
    let (_folder, path) = file("postgresql.log", log);
    dbopt(&["advise", &path, "--snapshot", &shop("shop.snapshot.json")])
}

#[test]
fn nothing_to_do_is_wrong_usage() {
    dbopt(&["advise"]).fails(2, "there is no workload");
    dbopt(&["advise", &shop("postgresql.log")]).fails(2, "there is no catalogue");
    dbopt(&["advise", "x.log", "--snapshot", "a", "--ddl", "b"]).fails(2, "cannot be used with");
    dbopt(&["adivse"]).fails(2, "similar");
}

#[test]
fn files_that_are_not_there_or_not_readable() {
    dbopt(&["advise", "no-such.log", "--snapshot", &shop("shop.snapshot.json")]).fails(2, "no-such.log");
    dbopt(&["advise", &shop("postgresql.log"), "--snapshot", "no-such.json"]).fails(2, "no such file");
    dbopt(&["explain", "no-such.txt"]).fails(2, "no such file");
    let folder = tempfile::tempdir().expect("a folder");
    dbopt(&["explain", &folder.path().display().to_string()]).fails(2, "could not read");
}

#[test]
fn logs_without_anything_to_use() {
    advise_on(b"").fails(2, "empty");
    advise_on(b"\x00\xff\x13\x00binary\x00\x01\x02".repeat(500).as_slice()).fails(2, "postgresql.log");
    advise_on(b"dear diary\ntoday nothing was logged\n").fails(2, "postgresql.log");
    advise_on(b"2024-05-01 10:00:00.000 UTC [12] LOG:  checkpoint starting: time\n")
        .fails(2, "log_min_duration_statement");
}

#[test]
fn a_wrong_prefix_is_an_error_with_its_line() {
    let run = dbopt(&["logs", &shop("postgresql.log"), "--log-line-prefix", "%t|%u|%d "]);
    run.fails(2, "postgresql.log:1:");
}

#[test]
fn a_truncated_log_is_read_as_far_as_it_goes() {
    let log = std::fs::read(shop("postgresql.log")).expect("the log");
    let run = advise_on(&log[..log.len() / 2 - 7]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("CREATE INDEX"));
}

#[test]
fn mostly_unreadable_input_changes_the_exit_code() {
    let log = std::fs::read_to_string(shop("postgresql.log")).expect("the log");
    let mut mixed = "some other program wrote this line\n".repeat(2_000);
    mixed.extend(log.lines().take(200).map(|line| format!("{line}\n")));
    let run = advise_on(mixed.as_bytes());
    assert_eq!(run.code, 6, "{}", run.stderr);
    assert!(run.stdout.contains("not read") && run.stderr.contains("warning"), "{}", run.stderr);
}

#[test]
fn an_unreadable_log_beside_a_good_one_changes_the_exit_code() {
    let log = support::shop("postgresql.log");
    let ran = dbopt(&["advise", "/no/such.log", &log, "--snapshot", &support::shop("shop.snapshot.json")]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stderr.contains("/no/such.log") && ran.stdout.contains("Create"), "{}", ran.stderr);
}

#[test]
fn a_catalogue_of_another_database_is_named() {
    let (_folder, ddl) = file("other.sql", b"CREATE TABLE elsewhere (id int PRIMARY KEY);");
    let run = dbopt(&["advise", &shop("postgresql.log"), "--ddl", &ddl]);
    run.fails(2, "orders");
}

#[test]
fn snapshots_that_are_none() {
    for (bytes, message) in [
        (&b"{"[..], "bad.json:1:"),
        (b"[]", "bad.json"),
        (b"CREATE TABLE t (a int);", "--ddl"),
        (b"{\"format\":\"dbopt-snapshot\",\"version\":99}", "newer"),
    ] {
        let (_folder, path) = file("bad.json", bytes);
        dbopt(&["advise", &shop("postgresql.log"), "--snapshot", &path]).fails(2, message);
    }
}

#[test]
fn plans_that_are_none() {
    for bytes in [&b"hello"[..], b"[{\"Plan\":", b"\x00\x01\x02", b"   "] {
        let (_folder, path) = file("plan.txt", bytes);
        dbopt(&["explain", &path]).fails(2, "plan.txt");
    }
}

#[test]
fn no_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().display().to_string();
    dbopt(&["snapshot", "-h", &socket, "-d", "shop"]).fails(3, "cannot connect");
    let uri = "postgresql://app:hunter2@127.0.0.1:1/shop";
    let run = dbopt(&["advise", &shop("postgresql.log"), "-d", uri]);
    run.fails(3, "127.0.0.1");
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn a_password_in_a_bad_connection_string_stays_secret() {
    for dsn in ["postgresql://app:hunter2@host:port/db", "password=hunter2 sslmod=require", "password='hunter2"] {
        let run = dbopt(&["snapshot", "-d", dsn]);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}

#[test]
fn a_closed_pipe_is_a_clean_end() {
    let mut child =
        command().args(["logs", &shop("postgresql.log")]).stdout(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn an_interrupt_prints_the_best_answer_so_far() {
    let mut child = command()
        .args(["advise", "-", "--snapshot", &shop("shop.snapshot.json")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let log = std::fs::read(shop("postgresql.log")).expect("the log");
    // More than any buffer holds, and then the pipe stays open: without the interrupt the command would wait for ever.
    let feeder = std::thread::spawn(move || {
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(60) && input.write_all(&log).is_ok() {}
    });
    std::thread::sleep(Duration::from_secs(1));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let run = ran(child.wait_with_output().expect("it ends"));
    feeder.join().expect("the feeder ends");
    assert_eq!(run.code, 130, "{}", run.stderr);
    assert!(run.stdout.contains("Interrupted"), "{}", run.stdout);
}
