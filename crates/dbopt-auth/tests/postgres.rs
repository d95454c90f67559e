//! Sessions in a real PostgreSQL.

mod contract;

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use dbopt_auth::{
    Grant, NewSession, PostgresSessions, Reason, SessionConfig, SessionId, SessionStore as _, StoreError,
};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_testkit::{Cluster, Database};

fn settings(conn_string: &str) -> Settings {
    let args = ConnectArgs { database: Some(conn_string), ..Default::default() };
    Settings::resolve(&args, &Environment::default()).expect("the settings are good")
}

/// With time for a machine that is busy.
fn store(conn_string: &str) -> PostgresSessions {
    PostgresSessions::new(settings(conn_string), NonZeroU32::new(4).expect("four"), Duration::from_secs(10))
}

async fn migrate(conn_string: &str) {
    let profile = SessionProfile::default();
    let mut session = Session::connect(&settings(conn_string), &profile).await.expect("a session");
    dbopt_migrate::up(&mut session).await.expect("it migrates");
}

/// A database with the schema, the same for all tests that do not need one of their own.
fn shared() -> &'static Database<'static> {
    static SHARED: OnceLock<Database<'static>> = OnceLock::new();
    SHARED.get_or_init(|| {
        let database = Cluster::shared().database();
        let conn_string = database.conn_string();
        // On a thread of its own, because the caller is in a runtime.
        std::thread::scope(|scope| {
            let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            scope.spawn(move || runtime().block_on(migrate(&conn_string))).join().expect("it migrates");
        });
        database
    })
}

contract!(store(&shared().conn_string()));

/// Nobody who was put out is in again after the server crashed, and whoever was in stays in.
#[tokio::test]
async fn a_crash_of_the_server_lets_nobody_in_and_puts_nobody_out() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let database = cluster.database();
    migrate(&database.conn_string()).await;
    let sessions = contract::sessions(store(&database.conn_string()), SessionConfig::default());
    let (out, stays) = (Grant::new("out"), Grant::new("stays"));
    let (was, is) = (sessions.begin(&out).await.expect("a pair"), sessions.begin(&stays).await.expect("a pair"));
    let one = sessions.begin(&stays).await.expect("a pair");
    sessions.revoke_subject("out").await.expect("an answer");
    sessions.revoke(&sessions.verify(&one.access).await.expect("right")).await.expect("an answer");
    // Written before the crash, because tests' servers do not wait for the disk.
    database.execute("CHECKPOINT");
    cluster.crash();
    let refused = sessions.verify(&is.access).await.expect_err("nobody knows");
    assert_eq!(refused.reason(), Reason::NoStore);
    cluster.restart().expect("it starts again");
    let reason = async |token: &str| sessions.verify(token).await.err().map(|refused| refused.reason());
    assert_eq!(reason(&was.access).await, Some(Reason::SubjectRevoked));
    assert_eq!(reason(&one.access).await, Some(Reason::Revoked));
    assert_eq!(reason(&is.access).await, None);
    assert_eq!(sessions.refresh(&was.refresh).await.expect_err("ended").reason(), Reason::NoSession);
    assert!(sessions.refresh(&is.refresh).await.is_ok());
}

/// The same beside clients that go on meanwhile.
#[tokio::test]
async fn a_crash_beside_clients_lets_nobody_in_and_puts_nobody_out() {
    let cluster = Arc::new(Cluster::builder().setting("synchronous_commit", "on").start().expect("a cluster"));
    let restarted = Arc::clone(&cluster);
    let conn_string = cluster.database().conn_string();
    migrate(&conn_string).await;
    contract::a_restart_changes_nothing(store(&conn_string), move || {
        std::thread::sleep(Duration::from_millis(50));
        restarted.crash();
        restarted.restart().expect("it starts again");
    })
    .await;
}

#[tokio::test]
async fn what_has_ended_is_purged_and_nothing_else() {
    let database = Cluster::shared().database();
    migrate(&database.conn_string()).await;
    let store = store(&database.conn_string());
    let (moment, hour) = (Duration::from_millis(1), Duration::from_secs(3_600));
    for (at, time) in [(1, moment), (2, hour)] {
        let session = NewSession { id: SessionId([at; 16]), subject: "s", data: "", idle: time, longest: hour };
        store.begin(&session).await.expect("an answer");
        store.revoke_token(&at.to_string(), time).await.expect("an answer");
        store.revoke_subject(&at.to_string(), time).await.expect("an answer");
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let most = NonZeroU32::new(10).expect("ten");
    assert_eq!((store.purge(most).await.expect("an answer"), store.purge(most).await.expect("an answer")), (3, 0));
    let left = "SELECT (SELECT count(*) FROM dbopt.auth_session), (SELECT count(*) FROM dbopt.auth_token), \
                (SELECT count(*) FROM dbopt.auth_subject)";
    assert_eq!(database.query(left), [[Some("1".to_owned()), Some("1".to_owned()), Some("1".to_owned())]]);
}

#[tokio::test]
async fn without_the_schema_it_says_so() {
    let database = Cluster::shared().database();
    let error = store(&database.conn_string()).standing("t", "s").await.expect_err("no tables");
    assert!(matches!(&error, StoreError::Refused(why) if why.to_string().contains("dbopt migrate up")), "{error:?}");
}
