//! What rules would have done with a sample.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::clock::FakeRelativeClock;
use jiff::Timestamp;

use super::Hit;
use crate::{
    Event, Facts, Keyer, Limiter, MemoryConfig, MemoryStore, Options, Part, Refusal, Request, Rule, Rules, Why,
};

/// What rules would have done with a sample.
#[derive(Clone, Debug, Default)]
pub struct Simulation {
    /// Times of the first and last request.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Requests.
    pub requests: u64,
    /// Those that would have been admitted.
    pub admitted: u64,
    /// What each rule would have done, in their order.
    pub rules: Vec<RuleOutcome>,
    /// Whom it would have been done to, those refused most first. At most [`Simulation::MOST_CLIENTS`].
    pub clients: Vec<ClientOutcome>,
    /// Clients in all that would have been refused.
    pub client_count: usize,
    /// The traffic over time, in parts of equal length.
    pub timeline: Vec<Bucket>,
    /// Blocks and suspicious activity, in order. At most [`Simulation::MOST_HAPPENINGS`].
    pub happenings: Vec<Happening>,
    /// How many of those there would have been.
    pub happening_count: u64,
}

/// What a rule would have done.
#[derive(Clone, Debug)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: Arc<str>,
    /// Whether it is in shadow mode.
    pub shadow: bool,
    /// Requests that it was asked about.
    pub asked: u64,
    /// Those that it refused, or would have if it were not in shadow mode.
    pub refused: u64,
    /// Blocks that it began.
    pub blocks: u64,
    /// Clients that it refused.
    pub clients: usize,
    /// The first that it refused.
    pub first: Option<Timestamp>,
}

/// What a rule would have done to one client.
#[derive(Clone, Debug)]
pub struct ClientOutcome {
    /// The rule; none for the list of who is refused by all rules.
    pub rule: Option<Arc<str>>,
    /// Whether the rule is in shadow mode.
    pub shadow: bool,
    /// The client, as the rule counts: `user=7`. An API key is a hash.
    pub who: String,
    /// How often it was refused.
    pub refused: u64,
    /// The first time.
    pub first: Timestamp,
    /// The line of that request.
    pub first_line: u64,
    /// The last time.
    pub last: Timestamp,
    /// Why, with how often, the most frequent first.
    pub reasons: Vec<(String, u64)>,
}

/// A part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// When it begins.
    pub from: Timestamp,
    /// Requests that would have been admitted.
    pub admitted: u64,
    /// Requests that would have been refused.
    pub refused: u64,
}

/// Something else that would have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// What, in a sentence.
    pub what: String,
}

impl Simulation {
    /// The most clients that are told one by one.
    pub const MOST_CLIENTS: usize = 1_000;
    /// The most blocks and suspicions that are told one by one.
    pub const MOST_HAPPENINGS: usize = 1_000;

    /// Requests that would have been refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.requests - self.admitted
    }
}

/// Lets a limiter decide about requests, which are in the order of their times. `buckets` is in how many parts the time is told.
///
/// How many would have run at once is not known, because a sample does not say how long requests took.
#[must_use]
pub fn simulate(rules: &Rules, hits: &[Hit], buckets: usize) -> Simulation {
    let mut simulation =
        Simulation { rules: rules.as_slice().iter().map(RuleOutcome::new).collect(), ..Simulation::default() };
    let (Some(first), Some(last)) = (hits.first(), hits.last()) else { return simulation };
    simulation.period = Some((first.at, last.at));
    simulation.timeline = timeline(first.at, last.at, buckets.max(1));

    let clock = FakeRelativeClock::default();
    // Each request makes a few keys at most, and here no request is to be refused for want of memory.
    let most_keys = hits.len().saturating_mul(rules.as_slice().len() * 3 + 1).max(1 << 16);
    let store = MemoryStore::with_clock(MemoryConfig { most_keys }, clock.clone());
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = told.clone();
    let options = Options::with_clock(clock.clone()).subscriber(move |event: &Event| {
        if matches!(event, Event::Blocked { .. } | Event::Suspicious { .. }) {
            teller.lock().unwrap_or_else(PoisonError::into_inner).push(event.to_string());
        }
    });
    // The hashes are shown for API keys, and are the same each time.
    let keyer = Keyer::shared(b"dbopt simulation");
    let limiter = Limiter::with(store, rules.clone(), keyer, options);
    let mut clients = Clients::default();
    let mut now = first.at;
    for hit in hits {
        clock.advance(Duration::try_from(hit.at.duration_since(now)).unwrap_or_default());
        now = hit.at;
        let decision = limiter.check_now(&hit.request);
        simulation.requests += 1;
        let bucket = bucket(&mut simulation.timeline, hit.at);
        if decision.is_admitted() {
            simulation.admitted += 1;
            bucket.admitted += 1;
        } else {
            bucket.refused += 1;
        }
        clients.refused_by(rules, hit, decision.refusals(), false);
        for shadow in decision.shadow() {
            clients.refused_by(rules, hit, &shadow.refusals, true);
        }
        for what in mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner)) {
            simulation.happening_count += 1;
            if simulation.happenings.len() < Simulation::MOST_HAPPENINGS {
                simulation.happenings.push(Happening { at: hit.at, what });
            }
        }
    }
    for (rule, metrics) in simulation.rules.iter_mut().zip(limiter.metrics().rules) {
        rule.asked = metrics.asked;
        rule.refused = metrics.refused + metrics.shadow_refused;
        rule.blocks = metrics.blocks;
        let of_rule = || clients.by_rule.get(&Some(rule.rule.clone())).into_iter().flat_map(HashMap::values);
        rule.clients = of_rule().count();
        rule.first = of_rule().map(|client| client.first).min();
    }
    simulation.client_count = clients.by_rule.values().map(HashMap::len).sum();
    simulation.clients = clients.finish();
    simulation
}

