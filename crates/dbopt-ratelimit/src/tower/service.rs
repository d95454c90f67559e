//! The service that the layer makes of another.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use governor::clock::{Clock, DefaultClock};
use http::{Request, Response};
use tower_service::Service;

use super::{LimitedBody, RateLimitLayer};
use crate::Store;

/// A service behind limits. Made by [`RateLimitLayer`].
pub struct RateLimit<Svc, S, C: Clock = DefaultClock> {
    service: Svc,
    layer: RateLimitLayer<S, C>,
}

impl<Svc, S, C: Clock> RateLimit<Svc, S, C> {
    pub(super) fn new(service: Svc, layer: RateLimitLayer<S, C>) -> Self {
        Self { service, layer }
    }
}

impl<Svc, S, C, B, R> Service<Request<B>> for RateLimit<Svc, S, C>
where
    Svc: Service<Request<B>, Response = Response<R>, Future: Send> + Clone + Send + 'static,
    S: Store + 'static,
    C: Clock<Instant: Send + Sync> + Clone + Send + Sync + 'static,
    B: Send + 'static,
{
    type Response = Response<LimitedBody<R>>;
    type Error = Svc::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Svc::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Svc::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is the one to call.
        let next = self.service.clone();
        let mut service = mem::replace(&mut self.service, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let admitted = match layer.check(&parts, |request| request).await {
                Ok(admitted) => admitted,
                Err(refused) => return Ok(refused.answer()),
            };
            parts.extensions.insert(admitted.limited.clone());
            let mut response = service.call(Request::from_parts(parts, body)).await?;
            admitted.write(response.headers_mut());
            Ok(response.map(|body| LimitedBody::new(body, admitted.permits)))
        })
    }
}

impl<Svc: Clone, S, C: Clock> Clone for RateLimit<Svc, S, C> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), layer: self.layer.clone() }
    }
}

impl<Svc: fmt::Debug, S, C: Clock> fmt::Debug for RateLimit<Svc, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("service", &self.service).field("layer", &self.layer).finish()
    }
}
