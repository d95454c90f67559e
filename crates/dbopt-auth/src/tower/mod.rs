//! A layer in front of a service over HTTP or gRPC (feature `tower`).
//!
//! It takes the token of `Authorization: Bearer …` (RFC 6750), has it verified, and hands the request on with an
//! [`Identity`] among its extensions. A request without a token, or with one that is refused, is answered with 401, and one that lacks
//! the permission that the layer asks for with 403; neither says why, and both are told with their reason as an event
//! of `tracing`.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Asks, Identity, Matrix, Reason, Refused, Routes, SessionStore, Sessions, Tokens, Verified};

/// What verifies tokens: [`Sessions`], or [`Tokens`] where nothing is revoked.
pub trait Verifier: Send + Sync {
    /// Verifies a token, now.
    fn verify(&self, token: &str) -> impl Future<Output = Result<Verified, Refused>> + Send;
}

impl<S: SessionStore> Verifier for Sessions<S> {
    async fn verify(&self, token: &str) -> Result<Verified, Refused> {
        Self::verify(self, token).await
    }
}

impl Verifier for Tokens {
    async fn verify(&self, token: &str) -> Result<Verified, Refused> {
        Self::verify(self, token, SystemTime::now())
    }
}

/// Asks who sends each request. Clones share everything.
pub struct AuthLayer<V> {
    verifier: Arc<V>,
    matrix: Arc<ArcSwap<Matrix>>,
    permission: Option<Arc<str>>,
    routes: Option<Arc<Routes>>,
}

impl<V: Verifier> AuthLayer<V> {
    /// A layer that lets everybody in whose token is right.
    #[must_use]
    pub fn new(verifier: Arc<V>, matrix: Matrix) -> Self {
        Self { verifier, matrix: Arc::new(ArcSwap::from_pointee(matrix)), permission: None, routes: None }
    }

    /// The same layer, for routes that ask for a permission.
    #[must_use]
    pub fn require(&self, permission: &str) -> Self {
        Self { permission: Some(permission.into()), ..self.clone() }
    }

    /// The same layer, for all routes of a service: each asks for what is written down for it, one for everybody is handed on
    /// without an [`Identity`], and what is not listed is refused. Put it around the whole service, so that it sees paths as
    /// they were sent: a router that nests others takes off what it has matched.
    #[must_use]
    pub fn routes(&self, routes: impl Into<Arc<Routes>>) -> Self {
        Self { routes: Some(routes.into()), ..self.clone() }
    }

    /// Takes over roles that were loaded anew, in all clones.
    pub fn replace(&self, matrix: Matrix) {
        self.matrix.store(Arc::new(matrix));
    }

    /// The roles.
    #[must_use]
    pub fn matrix(&self) -> Arc<Matrix> {
        self.matrix.load_full()
    }

    /// Who sends a request with these fields.
    ///
    /// # Errors
    /// When it is nobody who is let in.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Identity, Rejected> {
        let token = bearer(headers)?;
        let verified = self.verifier.verify(token).await.map_err(|refused| Rejected::Token(refused.reason()))?;
        let identity = Identity::new(verified, self.matrix());
        match &self.permission {
            Some(permission) if !identity.allows(permission) => Err(Rejected::Permission),
            _ => Ok(identity),
        }
    }

    /// Who sends a request; nobody where its route is for everybody.
    async fn admit(&self, request: &http::request::Parts) -> Result<Option<Identity>, Rejected> {
        let asks = match &self.routes {
            Some(routes) => routes.find(request.method.as_str(), request.uri.path()).ok_or(Rejected::NoRoute)?,
            None => &Asks::Token,
        };
        match asks {
            Asks::Nothing => Ok(None),
            Asks::Token => self.identify(&request.headers).await.map(Some),
            Asks::Permission(permission) => {
                let identity = self.identify(&request.headers).await?;
                if identity.allows(permission) { Ok(Some(identity)) } else { Err(Rejected::Permission) }
            }
        }
    }
}

