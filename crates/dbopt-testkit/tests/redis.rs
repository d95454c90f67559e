//! Real Redis servers.

use dbopt_testkit::{Redis, RedisCluster};

#[test]
fn a_server_is_killed_paused_and_started_again() {
    let redis = Redis::start().expect("a server");
    assert_eq!(redis.cli(&["set", "a", "1"]), "OK");
    redis.pause();
    redis.resume();
    assert_eq!(redis.cli(&["get", "a"]), "1");
    redis.kill();
    assert!(std::os::unix::net::UnixStream::connect(redis.socket()).is_err());
    redis.restart().expect("it starts again");
    assert_eq!(redis.cli(&["dbsize"]), "0");
    let socket = redis.socket();
    // A paused server ends as well.
    redis.pause();
    drop(redis);
    assert!(!socket.exists());
}

#[test]
fn three_servers_are_a_cluster() {
    let cluster = RedisCluster::start().expect("a cluster");
    let slots = cluster.nodes()[2].cli(&["cluster", "info"]);
    assert!(slots.contains("cluster_slots_ok:16384"), "{slots}");
}
