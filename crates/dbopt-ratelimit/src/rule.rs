//! Rules: which requests are counted, by what, and to which limit.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use crate::{Algorithm, Facts, Limit, List, Part, Prefixes, RoutePattern, Values, Window};

/// One rule. Build it from [`Rule::new`] with what differs:
///
/// ```
/// use std::num::NonZeroU32;
/// use dbopt_ratelimit::{Algorithm, Limit, OnFailure, Part, Rule, Rules, Window};
///
/// let ten = NonZeroU32::new(10).unwrap();
/// let limit = Limit::new(Algorithm::Gcra, [Window::per_minute(ten)]).unwrap();
/// let login = Rule { on_failure: OnFailure::Closed, ..Rule::new("login", [Part::Address], limit) };
/// assert!(Rules::new([login]).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name: letters, digits, `-`, `_` and `.`, at most [`Rule::LONGEST_NAME`].
    pub name: Arc<str>,
    /// What it counts by, all of them together; nothing means that all requests share one count.
    pub parts: Vec<Part>,
    /// The routes it is for; all when there is none.
    pub routes: Vec<RoutePattern>,
    /// The methods it is for, in any case; all when there is none.
    pub methods: Vec<Box<str>>,
    /// The limit; none for a rule that only bounds how many run at once.
    pub limit: Option<Arc<Limit>>,
    /// Limits of plans by name, instead of `limit`.
    pub plans: BTreeMap<Box<str>, Arc<Limit>>,
    /// Limits of certain users, keys or networks, instead of those of their plan.
    pub overrides: Values<Arc<Limit>>,
    /// How much a request costs here; the request's own cost multiplies it.
    pub cost: NonZeroU32,
    /// How many may run at once.
    pub concurrent: Option<Concurrent>,
    /// Keeps out for a while whoever is refused again and again.
    pub block: Option<Block>,
    /// Who is not counted.
    pub allow: List,
    /// Who is refused; the list of those who are allowed goes first.
    pub deny: List,
    /// What happens to a request that lacks a part.
    pub missing: Missing,
    /// What happens while the store does not answer.
    pub on_failure: OnFailure,
    /// Counts, says what it would have refused, and refuses nothing.
    pub shadow: bool,
    /// What suspicious activity to look out for.
    pub watch: Watch,
    /// How much of an address is one client.
    pub prefixes: Prefixes,
}

/// How many of one key may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrent {
    /// How many.
    pub most: NonZeroU32,
    /// After this long a place counts as free again, should its holder have died. Above zero.
    pub longest: Duration,
}

/// Keeps a key out after repeated refusal.
///
/// Refusals are counted by a sliding window, which begins anew with each block. A request that comes during a block is not
/// counted, so that a block ends even while somebody keeps trying.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub(crate) strikes: Arc<Limit>,
    pub(crate) block: Arc<Limit>,
}

impl Block {
    /// Blocks for `period` after `after` refusals within `within`. None when a time is not from 1 ms to 366 days.
    #[must_use]
    pub fn new(after: NonZeroU32, within: Duration, period: Duration) -> Option<Self> {
        let limit = |algorithm, window: Window| Limit::new(algorithm, [window]).ok().map(Arc::new);
        let strikes = limit(Algorithm::Sliding, Window::new(after, within)?)?;
        Some(Self { strikes, block: limit(Algorithm::Gcra, Window::new(NonZeroU32::MIN, period)?)? })
    }

    /// After how many refusals.
    #[must_use]
    pub fn after(&self) -> NonZeroU32 {
        self.strikes.windows()[0].limit()
    }

    /// Within which time.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.strikes.windows()[0].period()
    }

    /// For how long.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.block.windows()[0].period()
    }
}

/// What happens to a request that lacks a part of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// The rule does not count it. Another rule should.
    Skip,
    /// All that lack it are counted as one.
    #[default]
    Shared,
    /// It is refused.
    Refuse,
}

/// What happens while the store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Requests are admitted.
    Open,
    /// Requests are refused.
    Closed,
    /// Each process counts in its own memory, from nothing.
    #[default]
    Local,
}

/// What suspicious activity a rule looks out for, besides bursts of refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Nothing more.
    #[default]
    Nothing,
    /// Many keys of this rule from one address, as of somebody who changes API keys or headers.
    Keys,
    /// Credential stuffing: many users tried from one address, or one user from many addresses.
    Login,
}

