//! Tokens: signed, short-lived, and revocable; and the sessions that they are refreshed by.

mod claims;
mod json;
mod key;
mod keyset;
mod material;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod refresh;
mod refused;
mod sessions;
mod store;
mod tokens;

#[cfg(feature = "redis")]
pub use self::redis::RedisSessions;
pub use claims::{Claims, Grant};
pub use key::{InvalidKey, TokenKey};
pub use keyset::{InvalidKeys, KeySet};
pub use material::PROVIDER;
pub use memory::MemorySessions;
#[cfg(feature = "postgres")]
pub use postgres::PostgresSessions;
pub use refused::{Reason, Refused};
pub use sessions::{Pair, SessionConfig, Sessions};
pub use store::{NewSession, Rotation, SessionId, SessionStore, Standing, StoreError};
pub use tokens::{Inspected, IssueError, TokenConfig, Tokens, Verified};

/// Reads a text as a refresh token, with a key that nobody has.
#[cfg(feature = "password")]
pub(crate) fn fuzz_refresh(text: &str) {
    assert!(refresh::RefreshTokens::new(Vec::new()).read(text).is_err());
}

/// Claims that were read are read again as they are written.
#[cfg(feature = "password")]
pub(crate) fn fuzz_claims(claims: &Claims) {
    assert_eq!(Claims::read(claims.to_json()).as_ref(), Ok(claims));
}

/// Signs a message of any form.
#[cfg(feature = "password")]
pub(crate) fn fuzz_sign(key: &TokenKey, message: &[u8]) -> Option<Vec<u8>> {
    key.sign(message)
}
