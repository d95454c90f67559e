//! Reads the policy, key by key.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use dbopt_policy::{Fault, Table};

use super::{
    LimitPolicy,
    values::{MethodValue, NetworkValue, PartValue, RouteValue, Who, WindowValue, list},
};
use crate::{
    Algorithm, Block, Concurrent, ForwardHeader, Limit, Missing, OnFailure, Part, Prefixes, Proxies, Rule, Rules,
    Trusted, Values, Watch, Window,
};

pub(super) fn policy(table: &Table<'_>) -> Option<LimitPolicy> {
    let (client, prefixes) = table.section("client", "Where a client's address comes from.", client);
    let allow = list(table.optional("allow", "Who is counted by no rule."));
    let deny = list(table.optional("deny", "Who is refused by every rule."));
    let rules =
        table.named("rule", "A rule: which requests are counted, by what, and to which limit.", |name, table| {
            rule(name, prefixes, table)
        });
    if !table.contains("rule") {
        let fault = Fault::new("no-rules", "the policy has no rules, so it would limit nothing");
        table.reject("rule", fault.help("Write a section such as `[rule.api]` with `limits = [\"100/min\"]`."));
        return None;
    }
    let rules = Rules::new(rules.into_iter().map(|(_, rule)| rule));
    match rules {
        Ok(rules) => Some(LimitPolicy { rules: rules.allow(allow).deny(deny), client, prefixes }),
        Err(error) => {
            table.reject("rule", Fault::new("bad-rule", error.to_string()));
            None
        }
    }
}

fn client(table: &Table<'_>) -> (Trusted, Prefixes) {
    const HEADERS: [(&str, ForwardHeader); 2] =
        [("x-forwarded-for", ForwardHeader::XForwardedFor), ("forwarded", ForwardHeader::Forwarded)];
    let header = table.choice("header", "The header in which trusted proxies write whom they speak for.", &HEADERS);
    let count: Option<u8> =
        table.optional("proxies", "How many proxies there always are between the clients and the service.");
    let networks: Option<Vec<NetworkValue>> =
        table.optional("networks", "The networks of the trusted proxies, instead of their number.");
    if count.is_some() && networks.is_some() {
        let fault = Fault::new("contradiction", "proxies are trusted by number or by network, not by both");
        table.reject("networks", fault.help("Take one of the two away."));
    }
    let proxies = match (count, networks) {
        (_, Some(networks)) => Proxies::Networks(networks.into_iter().map(|NetworkValue(network)| network).collect()),
        (Some(count), None) if count > 0 => Proxies::Count(count),
        _ => Proxies::None,
    };
    let (v4, v6) = Prefixes::default().bits();
    let v4 = table.or("ipv4_prefix", "How many bits of an IPv4 address are one client: 1 to 32.", v4);
    let v6 = table.or("ipv6_prefix", "How many bits of an IPv6 address are one client: 1 to 128.", v6);
    for (key, bits, most) in [("ipv4_prefix", v4, 32), ("ipv6_prefix", v6, 128)] {
        if bits == 0 || bits > most {
            table.reject(key, Fault::new("out-of-range", format!("`client.{key}` is not from 1 to {most}")));
        }
    }
    let prefixes = Prefixes::new(v4, v6).unwrap_or_default();
    (Trusted { header: header.unwrap_or_default(), proxies }, prefixes)
}

