//! Tests of the limiter.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use governor::clock::FakeRelativeClock;

use super::*;
use crate::{
    Algorithm, Answer, Block, Lease, List, Missing, Network, OnFailure, Part, Refusal, Request, Rule, Suspicion, Wait,
    Watch, Why, Window,
};

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("above zero")
}

fn per_minute(most: u32) -> Limit {
    Limit::new(Algorithm::Gcra, [Window::per_minute(number(most))]).expect("a limit")
}

fn network(text: &str) -> Network {
    text.parse().expect("a network")
}

/// A store in memory whose engine can be taken away: 1 is unreachable, 2 full.
struct Shaky {
    store: MemoryStore<FakeRelativeClock>,
    state: Arc<AtomicU8>,
    asked: Arc<AtomicUsize>,
}

impl Shaky {
    fn answer<T>(&self, answer: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.asked.fetch_add(1, Relaxed);
        match self.state.load(Relaxed) {
            0 => answer(),
            1 => Err(StoreError::Unreachable("connection refused".into())),
            _ => Err(StoreError::Full),
        }
    }
}

impl Store for Shaky {
    async fn charge(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.answer(|| self.store.charge_now(charges))
    }

    async fn peek(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.answer(|| self.store.peek_now(charges))
    }

    async fn refund(&self, charges: &[Charge<'_>]) -> Result<(), StoreError> {
        self.answer(|| {
            self.store.refund_now(charges);
            Ok(())
        })
    }

    async fn reset(&self, limit: &Limit, key: Key) -> Result<(), StoreError> {
        self.answer(|| {
            self.store.reset_now(limit, key);
            Ok(())
        })
    }

    async fn acquire(&self, key: Key, most: NonZeroU32, longest: Duration) -> Result<Option<Lease>, StoreError> {
        self.answer(|| self.store.acquire_now(key, most, longest))
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.answer(|| {
            self.store.release_now(lease);
            Ok(())
        })
    }
}

/// A limiter with a clock to advance, an engine to take away, and what it told.
struct Bench {
    limiter: Limiter<Shaky, FakeRelativeClock>,
    clock: FakeRelativeClock,
    engine: Arc<AtomicU8>,
    asked: Arc<AtomicUsize>,
    told: Arc<Mutex<Vec<Event>>>,
}

impl Bench {
    fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self::with(Rules::new(rules).expect("good rules"))
    }

    fn with(rules: Rules) -> Self {
        let (clock, engine, asked) = (FakeRelativeClock::default(), Arc::<AtomicU8>::default(), Arc::default());
        let store = MemoryStore::with_clock(MemoryConfig::default(), clock.clone());
        let shaky = Shaky { store, state: Arc::clone(&engine), asked: Arc::clone(&asked) };
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = told.clone();
        let options = Options::with_clock(clock.clone())
            .subscriber(move |event: &Event| teller.lock().expect("no panic").push(event.clone()));
        let keyer = Keyer::shared(b"0123456789abcdef");
        Self { limiter: Limiter::with(shaky, rules, keyer, options), clock, engine, asked, told }
    }

    fn check(&self, request: &Request<'_>) -> Decision {
        at_once(self.limiter.check(request))
    }

    fn admits(&self, request: &Request<'_>) -> bool {
        self.check(request).is_admitted()
    }

    /// How many of some tries are admitted.
    fn admitted(&self, tries: usize, request: &Request<'_>) -> usize {
        (0..tries).filter(|_| self.admits(request)).count()
    }

    fn seconds(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// What was told since the last time, refusals aside.
    fn told(&self) -> Vec<String> {
        let told = std::mem::take(&mut *self.told.lock().expect("no panic"));
        told.iter().filter(|event| !matches!(event, Event::Refused { .. })).map(ToString::to_string).collect()
    }
}

fn user(name: &str) -> Request<'_> {
    Request::new().user(name)
}

