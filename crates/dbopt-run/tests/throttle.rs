//! What makes a run wait: replicas, slots, WAL, the application.

mod support;

use std::time::Duration;

use dbopt_run::{Error, Event, Limits, Options, Outcome, Probe, Runner};
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
    let replica =
        Cluster::builder().setting("recovery_min_apply_delay", "1h").setting("wal_receiver_status_interval", "1s");
    let replica = replica.replica_of(&primary);
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
    let unseen = runner.unseen(&[]).await.expect("it answers");
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
    runner.finish(&reports).await.expect("it ends");

    // Behind in time, however few bytes that are. The server has measured the replica before, so it knows.
    replica.execute("postgres", "ALTER SYSTEM SET recovery_min_apply_delay = '1h'");
    replica.execute("postgres", "SELECT pg_reload_conf()");
    support::until(&database, "EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn())").await;
    database.execute("INSERT INTO other VALUES (0)");
    database.execute("INSERT INTO other VALUES (0)");
    support::until(&database, "EXISTS (SELECT FROM pg_stat_replication WHERE replay_lag > '700 ms')").await;
    let late = Limits { replica_bytes: None, replica_time: Some(Duration::from_millis(500)), ..limits() };
    let report = run_with(&database, Options { limits: late, ..support::options() }).await;
    assert!(matches!(report.outcome, Outcome::Blocked(_)), "{report:?}");
    assert!(reason(&report.outcome).ends_with(" s behind, more than 0.5 s"), "{report:?}");
}

#[tokio::test]
async fn autovacuum_on_the_table_holds_a_run_and_is_not_disturbed() {
    let cluster = Cluster::builder().setting("autovacuum", "on").setting("autovacuum_naptime", "1s");
    let cluster = cluster.start().expect("a cluster");
    let database = database(&cluster).await;
    // So slow that it lasts longer than the test.
    database.execute(
        "ALTER TABLE t SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0, \
             autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1); \
         INSERT INTO t SELECT n, n FROM generate_series(1, 100000) n; DELETE FROM t WHERE a % 2 = 0",
    );
    let working = "SELECT pid FROM pg_stat_progress_vacuum WHERE relid = 't'::regclass";
    support::until(&database, &format!("EXISTS ({working})")).await;
    let pid = database.value(working);
    let report = run_with(&database, Options { limits: limits(), ..options() }).await;
    assert_eq!(report.outcome, Outcome::Blocked(format!("autovacuum works on the table (process {pid})")));
    assert_eq!(database.value(working), pid, "it goes on");
    // It is another table's business.
    let other = "CREATE INDEX CONCURRENTLY other_a_idx ON public.other USING btree (a);";
    let mut actions: Vec<Box<dyn dbopt_run::Action>> =
        vec![Box::new(dbopt_run::CreateIndex::new(("public", "other"), "other_a_idx", other))];
    let mut runner = start(&database, Options { limits: limits(), ..options() }).await.expect("a run");
    let reports = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
    assert_eq!(reports[0].outcome, Outcome::Done);
}

