//! Catalogues from DDL.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| dbopt_catalog::ddl::fuzz_ddl(data));
