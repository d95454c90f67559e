//! What a request asks of the rules: which of them count it, under which key, at what cost.

use std::{
    borrow::Cow,
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
};

use smallvec::SmallVec;

use crate::{
    Facts, Key, Keyer, Limit, Missing, Network, Part, Refusal, Rule, RuleKeyer, Rules, Wait, Watch, Why,
    metrics::RuleCounters,
};

/// Rules with what is kept about each of them.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) rules: Rules,
    pub(super) states: Vec<Arc<RuleState>>,
}

/// What is kept about a rule.
#[derive(Debug)]
pub(super) struct RuleState {
    pub(super) counters: RuleCounters,
    /// Whether it does without the store.
    pub(super) failing: AtomicBool,
    keyer: RuleKeyer,
    /// For the keys of its derived limits; no rule can have their names.
    strikes: RuleKeyer,
    block: RuleKeyer,
    place: RuleKeyer,
}

impl Compiled {
    /// Compiles rules; what was counted for a name before goes on.
    pub(super) fn new(rules: Rules, keyer: &Keyer, before: Option<&Self>) -> Self {
        let state = |rule: &Rule| {
            let same = |before: &Self| {
                let at = before.rules.as_slice().iter().position(|other| other.name == rule.name)?;
                Some(before.states[at].clone())
            };
            before.and_then(same).unwrap_or_else(|| Arc::new(RuleState::new(&rule.name, keyer)))
        };
        let states = rules.as_slice().iter().map(state).collect();
        Self { rules, states }
    }
}

impl RuleState {
    fn new(name: &str, keyer: &Keyer) -> Self {
        let derived = |of: &str| keyer.rule(&format!("{name}!{of}"));
        Self {
            counters: RuleCounters::default(),
            failing: AtomicBool::new(false),
            keyer: keyer.rule(name),
            strikes: derived("strikes"),
            block: derived("block"),
            place: derived("place"),
        }
    }
}

/// What one rule is asked.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its place among the rules.
    pub(super) at: usize,
    pub(super) key: Key,
    /// None when only a place is asked for.
    pub(super) limit: Option<Arc<Limit>>,
    pub(super) cost: u32,
}

/// What a request asks.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) compiled: Arc<Compiled>,
    /// Why it is refused whatever is left of the limits.
    pub(super) refusals: Vec<Refusal>,
    /// What the rules are asked that can refuse it.
    pub(super) entries: SmallVec<[Entry; 4]>,
    /// What the rules in shadow mode are asked.
    pub(super) shadow: SmallVec<[Entry; 1]>,
    /// What rules in shadow mode would refuse whatever is left of the limits.
    pub(super) shadow_refusals: Vec<Refusal>,
    pub(super) address: Option<IpAddr>,
    /// For rules that watch logins only.
    pub(super) user: Option<Box<str>>,
}

impl Asked {
    pub(super) fn new(compiled: Arc<Compiled>, facts: &impl Facts) -> Self {
        let mut asked = Self {
            refusals: Vec::new(),
            entries: SmallVec::new(),
            shadow: SmallVec::new(),
            shadow_refusals: Vec::new(),
            address: facts.address(),
            user: None,
            compiled,
        };
        let compiled = asked.compiled.clone();
        let rules = &compiled.rules;
        if !rules.allowed().is_empty() && rules.allowed().find(facts).is_some() {
            return asked;
        }
        if !rules.denied().is_empty() && rules.denied().find(facts).is_some() {
            asked.refusals.push(Refusal { rule: None, why: Why::Denied, wait: Wait::Never });
            return asked;
        }
        let (route, method) = (facts.fact(&Part::Route), facts.fact(&Part::Method));
        for (at, rule) in rules.as_slice().iter().enumerate() {
            if rule.is_for(route.as_deref(), method.as_deref()) {
                asked.add(at, rule, facts);
            }
        }
        asked
    }

    /// The rule of an entry.
    pub(super) fn rule(&self, entry: &Entry) -> &Rule {
        &self.compiled.rules.as_slice()[entry.at]
    }

    /// What is kept about the rule of an entry.
    pub(super) fn state(&self, entry: &Entry) -> &Arc<RuleState> {
        &self.compiled.states[entry.at]
    }

    /// What is kept about the rule of a name.
    pub(super) fn state_of(&self, name: &str) -> Option<&Arc<RuleState>> {
        let at = self.compiled.rules.as_slice().iter().position(|rule| *rule.name == *name)?;
        Some(&self.compiled.states[at])
    }

    fn add(&mut self, at: usize, rule: &Rule, facts: &impl Facts) {
        if !rule.allow.is_empty() && rule.allow.find(facts).is_some() {
            return;
        }
        let mut refuse = |why| {
            let refusals = if rule.shadow { &mut self.shadow_refusals } else { &mut self.refusals };
            refusals.push(Refusal { rule: Some(rule.name.clone()), why, wait: Wait::Never });
        };
        if !rule.deny.is_empty() && rule.deny.find(facts).is_some() {
            return refuse(Why::Denied);
        }
        let values: SmallVec<[Option<Value<'_>>; 3]> =
            rule.parts.iter().map(|part| Value::of(part, rule, facts)).collect();
        if let Some(lacking) = values.iter().position(Option::is_none) {
            match rule.missing {
                Missing::Skip => return,
                Missing::Refuse => return refuse(Why::Missing(rule.parts[lacking].clone())),
                Missing::Shared => {}
            }
        }
        // A first byte tells a part that is missing from one that is there, whatever its bytes.
        let key = self.compiled.states[at].keyer.key(values.iter().flat_map(|value| match value {
            Some(value) => [b"\x01".as_slice(), value.bytes()],
            None => [b"\x00".as_slice(), b""],
        }));
        if rule.watch == Watch::Login && self.user.is_none() {
            self.user = facts.fact(&Part::User).map(|user| user.into_owned().into());
        }
        let cost = rule.cost.get().saturating_mul(facts.cost().get());
        let entry = Entry { at, key, limit: rule.limit_of(facts).cloned(), cost };
        if rule.shadow { self.shadow.push(entry) } else { self.entries.push(entry) }
    }
}

impl Entry {
    pub(super) fn strikes(&self, state: &RuleState) -> Key {
        self.derived(&state.strikes)
    }

    pub(super) fn block(&self, state: &RuleState) -> Key {
        self.derived(&state.block)
    }

    pub(super) fn place(&self, state: &RuleState) -> Key {
        self.derived(&state.place)
    }

    fn derived(&self, keyer: &RuleKeyer) -> Key {
        let [high, low] = self.key.0.map(u64::to_le_bytes);
        keyer.key([high.as_slice(), low.as_slice()])
    }
}

/// A part of a key.
enum Value<'a> {
    Text(Cow<'a, str>),
    Address(SmallVec<[u8; 17]>),
}

impl<'a> Value<'a> {
    fn of(part: &Part, rule: &Rule, facts: &'a impl Facts) -> Option<Self> {
        if *part == Part::Address {
            return facts.address().map(|address| Self::Address(bytes(rule.prefixes.network(address))));
        }
        facts.fact(part).filter(|value| !value.is_empty()).map(Self::Text)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Address(bytes) => bytes,
        }
    }
}

/// The address and the prefix: a change of prefixes begins new counts instead of mixing two meanings of one address.
fn bytes(network: Network) -> SmallVec<[u8; 17]> {
    let mut bytes = SmallVec::new();
    match network.address() {
        IpAddr::V4(address) => bytes.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => bytes.extend_from_slice(&address.octets()),
    }
    bytes.push(network.prefix());
    bytes
}