#[test]
fn all_rules_admit_or_none_is_charged() {
    let bench = Bench::new([
        Rule::new("user", [Part::User], per_minute(10)),
        Rule::new("tenant", [Part::Tenant], per_minute(3)),
    ]);
    let request = user("7").tenant("acme");
    assert_eq!(bench.admitted(20, &request), 3);
    let refused = bench.check(&request);
    assert_eq!(
        refused.refusals(),
        [Refusal {
            rule: Some("tenant".into()),
            why: Why::Window(Window::per_minute(number(3))),
            wait: Wait::For(Duration::from_secs(20))
        }]
    );
    let remaining: Vec<_> = refused.counted().iter().map(|counted| counted.windows[0].remaining).collect();
    assert_eq!(remaining, [7, 0]);
    assert_eq!(refused.wait(), Wait::For(Duration::from_secs(20)));
    bench.seconds(20);
    assert!(bench.admits(&request));
}

#[test]
fn keys_are_kept_apart_by_every_part() {
    let parts = ["user", "address", "header:x-org", "claim:role"].map(|part| part.parse().expect("a part"));
    let bench = Bench::new([Rule::new("one", parts, per_minute(1))]);
    let request = || user("7").address([192, 0, 2, 1]).header("X-Org", "a").claim("role", "r");
    assert!(bench.admits(&request()) && !bench.admits(&request()));
    assert!(bench.admits(&request().user("8")));
    assert!(bench.admits(&request().address([192, 0, 2, 2])));
    assert!(bench.admits(&request().header("x-org", "b")));
    assert!(bench.admits(&request().claim("role", "s")));
    assert!(!bench.admits(&request().route("/elsewhere")));
}

#[test]
fn an_ipv6_client_cannot_change_its_key() {
    let bench = Bench::new([Rule::new("one", [Part::Address], per_minute(1))]);
    let from = |text: &'static str| Request::new().address(text.parse::<std::net::IpAddr>().expect("an address"));
    assert!(bench.admits(&from("2001:db8::1")));
    assert!(!bench.admits(&from("2001:db8::ffff:1")));
    assert!(bench.admits(&from("2001:db8:0:1::1")));
    assert!(bench.admits(&from("::ffff:192.0.2.1")));
    assert!(!bench.admits(&from("192.0.2.1")));
}

#[test]
fn a_missing_part_is_shared_skipped_or_refused() {
    let rule = |missing| Rule { missing, ..Rule::new("one", [Part::User], per_minute(1)) };
    let shared = Bench::new([rule(Missing::Shared)]);
    assert!(shared.admits(&Request::new()) && !shared.admits(&Request::new()));
    // What is empty is missing, and is nobody's key.
    assert!(!shared.admits(&user("")) && shared.admits(&user("\0")));
    let skipped = Bench::new([rule(Missing::Skip)]);
    assert_eq!(skipped.admitted(9, &Request::new()), 9);
    let refused = Bench::new([rule(Missing::Refuse)]).check(&Request::new());
    assert_eq!(refused.refusals()[0].to_string(), "rule `one`: the request has no user");
}

#[test]
fn plans_and_users_have_limits_of_their_own() {
    let mut rule = Rule::new("ml", [Part::User], per_minute(1));
    rule.plans.insert("pro".into(), Arc::new(per_minute(3)));
    rule.overrides.add(Part::User, "boss", Arc::new(per_minute(5)));
    let bench = Bench::new([rule]);
    assert_eq!(bench.admitted(9, &user("a")), 1);
    assert_eq!(bench.admitted(9, &user("b").plan("pro")), 3);
    assert_eq!(bench.admitted(9, &user("boss").plan("pro")), 5);
}

#[test]
fn costs_multiply_and_too_dear_is_never() {
    let bench = Bench::new([Rule { cost: number(2), ..Rule::new("ml", [], per_minute(10)) }]);
    assert!(bench.admits(&Request::new().cost(number(4))));
    let refused = bench.check(&Request::new().cost(number(6)));
    assert_eq!((refused.wait(), refused.counted()[0].cost), (Wait::Never, 12));
    assert!(bench.admits(&Request::new()));
    assert!(!bench.admits(&Request::new()));
}