/// Rules that can be used together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
    allow: List,
    deny: List,
}

/// Why rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRules {
    /// A name is empty, too long, or has other characters.
    #[error("`{}` is no name of a rule", .0.escape_debug())]
    Name(String),
    /// Two rules have one name.
    #[error("two rules are named `{0}`")]
    SameName(Arc<str>),
    /// A rule limits nothing.
    #[error("rule `{0}` has no limit, and does not bound how many run at once")]
    NoLimit(Arc<str>),
    /// A rule counts by a part twice.
    #[error("rule `{0}` counts by `{1}` twice")]
    SamePart(Arc<str>, Part),
    /// A place would be free at once.
    #[error("rule `{0}` holds a place for no time")]
    NoTime(Arc<str>),
}

impl Rule {
    /// Most characters of a name.
    pub const LONGEST_NAME: usize = 64;

    /// A rule for all requests, by some parts, with a limit, and the defaults of everything else.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, parts: impl IntoIterator<Item = Part>, limit: Limit) -> Self {
        Self { limit: Some(Arc::new(limit)), ..Self::unlimited(name, parts) }
    }

    /// A rule that only bounds how many run at once.
    #[must_use]
    pub fn concurrent(
        name: impl Into<Arc<str>>,
        parts: impl IntoIterator<Item = Part>,
        most: NonZeroU32,
        longest: Duration,
    ) -> Self {
        Self { concurrent: Some(Concurrent { most, longest }), ..Self::unlimited(name, parts) }
    }

    pub(crate) fn unlimited(name: impl Into<Arc<str>>, parts: impl IntoIterator<Item = Part>) -> Self {
        Self {
            name: name.into(),
            parts: parts.into_iter().collect(),
            routes: Vec::new(),
            methods: Vec::new(),
            limit: None,
            plans: BTreeMap::new(),
            overrides: Values::default(),
            cost: NonZeroU32::MIN,
            concurrent: None,
            block: None,
            allow: List::default(),
            deny: List::default(),
            missing: Missing::default(),
            on_failure: OnFailure::default(),
            shadow: false,
            watch: Watch::default(),
            prefixes: Prefixes::default(),
        }
    }

    /// Whether the rule is for a request of this route and method. A rule for some routes is for no request without one.
    #[must_use]
    pub fn is_for(&self, route: Option<&str>, method: Option<&str>) -> bool {
        let of_routes = || route.is_some_and(|route| self.routes.iter().any(|pattern| pattern.matches(route)));
        let of_methods = || method.is_some_and(|is| self.methods.iter().any(|method| method.eq_ignore_ascii_case(is)));
        (self.routes.is_empty() || of_routes()) && (self.methods.is_empty() || of_methods())
    }

    /// The limit of whoever asks: their own, or that of their plan, or the rule's.
    #[must_use]
    pub fn limit_of(&self, facts: &impl Facts) -> Option<&Arc<Limit>> {
        let own = || if self.overrides.is_empty() { None } else { self.overrides.find(facts) };
        let of_plan = || if self.plans.is_empty() { None } else { self.plans.get(&*facts.plan()?) };
        own().or_else(of_plan).or(self.limit.as_ref())
    }

    pub(crate) fn check(&self) -> Result<(), InvalidRules> {
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if self.name.is_empty() || self.name.len() > Self::LONGEST_NAME || !self.name.bytes().all(of_name) {
            return Err(InvalidRules::Name(self.name.chars().take(Self::LONGEST_NAME).collect()));
        }
        if self.limit.is_none() && self.concurrent.is_none() && self.plans.is_empty() && self.overrides.is_empty() {
            return Err(InvalidRules::NoLimit(self.name.clone()));
        }
        if self.concurrent.is_some_and(|concurrent| concurrent.longest.is_zero()) {
            return Err(InvalidRules::NoTime(self.name.clone()));
        }
        for (at, part) in self.parts.iter().enumerate() {
            if self.parts[..at].contains(part) {
                return Err(InvalidRules::SamePart(self.name.clone(), part.clone()));
            }
        }
        Ok(())
    }
}

