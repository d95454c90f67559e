//! Passwords, tokens, roles and permissions by policy.
//!
//! [`Passwords`] hashes new passwords with argon2id at the cost that a policy names, and verifies those that were hashed before,
//! by argon2, bcrypt, PBKDF2 or scrypt; it says when a hash is no longer what the policy asks for, and gives the new one.
//!
//! ```
//! # #[cfg(feature = "password")] {
//! use dbopt_auth::{Cost, PasswordConfig, Passwords, Verdict};
//!
//! let passwords = Passwords::new(PasswordConfig { cost: Cost::OWASP[4], ..PasswordConfig::default() })?;
//! let stored = passwords.hash(b"correct horse battery staple")?;
//! assert!(stored.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"));
//! assert!(passwords.verify(b"correct horse battery staple", Some(&stored))?.is_right());
//! // Somebody who does not exist takes as long, and is answered the same.
//! assert_eq!(passwords.verify(b"correct horse battery staple", None)?, Verdict::Wrong);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Matrix`] says which [`Role`] may do what, and why; [`Routes`] what each route of a service asks for.
//!
//! [`Tokens`] issues and verifies signed tokens, each key with one algorithm; [`Sessions`] refreshes them and takes them back.
#![warn(missing_docs)]

#[cfg(all(feature = "policy", feature = "token"))]
mod access;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(all(feature = "password", feature = "token"))]
mod fuzz;
#[cfg(feature = "token")]
mod identity;
#[cfg(feature = "password")]
mod password;
mod role;
#[cfg(feature = "token")]
mod token;
#[cfg(feature = "tower")]
pub mod tower;

#[cfg(all(feature = "policy", feature = "token"))]
pub use access::{
    AccessPolicy, DatabaseAccess, DatabaseGrant, DatabaseRole, Privilege, Signature, TenantIsolation, TenantTable,
    TenantType,
};
#[cfg(all(feature = "password", feature = "token"))]
#[doc(hidden)]
pub use fuzz::fuzz;
#[cfg(feature = "token")]
pub use identity::Identity;
#[cfg(all(feature = "password", feature = "policy"))]
pub use password::PasswordPolicy;
#[cfg(feature = "password")]
pub use password::{
    Calibration, Cost, InvalidCost, InvalidPeppers, Legacy, PasswordConfig, PasswordError, Passwords, Peppers,
    Proposal, StoredError, Verdict, calibrate,
};
pub use role::{
    Asks, Decision, Denial, InvalidPermission, InvalidRoles, InvalidRoute, Matrix, Permission, Role, Route, Routes,
    is_permission,
};
#[cfg(feature = "postgres")]
pub use token::PostgresSessions;
#[cfg(feature = "redis")]
pub use token::RedisSessions;
#[cfg(feature = "token")]
pub use token::{
    Claims, Grant, Inspected, InvalidKey, InvalidKeys, IssueError, KeySet, MemorySessions, NewSession, PROVIDER, Pair,
    Reason, Refused, Rotation, SessionConfig, SessionId, SessionStore, Sessions, Standing, StoreError, TokenConfig,
    TokenKey, Tokens, Verified,
};
