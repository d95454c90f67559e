//! Checks a second of limits in Redis and in PostgreSQL, beside what the same engine does of bare commands in the same run.
//!
//! Arguments: `SECONDS ROUNDS`, the length of a measurement and how often each is repeated. The rivals take turns in each
//! round, and the best of the rounds counts.

mod postgres;
mod redis;

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use dbopt_ratelimit::{Algorithm, Charge, Key, Limit, Store, Window};
use futures_util::future::join_all;

/// Keys that are charged by turns.
const KEYS: u64 = 10_000;
/// The most connections of a load.
const CONNECTIONS: usize = 4;
/// Connections, and requests that are under way at once on all of them.
const LOADS: [(usize, usize); 3] = [(1, 1), (1, 256), (CONNECTIONS, 256)];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: usize| arguments.next().map_or(Ok(otherwise), |text| text.parse());
    let (seconds, rounds) = (number(1)?, number(3)?);
    let size = Size { length: Duration::from_secs(seconds as u64), rounds };
    println!("### Shared limits\n");
    println!("| engine | what | one by one | ratio | 256 at once | ratio | on {CONNECTIONS} connections | ratio |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    redis::run(size).await?;
    postgres::run(size).await?;
    println!(
        "\nA second: on one connection, but for the last; 256 are under way at once there too. ratio: to the first row."
    );
    Ok(())
}

/// How long it takes.
#[derive(Clone, Copy)]
struct Size {
    length: Duration,
    rounds: usize,
}

/// Three windows that admit all of the bench.
fn limit(algorithm: Algorithm) -> Limit {
    let most = NonZeroU32::new(100_000_000).expect("above zero");
    Limit::new(algorithm, [Window::per_minute(most), Window::per_hour(most), Window::per_day(most)]).expect("a limit")
}

/// A check of one of the keys.
async fn check(store: &impl Store, limit: &Limit, turn: u64) -> anyhow::Result<()> {
    let answer = store.charge(&[Charge { limit, key: Key([turn % KEYS, 7]), cost: 1 }]).await?;
    anyhow::ensure!(answer.admitted, "the bench admits all");
    Ok(())
}

/// The best rate of one rival under each load.
#[derive(Clone, Copy, Default)]
struct Best([f64; LOADS.len()]);

impl Best {
    /// Measures each load once. The work is given the number of a connection, and by turns a number.
    async fn round<F: Future<Output = anyhow::Result<()>>>(
        &mut self,
        size: Size,
        work: impl Fn(usize, u64) -> F,
    ) -> anyhow::Result<()> {
        for (best, (connections, at_once)) in self.0.iter_mut().zip(LOADS) {
            let start = Instant::now();
            let worker = async |number: usize| {
                let mut done = 0_u64;
                while start.elapsed() < size.length {
                    work(number % connections, (number as u64).wrapping_mul(7_919) + done).await?;
                    done += 1;
                }
                anyhow::Ok(done)
            };
            let done = join_all((0..at_once).map(worker)).await.into_iter().sum::<anyhow::Result<u64>>()?;
            *best = best.max(done as f64 / start.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// Prints a row of the report, with the ratios to a peer.
    fn print(self, engine: &str, what: &str, peer: Self) {
        let figures = self.0.iter().zip(peer.0).map(|(rate, peer)| format!(" {rate:.0} | {:.2} |", rate / peer));
        println!("| {engine} | {what} |{}", figures.collect::<String>());
    }
}
