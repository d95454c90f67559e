//! VACUUM and ANALYZE on a real server, with somebody in the way.

mod support;

use dbopt_maintain::actions::{Analyze, Vacuum, VacuumOptions};
use dbopt_run::{Outcome, Runner};
use dbopt_testkit::Cluster;
use support::{client, database, options, reason, run, table};

/// Dead rows that nobody but these tests removes.
const TABLE: &str = "CREATE TABLE other (a int); CREATE TABLE t (a int, b text) WITH (autovacuum_enabled = off); \
                     INSERT INTO t SELECT n, n FROM generate_series(1, 5000) n; CREATE INDEX t_a_idx ON t (a)";

fn dead(database: &dbopt_testkit::Database<'_>) -> i64 {
    support::number(database, "SELECT pg_stat_get_dead_tuples('t'::regclass)")
}

#[tokio::test]
async fn dead_rows_are_removed_and_the_server_is_asked_whether_they_were() {
    let database = database(Cluster::shared(), TABLE).await;
    database.execute("DELETE FROM t WHERE a % 2 = 0");
    support::until(&database, "pg_stat_get_dead_tuples('t'::regclass) = 2500").await;
    let report = run(&database, options(), Vacuum::new(&table(&database, "t"), &VacuumOptions::default())).await;
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(dead(&database), 0);
    assert_eq!(database.value("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 't'"), "1");
    let freeze = VacuumOptions { freeze: true, skip_indexes: true, ..VacuumOptions::default() };
    let report = run(&database, options(), Vacuum::new(&table(&database, "t"), &freeze)).await;
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(report.step.statements, ["VACUUM (FREEZE, INDEX_CLEANUP OFF, TRUNCATE OFF) public.t;"]);
    let audited = database.value("SELECT string_agg(action, ' ' ORDER BY sequence) FROM dbopt.audit_record");
    assert_eq!(audited, ["maintain.vacuum"; 4].join(" "));
}

#[tokio::test]
async fn a_held_horizon_is_named_and_no_success() {
    let database = database(Cluster::shared(), TABLE).await;
    let reader = client(&database).await;
    reader
        .batch_execute("SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other")
        .await
        .expect("it reads another table");
    database.execute("DELETE FROM t WHERE a % 2 = 0");
    support::until(&database, "pg_stat_get_dead_tuples('t'::regclass) = 2500").await;
    let action = Vacuum::new(&table(&database, "t"), &VacuumOptions::default());
    let report = run(&database, options(), action.clone()).await;
    let Outcome::Blocked(why) = &report.outcome else { panic!("{report:?}") };
    assert!(why.starts_with("2500 dead rows could not be removed, because of process "), "{why}");
    assert!(why.contains("report, idle in transaction"), "{why}");
    let freeze = VacuumOptions { freeze: true, ..VacuumOptions::default() };
    database.execute("CREATE TABLE f AS SELECT 1 AS a; UPDATE f SET a = 2");
    let report = run(&database, options(), Vacuum::new(&table(&database, "f"), &freeze)).await;
    assert!(matches!(&report.outcome, Outcome::Blocked(why) if why.contains("report, idle")), "{report:?}");
    reader.batch_execute("SELECT FROM other; COMMIT").await.expect("nobody disturbed it");
    assert_eq!(run(&database, options(), action).await.outcome, Outcome::Done);
    assert_eq!(dead(&database), 0);
}

#[tokio::test]
async fn an_orphaned_prepared_transaction_is_named() {
    let cluster = Cluster::builder().setting("max_prepared_transactions", "2").start().expect("a cluster");
    let database = database(&cluster, TABLE).await;
    let session = client(&database).await;
    for sql in ["BEGIN", "INSERT INTO other VALUES (1)", "PREPARE TRANSACTION 'forgotten'"] {
        session.batch_execute(sql).await.expect("it prepares");
    }
    database.execute("DELETE FROM t");
    support::until(&database, "pg_stat_get_dead_tuples('t'::regclass) = 5000").await;
    let report = run(&database, options(), Vacuum::new(&table(&database, "t"), &VacuumOptions::default())).await;
    assert!(reason(&report).ends_with("because of prepared transaction `forgotten`"), "{report:?}");
}

