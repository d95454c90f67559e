//! Encrypted values as types.

mod encrypted;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "serde")]
mod serde;
mod value;

pub use encrypted::{Encrypted, FieldError};
pub use value::FieldValue;
#[cfg(feature = "serde")]
pub use value::Json;
