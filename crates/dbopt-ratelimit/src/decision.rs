//! What became of a request.

use std::{
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{Key, Limit, Part, Permits, Wait, Window, WindowState, WindowStates};

/// What became of a request. It holds the request's places under limits of concurrent requests, and gives them back when it
/// is dropped: keep it until the request has been answered.
#[derive(Debug)]
#[must_use = "a refused request is to be turned away, and an admitted one holds its places only as long as this lives"]
pub struct Decision {
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) counted: Vec<Counted>,
    pub(crate) shadow: Vec<Shadow>,
    pub(crate) permits: Permits,
    /// Whether it was refunded.
    pub(crate) given_back: AtomicBool,
}

/// Why a rule refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule; none for the list of who is refused by all rules.
    pub rule: Option<Arc<str>>,
    /// Why.
    pub why: Why,
    /// How long to wait for this rule; [`Wait::None`] when that is not known.
    pub wait: Wait,
}

/// Why a rule refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// A window is used up.
    Window(Window),
    /// It costs more than the window ever admits at once.
    Cost(Window),
    /// It was refused too often before.
    Blocked,
    /// It is on the list of those who are refused.
    Denied,
    /// It lacks a part that the rule counts by.
    Missing(Part),
    /// So many are running already.
    Concurrent(NonZeroU32),
    /// The store does not answer, and the rule is closed then.
    Unavailable,
}

/// What a rule counted of a request, or would have counted of a refused one.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// The rule.
    pub rule: Arc<str>,
    /// Whom it counts.
    pub key: Key,
    /// The limit that holds for them.
    pub limit: Arc<Limit>,
    /// What the request costs.
    pub cost: u32,
    /// What remains, in the order of [`Limit::windows`].
    pub windows: WindowStates,
    pub(crate) by: Source,
}

/// What a rule in shadow mode would have done.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    /// What it counted; none when it counted nothing.
    pub counted: Option<Counted>,
    /// Why it would have refused; empty when it would not.
    pub refusals: Vec<Refusal>,
}

/// Who counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Store,
    Local,
}

impl Decision {
    /// Whether the request may go on.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.refusals.is_empty()
    }

    /// Why it may not; empty when it may.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// The longest wait of all refusals. None for an admitted request, and when nobody knows.
    #[must_use]
    pub fn wait(&self) -> Wait {
        self.refusals.iter().map(|refusal| refusal.wait).max().unwrap_or(Wait::None)
    }

    /// The rules that counted it, with what remains.
    #[must_use]
    pub fn counted(&self) -> &[Counted] {
        &self.counted
    }

    /// The rules in shadow mode. They are asked only of what the other rules admit.
    #[must_use]
    pub fn shadow(&self) -> &[Shadow] {
        &self.shadow
    }

    /// The places it holds, to be kept by something that lives longer than this.
    pub fn into_permits(self) -> Permits {
        self.permits
    }
}

impl Counted {
    /// The window with the least remaining, with its state: the one to tell the client of when there is room for one.
    #[must_use]
    pub fn tightest(&self) -> Option<(&Window, &WindowState)> {
        self.limit.windows().iter().zip(&self.windows).min_by_key(|(_, state)| state.remaining)
    }
}

/// `` rule `ml`: 100/60s is used up ``
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.rule {
            Some(rule) => write!(f, "rule `{rule}`: {}", self.why),
            None => self.why.fmt(f),
        }
    }
}

/// A fragment that reads after the name of the rule.
impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Window(window) => write!(f, "{window} is used up"),
            Self::Cost(window) => write!(f, "the request costs more than {window} ever admits at once"),
            Self::Blocked => f.write_str("blocked after repeated refusal"),
            Self::Denied => f.write_str("denied by a list"),
            Self::Missing(part) => write!(f, "the request has no {part}"),
            Self::Concurrent(most) => write!(f, "{most} are running already"),
            Self::Unavailable => f.write_str("the store of the limits does not answer"),
        }
    }
}
