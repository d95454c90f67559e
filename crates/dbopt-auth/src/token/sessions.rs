//! Sessions: short tokens that are refreshed, and that can be taken back.

use std::time::{Duration, SystemTime};

use dbopt_crypto::Pseudonymizer;
use serde::{Deserialize, Serialize};

use super::{
    Claims, Grant, IssueError, NewSession, Reason, Refused, Rotation, SessionId, SessionStore, StoreError, Tokens,
    Verified, refresh::RefreshTokens,
};

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// A session ends when it is not refreshed for so long.
    pub idle: Duration,
    /// A session ends after so long in any case.
    pub longest: Duration,
    /// For so long the refresh token before the present one still gives the present one, for clients that did not hear the answer
    /// or asked twice at once. With none, each use of a used token ends the session.
    pub grace: Duration,
}

/// A day, 30 days, and 10 s.
impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(86_400),
            longest: Duration::from_secs(30 * 86_400),
            grace: Duration::from_secs(10),
        }
    }
}

/// What a client is given.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Pair {
    /// The token for requests.
    pub access: String,
    /// The token for the next pair.
    pub refresh: String,
    /// What the first one says.
    pub claims: Claims,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("claims", &self.claims).finish_non_exhaustive()
    }
}

/// Issues tokens for sessions, refreshes them, and verifies that they were not taken back.
#[derive(Debug)]
pub struct Sessions<S> {
    tokens: Tokens,
    refresh: RefreshTokens,
    config: SessionConfig,
    store: S,
}

/// What is kept with a session, and goes into each of its tokens.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    tenant: Option<String>,
    roles: Vec<String>,
}

impl<S: SessionStore> Sessions<S> {
    /// Sessions in a store. The first of `refresh` makes refresh tokens and all read them; without one, none can begin.
    pub fn new(
        tokens: Tokens,
        refresh: impl IntoIterator<Item = Pseudonymizer>,
        config: SessionConfig,
        store: S,
    ) -> Self {
        Self { tokens, refresh: RefreshTokens::new(refresh.into_iter().collect()), config, store }
    }

    /// The tokens.
    #[must_use]
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Begins a session for somebody who has proved who they are.
    ///
    /// # Errors
    /// When there is no key, the grant does not fit a token, or the store does not answer.
    pub async fn begin(&self, grant: &Grant) -> Result<Pair, IssueError> {
        grant.check().map_err(IssueError::Grant)?;
        let mut id = SessionId([0; 16]);
        getrandom::fill(&mut id.0).map_err(|_| IssueError::Random)?;
        let kept = Kept { tenant: grant.tenant.clone(), roles: grant.roles.clone() };
        let data = serde_json::to_string(&kept).expect("names have a JSON form");
        let session = NewSession {
            id,
            subject: &grant.subject,
            data: &data,
            idle: self.config.idle,
            longest: self.config.longest,
        };
        let epoch = self.store.begin(&session).await.map_err(|_| IssueError::NoStore)?;
        self.pair(grant, id, 0, epoch)
    }

    /// Exchanges a refresh token for the next pair. A token that was used before ends its session: one of the two who had it is a
    /// thief, and nobody knows which.
    ///
    /// # Errors
    /// With what to tell the client, and what to log.
    pub async fn refresh(&self, token: &str) -> Result<Pair, Refused> {
        let (id, number) = self.refresh.read(token)?;
        let rotation = self.store.rotate(id, number, self.config.grace, self.config.idle).await;
        match rotation.map_err(|_| Reason::NoStore)? {
            Rotation::Next { number, subject, epoch, data } => {
                let kept: Kept = serde_json::from_str(&data).map_err(|_| Reason::NoStore)?;
                let grant = Grant { subject, tenant: kept.tenant, roles: kept.roles };
                self.pair(&grant, id, number, epoch).map_err(|_| Reason::NoStore.into())
            }
            Rotation::Reused => Err(Reason::Reused.into()),
            Rotation::Ended => Err(Reason::NoSession.into()),
        }
    }

    /// Ends the session of a refresh token. Its access tokens live until they expire, unless they are revoked.
    ///
    /// # Errors
    /// When it is no refresh token of this service, or the store does not answer.
    pub async fn end(&self, token: &str) -> Result<(), Refused> {
        let (id, _) = self.refresh.read(token)?;
        self.store.end(id).await.map_err(|_| Reason::NoStore.into())
    }

    /// Verifies an access token, and that it was not taken back. While the store does not answer, nobody is let in.
    ///
    /// # Errors
    /// With what to tell the client, and what to log.
    pub async fn verify(&self, token: &str) -> Result<Verified, Refused> {
        let verified = self.tokens.verify(token, SystemTime::now())?;
        let claims = verified.claims();
        let standing = self.store.standing(&claims.id, &claims.grant.subject).await.map_err(|_| Reason::NoStore)?;
        if standing.revoked {
            return Err(Reason::Revoked.into());
        }
        let is_past = match claims.epoch {
            Some(epoch) => epoch < standing.epoch,
            // A token without an epoch counts whole seconds, by the issuer's clock.
            None => standing.epoch > 0 && claims.issued <= standing.epoch / 1_000_000,
        };
        if is_past { Err(Reason::SubjectRevoked.into()) } else { Ok(verified) }
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn revoke(&self, verified: &Verified) -> Result<(), StoreError> {
        self.store.revoke_token(&verified.claims().id, self.token_lifetime()).await
    }

    /// Takes back all tokens and ends all sessions of a subject that have begun until now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn revoke_subject(&self, subject: &str) -> Result<(), StoreError> {
        let keep = self.config.longest + self.token_lifetime();
        self.store.revoke_subject(subject, keep).await.map(drop)
    }

    /// For how long a token could still be accepted, however the clocks differ.
    fn token_lifetime(&self) -> Duration {
        let config = self.tokens.config();
        config.longest + 2 * config.leeway + Duration::from_secs(1)
    }

    fn pair(&self, grant: &Grant, id: SessionId, number: u32, epoch: u64) -> Result<Pair, IssueError> {
        let (access, claims) = self.tokens.issue_in(grant, Some(epoch), SystemTime::now())?;
        let refresh = self.refresh.make(id, number).ok_or(IssueError::NoKey)?;
        Ok(Pair { access, refresh, claims })
    }
}
