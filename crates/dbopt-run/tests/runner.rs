//! Runs: who may run, what they write down, when they stop.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use dbopt_run::{Action, CreateIndex, Error, Options, Outcome, created, predict_seconds};
use dbopt_testkit::Cluster;
use support::{create, database, indexes, options, reason, run_with, settings, start};

#[tokio::test]
async fn an_index_is_built_once_and_written_down() {
    let database = database(Cluster::shared()).await;
    let report = run_with(&database, options()).await;
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(
        report.bytes_after.map(|bytes| bytes.to_string()).as_deref(),
        Some(&*database.value("SELECT pg_relation_size('t_a_idx')"))
    );
    let again = run_with(&database, options()).await;
    assert_eq!(again.outcome, Outcome::Skipped("it is there already".to_owned()));
    assert_eq!(indexes(&database), "t_a_idx true");
    assert_eq!(
        database.value("SELECT string_agg(command || ' ' || outcome, ', ' ORDER BY id) FROM dbopt.run"),
        "test done, test done"
    );
    assert_eq!(database.value("SELECT string_agg(outcome, ', ' ORDER BY id) FROM dbopt.history"), "done, skipped");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0");
    let session = start(&database, options()).await.expect("a run");
    let known = created(session.session(), "public", "t_a_idx").await.expect("it answers").expect("it was created");
    assert_eq!(known.definition, "CREATE INDEX t_a_idx ON public.t USING btree (a)");
    let predicted = predict_seconds(session.session(), "create-index", 1 << 30).await.expect("it answers");
    assert!(predicted.is_some_and(|predicted| predicted.samples == 1 && predicted.seconds > 0.0));
}

#[tokio::test]
async fn a_standby_and_a_database_without_the_schema_are_refused() {
    let bare = Cluster::shared().database();
    let error = start(&bare, options()).await.expect_err("there is no schema");
    assert!(matches!(error, Error::Schema(_)), "{error}");
    assert_eq!(error.hint("shop").as_deref(), Some("run `dbopt migrate up -d shop`"));
    let standby = Cluster::builder().standby().start().expect("a standby");
    let settings = settings(&standby.conn_string("postgres"));
    let error = dbopt_run::Runner::start(&settings, "test", Options::default()).await.expect_err("it is a standby");
    assert!(matches!(error, Error::Standby), "{error}");
}

#[tokio::test]
async fn a_second_run_is_turned_away_and_the_first_goes_on() {
    let database = database(Cluster::shared()).await;
    let mut first = start(&database, options()).await.expect("a run");
    let impatient = Options { patience: Duration::from_millis(200), ..options() };
    let error = start(&database, impatient).await.expect_err("there is a run");
    assert!(matches!(&error, Error::Busy { holder: Some(holder) } if holder.contains("postgres")), "{error}");
    let reports = first.execute(&mut create(), &mut |_| {}).await.expect("it goes on");
    assert_eq!(reports[0].outcome, Outcome::Done);
    // In another database there is another lock.
    let other = support::database(Cluster::shared()).await;
    start(&other, options()).await.expect("a run in another database");
}

#[tokio::test]
async fn a_run_without_its_lock_does_nothing_more() {
    let database = database(Cluster::shared()).await;
    let mut runner = start(&database, options()).await.expect("a run");
    let pid = database.value("SELECT backend_pid FROM dbopt.run");
    database.execute(&format!("SELECT pg_terminate_backend({pid})"));
    let error = runner.execute(&mut create(), &mut |_| {}).await.expect_err("the session is gone");
    assert!(matches!(error, Error::LockLost), "{error}");
    assert_eq!(indexes(&database), "");
}

#[tokio::test]
async fn a_working_session_of_a_dead_run_is_waited_for_and_named() {
    let database = database(Cluster::shared()).await;
    let orphan = support::client(&database).await;
    orphan.batch_execute("SET application_name = 'dbopt-run'; BEGIN; SELECT").await.expect("it begins");
    let impatient = Options { patience: Duration::from_millis(200), ..options() };
    let error = start(&database, impatient).await.expect_err("there is an orphan");
    assert!(matches!(error, Error::Orphan { .. }), "{error}");
    orphan.batch_execute("COMMIT").await.expect("it ends");
    start(&database, options()).await.expect("a run");
}

#[tokio::test]
async fn what_is_left_when_a_stop_is_asked_for_is_deferred() {
    let database = database(Cluster::shared()).await;
    let options = options();
    let flag = options.stop.flag.clone();
    let mut runner = start(&database, options).await.expect("a run");
    let mut actions = create();
    let second = "CREATE INDEX CONCURRENTLY t_b_idx ON public.t USING btree (b);";
    actions.push(Box::new(CreateIndex::new(("public", "t"), "t_b_idx", second)));
    let reports = runner
        .execute(&mut actions, &mut |event| {
            if matches!(event, dbopt_run::Event::Begun(_)) {
                flag.store(true, Ordering::Relaxed);
            }
        })
        .await
        .expect("it runs");
    assert_eq!(reports[0].outcome, Outcome::Done, "what was begun is finished");
    assert_eq!(reports[1].outcome, Outcome::Deferred("a stop was asked for".to_owned()));
    runner.finish(&reports).await.expect("it ends");
    assert_eq!(database.value("SELECT outcome FROM dbopt.run"), "deferred");
}