impl<V> Clone for AuthLayer<V> {
    fn clone(&self) -> Self {
        Self {
            verifier: Arc::clone(&self.verifier),
            matrix: Arc::clone(&self.matrix),
            permission: self.permission.clone(),
            routes: self.routes.clone(),
        }
    }
}

impl<V> fmt::Debug for AuthLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").field("permission", &self.permission).finish_non_exhaustive()
    }
}

/// Why a request is not handed on. The client is told only of what sort it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// There is no token.
    #[error("there is no token")]
    NoToken,
    /// The field `Authorization` is there twice, or is no token of a bearer.
    #[error("the field `Authorization` is no token of a bearer")]
    Malformed,
    /// The token was refused.
    #[error("{0}")]
    Token(Reason),
    /// The permission is lacking.
    #[error("the permission is lacking")]
    Permission,
    /// The route is not listed.
    #[error("the route is not listed")]
    NoRoute,
}

impl Rejected {
    /// The status, and what to do about it (RFC 6750, section 3).
    #[must_use]
    pub fn answer<B: Default>(self) -> Response<B> {
        tracing::info!(target: "dbopt_auth", reason = %self, "a request was refused");
        let (status, challenge) = match self {
            // No token would help.
            Self::NoRoute => {
                let mut response = Response::new(B::default());
                *response.status_mut() = StatusCode::NOT_FOUND;
                return response;
            }
            Self::NoToken => (StatusCode::UNAUTHORIZED, "Bearer"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "Bearer error=\"invalid_request\""),
            // The token may well be right.
            Self::Token(Reason::NoStore) => (StatusCode::SERVICE_UNAVAILABLE, "Bearer"),
            Self::Token(_) => (StatusCode::UNAUTHORIZED, "Bearer error=\"invalid_token\""),
            Self::Permission => (StatusCode::FORBIDDEN, "Bearer error=\"insufficient_scope\""),
        };
        let mut response = Response::new(B::default());
        *response.status_mut() = status;
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }
}

/// The token; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Rejected> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let field = fields.next().ok_or(Rejected::NoToken)?;
    // Of two, a proxy might have looked at the other.
    if fields.next().is_some() {
        return Err(Rejected::Malformed);
    }
    let (scheme, token) = field.to_str().ok().and_then(|field| field.split_once(' ')).ok_or(Rejected::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Rejected::NoToken);
    }
    let token = token.trim_start_matches(' ');
    if token.is_empty() { Err(Rejected::Malformed) } else { Ok(token) }
}

impl<Inner, V> Layer<Inner> for AuthLayer<V> {
    type Service = Auth<Inner, V>;

    fn layer(&self, inner: Inner) -> Self::Service {
        Auth { inner, layer: self.clone() }
    }
}

/// A service behind an [`AuthLayer`].
#[derive(Debug)]
pub struct Auth<Inner, V> {
    inner: Inner,
    layer: AuthLayer<V>,
}

impl<Inner: Clone, V> Clone for Auth<Inner, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<Inner, V, Body, Answer> Service<Request<Body>> for Auth<Inner, V>
where
    Inner: Service<Request<Body>, Response = Response<Answer>> + Clone + Send + 'static,
    Inner::Future: Send,
    V: Verifier + 'static,
    Body: Send + 'static,
    Answer: Default + Send + 'static,
{
    type Response = Response<Answer>;
    type Error = Inner::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that said it was ready, and not a fresh clone of it.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            // The head alone: a body need not be shareable.
            let (mut head, body) = request.into_parts();
            // Nobody but this layer says who it is.
            head.extensions.remove::<Identity>();
            match layer.admit(&head).await {
                Ok(identity) => {
                    if let Some(identity) = identity {
                        head.extensions.insert(identity);
                    }
                    inner.call(Request::from_parts(head, body)).await
                }
                Err(rejected) => Ok(rejected.answer()),
            }
        })
    }
}
