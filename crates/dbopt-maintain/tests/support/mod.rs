//! What the tests of actions share: a migrated database, references to its objects, sessions beside the run, and runs.

#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

mod until;

use std::time::Duration;

use dbopt_maintain::{IndexRef, TableRef};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_run::{Action, Backoff, Options, Report, Runner};
use dbopt_testkit::{Cluster, Database};
use tokio_postgres::{Client, NoTls};

pub(crate) use until::until;

/// Whether a run in this database waits for somebody.
pub(crate) const WAITS: &str = "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                                AND application_name = 'dbopt-run' AND wait_event_type = 'Lock')";

/// Whether a run is working in this database.
pub(crate) const WORKS: &str = "EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'dbopt-run' \
                                AND datname = current_database())";

pub(crate) fn settings(conn_string: &str) -> Settings {
    let args = ConnectArgs { database: Some(conn_string), ..Default::default() };
    Settings::resolve(&args, &Environment::default()).expect("the settings are good")
}

/// A migrated database after some statements.
pub(crate) async fn database<'a>(cluster: &'a Cluster, sql: &str) -> Database<'a> {
    let database = cluster.database();
    let settings = settings(&database.conn_string());
    let mut session = Session::connect(&settings, &SessionProfile::default()).await.expect("a session");
    dbopt_migrate::up(&mut session).await.expect("it migrates");
    database.execute(sql);
    database
}

/// Short waits.
pub(crate) fn options() -> Options {
    Options {
        longest_wait: Duration::from_millis(700),
        oldest_transaction: Duration::from_secs(600),
        backoff: Backoff {
            lock_timeout: Duration::from_millis(100),
            tries: 3,
            first: Duration::from_millis(50),
            longest: Duration::from_millis(100),
        },
        ..Options::default()
    }
}

pub(crate) fn table(database: &Database<'_>, name: &str) -> TableRef {
    let oid = number(database, &format!("SELECT '{name}'::regclass::oid"));
    TableRef { oid, schema: "public".to_owned(), name: name.to_owned() }
}

pub(crate) fn index(database: &Database<'_>, table_name: &str, name: &str) -> IndexRef {
    let of = |what: &str| number(database, &format!("SELECT {what} FROM pg_class WHERE oid = '\"{name}\"'::regclass"));
    let table = table(database, table_name);
    IndexRef { oid: of("oid"), relfilenode: of("relfilenode"), name: name.to_owned(), table }
}

pub(crate) fn number<T: std::str::FromStr>(database: &Database<'_>, sql: &str) -> T {
    let value = database.value(sql);
    value.parse().unwrap_or_else(|_| panic!("`{value}` is no number"))
}

pub(crate) async fn start(database: &Database<'_>, options: Options) -> Runner {
    Runner::start(&settings(&database.conn_string()), "maintain", options).await.expect("a run")
}

/// A whole run of one action after the repairs.
pub(crate) async fn run(database: &Database<'_>, options: Options, action: impl Action + 'static) -> Report {
    let mut runner = start(database, options).await;
    dbopt_maintain::actions::repair(&mut runner).await.expect("it repairs");
    let mut actions: Vec<Box<dyn Action>> = vec![Box::new(action)];
    let mut reports = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
    runner.finish(&reports).await.expect("it ends");
    reports.remove(0)
}

/// A session of the application.
pub(crate) async fn client(database: &Database<'_>) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.conn_string(), NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}

/// All indexes of a table: name and validity.
pub(crate) fn indexes(database: &Database<'_>, table: &str) -> String {
    database.value(&format!(
        "SELECT coalesce(string_agg(c.relname || ' ' || i.indisvalid, ', ' ORDER BY c.relname COLLATE \"C\"), '') \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE indrelid = '{table}'::regclass"
    ))
}

pub(crate) fn reason(report: &Report) -> &str {
    report.outcome.reason().unwrap_or_default()
}
