//! A record and its canonical encoding.

use std::fmt;

use sha2::{Digest, Sha256};

/// What every encoding begins with: the version, and a guard against hashes of other things.
const LABEL: &[u8] = b"dbopt audit v1\0";

/// A SHA-256 hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first record has in place of a previous hash.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let bytes = text.as_bytes();
        let mut hash = [0; 32];
        if bytes.len() != 64 {
            return None;
        }
        for (to, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
            *to = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(hash))
    }

    /// Appends 64 lower-case hexadecimal digits.
    pub(crate) fn push_hex(&self, to: &mut String) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in self.0 {
            to.push(char::from(DIGITS[usize::from(byte >> 4)]));
            to.push(char::from(DIGITS[usize::from(byte & 0xf)]));
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = String::with_capacity(64);
        self.push_hex(&mut hex);
        f.write_str(&hex)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A record as it is stored. Nothing says that its hash is right; that is for [`crate::Verifier`] to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Number, from 1 without gaps.
    pub sequence: u64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// Who acted.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// Whom it was about, as a keyed pseudonym.
    pub subject: Option<String>,
    /// A JSON object in canonical form.
    pub details: String,
    /// Hash of the record before.
    pub previous: Hash,
    /// Hash of this one.
    pub hash: Hash,
}

impl Record {
    /// The hash that the record should have: SHA-256 of its canonical encoding.
    #[must_use]
    pub fn computed_hash(&self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(LABEL);
        hasher.update(self.previous.0);
        hasher.update(self.sequence.to_be_bytes());
        hasher.update(self.time.to_be_bytes());
        let mut field = |text: &str| {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        };
        field(&self.actor);
        field(&self.action);
        field(&self.details);
        match &self.subject {
            None => hasher.update([0]),
            Some(subject) => {
                hasher.update([1]);
                hasher.update((subject.len() as u64).to_be_bytes());
                hasher.update(subject);
            }
        }
        Hash(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed apart from this program, by Python's hashlib over the bytes that docs/audit.md gives.
    #[test]
    fn the_encoding_is_the_documented_one() {
        let mut record = Record {
            sequence: 7,
            time: 1_700_000_000_123_456,
            actor: "dbopt_runner".to_owned(),
            action: "apply.create-index".to_owned(),
            subject: None,
            details: r#"{"index":"i"}"#.to_owned(),
            previous: Hash([9; 32]),
            hash: Hash::ZERO,
        };
        assert_eq!(
            record.computed_hash().to_string(),
            "6c87d2d0d077e2c91f8c5a307c5e259e51f5781189a3d0354f58e6a47a693853"
        );
        record.subject = Some("hmac-sha256:k:00".to_owned());
        assert_eq!(
            record.computed_hash().to_string(),
            "8a3c8b708fa2b4e57be5fb280895ee4c7cf473ffd4debd5e4cf824632a37e4aa"
        );
    }

    #[test]
    fn hashes_are_read_back() {
        let hash = Hash(std::array::from_fn(|at| at as u8 * 8));
        assert_eq!(Hash::from_hex(&hash.to_string()), Some(hash));
        assert_eq!(Hash::from_hex(&hash.to_string().to_uppercase()), None);
        assert_eq!(Hash::from_hex(""), None);
    }
}
