//! Files of wrapped keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dbopt_crypto::fuzz_keyring(bytes));
