//! A request read and written again says the same.

use super::{json, target};
use crate::Surface;
use crate::translate::gemini::{read_request, write_request};
use proptest::prelude::*;
use serde_json::{Value, json as value};

fn again(body: &Value) -> (Value, Vec<String>) {
    let body = body.to_string();
    let request = read_request(body.as_bytes()).unwrap();
    let written = write_request(&request, Surface::GenerateContent, &target("gemini-2.5-flash")).unwrap();
    (json(&written.body), [request.lost, written.lost].concat())
}

#[test]
fn everything_that_is_supported() {
    let body = value!({
        "contents": [
            {"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/x"}}]},
            {"role": "model", "parts": [{"text": "hm", "thought": true},
                {"functionCall": {"id": "1", "name": "f", "args": {"z": 1, "a": [null]}}, "thoughtSignature": "A_-="},
                {"functionCall": {"id": "2", "name": "g", "args": {}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "1", "name": "f", "response": {"output": "x"}}},
                {"functionResponse": {"id": "2", "name": "g", "response": {"error": "y"}}}]},
            {"role": "model", "parts": [{"text": "b"}, {"text": "", "thoughtSignature": "B"}]},
        ],
        "systemInstruction": {"parts": [{"text": "s"}]},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}, {"name": "g"}]},
            {"googleSearch": {}}, {"codeExecution": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
            "retrievalConfig": {"languageCode": "de"}},
        "generationConfig": {
            "maxOutputTokens": 5000, "temperature": 0.5, "topP": 0.5, "topK": 3, "candidateCount": 2,
            "frequencyPenalty": 0.5, "presencePenalty": 0.5, "seed": 1, "stopSequences": ["x"],
            "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 2000},
            "responseModalities": ["TEXT", "IMAGE"], "speechConfig": {"languageCode": "de"}, "logprobs": 3,
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1", "labels": {"a": "b"}, "serviceTier": "flex", "future": [1],
    });
    assert_eq!(again(&body), (body.clone(), vec![]));
}

fn part() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-zé\"\n]{1,12}".prop_map(|text| value!({ "text": text })),
        "[A-Za-z0-9+/]{4}".prop_map(|data| value!({"inlineData": {"mimeType": "image/png", "data": data}})),
        "[a-z]{1,8}".prop_map(
            |name| value!({"fileData": {"mimeType": "audio/mp3", "fileUri": format!("gs://b/{name}")}})
        ),
    ]
}

proptest! {
    #[test]
    fn conversations(
        turns in proptest::collection::vec((proptest::collection::vec(part(), 1..4), 0usize..3), 1..6),
    ) {
        let mut contents = Vec::new();
        for (at, (parts, calls)) in turns.iter().enumerate() {
            contents.push(value!({"role": "user", "parts": parts}));
            let id = |call: usize| format!("{at}.{call}");
            let made = (0..*calls).map(|call| value!({"functionCall": {"id": id(call), "name": "f", "args": {"n": call}}}));
            let model: Vec<Value> = std::iter::once(value!({"text": "m"})).chain(made).collect();
            contents.push(value!({"role": "model", "parts": model}));
            if *calls > 0 {
                let results: Vec<Value> = (0..*calls)
                    .map(|call| value!({"functionResponse": {"id": id(call), "name": "f", "response": {"n": call}}}))
                    .collect();
                contents.push(value!({"role": "user", "parts": results}));
                contents.push(value!({"role": "model", "parts": [{"text": "done"}]}));
            }
        }
        let body = value!({ "contents": contents });
        prop_assert_eq!(again(&body), (body, vec![]));
    }

    #[test]
    fn never_panics(text in r#"\{"contents":[\{\}\[\]":,a-z0-9]{0,60}\}"#, bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = read_request(&bytes);
        if let Ok(request) = read_request(text.as_bytes()) {
            let _ = write_request(&request, Surface::Messages, &target("gemini-3.6-flash"));
        }
    }
}
