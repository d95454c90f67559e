//! What a token says, as it leaves the program.

use dbopt_auth::{Decision, Inspected, Reason};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::SCHEMA_VERSION;

/// What `dbopt token verify` and `dbopt token inspect` answer. The token itself is not in it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt token")]
pub(crate) struct TokenView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Whether it is right; none when that was not looked at.
    pub(crate) verified: Option<bool>,
    /// Why it was refused, a name in kebab-case.
    pub(crate) reason: Option<String>,
    /// The same in words.
    pub(crate) message: Option<String>,
    /// Its header, of a text that has the form of a token.
    pub(crate) header: Option<Map<String, Value>>,
    /// Its claims.
    pub(crate) claims: Option<Map<String, Value>>,
    /// Whether it gives the permission that was asked for.
    pub(crate) decision: Option<DecisionView>,
}

/// Whether something is allowed, and why.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct DecisionView {
    /// The permission.
    pub(crate) permission: String,
    /// The tenant that it is asked for, if one was named.
    pub(crate) tenant: Option<String>,
    /// Whether it is allowed.
    pub(crate) allowed: bool,
    /// Why, in words.
    pub(crate) why: String,
}

impl TokenView {
    /// The view of a token that was not looked at further.
    pub(crate) fn new(inspected: &Option<Inspected>) -> Self {
        let parts = inspected.as_ref().map(|inspected| (inspected.header.clone(), inspected.claims.clone()));
        let (header, claims) = parts.unzip();
        Self {
            schema_version: SCHEMA_VERSION,
            verified: None,
            reason: None,
            message: None,
            header,
            claims,
            decision: None,
        }
    }

    /// That it was refused.
    pub(crate) fn refused(&mut self, reason: Reason) {
        self.reason = Some(reason.code().to_owned());
        self.message = Some(reason.to_string());
    }
}

impl DecisionView {
    /// The view of a decision.
    pub(crate) fn new(permission: &str, tenant: Option<&str>, decision: &Decision) -> Self {
        Self {
            permission: permission.to_owned(),
            tenant: tenant.map(str::to_owned),
            allowed: decision.is_allowed(),
            why: decision.to_string(),
        }
    }
}