#[test]
fn lists_let_through_and_keep_out() {
    let mut deny = List::default();
    deny.add_network(network("198.51.100.0/24"), ());
    let mut friends = List::default();
    friends.add(Part::User, "friend", ());
    let mut office = List::default();
    office.add_network(network("192.0.2.0/24"), ());
    let mut foes = List::default();
    foes.add(Part::ApiKey, "stolen", ());
    let rule = Rule { allow: office, deny: foes, ..Rule::new("ml", [Part::User], per_minute(1)) };
    let bench = Bench::with(Rules::new([rule]).expect("good").allow(friends).deny(deny));
    let bad = Request::new().address([198, 51, 100, 7]);
    let denied = bench.check(&bad);
    assert_eq!((denied.refusals()[0].to_string().as_str(), denied.wait()), ("denied by a list", Wait::Never));
    assert_eq!(bench.admitted(5, &bad.clone().user("friend")), 5);
    assert_eq!(bench.admitted(5, &user("7").address([192, 0, 2, 9])), 5);
    assert_eq!(bench.check(&user("7").api_key("stolen")).refusals()[0].to_string(), "rule `ml`: denied by a list");
    assert_eq!(bench.admitted(5, &user("7")), 1);
    let told = bench.told.lock().expect("no panic").iter().map(ToString::to_string).collect::<String>();
    assert!(!told.contains("stolen"), "{told}");
}

#[test]
fn a_rule_in_shadow_mode_counts_and_refuses_nothing() {
    let shadow = Rule { shadow: true, ..Rule::new("tighter", [Part::User], per_minute(2)) };
    let bench = Bench::new([shadow, Rule::new("ml", [Part::User], per_minute(4))]);
    let refusals: Vec<usize> =
        (0..6).map(|_| bench.check(&user("7")).shadow().iter().map(|s| s.refusals.len()).sum()).collect();
    // The last two are refused by the other rule, and so are none of its business.
    assert_eq!(refusals, [0, 0, 1, 1, 0, 0]);
    let metrics = bench.limiter.metrics();
    assert_eq!((metrics.checks, metrics.admitted, metrics.refused()), (6, 4, 2));
    assert_eq!((metrics.rules[0].asked, metrics.rules[0].refused, metrics.rules[0].shadow_refused), (4, 0, 2));
    assert_eq!((metrics.rules[1].asked, metrics.rules[1].refused), (6, 2));
}

#[test]
fn places_are_held_as_long_as_the_decision() {
    let rule = Rule::concurrent("export", [Part::User], number(2), Duration::from_secs(60));
    let bench = Bench::new([rule]);
    let (one, two) = (bench.check(&user("7")), bench.check(&user("7")));
    assert!(one.is_admitted() && two.is_admitted());
    assert_eq!(bench.check(&user("7")).refusals()[0].why, Why::Concurrent(number(2)));
    assert!(bench.admits(&user("8")));
    drop(one);
    let permits = bench.check(&user("7")).into_permits();
    assert_eq!(permits.len(), 1);
    assert!(!bench.admits(&user("7")));
    // Holders that died are forgotten.
    std::mem::forget((two, permits));
    bench.seconds(60);
    assert!(bench.admits(&user("7")));
}

#[test]
fn a_refused_request_holds_no_place() {
    let limited = Rule::new("ml", [Part::User], per_minute(1));
    let bench = Bench::new([Rule {
        concurrent: Rule::concurrent("x", [], number(1), Duration::from_secs(60)).concurrent,
        ..limited
    }]);
    let running = bench.check(&user("7"));
    assert!(running.is_admitted());
    drop(running);
    for _ in 0..3 {
        assert!(matches!(bench.check(&user("7")).refusals()[0].why, Why::Window(_)));
    }
}

