//! Passwords, tokens and permissions beside their peers.
//!
//! Arguments: `RUNS`, how often each measurement is repeated. All of a kind are measured in turns, and the best of the
//! repetitions counts, since what else a machine does only adds.

use std::{hint::black_box, time::Instant};

mod passwords;
mod permissions;
mod tokens;

fn main() {
    let runs = std::env::args().nth(1).map_or(20, |runs| runs.parse().expect("a number"));
    passwords::compare(runs);
    tokens::compare(runs);
    permissions::measure(runs);
}

/// What is measured.
type Work<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// The best time of each in ns, over so many runs of so many repetitions.
fn best(works: &mut [Work<'_>], runs: u32, repetitions: u32) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; works.len()];
    for _ in 0..runs {
        for (best, (_, work)) in best.iter_mut().zip(works.iter_mut()) {
            let start = Instant::now();
            for _ in 0..repetitions {
                work();
            }
            *best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(repetitions));
        }
    }
    black_box(best)
}
