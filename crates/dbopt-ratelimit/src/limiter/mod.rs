//! The limiter: rules, a store, and what goes on between them.

mod ask;
mod asked;
mod health;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    task::{Poll, Waker},
    time::Duration,
};

use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock, Reference as _};

use self::{
    asked::{Asked, Compiled},
    health::Health,
};
use crate::{
    Charge, Counted, Decision, Event, Facts, Key, Keyer, Lease, Limit, MemoryConfig, MemoryStore, Metrics, Rules,
    Store, StoreError, Subscriber, Thresholds, WindowStates,
    decision::Source,
    metrics::{Counters, RuleMetrics},
    permit::GiveBack,
    suspicion::Lookout,
};

/// Decides about requests by rules, over a store. Clones share everything.
///
/// ```
/// use std::num::NonZeroU32;
/// use dbopt_ratelimit::{Algorithm, Keyer, Limit, Limiter, MemoryConfig, MemoryStore, Part, Request, Rule, Rules, Window};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let two = NonZeroU32::new(2).unwrap();
/// let rule = Rule::new("ml", [Part::User], Limit::new(Algorithm::Gcra, [Window::per_minute(two)])?);
/// let store = MemoryStore::new(MemoryConfig::default());
/// let limiter = Limiter::new(store, Rules::new([rule])?, Keyer::random()?);
///
/// let request = Request::new().user("7");
/// assert!(limiter.check_now(&request).is_admitted());
/// assert!(limiter.check_now(&request).is_admitted());
/// let refused = limiter.check_now(&request);
/// assert_eq!(refused.refusals()[0].to_string(), "rule `ml`: 2/60s is used up");
/// assert!(limiter.check_now(&Request::new().user("8")).is_admitted());
/// # Ok(())
/// # }
/// ```
pub struct Limiter<S, C: Clock = DefaultClock> {
    inner: Arc<Inner<S, C>>,
}

/// How a limiter behaves, besides its rules.
pub struct Options<C = DefaultClock> {
    clock: C,
    subscriber: Option<Arc<dyn Subscriber>>,
    thresholds: Thresholds,
    local: MemoryConfig,
    retry: Duration,
    spawn: Option<Spawn>,
}

type Spawn = Arc<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;

/// What is kept of one rule for one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// The rule.
    pub rule: Arc<str>,
    /// Whether it is in shadow mode.
    pub shadow: bool,
    /// Whom it counts.
    pub key: Key,
    /// The limit that holds for them; none for a rule that only bounds how many run at once.
    pub limit: Option<Arc<Limit>>,
    /// What remains, in the order of [`Limit::windows`].
    pub windows: WindowStates,
    /// How long they are still blocked; zero when they are not.
    pub blocked: Duration,
    /// Refusals that count towards a block.
    pub strikes: u32,
}

struct Inner<S, C: Clock> {
    store: S,
    /// Counts for rules that go local while the store does not answer.
    local: MemoryStore<C>,
    rules: ArcSwap<Compiled>,
    keyer: Keyer,
    clock: C,
    began: C::Instant,
    subscriber: Option<Arc<dyn Subscriber>>,
    lookout: Lookout,
    health: Health,
    counters: Counters,
    /// Places that were dropped where nobody could wait for the store.
    dropped: Mutex<Vec<Lease>>,
    spawn: Option<Spawn>,
}

impl<S: Store + 'static> Limiter<S> {
    /// A limiter with the usual options.
    ///
    /// Processes that share a store count together only if their keyers share a secret ([`Keyer::shared`]).
    #[must_use]
    pub fn new(store: S, rules: Rules, keyer: Keyer) -> Self {
        Self::with(store, rules, keyer, Options::default())
    }
}

