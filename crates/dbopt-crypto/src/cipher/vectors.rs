//! The ciphers against published vectors: all of Wycheproof's, good and bad, RFC 8439's and the drafts' own.

use aes_gcm::Aes256Gcm;
use chacha20poly1305::{ChaCha20Poly1305, KeySizeUser, aead::AeadInOut};
use wycheproof::{
    TestResult,
    aead::{TestName, TestSet},
};

use super::{Algorithm, DataKey, aead::Cipher};

/// Runs each vector that `run` takes (by giving its tag and what is sealed, and whether the given tag opens), and counts.
fn check(name: TestName, mut run: impl FnMut(&Vector<'_>) -> Option<Outcome>) -> (usize, usize) {
    let set = TestSet::load(name).expect("vectors");
    let (mut good, mut bad) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let vector = Vector {
                key: &test.key,
                nonce: &test.nonce,
                aad: &test.aad,
                value: &test.pt,
                sealed: &test.ct,
                tag: &test.tag,
            };
            let outcome = run(&vector);
            match test.result {
                TestResult::Valid | TestResult::Acceptable => {
                    let outcome = outcome.unwrap_or_else(|| panic!("{name:?} {}: {}", test.tc_id, test.comment));
                    assert_eq!(outcome.sealed, test.ct.to_vec(), "{name:?} {}", test.tc_id);
                    assert_eq!(outcome.tag, test.tag.to_vec(), "{name:?} {}", test.tc_id);
                    assert_eq!(outcome.opened.as_deref(), Some(&test.pt[..]), "{name:?} {}", test.tc_id);
                    good += 1;
                }
                TestResult::Invalid => {
                    assert!(outcome.is_none_or(|outcome| outcome.opened.is_none()), "{name:?} {}", test.tc_id);
                    bad += 1;
                }
            }
        }
    }
    (good, bad)
}

struct Vector<'a> {
    key: &'a [u8],
    nonce: &'a [u8],
    aad: &'a [u8],
    value: &'a [u8],
    sealed: &'a [u8],
    tag: &'a [u8],
}

struct Outcome {
    sealed: Vec<u8>,
    tag: Vec<u8>,
    /// What the vector's ciphertext and tag open to.
    opened: Option<Vec<u8>>,
}

fn ours(algorithm: Algorithm, vector: &Vector<'_>) -> Option<Outcome> {
    let cipher = Cipher::new(algorithm, &DataKey::from_bytes(vector.key)?);
    let nonce = vector.nonce.try_into().ok()?;
    let mut sealed = vector.value.to_vec();
    let tag = cipher.seal(nonce, vector.aad, &mut sealed)?;
    let mut opened = vector.sealed.to_vec();
    let is_open = cipher.open(nonce, vector.aad, &mut opened, vector.tag.try_into().ok()?).is_ok();
    assert!(is_open || opened.iter().all(|byte| *byte == 0), "something is left of a rejected value");
    Some(Outcome { sealed, tag: tag.to_vec(), opened: is_open.then_some(opened) })
}

/// A cipher of the named crates, as we use it.
fn theirs<C: AeadInOut + KeySizeUser + chacha20poly1305::KeyInit>(vector: &Vector<'_>) -> Option<Outcome> {
    let cipher = C::new_from_slice(vector.key).ok()?;
    let nonce = vector.nonce.try_into().ok()?;
    let mut sealed = vector.value.to_vec();
    let tag = cipher.encrypt_inout_detached(nonce, vector.aad, sealed.as_mut_slice().into()).ok()?;
    let mut opened = vector.sealed.to_vec();
    let given = vector.tag.try_into().ok()?;
    let is_open = cipher.decrypt_inout_detached(nonce, vector.aad, opened.as_mut_slice().into(), given).is_ok();
    Some(Outcome { sealed, tag: tag.to_vec(), opened: is_open.then_some(opened) })
}

#[test]
fn wycheproof_xchacha20_poly1305() {
    let counts = check(TestName::XChaCha20Poly1305, |vector| ours(Algorithm::XChaCha20Poly1305, vector));
    assert!(counts.0 > 200 && counts.1 > 50, "{counts:?}");
}

