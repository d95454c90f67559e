//! A Redis Cluster.
//!
//! A script's keys have to be in one slot, so that a request whose keys have several is asked slot by slot: what was charged
//! is given back when another slot refuses or fails. The driver of a cluster sends each request by itself, to the node of its
//! keys.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use redis::{
    Value,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
};
use tokio::sync::OnceCell;

use super::{
    Failure,
    connection::Asked,
    script::{self, Order},
    state::{self, Ask},
};
use crate::{Charge, StoreError};

/// The nodes of a cluster.
#[derive(Clone)]
pub(super) struct Nodes {
    shared: std::sync::Arc<Shared>,
    timeout: Duration,
}

struct Shared {
    client: ClusterClient,
    /// Made by the first request; it finds nodes again by itself.
    connection: OnceCell<ClusterConnection>,
}

impl Nodes {
    pub(super) fn new(addresses: &[&str], timeout: Duration) -> Result<Self, StoreError> {
        let client = ClusterClientBuilder::new(addresses.iter().copied())
            .connection_timeout(timeout)
            .response_timeout(timeout)
            .retries(1)
            .build()
            .map_err(|error| Failure::of(&error).to_store_error())?;
        Ok(Self { shared: std::sync::Arc::new(Shared { client, connection: OnceCell::new() }), timeout })
    }

    pub(super) async fn order(&self, order: Order) -> Result<Value, StoreError> {
        self.within(async |mut connection| order.run(&mut connection).await).await
    }

    /// Asks each slot, together.
    pub(super) async fn charges(
        &self,
        ask: Ask,
        charges: &[Charge<'_>],
        asked: Asked,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut slots: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (i, (key, _)) in asked.iter().enumerate() {
            slots.entry(slot(key)).or_default().push(i);
        }
        if slots.len() == 1 {
            return self.slot(&asked).await;
        }
        let slots: Vec<Vec<usize>> = slots.into_values().collect();
        let part = |ask: Ask, slot: &[usize]| -> Asked {
            let last = slot.len() - 1;
            let argument = |i: usize, place: usize| state::argument(ask, &charges[i], place == last);
            slot.iter().enumerate().map(|(place, i)| (asked[*i].0.clone(), argument(*i, place))).collect()
        };
        let answers = join_all(slots.iter().map(|slot| async { self.slot(&part(ask, slot)).await })).await;
        let passed =
            |answer: &Result<Vec<Vec<u8>>, StoreError>| answer.as_ref().is_ok_and(|replies| !is_refused(replies));
        if ask != Ask::Charge || answers.iter().all(passed) {
            return in_order(slots, answers);
        }
        let back = slots.iter().zip(&answers).filter(|(_, answer)| passed(answer)).map(|(slot, _)| slot);
        // A slot that fails now keeps its charge: too few are admitted for a while rather than too many.
        let _ = join_all(back.map(|slot| async { self.slot(&part(Ask::Refund, slot)).await })).await;
        if answers.iter().any(Result::is_err) {
            return in_order(slots, answers);
        }
        // The states are now those before, so they are asked for anew.
        let before = join_all(slots.iter().map(|slot| async { self.slot(&part(Ask::Peek, slot)).await })).await;
        let mut replies = in_order(slots.clone(), before)?;
        // What was refused stays refused, even if another request has given way since.
        let refused = in_order(slots, answers)?;
        for (reply, refused) in replies.iter_mut().zip(refused) {
            if state::mark(&refused) == b'-' {
                *reply = refused;
            }
        }
        Ok(replies)
    }

    async fn slot(&self, asked: &Asked) -> Result<Vec<Vec<u8>>, StoreError> {
        self.within(async |mut connection| script::charge(&mut connection, asked).await).await
    }

    async fn within<T>(
        &self,
        work: impl AsyncFnOnce(ClusterConnection) -> redis::RedisResult<T>,
    ) -> Result<T, StoreError> {
        let all = async {
            let connect = || self.shared.client.get_async_connection();
            let connection = self.shared.connection.get_or_try_init(connect).await?;
            work(connection.clone()).await
        };
        match tokio::time::timeout(self.timeout, all).await {
            Ok(result) => result.map_err(|error| Failure::of(&error).to_store_error()),
            Err(_) => Err(Failure::Late.to_store_error()),
        }
    }
}

/// Whether a request was refused; all of its replies have the same mark.
fn is_refused(replies: &[Vec<u8>]) -> bool {
    replies.iter().any(|reply| state::mark(reply) == b'-')
}

/// The replies of slots in the order of the charges, or the first error.
fn in_order(
    slots: Vec<Vec<usize>>,
    answers: Vec<Result<Vec<Vec<u8>>, StoreError>>,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut replies = BTreeMap::new();
    for (slot, answer) in slots.into_iter().zip(answers) {
        replies.extend(slot.into_iter().zip(answer?));
    }
    Ok(replies.into_values().collect())
}

/// The slot of a key (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags>).
fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let after = &key[open + 1..];
        let close = after.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &after[..close])
    });
    // CRC-16/XMODEM.
    let crc = tag.unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    });
    crc % 16_384
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `CLUSTER KEYSLOT`.
    #[test]
    fn slots_are_those_of_the_cluster() {
        assert_eq!(slot(b"123456789"), 12_739);
        assert_eq!(slot(b"foo{hash_tag}"), 2_515);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
    }
}
