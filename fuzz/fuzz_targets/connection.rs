//! Connection strings and URIs, service files and password files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| dbopt_pg::fuzz_connection(data));
