//! Reads the policy, key by key.

use std::time::{Duration, SystemTime};

use dbopt_crypto::KeyId;
use dbopt_policy::{Bytes, Fault, FromValue, SecretRef, Shape, Table, Value};
use jsonwebtoken::Algorithm;

use super::{AccessPolicy, KeyEntry, database::database, routes::routes};
use crate::{InvalidRoles, Matrix, Role, SessionConfig, TokenConfig};

const ALGORITHMS: [(&str, Algorithm); 12] = [
    ("EdDSA", Algorithm::EdDSA),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
];
const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn policy(table: &Table<'_>) -> Option<AccessPolicy> {
    let matrix = matrix(table);
    let token = table.optional_section("token", "Which tokens are issued and accepted.", token);
    let (session, refresh) = table.section("session", "How long somebody stays in without a password.", session);
    let database = table
        .optional_section("database", "What the database itself enforces.", |table| database(table, matrix.as_ref()));
    let routes = routes(table, matrix.as_ref());
    // What a section with faults says is not known, and is nothing to be missed.
    let token = match token {
        None if table.contains("token") => return None,
        token => token,
    };
    let (token, keys, signing) =
        token.map_or((None, Vec::new(), None), |(token, keys, signing)| (Some(token), keys, signing));
    let policy = AccessPolicy { matrix: matrix?, token, session, routes, database, keys, signing, refresh };
    check_keys(table, &policy);
    Some(policy)
}

/// Whether the keys themselves are good, where they may be looked at: one key may have two names.
fn check_keys(table: &Table<'_>, policy: &AccessPolicy) {
    // One that is not there, or cannot be read, has its own fault.
    let signs = |signing: &String| policy.keys.iter().any(|key| key.id == *signing);
    if table.checks_secrets()
        && policy.signing.as_ref().is_none_or(signs)
        && let Err(fault) = policy.keys()
    {
        table.reject("token", fault);
    }
}

fn matrix(table: &Table<'_>) -> Option<Matrix> {
    let permissions: Vec<String> = table.or("permissions", "All permissions that there are.", Vec::new());
    let roles =
        table.named("role", "A role: whose permissions it inherits, and what it is given besides.", |name, table| {
            let inherits: Vec<String> = table.or("inherits", "The roles whose permissions it has, too.", Vec::new());
            let permissions: Vec<String> =
                table.or("permissions", "Permissions, or all below one as in `orders:*`.", Vec::new());
            let all_tenants =
                table.or("all_tenants", "Whether it is for all tenants, and not only for its holder's.", false);
            if permissions.is_empty() && inherits.is_empty() && !name.is_empty() {
                table.warn("permissions", Fault::new("empty-role", format!("role `{name}` may do nothing")));
            }
            Some(Role { name: name.to_owned(), inherits, permissions, all_tenants })
        });
    match Matrix::new(permissions, roles.into_iter().map(|(_, role)| role)) {
        Ok(matrix) => {
            for name in matrix.unused() {
                let fault = Fault::new("unused-permission", format!("no role has the permission `{name}`"));
                table.warn("permissions", fault.help("Give it to a role, or take it away."));
            }
            Some(matrix)
        }
        Err(faults) => {
            for fault in faults {
                let (key, code) = match &fault {
                    InvalidRoles::Permission(_) => ("permissions", "bad-permission"),
                    InvalidRoles::SamePermission(_) => ("permissions", "same-permission"),
                    InvalidRoles::Cycle(_) => ("role", "role-cycle"),
                    InvalidRoles::NoRole { .. } => ("role", "unknown-role"),
                    InvalidRoles::NoPermission { .. } => ("role", "unknown-permission"),
                    InvalidRoles::TooMany | InvalidRoles::Name(_) => ("role", "bad-role"),
                };
                table.reject(key, Fault::new(code, fault.to_string()));
            }
            None
        }
    }
}

fn token(table: &Table<'_>) -> Option<(TokenConfig, Vec<KeyEntry>, Option<String>)> {
    let fallback = TokenConfig::new("", "");
    let issuer: Option<String> = table.required("issuer", "Who issues them, `iss`.");
    let audience: Option<String> = table.required("audience", "The service they are for, which has to be in `aud`.");
    for (key, text) in [("issuer", &issuer), ("audience", &audience)] {
        if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            table.reject(key, Fault::new("bad-value", format!("`token.{key}` is empty")));
        }
    }
    let kind = table.or("kind", "What kind they are, `typ`.", fallback.kind);
    let lifetime = table.or("lifetime", "How long a new one is valid.", fallback.lifetime);
    let longest = table.or("longest", "How long any may be valid.", fallback.longest.max(lifetime));
    let leeway = table.or("leeway", "By how much clocks may differ.", fallback.leeway);
    let most = table.or("most_bytes", "The most bytes of one.", Bytes(fallback.most_bytes as u64));
    if lifetime.as_secs() == 0 {
        table.reject("lifetime", Fault::new("out-of-range", "a token is valid for less than a second"));
    }
    if lifetime > longest {
        table.reject("longest", Fault::new("contradiction", "a new token is valid for longer than any may be"));
    }
    if longest > DAY {
        let fault = Fault::new("long-lifetime", "a token may be valid for more than a day");
        table.warn("longest", fault.help("Let tokens live for minutes, and refresh them by a session."));
    }
    if leeway > 5 * MINUTE {
        let fault = Fault::new("wide-leeway", "clocks may differ by more than five minutes");
        table.warn("leeway", fault.help("Keep clocks together by NTP, and say a minute or less."));
    }
    if !(1024..=64 * 1024).contains(&most.0) {
        table.reject("most_bytes", Fault::new("out-of-range", "`token.most_bytes` is not from 1kB to 64kB"));
    }
    let signing: Option<String> =
        table.optional("signing", "The key that signs; without it, tokens are only verified.");
    let keys = keys(table, signing.as_deref());
    let most_bytes = usize::try_from(most.0).unwrap_or(fallback.most_bytes);
    let config = TokenConfig { issuer: issuer?, audience: audience?, kind, lifetime, longest, leeway, most_bytes };
    Some((config, keys, signing))
}

