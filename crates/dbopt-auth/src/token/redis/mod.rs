//! Sessions in Redis or Valkey.
//!
//! A script answers each call, by Redis's own clock. What a Redis forgets when it is restarted, nobody remembers: without
//! `appendonly yes` and `appendfsync always` a revocation may be lost, and a copy that takes over may lack the last of them.
//! A cluster is not served, because a session names its subject, whose key may be elsewhere.

use std::{fmt, time::Duration};

use redis::{AsyncConnectionConfig, Client, RedisError, Script, Value, aio::MultiplexedConnection};
use tokio::sync::Mutex;

use super::{NewSession, Rotation, SessionId, SessionStore, Standing, StoreError};

/// What all keys begin with.
const PREFIX: &str = "dbopt:auth:";

/// Remembers sessions and revocations in Redis, from version 6.2 on.
pub struct RedisSessions {
    client: Client,
    config: AsyncConnectionConfig,
    connection: Mutex<Option<MultiplexedConnection>>,
    begin: Script,
    rotate: Script,
    revoke: Script,
}

impl RedisSessions {
    /// At an address such as `redis://127.0.0.1/`. It connects when it is first asked, and again when the connection was lost;
    /// an answer is waited for so long.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(address: &str, timeout: Duration) -> Result<Self, StoreError> {
        let client = Client::open(address).map_err(|error| refused(&error))?;
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(Some(timeout));
        Ok(Self {
            client,
            config,
            connection: Mutex::new(None),
            begin: Script::new(include_str!("begin.lua")),
            rotate: Script::new(include_str!("rotate.lua")),
            revoke: Script::new(include_str!("revoke.lua")),
        })
    }

    /// Does something on the connection, which all calls share; it is made anew after it was lost.
    async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        let mut connection = {
            let mut shared = self.connection.lock().await;
            match &*shared {
                Some(connection) => connection.clone(),
                None => {
                    let new = self.client.get_multiplexed_async_connection_with_config(&self.config).await;
                    shared.insert(new.map_err(|error| unreachable(&error))?).clone()
                }
            }
        };
        let result = work(&mut connection).await;
        match result {
            Ok(value) => Ok(value),
            Err(error) if error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error() => {
                *self.connection.lock().await = None;
                Err(unreachable(&error))
            }
            Err(error) => Err(refused(&error)),
        }
    }
}

impl SessionStore for RedisSessions {
    async fn begin(&self, session: &NewSession<'_>) -> Result<u64, StoreError> {
        let mut call = self.begin.key(session_key(session.id));
        call.key(subject_key(session.subject)).arg(session.subject).arg(session.data);
        call.arg(milliseconds(session.idle)).arg(milliseconds(session.longest));
        self.with(async |connection| call.invoke_async::<u64>(connection).await).await
    }

    async fn rotate(
        &self,
        id: SessionId,
        number: u32,
        grace: Duration,
        idle: Duration,
    ) -> Result<Rotation, StoreError> {
        let mut call = self.rotate.key(session_key(id));
        // No grace is none, not a millisecond.
        call.arg(number)
            .arg(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX))
            .arg(milliseconds(idle))
            .arg(subject_key(""));
        let answer = self.with(async |connection| call.invoke_async::<Vec<String>>(connection).await).await?;
        let mut answer = answer.into_iter();
        let next = || Some((answer.next()?, answer.next(), answer.next(), answer.next(), answer.next()));
        match { next }() {
            Some((what, Some(number), Some(subject), Some(epoch), Some(data))) if what == "next" => {
                match (number.parse(), epoch.parse()) {
                    (Ok(number), Ok(epoch)) => Ok(Rotation::Next { number, subject, epoch, data }),
                    _ => Err(strange()),
                }
            }
            Some((what, ..)) if what == "reused" => Ok(Rotation::Reused),
            Some((what, ..)) if what == "ended" => Ok(Rotation::Ended),
            _ => Err(strange()),
        }
    }

    async fn end(&self, id: SessionId) -> Result<(), StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(session_key(id));
        self.with(async |connection| command.query_async::<Value>(connection).await).await.map(drop)
    }

    async fn revoke_token(&self, id: &str, keep: Duration) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(token_key(id)).arg(1).arg("PX").arg(milliseconds(keep));
        self.with(async |connection| command.query_async::<Value>(connection).await).await.map(drop)
    }

    async fn revoke_subject(&self, subject: &str, keep: Duration) -> Result<u64, StoreError> {
        let mut call = self.revoke.key(subject_key(subject));
        call.arg(milliseconds(keep));
        self.with(async |connection| call.invoke_async::<u64>(connection).await).await
    }

    async fn standing(&self, id: &str, subject: &str) -> Result<Standing, StoreError> {
        let mut command = redis::cmd("MGET");
        command.arg(token_key(id)).arg(subject_key(subject));
        let (token, epoch): (Option<String>, Option<u64>) =
            self.with(async |connection| command.query_async(connection).await).await?;
        Ok(Standing { revoked: token.is_some(), epoch: epoch.unwrap_or(0) })
    }
}

impl fmt::Debug for RedisSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisSessions")
    }
}

fn session_key(id: SessionId) -> String {
    format!("{PREFIX}s:{id}")
}

fn subject_key(subject: &str) -> String {
    format!("{PREFIX}u:{subject}")
}

fn token_key(id: &str) -> String {
    format!("{PREFIX}t:{id}")
}

/// At least one, which is the least that Redis takes, and a century at most.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, 100 * 366 * 86_400_000)
}

/// In words that hold no key, address or password.
#[derive(Debug, thiserror::Error)]
#[error("Redis answered `{0}`")]
struct Answered(String);

fn said(error: &RedisError) -> Box<Answered> {
    Box::new(Answered(error.code().unwrap_or_else(|| error.category()).to_owned()))
}

fn unreachable(error: &RedisError) -> StoreError {
    StoreError::Unreachable(said(error))
}

fn refused(error: &RedisError) -> StoreError {
    StoreError::Refused(said(error))
}

fn strange() -> StoreError {
    StoreError::Refused(Box::new(Answered("something of another form".to_owned())))
}
