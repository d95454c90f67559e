//! The rate limiter in memory beside its peers: the time of a check, the memory of a key, and what is admitted at most.
//!
//! Arguments: `CHECKS RUNS`, checks per measurement and how often each is repeated. A measurement takes about a millisecond, less than
//! the time for which the kernel lets a thread run, so that on a busy machine many are not interrupted; all limiters are
//! measured in turns, and the best of the repetitions counts.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

mod limiters;
mod memory;

use limiters::{Dbopt, Governors, Id, Limitador, Limiter, Log, Moka, Told};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let (checks, runs) = (args.next().unwrap_or(10_000), args.next().unwrap_or(100));
    println!("### Time of a check\n");
    println!("| keys | of | threads | limiter | ns | ratio | goal |\n| --- | ---: | ---: | --- | ---: | ---: | ---: |");
    let numbers = |number: u64| number;
    let names = |number: u64| format!("customer-{number:012}");
    for (count, goal) in [(1, 0.4), (10_000, 0.4), (1_000_000, 0.33)] {
        times("u64", numbers, count, &[1, 2], goal, checks, runs);
        times("String", names, count, &[1, 2], goal, checks, runs);
    }
    println!(
        "\nns: wall time for each check; with two threads, both of them ask. ratio: to three governors in a row.\n"
    );
    println!("### Memory of a key\n");
    println!("| keys | limiter | bytes a key, 0.5 to 2 million | most |\n| --- | --- | ---: | ---: |");
    grow("u64", &Dbopt::three(), numbers, 2_000_000);
    grow("u64", &Governors::new(3), numbers, 2_000_000);
    grow("u64", &Moka::new(), numbers, 2_000_000);
    grow("u64", &Dbopt::sliding(100), numbers, 2_000_000);
    grow("u64", &Log::new(100), numbers, 200_000);
    grow("u64, at a tenth of these numbers", &Limitador::new(), numbers, 200_000);
    grow("String", &Dbopt::three(), names, 2_000_000);
    grow("String", &Governors::new(3), names, 2_000_000);
    grow("String", &Moka::new(), names, 2_000_000);
    println!("\n### Admitted beyond the limit\n");
    println!("1,000 a day, asked 200,000 times by that many threads.\n");
    println!("| limiter | 1 | 2 | 8 | 64 |\n| --- | ---: | ---: | ---: | ---: |");
    over("dbopt", || Dbopt::of(1_000));
    over("dbopt, sliding", || Dbopt::sliding(1_000));
    over("governor", || Governors::of(1_000));
    over("limitador", || Limitador::of(1_000));
    over("moka", || Moka::of(1_000));
}

/// Measures all limiters with some keys.
fn times<K: Id>(kind: &str, key: impl Fn(u64) -> K, count: u64, threads: &[u64], goal: f64, checks: u64, runs: u64) {
    let keys: Vec<K> = (0..count).map(key).collect();
    let mut limiters: Vec<(&str, Box<dyn Limiter<K>>, u64)> = vec![
        ("three governors in a row", Box::new(Governors::new(3)), 1),
        ("**dbopt, three windows**", Box::new(Dbopt::three()), 1),
        ("dbopt, and what remains of each", Box::new(Told(Dbopt::three())), 1),
        ("one governor", Box::new(Governors::new(1)), 1),
        ("dbopt, one window", Box::new(Dbopt::one()), 1),
        ("dbopt, two rules of three windows", Box::new(Dbopt::two_rules()), 1),
        ("dbopt, three sliding windows", Box::new(Dbopt::three_sliding()), 4),
        ("moka and a mutex, three windows", Box::new(Moka::new()), 2),
    ];
    // At a million it would need gigabytes.
    if count <= 10_000 {
        limiters.push(("limitador 0.14, three limits", Box::new(Limitador::new()), 50));
    }
    for (_, limiter, _) in &limiters {
        keys.iter().for_each(|key| assert!(limiter.check(key)));
    }
    for threads in threads {
        let mut best: HashMap<&str, f64> = HashMap::new();
        for run in 0..runs {
            for (name, limiter, slowness) in &limiters {
                let ns = measure(limiter.as_ref(), &keys, checks / slowness, *threads, run);
                let best = best.entry(name).or_insert(f64::MAX);
                *best = best.min(ns);
            }
        }
        let governors = best["three governors in a row"];
        for (name, _, _) in &limiters {
            let ns = best[name];
            let goal = match (*name, *threads) {
                ("**dbopt, three windows**", 1) => format!("{goal}"),
                ("**dbopt, three windows**", _) if count > 10_000 => "0.33".to_owned(),
                _ => String::new(),
            };
            println!("| {kind} | {count} | {threads} | {name} | {ns:.0} | {:.2} | {goal} |", ns / governors);
        }
    }
}

/// Wall time of a check, in nanoseconds: from the first thread's beginning to the last one's end, for the checks of all.
fn measure<K: Id>(limiter: &dyn Limiter<K>, keys: &[K], checks: u64, threads: u64, seed: u64) -> f64 {
    let barrier = Barrier::new(threads as usize);
    let ask = &|thread: u64| {
        // Keys in an order that no prefetcher follows: a linear congruence and its high bits.
        let mut random = seed.wrapping_add(thread).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        barrier.wait();
        let start = Instant::now();
        for _ in 0..checks / threads {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (u128::from(random) * keys.len() as u128) >> 64;
            black_box(limiter.check(&keys[at as usize]));
        }
        (start, Instant::now())
    };
    let (start, end) = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || ask(thread))).collect();
        let first = ask(0);
        let others = others.into_iter().map(|thread| thread.join().expect("no thread panics"));
        others.fold(first, |(start, end), other| (start.min(other.0), end.max(other.1)))
    });
    (end - start).as_nanos() as f64 / (checks / threads * threads) as f64
}

/// Adds keys and looks at the memory from a quarter of them on.
fn grow<K: Id>(kind: &str, limiter: &impl Limiter<K>, key: impl Fn(u64) -> K, most: u64) {
    let (mut samples, mut worst) = (Vec::new(), 0.0_f64);
    let before = memory::live();
    for number in 0..most {
        limiter.check(&key(number));
        if number >= most / 4 && number % (most / 200) == 0 {
            let bytes = (memory::live() - before) as f64 / (number + 1) as f64;
            samples.push(bytes);
            worst = worst.max(bytes);
        }
    }
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    println!("| {kind} | {} | {mean:.0} | {worst:.0} |", limiter.name());
}

/// Asks one limiter from some threads at once.
fn over<L: Limiter<u64>>(name: &str, limiter: impl Fn() -> L) {
    print!("| {name} |");
    for threads in [1_u64, 2, 8, 64] {
        let mut worst = 0;
        for _ in 0..5 {
            let limiter = limiter();
            let ask = || (0..200_000 / threads).filter(|_| limiter.check(&7)).count();
            let admitted: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
                threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
            });
            assert!(admitted >= 1_000, "{name} admitted {admitted}");
            worst = worst.max(admitted - 1_000);
        }
        print!(" {worst} |");
    }
    println!();
}
