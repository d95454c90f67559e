//! What the layer reads of a request.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
};

use arc_swap::ArcSwap;
use http::{HeaderMap, request::Parts};

use crate::{Facts, Part, Request, Trusted, client_address};

/// How requests are read.
#[derive(Clone)]
pub(super) struct Reading {
    /// Replaced when a policy is loaded anew.
    pub(super) trusted: Arc<ArcSwap<Trusted>>,
    pub(super) route: Route,
    pub(super) peer: Peer,
    pub(super) who: Who,
}

type Route = Arc<dyn Fn(&Parts) -> Option<&str> + Send + Sync>;
type Peer = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;
type Who = Arc<dyn for<'a> Fn(&'a Parts, Request<'a>) -> Request<'a> + Send + Sync>;

impl Default for Reading {
    fn default() -> Self {
        Self {
            trusted: Arc::default(),
            route: Arc::new(|_| None),
            peer: Arc::new(|parts| parts.extensions.get::<SocketAddr>().map(SocketAddr::ip)),
            who: Arc::new(|_, request| request),
        }
    }
}

impl Reading {
    pub(super) fn read<'a>(&self, parts: &'a Parts, more: impl FnOnce(Request<'a>) -> Request<'a>) -> HttpFacts<'a> {
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let known: Request<'a> = parts.extensions.get::<Request<'static>>().cloned().unwrap_or_default();
        HttpFacts {
            headers: &parts.headers,
            method: parts.method.as_str(),
            route: (self.route)(parts).unwrap_or(parts.uri.path()),
            address: client_address((self.peer)(parts), headers, &self.trusted.load()),
            said: more((self.who)(parts, known)),
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("trusted", &self.trusted).finish_non_exhaustive()
    }
}

/// The facts of a request over HTTP. What was said of it goes before what it looks like.
pub(super) struct HttpFacts<'a> {
    headers: &'a HeaderMap,
    method: &'a str,
    route: &'a str,
    address: Option<IpAddr>,
    said: Request<'a>,
}

impl Facts for HttpFacts<'_> {
    fn fact(&self, part: &Part) -> Option<Cow<'_, str>> {
        let said = self.said.fact(part);
        said.or_else(|| match part {
            Part::Address => Some(self.address?.to_string().into()),
            Part::Route => Some(self.route.into()),
            Part::Method => Some(self.method.into()),
            Part::Header(name) => header(self.headers, name),
            _ => None,
        })
    }

    fn address(&self) -> Option<IpAddr> {
        Facts::address(&self.said).or(self.address)
    }

    fn plan(&self) -> Option<Cow<'_, str>> {
        Facts::plan(&self.said)
    }

    fn cost(&self) -> NonZeroU32 {
        Facts::cost(&self.said)
    }
}

/// A header, all its lines together (RFC 9110, section 5.2).
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    let mut lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let mut value = lines.next()?;
    for line in lines {
        let value = value.to_mut();
        value.push_str(", ");
        value.push_str(&line);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(request: http::request::Builder) -> Parts {
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn a_request_is_read_as_it_looks() {
        let parts = parts(
            http::Request::post("https://example.org/ml/x?y=/z")
                .header("X-Org", "a")
                .header("x-org", "b")
                .header("x-forwarded-for", "1.1.1.1, 192.0.2.7")
                .extension(SocketAddr::from(([10, 0, 0, 1], 443)))
                .extension(Request::new().user("7").plan("pro")),
        );
        let trusted = Trusted { proxies: crate::Proxies::Count(1), ..Trusted::default() };
        let reading = Reading::default();
        reading.trusted.store(Arc::new(trusted));
        let facts = reading.read(&parts, |request| request);
        let names = ["route", "method", "header:x-org", "address", "user", "tenant"];
        let found = names.map(|name| facts.fact(&name.parse().expect("a part")).map(Cow::into_owned));
        let expected = [Some("/ml/x"), Some("POST"), Some("a, b"), Some("192.0.2.7"), Some("7"), None];
        assert_eq!(found, expected.map(|value| value.map(str::to_owned)));
        assert_eq!(facts.plan().as_deref(), Some("pro"));
    }

    #[test]
    fn what_is_said_goes_first() {
        let parts = parts(http::Request::get("/users/7").extension(Request::new().user("7")));
        let reading = Reading {
            route: Arc::new(|_| Some("/users/{id}")),
            who: Arc::new(|parts, request| request.user(parts.uri.path()).method("TRACE")),
            ..Reading::default()
        };
        let facts = reading.read(&parts, |request| request.tenant("t"));
        let found = [Part::Route, Part::User, Part::Method, Part::Tenant].map(|part| facts.fact(&part));
        assert_eq!(found.map(Option::unwrap_or_default), ["/users/{id}", "/users/7", "TRACE", "t"]);
    }
}
