//! Requests of persons, as they leave the program. Persons are pseudonyms.

use dbopt_gdpr::{
    RequestRule,
    request::{Answer, Done, Request, today},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;

/// A request, as `dbopt gdpr request` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr request")]
pub(crate) struct OneRequestView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The request.
    #[serde(flatten)]
    pub(crate) request: RequestView,
}

impl OneRequestView {
    pub(crate) fn new(request: RequestView) -> Self {
        Self { schema_version: SCHEMA_VERSION, request }
    }
}

/// A request.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct RequestView {
    /// Its number, which is that of its audit record.
    pub(crate) id: u64,
    /// The person, as an HMAC under the policy's key.
    pub(crate) subject: String,
    /// As what, by the policy's name.
    pub(crate) rule: String,
    /// What is asked for: `access`, `rectification`, `erasure`, `restriction`, `portability`, `objection` or `automated-decision`.
    pub(crate) kind: String,
    /// The day on which it came.
    pub(crate) received: String,
    /// The last day for an answer.
    pub(crate) due: String,
    /// How many days are left until then: 0 on the day itself, and less than 0 afterwards. Absent of a closed request.
    pub(crate) days_left: Option<i32>,
    /// When the person was told that it takes longer, by RFC 3339.
    pub(crate) extended_at: Option<String>,
    /// Why it takes longer.
    pub(crate) extension_reason: Option<String>,
    /// When it was closed, by RFC 3339.
    pub(crate) closed_at: Option<String>,
    /// `done`, `refused` or `withdrawn`.
    pub(crate) outcome: Option<String>,
    /// Why it ended so.
    pub(crate) outcome_reason: Option<String>,
    /// Whether it was closed after its day. Absent of an open request.
    pub(crate) late: Option<bool>,
    /// What was recorded for the person since the request came.
    pub(crate) answers: Vec<AnswerView>,
}

/// What was recorded for a person.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct AnswerView {
    /// The number of the audit record.
    pub(crate) record: u64,
    /// When, by RFC 3339.
    pub(crate) at: String,
    /// `export` or `erasure`.
    pub(crate) what: String,
    /// Of an export, the article that it answers: 15 or 20.
    pub(crate) article: Option<u64>,
    /// Whether it is what the request asks for.
    pub(crate) answers: bool,
}

impl RequestView {
    pub(crate) fn new(request: &Request, calendar: &RequestRule, now: Timestamp) -> Self {
        let due = request.due(calendar);
        let days = |at: Timestamp| (due - today(calendar, at)).get_days();
        let closed = request.closed.as_ref();
        Self {
            id: request.id,
            subject: request.subject.clone(),
            rule: request.rule.clone(),
            kind: request.right.name().to_owned(),
            received: request.received.to_string(),
            due: due.to_string(),
            days_left: closed.is_none().then(|| days(now)),
            extended_at: request.extended.as_ref().map(|(at, _)| at.to_string()),
            extension_reason: request.extended.as_ref().map(|(_, reason)| reason.clone()),
            closed_at: closed.map(|closed| closed.at.to_string()),
            outcome: closed.map(|closed| closed.outcome.name().to_owned()),
            outcome_reason: closed.and_then(|closed| closed.reason.clone()),
            late: closed.map(|closed| days(closed.at) < 0),
            answers: request.answers.iter().map(|answer| AnswerView::new(request, answer)).collect(),
        }
    }
}

impl AnswerView {
    fn new(request: &Request, answer: &Answer) -> Self {
        let (what, article) = match answer.done {
            Done::Export { article } => ("export", Some(article)),
            Done::Erasure => ("erasure", None),
            _ => ("other", None),
        };
        Self {
            record: answer.record,
            at: answer.at.to_string(),
            what: what.to_owned(),
            article,
            answers: request.right.is_answered_by(answer.done) == Some(true),
        }
    }
}

/// What `dbopt gdpr status` found.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr status")]
pub(crate) struct GdprStatusView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The day of today, in the policy's zone.
    pub(crate) today: String,
    /// How many days before its day a request counts as due soon.
    pub(crate) within_days: i32,
    /// How many requests are open.
    pub(crate) open: usize,
    /// How many of them should have been answered.
    pub(crate) overdue: usize,
    /// How many others are due soon.
    pub(crate) due_soon: usize,
    /// The day of the open request that is to be answered first.
    pub(crate) next_due: Option<String>,
    /// The requests: open ones by their days, then closed ones by their numbers.
    pub(crate) requests: Vec<RequestView>,
    /// Audit records of requests that say nothing known.
    pub(crate) strange: Vec<u64>,
}

impl GdprStatusView {
    pub(crate) fn new(
        requests: &[Request],
        strange: Vec<u64>,
        calendar: &RequestRule,
        now: Timestamp,
        within_days: i32,
    ) -> Self {
        let mut requests: Vec<RequestView> =
            requests.iter().map(|request| RequestView::new(request, calendar, now)).collect();
        // Days of four digits are in the order of their texts.
        requests.sort_by_key(|request| {
            (request.days_left.is_none(), request.days_left.map(|_| request.due.clone()), request.id)
        });
        let left = || requests.iter().filter_map(|request| request.days_left);
        Self {
            schema_version: SCHEMA_VERSION,
            today: today(calendar, now).to_string(),
            within_days,
            open: left().count(),
            overdue: left().filter(|days| *days < 0).count(),
            due_soon: left().filter(|days| (0..=within_days).contains(days)).count(),
            next_due: requests.iter().find(|request| request.days_left.is_some()).map(|request| request.due.clone()),
            requests,
            strange,
        }
    }
}