/// Those who were refused.
#[derive(Default)]
struct Clients {
    by_rule: BTreeMap<Option<Arc<str>>, HashMap<String, Refused>>,
}

/// What became of one client under one rule.
struct Refused {
    shadow: bool,
    count: u64,
    first: Timestamp,
    first_line: u64,
    last: Timestamp,
    last_line: u64,
    reasons: BTreeMap<String, u64>,
}

impl Clients {
    /// Where a rule blocks, that is why, whatever is left of its windows.
    fn refused_by(&mut self, rules: &Rules, hit: &Hit, refusals: &[Refusal], shadow: bool) {
        for of_rule in refusals.chunk_by(|one, next| one.rule == next.rule) {
            let blocked = of_rule.iter().find(|refusal| refusal.why == Why::Blocked);
            for refusal in blocked.map_or(of_rule, std::slice::from_ref) {
                self.refused(rules, hit, refusal, shadow);
            }
        }
    }

    fn refused(&mut self, rules: &Rules, hit: &Hit, refusal: &Refusal, shadow: bool) {
        let rule = refusal.rule.as_ref().and_then(|name| rules.get(name));
        let who = who(rule, &hit.request);
        let client = self.by_rule.entry(refusal.rule.clone()).or_default().entry(who).or_insert_with(|| Refused {
            shadow,
            count: 0,
            first: hit.at,
            first_line: hit.line,
            last: hit.at,
            last_line: 0,
            reasons: BTreeMap::new(),
        });
        *client.reasons.entry(refusal.why.to_string()).or_default() += 1;
        // Several windows of one rule may refuse one request.
        if client.last_line != hit.line {
            client.count += 1;
        }
        (client.last, client.last_line) = (hit.at, hit.line);
    }

    fn finish(self) -> Vec<ClientOutcome> {
        let mut clients: Vec<ClientOutcome> = Vec::new();
        for (rule, of_rule) in self.by_rule {
            clients.extend(of_rule.into_iter().map(|(who, client)| {
                let mut reasons: Vec<_> = client.reasons.into_iter().collect();
                reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
                ClientOutcome {
                    rule: rule.clone(),
                    shadow: client.shadow,
                    who,
                    refused: client.count,
                    first: client.first,
                    first_line: client.first_line,
                    last: client.last,
                    reasons,
                }
            }));
        }
        clients.sort_by(|a, b| b.refused.cmp(&a.refused).then(a.first.cmp(&b.first)).then(a.who.cmp(&b.who)));
        clients.truncate(Simulation::MOST_CLIENTS);
        clients
    }
}

/// The client as a rule counts it.
fn who(rule: Option<&Rule>, request: &Request<'_>) -> String {
    let Some(rule) = rule else {
        return request
            .fact(&Part::Address)
            .map_or_else(|| "somebody".to_owned(), |address| format!("address={address}"));
    };
    let part = |part: &Part| match (part, request.fact(part)) {
        (_, None) => format!("no {part}"),
        (Part::ApiKey, Some(key)) => {
            let hash = Keyer::shared(b"dbopt simulation").key("api_key", [key.as_bytes()]).to_string();
            format!("api_key#{}", &hash[..8])
        }
        (Part::Address, Some(value)) => match Facts::address(request).map(|address| rule.prefixes.network(address)) {
            Some(network) if network.address().is_ipv6() || network.prefix() < 32 => format!("address={network}"),
            _ => format!("address={value}"),
        },
        (part, Some(value)) => format!("{part}={value}"),
    };
    match rule.parts.as_slice() {
        [] => "everybody".to_owned(),
        parts => parts.iter().map(part).collect::<Vec<_>>().join(" "),
    }
}

