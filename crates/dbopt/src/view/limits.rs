//! What rate limits admit at worst, as it leaves the program.

use std::time::Duration;

use dbopt_ratelimit::{Algorithm, Limit, LimitPolicy, Missing, OnFailure, Part, Proxies, Rule, Watch, Weakness, Worst};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView};

/// What `dbopt limits check` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt limits check")]
pub(crate) struct LimitsView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The policy's file as given.
    pub(crate) policy: String,
    /// Which proxies are believed about a client's address: `none`, a number, or networks.
    pub(crate) proxies: String,
    /// How many clients are counted by no rule, and how many are refused by all of them.
    pub(crate) allowed: usize,
    /// How many clients are refused by every rule.
    pub(crate) denied: usize,
    /// The rules by name.
    pub(crate) rules: Vec<RuleView>,
    /// Routes of the service that no rule limits; only with `--routes`.
    pub(crate) free_routes: Vec<String>,
    /// What is weak.
    pub(crate) findings: Vec<FindingView>,
}

/// A rule.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct RuleView {
    /// Its name.
    pub(crate) rule: String,
    /// What it counts by.
    pub(crate) key: Vec<String>,
    /// The routes it is for; all when there is none.
    pub(crate) routes: Vec<String>,
    /// The methods it is for; all when there is none.
    pub(crate) methods: Vec<String>,
    /// What a request costs.
    pub(crate) cost: u32,
    /// Its limits: its own, and those of plans and of certain clients.
    pub(crate) limits: Vec<LimitView>,
    /// How many may run at once.
    pub(crate) concurrent: Option<u32>,
    /// The block after repeated refusal.
    pub(crate) block: Option<BlockView>,
    /// What happens to a request that lacks a part of the key: `skip`, `shared` or `refuse`.
    pub(crate) missing: &'static str,
    /// What happens while the store does not answer: `open`, `closed` or `local`.
    pub(crate) on_failure: &'static str,
    /// What suspicious activity it looks out for: `keys` or `login`.
    pub(crate) watch: Option<&'static str>,
    /// Whether it refuses nothing.
    pub(crate) shadow: bool,
    /// What multiplies the limits, in sentences.
    pub(crate) multiplied_by: Vec<String>,
}

/// A limit.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct LimitView {
    /// Whose it is: absent for all, or `plan pro`, or a client.
    pub(crate) of: Option<String>,
    /// `gcra` or `sliding`.
    pub(crate) algorithm: &'static str,
    /// Requests of this rule's cost that are admitted at once.
    pub(crate) at_once: u32,
    /// Its windows, by rising period.
    pub(crate) windows: Vec<WindowView>,
}

/// A window.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct WindowView {
    /// How much is admitted in the long run.
    pub(crate) limit: u32,
    /// In how many seconds.
    pub(crate) period_s: f64,
    /// How much is admitted at once.
    pub(crate) burst: u32,
    /// The most requests of this rule's cost that this window alone admits in one period, wherever that begins.
    pub(crate) worst_alone: u64,
    /// The most that all windows together admit in it.
    pub(crate) worst: u64,
    /// Whether another window always refuses first.
    pub(crate) never_refuses: bool,
}

/// A block.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct BlockView {
    /// After how many refusals.
    pub(crate) after: u32,
    /// Within how many seconds.
    pub(crate) within_s: f64,
    /// For how many seconds.
    pub(crate) for_s: f64,
}

impl LimitsView {
    /// The view of a policy and of what is weak about it.
    pub(crate) fn new(file: &str, policy: &LimitPolicy, weak: &[Weakness], free_routes: Vec<String>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            policy: file.to_owned(),
            proxies: match &policy.client.proxies {
                Proxies::None => "none".to_owned(),
                Proxies::Count(count) => count.to_string(),
                Proxies::Networks(networks) => networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            },
            allowed: policy.rules.allowed().len(),
            denied: policy.rules.denied().len(),
            rules: policy.rules.as_slice().iter().map(RuleView::new).collect(),
            free_routes,
            findings: weak.iter().map(|weakness| finding(file, weakness)).collect(),
        }
    }
}

fn finding(file: &str, weakness: &Weakness) -> FindingView {
    FindingView {
        code: weakness.kind.code().to_owned(),
        severity: if weakness.kind.is_note() { "note" } else { "warning" }.to_owned(),
        message: weakness.to_string(),
        file: Some(file.to_owned()),
        line: None,
        column: None,
        help: Some(weakness.kind.help().to_owned()),
    }
}

