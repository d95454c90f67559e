//! The scripts.
//!
//! They are sent by their hash; a Redis that does not know it, because it is new or was restarted, gets the text once
//! (<https://redis.io/docs/latest/develop/programmability/eval-intro/#script-cache>).

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisResult, Script, ServerErrorKind, Value, aio::ConnectionLike};

const CHARGE: &str = include_str!("charge.lua");
const ACQUIRE: &str = include_str!("acquire.lua");

/// Answers the charges of some requests, one reply for each charge.
pub(super) async fn charge(
    connection: &mut impl ConnectionLike,
    asked: &[(Vec<u8>, Vec<u8>)],
) -> RedisResult<Vec<Vec<u8>>> {
    static HASH: LazyLock<String> = LazyLock::new(|| Script::new(CHARGE).get_hash().to_owned());
    let keys = || asked.iter().map(|(key, _)| key.as_slice());
    let arguments = || asked.iter().map(|(_, argument)| argument.as_slice());
    let mut replies = eval(connection, &HASH, CHARGE, keys, arguments).await?;
    if let Value::Array(replies) = &mut replies
        && replies.len() == asked.len()
    {
        return replies.drain(..).map(redis::from_redis_value).map(|reply| reply.map_err(Into::into)).collect();
    }
    Err((ErrorKind::UnexpectedReturnType, "the script's answer is of another form").into())
}

/// What is not a charge.
pub(super) enum Order {
    /// Takes one of some places for so many microseconds; answers 1 or 0.
    Acquire { key: Vec<u8>, most: u32, microseconds: u64, place: [u8; 16] },
    /// Any one command.
    Command(Cmd),
}

impl Order {
    pub(super) async fn run(&self, connection: &mut impl ConnectionLike) -> RedisResult<Value> {
        static HASH: LazyLock<String> = LazyLock::new(|| Script::new(ACQUIRE).get_hash().to_owned());
        match self {
            Self::Command(command) => run(connection, command).await,
            Self::Acquire { key, most, microseconds, place } => {
                let (most, microseconds) = (most.to_string(), microseconds.to_string());
                let arguments = [most.as_bytes(), microseconds.as_bytes(), place.as_slice()];
                let key = || std::iter::once(key.as_slice());
                eval(connection, &HASH, ACQUIRE, key, || arguments.into_iter()).await
            }
        }
    }
}

async fn eval<'a, K, A>(
    connection: &mut impl ConnectionLike,
    hash: &str,
    text: &str,
    keys: impl Fn() -> K,
    arguments: impl Fn() -> A,
) -> RedisResult<Value>
where
    K: Iterator<Item = &'a [u8]>,
    A: Iterator<Item = &'a [u8]>,
{
    let command = |name: &str, script: &str| {
        let mut command = Cmd::new();
        command.arg(name).arg(script).arg(keys().count());
        for part in keys().chain(arguments()) {
            command.arg(part);
        }
        command
    };
    match run(connection, &command("EVALSHA", hash)).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            run(connection, &command("EVAL", text)).await
        }
        result => result,
    }
}

/// Runs a command.
async fn run(connection: &mut impl ConnectionLike, command: &Cmd) -> RedisResult<Value> {
    connection.req_packed_command(command).await.and_then(Value::extract_error)
}
