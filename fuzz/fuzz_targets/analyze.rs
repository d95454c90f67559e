//! What a statement touches.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dbopt_sql::fuzz_analyze(data));
