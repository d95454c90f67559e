//! The answer to a refused request: a problem of RFC 9457, or a status of gRPC.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
    request::Parts,
};

use super::{Headers, fields, grpc};
use crate::{Decision, Refusal, Why};

/// A refused request, with the answer that the client gets.
#[derive(Debug)]
pub struct Refused(Box<Inner>);

#[derive(Debug)]
struct Inner {
    decision: Decision,
    response: Response<Bytes>,
}

impl Refused {
    pub(super) fn new(decision: Decision, parts: &Parts, show: Headers) -> Self {
        let kind = Kind::of(decision.refusals());
        let mut headers = HeaderMap::new();
        fields::write(&decision, show, &mut headers);
        let text = match grpc::content_type(&parts.headers) {
            Some(content_type) => {
                headers.insert(CONTENT_TYPE, content_type.clone());
                grpc::write(kind.grpc(), &detail(&decision), decision.wait(), &mut headers);
                Bytes::new()
            }
            None => {
                headers.insert(CONTENT_TYPE, PROBLEM);
                problem(kind, &decision).into()
            }
        };
        let is_problem = !text.is_empty();
        let mut response = Response::new(text);
        *response.headers_mut() = headers;
        if is_problem {
            *response.status_mut() = kind.status();
        }
        Self(Box::new(Inner { decision, response }))
    }

    /// What was decided.
    pub fn decision(&self) -> &Decision {
        &self.0.decision
    }

    /// The answer.
    #[must_use]
    pub fn answer<B: From<Bytes>>(self) -> Response<B> {
        self.0.response.map(B::from)
    }
}

/// What kind of refusal it is; the last of them counts when there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Quota,
    Blocked,
    Unavailable,
    Denied,
    Missing,
}

impl Kind {
    fn of(refusals: &[Refusal]) -> Self {
        let of = |refusal: &Refusal| match refusal.why {
            Why::Window(_) | Why::Cost(_) | Why::Concurrent(_) => Self::Quota,
            Why::Blocked => Self::Blocked,
            Why::Unavailable => Self::Unavailable,
            Why::Denied => Self::Denied,
            Why::Missing(_) => Self::Missing,
        };
        refusals.iter().map(of).max().unwrap_or(Self::Quota)
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Quota | Self::Blocked => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Missing => StatusCode::BAD_REQUEST,
        }
    }

    /// The code of <https://grpc.io/docs/guides/status-codes/>.
    fn grpc(self) -> u8 {
        match self {
            Self::Quota | Self::Blocked => 8,
            Self::Unavailable => 14,
            Self::Denied => 7,
            Self::Missing => 3,
        }
    }

    /// The type and title of the draft's section on problem types; none for a problem that only its status tells.
    fn problem_type(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Quota => Some(("quota-exceeded", "Request cannot be satisfied as assigned quota has been exceeded")),
            Self::Blocked => {
                Some(("abnormal-usage-detected", "Request not satisfied due to detection of abnormal request pattern"))
            }
            Self::Unavailable => Some((
                "temporary-reduced-capacity",
                "Request cannot be satisfied due to temporary server capacity constraints",
            )),
            Self::Denied | Self::Missing => None,
        }
    }
}

/// The problem as JSON, in the order in which RFC 9457 names the members.
fn problem(kind: Kind, decision: &Decision) -> String {
    let status = kind.status();
    let mut text = match kind.problem_type() {
        Some((name, title)) => {
            format!(r#"{{"type":"https://iana.org/assignments/http-problem-types#{name}","title":"{title}""#)
        }
        None => format!(r#"{{"type":"about:blank","title":"{}""#, status.canonical_reason().unwrap_or_default()),
    };
    // A string takes whatever is written to it.
    let _ = write!(text, r#","status":{},"detail":{}"#, status.as_u16(), json(&detail(decision)));
    if kind.problem_type().is_some() {
        let policies: Vec<String> = violated(decision).iter().map(|policy| json(policy)).collect();
        let _ = write!(text, r#","violated-policies":[{}]"#, policies.join(","));
    }
    text.push('}');
    text
}

fn detail(decision: &Decision) -> String {
    decision.refusals().iter().map(Refusal::to_string).collect::<Vec<_>>().join("; ")
}

/// The names of the policies that refuse, as in the field `RateLimit-Policy`.
fn violated(decision: &Decision) -> Vec<String> {
    let name = |refusal: &Refusal| {
        let rule = refusal.rule.as_ref()?;
        let counted = decision.counted().iter().find(|counted| counted.rule == *rule);
        Some(match (&refusal.why, counted) {
            (Why::Window(window) | Why::Cost(window), Some(counted)) => fields::policy(rule, &counted.limit, window),
            _ => rule.to_string(),
        })
    };
    decision.refusals().iter().filter_map(name).collect()
}

/// A string of JSON (RFC 8259, section 7).
fn json(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..='\x1f' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(json("a\"b\\c\nd é"), "\"a\\\"b\\\\c\\u000ad é\"");
    }
}
