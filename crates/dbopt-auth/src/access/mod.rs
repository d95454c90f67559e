//! The policy `access`: tokens, sessions, roles and permissions in a file (feature `policy`).

mod database;
mod read;
mod routes;

use std::time::SystemTime;

use dbopt_crypto::{Key, KeyId, Pseudonymizer};
use dbopt_policy::{Fault, Policy, SecretRef, Table};
use jsonwebtoken::Algorithm;

pub use database::{
    DatabaseAccess, DatabaseGrant, DatabaseRole, Privilege, Signature, TenantIsolation, TenantTable, TenantType,
};

use crate::{
    InvalidKeys, KeySet, Matrix, Routes, SessionConfig, SessionStore, Sessions, TokenConfig, TokenKey, Tokens,
};

/// What the policy says.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// Who may do what.
    pub matrix: Matrix,
    /// Which tokens are issued and accepted; none where another service looks at them.
    pub token: Option<TokenConfig>,
    /// How long sessions last.
    pub session: SessionConfig,
    /// What each route of the service asks for; none where the policy lists no routes.
    pub routes: Option<Routes>,
    /// What the database enforces; none where it is not asked to.
    pub database: Option<DatabaseAccess>,
    /// The keys of tokens, whose secrets are not looked up yet.
    keys: Vec<KeyEntry>,
    /// The key that signs.
    signing: Option<String>,
    /// The keys of refresh tokens, the one that makes them first.
    refresh: Vec<(KeyId, SecretRef)>,
}

#[derive(Clone, Debug)]
struct KeyEntry {
    id: String,
    algorithm: Algorithm,
    secret: SecretRef,
    until: Option<SystemTime>,
}

impl AccessPolicy {
    /// Looks up the keys of tokens.
    ///
    /// # Errors
    /// When one cannot be had, or is none of its algorithm, or keys contradict each other.
    pub fn keys(&self) -> Result<KeySet, Fault> {
        let mut keys = Vec::with_capacity(self.keys.len());
        for entry in &self.keys {
            let key = TokenKey::parse(&entry.id, entry.algorithm, entry.secret.resolve()?.expose());
            let key = key.map_err(|error| bad_key(&entry.id, &error))?;
            keys.push(match entry.until {
                Some(until) => key.until(until),
                None => key,
            });
        }
        KeySet::new(keys, self.signing.as_deref()).map_err(|error| {
            let code = if matches!(error, InvalidKeys::SharedKey(..)) { "shared-key" } else { "bad-key" };
            Fault::new(code, error.to_string())
        })
    }

    /// Looks up the keys, and issues and verifies tokens.
    ///
    /// # Errors
    /// As for [`Self::keys`], and when the policy says nothing of tokens.
    pub fn tokens(&self) -> Result<Tokens, Fault> {
        let config = self.token.clone().ok_or_else(|| {
            Fault::new("no-tokens", "the policy says nothing of tokens").help("Write a section `[token]`.")
        })?;
        Ok(Tokens::new(config, self.keys()?))
    }

    /// Looks up all keys, and keeps sessions in a store.
    ///
    /// # Errors
    /// As for [`Self::tokens`].
    pub fn sessions<S: SessionStore>(&self, store: S) -> Result<Sessions<S>, Fault> {
        let mut refresh = Vec::with_capacity(self.refresh.len());
        for (id, secret) in &self.refresh {
            let key = Key::parse(secret.resolve()?.expose()).map_err(|error| bad_key(id.as_str(), &error))?;
            refresh.push(Pseudonymizer::new(id.clone(), &key));
        }
        Ok(Sessions::new(self.tokens()?, refresh, self.session, store))
    }
}

fn bad_key(id: &str, error: &dyn std::error::Error) -> Fault {
    Fault::new("bad-key", format!("key `{id}` cannot be used: {error}"))
}

impl Policy for AccessPolicy {
    const KIND: &'static str = "access";
    const ABOUT: &'static str = "Who may do what, and by which tokens they say who they are.";

    fn read(table: &Table<'_>) -> Option<Self> {
        read::policy(table)
    }
}

#[cfg(test)]
mod tests;
