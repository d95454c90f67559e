//! The safety rules of concurrent builds, each on a real server with somebody in the way.

mod support;

use std::time::{Duration, Instant};

use dbopt_run::{Ddl, Event, Fate, Lock, Options, Outcome, Runner, Step};
use dbopt_testkit::{Cluster, Database};
use support::{STATEMENT, client, create, database, indexes, options, reason, run_with, start, until};

#[tokio::test]
async fn an_old_transaction_defers_a_build_and_is_named() {
    let database = database(Cluster::shared()).await;
    let reader = client(&database).await;
    reader
        .batch_execute("SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other")
        .await
        .expect("it reads another table");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let strict = Options { oldest_transaction: Duration::from_millis(200), ..options() };
    let report = run_with(&database, strict.clone()).await;
    assert!(matches!(report.outcome, Outcome::Deferred(_)), "{report:?}");
    assert!(reason(&report.outcome).contains("report, idle in transaction"), "{report:?}");
    assert_eq!(indexes(&database), "");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.journal"), "0", "nothing was begun");
    reader.batch_execute("SELECT FROM other; COMMIT").await.expect("nobody disturbed it");
    assert_eq!(run_with(&database, strict).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn a_prepared_transaction_on_the_table_defers_a_build() {
    let cluster = Cluster::builder().setting("max_prepared_transactions", "2").start().expect("a cluster");
    let database = database(&cluster).await;
    let session = client(&database).await;
    for sql in ["BEGIN", "INSERT INTO t VALUES (1)", "PREPARE TRANSACTION 'forgotten'"] {
        session.batch_execute(sql).await.expect("it prepares");
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let strict = Options { oldest_transaction: Duration::from_millis(20), ..options() };
    let report = run_with(&database, strict).await;
    assert!(reason(&report.outcome).contains("prepared transaction 'forgotten'"), "{report:?}");
}

#[tokio::test]
async fn a_build_that_waits_too_long_is_given_up_and_leaves_nothing() {
    let database = database(Cluster::shared()).await;
    // A snapshot alone: the build waits for it, and the clean-up does not.
    let reader = client(&database).await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other").await.expect("it reads");
    let report = run_with(&database, options()).await;
    assert!(matches!(report.outcome, Outcome::Deferred(_)), "{report:?}");
    assert!(reason(&report.outcome).starts_with("it waited too long for process"), "{report:?}");
    assert_eq!(indexes(&database), "");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0");
    reader.batch_execute("SELECT FROM other; COMMIT").await.expect("nobody disturbed it");
    assert_eq!(run_with(&database, options()).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn nobody_queues_behind_a_build_that_waits_and_the_next_run_cleans_up() {
    let database = database(Cluster::shared()).await;
    let writer = client(&database).await;
    writer.batch_execute("BEGIN; INSERT INTO t VALUES (-1)").await.expect("it writes");
    let application = async {
        until(&database, support::WAITS).await;
        let other = client(&database).await;
        other.batch_execute("SET lock_timeout = '100ms'").await.expect("it is set");
        for _ in 0..20 {
            other.batch_execute("INSERT INTO t VALUES (-2); SELECT count(*) FROM t").await.expect("it need not wait");
        }
    };
    let (report, ()) = tokio::join!(run_with(&database, options()), application);
    assert!(matches!(report.outcome, Outcome::Deferred(_)), "{report:?}");
    // The writer holds the table, so not even the clean-up could be done.
    assert!(reason(&report.outcome).contains("left to the next run"), "{report:?}");
    assert_eq!(indexes(&database), "t_a_idx false");
    writer.batch_execute("INSERT INTO t VALUES (-3); COMMIT").await.expect("nobody disturbed it");
    let mut runner = start(&database, options()).await.expect("a run");
    let repairs = runner.repair().await.expect("it repairs");
    assert_eq!(repairs.iter().map(|repair| &repair.fate).collect::<Vec<_>>(), [&Fate::Dropped]);
    assert_eq!(indexes(&database), "");
    let reports = runner.execute(&mut create(), &mut |_| {}).await.expect("it runs");
    assert_eq!(reports[0].outcome, Outcome::Done);
    assert_eq!(indexes(&database), "t_a_idx true");
}

#[tokio::test]
async fn what_a_killed_run_leaves_is_dropped_and_built_again() {
    for kill in ["client", "backend"] {
        let database = database(Cluster::shared()).await;
        let writer = client(&database).await;
        writer.batch_execute("BEGIN; INSERT INTO t VALUES (-1)").await.expect("it writes");
        let conn_string = database.conn_string();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // A runtime of its own: when it goes, its sockets are closed as by a kill, without a goodbye.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let patient = Options { longest_wait: Duration::from_secs(600), ..options() };
                let mut runner = Runner::start(&support::settings(&conn_string), "test", patient).await.expect("a run");
                let (mut actions, mut ignore) = (create(), |_: Event<'_>| {});
                tokio::select! {
                    result = runner.execute(&mut actions, &mut ignore) => Some(result),
                    _ = stopped => None,
                }
            })
        });
        until(&database, "EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)").await;
        if kill == "client" {
            stop.send(()).expect("it is running");
            assert!(thread.join().expect("it does not panic").is_none());
        } else {
            database.execute("SELECT pg_terminate_backend(backend_pid) FROM dbopt.run");
            let result = thread.join().expect("it does not panic").expect("it ended by itself");
            assert!(matches!(result, Err(dbopt_run::Error::LockLost)), "{result:?}");
        }
        // The server notices by itself, while the writer still holds the table.
        let working = "EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'dbopt-run' \
                       AND datname = current_database())";
        until(&database, &format!("NOT {working}")).await;
        assert_eq!(indexes(&database), "t_a_idx false", "{kill}");
        writer.batch_execute("COMMIT").await.expect("nobody disturbed it");
        let report = run_with(&database, options()).await;
        assert_eq!(report.outcome, Outcome::Done, "{kill}");
        assert_eq!(indexes(&database), "t_a_idx true", "{kill}");
        let outcomes = database.value("SELECT string_agg(outcome, ', ' ORDER BY id) FROM dbopt.run");
        assert_eq!(outcomes, "died, done", "{kill}");
        let audited = database.value(
            "SELECT string_agg(concat_ws(' ', action, d->>'stage', d->>'outcome'), ', ' ORDER BY sequence) \
             FROM (SELECT sequence, action, details::jsonb AS d FROM dbopt.audit_record) r",
        );
        assert_eq!(
            audited,
            "test.create-index begun, test.drop-leftover begun, test.drop-leftover ended dropped, test.repair ended \
             dropped, test.create-index begun, test.create-index ended done",
            "{kill}"
        );
    }
}

/// Leaves an invalid index, as a concurrent build that was cancelled does.
async fn leave_invalid(database: &Database<'_>, sql: &str) {
    let reader = client(database).await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other").await.expect("it reads");
    let builder = client(database).await;
    builder.batch_execute("SET statement_timeout = '300ms'").await.expect("it is set");
    builder.batch_execute(sql).await.expect_err("the reader holds it up");
}

#[tokio::test]
async fn leftovers_of_others_are_reported_and_left() {
    let database = database(Cluster::shared()).await;
    leave_invalid(&database, STATEMENT).await;
    let report = run_with(&database, options()).await;
    assert!(matches!(report.outcome, Outcome::Failed(_)), "{report:?}");
    assert!(reason(&report.outcome).contains("does not prove to be dbopt's"), "{report:?}");
    assert_eq!(indexes(&database), "t_a_idx false");
    // An entry of a dead run that names it, but for another definition, proves nothing either.
    database.execute(
        "INSERT INTO dbopt.journal (run, kind, schema, object, relation, statement) \
         SELECT max(id), 'create-index', 'public', 't_a_idx', 't'::regclass, \
             'CREATE INDEX CONCURRENTLY t_a_idx ON public.t USING btree (b);' FROM dbopt.run",
    );
    let mut runner = start(&database, options()).await.expect("a run");
    let repairs = runner.repair().await.expect("it looks");
    assert_eq!(repairs[0].fate, Fate::Foreign("it has another definition".to_owned()));
    assert_eq!(indexes(&database), "t_a_idx false");
}

#[tokio::test]
async fn a_leftover_is_kept_while_somebody_works_on_the_table_and_a_valid_index_always() {
    let database = database(Cluster::shared()).await;
    leave_invalid(&database, STATEMENT).await;
    database.execute("CREATE INDEX t_b_idx ON t USING btree (b)");
    database.execute(
        "INSERT INTO dbopt.run (command, program, backend_pid) VALUES ('test', '0', 1); \
         INSERT INTO dbopt.journal (run, kind, schema, object, relation, statement) \
         SELECT id, 'create-index', 'public', n, 't'::regclass, 'CREATE INDEX CONCURRENTLY ' || n || ' ON public.t USING btree (' \
             || c || ');' FROM dbopt.run, (VALUES ('t_a_idx', 'a'), ('t_b_idx', 'b')) v (n, c)",
    );
    let other = client(&database).await;
    other.batch_execute("BEGIN; LOCK t IN SHARE UPDATE EXCLUSIVE MODE").await.expect("it locks as a build does");
    let mut runner = start(&database, options()).await.expect("a run");
    let fates: Vec<Fate> = runner.repair().await.expect("it looks").into_iter().map(|repair| repair.fate).collect();
    assert!(
        matches!(&fates[..], [Fate::Kept(reason), Fate::Complete] if reason.contains("is working on the table")),
        "{fates:?}"
    );
    other.batch_execute("COMMIT").await.expect("nobody disturbed it");
    let fates: Vec<Fate> = runner.repair().await.expect("it looks").into_iter().map(|repair| repair.fate).collect();
    assert_eq!(fates, [Fate::Dropped]);
    assert_eq!(indexes(&database), "t_b_idx true");
}

#[tokio::test]
async fn a_strong_lock_is_tried_for_in_short_turns() {
    let database = database(Cluster::shared()).await;
    let reader = client(&database).await;
    reader.batch_execute("BEGIN; SELECT FROM t").await.expect("it reads");
    let step = Step {
        kind: "alter-table",
        schema: "public".to_owned(),
        object: "t".to_owned(),
        table: Some(("public".to_owned(), "t".to_owned())),
        statements: vec!["ALTER TABLE public.t ADD COLUMN c int;".to_owned()],
        lock: Lock::AccessExclusive,
        risk: "",
        seconds: None,
        bytes: None,
        needs: Vec::new(),
    };
    let mut options = options();
    options.backoff.tries = 4;
    options.backoff.first = Duration::from_millis(100);
    options.backoff.lock_timeout = Duration::from_millis(200);
    let mut runner = start(&database, options).await.expect("a run");
    let action = Ddl::new(step).unless("SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attname = 'c')");
    let mut actions: Vec<Box<dyn dbopt_run::Action>> = vec![Box::new(action)];
    let mut ignore = |_: Event<'_>| {};
    let mut longest = Duration::ZERO;
    let application = async {
        let other = client(&database).await;
        // As long as the tries last.
        for _ in 0..40 {
            let since = Instant::now();
            other.batch_execute("SELECT count(*) FROM t").await.expect("nobody disturbs it");
            longest = longest.max(since.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (reports, ()) = tokio::join!(runner.execute(&mut actions, &mut ignore), application);
    let reports = reports.expect("it runs");
    assert!(matches!(&reports[0].outcome, Outcome::Blocked(_)), "{reports:?}");
    assert!(reason(&reports[0].outcome).contains("not to be had in 4 tries: process"), "{reports:?}");
    assert!(longest < Duration::from_millis(800), "somebody waited for several tries: {longest:?}");
    reader.batch_execute("COMMIT").await.expect("nobody disturbed it");
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        outcomes
            .extend(runner.execute(&mut actions, &mut |_| {}).await.expect("it runs").into_iter().map(|r| r.outcome));
    }
    assert_eq!(outcomes, [Outcome::Done, Outcome::Skipped("it is done already".to_owned())]);
}
