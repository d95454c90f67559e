//! A key ring as a document.
//!
//! ```json
//! {
//!   "keyring": 1,
//!   "name": "shop",
//!   "next": 2,
//!   "keys": [
//!     {
//!       "number": 1,
//!       "purpose": "customer",
//!       "algorithm": "xchacha20-poly1305",
//!       "generation": 1,
//!       "created": "2026-11-21T09:30:00Z",
//!       "retired": null,
//!       "destroyed": null,
//!       "wrapped": "AQEFa2VrLTE…"
//!     }
//!   ]
//! }
//! ```
//!
//! `keyring` is the version of the form. A reader of version 1 refuses what it does not know, rather than lose it when it
//! writes the document again.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Keyring, KeyringEntry};
use crate::{KeyId, KeyKind, KeyNumber, WrappedKey};

const VERSION: u32 = 1;

/// Why a text is no key ring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseKeyringError {
    /// What is wrong; a fragment, without anything of the text but names and numbers of keys.
    pub message: String,
    /// Line and column, from 1, where they are known.
    pub place: Option<(usize, usize)>,
}

impl fmt::Display for ParseKeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.place.map_or(Ok(()), |(line, column)| write!(f, " (line {line}, column {column})"))
    }
}

impl std::error::Error for ParseKeyringError {}

#[derive(Deserialize)]
struct Head {
    keyring: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    keyring: u32,
    name: String,
    next: u32,
    keys: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    number: u32,
    purpose: String,
    algorithm: String,
    generation: u32,
    created: String,
    retired: Option<String>,
    destroyed: Option<String>,
    wrapped: Option<String>,
}

impl Keyring {
    /// Most bytes of a document.
    pub const MOST_BYTES: usize = 8 << 20;

    /// Reads a document.
    pub fn parse(text: &[u8]) -> Result<Self, ParseKeyringError> {
        if text.len() > Self::MOST_BYTES {
            return Err(message(format!("it has more than {} bytes", Self::MOST_BYTES)));
        }
        // The version first: another one may look quite different.
        let head: Head = serde_json::from_slice(text).map_err(|error| syntax(&error))?;
        if head.keyring != VERSION {
            return Err(message(format!("version {} of key rings is not known", head.keyring)));
        }
        let document: Document = serde_json::from_slice(text).map_err(|error| syntax(&error))?;
        let ring = Self {
            name: name(&document.name, "the key ring")?,
            next: number(document.next)?,
            entries: document.keys.into_iter().map(entry).collect::<Result<_, _>>()?,
        };
        ring.fault().map_or(Ok(ring), |fault| Err(message(fault)))
    }

    /// The document, with a line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let time = |time: Timestamp| time.to_string();
        let keys = self.entries.iter().map(|entry| Entry {
            number: entry.number.get(),
            purpose: entry.purpose.to_string(),
            algorithm: entry.kind.name().to_owned(),
            generation: entry.generation,
            created: time(entry.created),
            retired: entry.retired.map(time),
            destroyed: entry.destroyed.map(time),
            wrapped: entry.wrapped.as_ref().map(WrappedKey::to_string),
        });
        let document =
            Document { keyring: VERSION, name: self.name.to_string(), next: self.next.get(), keys: keys.collect() };
        serde_json::to_string_pretty(&document).expect("it has nothing that is not JSON") + "\n"
    }
}

fn entry(entry: Entry) -> Result<KeyringEntry, ParseKeyringError> {
    let number = number(entry.number)?;
    let bad = |what: &str| message(format!("{what} of key {number} is none"));
    let time = |text: &str| text.parse::<Timestamp>().map_err(|_| bad("a time"));
    Ok(KeyringEntry {
        number,
        purpose: name(&entry.purpose, &format!("the purpose of key {number}"))?,
        kind: KeyKind::from_name(&entry.algorithm).ok_or_else(|| bad("the algorithm"))?,
        generation: entry.generation,
        created: time(&entry.created)?,
        retired: entry.retired.as_deref().map(time).transpose()?,
        destroyed: entry.destroyed.as_deref().map(time).transpose()?,
        wrapped: entry.wrapped.map(|text| WrappedKey::parse(&text).map_err(|_| bad("the wrapped form"))).transpose()?,
    })
}

