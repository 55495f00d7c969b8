//! Any first message of a TLS client has a fingerprint of one shape, or none.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_edge::fuzzing::client_hello(bytes));
