//! <https://ai.google.dev/api/generate-content>

use super::{Call, Counts, Got, Named, Say, Turn, list, set, text};
use serde_json::{Value, json};

pub(super) fn body(say: &Say) -> Value {
    let mut contents = Vec::new();
    for turn in &say.turns {
        let (role, parts) = match turn {
            Turn::User(text) => ("user", vec![json!({"text": text})]),
            Turn::Picture(text, kind, data) => {
                ("user", vec![json!({"text": text}), json!({"inlineData": {"mimeType": kind, "data": data}})])
            }
            Turn::Got(parts) => ("model", parts.clone()),
            Turn::Results(results) => {
                let part = |(call, result): &(Call, String)| {
                    let mut response = json!({"name": call.name, "response": {"result": result}});
                    if !call.id.is_empty() {
                        set(&mut response, "id", json!(call.id));
                    }
                    json!({"functionResponse": response})
                };
                ("user", results.iter().map(part).collect())
            }
        };
        contents.push(json!({"role": role, "parts": parts}));
    }
    let mut config = json!({"maxOutputTokens": say.max});
    let mut body = json!({"contents": contents});
    if let Some(text) = say.system {
        set(&mut body, "systemInstruction", json!({"parts": [{"text": text}]}));
    }
    if !say.tools.is_empty() {
        let tool = |t: &Value| json!({"name": t["name"], "description": t["description"], "parametersJsonSchema": t["parameters"]});
        let functions: Vec<Value> = say.tools.iter().map(tool).collect();
        set(&mut body, "tools", json!([{"functionDeclarations": functions}]));
    }
    if say.must_call {
        set(&mut body, "toolConfig", json!({"functionCallingConfig": {"mode": "ANY"}}));
    }
    if let Some(schema) = &say.schema {
        set(&mut config, "responseMimeType", json!("application/json"));
        set(&mut config, "responseJsonSchema", schema.clone());
    }
    if say.think {
        set(&mut config, "thinkingConfig", json!({"includeThoughts": true, "thinkingBudget": 1024}));
    }
    set(&mut body, "generationConfig", config);
    body
}

pub(super) fn whole(body: &Value) -> Got {
    assert_eq!(list(&body["candidates"]).len(), 1, "{body}");
    let candidate = &body["candidates"][0];
    let mut got = Got {
        stop: text(&candidate["finishReason"]),
        usage: usage(&body["usageMetadata"]),
        model: text(&body["modelVersion"]),
        turn: list(&candidate["content"]["parts"]).to_vec(),
        refusal: text(&candidate["finishMessage"]),
        ..Got::default()
    };
    assert!(candidate["content"]["parts"].is_null() || candidate["content"]["role"] == "model", "{body}");
    for part in got.turn.clone() {
        if part["thought"] == true {
            got.thoughts += part["text"].as_str().unwrap_or_default();
        } else if let Some(call) = part.get("functionCall") {
            let arguments = call["args"].clone();
            assert!(arguments.is_object(), "{part}");
            got.calls.push(Call { id: text(&call["id"]), name: text(&call["name"]), arguments });
        } else {
            got.text += part["text"].as_str().unwrap_or_else(|| panic!("{part}"));
        }
    }
    got
}

pub(super) fn usage(usage: &Value) -> Option<Counts> {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let thoughts = count("thoughtsTokenCount");
    let counts = Counts {
        input: count("promptTokenCount"),
        output: count("candidatesTokenCount") + thoughts,
        cached: count("cachedContentTokenCount"),
        reasoning: thoughts,
    };
    assert!(usage.is_null() || count("totalTokenCount") == counts.input + counts.output, "{usage}");
    usage.is_object().then_some(counts)
}

/// Every event is an answer with what is new; the last one has the reason and the figures.
pub(super) fn streamed(events: &[Named]) -> Got {
    let chunks: Vec<Value> = events.iter().map(Named::json).collect();
    joined(&chunks)
}

pub(crate) fn joined(chunks: &[Value]) -> Got {
    let mut parts: Vec<Value> = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        let last = at + 1 == chunks.len();
        let finished = chunk["candidates"][0]["finishReason"].is_string();
        assert_eq!(finished, last, "the reason is in the last chunk: {chunks:#?}");
        for part in list(&chunk["candidates"][0]["content"]["parts"]) {
            grow(&mut parts, part);
        }
    }
    let mut all = chunks.last().expect("chunks").clone();
    all["candidates"][0]["content"] = json!({"role": "model", "parts": parts});
    whole(&all)
}

/// Neighbouring texts of one kind are one text, unless the first is signed already.
fn grow(parts: &mut Vec<Value>, part: &Value) {
    let is_text = |p: &Value| p.get("text").is_some();
    match parts.last_mut() {
        Some(last)
            if is_text(last)
                && is_text(part)
                && last.get("thought") == part.get("thought")
                && last.get("thoughtSignature").is_none() =>
        {
            let sum = text(&last["text"]) + &text(&part["text"]);
            for (name, value) in part.as_object().unwrap() {
                set(last, name, value.clone());
            }
            set(last, "text", json!(sum));
        }
        _ => parts.push(part.clone()),
    }
}
