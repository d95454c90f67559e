//! Encrypted values in documents (feature `serde`): base64 where people read it, and bytes elsewhere. Always sealed.

use std::{fmt, marker::PhantomData};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Encrypted;

impl<T> Serialize for Encrypted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(self.sealed()))
        } else {
            serializer.serialize_bytes(self.sealed())
        }
    }
}

impl<'de, T> Deserialize<'de> for Encrypted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Sealed(PhantomData))
        } else {
            deserializer.deserialize_byte_buf(Sealed(PhantomData))
        }
    }
}

struct Sealed<T>(PhantomData<fn() -> T>);

impl<T> de::Visitor<'_> for Sealed<T> {
    type Value = Encrypted<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sealed value")
    }

    /// The text itself is not shown: a column that should be sealed may hold a plain value.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        STANDARD.decode(text).map(Encrypted::from_sealed).map_err(|_| E::custom("a sealed value is base64"))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Encrypted::from_sealed(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_hold_it_sealed() {
        let value = Encrypted::<String>::from_sealed(vec![1, 2, 3]);
        let text = serde_json::to_string(&value).expect("text");
        assert_eq!(text, "\"AQID\"");
        let back: Encrypted<String> = serde_json::from_str(&text).expect("sealed");
        assert_eq!(back.sealed(), [1, 2, 3]);
        let error = serde_json::from_str::<Encrypted<String>>("\"jo@example.org\"").expect_err("plain");
        assert!(!error.to_string().contains("example"), "{error}");
    }
}
