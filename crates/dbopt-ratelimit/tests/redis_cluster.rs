//! Limits in a real Redis Cluster of three nodes.

mod contract;

use std::sync::OnceLock;
use std::time::Duration;

use dbopt_ratelimit::{Algorithm, Charge, RedisConfig, RedisStore, Store as _};
use dbopt_testkit::{Redis, RedisCluster};

fn cluster() -> &'static RedisCluster {
    static SHARED: OnceLock<RedisCluster> = OnceLock::new();
    SHARED.get_or_init(|| RedisCluster::start().unwrap_or_else(|error| panic!("{error}")))
}

fn store(prefix: &str) -> RedisStore {
    let addresses: Vec<String> = cluster().nodes().iter().map(Redis::url).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let config = RedisConfig { prefix: prefix.to_owned(), timeout: Duration::from_secs(10) };
    RedisStore::cluster(&addresses, config).expect("addresses")
}

fn shared() -> RedisStore {
    store(&RedisConfig::default().prefix)
}

contract!(shared());

/// Keys that begin like this, on each node.
fn keys(prefix: &str) -> Vec<usize> {
    let all = |node: &Redis| node.cli(&["keys", "*"]).lines().filter(|key| key.starts_with(prefix)).count();
    cluster().nodes().iter().map(all).collect()
}

#[tokio::test]
async fn a_hash_tag_keeps_all_keys_on_one_node() {
    for (prefix, nodes) in [("{together}:", 1), ("apart:", 3)] {
        let store = store(prefix);
        let limit = contract::limit(Algorithm::Gcra, &[(10, contract::HOUR)]);
        let charges: Vec<_> = (0..40).map(|_| Charge { limit: &limit, key: contract::new_key(), cost: 1 }).collect();
        assert!(store.charge(&charges).await.expect("an answer").admitted);
        let keys = keys(prefix);
        assert_eq!(keys.iter().sum::<usize>(), 40, "{keys:?}");
        assert_eq!(keys.iter().filter(|count| **count > 0).count(), nodes, "{keys:?}");
        // The last refuses, on whatever node it is.
        let mut more = charges.clone();
        more[39].cost = 10;
        assert!(!store.charge(&more).await.expect("an answer").admitted);
        for charge in &charges {
            assert_eq!(contract::remaining(&store, &limit, charge.key).await, [9]);
        }
    }
}
