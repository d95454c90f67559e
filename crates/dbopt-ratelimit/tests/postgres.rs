//! Limits in a real PostgreSQL.

mod contract;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_ratelimit::{Algorithm, Charge, PostgresConfig, PostgresStore, Store as _, StoreError};
use dbopt_testkit::{Cluster, Database};

fn settings(conn_string: &str) -> Settings {
    let args = ConnectArgs { database: Some(conn_string), ..Default::default() };
    Settings::resolve(&args, &Environment::default()).expect("the settings are good")
}

/// With time for a machine that is busy.
fn store(conn_string: &str) -> PostgresStore {
    let config = PostgresConfig { timeout: Duration::from_secs(10), ..PostgresConfig::default() };
    PostgresStore::new(settings(conn_string), config)
}

async fn migrate(database: &Database<'_>) {
    let profile = SessionProfile::default();
    let mut session = Session::connect(&settings(&database.conn_string()), &profile).await.expect("a session");
    dbopt_migrate::up(&mut session).await.expect("it migrates");
}

/// A database with the schema, the same for all tests that do not need one of their own.
fn shared() -> &'static Database<'static> {
    static SHARED: OnceLock<Database<'static>> = OnceLock::new();
    SHARED.get_or_init(|| {
        let database = Cluster::shared().database();
        let work = async {
            migrate(&database).await;
        };
        // On a thread of its own, because the caller is in a runtime.
        std::thread::scope(|scope| {
            let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            scope.spawn(move || runtime().block_on(work)).join().expect("it migrates");
        });
        database
    })
}

contract!(store(&shared().conn_string()));

