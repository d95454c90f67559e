//! What is to be recorded.

use dbopt_crypto::Pseudonym;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::record::{Hash, Record};

const MOST_ACTOR: usize = 256;
const MOST_ACTION: usize = 128;
const MOST_DETAILS: usize = 64 << 10;
const MOST_DEPTH: usize = 32;

/// What is to be recorded. The store adds number, time and hashes.
///
/// By contract there is no personal data in it: a person is the subject, as a pseudonym; the actor is a role or a program; the
/// details name tables, indexes, counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) subject: Option<String>,
    pub(crate) details: String,
}

impl Entry {
    /// An entry without a subject.
    ///
    /// # Errors
    /// When the actor is empty, longer than 256 bytes or has control characters; the action is not kebab-case words
    /// joined by dots, of 128 bytes at most; or the details take more than 64 KiB or are nested more than 32 deep.
    pub fn new(actor: &str, action: &str, details: &Map<String, Value>) -> Result<Self, Error> {
        if actor.is_empty() || actor.len() > MOST_ACTOR || actor.chars().any(char::is_control) {
            return Err(Error::Entry("the actor is empty, too long, or has control characters"));
        }
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && !word.ends_with('-')
                && !word.contains("--")
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if action.len() > MOST_ACTION || !action.split('.').all(is_word) {
            return Err(Error::Entry("the action is not of the form `area.what-was-done`"));
        }
        let mut text = String::new();
        write_object(details, 1, &mut text)?;
        if text.len() > MOST_DETAILS {
            return Err(Error::Entry("the details take more than 64 KiB"));
        }
        Ok(Self { actor: actor.to_owned(), action: action.to_owned(), subject: None, details: text })
    }

    /// The same entry about somebody.
    #[must_use]
    pub fn about(mut self, subject: &Pseudonym) -> Self {
        self.subject = Some(subject.to_string());
        self
    }

    /// The record that follows `head`.
    pub(crate) fn follow(&self, head: Option<&(u64, Hash)>, time: i64) -> Record {
        let (last, previous) = head.copied().unwrap_or((0, Hash::ZERO));
        let mut record = Record {
            sequence: last + 1,
            time,
            actor: self.actor.clone(),
            action: self.action.clone(),
            subject: self.subject.clone(),
            details: self.details.clone(),
            previous,
            hash: Hash::ZERO,
        };
        record.hash = record.computed_hash();
        record
    }
}

/// The actor that a database role is. A role may have any name, and an actor no control characters.
#[must_use]
pub fn actor(role: &str) -> String {
    role.replace(char::is_control, "\u{fffd}")
}

/// Writes an object with its keys in the order of their UTF-8 bytes and no white space. Written here because the order of
/// `serde_json`'s own maps depends on features that other crates of a program may turn on.
fn write_object(object: &Map<String, Value>, depth: usize, to: &mut String) -> Result<(), Error> {
    if depth > MOST_DEPTH {
        return Err(Error::Entry("the details are nested more than 32 deep"));
    }
    let mut members: Vec<(&String, &Value)> = object.iter().collect();
    members.sort_by_key(|(key, _)| key.as_bytes());
    to.push('{');
    for (at, (key, value)) in members.into_iter().enumerate() {
        if at > 0 {
            to.push(',');
        }
        write_scalar(&Value::String(key.clone()), to);
        to.push(':');
        write_value(value, depth, to)?;
    }
    to.push('}');
    Ok(())
}

fn write_value(value: &Value, depth: usize, to: &mut String) -> Result<(), Error> {
    match value {
        Value::Object(object) => write_object(object, depth + 1, to),
        Value::Array(items) => {
            if depth + 1 > MOST_DEPTH {
                return Err(Error::Entry("the details are nested more than 32 deep"));
            }
            to.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                write_value(item, depth + 1, to)?;
            }
            to.push(']');
            Ok(())
        }
        scalar => {
            write_scalar(scalar, to);
            Ok(())
        }
    }
}

fn write_scalar(value: &Value, to: &mut String) {
    to.push_str(&value.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn details(value: &Value) -> Result<String, Error> {
        Entry::new("a", "b", value.as_object().expect("an object")).map(|entry| entry.details)
    }

    #[test]
    fn details_have_one_form() {
        let text = r#"{ "b": [1, {"z": null, "a": "ü\n\u0000"}], "a": 1.50, "B": true }"#;
        let value: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(details(&value).expect("an entry"), r#"{"B":true,"a":1.5,"b":[1,{"a":"ü\n\u0000","z":null}]}"#);
    }

    #[test]
    fn limits_hold() {
        let deep = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }));
        assert!(details(&deep(32)).is_ok());
        assert!(details(&deep(33)).is_err());
        assert!(details(&json!({ "a": "x".repeat(MOST_DETAILS) })).is_err());
    }

    #[test]
    fn actors_and_actions_are_plain() {
        let new = |actor: &str, action: &str| Entry::new(actor, action, &Map::new());
        for action in ["apply", "apply.create-index", "gdpr.erase.v2"] {
            assert!(new("role", action).is_ok(), "{action}");
        }
        for action in ["", "Apply", "a..b", ".a", "a.", "a b", "a-", "-a", "a--b", "a.-b", "ä", &"a".repeat(129)] {
            assert!(new("role", action).is_err(), "{action}");
        }
        for actor in ["", "a\nb", &"a".repeat(257)] {
            assert!(new(actor, "apply").is_err(), "{actor:?}");
        }
    }
}
