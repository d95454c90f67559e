//! Redis: three-window checks beside three INCR, each with its EXPIRE, which is what three fixed windows cost: sent one after
//! the other without waiting, which is not atomic, and as a script, which is.

use anyhow::Context as _;
use dbopt_ratelimit::{Algorithm, RedisConfig, RedisStore};
use dbopt_testkit::Redis;
use futures_util::future::try_join_all;
use redis::{Client, Pipeline, Script};

use crate::{Best, CONNECTIONS, KEYS, Size, check, limit};

const PERIODS: [&str; 3] = ["60", "3600", "86400"];
/// As in <https://redis.io/docs/latest/commands/incr/#pattern-rate-limiter-2>, three times.
const SCRIPT: &str = "for i = 1, 3 do
  if redis.call('INCR', KEYS[i]) == 1 then
    redis.call('EXPIRE', KEYS[i], ARGV[i])
  end
end";

pub(crate) async fn run(size: Size) -> anyhow::Result<()> {
    let server = Redis::start().context("Redis is needed; `cargo xtask setup` installs it")?;
    let config = || RedisConfig { timeout: 20 * size.length, ..RedisConfig::default() };
    let stores = (0..CONNECTIONS).map(|_| RedisStore::new(&server.url(), config())).collect::<Result<Vec<_>, _>>()?;
    let client = Client::open(server.url())?;
    let connections = try_join_all((0..CONNECTIONS).map(|_| client.get_multiplexed_async_connection())).await?;
    let (gcra, sliding) = (limit(Algorithm::Gcra), limit(Algorithm::Sliding));
    let names = |turn: u64| PERIODS.map(|period| format!("limit:{:032x}:{period}", turn % KEYS));
    let bare = |lane: usize, turn: u64| {
        let mut connection = connections[lane].clone();
        async move {
            let mut pipeline = Pipeline::with_capacity(6);
            for (name, period) in names(turn).iter().zip(PERIODS) {
                pipeline.cmd("INCR").arg(name).ignore().cmd("EXPIRE").arg(name).arg(period).ignore();
            }
            Ok(pipeline.exec_async(&mut connection).await?)
        }
    };
    let script = &Script::new(SCRIPT);
    let atomic = |lane: usize, turn: u64| {
        let mut connection = connections[lane].clone();
        async move {
            let mut call = script.prepare_invoke();
            for (name, period) in names(turn).iter().zip(PERIODS) {
                call.key(name).arg(period);
            }
            Ok(call.invoke_async::<()>(&mut connection).await?)
        }
    };
    let mut best = [Best::default(); 4];
    for _ in 0..size.rounds {
        best[0].round(size, bare).await?;
        best[1].round(size, atomic).await?;
        best[2].round(size, |lane, turn| check(&stores[lane], &gcra, turn)).await?;
        best[3].round(size, |lane, turn| check(&stores[lane], &sliding, turn)).await?;
    }
    best[0].print("Redis", "three bare INCR + EXPIRE", best[0]);
    best[1].print("Redis", "the same as a script", best[0]);
    best[2].print("Redis", "dbopt, three windows, gcra", best[0]);
    best[3].print("Redis", "dbopt, three windows, sliding", best[0]);
    Ok(())
}
