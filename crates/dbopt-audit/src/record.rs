//! A record and its canonical encoding.

use std::fmt;

use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;

/// What every encoding begins with: the version, and a guard against hashes of other things.
const LABEL: &[u8] = b"dbopt audit v1\0";

/// A SHA-256 hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

/// The values of lower-case hexadecimal digits by their codes, and 255 of everything else.
const HEX_VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

impl Hash {
    /// What the first record has in place of a previous hash.
    pub const ZERO: Self = Self([0; 32]);

    /// Digits of the text form.
    pub(crate) const HEX_BYTES: usize = 64;

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut hash = [0; 32];
        if bytes.len() != Self::HEX_BYTES {
            return None;
        }
        // What is no digit has a high bit set, which shows at the end.
        let mut all = 0;
        for (to, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
            let (high, low) = (HEX_VALUES[usize::from(pair[0])], HEX_VALUES[usize::from(pair[1])]);
            all |= high | low;
            *to = high << 4 | low;
        }
        (all <= 0xf).then_some(Self(hash))
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
        // One buffer and one call: most records are four blocks of the hash, and each call has its price.
        let mut encoding = SmallVec::<[u8; 512]>::from_slice(LABEL);
        encoding.extend_from_slice(&self.previous.0);
        encoding.extend_from_slice(&self.sequence.to_be_bytes());
        encoding.extend_from_slice(&self.time.to_be_bytes());
        let mut field = |text: &str| {
            encoding.extend_from_slice(&(text.len() as u64).to_be_bytes());
            encoding.extend_from_slice(text.as_bytes());
        };
        field(&self.actor);
        field(&self.action);
        field(&self.details);
        encoding.push(self.subject.is_some().into());
        if let Some(subject) = &self.subject {
            encoding.extend_from_slice(&(subject.len() as u64).to_be_bytes());
            encoding.extend_from_slice(subject.as_bytes());
        }
        Hash(Sha256::digest(&encoding).into())
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
