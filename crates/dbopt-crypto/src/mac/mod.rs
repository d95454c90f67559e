//! Message authentication: values that only a holder of the key can make.

mod hmac;
mod pseudonym;

pub use pseudonym::{ParsePseudonymError, Pseudonym, Pseudonymizer};
