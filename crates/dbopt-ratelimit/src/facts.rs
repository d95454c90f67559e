//! What is known of a request.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr, num::NonZeroU32};

use crate::Part;

/// Answers what a rule wants to know of a request.
///
/// [`Request`] is one that can be filled in; a service whose requests are types of its own implements this for them,
/// and copies nothing. What is empty counts as missing.
pub trait Facts {
    /// The value of a part, when the request has it. Of [`Part::Address`] it is the address in its usual form.
    fn fact(&self, part: &Part) -> Option<Cow<'_, str>>;

    /// The client's address: the one that [`crate::client_address`] found, not whatever a header says.
    fn address(&self) -> Option<IpAddr> {
        self.fact(&Part::Address)?.parse().ok()
    }

    /// The plan of whoever asks, which may have limits of its own.
    fn plan(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// How much the request costs; it multiplies the cost of each rule.
    fn cost(&self) -> NonZeroU32 {
        NonZeroU32::MIN
    }
}

/// A request to fill in.
///
/// ```
/// use dbopt_ratelimit::Request;
///
/// let request = Request::new().user("7").address([203, 0, 113, 9]).route("/ml").method("POST").plan("pro");
/// ```
#[derive(Clone, Default)]
pub struct Request<'a> {
    user: Option<Cow<'a, str>>,
    tenant: Option<Cow<'a, str>>,
    api_key: Option<Cow<'a, str>>,
    address: Option<IpAddr>,
    route: Option<Cow<'a, str>>,
    method: Option<Cow<'a, str>>,
    /// By names in lower case.
    headers: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    claims: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    plan: Option<Cow<'a, str>>,
    cost: Option<NonZeroU32>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<Cow<'a, str>>) -> Self {
            self.$name = Some($name.into());
            self
        }
    )*};
}

impl<'a> Request<'a> {
    /// A request of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// With a user, in one spelling for each account: `Ann` and `ann` are counted apart.
        user
        /// With a tenant.
        tenant
        /// With an API key.
        api_key
        /// With a route.
        route
        /// With a method.
        method
        /// With a plan.
        plan
    }

    /// With the client's address.
    #[must_use]
    pub fn address(self, address: impl Into<IpAddr>) -> Self {
        Self { address: Some(address.into()), ..self }
    }

    /// With a header; the case of its name does not matter.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        let name = name.into();
        let name = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            name
        };
        self.headers.insert(name, value.into());
        self
    }

    /// With a claim of a verified token.
    #[must_use]
    pub fn claim(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// With a cost.
    #[must_use]
    pub fn cost(self, cost: NonZeroU32) -> Self {
        Self { cost: Some(cost), ..self }
    }
}

impl Facts for Request<'_> {
    fn fact(&self, part: &Part) -> Option<Cow<'_, str>> {
        let found = match part {
            Part::User => self.user.as_deref(),
            Part::Tenant => self.tenant.as_deref(),
            Part::ApiKey => self.api_key.as_deref(),
            Part::Address => return self.address.map(|address| address.to_string().into()),
            Part::Route => self.route.as_deref(),
            Part::Method => self.method.as_deref(),
            Part::Header(name) => self.headers.get(&**name).map(AsRef::as_ref),
            Part::Claim(name) => self.claims.get(&**name).map(AsRef::as_ref),
        };
        found.map(Cow::Borrowed)
    }

    fn address(&self) -> Option<IpAddr> {
        self.address
    }

    fn plan(&self) -> Option<Cow<'_, str>> {
        self.plan.as_deref().map(Cow::Borrowed)
    }

    fn cost(&self) -> NonZeroU32 {
        self.cost.unwrap_or(NonZeroU32::MIN)
    }
}

/// The API key, the headers and the claims are not shown.
impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("user", &self.user)
            .field("tenant", &self.tenant)
            .field("address", &self.address)
            .field("route", &self.route)
            .field("method", &self.method)
            .field("plan", &self.plan)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_answered() {
        let request = Request::new()
            .user("u")
            .tenant("t")
            .api_key("k")
            .address([192, 0, 2, 1])
            .route("/r")
            .method("GET")
            .header("X-Org", "o")
            .claim("sub", "s")
            .plan("pro");
        let names = ["user", "tenant", "api_key", "address", "route", "method", "header:x-org", "claim:sub"];
        let answers = names.map(|name| request.fact(&name.parse().expect("a part")).map(Cow::into_owned));
        let expected = ["u", "t", "k", "192.0.2.1", "/r", "GET", "o", "s"].map(|value| Some(value.to_owned()));
        assert_eq!(answers, expected);
        assert_eq!((Facts::plan(&request).as_deref(), Facts::cost(&request).get()), (Some("pro"), 1));
        assert_eq!(Request::new().fact(&Part::User), None);
        assert!(!format!("{:?}", Request::new().api_key("hush")).contains("hush"));
    }
}
