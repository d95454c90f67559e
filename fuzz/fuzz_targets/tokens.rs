//! Tokens, normal forms, fingerprints, statements and parameters of SQL.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dbopt_sql::fuzz_tokens(data));
