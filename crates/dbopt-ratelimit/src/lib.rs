//! Rate limits of several windows at once.
//!
//! A [`Limit`] is a list of [`Window`]s that all have to admit a request: 100 a minute and 1,000 an hour. A [`Charge`]
//! asks one limit for one [`Key`]; a [`Store`] answers any number of charges together, all or nothing, and says what
//! remains of each window and which of them refused. Clocks and quotas are those of [`governor`].
//!
//! What each algorithm admits at worst is said at [`Algorithm`].
//!
//! ```
//! use std::num::NonZeroU32;
//! use dbopt_ratelimit::{Algorithm, Charge, Keyer, Limit, MemoryConfig, MemoryStore, Window};
//!
//! let of = |limit| NonZeroU32::new(limit).expect("above zero");
//! let limit = Limit::new(Algorithm::Gcra, [Window::per_minute(of(100)), Window::per_hour(of(3))])?;
//! let store = MemoryStore::new(MemoryConfig::default());
//! let user = Keyer::random()?.rule("ml").key([b"user-7".as_slice()]);
//! let charge = [Charge { limit: &limit, key: user, cost: 1 }];
//!
//! for _ in 0..3 {
//!     assert!(store.charge_now(&charge)?.admitted);
//! }
//! // The hour refuses, and so the minute is not charged.
//! let answer = store.charge_now(&charge)?;
//! assert!(!answer.admitted);
//! assert!(answer.windows[0].wait.is_none() && !answer.windows[1].wait.is_none());
//! assert_eq!((answer.windows[0].remaining, answer.windows[1].remaining), (97, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Above that, a [`Rule`] says which requests are counted, by which [`Part`]s of them, and to which limit; a [`Limiter`] asks
//! all [`Rules`] about a request, whose [`Facts`] it is given, and comes to a [`Decision`]. It also keeps to how many may run at
//! once, blocks after repeated refusal, does what each rule says while the store does not answer, and tells of all that as
//! [`Event`]s and [`Metrics`]. [`client_address`] finds the client behind proxies. In front of a service over HTTP or gRPC all that is a
//! layer: `dbopt_ratelimit::tower` and `dbopt_ratelimit::axum`, with the features of these names.
#![warn(missing_docs)]

mod answer;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod bucket;
mod client;
mod decision;
mod event;
mod facts;
mod gcra;
mod key;
mod layout;
mod limit;
mod limiter;
mod memory;
mod meter;
mod metrics;
mod network;
mod part;
mod permit;
#[cfg(feature = "policy")]
mod policy;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod review;
mod route;
mod rule;
mod sliding;
mod store;
mod suspicion;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "traffic")]
pub mod traffic;
mod values;
mod window;
mod worst;

pub use answer::{Answer, Wait, WindowState, WindowStates};
pub use client::{ForwardHeader, Proxies, Trusted, client_address};
pub use decision::{Counted, Decision, Refusal, Shadow, Why};
pub use event::{Event, Subscriber, Suspicion};
pub use facts::{Facts, Request};
pub use gcra::Gcra;
pub use key::{Key, Keyer, RuleKeyer};
pub use limit::{Algorithm, InvalidLimit, Limit, MOST_WINDOWS};
pub use limiter::{Inspected, Limiter, Options};
pub use memory::{MemoryConfig, MemoryStore, MemoryUse};
pub use metrics::{Metrics, RuleMetrics};
pub use network::{InvalidNetwork, Network, Prefixes};
pub use part::{Part, UnknownPart};
pub use permit::Permits;
#[cfg(feature = "policy")]
pub use policy::LimitPolicy;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresConfig, PostgresStore};
#[cfg(feature = "redis")]
pub use redis::{RedisConfig, RedisFacts, RedisStore};
pub use review::{Weakness, WeaknessKind, reaches, review};
pub use route::{InvalidRoute, RoutePattern};
pub use rule::{Block, Concurrent, InvalidRules, Missing, OnFailure, Rule, Rules, Watch};
pub use sliding::Sliding;
pub use store::{Charge, Lease, Store, StoreError};
pub use suspicion::Thresholds;
pub use values::{List, Values};
pub use window::Window;
pub use worst::Worst;
