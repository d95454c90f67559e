//! Limits kept in Redis or Valkey.
//!
//! One script answers a request: it reads the engine's clock, asks every window of every charge, and writes only when all
//! of them admit. Scripts run one at a time, so that no number of processes admits more than the limit. Requests that are
//! under way at once share a command, each for itself all or nothing.

#[cfg(feature = "redis-cluster")]
mod cluster;
mod connection;
mod error;
mod inspect;
mod script;
mod state;

use std::{fmt, num::NonZeroU32, time::Duration};

use redis::{Client, Cmd, Value};

use self::{
    connection::{Asked, Connection},
    error::Failure,
    script::Order,
    state::Ask,
};
use crate::{Algorithm, Answer, Charge, Key, Lease, Limit, Store, StoreError, Wait, WindowState};

pub use inspect::RedisFacts;

/// How a [`RedisStore`] works.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// What all names of keys begin with. A hash tag in it, as in `{limits}`, keeps all keys on one node of a cluster.
    pub prefix: String,
    /// For how long an answer is waited for, connecting included.
    pub timeout: Duration,
}

impl Default for RedisConfig {
    /// `limit:`, and 250 ms.
    fn default() -> Self {
        Self { prefix: "limit:".to_owned(), timeout: Duration::from_millis(250) }
    }
}

/// Keeps limits in Redis or Valkey, from version 6 on, by its clock.
///
/// All processes that share limits have the same prefix and the same secret of their [`crate::Keyer`]. A key expires when
/// nothing of it is used any more. When the engine evicts keys, limits start anew unnoticed: [`RedisStore::inspect`].
#[derive(Clone)]
pub struct RedisStore {
    link: Link,
    prefix: Vec<u8>,
}

#[derive(Clone)]
enum Link {
    One(Connection),
    #[cfg(feature = "redis-cluster")]
    Cluster(cluster::Nodes),
}

impl RedisStore {
    /// A store at an address such as `redis://127.0.0.1:6379/0` or `redis+unix:///run/redis.sock`. The connection is made by the
    /// first request, and again whenever it was lost, by a task on the runtime that this is called on.
    ///
    /// # Errors
    /// When the address is not one of Redis. The error does not repeat it, because it may hold a password.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(address: &str, config: RedisConfig) -> Result<Self, StoreError> {
        let client = Client::open(address).map_err(|error| Failure::of(&error).to_store_error())?;
        Ok(Self { link: Link::One(Connection::start(client, config.timeout)), prefix: config.prefix.into_bytes() })
    }

    /// A store in a cluster of which some nodes are named.
    ///
    /// Each key has a slot of its own, unless the prefix has a hash tag. Where the keys of one request have several slots,
    /// each slot is charged by itself, and what was charged is given back when another refuses: never is more admitted than the
    /// limit, but others may be refused on account of a charge that is then given back.
    ///
    /// # Errors
    /// When an address is not one of Redis.
    #[cfg(feature = "redis-cluster")]
    pub fn cluster(addresses: &[&str], config: RedisConfig) -> Result<Self, StoreError> {
        let nodes = cluster::Nodes::new(addresses, config.timeout)?;
        Ok(Self { link: Link::Cluster(nodes), prefix: config.prefix.into_bytes() })
    }

    async fn ask(&self, ask: Ask, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        if charges.is_empty() {
            return Ok(Answer { admitted: true, windows: std::iter::empty().collect() });
        }
        let last = charges.len() - 1;
        let asked: Asked = (charges.iter().enumerate())
            .map(|(i, charge)| (self.name(charge), state::argument(ask, charge, i == last)))
            .collect();
        let replies = match &self.link {
            Link::One(connection) => connection.charges(asked).await?,
            #[cfg(feature = "redis-cluster")]
            Link::Cluster(nodes) => nodes.charges(ask, charges, asked).await?,
        };
        read(charges, &replies).ok_or_else(|| Failure::Answer("an answer of another form".to_owned()).to_store_error())
    }

    async fn order(&self, order: Order) -> Result<Value, StoreError> {
        match &self.link {
            Link::One(connection) => connection.order(order).await,
            #[cfg(feature = "redis-cluster")]
            Link::Cluster(nodes) => nodes.order(order).await,
        }
    }

    /// The name of a charge's key. An algorithm's state is its own.
    fn name(&self, charge: &Charge<'_>) -> Vec<u8> {
        self.named(charge.key, algorithm_mark(charge.limit.algorithm()))
    }

    fn named(&self, key: Key, mark: u8) -> Vec<u8> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut name = Vec::with_capacity(self.prefix.len() + 34);
        name.extend_from_slice(&self.prefix);
        for byte in key.0.iter().flat_map(|half| half.to_be_bytes()) {
            name.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        name.extend([b':', mark]);
        name
    }
}

impl Store for RedisStore {
    async fn charge(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.ask(Ask::Charge, charges).await
    }

    async fn peek(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.ask(Ask::Peek, charges).await
    }

    async fn refund(&self, charges: &[Charge<'_>]) -> Result<(), StoreError> {
        self.ask(Ask::Refund, charges).await.map(drop)
    }

    async fn reset(&self, limit: &Limit, key: Key) -> Result<(), StoreError> {
        let mut command = Cmd::new();
        command.arg("DEL").arg(self.named(key, algorithm_mark(limit.algorithm())));
        self.order(Order::Command(command)).await.map(drop)
    }

    async fn acquire(&self, key: Key, most: NonZeroU32, longest: Duration) -> Result<Option<Lease>, StoreError> {
        let mut place = [0; 16];
        getrandom::fill(&mut place).map_err(|error| StoreError::Refused(Box::new(error)))?;
        let microseconds = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).clamp(1, MOST_MICROSECONDS);
        let order = Order::Acquire { key: self.named(key, b'c'), most: most.get(), microseconds, place };
        let taken = self.order(order).await? == Value::Int(1);
        Ok(taken.then(|| Lease { key, id: u128::from_be_bytes(place) }))
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let mut command = Cmd::new();
        command.arg("ZREM").arg(self.named(lease.key, b'c')).arg(lease.id.to_be_bytes().as_slice());
        self.order(Order::Command(command)).await.map(drop)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStore")
    }
}

/// A century, so that times stay whole in Lua.
const MOST_MICROSECONDS: u64 = 100 * 366 * 86_400 * 1_000_000;

const fn algorithm_mark(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Gcra => b'g',
        Algorithm::Sliding => b's',
    }
}

fn read(charges: &[Charge<'_>], replies: &[Vec<u8>]) -> Option<Answer> {
    let mut windows: Vec<WindowState> = Vec::new();
    let mut admitted = true;
    for (i, (charge, bytes)) in charges.iter().zip(replies).enumerate() {
        // A key that comes twice was asked for both.
        let same = charges[..i].iter().filter(|other| other.key == charge.key && other.limit == charge.limit);
        let cost = same.fold(charge.cost, |cost, other| cost.saturating_add(other.cost));
        let reply = state::reply(bytes, charge, cost)?;
        admitted &= reply.admitted;
        windows.extend(reply.windows);
    }
    if admitted {
        windows.iter_mut().for_each(|window| window.wait = Wait::None);
    }
    Some(Answer { admitted, windows: windows.into_iter().collect() })
}