fn rule(name: &str, prefixes: Prefixes, table: &Table<'_>) -> Option<Rule> {
    let key: Option<Vec<PartValue>> =
        table.optional("key", "What is counted by, all of it together; nothing means all requests.");
    let routes: Option<Vec<RouteValue>> = table.optional("routes", "The routes it is for; all when absent.");
    let methods: Option<Vec<MethodValue>> = table.optional("methods", "The methods it is for; all when absent.");
    let algorithm = table
        .choice(
            "algorithm",
            "How windows count; see docs/limits.md for what each admits at worst.",
            &[("gcra", Algorithm::Gcra), ("sliding", Algorithm::Sliding)],
        )
        .unwrap_or_default();
    let durable = table.or("durable", "Whether the counts survive a crash of the engine.", false);
    let counting = Counting { algorithm, durable };
    let limit = if table.contains("limits") {
        counting.limit(table)
    } else {
        // The read describes the key.
        table.optional::<Vec<WindowValue>>("limits", LIMITS).and(None)
    };
    let plans = table.named("plan", "The limits of a plan, instead of the rule's.", |_, table| counting.limit(table));
    let mut overrides = Values::default();
    table.sections("for", "The limits of certain clients, instead of those of their plan.", |table| {
        let who = table.required::<Who>("who", "The client: `user=7`, `tenant=acme`, a network, `api_key=env:NAME`.");
        let limit = counting.limit(table);
        let (who, limit) = (who?, Arc::new(limit?));
        if who.add(&mut overrides, limit).is_some() {
            let fault = Fault::new("same-client", "this client has limits of its own already");
            table.reject("who", fault.help("Keep one of the two sections."));
        }
        Some(())
    });
    let cost = table.or("cost", "How much a request costs.", NonZeroU32::MIN);
    let concurrent = table.optional_section("concurrent", "How many may run at once.", concurrent);
    let block = table.optional_section("block", "Keeps out for a while whoever is refused again and again.", block);
    let allow = list(table.optional("allow", "Who is not counted."));
    let deny = list(table.optional("deny", "Who is refused. Those who are allowed are not."));
    let missing = table.choice(
        "missing",
        "What happens to a request that lacks a part of the key.",
        &[("skip", Missing::Skip), ("shared", Missing::Shared), ("refuse", Missing::Refuse)],
    );
    let on_failure = table.choice(
        "on_failure",
        "What happens while the store does not answer.",
        &[("open", OnFailure::Open), ("closed", OnFailure::Closed), ("local", OnFailure::Local)],
    );
    let shadow = table.or("shadow", "Counts and tells, and refuses nothing.", false);
    let watch = table.choice(
        "watch",
        "What suspicious activity to look out for, besides bursts of refusals.",
        &[("keys", Watch::Keys), ("login", Watch::Login)],
    );
    let asks_for_limit = ["limits", "concurrent", "plan", "for"].iter().any(|key| table.contains(key));
    if !asks_for_limit && !name.is_empty() {
        let fault = Fault::new("no-limit", format!("rule `{name}` limits nothing"));
        table.reject("limits", fault.help("Write `limits = [\"100/min\"]` or a section `concurrent`."));
        return None;
    }
    let parts: Vec<Part> = key.into_iter().flatten().map(|PartValue(part)| part).collect();
    let rule = Rule {
        parts,
        limit: limit.map(Arc::new),
        routes: routes.into_iter().flatten().map(|RouteValue(route)| route).collect(),
        methods: methods.into_iter().flatten().map(|MethodValue(method)| method).collect(),
        plans: plans.into_iter().map(|(name, limit)| (name.into(), Arc::new(limit))).collect(),
        overrides,
        cost,
        concurrent,
        block,
        allow,
        deny,
        missing: missing.unwrap_or_default(),
        on_failure: on_failure.unwrap_or_default(),
        shadow,
        watch: watch.unwrap_or_default(),
        prefixes,
        ..Rule::unlimited(name, [])
    };
    // A rule whose limits have a fault has none to be missed.
    let faultless = rule.limit.is_some() || !table.contains("limits");
    if let Err(error) = rule.check()
        && faultless
        && !name.is_empty()
    {
        let key = if matches!(error, crate::InvalidRules::SamePart(..)) { "key" } else { "" };
        table.reject(key, Fault::new("bad-rule", error.to_string()));
        return None;
    }
    faultless.then_some(rule)
}

const LIMITS: &str = "Windows that all have to admit a request: a rate each, with a burst of its own if that differs.";

/// How all windows of a rule count.
#[derive(Clone, Copy)]
struct Counting {
    algorithm: Algorithm,
    durable: bool,
}

impl Counting {
    fn limit(self, table: &Table<'_>) -> Option<Limit> {
        let windows: Vec<WindowValue> = table.required("limits", LIMITS)?;
        match Limit::new(self.algorithm, windows.into_iter().map(|WindowValue(window)| window)) {
            Ok(limit) => Some(if self.durable { limit.durable() } else { limit }),
            Err(error) => {
                table.reject("limits", Fault::new("bad-limit", error.to_string()));
                None
            }
        }
    }
}

fn concurrent(table: &Table<'_>) -> Option<Concurrent> {
    let most = table.required("most", "How many.");
    let longest: Option<Duration> =
        table.required("longest", "After this long a place is free again, should its holder have died.");
    let longest = longest?;
    if longest.is_zero() {
        table.reject("longest", Fault::new("out-of-range", "a place is held for no time"));
        return None;
    }
    Some(Concurrent { most: most?, longest })
}

fn block(table: &Table<'_>) -> Option<Block> {
    let after = table.required("after", "After how many refusals.");
    let within: Option<Duration> = table.required("within", "Within which time they count.");
    let period: Option<Duration> = table.required("for", "For how long.");
    for (key, time) in [("within", within), ("for", period)] {
        if time.is_some_and(|time| Window::new(NonZeroU32::MIN, time).is_none()) {
            let fault = Fault::new("out-of-range", format!("`{key}` is not from 1 ms to 366 days"));
            table.reject(key, fault);
        }
    }
    Block::new(after?, within?, period?)
}
