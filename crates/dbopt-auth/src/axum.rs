//! Extractors for axum (feature `axum`).
//!
//! ```
//! use axum::{Router, routing::get};
//! use dbopt_auth::axum::Require;
//!
//! dbopt_auth::permission!(ReadOrders = "orders:read");
//!
//! async fn orders(Require { identity, .. }: Require<ReadOrders>) -> String {
//!     format!("the orders of {}", identity.tenant().unwrap_or("nobody"))
//! }
//!
//! // Behind an `AuthLayer`; without one nobody gets in.
//! let router: Router = Router::new().route("/orders", get(orders));
//! ```

use std::marker::PhantomData;

use axum::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
    response::{IntoResponse, Response},
};

use crate::{Identity, tower::Rejected};

/// The name of a permission, as a type.
pub trait PermissionName: Send + Sync + 'static {
    /// The name.
    const NAME: &'static str;
}

/// Declares a type that stands for a permission: `permission!(pub ReadOrders = "orders:read");`
#[macro_export]
macro_rules! permission {
    ($(#[$meta:meta])* $visibility:vis $name:ident = $permission:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::axum::PermissionName for $name {
            const NAME: &'static str = $permission;
        }
    };
}

/// Whoever asks has the permission; for a handler that may not be called otherwise.
#[derive(Debug)]
pub struct Require<P> {
    /// Who it is.
    pub identity: Identity,
    #[doc(hidden)]
    pub permission: PhantomData<P>,
}

/// Whoever is behind no layer is let in by no handler.
fn identity(parts: &Parts) -> Result<Identity, Rejected> {
    parts.extensions.get::<Identity>().cloned().ok_or(Rejected::NoToken)
}

impl<State: Sync, P: PermissionName> FromRequestParts<State> for Require<P> {
    type Rejection = Rejected;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Rejected> {
        let identity = identity(parts)?;
        if identity.allows(P::NAME) {
            Ok(Self { identity, permission: PhantomData })
        } else {
            Err(Rejected::Permission)
        }
    }
}

impl<State: Sync> FromRequestParts<State> for Identity {
    type Rejection = Rejected;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Rejected> {
        identity(parts)
    }
}

impl<State: Sync> OptionalFromRequestParts<State> for Identity {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Option<Self>, Self::Rejection> {
        Ok(identity(parts).ok())
    }
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        self.answer::<Body>()
    }
}
