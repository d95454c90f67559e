//! What rules do while a real engine is away, hangs or is full, and that they count in it again when it is back: under
//! traffic that goes on all the time.

mod contract;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_ratelimit::{
    Algorithm, Event, Keyer, Limiter, OnFailure, Options, Part, PostgresConfig, PostgresStore, RedisConfig, RedisStore,
    Request, Rule, Rules, Store, Why,
};
use dbopt_testkit::{Cluster, Database, Redis};

/// A rule of each kind, by the name of its route.
const RULES: [(&str, OnFailure); 3] =
    [("/open", OnFailure::Open), ("/closed", OnFailure::Closed), ("/local", OnFailure::Local)];
/// What each of them admits in an hour.
const MOST: usize = 5;
/// How often somebody new asks each.
const TRIES: usize = 8;
/// What is waited for when something is about to happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a machine that is busy takes to answer.
const LONG: Duration = Duration::from_secs(10);
/// What an engine that hangs is waited for.
const SHORT: Duration = Duration::from_millis(300);

struct Service<S> {
    limiter: Limiter<S>,
    /// Rules that went over to what they do without the store, and those that came back.
    failed: Arc<Mutex<Vec<String>>>,
    recovered: Arc<Mutex<Vec<String>>>,
}

impl<S: Store + 'static> Service<S> {
    fn new(store: S, retry: Duration) -> Self {
        let rule = |(route, on_failure): (&str, OnFailure)| {
            let limit = contract::limit(Algorithm::Gcra, &[(MOST as u32, contract::HOUR)]);
            let routes = vec![route.parse().expect("a route")];
            Rule { routes, on_failure, ..Rule::new(&route[1..], [Part::User], limit) }
        };
        let (failed, recovered) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let told = (failed.clone(), recovered.clone());
        let options = Options::default().retry(retry).subscriber(move |event: &Event| match event {
            Event::Failed { rule, .. } => told.0.lock().expect("no panic").push(rule.to_string()),
            Event::Recovered { rule } => told.1.lock().expect("no panic").push(rule.to_string()),
            _ => {}
        });
        let rules = Rules::new(RULES.map(rule)).expect("good rules");
        let keyer = Keyer::shared(b"0123456789abcdef");
        Self { limiter: Limiter::with(store, rules, keyer, options), failed, recovered }
    }

    /// How many requests of somebody new each rule admits.
    async fn admitted(&self) -> [usize; 3] {
        let user = contract::new_key().to_string();
        let mut admitted = [0; 3];
        for ((route, on_failure), admitted) in RULES.into_iter().zip(&mut admitted) {
            for _ in 0..TRIES {
                let decision = self.limiter.check(&Request::new().user(&user).route(route)).await;
                *admitted += usize::from(decision.is_admitted());
                let unavailable = decision.refusals().iter().any(|refusal| refusal.why == Why::Unavailable);
                assert!(!unavailable || on_failure == OnFailure::Closed, "{route}: {decision:?}");
            }
        }
        admitted
    }

    /// Waits until each rule counts in the engine.
    async fn counts_in_the_engine(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let admitted = self.admitted().await;
            if admitted == [MOST; 3] {
                return;
            }
            assert!(Instant::now() < deadline, "{admitted:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Takes the engine away and brings it back, twice, while others ask all the time.
    async fn outlives(&self, away: impl AsyncFn(), back: impl AsyncFn()) {
        let (stop, done) = (&AtomicBool::new(false), &AtomicUsize::new(0));
        let traffic = async |_| {
            while !stop.load(Ordering::Relaxed) {
                let _ = self.admitted().await;
                done.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let goes_on = async || {
            let (before, deadline) = (done.load(Ordering::Relaxed), Instant::now() + PATIENCE);
            while done.load(Ordering::Relaxed) < before + 4 {
                assert!(Instant::now() < deadline, "the traffic stands still");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let events = async {
            for _ in 0..2 {
                self.counts_in_the_engine().await;
                goes_on().await;
                away().await;
                assert_eq!(self.admitted().await, [TRIES, 0, MOST], "open, closed, local");
                goes_on().await;
                assert_eq!(self.admitted().await, [TRIES, 0, MOST], "open, closed, local");
                back().await;
            }
            self.counts_in_the_engine().await;
            stop.store(true, Ordering::Relaxed);
        };
        let ((), _) = futures_util::future::join(events, futures_util::future::join_all((0..4).map(traffic))).await;
        self.counts_in_the_engine().await;
        for (route, _) in RULES {
            let told = |list: &Mutex<Vec<String>>| {
                list.lock().expect("no panic").iter().filter(|rule| **rule == route[1..]).count()
            };
            let switches = [told(&self.failed), told(&self.recovered)];
            assert!(switches[0] >= 2 && switches[0] == switches[1], "{route}: {switches:?}");
        }
    }
}

/// Asks again at once, for engines that say at once that they cannot.
fn impatient<S: Store + 'static>(store: S) -> Service<S> {
    Service::new(store, Duration::from_millis(20))
}

/// Leaves an engine alone for a while that takes its time.
fn patient<S: Store + 'static>(store: S) -> Service<S> {
    Service::new(store, Duration::from_secs(1))
}

fn redis(server: &Redis, timeout: Duration) -> RedisStore {
    RedisStore::new(&server.url(), RedisConfig { timeout, ..RedisConfig::default() }).expect("an address")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed() {
    let server = Redis::start().expect("a server");
    let back = async || server.restart().expect("a start");
    impatient(redis(&server, LONG)).outlives(async || server.kill(), back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hangs() {
    let server = Redis::start().expect("a server");
    patient(redis(&server, SHORT)).outlives(async || server.pause(), async || server.resume()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_full() {
    let server = Redis::start().expect("a server");
    assert_eq!(server.cli(&["config", "get", "maxmemory-policy"]), "maxmemory-policy\nnoeviction");
    let most = async |bytes| assert_eq!(server.cli(&["config", "set", "maxmemory", bytes]), "OK");
    impatient(redis(&server, LONG)).outlives(async || most("1").await, async || most("0").await).await;
}

fn settings(database: &Database<'_>) -> Settings {
    let args = ConnectArgs { database: Some(&database.conn_string()), ..Default::default() };
    Settings::resolve(&args, &Environment::default()).expect("the settings are good")
}

async fn migrated<'a>(cluster: &'a Cluster) -> (Database<'a>, Session) {
    let database = cluster.database();
    let mut session = Session::connect(&settings(&database), &SessionProfile::default()).await.expect("a session");
    dbopt_migrate::up(&mut session).await.expect("it migrates");
    (database, session)
}

fn postgres(database: &Database<'_>, timeout: Duration) -> PostgresStore {
    PostgresStore::new(settings(database), PostgresConfig { timeout, ..PostgresConfig::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_crashes() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let (database, _) = migrated(&cluster).await;
    // So that the table is there after the crash, because tests' servers do not wait for the disk.
    database.execute("CHECKPOINT");
    let back = async || cluster.restart().expect("a start");
    impatient(postgres(&database, LONG)).outlives(async || cluster.crash(), back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_hangs() {
    let (database, session) = migrated(Cluster::shared()).await;
    // As during a migration that locks the table.
    let lock = async || session.batch("BEGIN; LOCK TABLE dbopt.limit_state").await.expect("a lock");
    let unlock = async || session.batch("COMMIT").await.expect("the lock is given back");
    patient(postgres(&database, SHORT)).outlives(lock, unlock).await;
}
