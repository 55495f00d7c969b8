//! Any bytes are an answer, an error, a binary stream or a token of a cloud, or refused, however they arrive.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_edge::fuzzing::answer_bytes(bytes));
