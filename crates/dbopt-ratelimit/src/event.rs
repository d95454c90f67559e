//! What the limiter has to tell: to a subscriber, and as events of [`tracing`].
//!
//! An event names rules, keyed hashes and, where an operator has to act on them, addresses and users. It never holds an
//! API key, a header, a claim or a tenant.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use crate::{Key, OnFailure, Wait, decision::Why};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A request was refused, or would have been by a rule in shadow mode.
    Refused {
        /// The rule; none for the list of who is refused by all rules.
        rule: Option<Arc<str>>,
        /// Whom it counts, when it got as far as that.
        key: Option<Key>,
        /// The client's address.
        address: Option<IpAddr>,
        /// Why.
        why: Why,
        /// How long to wait.
        wait: Wait,
        /// Whether the rule is in shadow mode, so that nothing was refused.
        shadow: bool,
    },
    /// A key is kept out for a while, after repeated refusal.
    Blocked {
        /// The rule.
        rule: Arc<str>,
        /// Whom it counts.
        key: Key,
        /// The client's address.
        address: Option<IpAddr>,
        /// For how long.
        period: Duration,
        /// Whether the rule is in shadow mode, so that nobody is kept out.
        shadow: bool,
    },
    /// Somebody does what an attacker would do.
    Suspicious {
        /// The rule that was watched.
        rule: Arc<str>,
        /// What.
        suspicion: Suspicion,
    },
    /// The store does not answer, and a rule goes over to what it does then.
    Failed {
        /// The rule.
        rule: Arc<str>,
        /// What it does until the store answers again.
        on_failure: OnFailure,
        /// What the store said.
        error: Arc<str>,
    },
    /// The store answers again, and a rule counts there as before.
    Recovered {
        /// The rule.
        rule: Arc<str>,
    },
    /// The store has no room for a new key. Told once in ten seconds at most.
    Full,
    /// The rules were replaced.
    Replaced {
        /// How many there are now.
        rules: usize,
    },
}

/// What an attacker would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suspicion {
    /// One key was refused again and again.
    Refusals {
        /// The key.
        key: Key,
        /// The address of the last request.
        address: Option<IpAddr>,
        /// How often, since the watch began.
        count: u32,
    },
    /// Many keys came from one address.
    ManyKeys {
        /// The address, or the network that counts as one.
        address: crate::Network,
        /// How many.
        count: u32,
    },
    /// Many users were tried from one address.
    ManyUsers {
        /// The address, or the network that counts as one.
        address: crate::Network,
        /// How many.
        count: u32,
    },
    /// One user was tried from many addresses.
    ManyAddresses {
        /// The user, as the request names them: who is to be warned.
        user: Arc<str>,
        /// How many.
        count: u32,
    },
}

/// Is told what happens, in the middle of a check: it must not wait for anything.
pub trait Subscriber: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Subscriber for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

impl Event {
    /// Tells `tracing`: refusals at `DEBUG`, since an attacker makes as many of them as it likes, what an operator should know at
    /// `WARN`, and the rest at `INFO`.
    pub(crate) fn trace(&self) {
        match self {
            Self::Refused { .. } => tracing::debug!(target: TARGET, "{self}"),
            Self::Blocked { .. } | Self::Suspicious { .. } | Self::Failed { .. } | Self::Full => {
                tracing::warn!(target: TARGET, "{self}");
            }
            Self::Recovered { .. } | Self::Replaced { .. } => tracing::info!(target: TARGET, "{self}"),
        }
    }
}

const TARGET: &str = "dbopt_ratelimit";

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = |f: &mut fmt::Formatter<'_>, address: &Option<IpAddr>| match address {
            Some(address) => write!(f, " from {address}"),
            None => Ok(()),
        };
        let shadow = |f: &mut fmt::Formatter<'_>, shadow: &bool| f.write_str(if *shadow { " (shadow)" } else { "" });
        match self {
            Self::Refused { rule, key, address, why, wait: _, shadow: is_shadow } => {
                match rule {
                    Some(rule) => write!(f, "rule `{rule}` refused a request")?,
                    None => f.write_str("a request was refused")?,
                }
                if let Some(key) = key {
                    write!(f, " of {key}")?;
                }
                from(f, address)?;
                write!(f, ": {why}")?;
                shadow(f, is_shadow)
            }
            Self::Blocked { rule, key, address, period, shadow: is_shadow } => {
                write!(f, "rule `{rule}` blocks {key}")?;
                from(f, address)?;
                write!(f, " for {period:?}")?;
                shadow(f, is_shadow)
            }
            Self::Suspicious { rule, suspicion } => write!(f, "rule `{rule}`: {suspicion}"),
            Self::Failed { rule, on_failure, error } => {
                let then = match on_failure {
                    OnFailure::Open => "admits everything",
                    OnFailure::Closed => "refuses everything",
                    OnFailure::Local => "counts in this process",
                };
                write!(f, "rule `{rule}` {then}, because the store does not answer: {error}")
            }
            Self::Recovered { rule } => write!(f, "rule `{rule}` counts in the store again"),
            Self::Full => f.write_str("the store of the limits is full"),
            Self::Replaced { rules } => write!(f, "the rules were replaced; there are {rules}"),
        }
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refusals { key, address: Some(address), count } => {
                write!(f, "{count} refusals of {key}, the last from {address}")
            }
            Self::Refusals { key, address: None, count } => write!(f, "{count} refusals of {key}"),
            Self::ManyKeys { address, count } => write!(f, "{count} keys from {address}"),
            Self::ManyUsers { address, count } => write!(f, "{count} users tried from {address}"),
            // Who was attacked is for the subscriber, not for a log that many may read.
            Self::ManyAddresses { user: _, count } => write!(f, "one user tried from {count} addresses"),
        }
    }
}