#[test]
fn wycheproof_chacha20_poly1305() {
    let counts = check(TestName::ChaCha20Poly1305, theirs::<ChaCha20Poly1305>);
    assert!(counts.0 > 200 && counts.1 > 50, "{counts:?}");
}

/// What XAES-256-GCM stands on. Keys of other sizes and nonces of other lengths than 12 bytes are not used, and passed over here.
#[test]
fn wycheproof_aes_256_gcm() {
    let set = TestSet::load(TestName::AesGcm).expect("vectors");
    let used = |vector: &Vector<'_>| vector.key.len() == 32 && vector.nonce.len() == 12;
    let (mut good, mut bad) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let vector = Vector {
            key: &test.key,
            nonce: &test.nonce,
            aad: &test.aad,
            value: &test.pt,
            sealed: &test.ct,
            tag: &test.tag,
        };
        if !used(&vector) {
            continue;
        }
        let outcome = theirs::<Aes256Gcm>(&vector).expect("key and nonce fit");
        if test.result == TestResult::Invalid {
            assert_eq!(outcome.opened, None, "{}", test.tc_id);
            bad += 1;
        } else {
            assert_eq!((outcome.sealed, outcome.tag), (test.ct.to_vec(), test.tag.to_vec()), "{}", test.tc_id);
            assert_eq!(outcome.opened.as_deref(), Some(&test.pt[..]), "{}", test.tc_id);
            good += 1;
        }
    }
    assert!(good > 30 && bad > 20, "{good} {bad}");
}

const SUNSCREEN: &[u8] =
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
    sunscreen would be it.";

fn hex(text: &str) -> Vec<u8> {
    crate::key::from_hex(text.as_bytes()).expect("hexadecimal")
}

/// RFC 8439, section 2.8.2.
#[test]
fn rfc_8439() {
    let vector = Vector {
        key: &(0x80..0xa0).collect::<Vec<u8>>(),
        nonce: &hex("070000004041424344454647"),
        aad: &hex("50515253c0c1c2c3c4c5c6c7"),
        value: SUNSCREEN,
        sealed: &[],
        tag: &[0; 16],
    };
    let outcome = theirs::<ChaCha20Poly1305>(&vector).expect("sealed");
    assert_eq!(outcome.tag, hex("1ae10b594f09e26a7e902ecbd0600691"));
    assert!(outcome.sealed.starts_with(&hex("d31a8d34648e60db7b86afbc53ef7ec2")));
}

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
#[test]
fn xchacha_draft() {
    let vector = Vector {
        key: &(0x80..0xa0).collect::<Vec<u8>>(),
        nonce: &(0x40..0x58).collect::<Vec<u8>>(),
        aad: &hex("50515253c0c1c2c3c4c5c6c7"),
        value: SUNSCREEN,
        sealed: &[],
        tag: &[0; 16],
    };
    let outcome = ours(Algorithm::XChaCha20Poly1305, &vector).expect("sealed");
    assert_eq!(outcome.tag, hex("c0875924c1c7987947deafd8780acf49"));
    assert!(outcome.sealed.starts_with(&hex("bd6d179d3e83d43b9576579493c0e939")));
}

/// <https://c2sp.org/XAES-256-GCM>, test vectors.
#[test]
fn xaes_256_gcm() {
    for (byte, aad, whole) in [
        (1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ] {
        let whole = hex(whole);
        let (sealed, tag) = whole.split_at(whole.len() - 16);
        let vector = Vector {
            key: &[byte; 32],
            nonce: b"ABCDEFGHIJKLMNOPQRSTUVWX",
            aad: aad.as_bytes(),
            value: b"XAES-256-GCM",
            sealed,
            tag,
        };
        let outcome = ours(Algorithm::Aes256Gcm, &vector).expect("sealed");
        assert_eq!((&outcome.sealed[..], &outcome.tag[..]), (sealed, tag));
        assert_eq!(outcome.opened.as_deref(), Some(&b"XAES-256-GCM"[..]));
    }
}
