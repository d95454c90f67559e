//! Sealed values, streams, wrapped keys and Fernet tokens: what opens is whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    dbopt_crypto::fuzz_sealed(bytes);
});