impl<S, C> Limiter<S, C>
where
    S: Store + 'static,
    C: Clock<Instant: Send + Sync> + Clone + Send + Sync + 'static,
{
    /// A limiter with options.
    #[must_use]
    pub fn with(store: S, rules: Rules, keyer: Keyer, options: Options<C>) -> Self {
        let Options { clock, subscriber, thresholds, local, retry, spawn } = options;
        let inner = Inner {
            store,
            local: MemoryStore::with_clock(local, clock.clone()),
            rules: ArcSwap::from_pointee(Compiled::new(rules, &keyer, None)),
            keyer,
            began: clock.now(),
            clock,
            subscriber,
            lookout: Lookout::new(thresholds),
            health: Health::new(retry),
            counters: Counters::default(),
            dropped: Mutex::default(),
            spawn,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Decides about a request, and charges all rules that admit it, or none.
    ///
    /// Rules in shadow mode are asked after it was admitted. The answer never fails: what happens when the store
    /// does, each rule says by itself.
    pub fn check(&self, facts: &impl Facts) -> impl Future<Output = Decision> + Send {
        let asked = Asked::new(self.inner.rules.load_full(), facts);
        let inner = self.inner.clone();
        inner.watch(&asked);
        async move { inner.check(asked).await }
    }

    /// What [`Limiter::check`] would decide, without charging. It knows nothing of how many are running.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn peek(&self, facts: &impl Facts) -> Result<Decision, StoreError> {
        let asked = Asked::new(self.inner.rules.load_full(), facts);
        self.inner.peek(asked).await
    }

    /// Gives back what an admitted request was charged, as when the service failed it. Rules in shadow mode are given back too.
    ///
    /// # Errors
    ///
    /// When the store does not answer; nothing is known then of what was given back.
    pub async fn refund(&self, decision: &Decision) -> Result<(), StoreError> {
        if !decision.is_admitted() || decision.given_back.swap(true, Relaxed) {
            return Ok(());
        }
        let shadow = decision.shadow.iter().filter(|shadow| shadow.refusals.is_empty());
        let counted = decision.counted.iter().chain(shadow.filter_map(|shadow| shadow.counted.as_ref()));
        let of = |source| -> Vec<Charge<'_>> {
            let counted = counted.clone().filter(|counted| counted.by == source);
            counted.map(charge_of).collect()
        };
        self.inner.local.refund_now(&of(Source::Local));
        let charges = of(Source::Store);
        if charges.is_empty() {
            return Ok(());
        }
        let given_back = self.inner.store.refund(&charges).await;
        decision.given_back.store(given_back.is_ok(), Relaxed);
        given_back
    }

    /// Forgets what was counted for a request by one rule, or by all of them when none is named: windows, strikes and block.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn reset(&self, facts: &impl Facts, rule: Option<&str>) -> Result<(), StoreError> {
        let asked = Asked::new(self.inner.rules.load_full(), facts);
        self.inner.reset(asked, rule).await
    }

    /// What is kept for a request, by each rule that counts it.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn inspect(&self, facts: &impl Facts) -> Result<Vec<Inspected>, StoreError> {
        let asked = Asked::new(self.inner.rules.load_full(), facts);
        self.inner.inspect(asked).await
    }

    /// Replaces the rules, whole. What was counted stays: a rule keeps its keys by its name and its parts, a window its state by
    /// its period. Requests that are being decided are decided by the rules from before.
    pub fn replace(&self, rules: Rules) {
        let before = self.inner.rules.load_full();
        let compiled = Compiled::new(rules, &self.inner.keyer, Some(&before));
        let count = compiled.rules.as_slice().len();
        self.inner.rules.store(Arc::new(compiled));
        self.inner.tell(&Event::Replaced { rules: count });
    }

    /// The rules of now.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.inner.rules.load().rules.clone()
    }

    /// What was counted since the limiter began.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let (counters, compiled) = (&self.inner.counters, self.inner.rules.load());
        let rules = compiled.rules.as_slice().iter().zip(&compiled.states);
        Metrics {
            checks: counters.checks.get(),
            admitted: counters.admitted.get(),
            denied: counters.denied.get(),
            store_errors: counters.store_errors.get(),
            suspicions: counters.suspicions.get(),
            rules: rules.map(|(rule, state)| RuleMetrics::of(&rule.name, &state.counters)).collect(),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.inner.store
    }
}

