//! Limits in memory keep to the contract.

mod contract;

use dbopt_ratelimit::{MemoryConfig, MemoryStore};

contract!(MemoryStore::new(MemoryConfig::default()));
