//! What is weak about rules that are valid.

use std::{fmt, sync::Arc};

use crate::{Missing, OnFailure, Part, Proxies, Rule, Rules, Trusted, Watch, Window};

/// A weak choice in a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// The rule.
    pub rule: Arc<str>,
    /// Its plan, when only that is weak.
    pub plan: Option<Box<str>>,
    /// What is weak.
    pub kind: WeaknessKind,
}

/// What is weak. [`fmt::Display`] says it in a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeaknessKind {
    /// A window can never refuse, because another always refuses first.
    NeverRefuses(Window, Window),
    /// A request costs more than the limit ever admits.
    NeverAdmits,
    /// There are limits for plans and clients, and none for all others.
    OnlyPlans,
    /// A login is not limited while the store does not answer.
    OpenLogin,
    /// A login is counted by account or by address, but no rule for the same requests counts by the other.
    OneSidedLogin(Part),
    /// The client can put anything into the key, and get a count of its own each time.
    ChosenKey,
    /// A request without a part that the client can leave out is not counted.
    Skips(Part),
    /// All requests share one count, so that one client can use it up for all.
    SharedByAll,
    /// Addresses are counted, but no proxy is trusted: behind one, all clients are one.
    NoProxies,
    /// A part of IPv4 or of IPv6 is so short that strangers are counted together.
    WidePrefix,
    /// The rule refuses nothing.
    Shadow,
    /// None of the service's routes is one of the rule.
    NoRouteReaches,
}

impl WeaknessKind {
    /// A stable name in kebab-case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeverRefuses(..) => "window-never-refuses",
            Self::NeverAdmits => "never-admits",
            Self::OnlyPlans => "no-limit-without-plan",
            Self::OpenLogin => "login-open-on-failure",
            Self::OneSidedLogin(_) => "login-counted-one-way",
            Self::ChosenKey => "key-chosen-by-client",
            Self::Skips(_) => "missing-part-skips",
            Self::SharedByAll => "shared-by-all",
            Self::NoProxies => "no-trusted-proxies",
            Self::WidePrefix => "wide-prefix",
            Self::Shadow => "shadow",
            Self::NoRouteReaches => "no-route-reaches",
        }
    }

    /// One sentence that says what to do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::NeverRefuses(..) => "Lower it below what the other admits in its period, or leave it out.",
            Self::NeverAdmits => "Lower `cost`, or raise the limit or its burst.",
            Self::OnlyPlans => "Say `limits` for requests without a plan, or with one that has no limits here.",
            Self::OpenLogin => {
                "Say `on_failure = \"closed\"` or `\"local\"`: an attacker may be why the store does not answer."
            }
            Self::OneSidedLogin(_) => {
                "Add a second rule for the same route: one counts by `user`, the other by `address`."
            }
            Self::ChosenKey => "Add a part that the client cannot choose, such as `user` or `address`.",
            Self::Skips(_) => "Say `missing = \"shared\"` or `\"refuse\"`.",
            Self::SharedByAll => "Add a key, unless the limit protects something that all share.",
            Self::NoProxies => "Say `proxies` or `networks` in `[client]` if the service is behind a proxy.",
            Self::WidePrefix => "Use at least 24 bits of an IPv4 and 48 of an IPv6 address.",
            Self::Shadow => "Take `shadow` away once the numbers are right.",
            Self::NoRouteReaches => "Correct its `routes` or `methods`, or leave the rule out.",
        }
    }

    /// Whether it may well be meant.
    #[must_use]
    pub fn is_note(&self) -> bool {
        matches!(self, Self::Shadow | Self::SharedByAll | Self::NoProxies)
    }
}

