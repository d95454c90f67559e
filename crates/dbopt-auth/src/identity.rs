//! Who asks, and what they may do: a verified token beside the matrix of the moment.

use std::sync::Arc;

use crate::{Decision, Grant, Matrix, Permission, Verified};

/// Somebody whose token was verified. Clones share it.
#[derive(Clone, Debug)]
pub struct Identity {
    verified: Arc<Verified>,
    matrix: Arc<Matrix>,
}

impl Identity {
    /// By a token and a matrix.
    #[must_use]
    pub fn new(verified: Verified, matrix: Arc<Matrix>) -> Self {
        Self { verified: Arc::new(verified), matrix }
    }

    /// The token.
    #[must_use]
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Whom it is for.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        self.verified.grant()
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.grant().subject
    }

    /// The tenant, if the subject belongs to one.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.grant().tenant.as_deref()
    }

    /// Whether they have a permission. One that there is not nobody has.
    #[must_use]
    pub fn allows(&self, permission: &str) -> bool {
        self.matrix.permission(permission).is_some_and(|permission| self.has(permission))
    }

    /// Whether they have a permission on what belongs to a tenant.
    #[must_use]
    pub fn allows_in(&self, permission: &str, tenant: &str) -> bool {
        let has = |permission| self.matrix.allows_in(&self.grant().roles, permission, self.tenant(), tenant);
        self.matrix.permission(permission).is_some_and(has)
    }

    /// Whether they have it, with the reason; on what belongs to a tenant, if one is named.
    pub fn explain(&self, permission: &str, tenant: Option<&str>) -> Decision {
        self.matrix.explain(&self.grant().roles, permission, self.tenant(), tenant)
    }

    fn has(&self, permission: Permission) -> bool {
        self.matrix.allows(&self.grant().roles, permission)
    }
}
