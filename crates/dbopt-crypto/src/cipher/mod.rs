//! Field encryption: values that open only with the right key, in the cell where they were sealed.

mod aead;
mod cell;
mod data_key;
mod envelope;
mod ring;
mod stream;
#[cfg(test)]
mod vectors;
#[cfg(feature = "ring")]
mod with_ring;

pub use aead::Algorithm;
pub(crate) use aead::Cipher;
pub use cell::Cell;
pub use data_key::{DataKey, KeyNumber};
pub(crate) use envelope::NONCE_BYTES;
pub use envelope::{Envelope, EnvelopeError, KeyOwner};
pub use ring::{KeyRing, KeyState, OpenError, RingError, SealError};
pub use stream::{OpenReader, SealWriter};
