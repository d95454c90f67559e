//! The values of the policy.

use std::{num::NonZeroU32, str::FromStr};

use dbopt_policy::{Fault, FromValue, Rate, SecretRef, Shape, Value};

use crate::{List, Network, Part, RoutePattern, Values, Window};

/// `100/min`, `100/min burst 20`.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowValue(pub(super) Window);

impl FromValue for WindowValue {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), |text| window(text).map(Self))
    }

    fn shape() -> Shape {
        Shape::Text {
            what: "a rate",
            pattern: Some(r"^\s*[0-9]+\s*/\s*([0-9]+\s*)?[A-Za-z]+(\s+burst\s+[0-9]+)?\s*$"),
            examples: &["100/min", "1000/15min", "100/min burst 20"],
        }
    }
}

fn window(text: &str) -> Result<Window, Fault> {
    let (rate, burst) = match text.split_once("burst") {
        Some((rate, burst)) => (rate.trim(), Some(burst.trim())),
        None => (text.trim(), None),
    };
    let read = Rate::parse(rate)?;
    let count = u32::try_from(read.count.get()).ok().and_then(NonZeroU32::new);
    let count = count.ok_or_else(|| Fault::new("out-of-range", format!("`{rate}` is more than {}", u32::MAX)))?;
    let window = Window::new(count, read.per()).ok_or_else(|| {
        Fault::new("out-of-range", format!("the period of `{rate}` is not from 1 ms to 366 days"))
            .help("What is counted for longer than a year is a quota of an account, not a rate.")
    })?;
    let Some(burst) = burst else { return Ok(window) };
    let burst = burst.parse().map_err(|_| {
        Fault::new("bad-burst", "after `burst` comes a whole number above zero").help("Write `100/min burst 20`.")
    })?;
    Ok(window.burst_of(burst))
}

/// A text that is read by its type's own rules.
macro_rules! parsed_values {
    ($($name:ident($type:ty): $what:literal, $code:literal, $help:literal, $examples:expr;)*) => {$(
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub(super) $type);

        impl FromValue for $name {
            fn from_value(value: &Value<'_>) -> Option<Self> {
                value.parsed(&Self::shape(), |text| {
                    <$type>::from_str(text).map(Self).map_err(|error| Fault::new($code, error.to_string()).help($help))
                })
            }

            fn shape() -> Shape {
                Shape::Text { what: $what, pattern: None, examples: $examples }
            }
        }
    )*};
}

parsed_values! {
    RouteValue(RoutePattern): "a route", "bad-route",
        "Write a path such as `/ml/predict`; `*` is one segment, `/**` at the end is all below.",
        &["/ml/**", "/users/*/export"];
    NetworkValue(Network): "a network", "bad-network", "Write an address or a network such as `10.0.0.0/8`.",
        &["10.0.0.0/8", "2001:db8::/32"];
}

/// A part that a rule counts by.
#[derive(Clone, Debug)]
pub(super) struct PartValue(pub(super) Part);

impl FromValue for PartValue {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let text = value.text(&Self::shape())?;
        let help = "Write `user`, `tenant`, `api_key`, `address`, `route`, `method`, `header:NAME` or `claim:NAME`.";
        let error = match Part::from_str(text) {
            Ok(part) => return Some(Self(part)),
            // Somebody took the key for a client, such as `api_key=…`.
            Err(_) if text.contains('=') => {
                value.withhold();
                Fault::new("unknown-part", "a part that a rule counts by has no value")
            }
            Err(error) => Fault::new("unknown-part", error.to_string()),
        };
        value.reject(error.help(help));
        None
    }

    fn shape() -> Shape {
        Shape::Text { what: "a part of a request", pattern: None, examples: &["user", "address", "header:x-client"] }
    }
}

/// A method.
#[derive(Clone, Debug)]
pub(super) struct MethodValue(pub(super) Box<str>);