#[tokio::test]
async fn a_slot_is_not_brought_near_to_where_the_server_breaks_it() {
    let cluster = Cluster::builder().setting("max_slot_wal_keep_size", "32MB").start().expect("a cluster");
    let database = database(&cluster).await;
    database.execute("SELECT pg_create_physical_replication_slot('left_behind', true)");
    let limited = || Options { limits: limits(), ..options() };
    let report = run_with(&database, limited()).await;
    assert_eq!(report.outcome, Outcome::Done);
    let fill = "SELECT count(pg_logical_emit_message(false, 'fill', repeat('x', 1000000))) FROM generate_series(1, 28)";
    database.execute(fill);
    // Four fifths of 32 MiB, far below the limit of the policy.
    let report = run_with(&database, limited()).await;
    assert!(matches!(report.outcome, Outcome::Blocked(_)), "{report:?}");
    assert!(reason(&report.outcome).starts_with("replication slot `left_behind` keeps"), "{report:?}");
    assert!(reason(&report.outcome).ends_with(" bytes of WAL, more than 26843545"), "{report:?}");
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
    assert!(reason(&report.outcome).starts_with("the probe query was broken off after"), "{report:?}");

    // One that would hang for an hour, or waits for somebody, is broken off as well, and the run goes on when it may.
    let hanging = Probe { sql: "SELECT pg_catalog.pg_sleep(3600)".to_owned(), longest: Duration::from_millis(20) };
    let report = run_with(&database, limited(Limits { probe: Some(hanging), ..limits() })).await;
    assert!(reason(&report.outcome).starts_with("the probe query was broken off after"), "{report:?}");
    let other = support::client(&database).await;
    other.batch_execute("BEGIN; LOCK TABLE other IN ACCESS EXCLUSIVE MODE").await.expect("it locks");
    let waiting = Probe { sql: "SELECT count(*) FROM public.other".to_owned(), longest: Duration::from_millis(50) };
    let waiting = Limits { probe: Some(waiting), patience: Duration::from_secs(60), ..limits() };
    let mut runner = start(&database, limited(waiting)).await.expect("a run");
    let (mut held, mut holder) = (Vec::new(), Some(other));
    let reports = runner
        .execute(&mut create(), &mut |event| {
            if let Event::Held(_, reason) = event {
                held.push(reason.to_owned());
                // Its session ends, and the lock with it.
                drop(holder.take());
            }
        })
        .await
        .expect("it runs");
    assert_eq!(reports[0].outcome, Outcome::Done);
    assert!(held[0].starts_with("the probe query was broken off after"), "{held:?}");
    runner.finish(&reports).await.expect("it ends");
    database.execute("DROP INDEX t_a_idx");

    let busy = support::client(&database).await;
    let (busy, sleeping) = (busy.cancel_token(), async move { busy.batch_execute("SELECT pg_sleep(60)").await });
    let sleeping = tokio::spawn(sleeping);
    let is_busy =
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(60)'";
    while database.value(is_busy) != "t" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let report = run_with(&database, limited(Limits { active_sessions: Some(0), ..limits() })).await;
    assert!(reason(&report.outcome).ends_with("sessions are working, more than 0"), "{report:?}");
    busy.cancel_query(tokio_postgres::NoTls).await.expect("it is asked to stop");
    sleeping.await.expect("it does not panic").expect_err("it was stopped");

    let quick = Probe { sql: "SELECT 1".to_owned(), longest: Duration::from_secs(20) };
    let loose = Limits { probe: Some(quick), wal_rate: Some(1e12), active_sessions: Some(50), ..limits() };
    assert_eq!(run_with(&database, limited(loose)).await.outcome, Outcome::Done);
}

/// A policy is no way to change things without a record, nor to let go of the lock.
#[tokio::test]
async fn a_probe_only_reads_and_holds_nothing_of_the_run() {
    let database = database(Cluster::shared()).await;
    let probing = |sql: &str| {
        let probe = Probe { sql: sql.to_owned(), longest: Duration::from_secs(20) };
        Options { limits: Limits { probe: Some(probe), ..limits() }, ..options() }
    };
    for bad in ["DROP TABLE public.other", "SELECT 1; SELECT 2", "SELECT * FROM public.nowhere", "SELECT"] {
        let refused = start(&database, probing(bad)).await;
        assert_eq!(matches!(refused, Err(Error::Probe { .. })), bad != "SELECT", "`{bad}`: {refused:?}");
        if let Ok(runner) = refused {
            runner.finish(&[]).await.expect("it ends");
        }
    }
    database.execute(
        "CREATE FUNCTION public.writes() RETURNS int LANGUAGE sql AS 'DELETE FROM public.other RETURNING 1';
         CREATE FUNCTION public.turns() RETURNS text LANGUAGE sql AS
             $$SELECT pg_catalog.set_config('transaction_read_only', 'off', false)$$",
    );
    for bad in ["SELECT public.writes()", "SELECT public.turns()"] {
        let mut runner = start(&database, probing(bad)).await.expect("a run");
        let refused = runner.execute(&mut create(), &mut |_| {}).await;
        assert!(matches!(refused, Err(Error::Probe { .. })), "`{bad}`: {refused:?}");
    }
    let unlock = probing("SELECT pg_catalog.pg_advisory_unlock_all()");
    assert_eq!(run_with(&database, unlock).await.outcome, Outcome::Done);
}
