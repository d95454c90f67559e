//! Sessions in a real Redis.

mod contract;

use std::{sync::Arc, time::Duration};

use dbopt_auth::{RedisSessions, SessionStore as _, StoreError};
use dbopt_testkit::Redis;

/// With time for a machine that is busy.
fn store(address: &str) -> RedisSessions {
    RedisSessions::new(address, Duration::from_secs(10)).expect("an address")
}

contract!(store(&Redis::shared().url()));

#[tokio::test]
async fn while_redis_is_away_nobody_gets_in_and_it_is_found_again() {
    let redis = Redis::start().expect("a server");
    let store = RedisSessions::new(&redis.url(), Duration::from_secs(2)).expect("an address");
    store.revoke_token("t", Duration::from_secs(3_600)).await.expect("an answer");
    redis.kill();
    assert!(matches!(store.standing("t", "s").await, Err(StoreError::Unreachable(_))));
    let sessions = contract::sessions(store, dbopt_auth::SessionConfig::default());
    let (token, _) =
        sessions.tokens().issue(&dbopt_auth::Grant::new("s"), std::time::SystemTime::now()).expect("a token");
    let refused = sessions.verify(&token).await.expect_err("nobody knows");
    assert_eq!(refused.reason(), dbopt_auth::Reason::NoStore);
    redis.restart().expect("it starts again");
    assert!(sessions.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_restart_of_redis_that_writes_lets_nobody_in_and_puts_nobody_out() {
    let redis = Arc::new(Redis::durable().expect("a server"));
    let restarted = Arc::clone(&redis);
    let store = RedisSessions::new(&redis.url(), Duration::from_secs(2)).expect("an address");
    contract::a_restart_changes_nothing(store, move || {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(50));
            restarted.kill();
            restarted.restart().expect("it starts again");
        }
    })
    .await;
}

#[tokio::test]
async fn errors_hold_no_password_and_no_key() {
    let redis = Redis::start().expect("a server");
    assert_eq!(redis.cli(&["config", "set", "requirepass", "s3cret"]), "OK");
    let store =
        RedisSessions::new(&format!("redis+unix://{}?pass=wr0ng", redis.socket().display()), Duration::from_secs(5));
    let store = store.expect("an address");
    let error = store.revoke_subject("somebody", Duration::from_secs(1)).await.expect_err("no way in");
    let text = format!("{error:?} {store:?}");
    assert!(!text.contains("wr0ng") && !text.contains("somebody"), "{text}");
}
