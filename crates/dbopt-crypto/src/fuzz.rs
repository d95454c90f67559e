//! What must hold for all bytes that come from outside. Run by `cargo xtask fuzz sealed` and, for key rings, `cargo xtask fuzz keyring`.

use std::io::Read as _;

use crate::{Algorithm, Cell, DataKey, Envelope, FernetReader, KeyNumber, KeyOwner, KeyRing, SubjectKeys, WrappedKey};

const CELL: Cell<'static> = Cell::new("public.customer", "email", &["42"]);
/// The key of the specification's examples.
const FERNET: &[u8] = b"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

/// Keys that are known, so that seeds can be opened.
fn ring() -> KeyRing {
    let key = |byte: u8| DataKey::from_bytes(&[byte; DataKey::BYTES]).expect("32 bytes");
    let two = KeyNumber::new(2).expect("above zero");
    KeyRing::new()
        .with(KeyNumber::FIRST, Algorithm::XChaCha20Poly1305, true, &key(1))
        .and_then(|ring| ring.with(two, Algorithm::Aes256Gcm, false, &key(2)))
        .expect("a ring")
}

/// The key of a person that is known.
fn of_subject() -> KeyRing {
    let key = DataKey::from_bytes(&[3; DataKey::BYTES]).expect("32 bytes");
    KeyRing::of_subject(KeyNumber::FIRST, Algorithm::XChaCha20Poly1305, &key)
}

/// Reads bytes as a sealed value, a person's key, a stream, a wrapped key and a Fernet token. None may panic, and what opens is whole. Gives
/// whether something opened.
#[doc(hidden)]
pub fn fuzz_sealed(bytes: &[u8]) -> bool {
    let ring = match Envelope::parse(bytes) {
        Ok(Envelope { owner: KeyOwner::Subject, .. }) => of_subject(),
        _ => ring(),
    };
    let opened = ring.open(&CELL, bytes);
    if let Ok(value) = &opened {
        let envelope = Envelope::parse(bytes).expect("what opens is an envelope");
        assert_eq!(value.len(), envelope.value.len());
        let mut changed = bytes.to_vec();
        for at in 0..changed.len() {
            changed[at] ^= 1;
            assert!(ring.open(&CELL, &changed).is_err(), "byte {at} does not count");
            changed[at] ^= 1;
        }
    }
    let person = SubjectKeys::default().open(&ring, "42", bytes);
    let mut streamed = Vec::new();
    let stream = ring.open_stream(&CELL, bytes).and_then(|mut stream| stream.read_to_end(&mut streamed));
    assert!(streamed.len() <= bytes.len(), "a stream opens to less than it is");
    if let Ok(wrapped) = WrappedKey::from_bytes(bytes) {
        assert_eq!(wrapped.to_bytes(), bytes);
        assert_eq!(WrappedKey::parse(&wrapped.to_string()).as_ref(), Ok(&wrapped));
    }
    let token = FernetReader::new([FERNET]).expect("a key").open(bytes);
    opened.is_ok() || person.is_ok() || stream.is_ok() || token.is_ok()
}

/// Reads bytes as a key ring. What is read is written so that it is read again.
#[doc(hidden)]
#[cfg(feature = "keyring")]
pub fn fuzz_keyring(bytes: &[u8]) {
    if let Ok(ring) = crate::Keyring::parse(bytes) {
        assert_eq!(crate::Keyring::parse(ring.to_json().as_bytes()).as_ref(), Ok(&ring));
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Else the fuzzer would begin with bytes that are refused at once.
    #[test]
    fn the_seeds_are_good() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
        for name in ["xchacha.bin", "aes.bin", "subject.bin", "subject-key.bin", "stream.bin", "fernet.txt"] {
            let bytes = fs::read(seeds.join("sealed").join(name)).expect("a seed");
            assert!(fuzz_sealed(&bytes), "{name}");
        }
        let wrapped = fs::read(seeds.join("sealed/wrapped.bin")).expect("a seed");
        assert!(WrappedKey::from_bytes(&wrapped).is_ok());
        fuzz_sealed(&wrapped);
        for entry in fs::read_dir(seeds.join("keyring")).expect("a folder") {
            let bytes = fs::read(entry.expect("an entry").path()).expect("a seed");
            assert!(crate::Keyring::parse(&bytes).is_ok());
            fuzz_keyring(&bytes);
        }
    }

    /// Values that are kept today open for ever: these bytes are part of the format.
    #[test]
    fn kept_values_open() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/sealed");
        for name in ["xchacha.bin", "aes.bin"] {
            let bytes = fs::read(seeds.join(name)).expect("a seed");
            assert_eq!(ring().open(&CELL, &bytes).expect("opened").as_slice(), b"jo@example.org");
        }
    }
}