#[tokio::test]
async fn a_step_is_not_begun_without_those_it_needs() {
    let database = database(Cluster::shared()).await;
    let mut runner = start(&database, options()).await.expect("a run");
    let bad = "CREATE INDEX CONCURRENTLY t_c_idx ON public.t USING btree (nothing);";
    let mut actions: Vec<Box<dyn Action>> = vec![Box::new(CreateIndex::new(("public", "t"), "t_c_idx", bad))];
    actions.append(&mut create());
    actions[1].step_mut().needs = vec![0];
    let reports = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
    assert!(matches!(&reports[0].outcome, Outcome::Failed(reason) if reason.contains("nothing")), "{reports:?}");
    assert_eq!(reason(&reports[1].outcome), "`t_c_idx` was not done before it");
    assert_eq!(indexes(&database), "");
}

#[tokio::test]
async fn only_the_newest_of_what_is_over_is_kept() {
    let database = database(Cluster::shared()).await;
    database.execute(
        "INSERT INTO dbopt.run (command, program, backend_pid, ended_at, outcome) \
             SELECT 'maintain', '0', 0, now(), 'done' FROM generate_series(1, 10100); \
         INSERT INTO dbopt.journal (run, kind, schema, object, statement, closed_at) \
             SELECT 10100, 'statement', 'public', 'gone_' || n, 'VACUUM;', now() FROM generate_series(1, 10100) n; \
         INSERT INTO dbopt.history (run, kind, schema, object, outcome, seconds) \
             SELECT 10100, 'vacuum', 'public', 't', 'done', 1 FROM generate_series(1, 10100); \
         UPDATE dbopt.journal SET closed_at = NULL, run = 7, kind = 'reindex' WHERE id = 7; \
         UPDATE dbopt.run SET ended_at = NULL, outcome = NULL WHERE id = 8",
    );
    let mut runner = start(&database, options()).await.expect("a run");
    let reports = runner.execute(&mut create(), &mut |_| {}).await.expect("it runs");
    runner.finish(&reports).await.expect("it ends");
    let kept = database.value(
        "SELECT (SELECT count(*) FROM dbopt.history) || ' ' || (SELECT count(*) FROM dbopt.journal) || ' ' || \
             (SELECT count(*) FROM dbopt.run) || ' ' || (SELECT min(id) FROM dbopt.run) || ' ' || \
             (SELECT outcome FROM dbopt.run ORDER BY id DESC LIMIT 1)",
    );
    // What may be half done stays, and its run.
    assert_eq!(kept, "10000 10001 10001 7 done");
}

/// What the audit says of each change: action, stage, object and outcome.
fn audited(database: &dbopt_testkit::Database<'_>) -> String {
    database.value(
        "SELECT coalesce(string_agg(concat_ws(' ', action, d->>'stage', d->>'object', d->>'outcome'), ', ' \
             ORDER BY sequence), '') \
         FROM (SELECT sequence, action, details::jsonb AS d FROM dbopt.audit_record) r",
    )
}

#[tokio::test]
async fn each_change_is_in_the_audit_before_and_after() {
    let database = database(Cluster::shared()).await;
    // Nothing that could see the record: it is there before the statement is sent.
    let writer = support::client(&database).await;
    writer.batch_execute("BEGIN; INSERT INTO t VALUES (-1)").await.expect("it writes");
    let look = async {
        support::until(&database, support::WAITS).await;
        let begun = audited(&database);
        writer.batch_execute("COMMIT").await.expect("nobody disturbed it");
        begun
    };
    let patient = Options { longest_wait: Duration::from_secs(60), ..options() };
    let (report, begun) = tokio::join!(run_with(&database, patient), look);
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(begun, "test.create-index begun t_a_idx");
    let whole = "test.create-index begun t_a_idx, test.create-index ended t_a_idx done";
    assert_eq!(audited(&database), whole);
    assert_eq!(
        database.value("SELECT details::jsonb->>'statement' FROM dbopt.audit_record WHERE sequence = 1"),
        support::STATEMENT
    );
    assert_eq!(database.value("SELECT details::jsonb->>'begun' FROM dbopt.audit_record WHERE sequence = 2"), "1");
    assert_eq!(database.value("SELECT DISTINCT actor FROM dbopt.audit_record"), "postgres");
    // What changes nothing is not recorded.
    run_with(&database, options()).await;
    assert_eq!(audited(&database), whole);
}

