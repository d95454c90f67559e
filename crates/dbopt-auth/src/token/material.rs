//! What keys are made of, and the provider of `jsonwebtoken` that works with it, on ring.
//!
//! `jsonwebtoken` leaves the algorithms to a provider. Of its own two, one brings the crate `rsa` with an open advisory, the other
//! a large build in C; both read the key anew for each token, and have to be installed for the whole process, which is not for a library to
//! do. ring is in every dbopt already, for TLS. Keys are read once here, and used without any of that; [`PROVIDER`] is for a
//! program that uses `jsonwebtoken` itself as well.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error as JwtError, ErrorKind},
    signature::{Error as SignatureError, Signer, Verifier},
};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey},
};

/// A key of one algorithm, read and checked.
pub(super) enum Material {
    Hmac(hmac::Key),
    Ed { pair: Option<Ed25519KeyPair>, public: Vec<u8> },
    Ec { pair: Option<EcdsaKeyPair>, public: Vec<u8> },
    Rsa { pair: Option<RsaKeyPair>, public: Vec<u8> },
    RsaComponents { n: Vec<u8>, e: Vec<u8> },
}

/// The key is not one of the algorithm.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongKey;

impl Material {
    /// A secret.
    pub(super) fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, WrongKey> {
        Ok(Self::Hmac(hmac::Key::new(hmac_algorithm(algorithm).ok_or(WrongKey)?, secret)))
    }

    /// A private key as PKCS #8; of RSA as PKCS #1, too.
    pub(super) fn private(algorithm: Algorithm, der: &[u8]) -> Result<Self, WrongKey> {
        match algorithm.family() {
            AlgorithmFamily::Hmac => Err(WrongKey),
            AlgorithmFamily::Ed => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| WrongKey)?;
                let public = pair.public_key().as_ref().to_vec();
                Ok(Self::Ed { pair: Some(pair), public })
            }
            AlgorithmFamily::Ec => {
                let signing = match algorithm {
                    Algorithm::ES256 => &sig::ECDSA_P256_SHA256_FIXED_SIGNING,
                    _ => &sig::ECDSA_P384_SHA384_FIXED_SIGNING,
                };
                let pair = EcdsaKeyPair::from_pkcs8(signing, der, &SystemRandom::new()).map_err(|_| WrongKey)?;
                let public = pair.public_key().as_ref().to_vec();
                Ok(Self::Ec { pair: Some(pair), public })
            }
            AlgorithmFamily::Rsa => {
                let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).map_err(|_| WrongKey)?;
                let public = pair.public_key().as_ref().to_vec();
                Ok(Self::Rsa { pair: Some(pair), public })
            }
        }
    }

    /// A public key: a point, 32 bytes of Ed25519, or PKCS #1 of RSA.
    pub(super) fn public(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, WrongKey> {
        let public = bytes.to_vec();
        match (algorithm, bytes.len(), bytes.first()) {
            (Algorithm::EdDSA, 32, _) => Ok(Self::Ed { pair: None, public }),
            (Algorithm::ES256, 65, Some(4)) | (Algorithm::ES384, 97, Some(4)) => Ok(Self::Ec { pair: None, public }),
            // A sequence.
            (_, _, Some(0x30)) if algorithm.family() == AlgorithmFamily::Rsa => Ok(Self::Rsa { pair: None, public }),
            _ => Err(WrongKey),
        }
    }

    /// The public key, as [`Self::public`] takes it.
    pub(super) fn public_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Ed { public, .. } | Self::Ec { public, .. } | Self::Rsa { public, .. } => Some(public),
            Self::Hmac(_) | Self::RsaComponents { .. } => None,
        }
    }

    /// Whether it can sign.
    pub(super) fn signs(&self) -> bool {
        match self {
            Self::Hmac(_) => true,
            Self::Ed { pair, .. } => pair.is_some(),
            Self::Ec { pair, .. } => pair.is_some(),
            Self::Rsa { pair, .. } => pair.is_some(),
            Self::RsaComponents { .. } => false,
        }
    }

    /// The signature of a message; none when it cannot sign.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hmac(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
            Self::Ed { pair, .. } => Some(pair.as_ref()?.sign(message).as_ref().to_vec()),
            Self::Ec { pair, .. } => Some(pair.as_ref()?.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
            Self::Rsa { pair, .. } => {
                let pair = pair.as_ref()?;
                let padding: &dyn sig::RsaEncoding = match algorithm {
                    Algorithm::RS256 => &sig::RSA_PKCS1_SHA256,
                    Algorithm::RS384 => &sig::RSA_PKCS1_SHA384,
                    Algorithm::RS512 => &sig::RSA_PKCS1_SHA512,
                    Algorithm::PS256 => &sig::RSA_PSS_SHA256,
                    Algorithm::PS384 => &sig::RSA_PSS_SHA384,
                    Algorithm::PS512 => &sig::RSA_PSS_SHA512,
                    _ => return None,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
            Self::RsaComponents { .. } => None,
        }
    }

    /// Whether a signature is that of the message.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Ed { public, .. } => UnparsedPublicKey::new(&sig::ED25519, public).verify(message, signature).is_ok(),
            Self::Ec { public, .. } => {
                let by: &dyn sig::VerificationAlgorithm = match algorithm {
                    Algorithm::ES256 => &sig::ECDSA_P256_SHA256_FIXED,
                    _ => &sig::ECDSA_P384_SHA384_FIXED,
                };
                UnparsedPublicKey::new(by, public).verify(message, signature).is_ok()
            }
            Self::Rsa { public, .. } => rsa_parameters(algorithm)
                .is_some_and(|by| UnparsedPublicKey::new(by, public).verify(message, signature).is_ok()),
            Self::RsaComponents { n, e } => rsa_parameters(algorithm)
                .is_some_and(|by| rsa::PublicKeyComponents { n, e }.verify(by, message, signature).is_ok()),
        }
    }
}

const fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// Of 2048 bits and more.
fn rsa_parameters(algorithm: Algorithm) -> Option<&'static sig::RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &sig::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &sig::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &sig::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &sig::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &sig::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &sig::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// ring for `jsonwebtoken`, for a program that uses that crate itself: `PROVIDER.install_default()`. It reads no keys of JWK
/// that are private, and makes no thumbprints. What is in this crate does not need it.
pub static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Ring::signer(*algorithm, key)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Ring::verifier(*algorithm, key)?)),
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        rsa_pub_components_from_public_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ec_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ed_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        compute_digest: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
};

struct Ring {
    algorithm: Algorithm,
    material: Material,
}

impl Ring {
    fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, JwtError> {
        let material = match (algorithm.family() == key.family(), key.family()) {
            (false, _) => Err(WrongKey),
            (true, AlgorithmFamily::Hmac) => Material::secret(algorithm, key.as_bytes()),
            (true, _) => Material::private(algorithm, key.as_bytes()),
        };
        Ok(Self { algorithm, material: material.map_err(|WrongKey| ErrorKind::InvalidKeyFormat)? })
    }

    fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, JwtError> {
        let material = match (algorithm.family() == key.family(), key.kind()) {
            (false, _) => Err(WrongKey),
            (true, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                Ok(Material::RsaComponents { n: n.clone(), e: e.clone() })
            }
            (true, DecodingKeyKind::SecretOrDer(bytes)) if key.family() == AlgorithmFamily::Hmac => {
                Material::secret(algorithm, bytes)
            }
            (true, DecodingKeyKind::SecretOrDer(bytes)) => Material::public(algorithm, bytes),
        };
        Ok(Self { algorithm, material: material.map_err(|WrongKey| ErrorKind::InvalidKeyFormat)? })
    }
}

impl Signer<Vec<u8>> for Ring {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        self.material.sign(self.algorithm, message).ok_or_else(SignatureError::new)
    }
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let right = self.material.verify(self.algorithm, message, signature);
        if right { Ok(()) } else { Err(SignatureError::new()) }
    }
}

impl JwtSigner for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
