//! Issuing and verifying tokens: JWTs that are signed (RFC 7519, RFC 7515), by the advice of RFC 8725.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};

use super::{Claims, Grant, KeySet, Reason, Refused, json, key::is_key_name};

/// Which tokens are issued and accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    /// Who issues them, `iss`.
    pub issuer: String,
    /// The service they are for, which has to be one of `aud`.
    pub audience: String,
    /// What kind they are, `typ`; `at+jwt` is that of access tokens (RFC 9068, section 2.1).
    pub kind: String,
    /// How long a new one is valid.
    pub lifetime: Duration,
    /// How long any may be valid.
    pub longest: Duration,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// The most bytes of one.
    pub most_bytes: usize,
}

impl TokenConfig {
    /// Access tokens of 15 minutes, accepted for an hour at most, with 30 s of leeway and up to 8 KiB.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            kind: "at+jwt".to_owned(),
            lifetime: Duration::from_secs(15 * 60),
            longest: Duration::from_secs(60 * 60),
            leeway: Duration::from_secs(30),
            most_bytes: 8 * 1024,
        }
    }
}

/// Why no token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// No key signs.
    #[error("there is no key that signs")]
    NoKey,
    /// The grant has a name that no token can carry.
    #[error("the grant cannot be issued: {0}")]
    Grant(Reason),
    /// The token would be longer than is accepted.
    #[error("the token would be too long")]
    TooLong,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
    /// The store of sessions did not answer.
    #[error("the store of sessions did not answer")]
    NoStore,
}

/// A token that was verified, and nothing else can be: what a permission check takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified(Claims);

impl Verified {
    /// What it says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.0
    }

    /// Whom it is for.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.0.grant
    }
}

/// Issues and verifies tokens, by a policy and with keys that can be changed while it works.
///
/// It knows nothing of revocation, which [`super::Sessions`] adds.
#[derive(Debug)]
pub struct Tokens {
    config: TokenConfig,
    keys: ArcSwap<KeySet>,
}

impl Tokens {
    /// With these keys.
    #[must_use]
    pub fn new(config: TokenConfig, keys: KeySet) -> Self {
        Self { config, keys: ArcSwap::from_pointee(keys) }
    }

    /// The policy.
    #[must_use]
    pub const fn config(&self) -> &TokenConfig {
        &self.config
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> Arc<KeySet> {
        self.keys.load_full()
    }

    /// Uses other keys from now on.
    pub fn replace_keys(&self, keys: KeySet) {
        self.keys.store(Arc::new(keys));
    }

    /// Issues a token.
    ///
    /// # Errors
    /// When there is no key that signs, or the grant does not fit a token.
    pub fn issue(&self, grant: &Grant, now: SystemTime) -> Result<(String, Claims), IssueError> {
        self.issue_in(grant, None, now)
    }

    pub(super) fn issue_in(
        &self,
        grant: &Grant,
        epoch: Option<u64>,
        now: SystemTime,
    ) -> Result<(String, Claims), IssueError> {
        grant.check().map_err(IssueError::Grant)?;
        let keys = self.keys.load();
        let key = keys.signing().filter(|key| !key.has_ended(now)).ok_or(IssueError::NoKey)?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| IssueError::Random)?;
        let issued = seconds(now);
        let claims = Claims {
            issuer: self.config.issuer.clone(),
            audiences: vec![self.config.audience.clone()],
            grant: grant.clone(),
            id: URL_SAFE_NO_PAD.encode(id),
            issued,
            not_before: None,
            expires: issued.saturating_add(self.config.lifetime.min(self.config.longest).as_secs()),
            epoch,
            other: Map::new(),
        };
        let header = Header {
            typ: Some(self.config.kind.clone()),
            kid: Some(key.id().to_owned()),
            ..Header::new(key.algorithm())
        };
        let encode = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
        let header = serde_json::to_vec(&header).expect("a header has a JSON form");
        let body = serde_json::to_vec(&claims.to_json()).expect("claims have a JSON form");
        let mut token = format!("{}.{}", encode(header), encode(body));
        let signature = key.sign(token.as_bytes()).ok_or(IssueError::Random)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > self.config.most_bytes { Err(IssueError::TooLong) } else { Ok((token, claims)) }
    }

