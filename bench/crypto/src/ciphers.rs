//! What is measured.

use std::hint::black_box;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use dbopt_crypto::{Algorithm, Cell, DataKey, KeyNumber, KeyRing};

use crate::Sealer;

const KEY: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

/// A field of a table.
pub(crate) struct Field {
    ring: KeyRing,
    value: Vec<u8>,
    sealed: Vec<u8>,
}

const CELL: Cell<'static> = Cell::new("public.customer", "email", &["1234567"]);

impl Field {
    pub(crate) fn new(algorithm: Algorithm, size: usize) -> Self {
        let key = DataKey::random().expect("random bytes");
        let ring = KeyRing::new().with(KeyNumber::FIRST, algorithm, true, &key).expect("a ring");
        let value = vec![7; size];
        Self { sealed: ring.seal(&CELL, &value).expect("sealed"), ring, value }
    }
}

impl Sealer for Field {
    fn seal(&mut self) {
        black_box(self.ring.seal(&CELL, &self.value).expect("sealed"));
    }

    fn open(&mut self) {
        black_box(self.ring.open(&CELL, &self.sealed).expect("opened"));
    }
}

/// The crate that dbopt uses by default.
pub(crate) struct Bare {
    cipher: XChaCha20Poly1305,
    count: u64,
    buffer: Vec<u8>,
    sealed: (Vec<u8>, [u8; 16]),
}

impl Bare {
    pub(crate) fn new(size: usize) -> Self {
        let cipher = XChaCha20Poly1305::new(&KEY.into());
        let mut sealed = vec![7; size];
        let tag = cipher.encrypt_inout_detached(&XNonce::default(), b"", sealed.as_mut_slice().into());
        let tag = tag.expect("sealed").into();
        Self { cipher, count: 0, buffer: vec![7; size], sealed: (sealed, tag) }
    }
}

impl Sealer for Bare {
    fn seal(&mut self) {
        self.count += 1;
        let mut nonce = XNonce::default();
        nonce[..8].copy_from_slice(&self.count.to_ne_bytes());
        let tag = self.cipher.encrypt_inout_detached(&nonce, b"", self.buffer.as_mut_slice().into());
        black_box(tag.expect("sealed"));
    }

    fn open(&mut self) {
        self.buffer.copy_from_slice(&self.sealed.0);
        let (buffer, tag) = (self.buffer.as_mut_slice(), &self.sealed.1.into());
        self.cipher.decrypt_inout_detached(&XNonce::default(), b"", buffer.into(), tag).expect("opened");
    }
}

/// Ring and aws-lc-rs have the same interface.
macro_rules! like_ring {
    ($name:ident, $library:ident) => {
        #[doc = concat!("The ciphers of ", stringify!($library), ".")]
        pub(crate) struct $name {
            key: $library::aead::LessSafeKey,
            count: u64,
            buffer: Vec<u8>,
            sealed: Vec<u8>,
        }

        impl $name {
            pub(crate) fn new(algorithm: &'static $library::aead::Algorithm, size: usize) -> Self {
                let key = $library::aead::UnboundKey::new(algorithm, &KEY).expect("32 bytes");
                let key = $library::aead::LessSafeKey::new(key);
                let mut sealed = vec![7; size];
                key.seal_in_place_append_tag(Self::nonce(0), $library::aead::Aad::empty(), &mut sealed)
                    .expect("sealed");
                Self { key, count: 0, buffer: vec![7; size + 16], sealed }
            }

            fn nonce(count: u64) -> $library::aead::Nonce {
                let mut nonce = [0; 12];
                nonce[..8].copy_from_slice(&count.to_ne_bytes());
                $library::aead::Nonce::assume_unique_for_key(nonce)
            }
        }

        impl Sealer for $name {
            fn seal(&mut self) {
                self.count += 1;
                let (nonce, size) = (Self::nonce(self.count), self.sealed.len() - 16);
                let (aad, value) = ($library::aead::Aad::empty(), &mut self.buffer[..size]);
                let _ = black_box(self.key.seal_in_place_separate_tag(nonce, aad, value).expect("sealed"));
            }

            fn open(&mut self) {
                self.buffer.copy_from_slice(&self.sealed);
                let aad = $library::aead::Aad::empty();
                black_box(self.key.open_in_place(Self::nonce(0), aad, &mut self.buffer).expect("opened"));
            }
        }
    };
}

like_ring!(Ring, ring);
like_ring!(AwsLc, aws_lc_rs);
