//! Sealing and opening a field, envelope and nonce included, beside what bare ciphers take.
//!
//! Arguments: `RUNS`, how often each measurement is repeated. A measurement takes about half a millisecond, less than the time for which the
//! kernel lets a thread run, so that on a busy machine many are not interrupted; all are taken in turns, and the best of
//! the repetitions counts.
//!
//! The bare ciphers have their key set up before, count their nonces, authenticate nothing besides, and work in place.

use std::{hint::black_box, time::Instant};

mod ciphers;

use ciphers::{AwsLc, Bare, Field, Ring};
use dbopt_crypto::Algorithm;

const SIZES: [usize; 4] = [64, 256, 1024, 65536];

/// What seals and opens values of one size.
trait Sealer {
    fn seal(&mut self);
    fn open(&mut self);
}

fn main() {
    let runs = std::env::args().nth(1).map_or(400, |runs| runs.parse::<u32>().expect("a number"));
    let backend = if cfg!(feature = "ring") { "feature `ring`" } else { "default features" };
    println!("| {backend} | | 64 B | 256 B | 1 KiB | 64 KiB |\n| --- | --- | ---: | ---: | ---: | ---: |");
    for open in [false, true] {
        let columns: Vec<_> = SIZES.iter().map(|size| column(*size, open, runs)).collect();
        for row in 0..columns[0].len() {
            let cells: Vec<_> = columns
                .iter()
                .map(|column| {
                    let ((_, ns), (_, ring)) = (&column[row], &column[0]);
                    format!("{ns:.0} ({:.2})", ns / ring)
                })
                .collect();
            let verb = if open { "open" } else { "seal" };
            println!("| {} | {verb} | {} |", columns[0][row].0, cells.join(" | "));
        }
    }
    println!("\nNanoseconds, and in parentheses the ratio to ring's bare ChaCha20-Poly1305 of the same run.\n");
}

/// The best time of each, in nanoseconds.
fn column(size: usize, open: bool, runs: u32) -> Vec<(&'static str, f64)> {
    let mut sealers: Vec<(&str, Box<dyn Sealer>)> = vec![
        ("ring, bare ChaCha20-Poly1305", Box::new(Ring::new(&ring::aead::CHACHA20_POLY1305, size))),
        ("aws-lc-rs, bare ChaCha20-Poly1305", Box::new(AwsLc::new(&aws_lc_rs::aead::CHACHA20_POLY1305, size))),
        ("chacha20poly1305, bare XChaCha20-Poly1305", Box::new(Bare::new(size))),
        ("**dbopt, XChaCha20-Poly1305**", Box::new(Field::new(Algorithm::XChaCha20Poly1305, size))),
        ("ring, bare AES-256-GCM", Box::new(Ring::new(&ring::aead::AES_256_GCM, size))),
        ("aws-lc-rs, bare AES-256-GCM", Box::new(AwsLc::new(&aws_lc_rs::aead::AES_256_GCM, size))),
        ("**dbopt, XAES-256-GCM**", Box::new(Field::new(Algorithm::Aes256Gcm, size))),
    ];
    let mut best = vec![f64::MAX; sealers.len()];
    for _ in 0..runs {
        for ((_, sealer), best) in sealers.iter_mut().zip(&mut best) {
            let calls = (200_000 / (300 + size)).max(4);
            let start = Instant::now();
            for _ in 0..calls {
                if open { black_box(&mut *sealer).open() } else { black_box(&mut *sealer).seal() }
            }
            *best = best.min(start.elapsed().as_nanos() as f64 / calls as f64);
        }
    }
    sealers.iter().map(|(name, _)| *name).zip(best).collect()
}
