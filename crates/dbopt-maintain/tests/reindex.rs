//! Rebuilding indexes on a real server, with somebody in the way.

mod support;

use std::time::Duration;

use dbopt_maintain::actions::{Leftovers, Reindex};
use dbopt_run::{Fate, Options, Outcome, Runner};
use dbopt_testkit::{Cluster, Database};
use support::{client, database, index, indexes, options, reason, run, start, until};

const TABLE: &str = "CREATE TABLE t (a int, b text); CREATE TABLE other (a int); \
                     INSERT INTO t SELECT n, n FROM generate_series(1, 20000) n; CREATE INDEX t_a_idx ON t (a); \
                     DELETE FROM t WHERE a % 10 <> 0";

#[tokio::test]
async fn a_bloated_index_becomes_another_smaller_one() {
    let database = database(Cluster::shared(), TABLE).await;
    let action = Reindex::new(&index(&database, "t", "t_a_idx"));
    let report = run(&database, options(), action.clone()).await;
    assert_eq!(report.outcome, Outcome::Done);
    assert!(report.bytes_after < report.bytes_before.map(|bytes| bytes / 4), "{report:?}");
    assert_eq!(indexes(&database, "t"), "t_a_idx true");
    assert_eq!(database.value("SELECT statement FROM dbopt.journal"), "REINDEX INDEX CONCURRENTLY public.t_a_idx;");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0");
    // The same plan again is stale by now.
    let report = run(&database, options(), action).await;
    assert_eq!(report.outcome, Outcome::Skipped("it was rebuilt or replaced since the plan was made".to_owned()));
}

#[tokio::test]
async fn an_old_transaction_of_any_table_defers_a_rebuild_and_is_named() {
    let database = database(Cluster::shared(), TABLE).await;
    let reader = client(&database).await;
    reader
        .batch_execute("SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other")
        .await
        .expect("it reads another table");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let strict = Options { oldest_transaction: Duration::from_millis(200), ..options() };
    let report = run(&database, strict, Reindex::new(&index(&database, "t", "t_a_idx"))).await;
    assert!(
        matches!(&report.outcome, Outcome::Deferred(why) if why.contains("report, idle in transaction")),
        "{report:?}"
    );
    reader.batch_execute("SELECT FROM other; COMMIT").await.expect("nobody disturbed it");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.journal"), "0", "nothing was begun");
}

#[tokio::test]
async fn nobody_queues_behind_a_rebuild_that_waits_and_the_next_run_cleans_up() {
    let database = database(Cluster::shared(), TABLE).await;
    let action = Reindex::new(&index(&database, "t", "t_a_idx"));
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
    let (report, ()) = tokio::join!(run(&database, options(), action.clone()), application);
    assert!(matches!(report.outcome, Outcome::Deferred(_)), "{report:?}");
    // The writer holds the table, so not even the clean-up could be done.
    assert!(reason(&report).contains("left to the next run"), "{report:?}");
    assert_eq!(indexes(&database, "t"), "t_a_idx true, t_a_idx_ccnew false");
    writer.batch_execute("INSERT INTO t VALUES (-3); COMMIT").await.expect("nobody disturbed it");
    let report = run(&database, options(), action).await;
    assert_eq!(report.outcome, Outcome::Done, "the leftover was dropped first");
    assert_eq!(indexes(&database, "t"), "t_a_idx true");
}

/// Leaves what a rebuild of somebody else does that was broken off.
async fn break_off(database: &Database<'_>, name: &str) {
    let reader = client(database).await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other").await.expect("it reads");
    let other = client(database).await;
    other.batch_execute("SET statement_timeout = '400ms'").await.expect("it is set");
    other.batch_execute(&format!("REINDEX INDEX CONCURRENTLY {name}")).await.expect_err("the reader holds it up");
}

#[tokio::test]
async fn leftovers_of_others_are_refused_until_somebody_says_otherwise() {
    let database = database(Cluster::shared(), TABLE).await;
    break_off(&database, "t_a_idx").await;
    assert_eq!(indexes(&database, "t"), "t_a_idx true, t_a_idx_ccnew false");
    let action = Reindex::new(&index(&database, "t", "t_a_idx"));
    let report = run(&database, options(), action.clone()).await;
    assert!(matches!(&report.outcome, Outcome::Failed(why) if why.contains("`t_a_idx_ccnew`")), "{report:?}");
    assert_eq!(indexes(&database, "t"), "t_a_idx true, t_a_idx_ccnew false");
    let report = run(&database, options(), action.with_leftovers(Leftovers::Drop)).await;
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(indexes(&database, "t"), "t_a_idx true");
}

