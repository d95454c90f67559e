//! Hashing and verifying, by a policy.

use std::{fmt, num::NonZeroUsize, time::Duration};

use argon2::{Algorithm, Argon2, Params, Version};
use phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    Cost, Legacy, Peppers,
    gate::{Gate, Place},
    legacy,
    stored::{Stored, StoredError},
};

/// Bytes of a salt and of a hash, as RFC 9106, section 3.1, recommends.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What a policy says of passwords.
#[derive(Clone, Debug)]
pub struct PasswordConfig {
    /// What a new hash costs.
    pub cost: Cost,
    /// The fewest characters of a new password.
    pub shortest: usize,
    /// The most bytes of a password, new or not.
    pub longest: usize,
    /// How many hashes run at once. Each has memory of its own.
    pub at_once: NonZeroUsize,
    /// How many more wait.
    pub waiting: usize,
    /// How long they wait.
    pub patience: Duration,
    /// Which algorithms are accepted besides argon2id.
    pub legacy: Vec<Legacy>,
    /// Secrets that are not in the database.
    pub peppers: Peppers,
}

/// The default cost, 8 characters to 1024 bytes, 4 hashes at once and 64 waiting for 5 s, all algorithms and no pepper.
impl Default for PasswordConfig {
    fn default() -> Self {
        Self {
            cost: Cost::default(),
            shortest: 8,
            longest: 1024,
            at_once: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
            waiting: 64,
            patience: Duration::from_secs(5),
            legacy: Legacy::ALL.to_vec(),
            peppers: Peppers::default(),
        }
    }
}

/// Why there is no answer about a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The password is shorter than a new one may be.
    #[error("the password is too short")]
    TooShort,
    /// The password is longer than any may be.
    #[error("the password is too long")]
    TooLong,
    /// As many hashes run and wait as may.
    #[error("too many passwords are being hashed")]
    Busy,
    /// The stored hash cannot be used. It took as long as an answer takes.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
}

/// Whether a password is the right one.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is.
    Right {
        /// The hash to store instead, when the stored one is not what the policy asks for.
        replacement: Option<String>,
    },
    /// It is not, or there is no such user.
    Wrong,
}

impl Verdict {
    /// Whether it is the right one.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        matches!(self, Self::Right { .. })
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right { replacement: Some(_) } => f.write_str("Right, and outdated"),
            Self::Right { replacement: None } => f.write_str("Right"),
            Self::Wrong => f.write_str("Wrong"),
        }
    }
}

/// Hashes and verifies passwords.
///
/// Both take tens of milliseconds of a processor and may wait for a place: a service calls them where it may block, such as
/// `tokio::task::spawn_blocking`. Passwords are bytes: whoever wants two spellings of a letter to be one normalises before.
pub struct Passwords {
    config: PasswordConfig,
    gate: Gate,
    /// The salt that an unknown user's password is hashed with.
    dummy: [u8; SALT_BYTES],
}

