//! What the tests share: a migrated database with a table, sessions beside the run, and runs.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::time::{Duration, Instant};

use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_run::{Action, CreateIndex, Error, Options, Outcome, Report, Runner};
use dbopt_testkit::{Cluster, Database};
use tokio_postgres::{Client, NoTls};

pub(crate) const STATEMENT: &str = "CREATE INDEX CONCURRENTLY t_a_idx ON public.t USING btree (a);";

/// Whether a run in this database waits for somebody.
pub(crate) const WAITS: &str = "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                                AND application_name = 'dbopt-run' AND wait_event_type = 'Lock')";

pub(crate) fn settings(conn_string: &str) -> Settings {
    let args = ConnectArgs { database: Some(conn_string), ..Default::default() };
    Settings::resolve(&args, &Environment::default()).expect("the settings are good")
}

/// A migrated database with a table `t` of some rows.
pub(crate) async fn database(cluster: &Cluster) -> Database<'_> {
    let database = cluster.database();
    let settings = settings(&database.conn_string());
    let mut session = Session::connect(&settings, &SessionProfile::default()).await.expect("a session");
    dbopt_migrate::up(&mut session).await.expect("it migrates");
    database.execute(
        "CREATE TABLE t (a int, b text); INSERT INTO t SELECT n, n FROM generate_series(1, 2000) n; CREATE TABLE other (a int)",
    );
    database
}

/// Short waits.
pub(crate) fn options() -> Options {
    Options {
        longest_wait: Duration::from_millis(700),
        oldest_transaction: Duration::from_secs(600),
        ..Options::default()
    }
}

pub(crate) async fn start(database: &Database<'_>, options: Options) -> Result<Runner, Error> {
    Runner::start(&settings(&database.conn_string()), "test", options).await
}

/// The index `t_a_idx`.
pub(crate) fn create() -> Vec<Box<dyn Action>> {
    vec![Box::new(CreateIndex::new(("public", "t"), "t_a_idx", STATEMENT))]
}

/// A whole run of one action after the repairs.
pub(crate) async fn run_with(database: &Database<'_>, options: Options) -> Report {
    let mut runner = start(database, options).await.expect("a run");
    runner.repair().await.expect("it repairs");
    let mut reports = runner.execute(&mut create(), &mut |_| {}).await.expect("it runs");
    runner.finish(&reports).await.expect("it ends");
    reports.remove(0)
}

/// A session of the application.
pub(crate) async fn client(database: &Database<'_>) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.conn_string(), NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}

/// Waits for something to be so.
pub(crate) async fn until(database: &Database<'_>, condition: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while database.value(&format!("SELECT ({condition})::text")) != "true" {
        assert!(Instant::now() < deadline, "it never was so: {condition}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// All indexes of `t`: name and validity.
pub(crate) fn indexes(database: &Database<'_>) -> String {
    database.value(
        "SELECT coalesce(string_agg(indexrelid::regclass || ' ' || indisvalid, ', ' ORDER BY 1), '') \
         FROM pg_index WHERE indrelid = 't'::regclass",
    )
}

pub(crate) fn reason(outcome: &Outcome) -> &str {
    outcome.reason().unwrap_or_default()
}
