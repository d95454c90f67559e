//! JSON that says one thing: no name twice, no deep nesting.
//!
//! Readers differ in which of two equal names they take, so that a token with both could mean one thing to a gateway and
//! another to the service behind it (RFC 8725, section 2.4).

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Reason;

/// Deepest nesting; the claims themselves are the first level.
const DEEPEST: u8 = 8;

/// Reads an object.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Reason> {
    let fault = Cell::new(Reason::Json);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0, fault: &fault }.deserialize(&mut deserializer);
    match value.and_then(|value| deserializer.end().map(|()| value)) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(fault.get()),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: u8,
    /// What is wrong, if it is not the syntax.
    fault: &'a Cell<Reason>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEEPEST {
            self.fault.set(Reason::Nesting);
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                self.fault.set(Reason::Duplicate);
                return Err(A::Error::custom("a name comes twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), Reason>) {
        assert_eq!(object(text.as_bytes()).map(drop), expected, "{text}");
    }

    #[test]
    fn objects_are_read_as_serde_json_does() {
        let text = r#"{"a":[1,-2,3.5,null,true,"x\u00e9"],"b":{"c":{}}}"#;
        let expected: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(object(text.as_bytes()).map(Value::Object), Ok(expected));
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        check(r#"{"a":1,"a":1}"#, Err(Reason::Duplicate));
        check(r#"{"a":{"b":1,"\u0062":2}}"#, Err(Reason::Duplicate));
        check(r#"{"a":[{"b":1,"b":2}]}"#, Err(Reason::Duplicate));
        check("{} {}", Err(Reason::Json));
        check("[]", Err(Reason::Json));
        check("7", Err(Reason::Json));
        check("", Err(Reason::Json));
        check(r#"{"a":1e999}"#, Err(Reason::Json));
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(7), Ok(()));
        check(&nested(8), Err(Reason::Nesting));
        check(&nested(100_000), Err(Reason::Nesting));
    }
}
