//! Lines of audit files: what is read as a record is written back as it was.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dbopt_audit::fuzz_line(bytes));
