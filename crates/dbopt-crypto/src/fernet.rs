//! Tokens of Fernet, read only (<https://github.com/fernet/spec/blob/master/Spec.md>).
//!
//! A service whose values are Fernet tokens, as Python's `cryptography` makes them, can go on reading them while they are sealed
//! anew. No new ones are made: Fernet is AES-128-CBC under HMAC-SHA-256, and binds a value to no place.
//!
//! | bytes | |
//! | --- | --- |
//! | 1 | version, 0x80 |
//! | 8 | when it was made, in seconds since 1970, big-endian |
//! | 16 | initialisation vector |
//! | n·16 | the value with padding of PKCS #7, encrypted |
//! | 32 | HMAC-SHA-256 of all before |

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aes::{
    Aes128Dec,
    cipher::{BlockCipherDecrypt as _, KeyInit as _},
};
use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use crate::{Key, KeyError, KeyRing, mac::HmacSha256};

const VERSION: u8 = 0x80;
const BLOCK_BYTES: usize = 16;
/// What stands in front of the encrypted value.
const HEADER_BYTES: usize = 1 + 8 + BLOCK_BYTES;
const TAG_BYTES: usize = 32;
/// How far a token may come from the future, by the specification's reference.
const SKEW: Duration = Duration::from_secs(60);

/// The keys of Fernet tokens. Each is tried, since a token does not say which one made it.
pub struct FernetReader {
    #[expect(clippy::vec_box, reason = "so that growing moves pointers, and no keys")]
    keys: Vec<Box<FernetKey>>,
}

struct FernetKey {
    mac: HmacSha256,
    cipher: Aes128Dec,
}

/// Why a token does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FernetError {
    /// No base64 of the URL-safe alphabet, too short or too long, of another version, or not whole blocks.
    #[error("this is no fernet token")]
    Malformed,
    /// It was changed, or is of another key.
    #[error("no key made this fernet token")]
    Rejected,
    /// It is authentic, and its value has no valid padding.
    #[error("the fernet token's value is not padded")]
    Padding,
    /// It is older than it may be.
    #[error("the fernet token is too old")]
    Expired,
    /// It was made later than now.
    #[error("the fernet token is from the future")]
    Future,
}

/// An opened token.
#[derive(Clone, PartialEq, Eq)]
pub struct FernetValue {
    /// The value.
    pub value: Zeroizing<Vec<u8>>,
    /// When the token was made, in seconds since 1970.
    pub made: u64,
}

impl FernetReader {
    /// Reads the keys, each 32 bytes in base64 of the URL-safe alphabet: 16 for the tag, 16 for the cipher.
    ///
    /// # Errors
    /// When one is no such key.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, KeyError> {
        let keys = keys.into_iter().map(|text| {
            let key = Key::parse(text)?;
            let (mac, cipher) = key.bytes().split_at(BLOCK_BYTES);
            let cipher = Aes128Dec::new_from_slice(cipher).map_err(|_| KeyError::Long)?;
            Ok(Box::new(FernetKey { mac: HmacSha256::new(mac), cipher }))
        });
        Ok(Self { keys: keys.collect::<Result<_, KeyError>>()? })
    }

    /// Whether bytes have the form of a token, of whatever key.
    #[must_use]
    pub fn is_token(bytes: &[u8]) -> bool {
        // What each version and time of this millennium begins with, so that other values cost nothing.
        bytes.starts_with(b"gAAAA") && Self { keys: Vec::new() }.open(bytes) == Err(FernetError::Rejected)
    }

    /// Opens a token of any age, as a value that is kept.
    pub fn open(&self, token: &[u8]) -> Result<FernetValue, FernetError> {
        // As large as a sealed value may be, in base64.
        if token.len() > KeyRing::MOST_BYTES / 3 * 4 {
            return Err(FernetError::Malformed);
        }
        let bytes = BASE64.decode(token).map_err(|_| FernetError::Malformed)?;
        let (signed, tag) = bytes.split_last_chunk::<TAG_BYTES>().ok_or(FernetError::Malformed)?;
        let (header, encrypted) = signed.split_at_checked(HEADER_BYTES).ok_or(FernetError::Malformed)?;
        let ([VERSION, made @ ..], vector) = header.split_first_chunk::<9>().ok_or(FernetError::Malformed)? else {
            return Err(FernetError::Malformed);
        };
        let (blocks, []) = encrypted.as_chunks::<BLOCK_BYTES>() else {
            return Err(FernetError::Malformed);
        };
        if blocks.is_empty() {
            return Err(FernetError::Malformed);
        }
        // The tag before anything of the value: what is not authentic is not decrypted.
        let key = self.keys.iter().find(|key| key.mac.verify(&[signed], tag)).ok_or(FernetError::Rejected)?;
        let value = unpadded(key.decrypt(vector, blocks)).ok_or(FernetError::Padding)?;
        Ok(FernetValue { value, made: u64::from_be_bytes(*made) })
    }

    /// Opens a token that is at most so old, as one that lets somebody in.
    pub fn open_within(&self, token: &[u8], longest: Duration, now: SystemTime) -> Result<FernetValue, FernetError> {
        let opened = self.open(token)?;
        let now = now.duration_since(UNIX_EPOCH).map_err(|_| FernetError::Future)?;
        let made = Duration::from_secs(opened.made);
        if made > now.saturating_add(SKEW) {
            return Err(FernetError::Future);
        }
        if made.saturating_add(longest) < now { Err(FernetError::Expired) } else { Ok(opened) }
    }
}

