//! Throw-away PostgreSQL clusters and Redis servers for tests.
//!
//! A [`Cluster`] is a real server in a temporary folder, reached by a socket in that folder, so it can neither meet
//! nor disturb a server that happens to run on the machine. Tests share one per process ([`Cluster::shared`]) and
//! take a fresh [`Database`] each; tests of server settings start their own ([`Cluster::builder`]).
//!
//! ```no_run
//! let db = dbopt_testkit::Cluster::shared().database();
//! db.execute("CREATE TABLE t (id int PRIMARY KEY)");
//! let rows = db.query("SELECT count(*) FROM t");
//! assert_eq!(rows, [[Some("0".to_owned())]]);
//! ```
//!
//! A [`Redis`] is the same for Redis or Valkey, and a [`RedisCluster`] three of them.
//!
//! The helpers panic with the server's own words when a statement fails: a test has nothing better to do with it.

mod account;
mod binaries;
mod builder;
mod client;
mod cluster;
mod database;
mod error;
mod free_port;
pub mod network;
mod random;
mod redis;
mod supervisor;

pub use account::{Account, is_root};
pub use binaries::{BIN_VARIABLE, Binaries};
pub use builder::Builder;
pub use cluster::Cluster;
pub use database::Database;
pub use error::Error;
pub use random::Random;
pub use redis::{Redis, RedisBinaries, RedisCluster};