impl Rules {
    /// Rules, each of its own name. They are asked in this order, and all of them have to admit a request.
    ///
    /// # Errors
    ///
    /// With the first that is wrong.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Result<Self, InvalidRules> {
        let rules: Vec<Rule> = rules.into_iter().collect();
        for (at, rule) in rules.iter().enumerate() {
            rule.check()?;
            if rules[..at].iter().any(|other| other.name == rule.name) {
                return Err(InvalidRules::SameName(rule.name.clone()));
            }
        }
        Ok(Self { rules, ..Self::default() })
    }

    /// The same rules, where some requests are not counted by any of them.
    #[must_use]
    pub fn allow(self, allow: List) -> Self {
        Self { allow, ..self }
    }

    /// The same rules, where some requests are refused by all of them. Who is allowed is not refused.
    #[must_use]
    pub fn deny(self, deny: List) -> Self {
        Self { deny, ..self }
    }

    /// The rules in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| *rule.name == *name)
    }

    /// Who is counted by no rule.
    #[must_use]
    pub fn allowed(&self) -> &List {
        &self.allow
    }

    /// Who is refused by all rules.
    #[must_use]
    pub fn denied(&self) -> &List {
        &self.deny
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    const TWO: NonZeroU32 = NonZeroU32::new(2).expect("two");

    fn limit(most: u32) -> Limit {
        let most = NonZeroU32::new(most).expect("above zero");
        Limit::new(Algorithm::Gcra, [Window::per_minute(most)]).expect("a limit")
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let rule = |name: &str| Rule::new(name, [Part::User], limit(1));
        assert_eq!(Rules::new([rule("a"), rule("b")]).map(|rules| rules.as_slice().len()), Ok(2));
        assert_eq!(Rules::new([rule("a"), rule("a")]), Err(InvalidRules::SameName("a".into())));
        assert_eq!(Rules::new([rule("a!")]), Err(InvalidRules::Name("a!".to_owned())));
        assert_eq!(Rules::new([rule("")]), Err(InvalidRules::Name(String::new())));
        let empty = Rule { limit: None, ..rule("a") };
        assert_eq!(Rules::new([empty]), Err(InvalidRules::NoLimit("a".into())));
        let twice = Rule { parts: vec![Part::User, Part::User], ..rule("a") };
        assert_eq!(Rules::new([twice]), Err(InvalidRules::SamePart("a".into(), Part::User)));
        let timeless = Rule::concurrent("a", [], TWO, Duration::ZERO);
        assert_eq!(Rules::new([timeless]), Err(InvalidRules::NoTime("a".into())));
    }

    #[test]
    fn a_rule_is_for_its_routes_and_methods() {
        let routes = vec!["/ml/**".parse().expect("a pattern")];
        let rule = Rule { routes, methods: vec!["post".into()], ..Rule::new("ml", [], limit(1)) };
        assert!(rule.is_for(Some("/ml/a"), Some("POST")));
        assert!(!rule.is_for(Some("/ml/a"), Some("GET")) && !rule.is_for(Some("/"), Some("POST")));
        assert!(!rule.is_for(None, Some("POST")) && !rule.is_for(Some("/ml"), None));
        assert!(Rule::new("all", [], limit(1)).is_for(None, None));
    }

    #[test]
    fn the_nearest_limit_counts() {
        let mut rule = Rule::new("ml", [Part::User], limit(1));
        rule.plans.insert("pro".into(), Arc::new(limit(2)));
        rule.overrides.add(Part::User, "7", Arc::new(limit(3)));
        let most = |request: Request<'_>| rule.limit_of(&request).map(|limit| limit.most_at_once());
        assert_eq!(most(Request::new()), Some(1));
        assert_eq!(most(Request::new().plan("free")), Some(1));
        assert_eq!(most(Request::new().plan("pro")), Some(2));
        assert_eq!(most(Request::new().plan("pro").user("7")), Some(3));
    }

    #[test]
    fn a_block_says_what_it_is() {
        let block = Block::new(TWO, Duration::from_secs(60), Duration::from_secs(900)).expect("a block");
        assert_eq!(
            (block.after(), block.within(), block.period()),
            (TWO, Duration::from_secs(60), Duration::from_secs(900))
        );
        assert_eq!(Block::new(TWO, Duration::ZERO, Duration::from_secs(1)), None);
    }
}