/// Python's tokens have padding and Go's need not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl FernetKey {
    /// Cipher block chaining (NIST SP 800-38A, section 6.2): each block is decrypted, then combined with the encrypted one before.
    fn decrypt(&self, vector: &[u8], blocks: &[[u8; BLOCK_BYTES]]) -> Zeroizing<Vec<u8>> {
        let mut value = Zeroizing::new(Vec::with_capacity(blocks.len() * BLOCK_BYTES));
        let mut before = vector;
        for block in blocks {
            let mut plain = Zeroizing::new(*block);
            self.cipher.decrypt_block((&mut *plain).into());
            plain.iter_mut().zip(before).for_each(|(byte, other)| *byte ^= other);
            value.extend_from_slice(&plain[..]);
            before = block;
        }
        value
    }
}

/// The value without its padding (RFC 5652, section 6.3). The tag was right, so nothing is learned from how long this takes.
fn unpadded(mut value: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let last = *value.last()?;
    let length = usize::from(last);
    let is_good = (1..=BLOCK_BYTES).contains(&length) && value.ends_with(&[last; BLOCK_BYTES][..length]);
    let rest = value.len().checked_sub(length)?;
    value.truncate(rest);
    is_good.then_some(value)
}

impl fmt::Debug for FernetReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FernetReader")
    }
}

impl fmt::Debug for FernetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FernetValue")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    /// Of `generate.json` and `verify.json`: made at 1985-10-26T08:20:00Z.
    const HELLO: &str =
        "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
    const MADE: u64 = 499_162_800;
    /// All of `invalid.json`: the description, the token, how many seconds after [`MADE`] it is read, and why it does not open.
    const INVALID: [(&str, &str, u64, FernetError); 8] = [
        (
            "incorrect mac",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
            1,
            FernetError::Rejected,
        ),
        ("too short", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==", 1, FernetError::Malformed),
        (
            "invalid base64",
            "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
            1,
            FernetError::Malformed,
        ),
        (
            "payload size not multiple of block size",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
            1,
            FernetError::Malformed,
        ),
        (
            "payload padding error",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
            1,
            FernetError::Padding,
        ),
        (
            "far-future TS (unacceptable clock skew)",
            "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==",
            1,
            FernetError::Future,
        ),
        (
            "expired TTL",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
            91,
            FernetError::Expired,
        ),
        (
            "incorrect IV (causes padding error)",
            "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
            1,
            FernetError::Padding,
        ),
    ];
    const MINUTE: Duration = Duration::from_secs(60);

    fn reader() -> FernetReader {
        FernetReader::new([SECRET]).expect("a key")
    }

    fn later(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(MADE + seconds)
    }

    /// The specification's vectors (<https://github.com/fernet/spec>), all that are to open and all that are not.
    #[test]
    fn the_vectors_of_the_specification_hold() {
        let opened = reader().open_within(HELLO.as_bytes(), MINUTE, later(1)).expect("valid");
        assert_eq!((opened.value.as_slice(), opened.made), (&b"hello"[..], MADE));
        for (what, token, seconds, error) in INVALID {
            let refused = reader().open_within(token.as_bytes(), MINUTE, later(seconds));
            assert_eq!(refused, Err(error), "{what}");
        }
    }

    #[test]
    fn every_bit_counts() {
        let bytes = BASE64.decode(HELLO).expect("base64");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let token = BASE64.encode(changed);
            assert_eq!(
                reader().open(token.as_bytes()),
                Err(if bit < 8 { FernetError::Malformed } else { FernetError::Rejected })
            );
        }
        for end in 0..HELLO.len() - 2 {
            reader().open(&HELLO.as_bytes()[..end]).expect_err("the end is missing");
        }
    }

    #[test]
    fn each_key_is_tried() {
        let other = "A".repeat(42) + "E=";
        let both = FernetReader::new([other.as_bytes(), SECRET]).expect("keys");
        assert_eq!(both.open(HELLO.trim_end_matches('=').as_bytes()).expect("opened").value.as_slice(), b"hello");
        let alone = FernetReader::new([other.as_bytes()]).expect("a key");
        assert_eq!(alone.open(HELLO.as_bytes()), Err(FernetError::Rejected));
        assert_eq!(FernetReader::new([&b"c2hvcnQ="[..]]).err(), Some(KeyError::Short));
        assert_eq!(FernetReader::new(["0a1b".repeat(20).as_bytes()]).err(), Some(KeyError::Long));
        assert_eq!(format!("{both:?}{:?}", both.open(HELLO.as_bytes())), "FernetReaderOk(FernetValue)");
    }
}
