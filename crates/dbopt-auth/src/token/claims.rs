//! What a token says, read strictly.

use serde_json::{Map, Value};

use super::Reason;

/// Longest subject, identifier, role and so on, in bytes.
const LONGEST_NAME: usize = 256;
/// Most roles and audiences of a token.
const MOST_NAMES: usize = 64;
/// Names of claims that [`Claims`] has fields for.
const KNOWN: [&str; 10] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "tenant", "roles", "epoch"];

/// Whom a token is for, and what they may do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grant {
    /// The user or service, `sub`.
    pub subject: String,
    /// Whose data they see, `tenant`.
    pub tenant: Option<String>,
    /// The names of their roles, `roles`.
    pub roles: Vec<String>,
}

impl Grant {
    /// For a subject, without tenant or roles.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), ..Self::default() }
    }

    /// With these roles.
    #[must_use]
    pub fn roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Of this tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Whether a token can carry it.
    pub(super) fn check(&self) -> Result<(), Reason> {
        let names = [("sub", Some(&self.subject)), ("tenant", self.tenant.as_ref())];
        for (claim, name) in names {
            if name.is_some_and(|name| !is_name(name)) {
                return Err(Reason::ClaimForm(claim));
            }
        }
        let roles = self.roles.len() <= MOST_NAMES && self.roles.iter().all(|role| is_name(role));
        if roles { Ok(()) } else { Err(Reason::ClaimForm("roles")) }
    }
}

/// The claims of a token (RFC 7519, section 4.1). Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// Who issued it, `iss`.
    pub issuer: String,
    /// Which services it is for, `aud`.
    pub audiences: Vec<String>,
    /// Whom it is for and what they may do: `sub`, `tenant`, `roles`.
    pub grant: Grant,
    /// Its own name, `jti`.
    pub id: String,
    /// When it was issued, `iat`.
    pub issued: u64,
    /// From when on it is valid, `nbf`.
    pub not_before: Option<u64>,
    /// Until when it is valid, `exp`.
    pub expires: u64,
    /// What was the subject's epoch when it was issued, `epoch`: see [`super::Sessions`].
    pub epoch: Option<u64>,
    /// All other claims.
    pub other: Map<String, Value>,
}

impl Claims {
    /// Reads claims; all that have to be there are.
    pub(super) fn read(mut claims: Map<String, Value>) -> Result<Self, Reason> {
        let issuer = name(&claims, "iss")?.ok_or(Reason::MissingClaim("iss"))?;
        let audiences = match claims.get("aud") {
            None => return Err(Reason::MissingClaim("aud")),
            Some(Value::String(_)) => name(&claims, "aud")?.into_iter().collect(),
            Some(value) => names("aud", value)?,
        };
        let expires = time(&claims, "exp")?.ok_or(Reason::MissingClaim("exp"))?;
        let issued = time(&claims, "iat")?.ok_or(Reason::MissingClaim("iat"))?;
        let not_before = time(&claims, "nbf")?;
        let subject = name(&claims, "sub")?.ok_or(Reason::MissingClaim("sub"))?;
        let id = name(&claims, "jti")?.ok_or(Reason::MissingClaim("jti"))?;
        let tenant = name(&claims, "tenant")?;
        let roles = claims.get("roles").map(|value| names("roles", value)).transpose()?.unwrap_or_default();
        let epoch = match claims.get("epoch") {
            None => None,
            Some(value) => Some(value.as_u64().ok_or(Reason::ClaimForm("epoch"))?),
        };
        claims.retain(|name, _| !KNOWN.contains(&name.as_str()));
        let grant = Grant { subject, tenant, roles };
        Ok(Self { issuer, audiences, grant, id, issued, not_before, expires, epoch, other: claims })
    }

    /// As they stand in a token.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut claims = self.other.clone();
        claims.insert("iss".to_owned(), self.issuer.clone().into());
        claims.insert("sub".to_owned(), self.grant.subject.clone().into());
        let audience = match self.audiences.as_slice() {
            [one] => one.clone().into(),
            several => several.into(),
        };
        claims.insert("aud".to_owned(), audience);
        claims.insert("exp".to_owned(), self.expires.into());
        claims.insert("iat".to_owned(), self.issued.into());
        claims.insert("jti".to_owned(), self.id.clone().into());
        let mut optional = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value);
            }
        };
        optional("nbf", self.not_before.map(Value::from));
        optional("tenant", self.grant.tenant.clone().map(Value::from));
        optional("roles", (!self.grant.roles.is_empty()).then(|| self.grant.roles.clone().into()));
        optional("epoch", self.epoch.map(Value::from));
        claims
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn name(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<String>, Reason> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) if is_name(text) => Ok(Some(text.clone())),
        Some(_) => Err(Reason::ClaimForm(claim)),
    }
}

fn names(claim: &'static str, value: &Value) -> Result<Vec<String>, Reason> {
    let list = value.as_array().filter(|list| list.len() <= MOST_NAMES).ok_or(Reason::ClaimForm(claim))?;
    let read = list.iter().map(|item| item.as_str().filter(|text| is_name(text)).map(str::to_owned));
    read.collect::<Option<_>>().ok_or(Reason::ClaimForm(claim))
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction.
fn time(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<u64>, Reason> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    if let Some(seconds) = value.as_u64() {
        return Ok(Some(seconds));
    }
    match value.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float that is too large becomes the largest number"
        )]
        Some(seconds) if seconds >= 0.0 => Ok(Some(seconds as u64)),
        _ => Err(Reason::ClaimForm(claim)),
    }
}
