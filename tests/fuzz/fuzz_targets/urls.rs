//! Any URL, redirect or place to send a browser to leads where it says.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_edge::fuzzing::urls(bytes));
