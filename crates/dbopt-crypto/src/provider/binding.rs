//! What a wrapped key is bound to.

use crate::{Algorithm, KeyId, KeyNumber};

/// What a data key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// It encrypts values.
    Encrypt(Algorithm),
    /// It makes the terms of blind indexes, by HMAC-SHA-256.
    Index,
}

impl KeyKind {
    /// All kinds.
    pub const ALL: [Self; 3] =
        [Self::Encrypt(Algorithm::XChaCha20Poly1305), Self::Encrypt(Algorithm::Aes256Gcm), Self::Index];

    /// The name of its algorithm, as in key rings and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt(algorithm) => algorithm.name(),
            Self::Index => "hmac-sha-256",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether keys of both kinds can follow each other in one purpose.
    #[must_use]
    pub const fn is_like(self, other: Self) -> bool {
        matches!((self, other), (Self::Encrypt(_), Self::Encrypt(_)) | (Self::Index, Self::Index))
    }
}

/// The place of a data key, to which its wrapped form is bound: in another one it does not unwrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The key ring.
    pub keyring: KeyId,
    /// What the key's values are, such as `customer`.
    pub purpose: KeyId,
    /// What the key does with them.
    pub kind: KeyKind,
    /// Its number in the key ring.
    pub number: KeyNumber,
}

impl Binding {
    /// Names and values, as a key service's encryption context. No part is secret.
    #[must_use]
    pub fn context(&self) -> [(&'static str, String); 4] {
        [
            ("keyring", self.keyring.to_string()),
            ("purpose", self.purpose.to_string()),
            ("algorithm", self.kind.name().to_owned()),
            ("number", self.number.to_string()),
        ]
    }

    /// The bytes that are authenticated with the key: each part with its length as 32 bits, big-endian, so that no two
    /// bindings have the same.
    pub(crate) fn associated(&self, header: &[u8]) -> Vec<u8> {
        let mut bytes = b"dbopt wrapped key".to_vec();
        let context = self.context();
        for part in context.iter().map(|(_, value)| value.as_bytes()).chain([header]) {
            // The longest is the header, see `WrappedKey::MOST_BYTES`.
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn binding(number: u32) -> Binding {
        Binding {
            keyring: KeyId::new("shop").expect("a name"),
            purpose: KeyId::new("customer").expect("a name"),
            kind: KeyKind::Encrypt(Algorithm::default()),
            number: KeyNumber::new(number).expect("above zero"),
        }
    }

    #[test]
    fn kinds_are_found_by_name() {
        for kind in KeyKind::ALL {
            assert_eq!(KeyKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(KeyKind::from_name("rot13"), None);
    }

    #[test]
    fn each_part_counts() {
        let mut all = vec![binding(1), binding(2)];
        all.push(Binding { kind: KeyKind::Index, ..binding(1) });
        all.push(Binding { purpose: KeyId::new("customerx").expect("a name"), ..binding(1) });
        all.push(Binding { keyring: KeyId::new("shopx").expect("a name"), ..binding(1) });
        let mut bytes: Vec<_> = all.iter().map(|binding| binding.associated(b"header")).collect();
        bytes.push(binding(1).associated(b"headex"));
        bytes.sort();
        bytes.dedup();
        assert_eq!(bytes.len(), 6);
    }
}
