//! Sessions on a real server: profiles, lost connections, cancelling, limits.

mod common;

use std::time::Duration;

use common::{open, settings};
use dbopt_pg::{Error, Session, SessionProfile};
use dbopt_testkit::Cluster;

#[tokio::test]
async fn a_session_knows_its_server() {
    let cluster = Cluster::shared();
    let session = open(&cluster.conn_string("postgres"), &[]).await.expect("a session");
    assert_eq!(session.server_version_num(), cluster.server_version_num());
    assert_eq!(session.server(), cluster.socket_dir().join(".s.PGSQL.5432").display().to_string());
    assert!(!session.in_recovery() && !session.is_encrypted() && !session.is_closed());
    let rows = session.query("SELECT current_setting('application_name'), $1::int + 1", &[&41]).await.expect("rows");
    assert_eq!((rows[0].get::<_, &str>(0), rows[0].get::<_, i32>(1)), ("dbopt", 42));
    session.close().await;
}

#[tokio::test]
async fn the_reading_profile_forbids_writing_and_sets_limits() {
    let db = Cluster::shared().database();
    let settings = settings(&db.conn_string(), &[]);
    let mut session = Session::connect(&settings, &SessionProfile::reading()).await.expect("a session");
    let error = session.batch("CREATE TABLE t (a int)").await.expect_err("read-only");
    assert!(matches!(&error, Error::Statement { sqlstate, .. } if sqlstate == "25006"), "{error:?}");
    let rows = session.query("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')", &[]).await;
    let rows = rows.expect("rows");
    assert_eq!((rows[0].get::<_, &str>(0), rows[0].get::<_, &str>(1)), ("1min", "2s"));
    let transaction = session.read_only().await.expect("a transaction");
    let row = transaction.query_one("SELECT current_setting('transaction_isolation')", &[]).await.expect("a row");
    assert_eq!(row.get::<_, &str>(0), "repeatable read");
}

#[tokio::test]
async fn limits_end_in_their_own_errors() {
    let db = Cluster::shared().database();
    db.execute("CREATE TABLE locked (a int)");
    let mut holder = open(&db.conn_string(), &[]).await.expect("a session");
    let transaction = holder.client_mut().transaction().await.expect("a transaction");
    transaction.batch_execute("LOCK TABLE locked").await.expect("a lock");
    let profile = SessionProfile {
        statement_timeout: Some(Duration::from_millis(400)),
        lock_timeout: Some(Duration::from_millis(50)),
        search_path: Some(vec!["public".to_owned()]),
        ..SessionProfile::default()
    };
    let session = Session::connect(&settings(&db.conn_string(), &[]), &profile).await.expect("a session");
    let error = session.query("SELECT * FROM locked", &[]).await.expect_err("locked");
    assert!(matches!(error, Error::LockTimeout { .. }), "{error:?}");
    let error = session.query("SELECT pg_sleep(60)", &[]).await.expect_err("too slow");
    assert!(matches!(error, Error::Cancelled { .. }), "{error:?}");
    db.execute("CREATE TABLE secret (a int); CREATE ROLE nobody_here LOGIN");
    let session = open(&format!("{} user=nobody_here", db.conn_string()), &[]).await.expect("a session");
    let error = session.query("SELECT * FROM secret", &[]).await.expect_err("no rights");
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error:?}");
}

#[tokio::test]
async fn a_running_statement_can_be_cancelled() {
    let session = open(&Cluster::shared().conn_string("postgres"), &[]).await.expect("a session");
    let canceller = session.canceller();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        canceller.cancel().await
    };
    let (result, cancelled) = tokio::join!(session.query("SELECT pg_sleep(60)", &[]), cancel);
    cancelled.expect("the request is sent");
    assert!(matches!(result, Err(Error::Cancelled { .. })), "{result:?}");
    session.query("SELECT 1", &[]).await.expect("the session lives on");
}

#[tokio::test]
async fn a_killed_backend_is_a_lost_connection_that_says_why() {
    let cluster = Cluster::shared();
    let session = open(&cluster.conn_string("postgres"), &[]).await.expect("a session");
    let pid: i32 = session.query("SELECT pg_backend_pid()", &[]).await.expect("a row")[0].get(0);
    let kill = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let other = open(&cluster.conn_string("postgres"), &[]).await.expect("another session");
        other.query("SELECT pg_terminate_backend($1)", &[&pid]).await.expect("the backend is ended");
    };
    let (during, ()) = tokio::join!(session.query("SELECT pg_sleep(60)", &[]), kill);
    for result in [during, session.query("SELECT 1", &[]).await] {
        let error = result.expect_err("the connection is lost");
        assert!(matches!(error, Error::ConnectionLost { .. }), "{error:?}");
    }
    assert!(session.is_closed());
}

#[tokio::test]
async fn an_idle_session_learns_why_it_was_ended() {
    let cluster = Cluster::shared();
    let session = open(&cluster.conn_string("postgres"), &[]).await.expect("a session");
    let pid: i32 = session.query("SELECT pg_backend_pid()", &[]).await.expect("a row")[0].get(0);
    let other = open(&cluster.conn_string("postgres"), &[]).await.expect("another session");
    other.query("SELECT pg_terminate_backend($1, 5000)", &[&pid]).await.expect("the backend is ended");
    while !session.is_closed() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = session.query("SELECT 1", &[]).await.expect_err("the connection is lost");
    assert_eq!(error.to_string(), "the connection was lost: terminating connection due to administrator command");
}
