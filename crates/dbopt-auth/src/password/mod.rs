//! Passwords: hashed by argon2id, verified by that and its predecessors.

mod calibrate;
mod cost;
mod gate;
mod legacy;
mod passwords;
mod pepper;
#[cfg(feature = "policy")]
mod policy;
mod stored;

pub use calibrate::{Calibration, Proposal, calibrate};
pub use cost::{Cost, InvalidCost};
pub use legacy::Legacy;
pub use passwords::{PasswordConfig, PasswordError, Passwords, Verdict};
pub use pepper::{InvalidPeppers, Peppers};
#[cfg(feature = "policy")]
pub use policy::PasswordPolicy;
pub use stored::StoredError;

/// Reads a text as a stored hash.
#[cfg(feature = "token")]
pub(crate) fn fuzz_stored(text: &str) {
    let _ = stored::Stored::parse(text);
}
