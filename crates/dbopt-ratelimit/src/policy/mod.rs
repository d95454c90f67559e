//! The policy `ratelimit`: rules in a file (feature `policy`).

mod read;
mod values;

use dbopt_policy::{Policy, Table};

use crate::{Prefixes, Rules, Trusted};

/// What the policy says.
#[derive(Clone, Debug)]
pub struct LimitPolicy {
    /// The rules, by name.
    pub rules: Rules,
    /// Where a client's address comes from; for [`crate::client_address`].
    pub client: Trusted,
    /// How much of an address is one client; the rules have it too.
    pub prefixes: Prefixes,
}

impl Policy for LimitPolicy {
    const KIND: &'static str = "ratelimit";
    const ABOUT: &'static str = "How many requests are admitted of whom, and what happens to the others.";

    fn read(table: &Table<'_>) -> Option<Self> {
        read::policy(table)
    }
}

#[cfg(test)]
mod tests;
