//! Hashes as they are stored: PHC strings, and bcrypt's own form.
//!
//! PHC strings: <https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md>. A database is not trusted with how much a
//! verification costs: a hash that asks for more than the bounds here is refused before any of it is computed.

use argon2::{Algorithm, Version};
use phc::PasswordHash;

use super::{Cost, Legacy};

/// The longest string that is looked at; the longest PHC string with all parts is 301 bytes.
const LONGEST: usize = 512;
const LEAST_OUTPUT: usize = 16;
/// bcrypt's cost is an exponent: 16 takes 16 times as long as the usual 12.
const MOST_BCRYPT: u32 = 16;
const MOST_ITERATIONS: u32 = 10_000_000;
/// 1 GiB.
const MOST_SCRYPT_MEMORY: u64 = 1 << 30;
const MOST_SCRYPT_LANES: u32 = 16;

/// Why a stored hash cannot be used. It names no part of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// The text is no hash.
    #[error("the stored text is no hash of a password")]
    Malformed,
    /// The algorithm is not known.
    #[error("the stored hash is of an unknown algorithm")]
    Algorithm,
    /// The policy does not accept the algorithm any more.
    #[error("the stored hash is of {0}, which the policy does not accept")]
    NotAccepted(Legacy),
    /// A parameter is missing, unknown or out of range.
    #[error("a parameter of the stored hash is missing, unknown or out of range")]
    Parameter,
    /// To verify it would take more time or memory than any policy allows.
    #[error("the stored hash is too costly to verify")]
    TooCostly,
    /// It was made with a pepper that is not known here.
    #[error("the pepper of the stored hash is not known")]
    UnknownPepper,
}

/// A stored hash that can be verified.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stored {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        cost: Cost,
        pepper: Option<String>,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// The string itself: its parts are of no other use.
    Bcrypt(String),
    Pbkdf2 {
        digest: Digest,
        iterations: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Scrypt {
        parameters: scrypt::Params,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

/// The hash that PBKDF2 is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256,
    Sha512,
}

impl Stored {
    /// Reads a stored hash.
    pub(super) fn parse(text: &str) -> Result<Self, StoredError> {
        if text.len() > LONGEST {
            return Err(StoredError::Malformed);
        }
        let second = text.strip_prefix('$').and_then(|rest| rest.split('$').next()).ok_or(StoredError::Malformed)?;
        match second {
            "2a" | "2b" | "2x" | "2y" => bcrypt(text),
            "argon2id" => argon2(Algorithm::Argon2id, text),
            "argon2i" => argon2(Algorithm::Argon2i, text),
            "argon2d" => argon2(Algorithm::Argon2d, text),
            "pbkdf2-sha256" => pbkdf2(Digest::Sha256, text),
            "pbkdf2-sha512" => pbkdf2(Digest::Sha512, text),
            "scrypt" => scrypt(text),
            _ => Err(StoredError::Algorithm),
        }
    }

    /// What a policy has to accept it as; none for argon2id itself.
    pub(super) fn legacy(&self) -> Option<Legacy> {
        match self {
            Self::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, .. } => None,
            Self::Argon2 { .. } => Some(Legacy::Argon2),
            Self::Bcrypt(_) => Some(Legacy::Bcrypt),
            Self::Pbkdf2 { .. } => Some(Legacy::Pbkdf2),
            Self::Scrypt { .. } => Some(Legacy::Scrypt),
        }
    }
}

fn bcrypt(text: &str) -> Result<Stored, StoredError> {
    // `$2b$12$` and 53 characters of salt and hash.
    let bytes = text.as_bytes();
    let (Some(b'$'), Some(b'$'), 60) = (bytes.get(3), bytes.get(6), bytes.len()) else {
        return Err(StoredError::Malformed);
    };
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    if !bytes[4..6].iter().all(u8::is_ascii_digit) || !bytes[7..].iter().all(is_base64) {
        return Err(StoredError::Malformed);
    }
    match text.get(4..6).and_then(|cost| cost.parse::<u32>().ok()) {
        Some(4..=MOST_BCRYPT) => Ok(Stored::Bcrypt(text.to_owned())),
        Some(17..=31) => Err(StoredError::TooCostly),
        _ => Err(StoredError::Parameter),
    }
}

/// A PHC string with its salt and hash.
struct Phc {
    hash: PasswordHash,
    known: Vec<&'static str>,
}