#[test]
fn repeated_refusal_blocks_for_a_while() {
    let block = Block::new(number(3), Duration::from_secs(600), Duration::from_secs(900));
    let bench = Bench::new([Rule { block, ..Rule::new("login", [Part::User], per_minute(1)) }]);
    assert!(bench.admits(&user("7")));
    // Three refusals, as far apart as they may be.
    for wait in [1, 1, 200] {
        bench.seconds(wait);
        assert!(wait == 200 && bench.admits(&user("7")) || wait == 1);
        let refused = bench.check(&user("7"));
        assert!(matches!(refused.refusals()[0].why, Why::Window(_)));
        // The one that begins the block has to be waited for as long as that.
        assert_eq!(refused.wait() == Wait::For(Duration::from_secs(900)), wait == 200);
    }
    assert_eq!(bench.told().len(), 1);
    let dear = bench.check(&user("9").cost(number(2)));
    assert!(matches!(dear.refusals()[0].why, Why::Cost(_)) && dear.wait() == Wait::Never);
    let blocked = bench.check(&user("7"));
    assert_eq!(
        (blocked.refusals()[0].why.clone(), blocked.wait()),
        (Why::Blocked, Wait::For(Duration::from_secs(900)))
    );
    assert!(bench.admits(&user("8")));
    // Trying on does not make it longer.
    for _ in 0..8 {
        bench.seconds(100);
        assert_eq!(bench.check(&user("7")).refusals()[0].why, Why::Blocked);
    }
    let inspected = at_once(bench.limiter.inspect(&user("7"))).expect("an answer");
    assert_eq!((inspected[0].blocked, inspected[0].strikes), (Duration::from_secs(100), 0));
    bench.seconds(100);
    assert!(bench.admits(&user("7")));
    assert!(bench.told().is_empty());
    assert_eq!(bench.limiter.metrics().rules[0].blocks, 1);
}

#[test]
fn a_failing_store_is_open_closed_or_local() {
    let rule = |name: &str, on_failure| Rule { on_failure, ..Rule::new(name, [Part::User], per_minute(2)) };
    for (on_failure, expected) in [(OnFailure::Open, 9), (OnFailure::Closed, 0), (OnFailure::Local, 2)] {
        let bench = Bench::new([rule("ml", on_failure)]);
        assert!(bench.admits(&user("7")));
        bench.engine.store(1, Relaxed);
        assert_eq!(bench.admitted(9, &user("7")), expected, "{on_failure:?}");
        let told = bench.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].ends_with(
            "because the store does not answer: the engine of the limits cannot be reached: connection refused"
        ));
        // It is left alone for a while.
        let asked = bench.asked.load(Relaxed);
        drop(bench.check(&user("7")));
        assert_eq!(bench.asked.load(Relaxed), asked);
        bench.engine.store(0, Relaxed);
        bench.seconds(1);
        assert_eq!(bench.admitted(9, &user("7")), 1, "{on_failure:?}");
        assert_eq!(bench.told(), ["rule `ml` counts in the store again"]);
        let metrics = bench.limiter.metrics();
        assert_eq!((metrics.store_errors, metrics.rules[0].without_store), (1, 10));
    }
}

#[test]
fn a_rule_is_told_to_do_without_a_store_that_failed_for_another() {
    let rule = |name: &str| {
        let routes = vec![format!("/{name}").parse().expect("a route")];
        Rule { routes, on_failure: OnFailure::Closed, ..Rule::new(name, [Part::User], per_minute(9)) }
    };
    let bench = Bench::new([rule("one"), rule("other")]);
    bench.engine.store(1, Relaxed);
    let (one, other) = (user("7").route("/one"), user("7").route("/other"));
    assert!(!bench.admits(&one));
    assert_eq!(bench.told().len(), 1);
    let asked = bench.asked.load(Relaxed);
    assert!(!bench.admits(&other) && !bench.admits(&other));
    assert_eq!(bench.asked.load(Relaxed), asked);
    let told = bench.told();
    assert!(told.len() == 1 && told[0].contains("`other`") && told[0].ends_with("connection refused"), "{told:?}");
    bench.engine.store(0, Relaxed);
    bench.seconds(1);
    assert!(bench.admits(&one) && bench.admits(&other));
    assert_eq!(bench.told(), ["rule `one` counts in the store again", "rule `other` counts in the store again"]);
}