impl fmt::Display for WeaknessKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRefuses(window, other) => {
                write!(f, "the window {window} can never refuse: {other} always does first")
            }
            Self::NeverAdmits => f.write_str("a request costs more than the limit ever admits at once"),
            Self::OnlyPlans => {
                f.write_str("a request without a plan, or with one that is not named here, is not limited")
            }
            Self::OpenLogin => f.write_str("a login is not limited while the store does not answer"),
            Self::OneSidedLogin(part) => write!(f, "logins are counted by {part} only"),
            Self::ChosenKey => {
                f.write_str("the client chooses all of the key, and so gets a new count whenever it likes")
            }
            Self::Skips(part) => write!(f, "a request without {part} is not counted, and the client can leave it out"),
            Self::SharedByAll => f.write_str("all clients share one count, which one of them can use up"),
            Self::NoProxies => {
                f.write_str("addresses are counted and no proxy is trusted, so that behind one all clients are one")
            }
            Self::WidePrefix => f.write_str("so few bits of an address are counted that strangers share a count"),
            Self::Shadow => f.write_str("the rule is in shadow mode and refuses nothing"),
            Self::NoRouteReaches => f.write_str("none of the routes is one of this rule"),
        }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}`", self.rule)?;
        if let Some(plan) = &self.plan {
            write!(f, ", plan `{plan}`")?;
        }
        write!(f, ": {}", self.kind)
    }
}

/// All that is weak, in the order of the rules. `routes` are the service's, each with its method when it has one; with none, it is
/// not asked which rules they reach.
#[must_use]
pub fn review(rules: &Rules, client: &Trusted, routes: Option<&[(Option<&str>, &str)]>) -> Vec<Weakness> {
    let mut found = Vec::new();
    for rule in rules.as_slice() {
        let mut push = |plan: Option<&str>, kind| {
            found.push(Weakness { rule: rule.name.clone(), plan: plan.map(Into::into), kind });
        };
        let limits = rule.limit.iter().map(|limit| (None, limit));
        for (plan, limit) in limits.chain(rule.plans.iter().map(|(plan, limit)| (Some(&**plan), limit))) {
            for worst in limit.worst() {
                if let Some(behind) = worst.behind {
                    push(plan, WeaknessKind::NeverRefuses(worst.window, behind));
                }
            }
            if rule.cost.get() > limit.most_at_once() {
                push(plan, WeaknessKind::NeverAdmits);
            }
        }
        if rule.limit.is_none() && !rule.plans.is_empty() {
            push(None, WeaknessKind::OnlyPlans);
        }
        for kind in of_rule(rule, rules, client) {
            push(None, kind);
        }
        if let Some(routes) = routes
            && !routes.iter().any(|(method, route)| reaches(rule, *method, route))
        {
            push(None, WeaknessKind::NoRouteReaches);
        }
    }
    found
}

/// Whether a rule is about logins: it watches them, or is named after them, or its routes are.
fn is_login(rule: &Rule) -> bool {
    let speaks =
        |text: &str| ["login", "signin", "sign-in"].iter().any(|word| text.to_ascii_lowercase().contains(word));
    rule.watch == Watch::Login || speaks(&rule.name) || rule.routes.iter().any(|route| speaks(&route.to_string()))
}

/// Whether a rule is for a route; one without a method is of any.
#[must_use]
pub fn reaches(rule: &Rule, method: Option<&str>, route: &str) -> bool {
    let method = method.or_else(|| rule.methods.first().map(AsRef::as_ref));
    rule.is_for(Some(route), method)
}

fn of_rule(rule: &Rule, rules: &Rules, client: &Trusted) -> Vec<WeaknessKind> {
    let mut kinds = Vec::new();
    let counts = |rule: &Rule, part: &Part| rule.parts.contains(part);
    if is_login(rule) {
        if rule.on_failure == OnFailure::Open {
            kinds.push(WeaknessKind::OpenLogin);
        }
        let same = |other: &&Rule| other.routes == rule.routes && !other.shadow;
        let counted = |part: &Part| rules.as_slice().iter().filter(same).any(|rule| counts(rule, part));
        match (counted(&Part::User), counted(&Part::Address)) {
            (true, false) => kinds.push(WeaknessKind::OneSidedLogin(Part::User)),
            (false, true) => kinds.push(WeaknessKind::OneSidedLogin(Part::Address)),
            _ => {}
        }
    }
    if rule.parts.is_empty() {
        kinds.push(WeaknessKind::SharedByAll);
    }
    // A route that is matched by patterns cannot be chosen freely, though it can be varied where they are open.
    let headers = rule.parts.iter().any(|part| matches!(part, Part::Header(_)));
    if headers && rule.parts.iter().all(Part::is_chosen_by_client) {
        kinds.push(WeaknessKind::ChosenKey);
    }
    if rule.missing == Missing::Skip
        && let Some(part) = rule.parts.iter().find(|part| matches!(part, Part::Header(_) | Part::ApiKey))
    {
        kinds.push(WeaknessKind::Skips(part.clone()));
    }
    if counts(rule, &Part::Address) {
        let (v4, v6) = rule.prefixes.bits();
        if v4 < 24 || v6 < 48 {
            kinds.push(WeaknessKind::WidePrefix);
        }
        if client.proxies == Proxies::None {
            kinds.push(WeaknessKind::NoProxies);
        }
    }
    if rule.shadow {
        kinds.push(WeaknessKind::Shadow);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{Algorithm, Limit, Prefixes};

    fn limit(most: u32) -> Limit {
        let most = NonZeroU32::new(most).expect("above zero");
        Limit::new(Algorithm::Gcra, [Window::per_minute(most)]).expect("a limit")
    }

    fn check(rules: impl IntoIterator<Item = Rule>, expected: &[&str]) {
        let client = Trusted { proxies: Proxies::Count(1), ..Trusted::default() };
        let rules = Rules::new(rules).expect("good rules");
        let found = review(&rules, &client, Some(&[(None, "/ml/a"), (Some("POST"), "/login")]));
        let found: Vec<_> = found.iter().map(|weakness| (&*weakness.rule, weakness.kind.code())).collect();
        let found: Vec<_> = found.iter().map(|(rule, code)| format!("{rule} {code}")).collect();
        assert_eq!(found, expected);
    }

    fn login(name: &str, part: Part) -> Rule {
        Rule { watch: Watch::Login, on_failure: OnFailure::Closed, ..Rule::new(name, [part], limit(5)) }
    }

    #[test]
    fn good_rules_have_none() {
        check([Rule::new("ml", [Part::User], limit(5)), login("a", Part::User), login("b", Part::Address)], &[]);
    }

    #[test]
    fn each_weakness_is_found() {
        let header = Part::Header("x-org".into());
        check([Rule::new("a", [header.clone()], limit(5))], &["a key-chosen-by-client"]);
        check([Rule::new("a", [header.clone(), Part::Address], limit(5))], &[]);
        let skips = Rule { missing: Missing::Skip, ..Rule::new("a", [header, Part::Address], limit(5)) };
        check([skips], &["a missing-part-skips"]);
        check(
            [Rule { on_failure: OnFailure::Open, ..login("a", Part::User) }],
            &["a login-open-on-failure", "a login-counted-one-way"],
        );
        let named = Rule { on_failure: OnFailure::Open, ..Rule::new("Login", [Part::User], limit(5)) };
        check([named], &["Login login-open-on-failure", "Login login-counted-one-way"]);
        let mut plans = Rule { limit: None, ..Rule::new("a", [Part::User], limit(5)) };
        plans.plans.insert("pro".into(), Arc::new(limit(9)));
        check([plans], &["a no-limit-without-plan"]);
        check([Rule::new("a", [], limit(5))], &["a shared-by-all"]);
        check([Rule { shadow: true, ..Rule::new("a", [Part::User], limit(5)) }], &["a shadow"]);
        let dear = Rule { cost: NonZeroU32::new(6).expect("six"), ..Rule::new("a", [Part::User], limit(5)) };
        check([dear], &["a never-admits"]);
        let prefixes = Prefixes::new(16, 64).expect("prefixes");
        check([Rule { prefixes, ..Rule::new("a", [Part::Address], limit(5)) }], &["a wide-prefix"]);
        let routes = vec!["/other/**".parse().expect("a pattern")];
        check([Rule { routes, ..Rule::new("a", [Part::User], limit(5)) }], &["a no-route-reaches"]);
        let mut plans = Rule::new("a", [Part::User], limit(5));
        let both = [Window::per_minute(NonZeroU32::MIN), Window::per_hour(NonZeroU32::new(60).expect("sixty"))];
        plans.plans.insert("free".into(), Arc::new(Limit::new(Algorithm::Gcra, both).expect("a limit")));
        check([plans], &["a window-never-refuses"]);
    }

    #[test]
    fn without_a_proxy_it_is_said() {
        let rules = Rules::new([Rule::new("a", [Part::Address], limit(5))]).expect("good rules");
        let found = review(&rules, &Trusted::default(), None);
        assert_eq!(found.iter().map(|weakness| weakness.kind.code()).collect::<Vec<_>>(), ["no-trusted-proxies"]);
    }
}
