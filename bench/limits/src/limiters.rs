//! What is measured, each as one would write it for 3 windows: a minute's, an hour's and a day's.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dbopt_ratelimit::{Algorithm, Charge, Key, Keyer, Limit, MemoryConfig, MemoryStore, RuleKeyer, Window};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use limitador::limit::Context;

/// So many at once that all are admitted.
const BURST: NonZeroU32 = NonZeroU32::new(1_000_000_000).expect("above zero");
/// How many in each period, and its seconds. A key that was asked is limited for some seconds at least, and so is not forgotten.
const WINDOWS: [(u32, u64); 3] = [(100, 60), (1_000, 3_600), (10_000, 86_400)];
const DAY: u64 = 86_400;

/// A key as an application has it.
pub trait Id: Hash + Eq + Clone + Send + Sync + 'static {
    fn key(&self, keyer: &RuleKeyer) -> Key;
    fn text(&self) -> String;
}

impl Id for u64 {
    fn key(&self, keyer: &RuleKeyer) -> Key {
        keyer.key([self.to_le_bytes().as_slice()])
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Id for String {
    fn key(&self, keyer: &RuleKeyer) -> Key {
        keyer.key([self.as_bytes()])
    }

    fn text(&self) -> String {
        self.clone()
    }
}

pub trait Limiter<K>: Sync {
    fn check(&self, key: &K) -> bool;

    fn name(&self) -> &'static str {
        ""
    }
}

fn of(limit: u32) -> NonZeroU32 {
    NonZeroU32::new(limit).expect("above zero")
}

/// Ours.
pub struct Dbopt {
    store: MemoryStore,
    rules: Vec<(RuleKeyer, Limit)>,
    name: &'static str,
}

impl Dbopt {
    fn new(name: &'static str, rules: usize, algorithm: Algorithm, windows: &[Window]) -> Self {
        let keyer = Keyer::random().expect("random bytes");
        let rule = |number: usize| {
            let limit = Limit::new(algorithm, windows.iter().copied()).expect("a limit");
            (keyer.rule(&format!("rule-{number}")), limit)
        };
        let store = MemoryStore::new(MemoryConfig { most_keys: 4_000_000 });
        Self { store, rules: (0..rules).map(rule).collect(), name }
    }

    fn windows() -> [Window; 3] {
        WINDOWS.map(|(limit, seconds)| {
            Window::new(of(limit), Duration::from_secs(seconds)).expect("a period").burst_of(BURST)
        })
    }

    pub fn three() -> Self {
        Self::new("**dbopt, three windows**", 1, Algorithm::Gcra, &Self::windows())
    }

    pub fn one() -> Self {
        Self::new("dbopt, one window", 1, Algorithm::Gcra, &Self::windows()[..1])
    }

    pub fn two_rules() -> Self {
        Self::new("dbopt, two rules", 2, Algorithm::Gcra, &Self::windows())
    }

    pub fn of(limit: u32) -> Self {
        Self::new("dbopt", 1, Algorithm::Gcra, &[Window::per_day(of(limit))])
    }

    pub fn sliding(limit: u32) -> Self {
        Self::new("dbopt, one sliding window of 100", 1, Algorithm::Sliding, &[Window::per_day(of(limit))])
    }

    /// Nobody uses up such a window while it is measured.
    pub fn three_sliding() -> Self {
        let windows = Self::windows().map(|window| Window::new(BURST, window.period()).expect("a period"));
        Self::new("dbopt, three sliding windows", 1, Algorithm::Sliding, &windows)
    }
}

/// Tells what remains of each window, too.
pub struct Told(pub Dbopt);

impl<K: Id> Limiter<K> for Told {
    fn check(&self, key: &K) -> bool {
        let [(keyer, limit)] = self.0.rules.as_slice() else { unreachable!("one rule") };
        let answer =
            self.0.store.charge_now(&[Charge { limit, key: key.key(keyer), cost: 1 }]).expect("memory answers");
        black_box(&answer).admitted
    }
}

impl<K: Id> Limiter<K> for Dbopt {
    fn check(&self, key: &K) -> bool {
        let charge = |(keyer, limit)| Charge { limit, key: K::key(key, keyer), cost: 1 };
        match self.rules.as_slice() {
            [(keyer, limit)] => self.store.refusal_now(&charge((keyer, limit))).is_none(),
            [first, second] => {
                let charges = [charge((&first.0, &first.1)), charge((&second.0, &second.1))];
                self.store.charge_now(&charges).expect("memory answers").admitted
            }
            _ => unreachable!("one rule or two"),
        }
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

/// One governor for each window, asked in a row until one refuses.
pub struct Governors<K: Id>(Vec<DefaultKeyedRateLimiter<K>>);

impl<K: Id> Governors<K> {
    pub fn new(windows: usize) -> Self {
        let quota = |(limit, seconds)| Quota::with_period(Duration::from_secs(seconds) / limit).expect("a quota");
        Self(
            WINDOWS
                .into_iter()
                .take(windows)
                .map(|window| RateLimiter::keyed(quota(window).allow_burst(BURST)))
                .collect(),
        )
    }

    pub fn of(limit: u32) -> Self {
        let quota = Quota::with_period(Duration::from_secs(DAY) / limit).expect("a quota");
        Self(vec![RateLimiter::keyed(quota.allow_burst(of(limit)))])
    }
}

impl<K: Id> Limiter<K> for Governors<K> {
    fn check(&self, key: &K) -> bool {
        self.0.iter().all(|governor| governor.check_key(key).is_ok())
    }

    fn name(&self) -> &'static str {
        "three governors"
    }
}

/// limitador's limiter in memory.
pub struct Limitador {
    limiter: limitador::RateLimiter,
    namespace: limitador::limit::Namespace,
}

impl Limitador {
    pub fn new() -> Self {
        Self::with(&WINDOWS.map(|(_, seconds)| seconds), u64::from(BURST.get()))
    }