impl Phc {
    fn parse(text: &str) -> Result<(Self, Vec<u8>, Vec<u8>), StoredError> {
        let hash = PasswordHash::new(text).map_err(|_| StoredError::Malformed)?;
        let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else { return Err(StoredError::Malformed) };
        // A shorter one could be met by chance.
        if output.len() < LEAST_OUTPUT {
            return Err(StoredError::Parameter);
        }
        let (salt, output) = (salt.to_vec(), output.as_bytes().to_vec());
        Ok((Self { hash, known: Vec::new() }, salt, output))
    }

    fn number(&mut self, name: &'static str) -> Result<u32, StoredError> {
        self.known.push(name);
        self.hash.params.get_decimal(name).ok_or(StoredError::Parameter)
    }

    /// The length that some strings give besides the hash has to be the hash's.
    fn length(&mut self, name: &'static str, length: usize) -> Result<(), StoredError> {
        self.known.push(name);
        let given = self.hash.params.get(name);
        let same = || self.hash.params.get_decimal(name).is_some_and(|given| u32::try_from(length) == Ok(given));
        if given.is_none() || same() { Ok(()) } else { Err(StoredError::Parameter) }
    }

    /// Whether all parameters were asked for, and none comes twice.
    fn finish(self) -> Result<(), StoredError> {
        let mut seen = Vec::new();
        for (name, _) in self.hash.params.iter() {
            let name = name.as_str().to_owned();
            if !self.known.iter().any(|known| *known == name) || seen.contains(&name) {
                return Err(StoredError::Parameter);
            }
            seen.push(name);
        }
        Ok(())
    }
}

fn argon2(algorithm: Algorithm, text: &str) -> Result<Stored, StoredError> {
    let (mut phc, salt, hash) = Phc::parse(text)?;
    // The first strings had no version, and were of 16.
    let version = phc.hash.version.unwrap_or(0x10);
    let version = Version::try_from(version).map_err(|_| StoredError::Parameter)?;
    let cost = Cost::new(phc.number("m")?, phc.number("t")?, phc.number("p")?).map_err(|error| match error {
        super::InvalidCost::Work => StoredError::TooCostly,
        super::InvalidCost::Memory { least } if phc.hash.params.get_decimal("m").is_some_and(|m| m > least) => {
            StoredError::TooCostly
        }
        _ => StoredError::Parameter,
    })?;
    phc.known.push("keyid");
    let pepper = match phc.hash.params.get("keyid") {
        None => None,
        Some(name) => {
            let mut bytes = [0; 8];
            let name = name.b64_decode(&mut bytes).map_err(|_| StoredError::Parameter)?;
            Some(String::from_utf8(name.to_vec()).map_err(|_| StoredError::UnknownPepper)?)
        }
    };
    phc.finish()?;
    Ok(Stored::Argon2 { algorithm, version, cost, pepper, salt, hash })
}

fn pbkdf2(digest: Digest, text: &str) -> Result<Stored, StoredError> {
    let (mut phc, salt, hash) = Phc::parse(text)?;
    if phc.hash.version.is_some() {
        return Err(StoredError::Parameter);
    }
    let iterations = phc.number("i")?;
    phc.length("l", hash.len())?;
    phc.finish()?;
    match iterations {
        0 => Err(StoredError::Parameter),
        1..=MOST_ITERATIONS => Ok(Stored::Pbkdf2 { digest, iterations, salt, hash }),
        _ => Err(StoredError::TooCostly),
    }
}

fn scrypt(text: &str) -> Result<Stored, StoredError> {
    let (mut phc, salt, hash) = Phc::parse(text)?;
    if phc.hash.version.is_some() {
        return Err(StoredError::Parameter);
    }
    let (log_n, r, p) = (phc.number("ln")?, phc.number("r")?, phc.number("p")?);
    phc.finish()?;
    if log_n == 0 || r == 0 || p == 0 {
        return Err(StoredError::Parameter);
    }
    // N blocks of 128 r bytes (RFC 7914, section 2), p times.
    let memory = 1_u64.checked_shl(log_n).and_then(|n| n.checked_mul(128)).and_then(|n| n.checked_mul(r.into()));
    if p > MOST_SCRYPT_LANES || log_n > 40 || memory.is_none_or(|memory| memory > MOST_SCRYPT_MEMORY) {
        return Err(StoredError::TooCostly);
    }
    let log_n = u8::try_from(log_n).map_err(|_| StoredError::TooCostly)?;
    let parameters = scrypt::Params::new(log_n, r, p).map_err(|_| StoredError::Parameter)?;
    Ok(Stored::Scrypt { parameters, salt, hash })
}
