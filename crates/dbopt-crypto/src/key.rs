//! Key material and its name.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Fewest bytes of a key: the output of SHA-256, as RFC 2104, section 3, asks for.
pub(crate) const LEAST_BYTES: usize = 32;
/// Most bytes of a key. A longer one adds nothing to HMAC-SHA-256, and is more likely to be a wrong file.
pub(crate) const MOST_BYTES: usize = 1024;

/// Key material, wiped from memory when it is dropped. Serves one purpose: a key of pseudonyms encrypts nothing.
///
/// `LEAST_BYTES <= len <= MOST_BYTES`, and the bytes are not all the same.
#[derive(Clone)]
pub struct Key(Zeroizing<Vec<u8>>);

/// Why text is not a key. Says nothing of what the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither hexadecimal nor base64.
    #[error("the key is neither hexadecimal nor base64")]
    Encoding,
    /// Shorter than 32 bytes.
    #[error("the key is shorter than {LEAST_BYTES} bytes")]
    Short,
    /// Longer than 1024 bytes.
    #[error("the key is longer than {MOST_BYTES} bytes")]
    Long,
    /// All bytes are the same, so it was never random.
    #[error("all bytes of the key are the same")]
    Uniform,
    /// The name of a key is empty, longer than 64 bytes, or has other characters than `a-z`, `0-9`, `.`, `_` and `-`.
    #[error("a key's name is 1 to 64 characters of `a-z`, `0-9`, `.`, `_` and `-`")]
    Id,
}

impl Key {
    /// Takes key material as it is.
    ///
    /// # Errors
    /// When there is too little or too much of it, or it is one byte over and over.
    pub fn new(bytes: Vec<u8>) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < LEAST_BYTES {
            return Err(KeyError::Short);
        }
        if bytes.len() > MOST_BYTES {
            return Err(KeyError::Long);
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(KeyError::Uniform);
        }
        Ok(Self(bytes))
    }

    /// Reads a key as text: hexadecimal, or base64 of either alphabet with or without padding. White space around it
    /// is ignored. Text of hexadecimal digits alone is hexadecimal; `hex:` or `base64:` in front settles it.
    ///
    /// # Errors
    /// When the text is neither, or as for [`Key::new`].
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let text = text.trim_ascii();
        if let Some(hex) = text.strip_prefix(b"hex:") {
            return Self::new(from_hex(hex).ok_or(KeyError::Encoding)?);
        }
        if let Some(base64) = text.strip_prefix(b"base64:") {
            return Self::new(from_base64(base64).ok_or(KeyError::Encoding)?);
        }
        Self::new(from_hex(text).or_else(|| from_base64(text)).ok_or(KeyError::Encoding)?)
    }

    /// The bytes, for an algorithm that is not of this crate.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// The name of a key, which is not secret: it is stored beside what was made with the key, so that the right key is found
/// again after a change of keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// Takes a name: 1 to 64 characters of `a-z`, `0-9`, `.`, `_` and `-`.
    ///
    /// # Errors
    /// When it is longer or has other characters.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        let is_allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
        if (1..=64).contains(&name.len()) && name.bytes().all(is_allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(KeyError::Id)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Decodes hexadecimal of either case; none when it is something else.
pub(crate) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let digit = |byte: u8| (byte & 0xf) + if byte.is_ascii_digit() { 0 } else { 9 };
    Some(text.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect())
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE].iter().find_map(|alphabet| GeneralPurpose::new(alphabet, CONFIG).decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 32] = *b"0123456789abcdef0123456789abcde\xff";

    #[test]
    fn keys_are_read_in_each_encoding() {
        let hex: String = BYTES.iter().map(|byte| format!("{byte:02X}")).collect();
        let base64 = base64::engine::general_purpose::STANDARD.encode(BYTES);
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(BYTES);
        for text in [
            hex.clone(),
            format!("hex:{}", hex.to_lowercase()),
            base64.clone(),
            format!(" base64:{base64}\n"),
            url.clone(),
            format!("{url}\r\n"),
        ] {
            assert_eq!(Key::parse(text.as_bytes()).expect("a key").bytes(), BYTES, "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        let fails = |text: &str, expected: KeyError| {
            let error = Key::parse(text.as_bytes()).expect_err("no key");
            assert_eq!(error, expected, "{text}");
            assert!(text.is_empty() || !format!("{error} {error:?}").contains(text.trim()), "{error}");
        };
        fails("", KeyError::Short);
        fails("correct horse battery staple", KeyError::Encoding);
        fails("hex:0g", KeyError::Encoding);
        fails("hex:012", KeyError::Encoding);
        fails("base64:####", KeyError::Encoding);
        fails("c2hvcnQ=", KeyError::Short);
        fails(&"00".repeat(32), KeyError::Uniform);
        fails(&"0a".repeat(31), KeyError::Short);
        fails(&"0a1b".repeat(513), KeyError::Long);
    }

    #[test]
    fn debug_shows_the_type_only() {
        let key = Key::new(BYTES.to_vec()).expect("a key");
        assert_eq!(format!("{key:?}"), "Key");
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(KeyId::new("audit-2026.q4_b").expect("a name").as_str(), "audit-2026.q4_b");
        for name in ["", "A", "a b", "ä", "a:b", &"a".repeat(65)] {
            assert_eq!(KeyId::new(name), Err(KeyError::Id), "{name}");
        }
    }
}
