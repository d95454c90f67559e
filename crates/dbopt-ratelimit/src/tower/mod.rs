//! Limits in front of a service over HTTP or gRPC (feature `tower`).
//!
//! [`RateLimitLayer`] asks a [`Limiter`](crate::Limiter) about each request before the service sees it. It goes around
//! whatever speaks [`http`] through [tower](https://docs.rs/tower-service): axum (see `dbopt_ratelimit::axum`), tonic, hyper.
//!
//! # What a refused client is told
//!
//! | refused because of | status | gRPC | problem type |
//! | --- | --- | --- | --- |
//! | a window, or how many run at once | 429 | 8 `RESOURCE_EXHAUSTED` | `quota-exceeded` |
//! | a block after repeated refusal | 429 | 8 `RESOURCE_EXHAUSTED` | `abnormal-usage-detected` |
//! | a store that does not answer, for a rule that is closed then | 503 | 14 `UNAVAILABLE` | `temporary-reduced-capacity` |
//! | a list of who is denied | 403 | 7 `PERMISSION_DENIED` | `about:blank` |
//! | a part that it lacks, for a rule that refuses then | 400 | 3 `INVALID_ARGUMENT` | `about:blank` |
//!
//! When several hold, the lowest row counts. The body is a problem of RFC 9457. `Retry-After` (RFC 9110, section 10.2.3) is the
//! longest of all waits, rounded up to a second; it is not there when nobody knows, or when waiting does not help.
//! For a request of gRPC the answer is one of headers only, with `grpc-status`, `grpc-message`, the wait as
//! `grpc-retry-pushback-ms` (gRPC proposal A6; -1 when waiting does not help) and as `google.rpc.RetryInfo` in
//! `grpc-status-details-bin`.
//!
//! # What every client is told
//!
//! The fields `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>), with an item for each window of each rule that counted
//! the request: `"ml/60s";q=100;w=60`, or `"ml"` when the rule has one window. `r` counts requests of cost 1. `t` is the time until
//! there is more: of `gcra` to the second, of `sliding` at the latest; in a refusal only the windows that refuse have one, so that
//! `Retry-After` is never before any `t`. There is no partition key (`pk`): it could only tell what is counted by. Rules in shadow mode are
//! in none of these.
//!
//! # Whom a request is of
//!
//! The layer knows the method, the path and the headers. Everything else has to be said to it: the route
//! ([`RateLimitLayer::route`]), who connected ([`RateLimitLayer::peer`]) and which proxies are believed
//! ([`RateLimitLayer::trusted`]), the user, tenant, key, claims and plan ([`RateLimitLayer::who`], or a [`Request`](crate::Request) that
//! an authenticating layer before this one puts into the extensions of the request).
//!
//! ```
//! use std::{convert::Infallible, num::NonZeroU32};
//!
//! use dbopt_ratelimit::{Algorithm, Keyer, Limit, Limiter, MemoryConfig, MemoryStore, Part, Rule, Rules, Window};
//! use dbopt_ratelimit::tower::{LimitedBody, RateLimitLayer};
//! use tower_layer::Layer as _;
//! use tower_service::Service as _;
//!
//! # #[derive(Clone)]
//! # struct Hello;
//! # impl tower_service::Service<http::Request<String>> for Hello {
//! #     type Response = http::Response<String>;
//! #     type Error = Infallible;
//! #     type Future = std::future::Ready<Result<Self::Response, Infallible>>;
//! #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
//! #         std::task::Poll::Ready(Ok(()))
//! #     }
//! #     fn call(&mut self, _: http::Request<String>) -> Self::Future {
//! #         std::future::ready(Ok(http::Response::new("hello".to_owned())))
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limit = Limit::new(Algorithm::Gcra, [Window::per_minute(NonZeroU32::MIN)])?;
//! let rules = Rules::new([Rule::new("keys", [Part::ApiKey], limit)])?;
//! let limiter = Limiter::new(MemoryStore::new(MemoryConfig::default()), rules, Keyer::random()?);
//! let layer = RateLimitLayer::new(limiter).who(|parts, request| {
//!     match parts.headers.get("x-api-key").and_then(|key| key.to_str().ok()) {
//!         Some(key) => request.api_key(key),
//!         None => request,
//!     }
//! });
//!
//! let mut service = layer.layer(Hello);
//! let mut ask = || service.call(http::Request::get("/").header("x-api-key", "k").body(String::new()).unwrap());
//! let admitted = ask().await?;
//! assert_eq!(admitted.headers()["ratelimit-policy"], "\"keys\";q=1;w=60");
//! assert_eq!(admitted.headers()["ratelimit"], "\"keys\";r=0;t=60");
//! let refused: http::Response<LimitedBody<String>> = ask().await?;
//! assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"60".parse()?));
//! # Ok(())
//! # }
//! ```

mod body;
mod fields;
mod grpc;
mod layer;
mod reading;
mod refused;
mod service;

pub use body::LimitedBody;
pub use fields::Headers;
pub use layer::{Admitted, Limited, RateLimitLayer};
pub use refused::Refused;
pub use service::RateLimit;
