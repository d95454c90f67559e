//! What is remembered of tokens: which were revoked, and which sessions there are.
//!
//! A *subject's epoch* is a number that rises when all of its tokens are revoked. A session and the tokens of it carry the epoch
//! in which they began, and those of an earlier one are refused. So it does not matter how far the clocks of services
//! are apart, nor that tokens count whole seconds: whoever logs in after the revocation stays in, and nobody else.

use std::{fmt, future::Future, time::Duration};

/// The name of a session: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub [u8; 16]);

/// 32 hexadecimal digits.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A session that begins.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub subject: &'a str,
    /// What is kept with it, as text.
    pub data: &'a str,
    /// It ends when it is not refreshed for so long.
    pub idle: Duration,
    /// It ends after so long in any case.
    pub longest: Duration,
}

/// What came of using a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The session goes on.
    Next {
        /// The number of its next refresh token.
        number: u32,
        /// Whose it is.
        subject: String,
        /// The epoch in which it began.
        epoch: u64,
        /// What is kept with it.
        data: String,
    },
    /// The token had been used before, and the session is ended.
    Reused,
    /// There is no such session, or it has ended.
    Ended,
}

/// What is remembered about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it was revoked.
    pub revoked: bool,
    /// The present epoch of its subject, in microseconds since 1970; 0 when nothing of it was revoked.
    pub epoch: u64,
}

/// Why a store did not answer. Nothing is known of whether something was done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The engine cannot be reached, or did not answer in time.
    #[error("the engine of the sessions cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine refuses: it is out of memory, read-only, or lacks a table or a right.
    #[error("the engine of the sessions refuses")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store holds as much as it may.
    #[error("the store of the sessions is full")]
    Full,
}

/// Remembers sessions and revocations, by its own clock.
///
/// Each call is atomic, and what one has done the next one sees, wherever it is made. Every implementation passes the contract in
/// `tests/contract`.
pub trait SessionStore: Send + Sync {
    /// Begins a session, and says in which epoch.
    fn begin(&self, session: &NewSession<'_>) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Uses the refresh token of a number. The session's present number gives the next one. The one before it gives the present one
    /// again while that is no older than `grace`, for clients that did not hear the answer; any other ends the session. A
    /// session of an epoch that is past has ended.
    fn rotate(
        &self,
        id: SessionId,
        number: u32,
        grace: Duration,
        idle: Duration,
    ) -> impl Future<Output = Result<Rotation, StoreError>> + Send;

    /// Ends a session; one that has ended already is not an error.
    fn end(&self, id: SessionId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Revokes a token, which is remembered for so long.
    fn revoke_token(&self, id: &str, keep: Duration) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Revokes all tokens and sessions of a subject, which is remembered for so long. Says the new epoch, which is above all before.
    fn revoke_subject(&self, subject: &str, keep: Duration) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// What is remembered about a token and its subject.
    fn standing(&self, id: &str, subject: &str) -> impl Future<Output = Result<Standing, StoreError>> + Send;
}

impl<S: SessionStore> SessionStore for std::sync::Arc<S> {
    async fn begin(&self, session: &NewSession<'_>) -> Result<u64, StoreError> {
        (**self).begin(session).await
    }

    async fn rotate(
        &self,
        id: SessionId,
        number: u32,
        grace: Duration,
        idle: Duration,
    ) -> Result<Rotation, StoreError> {
        (**self).rotate(id, number, grace, idle).await
    }

    async fn end(&self, id: SessionId) -> Result<(), StoreError> {
        (**self).end(id).await
    }

    async fn revoke_token(&self, id: &str, keep: Duration) -> Result<(), StoreError> {
        (**self).revoke_token(id, keep).await
    }

    async fn revoke_subject(&self, subject: &str, keep: Duration) -> Result<u64, StoreError> {
        (**self).revoke_subject(subject, keep).await
    }

    async fn standing(&self, id: &str, subject: &str) -> Result<Standing, StoreError> {
        (**self).standing(id, subject).await
    }
}
