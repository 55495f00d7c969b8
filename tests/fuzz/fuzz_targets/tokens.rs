//! Any token and any set of keys: nothing passes that nobody has signed.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_edge::fuzzing::tokens(bytes));
