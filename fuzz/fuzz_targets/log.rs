//! Server logs in every form, packed or plain, `pg_stat_statements` as CSV, and files of statements.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dbopt_workload::fuzz_read(data));
