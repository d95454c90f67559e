//! Where limits are kept.

use std::{future::Future, num::NonZeroU32, time::Duration};

use crate::{Answer, Key, Limit};

/// What one request costs of one limit.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// Whom it counts.
    pub key: Key,
    /// How much is charged. A cost of 0 is a gate: it charges nothing, and passes only while every window is full,
    /// which is how a block for a while is kept in any store.
    pub cost: u32,
}

/// A place held under a limit of concurrent requests; it ends by itself if nobody releases it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Whom it counts.
    pub key: Key,
    /// Which of theirs it is; random.
    pub id: u128,
}

/// Why a store did not answer. Nothing is known of whether a charge was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The engine cannot be reached, or did not answer in time.
    #[error("the engine of the limits cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine refuses: it is out of memory, read-only, or lacks a table or a right.
    #[error("the engine of the limits refuses")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store holds as many keys as it may, and none of them can be forgotten.
    #[error("the store of the limits is full")]
    Full,
}

/// Keeps the state of limits, and decides by its own clock.
///
/// Every implementation passes the contract in `tests/contract`.
pub trait Store: Send + Sync {
    /// Admits all charges, or none and changes nothing.
    fn charge(&self, charges: &[Charge<'_>]) -> impl Future<Output = Result<Answer, StoreError>> + Send;

    /// What [`Store::charge`] would answer, without charging; the states are those before a charge.
    fn peek(&self, charges: &[Charge<'_>]) -> impl Future<Output = Result<Answer, StoreError>> + Send;

    /// Gives back what was charged, up to a full window.
    fn refund(&self, charges: &[Charge<'_>]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets what a key has used of a limit.
    fn reset(&self, limit: &Limit, key: Key) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes one of `most` places of a key for at most `longest`. None when all are taken.
    fn acquire(
        &self,
        key: Key,
        most: NonZeroU32,
        longest: Duration,
    ) -> impl Future<Output = Result<Option<Lease>, StoreError>> + Send;

    /// Gives a place back; one that has ended already is not an error.
    fn release(&self, lease: Lease) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives a place back if that takes no waiting, and says whether it did.
    fn release_at_once(&self, lease: Lease) -> bool {
        let _ = lease;
        false
    }
}