fn name(text: &str, of: &str) -> Result<KeyId, ParseKeyringError> {
    KeyId::new(text).map_err(|_| message(format!("the name of {of} is none")))
}

fn number(number: u32) -> Result<KeyNumber, ParseKeyringError> {
    KeyNumber::new(number).ok_or_else(|| message("a key has number 0".to_owned()))
}

fn message(message: String) -> ParseKeyringError {
    ParseKeyringError { message, place: None }
}

/// The place only: serde's own message may quote the text.
fn syntax(error: &serde_json::Error) -> ParseKeyringError {
    let message = if error.is_data() { "it is no key ring" } else { "it is no JSON" };
    ParseKeyringError { message: message.to_owned(), place: Some((error.line(), error.column())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::change::tests::ring;

    fn fails(change: impl Fn(&mut serde_json::Value)) -> String {
        let mut value: serde_json::Value = serde_json::from_str(&ring().to_json()).expect("JSON");
        change(&mut value);
        Keyring::parse(value.to_string().as_bytes()).expect_err("no key ring").message
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = ring().to_json();
        assert_eq!(Keyring::parse(text.as_bytes()), Ok(ring_of(&text)));
        assert_eq!(ring_of(&text).to_json(), text);
        assert!(text.contains(r#""created": "2023-11-14T22:13:20Z""#), "{text}");
    }

    fn ring_of(text: &str) -> Keyring {
        Keyring::parse(text.as_bytes()).expect("a key ring")
    }

    #[test]
    fn what_is_none_is_refused_with_its_reason() {
        assert_eq!(fails(|v| v["keyring"] = 2.into()), "version 2 of key rings is not known");
        assert_eq!(fails(|v| v["name"] = "A".into()), "the name of the key ring is none");
        assert_eq!(fails(|v| v["next"] = 3.into()), "key 3 is out of order");
        assert_eq!(fails(|v| v["extra"] = 3.into()), "it is no key ring");
        assert_eq!(fails(|v| v["keys"][1]["number"] = 1.into()), "key 1 is out of order");
        assert_eq!(fails(|v| v["keys"][1]["number"] = 0.into()), "a key has number 0");
        assert_eq!(fails(|v| v["keys"][0]["retired"] = ().into()), "key 3 is active beside another one of its purpose");
        assert_eq!(fails(|v| v["keys"][0]["created"] = "soon".into()), "a time of key 1 is none");
        assert_eq!(fails(|v| v["keys"][0]["algorithm"] = "rot13".into()), "the algorithm of key 1 is none");
        assert_eq!(fails(|v| v["keys"][0]["wrapped"] = "AQ==".into()), "the wrapped form of key 1 is none");
        assert_eq!(fails(|v| v["keys"][0]["wrapped"] = ().into()), "key 1 is destroyed and there, or neither");
        assert_eq!(fails(|v| v["keys"][2]["generation"] = 3.into()), "key 3 is of the wrong generation");
        assert_eq!(
            fails(|v| v["keys"][2]["algorithm"] = "hmac-sha-256".into()),
            "key 3 is of another kind than others of its purpose"
        );
    }

    /// A key that was put where a number belongs is not repeated.
    #[test]
    fn the_text_is_not_shown() {
        for text in ["{\"keyring\": \"hunter2\"}", "hunter2", "{\"keyring\": 1, \"hunter2\": 1}"] {
            let error = Keyring::parse(text.as_bytes()).expect_err("no key ring");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let error = Keyring::parse(b"{\n  \"keyring\": x}").expect_err("no JSON");
        assert_eq!(error.to_string(), "it is no JSON (line 2, column 14)");
    }
}
