//! Tokens, refresh tokens and stored hashes: whatever they are, nobody gets in by them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dbopt_auth::fuzz(data));
