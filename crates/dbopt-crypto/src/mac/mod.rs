//! Message authentication: values that only a holder of the key can make.

mod hmac;
mod pseudonym;

pub(crate) use hmac::HmacSha256;
pub use pseudonym::{ParsePseudonymError, Pseudonym, Pseudonymizer};
