//! EXPLAIN output.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dbopt_plan::fuzz_parse(data));