impl RuleView {
    fn new(rule: &Rule) -> Self {
        let own = rule.limit.iter().map(|limit| (None, limit));
        let plans = rule.plans.iter().map(|(plan, limit)| (Some(format!("plan {plan}")), limit));
        let mut clients: Vec<_> = rule.overrides.iter().map(|(who, limit)| (Some(who), limit)).collect();
        clients.sort_by(|a, b| a.0.cmp(&b.0));
        let limits = own.chain(plans).chain(clients);
        Self {
            rule: rule.name.to_string(),
            key: rule.parts.iter().map(ToString::to_string).collect(),
            routes: rule.routes.iter().map(ToString::to_string).collect(),
            methods: rule.methods.iter().map(ToString::to_string).collect(),
            cost: rule.cost.get(),
            limits: limits.map(|(of, limit)| LimitView::new(of, limit, rule.cost.get())).collect(),
            concurrent: rule.concurrent.map(|concurrent| concurrent.most.get()),
            block: rule.block.as_ref().map(|block| BlockView {
                after: block.after().get(),
                within_s: block.within().as_secs_f64(),
                for_s: block.period().as_secs_f64(),
            }),
            missing: match rule.missing {
                Missing::Skip => "skip",
                Missing::Shared => "shared",
                Missing::Refuse => "refuse",
            },
            on_failure: match rule.on_failure {
                OnFailure::Open => "open",
                OnFailure::Closed => "closed",
                OnFailure::Local => "local",
            },
            watch: match rule.watch {
                Watch::Nothing => None,
                Watch::Keys => Some("keys"),
                Watch::Login => Some("login"),
            },
            shadow: rule.shadow,
            multiplied_by: multiplied_by(rule),
        }
    }
}

impl LimitView {
    fn new(of: Option<String>, limit: &Limit, cost: u32) -> Self {
        // What costs more than is ever admitted at once is never admitted, whatever the other windows say.
        let requests = |admitted: u64| if cost > limit.most_at_once() { 0 } else { admitted / u64::from(cost) };
        let window = |worst: Worst| WindowView {
            limit: worst.window.limit().get(),
            period_s: worst.window.period().as_secs_f64(),
            burst: worst.window.burst().get(),
            worst_alone: requests(worst.alone),
            worst: requests(worst.together),
            never_refuses: worst.behind.is_some(),
        };
        Self {
            of,
            algorithm: match limit.algorithm() {
                Algorithm::Gcra => "gcra",
                Algorithm::Sliding => "sliding",
            },
            at_once: limit.most_at_once() / cost,
            windows: limit.worst().into_iter().map(window).collect(),
        }
    }
}

/// What an attacker would have more of to get more of the limit.
fn multiplied_by(rule: &Rule) -> Vec<String> {
    let (v4, v6) = rule.prefixes.bits();
    let mut sentences: Vec<String> = (rule.parts.iter())
        .map(|part| match part {
            Part::User => "Each user has the limit: somebody with many accounts has it as often.".to_owned(),
            Part::Tenant => "Each tenant has the limit; its users share it.".to_owned(),
            Part::ApiKey => "Each API key has the limit: somebody who can make keys has it as often.".to_owned(),
            Part::Address => {
                let networks = 1_u64.checked_shl(u32::from(v6.saturating_sub(56))).filter(|_| v6 > 56 && v6 < 120);
                let of_home =
                    networks.map_or(String::new(), |count| format!(" A home with a /56 of IPv6 has {count} of them."));
                format!("Each address has the limit, by /{v4} of IPv4 and /{v6} of IPv6.{of_home}")
            }
            Part::Route => "Each route has the limit, by whatever text the service gives for it.".to_owned(),
            Part::Method => "Each method has the limit.".to_owned(),
            Part::Header(name) => {
                format!("Each value of the header `{name}` has the limit, and the client chooses it.")
            }
            Part::Claim(name) => format!("Each value of the claim `{name}` has the limit."),
            other => format!("Each {other} has the limit."),
        })
        .collect();
    if rule.parts.is_empty() {
        sentences.push("All requests share the limit.".to_owned());
    }
    if rule.parts.len() > 1 {
        sentences.push("Each combination of them counts apart.".to_owned());
    }
    match rule.missing {
        _ if rule.parts.is_empty() => {}
        Missing::Skip => sentences.push("Requests that lack one of them are not limited by this rule.".to_owned()),
        Missing::Shared => sentences.push("Requests that lack one of them share a limit.".to_owned()),
        Missing::Refuse => sentences.push("Requests that lack one of them are refused.".to_owned()),
    }
    sentences.push(match rule.on_failure {
        OnFailure::Open => "While the store does not answer, nothing is limited.".to_owned(),
        OnFailure::Closed => "While the store does not answer, everything is refused.".to_owned(),
        OnFailure::Local => "While the store does not answer, each process admits the limit by itself.".to_owned(),
    });
    sentences
}

/// Seconds as a duration that came from one.
pub(crate) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
