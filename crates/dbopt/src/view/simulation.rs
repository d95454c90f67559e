//! What rate limits would have done with a sample of traffic, as it leaves the program.

use dbopt_finding::Finding;
use dbopt_ratelimit::{
    LimitPolicy,
    traffic::{Simulation, Traffic},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView};

/// What `dbopt limits simulate` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt limits simulation")]
pub(crate) struct SimulationView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The policy's file as given.
    pub(crate) policy: String,
    /// The sample's file as given.
    pub(crate) traffic: String,
    /// How it was read: `access log` or `CSV`.
    pub(crate) traffic_format: String,
    /// Lines or rows that are no request.
    pub(crate) unread: u64,
    /// First and last request, ISO 8601 in UTC.
    pub(crate) period: Option<(String, String)>,
    /// Requests.
    pub(crate) requests: u64,
    /// Those that would have been admitted.
    pub(crate) admitted: u64,
    /// Those that would have been refused.
    pub(crate) refused: u64,
    /// The rules by name.
    pub(crate) rules: Vec<RuleOutcomeView>,
    /// Who would have been refused, most first; as many as `--top` says.
    pub(crate) clients: Vec<ClientView>,
    /// Clients in all that would have been refused.
    pub(crate) client_count: usize,
    /// The time in equal parts.
    pub(crate) timeline: Vec<BucketView>,
    /// Blocks and suspicious activity, in order; as many as `--top` says.
    pub(crate) happenings: Vec<HappeningView>,
    /// How many of those there would have been.
    pub(crate) happening_count: u64,
    /// Rules whose bound on how many run at once a sample cannot show.
    pub(crate) not_simulated: Vec<String>,
    /// What was not read.
    pub(crate) findings: Vec<FindingView>,
}

/// What a rule would have done.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct RuleOutcomeView {
    /// The rule.
    pub(crate) rule: String,
    /// Whether it is in shadow mode, so that it refused nothing.
    pub(crate) shadow: bool,
    /// Requests that it was asked about.
    pub(crate) asked: u64,
    /// Those that it refused, or would have if it were not in shadow mode.
    pub(crate) refused: u64,
    /// Clients that it refused.
    pub(crate) clients: usize,
    /// Blocks that it began.
    pub(crate) blocks: u64,
    /// The first time that it refused.
    pub(crate) first: Option<String>,
}

/// What a rule would have done to one client.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ClientView {
    /// The rule; absent for the list of who is refused by all rules.
    pub(crate) rule: Option<String>,
    /// Whether the rule is in shadow mode.
    pub(crate) shadow: bool,
    /// The client as the rule counts; an API key is a hash.
    pub(crate) who: String,
    /// How often it was refused.
    pub(crate) refused: u64,
    /// The first time.
    pub(crate) first: String,
    /// The line of that request in the sample.
    pub(crate) first_line: u64,
    /// The last time.
    pub(crate) last: String,
    /// Why, with how often, the most frequent first.
    pub(crate) reasons: Vec<ReasonView>,
}

/// A reason.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ReasonView {
    /// In words.
    pub(crate) why: String,
    /// How often.
    pub(crate) count: u64,
}

/// A part of the time.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct BucketView {
    /// When it begins.
    pub(crate) from: String,
    /// Requests admitted.
    pub(crate) admitted: u64,
    /// Requests refused.
    pub(crate) refused: u64,
}

/// A block or suspicious activity.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct HappeningView {
    /// When.
    pub(crate) at: String,
    /// What.
    pub(crate) what: String,
}

impl SimulationView {
    /// The view of a simulation.
    pub(crate) fn new(
        file: &str,
        name: &str,
        policy: &LimitPolicy,
        sample: &Traffic,
        simulation: &Simulation,
        top: usize,
        findings: &[Finding],
    ) -> Self {
        let bounds = policy.rules.as_slice().iter().filter(|rule| rule.concurrent.is_some());
        Self {
            schema_version: SCHEMA_VERSION,
            policy: file.to_owned(),
            traffic: name.to_owned(),
            traffic_format: sample.format.to_string(),
            unread: sample.unread_count,
            period: simulation.period.map(|(first, last)| (first.to_string(), last.to_string())),
            requests: simulation.requests,
            admitted: simulation.admitted,
            refused: simulation.refused(),
            rules: simulation
                .rules
                .iter()
                .map(|rule| RuleOutcomeView {
                    rule: rule.rule.to_string(),
                    shadow: rule.shadow,
                    asked: rule.asked,
                    refused: rule.refused,
                    clients: rule.clients,
                    blocks: rule.blocks,
                    first: rule.first.map(|first| first.to_string()),
                })
                .collect(),
            clients: simulation.clients.iter().take(top).map(ClientView::new).collect(),
            client_count: simulation.client_count,
            timeline: simulation
                .timeline
                .iter()
                .map(|bucket| BucketView {
                    from: bucket.from.to_string(),
                    admitted: bucket.admitted,
                    refused: bucket.refused,
                })
                .collect(),
            happenings: simulation
                .happenings
                .iter()
                .take(top)
                .map(|happening| HappeningView { at: happening.at.to_string(), what: happening.what.clone() })
                .collect(),
            happening_count: simulation.happening_count,
            not_simulated: bounds.map(|rule| rule.name.to_string()).collect(),
            findings: findings.iter().map(FindingView::from).collect(),
        }
    }
}

impl ClientView {
    fn new(client: &dbopt_ratelimit::traffic::ClientOutcome) -> Self {
        Self {
            rule: client.rule.as_ref().map(ToString::to_string),
            shadow: client.shadow,
            who: client.who.clone(),
            refused: client.refused,
            first: client.first.to_string(),
            first_line: client.first_line,
            last: client.last.to_string(),
            reasons: client.reasons.iter().map(|(why, count)| ReasonView { why: why.clone(), count: *count }).collect(),
        }
    }
}
