//! A key of tokens, which has one name and one algorithm.

use std::{fmt, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dbopt_crypto::Key;
use jsonwebtoken::{
    Algorithm, AlgorithmFamily,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType, Jwk,
        OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, RSAKeyParameters, RSAKeyType,
    },
};
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer, pem::PemObject as _};
use spki::{
    SubjectPublicKeyInfoRef,
    der::{self, Decode as _, Reader as _, asn1::UintRef},
};

use super::material::Material;

/// The longest name of a key.
const LONGEST_NAME: usize = 64;

/// A key with its name and its one algorithm (RFC 8725, section 3.1).
pub struct TokenKey {
    id: Box<str>,
    algorithm: Algorithm,
    pub(super) material: Material,
    until: Option<SystemTime>,
}

/// Why something is no key of tokens. It shows nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The name is empty, too long, or has other characters than letters, digits, `.`, `_` and `-`.
    #[error("a key's name is 1 to {LONGEST_NAME} letters, digits, `.`, `_` and `-`")]
    Name,
    /// The secret is neither hexadecimal nor base64, or all its bytes are the same.
    #[error("the secret is neither hexadecimal nor base64 of random bytes")]
    Secret,
    /// The secret has fewer bytes than the hash of its algorithm (RFC 7518, section 3.2).
    #[error("the secret has fewer than {0} bytes")]
    Short(usize),
    /// The secret is the text of a public or private key, as in the attack on those who mix them up.
    #[error("the secret is a key of another kind")]
    NotASecret,
    /// There is no private key as PKCS #8 in PEM, nor a public key.
    #[error("there is no private or public key in PEM")]
    Pem,
    /// The key is for another algorithm, or an RSA key is of fewer than 2048 bits.
    #[error("the key is not one of this algorithm")]
    Algorithm,
}

impl TokenKey {
    /// Reads a key as text: a secret in hexadecimal or base64 for the algorithms `HS…`; a private key (PKCS #8), with which tokens
    /// are issued and verified, or a public key, with which they are verified, in PEM for the others.
    ///
    /// # Errors
    /// When the text is no such key, or the name is none.
    pub fn parse(id: &str, algorithm: Algorithm, text: &[u8]) -> Result<Self, InvalidKey> {
        let material = if algorithm.family() == AlgorithmFamily::Hmac {
            if text.trim_ascii_start().starts_with(b"-----") || text.trim_ascii_start().starts_with(b"{") {
                return Err(InvalidKey::NotASecret);
            }
            let least = least_bytes(algorithm);
            let secret = Key::parse(text).map_err(|error| match error {
                dbopt_crypto::KeyError::Short => InvalidKey::Short(least),
                _ => InvalidKey::Secret,
            })?;
            if secret.bytes().len() < least {
                return Err(InvalidKey::Short(least));
            }
            Material::secret(algorithm, secret.bytes())
        } else if let Ok(private) = PrivateKeyDer::from_pem_slice(text) {
            Material::private(algorithm, private.secret_der())
        } else {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(text).map_err(|_| InvalidKey::Pem)?;
            let info = SubjectPublicKeyInfoRef::try_from(der.as_ref()).map_err(|_| InvalidKey::Pem)?;
            // 1.2.840.113549.1.1.1, 1.2.840.10045.2.1 and 1.3.101.112: RSA, elliptic curves, Ed25519.
            let expected = match algorithm.family() {
                AlgorithmFamily::Rsa => "1.2.840.113549.1.1.1",
                AlgorithmFamily::Ec => "1.2.840.10045.2.1",
                _ => "1.3.101.112",
            };
            if info.algorithm.oid.to_string() != expected {
                return Err(InvalidKey::Algorithm);
            }
            Material::public(algorithm, info.subject_public_key.as_bytes().ok_or(InvalidKey::Pem)?)
        };
        let material = material.map_err(|_| InvalidKey::Algorithm)?;
        if let (Material::Rsa { public, .. }, Some((n, _))) = (&material, material.public_bytes().and_then(rsa_numbers))
            && (n.len() < 256 || public.len() > 2048)
        {
            return Err(InvalidKey::Algorithm);
        }
        if !is_key_name(id) {
            return Err(InvalidKey::Name);
        }
        Ok(Self { id: id.into(), algorithm, material, until: None })
    }

    /// The same key, with which nothing is verified from then on.
    #[must_use]
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = Some(end);
        self
    }

    /// Its name, the `kid` of tokens.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether it can sign.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.material.signs()
    }

    /// Whether nothing is verified with it any more.
    #[must_use]
    pub fn has_ended(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    pub(super) fn end(&mut self, until: SystemTime) {
        self.until = Some(self.until.map_or(until, |before| before.min(until)));
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.material.verify(self.algorithm, message, signature)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.material.sign(self.algorithm, message)
    }

    /// The public key as RFC 7517 has it; none for a secret.
    pub(super) fn jwk(&self) -> Option<Jwk> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let public = self.material.public_bytes()?;
        let algorithm = match &self.material {
            Material::Ed { .. } => AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: encode(public),
            }),
            Material::Ec { .. } => {
                let curve = if self.algorithm == Algorithm::ES256 { EllipticCurve::P256 } else { EllipticCurve::P384 };
                let (x, y) = public.get(1..)?.split_at((public.len() - 1) / 2);
                let key_type = EllipticCurveKeyType::EC;
                AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                    key_type,
                    curve,
                    x: encode(x),
                    y: encode(y),
                })
            }
            _ => {
                let (n, e) = rsa_numbers(public)?;
                let key_type = RSAKeyType::RSA;
                AlgorithmParameters::RSA(RSAKeyParameters { key_type, n: encode(n), e: encode(e) })
            }
        };
        let common = CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(self.algorithm.into()),
            key_id: Some(self.id.to_string()),
            ..CommonParameters::default()
        };
        Some(Jwk { common, algorithm })
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TokenKey");
        debug.field("id", &self.id).field("algorithm", &self.algorithm).field("until", &self.until);
        debug.finish_non_exhaustive()
    }
}

/// Whether text can be the name of a key.
pub(super) fn is_key_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && text.bytes().any(|byte| byte != b'.')
}

/// Bytes of the hash of an algorithm of HMAC.
const fn least_bytes(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => 32,
    }
}

/// Modulus and exponent of a public key as PKCS #1 has it (RFC 8017, appendix A.1.1).
fn rsa_numbers(public: &[u8]) -> Option<(&[u8], &[u8])> {
    let read = || -> der::Result<_> {
        der::SliceReader::new(public)?.sequence(|reader| Ok((UintRef::decode(reader)?, UintRef::decode(reader)?)))
    };
    read().ok().map(|(n, e)| (n.as_bytes(), e.as_bytes()))
}