#[tokio::test]
async fn only_what_fits_in_every_respect_is_taken_for_a_leftover() {
    // A valid index of such a name, one of another definition, one on another table, and one of a longer name.
    let sql = "CREATE INDEX t_a_idx_ccnew ON t (a); CREATE INDEX t_a_idx_ccold ON t (b); CREATE INDEX other_a ON other (a); \
               CREATE INDEX t_a_idx2 ON t (a)";
    let database = database(Cluster::shared(), &format!("{TABLE}; {sql}")).await;
    for name in ["t_a_idx_ccold", "other_a", "t_a_idx2"] {
        break_off(&database, name).await;
    }
    database.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_a_idx_ccold'::regclass; \
         INSERT INTO dbopt.run (command, program, backend_pid) VALUES ('maintain', '0', 1); \
         INSERT INTO dbopt.journal (run, kind, schema, object, relation, statement, definition) \
         SELECT id, 'reindex', 'public', 't_a_idx', 't'::regclass, 'REINDEX INDEX CONCURRENTLY public.t_a_idx;', \
             pg_get_indexdef('t_a_idx'::regclass) FROM dbopt.run",
    );
    let before = indexes(&database, "t");
    assert_eq!(
        before,
        "t_a_idx true, t_a_idx2 true, t_a_idx2_ccnew false, t_a_idx_ccnew true, t_a_idx_ccold false, \
         t_a_idx_ccold_ccnew false"
    );
    let mut runner = start(&database, options()).await;
    let repairs = dbopt_maintain::actions::repair(&mut runner).await.expect("it repairs");
    assert_eq!(repairs.iter().map(|repair| &repair.fate).collect::<Vec<_>>(), [&Fate::Nothing]);
    assert_eq!(indexes(&database, "t"), before);
    assert_eq!(indexes(&database, "other"), "other_a true, other_a_ccnew false");
}

#[tokio::test]
async fn a_killed_rebuild_is_proven_ours_dropped_and_done_again() {
    // A name that the server has to cut.
    let name = "i".repeat(63);
    for kill in ["client", "backend"] {
        let database = database(Cluster::shared(), &format!("{TABLE}; ALTER INDEX t_a_idx RENAME TO {name}")).await;
        let action = Reindex::new(&index(&database, "t", &name));
        let writer = client(&database).await;
        writer.batch_execute("BEGIN; INSERT INTO t VALUES (-1)").await.expect("it writes");
        let (conn_string, again) = (database.conn_string(), action.clone());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // A runtime of its own: when it goes, its sockets are closed as by a kill, without a goodbye.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let patient = Options { longest_wait: Duration::from_secs(600), ..options() };
                let settings = support::settings(&conn_string);
                let mut runner = Runner::start(&settings, "maintain", patient).await.expect("a run");
                let mut actions: Vec<Box<dyn dbopt_run::Action>> = vec![Box::new(action)];
                let mut ignore = |_: dbopt_run::Event<'_>| {};
                tokio::select! {
                    result = runner.execute(&mut actions, &mut ignore) => Some(result.is_err()),
                    _ = stopped => None,
                }
            })
        });
        until(&database, "EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)").await;
        if kill == "client" {
            stop.send(()).expect("it is running");
            assert_eq!(thread.join().expect("it does not panic"), None);
        } else {
            database.execute("SELECT pg_terminate_backend(backend_pid) FROM dbopt.run");
            assert_eq!(thread.join().expect("it does not panic"), Some(true));
        }
        // The server notices by itself, while the writer still holds the table.
        until(&database, &format!("NOT {}", support::WORKS)).await;
        let left = indexes(&database, "t");
        assert_eq!(left, format!("{}_ccnew false, {name} true", "i".repeat(57)), "{kill}");
        writer.batch_execute("COMMIT").await.expect("nobody disturbed it");
        assert_eq!(run(&database, options(), again).await.outcome, Outcome::Done, "{kill}");
        assert_eq!(indexes(&database, "t"), format!("{name} true"), "{kill}");
        assert_eq!(database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0");
        let outcomes = database.value("SELECT string_agg(outcome, ', ' ORDER BY id) FROM dbopt.run");
        assert_eq!(outcomes, "died, done", "{kill}");
    }
}

#[tokio::test]
async fn what_cannot_or_should_not_be_rebuilt_is_passed_over() {
    let sql = "CREATE TABLE rooms (during int4range, EXCLUDE USING gist (during WITH &&)); \
               CREATE TABLE parts (a int) PARTITION BY RANGE (a); CREATE INDEX parts_a_idx ON parts (a)";
    let database = database(Cluster::shared(), &format!("{TABLE}; {sql}")).await;
    let outcome = async |table: &str, name: &str| {
        run(&database, options(), Reindex::new(&index(&database, table, name))).await.outcome
    };
    let excluded = outcome("rooms", "rooms_during_excl").await;
    assert!(matches!(&excluded, Outcome::Skipped(why) if why.contains("exclusion")), "{excluded:?}");
    let parts = outcome("parts", "parts_a_idx").await;
    assert!(matches!(&parts, Outcome::Skipped(why) if why.contains("its parts")), "{parts:?}");
    database.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_a_idx'::regclass");
    let invalid = outcome("t", "t_a_idx").await;
    assert!(matches!(&invalid, Outcome::Failed(why) if why.contains("not valid")), "{invalid:?}");
}

#[tokio::test]
async fn a_rebuild_begins_only_while_twice_its_size_is_free() {
    let database = database(Cluster::shared(), TABLE).await;
    let full = Options { disk_free: Some(1000), ..options() };
    let report = run(&database, full, Reindex::new(&index(&database, "t", "t_a_idx"))).await;
    assert!(matches!(&report.outcome, Outcome::Blocked(why) if why.contains("bytes of disk")), "{report:?}");
}
