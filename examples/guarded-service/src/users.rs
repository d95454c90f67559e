//! The users. A real service has them in a database.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use dbopt_auth::{Grant, PasswordError, Passwords};

/// Users by name, with their stored hashes.
#[derive(Debug)]
pub struct Users(RwLock<HashMap<String, User>>);

#[derive(Debug)]
struct User {
    stored: String,
    tenant: &'static str,
    role: &'static str,
}

impl Users {
    /// `ann` and `bob` of `acme`, and `eve` of `other`. Their passwords are `correct horse NAME`; bob's is still hashed by bcrypt.
    ///
    /// # Errors
    /// When a password cannot be hashed.
    pub fn shipped(passwords: &Passwords) -> Result<Self, PasswordError> {
        let bcrypt = "$2b$04$abcdefghijklmnopqrstuudhFCBjmLynxsXbTrArJI0GYcFqOE966";
        let users = [
            ("ann", passwords.hash(b"correct horse ann")?, "acme", "admin"),
            ("bob", bcrypt.to_owned(), "acme", "viewer"),
            ("eve", passwords.hash(b"correct horse eve")?, "other", "admin"),
        ];
        let users = users.map(|(name, stored, tenant, role)| (name.to_owned(), User { stored, tenant, role }));
        Ok(Self(RwLock::new(users.into())))
    }

    /// The stored hash of a user.
    pub fn stored(&self, name: &str) -> Option<String> {
        self.with(name, |user| user.stored.clone())
    }

    /// What a user's tokens say.
    pub fn grant(&self, name: &str) -> Option<Grant> {
        self.with(name, |user| Grant::new(name).tenant(user.tenant).roles([user.role]))
    }

    /// Stores a better hash.
    pub fn replace(&self, name: &str, stored: String) {
        if let Some(user) = self.0.write().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            user.stored = stored;
        }
    }

    fn with<T>(&self, name: &str, read: impl FnOnce(&User) -> T) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).map(read)
    }
}