    pub fn of(limit: u64) -> Self {
        Self::with(&[DAY], limit)
    }

    fn with(periods: &[u64], most: u64) -> Self {
        let limiter = limitador::RateLimiter::new(4_000_000);
        for seconds in periods {
            let variable = "key".try_into().expect("an expression");
            limiter.add_limit(limitador::limit::Limit::new("bench", most, *seconds, vec![], vec![variable]));
        }
        Self { limiter, namespace: "bench".into() }
    }
}

impl<K: Id> Limiter<K> for Limitador {
    fn check(&self, key: &K) -> bool {
        let context = Context::from(HashMap::from([("key".to_owned(), key.text())]));
        !self.limiter.check_rate_limited_and_update(&self.namespace, &context, 1).expect("memory answers").limited
    }

    fn name(&self) -> &'static str {
        "limitador 0.14"
    }
}

/// Token buckets in a cache, as services write it: moka bounds the keys, a mutex guards each.
pub struct Moka<K: Id> {
    cache: moka::sync::Cache<K, Arc<Mutex<[Bucket; 3]>>>,
    most: f64,
    /// Tokens a second.
    rates: [f64; 3],
}

/// Tokens, and when they were counted.
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Id> Moka<K> {
    pub fn new() -> Self {
        Self::with(BURST.get(), WINDOWS.map(|(limit, seconds)| f64::from(limit) / seconds as f64))
    }

    pub fn of(limit: u32) -> Self {
        Self::with(limit, [f64::from(limit) / DAY as f64; 3])
    }

    fn with(most: u32, rates: [f64; 3]) -> Self {
        let cache = moka::sync::Cache::builder().max_capacity(4_000_000).time_to_idle(Duration::from_secs(DAY)).build();
        Self { cache, most: f64::from(most), rates }
    }
}

impl<K: Id> Limiter<K> for Moka<K> {
    fn check(&self, key: &K) -> bool {
        let now = Instant::now();
        let new = || Arc::new(Mutex::new([(); 3].map(|()| Bucket { tokens: self.most, at: now })));
        let buckets = self.cache.get(key).unwrap_or_else(|| self.cache.get_with(key.clone(), new));
        let mut buckets = buckets.lock().expect("nobody panics");
        for (bucket, rate) in buckets.iter_mut().zip(self.rates) {
            let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
            bucket.tokens = self.most.min(bucket.tokens + passed * rate);
            bucket.at = now;
        }
        let admitted = buckets.iter().all(|bucket| bucket.tokens >= 1.0);
        if admitted {
            buckets.iter_mut().for_each(|bucket| bucket.tokens -= 1.0);
        }
        admitted
    }

    fn name(&self) -> &'static str {
        "moka and a mutex"
    }
}

/// An exact log of times for each key: what a sliding window costs without buckets.
pub struct Log<K: Id> {
    most: usize,
    logs: Mutex<HashMap<K, VecDeque<u64>>>,
    start: Instant,
}

impl<K: Id> Log<K> {
    pub fn new(most: usize) -> Self {
        Self { most, logs: Mutex::default(), start: Instant::now() }
    }
}

/// Each check stands for a key that uses up its limit, since that is what its memory is for.
impl<K: Id> Limiter<K> for Log<K> {
    fn check(&self, key: &K) -> bool {
        let now = self.start.elapsed().as_nanos() as u64;
        let mut logs = self.logs.lock().expect("nobody panics");
        let log = logs.entry(key.clone()).or_insert_with(|| VecDeque::with_capacity(self.most));
        while log.len() < self.most {
            log.push_back(now);
        }
        true
    }

    fn name(&self) -> &'static str {
        "an exact log of 100"
    }
}