#[tokio::test]
async fn a_lock_is_tried_for_in_short_turns_and_its_holder_named() {
    let database = database(Cluster::shared(), TABLE).await;
    let other = client(&database).await;
    other
        .batch_execute("SET application_name = 'ddl'; BEGIN; LOCK t IN SHARE UPDATE EXCLUSIVE MODE")
        .await
        .expect("it locks");
    let report = run(&database, options(), Vacuum::new(&table(&database, "t"), &VacuumOptions::default())).await;
    assert!(
        matches!(&report.outcome, Outcome::Blocked(why) if why.contains("in 3 tries") && why.contains("ddl")),
        "{report:?}"
    );
    let skip = VacuumOptions { skip_locked: true, ..VacuumOptions::default() };
    let report = run(&database, options(), Vacuum::new(&table(&database, "t"), &skip)).await;
    assert!(matches!(&report.outcome, Outcome::Skipped(why) if why.contains("it was locked: process")), "{report:?}");
    let report = run(&database, options(), Analyze::new(&table(&database, "t"))).await;
    assert!(matches!(&report.outcome, Outcome::Blocked(why) if why.contains("ddl")), "{report:?}");
    other.batch_execute("INSERT INTO t VALUES (1); COMMIT").await.expect("nobody disturbed it");
    assert_eq!(run(&database, options(), Analyze::new(&table(&database, "t"))).await.outcome, Outcome::Done);
    assert_eq!(database.value("SELECT count(*) > 0 FROM pg_stats WHERE tablename = 't'"), "t");
}

#[tokio::test]
async fn a_table_that_the_role_may_not_vacuum_is_no_success() {
    let database = database(Cluster::shared(), TABLE).await;
    let role = format!("visitor_{}", std::process::id());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA dbopt TO {role}; GRANT SELECT ON dbopt.migration TO {role}; \
         GRANT SELECT, INSERT, UPDATE ON dbopt.run, dbopt.journal TO {role}; \
         GRANT SELECT, INSERT, DELETE ON dbopt.history TO {role}; GRANT SELECT, INSERT ON dbopt.audit_record TO {role}"
    ));
    let target = support::settings(&database.conn_string().replace("user=postgres", &format!("user={role}")));
    let mut runner = Runner::start(&target, "maintain", options()).await.expect("a run");
    let t = table(&database, "t");
    let mut actions: Vec<Box<dyn dbopt_run::Action>> =
        vec![Box::new(Vacuum::new(&t, &VacuumOptions::default())), Box::new(Analyze::new(&t))];
    let has_maintain = database.value("SELECT current_setting('server_version_num')::int >= 170000") == "t";
    let reports = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
    for report in &reports {
        // Its owner is a superuser, whose role nobody else gets.
        let help = match has_maintain {
            true => format!("may not do it: GRANT MAINTAIN ON public.t TO {role};"),
            false => "may not do it: a superuser has to do it".to_owned(),
        };
        assert!(matches!(&report.outcome, Outcome::Failed(why) if why.ends_with(&help)), "{report:?}");
    }
    // What is offered for a table of anybody else can be pasted, and is enough.
    let owner = format!("Owner {}", std::process::id());
    database.execute(&format!("CREATE ROLE \"{owner}\"; ALTER TABLE t OWNER TO \"{owner}\""));
    let denied = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
    let help = support::reason(&denied[0]).split_once("may not do it: ").expect("it says how").1.to_owned();
    assert!(has_maintain || help == format!("GRANT \"{owner}\" TO {role};"), "{help}");
    database.execute(&help);
    let done = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
    assert!(done.iter().all(|report| report.outcome == Outcome::Done), "{done:?}");
    runner.finish(&done).await.expect("it ends");
    database.execute(&format!("DROP OWNED BY {role}, \"{owner}\"; DROP ROLE {role}, \"{owner}\""));
}

#[tokio::test]
async fn a_table_that_has_been_replaced_is_left_alone() {
    let database = database(Cluster::shared(), TABLE).await;
    let old = table(&database, "t");
    database.execute("DROP TABLE t; CREATE TABLE t (a int)");
    let report = run(&database, options(), Vacuum::new(&old, &VacuumOptions::default())).await;
    assert!(matches!(&report.outcome, Outcome::Skipped(why) if why.contains("another table")), "{report:?}");
    database.execute("DROP TABLE t");
    let report = run(&database, options(), Analyze::new(&old)).await;
    assert!(matches!(&report.outcome, Outcome::Skipped(why) if why.contains("not there")), "{report:?}");
}
