//! A cluster starts, answers, restarts, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dbopt_testkit::Cluster;

#[test]
fn databases_are_apart() {
    let cluster = Cluster::shared();
    let (one, other) = (cluster.database(), cluster.database());
    one.execute("CREATE TABLE t AS SELECT 1 AS a");
    assert_eq!(one.query("SELECT a, NULL FROM t"), [[Some("1".to_owned()), None]]);
    assert_eq!(other.value("SELECT to_regclass('t')"), "");
    assert!(cluster.server_version_num() >= 140_000);
    assert!(cluster.has_extension("plpgsql"));
    assert!(!cluster.has_extension("no such extension"));
}

#[tokio::test]
async fn statements_run_inside_a_runtime_as_well() {
    assert_eq!(Cluster::shared().value("postgres", "SELECT 40 + 2"), "42");
}

#[test]
fn settings_hold_and_the_server_comes_back_after_a_stop_and_a_crash() {
    let cluster = Cluster::builder().setting("work_mem", "3MB").listen_on_loopback().start().expect("a cluster");
    assert_eq!(cluster.value("postgres", "SHOW work_mem"), "3MB");
    assert_eq!(cluster.value("postgres", "SHOW port"), cluster.port().to_string());
    cluster.execute("postgres", "CREATE TABLE kept AS SELECT 7 AS a");
    cluster.restart().expect("a restart");
    assert_eq!(cluster.value("postgres", "SELECT a FROM kept"), "7");
    cluster.execute("postgres", "CHECKPOINT");
    cluster.crash();
    cluster.restart().expect("a start after a crash");
    assert_eq!(cluster.value("postgres", "SELECT a FROM kept"), "7");
    let folder = cluster.socket_dir().to_owned();
    assert!(folder.exists());
    drop(cluster);
    assert!(!folder.exists());
}

#[test]
fn a_standby_is_in_recovery() {
    let cluster = Cluster::builder().standby().start().expect("a standby");
    assert_eq!(cluster.value("postgres", "SELECT pg_is_in_recovery()"), "t");
}

#[test]
fn a_server_that_refuses_its_settings_says_so() {
    let error = Cluster::builder().setting("no_such_setting", "1").start().expect_err("no cluster");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

/// Not a test by itself: the process that `a_killed_process_leaves_nothing_behind` kills.
#[test]
#[ignore = "run by another test as a process to kill"]
#[expect(clippy::print_stdout, reason = "the other test reads the folder from here")]
fn holds_a_cluster_until_killed() {
    let cluster = Cluster::builder().start().expect("a cluster");
    println!("\nfolder={}", cluster.socket_dir().display());
    std::thread::sleep(Duration::from_secs(120));
}

#[test]
fn a_killed_process_leaves_nothing_behind() {
    let program = std::env::current_exe().expect("the path of this test program");
    let mut process = Command::new(program)
        .args(["holds_a_cluster_until_killed", "--exact", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test program can be run");
    let output = BufReader::new(process.stdout.take().expect("output is piped"));
    let folder = output
        .lines()
        .find_map(|line| line.expect("text").strip_prefix("folder=").map(std::path::PathBuf::from))
        .expect("the other process has a cluster");
    let postmaster = std::fs::read_to_string(folder.join("data/postmaster.pid")).expect("the server runs");
    let pid = postmaster.lines().next().expect("the first line is the process id").to_owned();
    process.kill().expect("the process can be killed");
    process.wait().expect("the process can be waited for");
    let deadline = Instant::now() + Duration::from_secs(30);
    while folder.exists() {
        assert!(Instant::now() < deadline, "the folder {} is still there", folder.display());
        std::thread::sleep(Duration::from_millis(50));
    }
    // Where nobody collects orphans, as in many containers, the ended server stays as a process without a command line.
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(command_line.is_empty(), "the server {pid} still runs");
}

#[test]
fn a_replica_follows_its_primary() {
    let primary = Cluster::builder().hba("local replication postgres trust").start().expect("a primary");
    if !primary.binaries().has("pg_basebackup") {
        return;
    }
    let replica = Cluster::builder().replica_of(&primary).start().expect("a replica");
    primary.execute("postgres", "CREATE TABLE t (a int)");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while replica.value("postgres", "SELECT to_regclass('t') IS NOT NULL") != "t" {
        assert!(std::time::Instant::now() < deadline, "the table never came");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(replica.value("postgres", "SELECT pg_is_in_recovery()"), "t");
}
