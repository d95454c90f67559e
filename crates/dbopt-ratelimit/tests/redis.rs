//! Limits in a real Redis.

mod contract;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dbopt_ratelimit::{Algorithm, Charge, RedisConfig, RedisStore, Store as _, StoreError};
use dbopt_testkit::Redis;

/// With time for a machine that is busy.
fn config() -> RedisConfig {
    RedisConfig { timeout: Duration::from_secs(5), ..RedisConfig::default() }
}

fn shared() -> RedisStore {
    RedisStore::new(&Redis::shared().url(), config()).expect("an address")
}

contract!(shared());

/// Both algorithms, and the places of a concurrency limit.
#[tokio::test]
async fn nothing_is_left_of_a_key_that_is_forgotten() {
    let redis = Redis::start().expect("a server");
    let store = RedisStore::new(&redis.url(), config()).expect("an address");
    for algorithm in contract::BOTH {
        let limit =
            contract::limit(algorithm, &[(10, Duration::from_millis(100)), (1_000, Duration::from_millis(300))]);
        let gate = Charge { limit: &limit, key: contract::new_key(), cost: 0 };
        assert!(store.charge(&[gate]).await.expect("an answer").admitted);
        assert_eq!(redis.cli(&["dbsize"]), "0", "a gate writes nothing");
        let key = contract::new_key();
        assert!(contract::admits(&store, &limit, key, 2).await);
        assert_eq!(redis.cli(&["dbsize"]), "1");
        store.refund(&[Charge { limit: &limit, key, cost: 2 }]).await.expect("a refund");
        assert_eq!(redis.cli(&["dbsize"]), "0", "nothing is used any more");
    }
    for algorithm in contract::BOTH {
        let limit =
            contract::limit(algorithm, &[(10, Duration::from_millis(100)), (1_000, Duration::from_millis(300))]);
        assert!(contract::admits(&store, &limit, contract::new_key(), 10).await);
    }
    let place = store.acquire(contract::new_key(), contract::number(1), Duration::from_millis(100)).await;
    assert!(place.expect("an answer").is_some());
    let mut left = redis.cli(&["dbsize"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while left != "0" && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
        // Redis looks for expired keys ten times a second, and at each that is asked for.
        left = redis.cli(&["dbsize"]);
    }
    assert_eq!(left, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_is_found_again() {
    let redis = Redis::start().expect("a server");
    let store = &RedisStore::new(&redis.url(), RedisConfig::default()).expect("an address");
    let limit = &contract::limit(Algorithm::Gcra, &[(1_000_000, contract::HOUR)]);
    // Traffic that goes on all the time, and counts what became of it.
    let (stop, answers, failures) = (&AtomicBool::new(false), &AtomicUsize::new(0), &AtomicUsize::new(0));
    let traffic = async |_| {
        let key = contract::new_key();
        while !stop.load(Ordering::Relaxed) {
            match store.charge(&[Charge { limit, key, cost: 1 }]).await {
                Ok(_) => answers.fetch_add(1, Ordering::Relaxed),
                Err(StoreError::Unreachable(_)) => failures.fetch_add(1, Ordering::Relaxed),
                Err(error) => panic!("{error:?}"),
            };
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let more = async |count: &AtomicUsize| {
        let (before, deadline) = (count.load(Ordering::Relaxed), Instant::now() + Duration::from_secs(30));
        while count.load(Ordering::Relaxed) < before + 20 {
            assert!(Instant::now() < deadline, "the traffic stands still");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let events = async {
        for _ in 0..2 {
            more(answers).await;
            redis.kill();
            more(failures).await;
            redis.restart().expect("a start");
            more(answers).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let ((), _) = futures_util::future::join(events, futures_util::future::join_all((0..8).map(traffic))).await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_not_waited_for() {
    let redis = Redis::start().expect("a server");
    let config = RedisConfig { timeout: Duration::from_millis(100), ..RedisConfig::default() };
    let store = RedisStore::new(&redis.url(), config).expect("an address");
    let (limit, key) = (contract::limit(Algorithm::Sliding, &[(100, contract::HOUR)]), contract::new_key());
    assert!(contract::admits(&store, &limit, key, 1).await);
    redis.pause();
    for _ in 0..3 {
        let charge = [Charge { limit: &limit, key, cost: 1 }];
        // Without a timeout of its own this would wait for ever.
        let answer = tokio::time::timeout(Duration::from_secs(20), store.charge(&charge)).await.expect("it gives up");
        assert!(matches!(answer, Err(StoreError::Unreachable(_))), "{answer:?}");
    }
    redis.resume();
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.charge(&[Charge { limit: &limit, key, cost: 1 }]).await.is_err() {
        assert!(Instant::now() < deadline, "it is not found again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_full_redis_refuses_and_an_evicting_one_is_reported() {
    let redis = Redis::start().expect("a server");
    let store = RedisStore::new(&redis.url(), config()).expect("an address");
    let facts = store.inspect().await.expect("an answer");
    assert!(!facts.version.is_empty() && !facts.evicts(), "{facts:?}");
    let (limit, key) = (contract::limit(Algorithm::Gcra, &[(100, contract::HOUR)]), contract::new_key());
    assert!(contract::admits(&store, &limit, key, 1).await);
    assert_eq!(redis.cli(&["config", "set", "maxmemory", "1"]), "OK");
    let error = store.charge(&[Charge { limit: &limit, key, cost: 1 }]).await.expect_err("it is full");
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(format!("{error:?}").contains("OOM"), "{error:?}");
    assert_eq!(redis.cli(&["config", "set", "maxmemory", "0"]), "OK");
    assert_eq!(contract::remaining(&store, &limit, key).await, [99], "the refusal charged nothing");
    assert_eq!(redis.cli(&["config", "set", "maxmemory-policy", "volatile-lru"]), "OK");
    assert!(!store.inspect().await.expect("an answer").evicts(), "there is no bound");
    assert_eq!(redis.cli(&["config", "set", "maxmemory", "1gb"]), "OK");
    assert!(store.inspect().await.expect("an answer").evicts());
}

/// Redis may forget scripts at any time.
#[tokio::test]
async fn scripts_that_were_forgotten_are_sent_again() {
    let redis = Redis::start().expect("a server");
    let store = RedisStore::new(&redis.url(), config()).expect("an address");
    let (limit, key) = (contract::limit(Algorithm::Gcra, &[(100, contract::HOUR)]), contract::new_key());
    for left in [99, 98, 97] {
        assert!(contract::admits(&store, &limit, key, 1).await);
        let place = store.acquire(key, contract::number(1), contract::HOUR).await.expect("an answer");
        store.release(place.expect("a place")).await.expect("a release");
        assert_eq!(redis.cli(&["script", "flush"]), "OK");
        assert_eq!(contract::remaining(&store, &limit, key).await, [left]);
        assert_eq!(redis.cli(&["script", "flush"]), "OK");
    }
}

/// Processes on machines whose clocks differ share a limit all the same.
#[tokio::test]
async fn the_time_is_that_of_redis() {
    let redis = Redis::start().expect("a server");
    let store = RedisStore::new(&redis.url(), config()).expect("an address");
    let calls = || {
        let stats = redis.cli(&["info", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_time:calls=")).unwrap_or("0,").to_owned();
        line.split(',').next().and_then(|calls| calls.parse::<u32>().ok()).expect("a number")
    };
    for algorithm in contract::BOTH {
        let (limit, key) = (contract::limit(algorithm, &[(100, contract::HOUR)]), contract::new_key());
        let before = calls();
        assert!(contract::admits(&store, &limit, key, 1).await);
        assert_eq!(contract::remaining(&store, &limit, key).await, [99]);
        assert_eq!(calls(), before + 2);
    }
    let before = calls();
    assert!(
        store.acquire(contract::new_key(), contract::number(1), contract::HOUR).await.expect("an answer").is_some()
    );
    assert_eq!(calls(), before + 1);
}

#[tokio::test]
async fn errors_hold_no_password_and_no_key() {
    let redis = Redis::start().expect("a server");
    assert_eq!(redis.cli(&["config", "set", "requirepass", "s3cret"]), "OK");
    let address = format!("redis+unix://{}?pass=wr0ng", redis.socket().display());
    let limit = contract::limit(Algorithm::Gcra, &[(100, contract::HOUR)]);
    for address in [address.as_str(), "redis://:wr0ng@127.0.0.1:1/"] {
        let store = RedisStore::new(address, RedisConfig::default()).expect("an address");
        let error = store.charge(&[Charge { limit: &limit, key: contract::new_key(), cost: 1 }]).await;
        let text = format!("{:?}{store:?}", error.expect_err("no way in"));
        assert!(!text.contains("wr0ng") && !text.contains("limit:"), "{text}");
    }
    let error = RedisStore::new("http://:wr0ng@127.0.0.1/", RedisConfig::default()).expect_err("no address");
    assert!(!format!("{error:?}").contains("wr0ng"));
    let right = format!("redis+unix://{}?pass=s3cret", redis.socket().display());
    let store = RedisStore::new(&right, config()).expect("an address");
    assert!(contract::admits(&store, &limit, contract::new_key(), 1).await);
}

#[tokio::test]
async fn two_processes_admit_exactly_the_limit() {
    contract::processes::share("charges_until_refused", &Redis::shared().url(), shared()).await;
}

/// Not a test by itself: a process of the one above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test as a process"]
async fn charges_until_refused() {
    let connect = async |address: String| RedisStore::new(&address, config()).expect("an address");
    contract::processes::charge_until_refused(connect).await;
}
