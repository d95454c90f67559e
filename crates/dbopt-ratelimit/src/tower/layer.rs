//! The layer, and what it comes to about a request.

use std::{fmt, mem, net::IpAddr, ops::Deref, sync::Arc};

use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock};
use http::{HeaderMap, request::Parts};

use super::{Headers, RateLimit, Refused, fields, reading::Reading};
use crate::{Decision, Limiter, Permits, Request, Store, Trusted};

/// Asks a limiter about each request. Clones share everything.
///
/// See the [module](crate::tower) for what it reads and what it answers.
pub struct RateLimitLayer<S, C: Clock = DefaultClock> {
    limiter: Limiter<S, C>,
    settings: Arc<Settings>,
}

#[derive(Clone, Debug, Default)]
struct Settings {
    reading: Reading,
    headers: Headers,
}

impl<S, C: Clock> RateLimitLayer<S, C> {
    /// A layer that takes the path for the route and a [`SocketAddr`](std::net::SocketAddr) among the extensions for the peer.
    #[must_use]
    pub fn new(limiter: Limiter<S, C>) -> Self {
        Self { limiter, settings: Arc::default() }
    }

    /// How the route of a request is found; where there is none it is the path. The pattern that a router matched
    /// (`/users/{id}`) is best, since the client cannot choose among its spellings.
    #[must_use]
    pub fn route(self, route: impl Fn(&Parts) -> Option<&str> + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.reading.route = Arc::new(route))
    }

    /// Who connected. Where nobody is found, and no proxy is trusted to say, a request has no address.
    #[must_use]
    pub fn peer(self, peer: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.reading.peer = Arc::new(peer))
    }

    /// Which proxies are believed when they say whom they speak for; none by default.
    #[must_use]
    pub fn trusted(self, trusted: Trusted) -> Self {
        self.set(|settings| settings.reading.trusted = Arc::new(ArcSwap::from_pointee(trusted)))
    }

    /// Who asks, by a verified name only: a user whom the client merely claims to be has a count that it can leave behind. What is
    /// said here goes before what the request looks like.
    #[must_use]
    pub fn who(self, who: impl for<'a> Fn(&'a Parts, Request<'a>) -> Request<'a> + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.reading.who = Arc::new(who))
    }

    /// Which fields tell a client of its limits.
    #[must_use]
    pub fn headers(self, headers: Headers) -> Self {
        self.set(|settings| settings.headers = headers)
    }

    /// The limiter.
    #[must_use]
    pub fn limiter(&self) -> &Limiter<S, C> {
        &self.limiter
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S, C> RateLimitLayer<S, C>
where
    S: Store + 'static,
    C: Clock<Instant: Send + Sync> + Clone + Send + Sync + 'static,
{
    /// Takes over a policy that was loaded anew, in all clones: its rules, and which proxies are believed. What was counted stays.
    #[cfg(feature = "policy")]
    pub fn replace(&self, policy: crate::LimitPolicy) {
        self.settings.reading.trusted.store(Arc::new(policy.client));
        self.limiter.replace(policy.rules);
    }

    /// Asks about a request, of which more is known than the layer can read. For what only a handler knows: the account that
    /// somebody tries to sign in to. All rules are asked, so that the request must not have been through the layer.
    ///
    /// # Errors
    ///
    /// When it is refused, with the answer that the client gets.
    pub async fn check<'a>(
        &self,
        parts: &'a Parts,
        more: impl FnOnce(Request<'a>) -> Request<'a> + Send,
    ) -> Result<Admitted, Refused> {
        let facts = self.settings.reading.read(parts, more);
        let mut decision = self.limiter.check(&facts).await;
        if !decision.is_admitted() {
            return Err(Refused::new(decision, parts, self.settings.headers));
        }
        let permits = mem::take(&mut decision.permits);
        Ok(Admitted { limited: Limited(Arc::new(decision)), permits, headers: self.settings.headers })
    }
}

impl<Svc, S, C: Clock> tower_layer::Layer<Svc> for RateLimitLayer<S, C> {
    type Service = RateLimit<Svc, S, C>;

    fn layer(&self, service: Svc) -> Self::Service {
        RateLimit::new(service, self.clone())
    }
}

impl<S, C: Clock> Clone for RateLimitLayer<S, C> {
    fn clone(&self) -> Self {
        Self { limiter: self.limiter.clone(), settings: self.settings.clone() }
    }
}

impl<S, C: Clock> fmt::Debug for RateLimitLayer<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer").field("limiter", &self.limiter).field("settings", &self.settings).finish()
    }
}

/// What was decided about an admitted request: the layer puts it into the extensions of the request, for the service to read what
/// remains, or to give back what was charged ([`Limiter::refund`]). It holds no places; the answer's body does.
#[derive(Clone, Debug)]
pub struct Limited(Arc<Decision>);

impl Deref for Limited {
    type Target = Decision;

    fn deref(&self) -> &Decision {
        &self.0
    }
}

/// An admitted request. It holds the request's places until it is dropped.
#[derive(Debug)]
#[must_use = "it holds the places of the request only as long as it lives"]
pub struct Admitted {
    pub(super) limited: Limited,
    pub(super) permits: Permits,
    headers: Headers,
}

impl Admitted {
    /// Tells the client what remains.
    pub fn write(&self, headers: &mut HeaderMap) {
        fields::write(&self.limited, self.headers, headers);
    }

    /// What was decided.
    #[must_use]
    pub fn limited(&self) -> &Limited {
        &self.limited
    }
}
