//! Snapshots of catalogues.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| dbopt_catalog::snapshot::fuzz_snapshot(data));
