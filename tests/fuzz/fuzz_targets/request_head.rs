//! Any headers, target and body: no forged signature of a webhook, no decompressed bomb, one path.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_edge::fuzzing::request_head(bytes));
