//! The fields `RateLimit-Policy`, `RateLimit` and `Retry-After`, and the older `X-RateLimit-…`.
//!
//! Written after draft-ietf-httpapi-ratelimit-headers-10 (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/>).
//! A rule's name has no character that a string of RFC 9651 would have to escape, and no slash, so that the name of a
//! policy is that of one window only.

use std::{fmt::Write as _, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{Entry, RETRY_AFTER},
};

use crate::{Algorithm, Counted, Decision, Limit, Wait, Window, WindowState};

/// Which fields tell a client of its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Headers {
    /// None; only a refusal says when to come again.
    None,
    /// `RateLimit-Policy` and `RateLimit`.
    #[default]
    Draft,
    /// These, and `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (in seconds from now) of the one window
    /// that is nearest to refusing.
    DraftAndOlder,
}

/// Tells of a decision.
pub(super) fn write(decision: &Decision, show: Headers, headers: &mut HeaderMap) {
    if let Wait::For(wait) = decision.wait() {
        headers.insert(RETRY_AFTER, seconds(wait).into());
    }
    if show == Headers::None || decision.counted().is_empty() {
        return;
    }
    let (mut policies, mut limits) = (String::new(), String::new());
    for (counted, window, state) in windows(decision) {
        let separator = if policies.is_empty() { "" } else { ", " };
        let name = policy(&counted.rule, &counted.limit, window);
        // A string takes whatever is written to it. A window of less than a second is told as one of a second: less than there is.
        let (limit, period) = (window.limit(), seconds(window.period()));
        let _ = write!(policies, "{separator}\"{name}\";q={limit};w={period}");
        let _ = write!(limits, "{separator}\"{name}\";r={}", state.remaining);
        if let Some(more_in) = more_in(decision, counted, window, state) {
            let _ = write!(limits, ";t={more_in}");
        }
    }
    // A list may stand in several fields, so that another layer further inside can tell of its limits too.
    for (name, value) in [(POLICY, policies), (LIMIT, limits)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(name, value);
        }
    }
    if show == Headers::DraftAndOlder {
        write_older(decision, headers);
    }
}

fn write_older(decision: &Decision, headers: &mut HeaderMap) {
    let nearest = windows(decision).min_by_key(|(_, _, state)| (std::cmp::Reverse(state.wait), state.remaining));
    let Some((counted, window, state)) = nearest else { return };
    let reset = more_in(decision, counted, window, state).unwrap_or(0);
    let values = [window.limit().get().into(), state.remaining.into(), reset];
    for (name, value) in OLDER.into_iter().zip(values) {
        if let Entry::Vacant(entry) = headers.entry(name) {
            entry.insert(value.into());
        }
    }
}

/// The name of the policy that a window is.
pub(super) fn policy(rule: &str, limit: &Limit, window: &Window) -> String {
    if limit.windows().len() == 1 { rule.to_owned() } else { format!("{rule}/{:?}", window.period()) }
}

/// Seconds, rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// In how many seconds a window has more; none when it lacks nothing, or nobody knows.
fn more_in(decision: &Decision, counted: &Counted, window: &Window, state: &WindowState) -> Option<u64> {
    match state.wait {
        Wait::For(wait) => return Some(seconds(wait)),
        Wait::Never => return None,
        Wait::None => {}
    }
    // Next to a Retry-After that is sooner this would be read as a contradiction.
    if !decision.is_admitted() || state.full_in.is_zero() {
        return None;
    }
    let more_in = match counted.limit.algorithm() {
        Algorithm::Gcra => {
            // All that is used comes back one by one, and the last when the window is full.
            let used = window.burst().get().saturating_sub(state.remaining);
            let interval = Duration::from_nanos(window.interval().as_u64());
            state.full_in.saturating_sub(interval.saturating_mul(used.saturating_sub(1)))
        }
        Algorithm::Sliding => state.full_in,
    };
    Some(seconds(more_in).max(1))
}

fn windows(decision: &Decision) -> impl Iterator<Item = (&Counted, &Window, &WindowState)> {
    decision.counted().iter().flat_map(|counted| {
        let windows = counted.limit.windows().iter().zip(&counted.windows);
        windows.map(move |(window, state)| (counted, window, state))
    })
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const OLDER: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_up() {
        let of = |nanos| seconds(Duration::from_nanos(nanos));
        assert_eq!([0, 1, 1_000_000_000, 1_000_000_001].map(of), [0, 1, 1, 2]);
    }
}