/// In memory, where nothing has to be waited for.
impl<M, C> Limiter<MemoryStore<M>, C>
where
    M: Clock<Instant: Send + Sync> + Send + Sync + 'static,
    C: Clock<Instant: Send + Sync> + Clone + Send + Sync + 'static,
{
    /// [`Limiter::check`] without a future.
    pub fn check_now(&self, facts: &impl Facts) -> Decision {
        at_once(self.check(facts))
    }

    /// [`Limiter::peek`] without a future.
    ///
    /// # Errors
    ///
    /// When the store is full.
    pub fn peek_now(&self, facts: &impl Facts) -> Result<Decision, StoreError> {
        at_once(self.peek(facts))
    }
}

/// The outcome of a future that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = std::task::Context::from_waker(Waker::noop());
    loop {
        // A store in memory is ready at its first poll; the loop is what makes that no condition.
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

impl<S, C: Clock> Clone for Limiter<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S, C: Clock> fmt::Debug for Limiter<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.inner.rules.load();
        let names: Vec<_> = rules.rules.as_slice().iter().map(|rule| &rule.name).collect();
        f.debug_struct("Limiter").field("rules", &names).finish_non_exhaustive()
    }
}

impl<S, C> Inner<S, C>
where
    S: Store,
    C: Clock,
{
    fn now(&self) -> u64 {
        self.clock.now().duration_since(self.began).as_u64()
    }

    fn tell(&self, event: &Event) {
        event.trace();
        if let Some(subscriber) = &self.subscriber {
            subscriber.event(event);
        }
    }
}

impl<S, C> GiveBack for Arc<Inner<S, C>>
where
    S: Store + 'static,
    C: Clock<Instant: Send + Sync> + Clone + Send + Sync + 'static,
{
    fn give_back(&self, source: Source, lease: Lease) {
        if source == Source::Local {
            return self.local.release_now(lease);
        }
        if self.store.release_at_once(lease) {
            return;
        }
        if let Some(spawn) = &self.spawn {
            let inner = self.clone();
            spawn(Box::pin(async move {
                // A place that cannot be given back ends by itself.
                let _ = inner.store.release(lease).await;
            }));
        } else {
            self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::with_clock(DefaultClock::default())
    }
}

impl<C> Options<C> {
    /// The usual options with a clock of one's own: for the watch on suspicious activity and for counting locally. The store has
    /// its own.
    #[must_use]
    pub fn with_clock(clock: C) -> Self {
        Self {
            clock,
            subscriber: None,
            thresholds: Thresholds::default(),
            local: MemoryConfig::default(),
            retry: Duration::from_millis(500),
            spawn: None,
        }
    }

    /// Who is told of events, besides `tracing`.
    #[must_use]
    pub fn subscriber(self, subscriber: impl Subscriber + 'static) -> Self {
        Self { subscriber: Some(Arc::new(subscriber)), ..self }
    }

    /// What counts as suspicious.
    #[must_use]
    pub fn thresholds(self, thresholds: Thresholds) -> Self {
        Self { thresholds, ..self }
    }

    /// How much is kept in this process while the store does not answer.
    #[must_use]
    pub fn local(self, local: MemoryConfig) -> Self {
        Self { local, ..self }
    }

    /// How long a store that did not answer is not asked again; half a second.
    #[must_use]
    pub fn retry(self, retry: Duration) -> Self {
        Self { retry, ..self }
    }

    /// How to give places back without waiting: `|future| { tokio::spawn(future); }`. Without it they are given back before
    /// the next check.
    #[must_use]
    pub fn spawn(self, spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static) -> Self {
        Self { spawn: Some(Arc::new(spawn)), ..self }
    }
}

impl<C> fmt::Debug for Options<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("thresholds", &self.thresholds)
            .field("local", &self.local)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// Charges of what was counted, for a store.
fn charge_of(counted: &Counted) -> Charge<'_> {
    Charge { limit: &counted.limit, key: counted.key, cost: counted.cost }
}
