//! A key service within the process.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use zeroize::Zeroizing;

use super::{KeyService, ServiceError};
use crate::{
    Algorithm, DataKey, RandomError,
    cipher::{Cipher, NONCE_BYTES},
    random,
};

/// A [`KeyService`] for tests and for trying things out: its key is in memory, and gone with the process. It can be
/// switched off, as a real one is when it is needed most.
#[derive(Clone)]
pub struct StandIn(Arc<State>);

struct State {
    cipher: Cipher,
    available: AtomicBool,
}

impl StandIn {
    /// A service with a key of its own.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn new() -> Result<Self, RandomError> {
        let cipher = Cipher::new(Algorithm::XChaCha20Poly1305, &DataKey::random()?);
        Ok(Self(Arc::new(State { cipher, available: AtomicBool::new(true) })))
    }

    /// Switches it off, or on again.
    pub fn set_available(&self, available: bool) {
        self.0.available.store(available, Ordering::Relaxed);
    }

    fn cipher(&self) -> Result<&Cipher, ServiceError> {
        let away = || ServiceError::Unavailable("it was switched off".to_owned());
        self.0.available.load(Ordering::Relaxed).then_some(&self.0.cipher).ok_or_else(away)
    }
}

impl KeyService for StandIn {
    fn encrypt(&self, key: &[u8], context: &[(&str, String)]) -> Result<Vec<u8>, ServiceError> {
        let mut nonce = [0; NONCE_BYTES];
        random::system(&mut nonce).map_err(|error| ServiceError::Unavailable(error.to_string()))?;
        let mut sealed = Zeroizing::new(key.to_vec());
        let tag = self.cipher()?.seal(&nonce, &associated(context), &mut sealed).ok_or(ServiceError::Rejected)?;
        Ok([&nonce[..], &sealed[..], &tag[..]].concat())
    }

    fn decrypt(&self, sealed: &[u8], context: &[(&str, String)]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let (nonce, rest) = sealed.split_first_chunk().ok_or(ServiceError::Rejected)?;
        let (sealed, tag) = rest.split_last_chunk().ok_or(ServiceError::Rejected)?;
        let mut key = Zeroizing::new(sealed.to_vec());
        self.cipher()?.open(nonce, &associated(context), &mut key, tag).map_err(|_| ServiceError::Rejected)?;
        Ok(key)
    }
}

/// No part of a context has a control character.
fn associated(context: &[(&str, String)]) -> Vec<u8> {
    context.iter().flat_map(|(name, value)| format!("{name}={value}\n").into_bytes()).collect()
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandIn")
    }
}