#[test]
fn one_closed_rule_refuses_and_charges_nothing_locally() {
    let local = Rule::new("local", [Part::User], per_minute(2));
    let closed = Rule { on_failure: OnFailure::Closed, ..Rule::new("login", [Part::User], per_minute(2)) };
    let routes = vec!["/login".parse().expect("a pattern")];
    let bench = Bench::new([local, Rule { routes, ..closed }]);
    bench.engine.store(1, Relaxed);
    let refused = bench.check(&user("7").route("/login"));
    assert_eq!(refused.refusals().len(), 1);
    assert_eq!(refused.refusals()[0].why, Why::Unavailable);
    assert_eq!(bench.admitted(9, &user("7")), 2);
}

#[test]
fn a_full_store_is_told_once_and_goes_on_being_asked() {
    let bench = Bench::new([Rule { on_failure: OnFailure::Closed, ..Rule::new("ml", [Part::User], per_minute(9)) }]);
    bench.engine.store(2, Relaxed);
    assert_eq!(bench.admitted(5, &user("7")), 0);
    assert_eq!(bench.told(), ["the store of the limits is full"]);
    bench.engine.store(0, Relaxed);
    assert!(bench.admits(&user("7")));
}

#[test]
fn places_are_given_back_before_the_next_check_or_by_a_spawner() {
    let bench = Bench::new([Rule::concurrent("export", [], number(1), Duration::from_secs(60))]);
    drop(bench.check(&Request::new()));
    assert!(bench.admits(&Request::new()));

    let clock = FakeRelativeClock::default();
    let store = Shaky {
        store: MemoryStore::with_clock(MemoryConfig::default(), clock.clone()),
        state: Arc::default(),
        asked: Arc::default(),
    };
    let rules = Rules::new([Rule::concurrent("export", [], number(1), Duration::from_secs(60))]).expect("good");
    let options = Options::with_clock(clock).spawn(at_once);
    let limiter = Limiter::with(store, rules, Keyer::shared(&[7; 16]), options);
    let held = at_once(limiter.check(&Request::new()));
    let asked = limiter.store().asked.load(Relaxed);
    drop(held);
    assert_eq!(limiter.store().asked.load(Relaxed), asked + 1);
}

#[test]
fn peek_refund_reset_and_inspect() {
    let block = Block::new(number(9), Duration::from_secs(600), Duration::from_secs(900));
    let shadow = Rule { shadow: true, ..Rule::new("shadow", [], per_minute(5)) };
    let bench = Bench::new([Rule { block, ..Rule::new("ml", [Part::User], per_minute(2)) }, shadow]);
    let request = user("7");
    let remaining = || {
        let inspected = at_once(bench.limiter.inspect(&request)).expect("an answer");
        (inspected[0].windows[0].remaining, inspected[0].strikes, inspected[1].windows[0].remaining)
    };
    assert!(at_once(bench.limiter.peek(&request)).expect("an answer").is_admitted());
    assert_eq!(remaining(), (2, 0, 5));
    let first = bench.check(&request);
    assert!(bench.admits(&request) && !bench.admits(&request));
    let peeked = at_once(bench.limiter.peek(&request)).expect("an answer");
    assert!(!peeked.is_admitted() && peeked.counted()[0].windows[0].remaining == 0);
    assert_eq!(remaining(), (0, 1, 3));
    // Once, however often it is asked for; and what was only looked at has nothing to give.
    for decision in [&first, &first, &at_once(bench.limiter.peek(&user("8"))).expect("an answer")] {
        at_once(bench.limiter.refund(decision)).expect("an answer");
        assert_eq!(remaining(), (1, 1, 4));
    }
    // A refused request was not charged, so there is nothing to give back.
    let refused = Decision { refusals: peeked.refusals.clone(), ..peeked };
    at_once(bench.limiter.refund(&refused)).expect("an answer");
    assert_eq!(remaining(), (1, 1, 4));
    at_once(bench.limiter.reset(&request, Some("shadow"))).expect("an answer");
    assert_eq!(remaining(), (1, 1, 5));
    at_once(bench.limiter.reset(&request, None)).expect("an answer");
    assert_eq!(remaining(), (2, 0, 5));
}

