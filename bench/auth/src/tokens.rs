//! The time to verify a token with all checks, beside the bare signature by ring and by aws-lc-rs.

use std::{hint::black_box, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dbopt_auth::{Grant, KeySet, TokenConfig, TokenKey, Tokens};
use jsonwebtoken::{Algorithm, jwk::AlgorithmParameters};

use crate::{Work, best};

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../../crates/dbopt-auth/tests/keys/", $name, ".pem"))
    };
}

const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcde!";

pub(crate) fn compare(runs: u32) {
    println!("### Verifying a token, µs\n");
    println!("| algorithm | dbopt, all checks | ring, the signature | aws-lc-rs, the signature | dbopt over ring |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let hex: String = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
    let keys: [(Algorithm, &[u8]); 6] = [
        (Algorithm::HS256, hex.as_bytes()),
        (Algorithm::EdDSA, pem!("ed25519")),
        (Algorithm::ES256, pem!("p256")),
        (Algorithm::ES384, pem!("p384")),
        (Algorithm::RS256, pem!("rsa")),
        (Algorithm::PS256, pem!("rsa")),
    ];
    for (algorithm, text) in keys {
        let key = TokenKey::parse("k1", algorithm, text).expect("a key");
        let tokens = Tokens::new(TokenConfig::new("id", "orders"), KeySet::new([key], Some("k1")).expect("keys"));
        let now = SystemTime::now();
        let grant = Grant::new("user-7").tenant("acme").roles(["analyst", "viewer"]);
        let (token, _) = tokens.issue(&grant, now).expect("a token");
        let (message, signature) = token.rsplit_once('.').expect("parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        let set = tokens.keys().jwks(now);
        let public = set.keys.first().map(|key| key.algorithm.clone());
        let mut works: Vec<Work<'_>> = vec![
            ("dbopt", Box::new(|| drop(black_box(tokens.verify(&token, now).expect("right"))))),
            ("ring", ring(algorithm, public.as_ref(), message.as_bytes(), &signature)),
            ("aws-lc-rs", aws(algorithm, public.as_ref(), message.as_bytes(), &signature)),
        ];
        let times: Vec<f64> = best(&mut works, runs, 50).iter().map(|time| time / 1e3).collect();
        println!(
            "| {algorithm:?} | {:.1} | {:.1} | {:.1} | +{:.1} |",
            times[0],
            times[1],
            times[2],
            times[0] - times[1]
        );
    }
    println!();
}

/// Point, modulus and exponent, or nothing of a secret.
fn numbers(public: Option<&AlgorithmParameters>) -> (Vec<u8>, Vec<u8>) {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64");
    match public {
        Some(AlgorithmParameters::OctetKeyPair(key)) => (decode(&key.x), Vec::new()),
        Some(AlgorithmParameters::EllipticCurve(key)) => {
            ([vec![4], decode(&key.x), decode(&key.y)].concat(), Vec::new())
        }
        Some(AlgorithmParameters::RSA(key)) => (decode(&key.n), decode(&key.e)),
        _ => (Vec::new(), Vec::new()),
    }
}

macro_rules! backend {
    ($name:ident, $backend:ident, $($components:tt)+) => {
        fn $name<'a>(
            algorithm: Algorithm,
            public: Option<&AlgorithmParameters>,
            message: &'a [u8],
            signature: &'a [u8],
        ) -> Box<dyn FnMut() + 'a> {
            use $($components)+ as Components;
            use $backend::{hmac, signature as sig};
            let (first, second) = numbers(public);
            let check = |right: bool| assert!(black_box(right));
            let plain = |by: &'static dyn sig::VerificationAlgorithm, key: Vec<u8>| -> Box<dyn FnMut() + 'a> {
                Box::new(move || check(sig::UnparsedPublicKey::new(by, &key).verify(message, signature).is_ok()))
            };
            match algorithm {
                Algorithm::HS256 => {
                    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
                    Box::new(move || check(hmac::verify(&key, message, signature).is_ok()))
                }
                Algorithm::EdDSA => plain(&sig::ED25519, first),
                Algorithm::ES256 => plain(&sig::ECDSA_P256_SHA256_FIXED, first),
                Algorithm::ES384 => plain(&sig::ECDSA_P384_SHA384_FIXED, first),
                _ => {
                    let by = if algorithm == Algorithm::RS256 {
                        &sig::RSA_PKCS1_2048_8192_SHA256
                    } else {
                        &sig::RSA_PSS_2048_8192_SHA256
                    };
                    Box::new(move || {
                        let key = Components { n: first.as_slice(), e: second.as_slice() };
                        check(key.verify(by, message, signature).is_ok());
                    })
                }
            }
        }
    };
}

backend!(ring, ring, ::ring::rsa::PublicKeyComponents);
backend!(aws, aws_lc_rs, ::aws_lc_rs::signature::RsaPublicKeyComponents);