fn keys(table: &Table<'_>, signing: Option<&str>) -> Vec<KeyEntry> {
    let keys = table.named("key", "A key by its name, the `kid` of tokens, with its one algorithm.", |name, table| {
        let algorithm =
            table.required_choice("algorithm", "Its algorithm; tokens of any other are refused.", &ALGORITHMS);
        let about =
            "Where it is: PEM of a private or public key, or 32 bytes or more in hexadecimal or base64 for `HS…`.";
        let secret: Option<SecretRef> = table.required("secret", about);
        let until = table.optional("until", "From when on nothing is verified with it.").map(|Moment(until)| until);
        let is_signing = signing == Some(name);
        if signing.is_some() && !is_signing && until.is_none() && !name.is_empty() {
            let fault =
                Fault::new("endless-key", format!("key `{name}` does not sign any more, and verifies without an end"));
            table.warn("until", fault.help("Say `until`: when it stopped signing, and `longest` and `leeway` later."));
        }
        Some(KeyEntry { id: name.to_owned(), algorithm: algorithm?, secret: secret?, until })
    });
    let keys: Vec<_> = keys.into_iter().map(|(_, key)| key).collect();
    if let Some(signing) = signing
        && !keys.iter().any(|key| key.id == signing)
    {
        let fault = Fault::new("unknown-key-name", format!("there is no key `{signing}`, which shall sign"));
        table.reject("signing", fault.help(format!("Add a section `[token.key.{signing}]`.")));
    }
    for (at, key) in keys.iter().enumerate() {
        for other in keys[..at].iter().filter(|other| other.secret == key.secret) {
            if other.algorithm != key.algorithm {
                let what = format!("keys `{}` and `{}` are one key with two algorithms", other.id, key.id);
                let fault = Fault::new("shared-key", what).help("Give each algorithm a key of its own.");
                table.reject("key", fault);
            }
        }
    }
    keys
}

fn session(table: &Table<'_>) -> (SessionConfig, Vec<(KeyId, SecretRef)>) {
    let fallback = SessionConfig::default();
    let idle = table.or("idle", "A session ends when it is not refreshed for so long.", fallback.idle);
    let longest = table.or("longest", "A session ends after so long in any case.", fallback.longest.max(idle));
    let grace =
        table.or("grace", "For so long the refresh token before the present one still gives that one.", fallback.grace);
    if idle > longest {
        table.reject(
            "longest",
            Fault::new("contradiction", "a session that is not refreshed lasts longer than any may"),
        );
    }
    if longest > 366 * DAY {
        let fault = Fault::new("long-session", "a session may last for more than a year");
        table.warn("longest", fault.help("Ask for the password again after some weeks."));
    }
    if grace > MINUTE {
        let fault = Fault::new("long-grace", "a refresh token that was used is good for more than a minute");
        table.warn("grace", fault.help("Some seconds are enough for a client that did not hear the answer."));
    }
    let making = table.optional::<Name>("key_of_new", "The key that makes new refresh tokens.").map(|Name(id)| id);
    let keys = table.named("key", "A key of refresh tokens, by its name.", |name, table| {
        let secret: Option<SecretRef> =
            table.required("secret", "Where its 32 bytes or more are, in hexadecimal or base64.");
        let id = KeyId::new(name);
        if let Err(error) = &id
            && !name.is_empty()
        {
            table.reject("", Fault::new("bad-key", error.to_string()));
        }
        Some((id.ok()?, secret?))
    });
    let mut keys: Vec<_> = keys.into_iter().map(|(_, key)| key).collect();
    match (&making, keys.iter().position(|(id, _)| Some(id) == making.as_ref())) {
        (Some(_), Some(at)) => keys[..=at].rotate_right(1),
        (Some(id), None) => {
            let fault = Fault::new("unknown-key-name", format!("there is no key `{id}` of refresh tokens"));
            table.reject("key_of_new", fault.help(format!("Add a section `[session.key.{id}]`.")));
        }
        (None, _) if keys.len() > 1 => {
            let fault = Fault::new("missing-key", "of several keys, none is said to make new refresh tokens");
            table.reject("key", fault.help("Say `key_of_new`."));
        }
        (None, _) => {}
    }
    (SessionConfig { idle, longest, grace }, keys)
}

/// The name of a key.
struct Name(KeyId);

impl FromValue for Name {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), |text| {
            KeyId::new(text).map(Self).map_err(|error| Fault::new("bad-key", error.to_string()))
        })
    }

    fn shape() -> Shape {
        Shape::Text { what: "the name of a key", pattern: Some("^[a-z0-9._-]{1,64}$"), examples: &["r1"] }
    }
}

/// A moment of RFC 3339.
struct Moment(SystemTime);

impl FromValue for Moment {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), |text| {
            let moment = text.parse::<jiff::Timestamp>().map(|moment| Self(moment.into()));
            moment.map_err(|_| {
                Fault::new("bad-time", "this is no moment")
                    .help("Write a date, a time and its zone, such as `2026-12-01T00:00:00Z`.")
            })
        })
    }

    fn shape() -> Shape {
        Shape::Text { what: "a moment", pattern: None, examples: &["2026-12-01T00:00:00Z"] }
    }
}