impl RuleOutcome {
    fn new(rule: &Rule) -> Self {
        Self { rule: rule.name.clone(), shadow: rule.shadow, asked: 0, refused: 0, blocks: 0, clients: 0, first: None }
    }
}

/// Parts of equal length, of whole seconds; fewer than asked for when the time is short.
fn timeline(first: Timestamp, last: Timestamp, buckets: usize) -> Vec<Bucket> {
    let (from, to) = (first.as_second(), last.as_second());
    let buckets = i64::try_from(buckets).unwrap_or(i64::MAX);
    let step = ((to - from + 1) as u64).div_ceil(buckets as u64).max(1) as i64;
    let begin = |at: i64| Timestamp::from_second(from.saturating_add(at * step)).unwrap_or(last);
    let count = (to - from) / step + 1;
    (0..count).map(|at| Bucket { from: begin(at), admitted: 0, refused: 0 }).collect()
}

fn bucket(timeline: &mut [Bucket], at: Timestamp) -> &mut Bucket {
    // The first begins at the second of the first request.
    let after = timeline.partition_point(|bucket| bucket.from <= at);
    &mut timeline[after.saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{Algorithm, Block, Limit, Window};

    fn hit(second: i64, user: &'static str) -> Hit {
        let at = Timestamp::from_second(1_767_225_600 + second).expect("a time");
        Hit { at, line: second as u64 + 1, request: Request::new().user(user).api_key("hush") }
    }

    fn rule(name: &str, part: Part, most: u32) -> Rule {
        let most = NonZeroU32::new(most).expect("above zero");
        Rule::new(name, [part], Limit::new(Algorithm::Gcra, [Window::per_minute(most)]).expect("a limit"))
    }

    #[test]
    fn who_is_refused_when_and_why() {
        // Ten a minute are one each six seconds after the first ten.
        let hits: Vec<Hit> = (0..60).map(|second| hit(second, "busy")).chain([hit(60, "calm")]).collect();
        let shadow = Rule { shadow: true, ..rule("shadow", Part::ApiKey, 5) };
        let rules = Rules::new([rule("ml", Part::User, 10), shadow]).expect("good");
        let found = simulate(&rules, &hits, 6);
        assert_eq!((found.requests, found.admitted, found.refused()), (61, 20, 41));
        assert_eq!((found.rules[0].asked, found.rules[0].refused, found.rules[0].clients), (61, 41, 1));
        let busy = &found.clients[0];
        assert_eq!((busy.who.as_str(), busy.refused, busy.first_line), ("user=busy", 41, 12));
        assert_eq!(busy.reasons, [("10/60s is used up".to_owned(), 41)]);
        assert_eq!(found.timeline.len(), 6);
        assert_eq!(found.timeline.iter().map(|bucket| bucket.admitted + bucket.refused).sum::<u64>(), 61);
        assert_eq!((found.timeline[0].admitted, found.timeline[0].refused), (11, 0));
        let of_shadow = found.clients.iter().find(|client| client.shadow).expect("a client");
        assert!(of_shadow.who.starts_with("api_key#") && !of_shadow.who.contains("hush"));
    }

    #[test]
    fn blocks_and_suspicions_are_told() {
        let block = Block::new(NonZeroU32::MIN, Duration::from_secs(60), Duration::from_secs(60));
        let rules = Rules::new([Rule { block, ..rule("ml", Part::User, 1) }]).expect("good");
        let hits: Vec<Hit> = (0..5).map(|second| hit(second, "busy")).collect();
        let found = simulate(&rules, &hits, 6);
        assert_eq!((found.happening_count, found.rules[0].blocks), (1, 1));
        assert!(found.happenings[0].what.contains("blocks"), "{}", found.happenings[0].what);
        let reasons = [("blocked after repeated refusal", 3), ("1/60s is used up", 1)];
        assert_eq!(found.clients[0].reasons, reasons.map(|(why, count)| (why.to_owned(), count)));
    }

    #[test]
    fn nothing_comes_of_nothing() {
        let rules = Rules::new([rule("ml", Part::User, 1)]).expect("good");
        let found = simulate(&rules, &[], 6);
        assert_eq!((found.requests, found.timeline.len(), found.rules.len()), (0, 0, 1));
        assert_eq!(simulate(&rules, &[hit(0, "one")], 6).timeline.len(), 1);
    }
}