impl Passwords {
    /// By a policy.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(config: PasswordConfig) -> Result<Self, PasswordError> {
        let blocks = parameters(config.cost, HASH_BYTES).block_count();
        let gate = Gate::new(config.at_once, config.waiting, config.patience, blocks);
        Ok(Self { config, gate, dummy: random()? })
    }

    /// Hashes a new password, to be stored as a PHC string.
    ///
    /// # Errors
    /// When it is too short or too long, or there is no place.
    pub fn hash(&self, password: &[u8]) -> Result<String, PasswordError> {
        let characters = String::from_utf8_lossy(password).chars().count();
        // No policy makes an empty password one.
        if characters < self.config.shortest.max(1) {
            return Err(PasswordError::TooShort);
        }
        self.check_length(password)?;
        self.hash_in(&mut self.enter()?, password)
    }

    /// Whether a password is that of a stored hash. For a user that does not exist there is none, and it takes as long as for
    /// one whose hash is of the policy's cost. For one whose hash is of another cost or algorithm it takes another time, until it
    /// is replaced.
    ///
    /// # Errors
    /// When it is too long, there is no place, or the stored hash cannot be used.
    pub fn verify(&self, password: &[u8], stored: Option<&str>) -> Result<Verdict, PasswordError> {
        self.check_length(password)?;
        let mut place = self.enter()?;
        let Some(stored) = stored else { return Ok(self.dummy(&mut place, password)) };
        let checked = Stored::parse(stored).and_then(|stored| match stored.legacy() {
            Some(legacy) if !self.config.legacy.contains(&legacy) => Err(StoredError::NotAccepted(legacy)),
            _ => Ok(stored),
        });
        let checked = checked.and_then(|stored| Ok((self.matches(&mut place, &stored, password)?, stored)));
        match checked {
            Err(error) => {
                let _ = self.dummy(&mut place, password);
                Err(error.into())
            }
            Ok((None, _)) => Ok(self.dummy(&mut place, password)),
            Ok((Some(false), _)) => Ok(Verdict::Wrong),
            // A login does not fail for want of a better hash; the next one makes it.
            Ok((Some(true), stored)) => Ok(Verdict::Right {
                replacement: self.is_outdated(&stored).then(|| self.hash_in(&mut place, password).ok()).flatten(),
            }),
        }
    }

    fn check_length(&self, password: &[u8]) -> Result<(), PasswordError> {
        if password.len() > self.config.longest { Err(PasswordError::TooLong) } else { Ok(()) }
    }

    fn enter(&self) -> Result<Place<'_>, PasswordError> {
        self.gate.enter().map_err(|_| PasswordError::Busy)
    }

    fn hash_in(&self, place: &mut Place<'_>, password: &[u8]) -> Result<String, PasswordError> {
        let pepper = self.config.peppers.active();
        let salt = random()?;
        let secret = pepper.map_or(&[][..], |(_, key)| key.bytes());
        let hash = argon2id(place, self.config.cost, secret, password, &salt);
        let text = phc(self.config.cost, pepper.map(|(id, _)| id.as_str()), &salt, &hash[..]);
        Ok(text.expect("salt, hash and the name of a pepper fit a PHC string").to_string())
    }

    /// Takes the time of a verification.
    fn dummy(&self, place: &mut Place<'_>, password: &[u8]) -> Verdict {
        let secret = self.config.peppers.active().map_or(&[][..], |(_, key)| key.bytes());
        std::hint::black_box(argon2id(place, self.config.cost, secret, password, &self.dummy));
        Verdict::Wrong
    }

    fn matches(&self, place: &mut Place<'_>, stored: &Stored, password: &[u8]) -> Result<Option<bool>, StoredError> {
        let Stored::Argon2 { algorithm, version, cost, pepper, salt, hash } = stored else {
            return Ok(legacy::matches(stored, password));
        };
        let secret = match pepper {
            Some(name) => self.config.peppers.get(name).ok_or(StoredError::UnknownPepper)?.1.bytes(),
            None => &[],
        };
        let mut output = Zeroizing::new(vec![0; hash.len()]);
        argon2(place, *algorithm, *version, *cost, secret, password, salt, &mut output);
        Ok(Some(output.ct_eq(hash).into()))
    }

    fn is_outdated(&self, stored: &Stored) -> bool {
        let active = self.config.peppers.active().map(|(id, _)| id.as_str());
        match stored {
            Stored::Argon2 { cost, pepper, salt, hash, .. } => {
                stored.legacy().is_some()
                    || cost.is_below(self.config.cost)
                    || pepper.as_deref() != active
                    || salt.len() < SALT_BYTES
                    || hash.len() < HASH_BYTES
            }
            _ => true,
        }
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("config", &self.config).finish_non_exhaustive()
    }
}

fn random() -> Result<[u8; SALT_BYTES], PasswordError> {
    let mut bytes = [0; SALT_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| PasswordError::Random)?;
    Ok(bytes)
}

fn argon2id(
    place: &mut Place<'_>,
    cost: Cost,
    secret: &[u8],
    password: &[u8],
    salt: &[u8],
) -> Zeroizing<[u8; HASH_BYTES]> {
    let mut hash = Zeroizing::new([0; HASH_BYTES]);
    argon2(place, Algorithm::Argon2id, Version::V0x13, cost, secret, password, salt, &mut *hash);
    hash
}

#[expect(clippy::too_many_arguments, reason = "they are argon2's inputs, each of another meaning")]
fn argon2(
    place: &mut Place<'_>,
    algorithm: Algorithm,
    version: Version,
    cost: Cost,
    secret: &[u8],
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
) {
    let parameters = parameters(cost, output.len());
    let blocks = parameters.block_count();
    let argon2 = Argon2::new_with_secret(secret, algorithm, version, parameters).expect("a secret is below 4 GB");
    argon2
        .hash_password_into_with_memory(password, salt, output, place.memory(blocks))
        .expect("a cost, a salt of 8 bytes or more and an output of 10 to 64 bytes are argon2's own");
}

fn parameters(cost: Cost, output: usize) -> Params {
    Params::new(cost.memory(), cost.passes(), cost.lanes(), Some(output)).expect("a cost is one of argon2")
}

fn phc(cost: Cost, pepper: Option<&str>, salt: &[u8], hash: &[u8]) -> Result<PasswordHash, phc::Error> {
    let mut params = ParamsString::new();
    params.add_decimal("m", cost.memory())?;
    params.add_decimal("t", cost.passes())?;
    params.add_decimal("p", cost.lanes())?;
    if let Some(name) = pepper {
        params.add_b64_bytes("keyid", name.as_bytes())?;
    }
    Ok(PasswordHash {
        algorithm: Ident::new("argon2id")?,
        version: Some(Version::V0x13.into()),
        params,
        salt: Some(Salt::new(salt)?),
        hash: Some(Output::new(hash)?),
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