    /// Verifies a token: its form, its key, its signature and then its claims.
    ///
    /// # Errors
    /// With what to tell the client, and what to log.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Verified, Refused> {
        Ok(Verified(self.check(token, now)?))
    }

    fn check(&self, token: &str, now: SystemTime) -> Result<Claims, Reason> {
        let parts = Parts::split(token, self.config.most_bytes)?;
        let header = json::object(&decode(parts.header)?)?;
        let algorithm = self.check_header(&header)?;
        let keys = self.keys.load();
        let key = match header.get("kid") {
            None => return Err(Reason::MissingKey),
            Some(Value::String(id)) if is_key_name(id) => keys.get(id).ok_or(Reason::UnknownKey)?,
            Some(_) => return Err(Reason::KeyForm),
        };
        if key.has_ended(now) {
            return Err(Reason::EndedKey);
        }
        if key.algorithm().family() != algorithm.family() {
            return Err(Reason::OtherFamily);
        }
        if key.algorithm() != algorithm {
            return Err(Reason::OtherAlgorithm);
        }
        if !key.verify(parts.message.as_bytes(), &decode(parts.signature)?) {
            return Err(Reason::Signature);
        }
        let claims = Claims::read(json::object(&decode(parts.claims)?)?)?;
        self.check_claims(&claims, seconds(now))?;
        Ok(claims)
    }

    fn check_header(&self, header: &Map<String, Value>) -> Result<Algorithm, Reason> {
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(Reason::MissingAlgorithm)?;
        if algorithm.trim().eq_ignore_ascii_case("none") {
            return Err(Reason::Unsigned);
        }
        let algorithm: Algorithm = algorithm.parse().map_err(|_| Reason::UnknownAlgorithm)?;
        let has = |names: &[&str]| names.iter().any(|name| header.contains_key(*name));
        // `b64` has to be in `crit`, and is the more telling of the two.
        if has(&["b64"]) {
            return Err(Reason::Unencoded);
        }
        if has(&["crit"]) {
            return Err(Reason::Critical);
        }
        if has(&["jku", "jwk", "x5u", "x5c"]) {
            return Err(Reason::OwnKey);
        }
        if has(&["zip", "enc"]) {
            return Err(Reason::Encrypted);
        }
        // `application/` may be left out, and case does not matter (RFC 7515, section 4.1.9).
        let kind = header.get("typ").and_then(Value::as_str).ok_or(Reason::Type)?;
        let bare = |kind: &str| {
            let kind = kind.to_ascii_lowercase();
            kind.strip_prefix("application/").map(str::to_owned).unwrap_or(kind)
        };
        if bare(kind) == bare(&self.config.kind) { Ok(algorithm) } else { Err(Reason::Type) }
    }

    fn check_claims(&self, claims: &Claims, now: u64) -> Result<(), Reason> {
        let leeway = self.config.leeway.as_secs();
        if claims.issuer != self.config.issuer {
            return Err(Reason::Issuer);
        }
        if !claims.audiences.contains(&self.config.audience) {
            return Err(Reason::Audience);
        }
        if claims.expires.saturating_add(leeway) <= now {
            return Err(Reason::Expired);
        }
        if claims.not_before.is_some_and(|from| from > now.saturating_add(leeway)) {
            return Err(Reason::NotYet);
        }
        if claims.issued > now.saturating_add(leeway) {
            return Err(Reason::IssuedAhead);
        }
        let longest = self.config.longest.as_secs();
        match claims.expires.checked_sub(claims.issued) {
            Some(lifetime) if lifetime <= longest => Ok(()),
            _ => Err(Reason::Lifetime),
        }
    }
}

/// The parts of a token, encoded.
struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    /// What is signed: the first two with the dot between them.
    message: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str, most_bytes: usize) -> Result<Self, Reason> {
        if token.len() > most_bytes {
            return Err(Reason::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Reason::Parts)?;
        let (header, claims) = message.split_once('.').ok_or(Reason::Parts)?;
        if claims.contains('.') {
            return Err(Reason::Parts);
        }
        Ok(Self { header, claims, signature, message })
    }
}

/// Base64url without padding and without bits that say nothing (RFC 7515, section 2): one value has one text.
fn decode(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Base64)
}

/// Seconds since 1970; none before.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What a token says, without a look at its signature: for people who look into one, never to decide on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Inspected {
    /// The header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

impl Inspected {
    /// Reads a token without verifying it.
    ///
    /// # Errors
    /// When it has not the form of one.
    pub fn dangerous_without_verifying(token: &str, most_bytes: usize) -> Result<Self, Refused> {
        let parts = Parts::split(token, most_bytes)?;
        decode(parts.signature)?;
        Ok(Self { header: json::object(&decode(parts.header)?)?, claims: json::object(&decode(parts.claims)?)? })
    }
}
