//! What a rule can count by.

use std::{fmt, str::FromStr};

/// One thing that is known of a request. A rule counts by any combination of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Part {
    /// The user who is signed in, or who tries to.
    User,
    /// The customer or organisation.
    Tenant,
    /// The API key. It is hashed before anything is kept, and is in no event and no message.
    ApiKey,
    /// The client's address, by its network; see [`crate::client_address`].
    Address,
    /// The route, as the service names it: best its pattern (`/users/{id}`), which the client cannot choose.
    Route,
    /// The method.
    Method,
    /// A header by its name in lower case. The client chooses what is in it.
    Header(Box<str>),
    /// A claim of a verified token.
    Claim(Box<str>),
}

/// Why a text names no part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is nothing that a rule can count by", .0.escape_debug())]
pub struct UnknownPart(pub String);

impl Part {
    /// The names of the parts that have no name of their own inside.
    pub const NAMES: [&'static str; 6] = ["user", "tenant", "api_key", "address", "route", "method"];

    /// Whether the client can put anything it likes here, or nothing.
    #[must_use]
    pub fn is_chosen_by_client(&self) -> bool {
        matches!(self, Self::Header(_) | Self::Route | Self::Method)
    }
}

/// `user`, `tenant`, `api_key`, `address`, `route`, `method`, `header:NAME`, `claim:NAME`.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Tenant => f.write_str("tenant"),
            Self::ApiKey => f.write_str("api_key"),
            Self::Address => f.write_str("address"),
            Self::Route => f.write_str("route"),
            Self::Method => f.write_str("method"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Claim(name) => write!(f, "claim:{name}"),
        }
    }
}

/// Reads what [`Part`] prints. A header's name is folded to lower case and is a token of RFC 9110 (section 5.6.2).
impl FromStr for Part {
    type Err = UnknownPart;

    fn from_str(text: &str) -> Result<Self, UnknownPart> {
        let token = |name: &str| {
            let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            !name.is_empty() && name.bytes().all(of_token)
        };
        Ok(match text {
            "user" => Self::User,
            "tenant" => Self::Tenant,
            "api_key" => Self::ApiKey,
            "address" => Self::Address,
            "route" => Self::Route,
            "method" => Self::Method,
            _ => match text.split_once(':') {
                Some(("header", name)) if token(name) => Self::Header(name.to_ascii_lowercase().into()),
                Some(("claim", name)) if !name.is_empty() => Self::Claim(name.into()),
                _ => return Err(UnknownPart(text.chars().take(60).collect())),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again() {
        for name in Part::NAMES.into_iter().chain(["header:x-org", "claim:https://example.org/org"]) {
            assert_eq!(name.parse::<Part>().map(|part| part.to_string()).as_deref(), Ok(name));
        }
        assert_eq!("header:X-Org".parse(), Ok(Part::Header("x-org".into())));
        for bad in ["", "users", "header:", "header:a b", "claim:", "claim"] {
            assert_eq!(bad.parse::<Part>(), Err(UnknownPart(bad.to_owned())));
        }
    }
}