#[tokio::test]
async fn another_writer_of_the_audit_is_waited_for() {
    let database = database(Cluster::shared()).await;
    let mut writer = support::client(&database).await;
    let transaction = writer.transaction().await.expect("it begins");
    let details = serde_json::Map::new();
    let entry = dbopt_audit::Entry::new("gdpr", "gdpr.erase", &details).expect("an entry");
    dbopt_audit::append_in(&transaction, &entry).await.expect("it is appended");
    let other = async {
        // Longer than the run's sessions wait for locks otherwise.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        transaction.commit().await.expect("nobody disturbed it");
    };
    let (report, ()) = tokio::join!(run_with(&database, options()), other);
    assert_eq!(report.outcome, Outcome::Done);
    let chain = database.value("SELECT string_agg(action, ' ' ORDER BY sequence) FROM dbopt.audit_record");
    assert_eq!(chain, "gdpr.erase test.create-index test.create-index");
}

#[tokio::test]
async fn a_role_that_may_not_append_is_told_so_or_refused() {
    let database = database(Cluster::shared()).await;
    let role = format!("quiet_{}", std::process::id());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN; ALTER TABLE t OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role}; \
         GRANT USAGE ON SCHEMA dbopt TO {role}; GRANT SELECT ON dbopt.migration TO {role}; \
         GRANT SELECT, INSERT, UPDATE ON dbopt.run, dbopt.journal TO {role}; \
         GRANT SELECT, INSERT, DELETE ON dbopt.history TO {role}"
    ));
    let target = settings(&database.conn_string().replace("user=postgres", &format!("user={role}")));
    let strict = Options { audit_required: true, ..options() };
    let error = dbopt_run::Runner::start(&target, "test", strict.clone()).await.expect_err("it may not");
    let grant = format!("GRANT SELECT, INSERT ON dbopt.audit_record TO {role};");
    assert!(matches!(&error, Error::Unaudited { grant: told } if *told == grant), "{error}");
    let mut runner = dbopt_run::Runner::start(&target, "test", options()).await.expect("a run");
    let unseen = runner.unseen(&create()).await.expect("it looks");
    // Nor does it know where the data are, and so how much space is left.
    let [disk, audit] = &unseen[..] else { panic!("{unseen:?}") };
    assert!(disk.help.contains("disk_free") && audit.help == grant, "{unseen:?}");
    let reports = runner.execute(&mut create(), &mut |_| {}).await.expect("it runs");
    assert_eq!(reports[0].outcome, Outcome::Done);
    runner.finish(&reports).await.expect("it ends");
    assert_eq!(audited(&database), "");
    database.execute(&grant);
    database.execute("DROP INDEX t_a_idx");
    let mut runner = dbopt_run::Runner::start(&target, "test", strict).await.expect("now it may");
    runner.execute(&mut create(), &mut |_| {}).await.expect("it runs");
    assert_eq!(audited(&database), "test.create-index begun t_a_idx, test.create-index ended t_a_idx done");
    database.execute(&format!("REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[tokio::test]
async fn a_build_begins_only_while_twice_its_size_is_free() {
    let database = database(Cluster::shared()).await;
    let mut runner = start(&database, Options { disk_free: Some(150_000), ..options() }).await.expect("a run");
    assert_eq!(runner.unseen(&create()).await.expect("it looks"), []);
    let mut actions = create();
    let second = "CREATE INDEX CONCURRENTLY t_b_idx ON public.t USING btree (b);";
    actions.push(Box::new(CreateIndex::new(("public", "t"), "t_b_idx", second)));
    for action in &mut actions {
        action.step_mut().bytes = Some(65_536.0);
    }
    let reports = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
    // The first index has used up what the second would need.
    assert_eq!(reports[0].outcome, Outcome::Done);
    let left = 150_000 - reports[0].bytes_after.expect("it is there");
    let blocked = format!(
        "it may need 131072 bytes of disk, twice its predicted size, and {left} are left of the policy's `disk_free`"
    );
    assert_eq!(reports[1].outcome, Outcome::Blocked(blocked));
    assert_eq!(indexes(&database), "t_a_idx true");
    runner.finish(&reports).await.expect("it ends");

    // What is seen counts too, and without a prediction the table's size stands in for it.
    let mut runner = start(&database, Options { disk_free: Some(u64::MAX), ..options() }).await.expect("a run");
    actions[1].step_mut().bytes = Some(1e18);
    let reports = runner.execute(&mut actions[1..], &mut |_| {}).await.expect("it runs");
    let folder = database.value("SHOW data_directory");
    assert!(reason(&reports[0].outcome).ends_with(&format!("are free in `{folder}`")), "{reports:?}");
    runner.finish(&reports).await.expect("it ends");
    let mut runner = start(&database, Options { disk_free: Some(100_000), ..options() }).await.expect("a run");
    actions[1].step_mut().bytes = None;
    let reports = runner.execute(&mut actions[1..], &mut |_| {}).await.expect("it runs");
    let needed = 2 * database.value("SELECT pg_table_size('t')").parse::<u64>().expect("a number");
    assert!(reason(&reports[0].outcome).starts_with(&format!("it may need {needed} bytes")), "{reports:?}");
}
