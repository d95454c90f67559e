//! Pseudonyms: what stands for a value where the value must not be.
//!
//! The tag is HMAC-SHA-256 over a version label, the key's name, the context and the value, each behind its length,
//! so that no two different inputs are the same bytes, and a pseudonym of one context says nothing in another:
//!
//! ```text
//! "dbopt pseudonym v1" 0x00
//! u64 big-endian length of the key's name, the key's name
//! u64 big-endian length of the context, the context in UTF-8
//! u64 big-endian length of the value, the value
//! ```

use std::fmt;
use std::str::FromStr;

use crate::key::{Key, KeyId, from_hex};
use crate::mac::hmac::{HmacSha256, TAG_BYTES};

const LABEL: &[u8] = b"dbopt pseudonym v1\0";

/// What stands for a value. It can be compared, stored and printed; the value cannot be had from it without the key
/// and a guess. Its text is `hmac-sha256:KEY:TAG` with the tag in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym {
    key: KeyId,
    tag: [u8; TAG_BYTES],
}

impl Pseudonym {
    /// The name of the key it was made with.
    #[must_use]
    pub fn key(&self) -> &KeyId {
        &self.key
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hmac-sha256:{}:", self.key)?;
        self.tag.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is not a pseudonym.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pseudonym of the form `hmac-sha256:KEY:TAG`")]
pub struct ParsePseudonymError;

impl FromStr for Pseudonym {
    type Err = ParsePseudonymError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("hmac-sha256:").ok_or(ParsePseudonymError)?;
        let (key, tag) = rest.split_once(':').ok_or(ParsePseudonymError)?;
        // One value, one text: upper case would be a second one.
        if tag.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ParsePseudonymError);
        }
        let tag = from_hex(tag.as_bytes()).and_then(|tag| tag.try_into().ok()).ok_or(ParsePseudonymError)?;
        Ok(Self { key: KeyId::new(key).map_err(|_| ParsePseudonymError)?, tag })
    }
}

/// Makes pseudonyms under one key.
#[derive(Clone)]
pub struct Pseudonymizer {
    id: KeyId,
    mac: HmacSha256,
}

impl Pseudonymizer {
    /// Makes pseudonyms under a key with this name.
    #[must_use]
    pub fn new(id: KeyId, key: &Key) -> Self {
        Self { id, mac: HmacSha256::new(key.bytes()) }
    }

    /// The pseudonym of a value in a context such as `audit.subject`. Whoever wants two spellings of a value to be one, as of an
    /// e-mail address, normalises it before.
    #[must_use]
    pub fn pseudonym(&self, context: &str, value: &[u8]) -> Pseudonym {
        let tag = self.with_parts(context, value, |parts| self.mac.tag(parts));
        Pseudonym { key: self.id.clone(), tag }
    }

    /// Whether a pseudonym is that of the value in the context under this key. The time it takes does not depend on where
    /// the tags differ.
    #[must_use]
    pub fn verify(&self, pseudonym: &Pseudonym, context: &str, value: &[u8]) -> bool {
        pseudonym.key == self.id && self.with_parts(context, value, |parts| self.mac.verify(parts, &pseudonym.tag))
    }

    fn with_parts<T>(&self, context: &str, value: &[u8], then: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (id, context) = (self.id.as_str().as_bytes(), context.as_bytes());
        then(&[LABEL, &length(id), id, &length(context), context, &length(value), value])
    }
}

impl fmt::Debug for Pseudonymizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonymizer")
    }
}

fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pseudonymizer(id: &str, byte: u8) -> Pseudonymizer {
        let key = Key::new((0..32).map(|at| at ^ byte).collect()).expect("a key");
        Pseudonymizer::new(KeyId::new(id).expect("a name"), &key)
    }

    /// Computed apart from this program, by Python's hmac module over the bytes that the module's comment gives.
    #[test]
    fn the_encoding_is_the_documented_one() {
        let pseudonym = pseudonymizer("k1", 0).pseudonym("audit.subject", b"user 42");
        assert_eq!(
            pseudonym.to_string(),
            "hmac-sha256:k1:570b495d9962145075efa353fb2f48a5cd831d775cedd78a62960c21052e1d3d"
        );
    }

    #[test]
    fn key_name_context_and_value_are_bound() {
        let made = pseudonymizer("a", 0).pseudonym("c", b"v");
        assert!(pseudonymizer("a", 0).verify(&made, "c", b"v"));
        assert!(!pseudonymizer("a", 1).verify(&made, "c", b"v"));
        assert!(!pseudonymizer("b", 0).verify(&made, "c", b"v"));
        assert!(!pseudonymizer("a", 0).verify(&made, "d", b"v"));
        assert!(!pseudonymizer("a", 0).verify(&made, "c", b"w"));
        // The name is in the tag as well, not only beside it.
        let other = pseudonymizer("b", 0).pseudonym("c", b"v");
        assert_ne!(made.tag, other.tag);
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert_eq!(format!("{:?}", pseudonymizer("a", 0)), "Pseudonymizer");
    }

    #[test]
    fn only_the_one_text_is_read() {
        let text = pseudonymizer("a", 0).pseudonym("c", b"v").to_string();
        for wrong in [
            "",
            "hmac-sha256:a",
            "hmac-sha256::00",
            &text.to_uppercase(),
            &text[..text.len() - 2],
            &format!("{text}00"),
        ] {
            assert_eq!(wrong.parse::<Pseudonym>(), Err(ParsePseudonymError), "{wrong}");
        }
        let upper = format!("{}{}", &text[..14], text[14..].to_uppercase());
        assert!(upper.parse::<Pseudonym>().is_err());
    }

    proptest! {
        #[test]
        fn text_and_back(context in ".*", value: Vec<u8>) {
            let made = pseudonymizer("key-1", 0).pseudonym(&context, &value);
            prop_assert_eq!(made.to_string().parse::<Pseudonym>(), Ok(made));
        }

        /// Moving bytes from the context to the value makes another pseudonym.
        #[test]
        fn the_border_between_context_and_value_counts(text in "[a-z]{1,20}", at in 0_usize..20) {
            let at = at % text.len();
            let (context, value) = text.split_at(at);
            let pseudonymizer = pseudonymizer("key-1", 0);
            prop_assert_ne!(
                pseudonymizer.pseudonym(context, value.as_bytes()),
                pseudonymizer.pseudonym(&text, b"")
            );
        }
    }
}