impl FromValue for MethodValue {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), |text| {
            if !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                return Ok(Self(text.to_ascii_uppercase().into()));
            }
            Err(Fault::new("bad-method", "this is no method").help("Write a method such as `POST`."))
        })
    }

    fn shape() -> Shape {
        Shape::Text { what: "a method", pattern: Some("^[A-Za-z]+$"), examples: &["POST"] }
    }
}

/// Whom a list or a limit of its own is about: `user=7`, `10.0.0.0/8`, `api_key=env:PARTNER_KEY`.
#[derive(Clone)]
pub(super) enum Who {
    Value(Part, Box<str>),
    Network(Network),
    /// An API key that is not looked up on this machine.
    Unknown,
}

impl Who {
    /// Adds it, and gives back what was said of it before.
    pub(super) fn add<T>(self, to: &mut Values<T>, of: T) -> Option<T> {
        match self {
            Self::Value(part, value) => to.add(part, value, of),
            Self::Network(network) => to.add_network(network, of),
            Self::Unknown => None,
        }
    }
}

impl FromValue for Who {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let text = value.text(&Self::shape())?;
        let Some(reference) = text.strip_prefix("api_key=") else {
            // Whatever is not understood may be a key, too.
            return who(text).map_err(|fault| (value.withhold(), value.reject(fault))).ok();
        };
        // Whatever stands here instead of a reference may be the key itself.
        let Ok(reference @ SecretRef::Env(_)) = SecretRef::parse(reference) else {
            value.withhold();
            let fault = Fault::new("bad-secret", "this is no reference to an API key");
            value.reject(fault.help("Write `\"api_key=env:NAME\"`; a policy holds no secret itself."));
            return None;
        };
        if !value.checks_secrets() {
            return Some(Self::Unknown);
        }
        match reference.resolve() {
            Ok(secret) => match secret.expose_str() {
                Some(key) => Some(Self::Value(Part::ApiKey, key.into())),
                None => {
                    value.reject(Fault::new("bad-secret", format!("`{reference}` is not UTF-8")));
                    None
                }
            },
            Err(fault) => {
                value.reject(fault);
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Text {
            what: "a client",
            pattern: None,
            examples: &["user=7", "tenant=acme", "10.0.0.0/8", "api_key=env:PARTNER_KEY"],
        }
    }
}

fn who(text: &str) -> Result<Who, Fault> {
    let network = |text: &str| {
        text.parse().map(Who::Network).map_err(|error: crate::InvalidNetwork| {
            let message = match error {
                crate::InvalidNetwork::Address(_) => "this is no address and no network".to_owned(),
                error => error.to_string(),
            };
            Fault::new("bad-client", message).help("Write a network such as `10.0.0.0/8`, or `user=7`.")
        })
    };
    let Some((part, value)) = text.split_once('=') else { return network(text) };
    match part.parse::<Part>() {
        Ok(Part::Address) => network(value),
        Ok(_) if value.is_empty() => Err(Fault::new("bad-client", format!("`{part}` of what value is not said"))),
        Ok(part) => Ok(Who::Value(part, value.into())),
        // What stands before the `=` is not repeated either: it may be the beginning of a key.
        Err(_) => Err(Fault::new("bad-client", "this is no client that a rule can tell").help(
            match dbopt_policy::suggest(part, Part::NAMES) {
                Some("api_key") => "Did you mean `api_key=env:NAME`?".to_owned(),
                Some(meant) => format!("Did you mean `{meant}=`?"),
                None => "Write `user=`, `tenant=`, `api_key=env:NAME`, `address=`, `route=`, `method=`, \
                         `header:NAME=` or `claim:NAME=`."
                    .to_owned(),
            },
        )),
    }
}

/// A list of clients.
pub(super) fn list(clients: Option<Vec<Who>>) -> List {
    let mut list = List::default();
    for who in clients.into_iter().flatten() {
        who.add(&mut list, ());
    }
    list
}
