//! Any file is a database or a list of addresses, or refused.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_edge::fuzzing::address_files(bytes));
