//! Limits in axum (feature `axum`): a layer that knows its routes, and extractors.
//!
//! ```
//! use std::num::NonZeroU32;
//!
//! use axum::{Router, extract::FromRef, http::StatusCode, response::IntoResponse, routing::{get, post}};
//! use dbopt_ratelimit::axum::{Check, layer};
//! use dbopt_ratelimit::tower::{Limited, RateLimitLayer};
//! use dbopt_ratelimit::{Algorithm, Keyer, Limit, Limiter, MemoryConfig, MemoryStore, Part, Rule, Rules, Window};
//!
//! /// What remains is there to be read.
//! async fn search(limited: Limited) -> String {
//!     let remaining = limited.counted().iter().filter_map(|counted| counted.tightest());
//!     remaining.map(|(window, state)| format!("{} of {window}\n", state.remaining)).collect()
//! }
//!
//! /// Only the handler knows who tries to sign in. Here it is the whole body.
//! async fn login(check: Check<MemoryStore>, account: String) -> impl IntoResponse {
//!     match check.with(|request| request.user(&account)).await {
//!         Ok(admitted) => (admitted, StatusCode::UNAUTHORIZED).into_response(),
//!         Err(refused) => refused.into_response(),
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ten = NonZeroU32::new(10).unwrap();
//! let limit = Limit::new(Algorithm::Gcra, [Window::per_minute(ten)])?;
//! let routes = vec!["/login".parse()?];
//! let rules = [
//!     Rule { routes, ..Rule::new("login", [Part::User], limit.clone()) },
//!     Rule::new("any", [Part::Address], limit),
//! ];
//! let limiter = Limiter::new(MemoryStore::new(MemoryConfig::default()), Rules::new(rules)?, Keyer::random()?);
//! let limits = layer(limiter);
//!
//! let app: Router = Router::new()
//!     .route("/search", get(search))
//!     .layer(limits.clone())
//!     // Below the layer, since the handler asks by itself.
//!     .route("/login", post(login))
//!     .with_state(limits);
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! Serve it by `app.into_make_service_with_connect_info::<SocketAddr>()`, or no request has an address.

use std::{
    borrow::Cow,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use ::axum::{
    body::Body,
    extract::{ConnectInfo, FromRef, FromRequestParts, MatchedPath, OptionalFromRequestParts},
    response::{IntoResponse, IntoResponseParts, Response, ResponseParts},
};
use governor::clock::{Clock, DefaultClock};
use http::{StatusCode, request::Parts};

use crate::{
    Limiter, Request, Store,
    tower::{Admitted, Limited, RateLimitLayer, Refused},
};

/// A layer whose routes are those that the router matched (`/users/{id}`), and whose peer is axum's [`ConnectInfo`].
pub fn layer<S, C: Clock>(limiter: Limiter<S, C>) -> RateLimitLayer<S, C> {
    RateLimitLayer::new(limiter).route(matched_path).peer(peer)
}

/// The route that the router matched. For [`RateLimitLayer::route`].
#[must_use]
pub fn matched_path(parts: &Parts) -> Option<&str> {
    parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

/// Who connected. For [`RateLimitLayer::peer`].
#[must_use]
pub fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
}

/// Asks about a request in its handler, which knows more of it than the layer.
///
/// It asks all rules: a route whose handler has this is not to be behind the layer too. The state of the router gives the
/// [`RateLimitLayer`], which says how requests are read.
pub struct Check<S, C: Clock = DefaultClock> {
    layer: RateLimitLayer<S, C>,
    parts: Parts,
}

impl<S, C> Check<S, C>
where
    S: Store + 'static,
    C: Clock<Instant: Send + Sync> + Clone + Send + Sync + 'static,
{
    /// Asks about the request, with what the handler adds.
    ///
    /// An admitted one gives its places back when the [`Admitted`] is dropped, or becomes a part of the answer, where it
    /// tells the client what remains.
    ///
    /// # Errors
    ///
    /// When it is refused, with the answer that the client gets.
    pub async fn with<'a>(&'a self, more: impl FnOnce(Request<'a>) -> Request<'a> + Send) -> Result<Admitted, Refused> {
        self.layer.check(&self.parts, more).await
    }
}

impl<State, S, C> FromRequestParts<State> for Check<S, C>
where
    State: Sync,
    S: Store,
    C: Clock<Instant: Send + Sync> + Clone + Send + Sync,
    RateLimitLayer<S, C>: FromRef<State>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Infallible> {
        Ok(Self { layer: FromRef::from_ref(state), parts: parts.clone() })
    }
}

impl<S, C: Clock> std::fmt::Debug for Check<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("layer", &self.layer).finish_non_exhaustive()
    }
}

/// What the layer decided. A request that has not been through the layer is a mistake in the router.
impl<State: Sync> FromRequestParts<State> for Limited {
    type Rejection = NoLayer;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, NoLayer> {
        parts.extensions.get::<Self>().cloned().ok_or(NoLayer)
    }
}

/// What the layer decided; none for a request that has not been through it.
impl<State: Sync> OptionalFromRequestParts<State> for Limited {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// A handler asks what the layer decided, and its route is not behind the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this route is not behind a `RateLimitLayer`")]
pub struct NoLayer;

impl IntoResponse for NoLayer {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, Cow::from(self.to_string())).into_response()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.answer::<Body>()
    }
}

/// Tells the client what remains.
impl IntoResponseParts for Admitted {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        self.write(parts.headers_mut());
        Ok(parts)
    }
}
