//! Limits in a real Redis Cluster of three nodes.

mod contract;

use std::sync::OnceLock;
use std::time::Duration;

use dbopt_ratelimit::{RedisConfig, RedisStore};
use dbopt_testkit::RedisCluster;

fn shared() -> RedisStore {
    static SHARED: OnceLock<RedisCluster> = OnceLock::new();
    let cluster = SHARED.get_or_init(|| RedisCluster::start().unwrap_or_else(|error| panic!("{error}")));
    let addresses: Vec<String> = cluster.nodes().iter().map(dbopt_testkit::Redis::url).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let config = RedisConfig { timeout: Duration::from_secs(10), ..RedisConfig::default() };
    RedisStore::cluster(&addresses, config).expect("addresses")
}

contract!(shared());