#[tokio::test]
async fn durable_limits_survive_a_crash_and_the_store_finds_the_server_again() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let database = cluster.database();
    migrate(&database).await;
    let store = store(&database.conn_string());
    let brief = contract::limit(Algorithm::Gcra, &[(10, contract::HOUR)]);
    let kept = brief.clone().durable();
    let (one, other) = (contract::new_key(), contract::new_key());
    let both = [Charge { limit: &kept, key: one, cost: 8 }, Charge { limit: &brief, key: other, cost: 2 }];
    assert!(store.charge(&both).await.expect("an answer").admitted);
    assert!(!store.charge(&both).await.expect("an answer").admitted);
    assert_eq!(contract::remaining(&store, &brief, other).await, [8], "all or nothing across both tables");
    // Written before the crash, because tests' servers do not wait for the disk.
    database.execute("CHECKPOINT");
    cluster.crash();
    let error = store.charge(&both).await.expect_err("there is no server");
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    cluster.restart().expect("a start");
    let deadline = Instant::now() + Duration::from_secs(30);
    while store.peek(&both).await.is_err() {
        assert!(Instant::now() < deadline, "it is not found again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(contract::remaining(&store, &kept, one).await, [2]);
    assert_eq!(contract::remaining(&store, &brief, other).await, [10]);
}

#[tokio::test]
async fn what_is_forgotten_is_purged() {
    let database = Cluster::shared().database();
    migrate(&database).await;
    let store = store(&database.conn_string());
    let rows =
        || database.value("SELECT (SELECT count(*) FROM dbopt.limit_state) + (SELECT count(*) FROM dbopt.limit_place)");
    for algorithm in contract::BOTH {
        let brief = contract::limit(algorithm, &[(10, Duration::from_millis(50)), (20, Duration::from_millis(100))]);
        let long = contract::limit(algorithm, &[(10, contract::HOUR)]).durable();
        for limit in [&brief, &brief, &long] {
            assert!(contract::admits(&store, limit, contract::new_key(), 10).await);
        }
        assert!(contract::admits(&store, &long, contract::new_key(), 0).await);
    }
    for longest in [Duration::from_millis(50), contract::HOUR] {
        let place = store.acquire(contract::new_key(), contract::number(1), longest).await;
        assert!(place.expect("an answer").is_some());
    }
    assert_eq!(rows(), "8", "a gate has no row");
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(store.purge(contract::number(3)).await.expect("a purge"), 4, "three and one");
    assert_eq!(store.purge(contract::number(100)).await.expect("a purge"), 1);
    assert_eq!(store.purge(contract::number(100)).await.expect("a purge"), 0);
    assert_eq!(rows(), "3");
}

#[tokio::test]
async fn a_row_that_stays_locked_is_not_waited_for() {
    let database = Cluster::shared().database();
    migrate(&database).await;
    // Long enough for a busy machine to answer what need not wait.
    let config = PostgresConfig { timeout: Duration::from_secs(2), ..PostgresConfig::default() };
    let brief = PostgresStore::new(settings(&database.conn_string()), config);
    let patient = store(&database.conn_string());
    let (limit, key) = (contract::limit(Algorithm::Gcra, &[(10, contract::HOUR)]), contract::new_key());
    assert!(contract::admits(&patient, &limit, key, 1).await);
    let profile = SessionProfile::default();
    let session = Session::connect(&settings(&database.conn_string()), &profile).await.expect("a session");
    session.batch("BEGIN; SELECT FROM dbopt.limit_state FOR UPDATE").await.expect("a lock");
    let error = brief.charge(&[Charge { limit: &limit, key, cost: 1 }]).await.expect_err("it gives up");
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    assert_eq!(contract::remaining(&brief, &limit, key).await, [9], "a peek does not wait");
    session.batch("COMMIT").await.expect("the lock is given back");
    assert!(contract::admits(&brief, &limit, key, 1).await);
}

#[tokio::test]
async fn a_role_needs_no_more_than_is_documented() {
    let database = Cluster::shared().database();
    let name = format!("limiter_{}", database.name());
    database.execute(&format!("CREATE ROLE {name} LOGIN"));
    let store = store(&database.conn_string().replace("user=postgres", &format!("user={name}")));
    let (limit, key) = (contract::limit(Algorithm::Gcra, &[(10, contract::HOUR)]), contract::new_key());
    let refused = async |why: &str| {
        let error = store.charge(&[Charge { limit: &limit, key, cost: 1 }]).await.expect_err("a refusal");
        let text = format!("{error:?}");
        assert!(matches!(error, StoreError::Refused(_)) && text.contains(why), "{text}");
        assert!(!text.contains(&key.to_string()), "{text}");
        // After a failure nothing is tried for a moment.
        tokio::time::sleep(Duration::from_millis(150)).await;
    };
    refused("NoTables").await;
    migrate(&database).await;
    refused("42501").await;
    database.execute(&format!(
        "GRANT USAGE ON SCHEMA dbopt TO {name};
         GRANT SELECT, INSERT, UPDATE, DELETE ON dbopt.limit_state, dbopt.limit_place TO {name}"
    ));
    assert!(contract::admits(&store, &limit, key, 1).await);
    store.reset(&limit, key).await.expect("a reset");
    let place = store.acquire(key, contract::number(1), contract::HOUR).await.expect("an answer");
    store.release(place.expect("a place")).await.expect("a release");
    assert_eq!(store.purge(contract::number(10)).await.expect("a purge"), 1);
    database.execute(&format!("ALTER ROLE {name} SET default_transaction_read_only = on"));
    database.execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match store.charge(&[Charge { limit: &limit, key, cost: 1 }]).await {
            Err(StoreError::Refused(error)) => break assert!(error.to_string().contains("25006"), "{error}"),
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
    }
}

#[tokio::test]
async fn two_processes_admit_exactly_the_limit() {
    let address = shared().conn_string();
    contract::processes::share("charges_until_refused", &address, store(&address)).await;
}

/// Not a test by itself: a process of the one above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test as a process"]
async fn charges_until_refused() {
    contract::processes::charge_until_refused(async |address: String| store(&address)).await;
}