#[test]
fn replaced_rules_keep_what_was_counted() {
    let bench = Bench::new([Rule::new("ml", [Part::User], per_minute(10)), Rule::new("old", [], per_minute(1))]);
    assert!(bench.admits(&user("7")) && !bench.admits(&user("7")));
    let raised = Rule::new("ml", [Part::User], per_minute(20));
    bench.limiter.replace(Rules::new([raised]).expect("good"));
    assert_eq!(bench.told(), ["the rules were replaced; there are 1"]);
    // One of ten was a tenth of a minute, which is two of twenty.
    assert_eq!(bench.admitted(99, &user("7")), 18);
    let metrics = bench.limiter.metrics();
    assert_eq!((metrics.rules.len(), metrics.rules[0].asked), (1, 101));
    assert_eq!(bench.limiter.rules().as_slice().len(), 1);
}

#[test]
fn credential_stuffing_is_told() {
    let bench = Bench::new([Rule { watch: Watch::Login, ..Rule::new("login", [Part::Address], per_minute(1000)) }]);
    for account in 0..30 {
        assert!(bench.admits(&user(&format!("user{account}")).address([192, 0, 2, 1])));
    }
    assert_eq!(bench.told(), ["rule `login`: 10 users tried from 192.0.2.1/32"]);
    for host in 0..30 {
        assert!(bench.admits(&user("victim").address([198, 51, 100, host])));
    }
    let told = bench.told.lock().expect("no panic").clone();
    assert_eq!(told.len(), 1);
    let Event::Suspicious { suspicion: Suspicion::ManyAddresses { user, count: 10 }, .. } = &told[0] else {
        panic!("{told:?}")
    };
    assert_eq!(&**user, "victim");
    assert!(!told[0].to_string().contains("victim"));
    assert_eq!(bench.limiter.metrics().suspicions, 2);
}

#[test]
fn a_burst_of_refusals_is_told() {
    let bench = Bench::new([Rule::new("ml", [Part::ApiKey], per_minute(1))]);
    bench.admitted(300, &Request::new().api_key("hush").address([192, 0, 2, 1]));
    let told = bench.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("100 refusals of ") && told[0].ends_with("the last from 192.0.2.1"), "{}", told[0]);
    assert!(!told[0].contains("hush"));
}

#[test]
fn futures_can_be_sent() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let bench = Bench::new([Rule::new("ml", [Part::User], per_minute(1))]);
    let request = user("7");
    assert!(at_once(sent(bench.limiter.check(&request))).is_admitted());
    sent(bench.limiter.clone());
}

#[test]
fn many_threads_admit_exactly_the_limit() {
    let store = MemoryStore::new(MemoryConfig::default());
    let rules = Rules::new([Rule::new("ml", [Part::User], per_minute(100))]).expect("good");
    let limiter = Limiter::new(store, rules, Keyer::random().expect("random bytes"));
    let began = std::time::Instant::now();
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| (0..50).filter(|_| limiter.check_now(&user("7")).is_admitted()).count()))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    let replenished = usize::try_from(began.elapsed().as_millis() / 600).expect("a short test") + 1;
    assert!((100..=100 + replenished).contains(&admitted), "{admitted}");
}
