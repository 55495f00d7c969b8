//! Any bytes are a request body or refused; what is edited stays JSON, and what is not edited stays the same bytes.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use tollgate_dialect::{Edits, Surface, edit, peek};

const MODEL: &str = "a \"model\"";

fuzz_target!(|bytes: &[u8]| {
    let body = Bytes::copy_from_slice(bytes);
    let Ok(seen) = peek(&body) else { return };
    let deny = ["temperature".to_owned(), "a".to_owned()];
    let merge: Map<String, Value> =
        [("metadata".to_owned(), json!({"team": {"id": 7}}))].into_iter().collect();
    for surface in Surface::ALL {
        let untouched = edit(&body, &seen, &Edits::none(surface));
        // A request of Responses may call its input `messages`; that name is put right, and nothing else.
        let sent = untouched.chunks.concat();
        let renamed = surface == Surface::Responses && is_renamed(&body, &sent);
        assert!(renamed || sent == body, "bytes changed without an edit: {surface:?}");

        let edits = Edits {
            model: Some(MODEL),
            remove_models: true,
            merge: Some(&merge),
            max_output_tokens: Some(100),
            deny: &[&deny],
            include_usage: true,
            ..Edits::none(surface)
        };
        let edited = edit(&body, &seen, &edits);
        let bytes = edited.chunks.concat();
        assert_eq!(bytes.len(), edited.len(), "the length is wrong");
        // serde_json is stricter than the peek in nested values and numbers: compare where it reads the original.
        if serde_json::from_slice::<Value>(&body).is_ok() {
            let value: Value = serde_json::from_slice(&bytes).expect("an edit broke the JSON");
            assert_eq!(value["model"], MODEL);
            assert!(value.get("models").is_none() && value.get("temperature").is_none());
            assert_eq!(value["metadata"]["team"]["id"], 7);
            let again = peek(&bytes).expect("an edited body is refused");
            assert_eq!(again.model.as_deref(), Some(MODEL));
        }
    }
});

/// Whether `sent` is `body` with names, spelt however they may be, that read `messages` and are `input` now.
fn is_renamed(mut body: &[u8], mut sent: &[u8]) -> bool {
    const INPUT: &[u8] = b"\"input\"";
    while let ([a, body_rest @ ..], [b, sent_rest @ ..]) = (body, sent) {
        let name = string(body).filter(|name| {
            sent.starts_with(INPUT)
                && serde_json::from_slice::<String>(name).is_ok_and(|name| name == "messages")
        });
        (body, sent) = match name {
            Some(name) => (&body[name.len()..], &sent[INPUT.len()..]),
            None if a == b => (body_rest, sent_rest),
            None => return false,
        };
    }
    body.is_empty() && sent.is_empty()
}

/// The JSON string that begins here.
fn string(text: &[u8]) -> Option<&[u8]> {
    let mut escaped = false;
    let inside = text.strip_prefix(b"\"")?;
    let end = inside.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    text.get(..end + 2)
}
