//! A connection that many requests share.
//!
//! One task owns it. While it waits for Redis, requests gather, and the next command takes all that are there: a script
//! costs Redis 3 µs before it has done anything, and three times that with its work, so that gathering more than doubles
//! what one Redis does. A request that comes alone is sent at once.
//!
//! A connection that was lost, or that did not answer in time, is dropped and made anew by the next request; after a
//! failure to connect the requests of a short while fail at once.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use redis::{AsyncConnectionConfig, Client, RedisError, Value, aio::MultiplexedConnection};
use tokio::sync::{mpsc, oneshot};

use super::{
    error::Failure,
    script::{self, Order},
};
use crate::StoreError;

/// Requests of one command at most, so that Redis is never busy with one for longer than half a millisecond or so.
const TOGETHER: usize = 64;
/// Commands under way at once.
const UNDER_WAY: usize = 3;
/// Requests that wait at most; more are told at once that Redis does not keep up.
const QUEUE: usize = 16_384;
/// For how long nothing is tried after a failure to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// The charges of a request: for each its key and what the script is told.
pub(super) type Asked = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) enum Job {
    Charges(Asked, oneshot::Sender<Result<Vec<Vec<u8>>, StoreError>>),
    Order(Order, oneshot::Sender<Result<Value, StoreError>>),
}

impl Job {
    fn fail(self, failure: &Failure) {
        // Whoever does not wait any more need not be told.
        match self {
            Self::Charges(_, reply) => drop(reply.send(Err(failure.to_store_error()))),
            Self::Order(_, reply) => drop(reply.send(Err(failure.to_store_error()))),
        }
    }
}

/// Where requests are handed in. The task ends with the last of them.
#[derive(Clone)]
pub(super) struct Connection {
    jobs: mpsc::Sender<Job>,
    timeout: Duration,
}

impl Connection {
    /// Starts the task, on the runtime that this is called on. It connects when the first request comes.
    pub(super) fn start(client: Client, timeout: Duration) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(Some(timeout));
        tokio::spawn(Task { client, config, connection: None, pause_until: None }.run(queue));
        Self { jobs, timeout }
    }

    pub(super) async fn charges(&self, asked: Asked) -> Result<Vec<Vec<u8>>, StoreError> {
        self.ask(|reply| Job::Charges(asked, reply)).await
    }

    pub(super) async fn order(&self, order: Order) -> Result<Value, StoreError> {
        self.ask(|reply| Job::Order(order, reply)).await
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(job(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::Busy.to_store_error(),
            mpsc::error::TrySendError::Closed(_) => Failure::Ended.to_store_error(),
        })?;
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::Ended.to_store_error()),
            Err(_) => Err(Failure::Late.to_store_error()),
        }
    }
}

struct Task {
    client: Client,
    config: AsyncConnectionConfig,
    /// With a number that tells it from those before it.
    connection: Option<(u64, MultiplexedConnection)>,
    pause_until: Option<Instant>,
}

impl Task {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut under_way = FuturesUnordered::new();
        let mut jobs = Vec::with_capacity(TOGETHER);
        let mut made = 0;
        loop {
            tokio::select! {
                // Those that gave up are of no use to Redis, so what is done comes first.
                biased;
                Some(lost) = under_way.next(), if !under_way.is_empty() => {
                    let lost: Option<u64> = lost;
                    if lost.is_some() && self.connection.as_ref().map(|(number, _)| *number) == lost {
                        self.connection = None;
                    }
                }
                count = queue.recv_many(&mut jobs, TOGETHER), if under_way.len() < UNDER_WAY => {
                    if count == 0 {
                        break;
                    }
                    jobs.retain(|job| match job {
                        Job::Charges(_, reply) => !reply.is_closed(),
                        Job::Order(_, reply) => !reply.is_closed(),
                    });
                    let (number, connection) = match self.connection(&mut made).await {
                        Ok(connection) => connection,
                        Err(failure) => {
                            jobs.drain(..).for_each(|job| job.fail(&failure));
                            continue;
                        }
                    };
                    let jobs = std::mem::replace(&mut jobs, Vec::with_capacity(TOGETHER));
                    under_way.push(async move { send(connection, jobs).await.then_some(number) });
                }
            }
        }
        // What was sent is answered before the connection goes.
        while under_way.next().await.is_some() {}
    }

    async fn connection(&mut self, made: &mut u64) -> Result<(u64, MultiplexedConnection), Failure> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        if self.pause_until.is_some_and(|until| Instant::now() < until) {
            return Err(Failure::Away);
        }
        match self.client.get_multiplexed_async_connection_with_config(&self.config).await {
            Ok(connection) => {
                *made += 1;
                self.pause_until = None;
                Ok(self.connection.insert((*made, connection)).clone())
            }
            Err(error) => {
                self.pause_until = Some(Instant::now() + PAUSE);
                Err(Failure::of(&error))
            }
        }
    }
}

/// Sends requests and tells them what was answered. Says whether the connection is of no more use.
async fn send(mut connection: MultiplexedConnection, jobs: Vec<Job>) -> bool {
    let mut lost = false;
    let (mut asked, mut waiting) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
    for job in jobs {
        match job {
            Job::Charges(charges, reply) => {
                waiting.push((charges.len(), reply));
                asked.extend(charges);
            }
            Job::Order(order, reply) => {
                let result = order.run(&mut connection).await;
                lost |= result.as_ref().is_err_and(is_lost);
                drop(reply.send(result.map_err(|error| Failure::of(&error).to_store_error())));
            }
        }
    }
    if asked.is_empty() {
        return lost;
    }
    match script::charge(&mut connection, &asked).await {
        Ok(replies) => {
            let mut replies = replies.into_iter();
            for (count, reply) in waiting {
                drop(reply.send(Ok(replies.by_ref().take(count).collect())));
            }
        }
        Err(error) => {
            lost |= is_lost(&error);
            let failure = Failure::of(&error);
            for (_, reply) in waiting {
                drop(reply.send(Err(failure.to_store_error())));
            }
        }
    }
    lost
}

fn is_lost(error: &RedisError) -> bool {
    error.is_timeout() || error.is_io_error() || error.is_unrecoverable_error()
}
