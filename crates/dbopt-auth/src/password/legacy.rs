//! Algorithms of hashes that are verified and replaced, and never made.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::stored::{Digest, Stored};

/// bcrypt reads so many bytes of a password and no more.
const BCRYPT_BYTES: usize = 72;

/// An algorithm that a policy may accept until its last hash is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Legacy {
    /// argon2i, argon2d, or argon2id of version 16.
    Argon2,
    /// bcrypt, `$2a$`, `$2b$`, `$2x$` or `$2y$`.
    Bcrypt,
    /// PBKDF2 with HMAC-SHA-256 or HMAC-SHA-512, as a PHC string.
    Pbkdf2,
    /// scrypt (RFC 7914), as a PHC string.
    Scrypt,
}

impl Legacy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Argon2, Self::Bcrypt, Self::Pbkdf2, Self::Scrypt];

    /// The name, as in a policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Argon2 => "argon2",
            Self::Bcrypt => "bcrypt",
            Self::Pbkdf2 => "pbkdf2",
            Self::Scrypt => "scrypt",
        }
    }
}

impl fmt::Display for Legacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a password is that of a stored hash that is not of argon2; none when the algorithm cannot tell, because it does not
/// read all of the password.
pub(super) fn matches(stored: &Stored, password: &[u8]) -> Option<bool> {
    match stored {
        Stored::Argon2 { .. } => None,
        Stored::Bcrypt(hash) => {
            // bcrypt repeats the password and a zero byte, so that one with a zero byte within can be another's repetition.
            if password.len() > BCRYPT_BYTES || password.contains(&0) {
                return None;
            }
            bcrypt::verify(password, hash).ok()
        }
        Stored::Pbkdf2 { digest, iterations, salt, hash } => {
            let mut output = zeroize::Zeroizing::new(vec![0; hash.len()]);
            match digest {
                Digest::Sha256 => pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, salt, *iterations, &mut output),
                Digest::Sha512 => pbkdf2::pbkdf2_hmac::<sha2::Sha512>(password, salt, *iterations, &mut output),
            }
            Some(output.ct_eq(hash).into())
        }
        Stored::Scrypt { parameters, salt, hash } => {
            let mut output = zeroize::Zeroizing::new(vec![0; hash.len()]);
            scrypt::scrypt(password, salt, parameters, &mut output).ok()?;
            Some(output.ct_eq(hash).into())
        }
    }
}
