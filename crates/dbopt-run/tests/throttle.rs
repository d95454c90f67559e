//! What makes a run wait: replicas, slots, WAL, the application.

mod support;

use std::time::Duration;

use dbopt_run::{Event, Limits, Options, Outcome, Probe, Runner};
use dbopt_testkit::Cluster;
use support::{create, database, indexes, options, reason, run_with, start};

fn limits() -> Limits {
    Limits { patience: Duration::from_millis(400), pause: Duration::from_millis(100), ..Limits::default() }
}

#[tokio::test]
async fn a_delayed_replica_holds_a_run_until_it_has_caught_up() {
    let primary = Cluster::builder().hba("local replication postgres trust").hba("local all all trust");
    let primary = primary.start().expect("a primary");
    // The server packages of other majors cannot copy a server, and a newer server cannot be copied by older programs.
    if !primary.binaries().has("pg_basebackup") {
        return;
    }
    let database = database(&primary).await;
    let replica = Cluster::builder().setting("recovery_min_apply_delay", "1h").replica_of(&primary);
    let replica = replica.start().expect("a replica");
    support::until(
        &database,
        "EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL)",
    )
    .await;
    // A replica is delayed at commits: it stops at the first, and the rest piles up behind.
    database.execute("INSERT INTO other VALUES (0)");
    database.execute("INSERT INTO other SELECT generate_series(1, 20000)");
    // A role that may not see the replica is told so.
    database.execute(
        "CREATE ROLE app LOGIN; GRANT USAGE ON SCHEMA dbopt TO app; GRANT ALL ON ALL TABLES IN SCHEMA dbopt TO app",
    );
    let target = database.conn_string().replace("user=postgres", "user=app");
    let runner = Runner::start(&support::settings(&target), "test", support::options()).await.expect("a run");
    let unseen = runner.unseen().await.expect("it answers");
    assert_eq!(unseen.iter().map(|unseen| unseen.help.as_str()).collect::<Vec<_>>(), ["GRANT pg_monitor TO app;"]);
    drop(runner);

    let options = Options { limits: Limits { replica_bytes: Some(100_000), ..limits() }, ..options() };
    let report = run_with(&database, options.clone()).await;
    assert!(matches!(report.outcome, Outcome::Blocked(_)), "{report:?}");
    assert!(reason(&report.outcome).contains("bytes behind, more than 100000"), "{report:?}");
    assert_eq!(indexes(&database), "");

    // While it waits, the replica catches up.
    let patient = Options { limits: Limits { patience: Duration::from_secs(60), ..options.limits }, ..options };
    let mut runner = start(&database, patient).await.expect("a run");
    let mut held = 0;
    let reports = runner
        .execute(&mut create(), &mut |event| {
            if matches!(event, Event::Held(..)) {
                held += 1;
                if held == 1 {
                    replica.execute("postgres", "ALTER SYSTEM SET recovery_min_apply_delay = 0");
                    replica.execute("postgres", "SELECT pg_reload_conf()");
                }
            }
        })
        .await
        .expect("it runs");
    assert_eq!(reports[0].outcome, Outcome::Done);
    assert!(held >= 1);
}

#[tokio::test]
async fn slots_wal_and_a_slow_probe_hold_a_run() {
    let database = database(Cluster::shared()).await;
    database.execute("SELECT pg_create_physical_replication_slot('left_behind', true)");
    database.execute("INSERT INTO other SELECT generate_series(1, 20000)");
    let limited = |limits| Options { limits, ..options() };
    let report = run_with(&database, limited(Limits { slot_bytes: Some(100_000), ..limits() })).await;
    assert!(reason(&report.outcome).starts_with("replication slot `left_behind` keeps"), "{report:?}");
    database.execute("SELECT pg_drop_replication_slot('left_behind')");

    let report = run_with(&database, limited(Limits { wal_rate: Some(-1.0), ..limits() })).await;
    assert!(reason(&report.outcome).contains("bytes of WAL are written a second"), "{report:?}");

    let probe = Probe { sql: "SELECT pg_catalog.pg_sleep(0.05)".to_owned(), longest: Duration::from_millis(20) };
    let report = run_with(&database, limited(Limits { probe: Some(probe), ..limits() })).await;
    assert!(reason(&report.outcome).starts_with("the probe query took"), "{report:?}");

    let quick = Probe { sql: "SELECT 1".to_owned(), longest: Duration::from_secs(20) };
    let loose = Limits { probe: Some(quick), wal_rate: Some(1e12), ..limits() };
    assert_eq!(run_with(&database, limited(loose)).await.outcome, Outcome::Done);
}
