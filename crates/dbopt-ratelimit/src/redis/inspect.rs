//! What a Redis is like that limits are kept in.

use redis::{Cmd, Value};

use super::{RedisStore, script::Order};
use crate::StoreError;

/// What matters of a Redis to limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisFacts {
    /// Its version.
    pub version: String,
    /// The most memory in bytes that a node may use; 0 is no bound.
    pub most_memory: u64,
    /// What it does when that is used up (<https://redis.io/docs/latest/develop/reference/eviction/>).
    pub when_full: String,
}

impl RedisFacts {
    /// Whether it forgets keys to make room, and limits with them. Only `noeviction` does not: every limit has an expiry, so that
    /// the `volatile` policies take limits first. Whoever starts a store should refuse or warn.
    #[must_use]
    pub fn evicts(&self) -> bool {
        self.most_memory > 0 && self.when_full != "noeviction"
    }

    /// Reads the answers to INFO, of one node or of several; those of the node that is set worst.
    fn read(answer: &str) -> Self {
        let values = |name: &'static str| {
            answer.lines().filter_map(move |line| line.trim().strip_prefix(name)?.strip_prefix(':').map(str::to_owned))
        };
        Self {
            version: values("valkey_version").chain(values("redis_version")).next().unwrap_or_default(),
            most_memory: values("maxmemory").filter_map(|bytes| bytes.parse().ok()).max().unwrap_or(0),
            when_full: values("maxmemory_policy")
                .reduce(|worst, other| if worst == "noeviction" { other } else { worst })
                .unwrap_or_default(),
        }
    }
}

impl RedisStore {
    /// Asks Redis whether it is fit to keep limits; it needs the right to INFO.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn inspect(&self) -> Result<RedisFacts, StoreError> {
        let mut command = Cmd::new();
        command.arg("INFO");
        let mut answer = String::new();
        collect(&self.order(Order::Command(command)).await?, &mut answer);
        Ok(RedisFacts::read(&answer))
    }
}

/// All text in an answer; a cluster's has one for each node.
fn collect(value: &Value, text: &mut String) {
    match value {
        Value::BulkString(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
        Value::VerbatimString { text: part, .. } => text.push_str(part),
        Value::Array(values) => values.iter().for_each(|value| collect(value, text)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect(value, text)),
        _ => return,
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_that_evicts_is_enough() {
        let facts = RedisFacts::read(
            "redis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\nredis_version:7.0.15\r\n\
             maxmemory:1000\r\nmaxmemory_human:1K\r\nmaxmemory_policy:volatile-lru\r\n",
        );
        assert_eq!(facts.version, "7.0.15");
        assert_eq!((facts.most_memory, facts.when_full.as_str()), (1_000, "volatile-lru"));
        assert!(facts.evicts());
        assert!(!RedisFacts { most_memory: 0, ..facts }.evicts());
    }
}
