//! <https://platform.openai.com/docs/api-reference/chat>

use super::{Call, Counts, Got, Named, Say, Turn, list, parsed, set, text};
use serde_json::{Value, json};

pub(super) fn body(say: &Say) -> Value {
    let mut messages = Vec::new();
    messages.extend(say.system.map(|text| json!({"role": "system", "content": text})));
    for turn in &say.turns {
        match turn {
            Turn::User(text) => messages.push(json!({"role": "user", "content": text})),
            Turn::Picture(text, kind, data) => messages.push(json!({"role": "user", "content": [
                {"type": "text", "text": text},
                {"type": "image_url", "image_url": {"url": format!("data:{kind};base64,{data}")}},
            ]})),
            Turn::Got(turn) => messages.extend(turn.iter().cloned()),
            Turn::Results(results) => {
                messages.extend(results.iter().map(
                    |(call, result)| json!({"role": "tool", "tool_call_id": call.id, "content": result}),
                ))
            }
        }
    }
    let mut body = json!({"messages": messages, "max_completion_tokens": say.max});
    if !say.tools.is_empty() {
        let tools = say.tools.iter().map(|tool| json!({"type": "function", "function": tool}));
        set(&mut body, "tools", tools.collect());
    }
    if say.must_call {
        set(&mut body, "tool_choice", json!("required"));
    }
    if say.one_call {
        set(&mut body, "parallel_tool_calls", json!(false));
    }
    if let Some(schema) = &say.schema {
        let format = json!({"name": "answer", "schema": schema, "strict": true});
        set(&mut body, "response_format", json!({"type": "json_schema", "json_schema": format}));
    }
    if say.think {
        set(&mut body, "reasoning_effort", json!("medium"));
    }
    if say.stream {
        set(&mut body, "stream_options", json!({"include_usage": true}));
    }
    body
}

pub(super) fn whole(body: &Value) -> Got {
    assert_eq!(body["object"], "chat.completion", "{body}");
    assert!(!text(&body["id"]).is_empty() && body["created"].as_u64() > Some(1_500_000_000), "{body}");
    assert_eq!(list(&body["choices"]).len(), 1, "{body}");
    let choice = &body["choices"][0];
    assert_eq!(choice["index"], 0, "{body}");
    Got { usage: usage(&body["usage"]), model: text(&body["model"]), ..message(&choice["message"], choice) }
}

fn message(message: &Value, choice: &Value) -> Got {
    assert_eq!(message["role"], "assistant", "{message}");
    assert!(message.get("content").is_some(), "the clients' types have it always: {message}");
    let call = |call: &Value| {
        assert_eq!(call["type"], "function", "{call}");
        Call {
            id: text(&call["id"]),
            name: text(&call["function"]["name"]),
            arguments: parsed(&call["function"]["arguments"]),
        }
    };
    let calls: Vec<Call> = list(&message["tool_calls"]).iter().map(call).collect();
    assert!(calls.iter().all(|c| !c.id.is_empty()), "{message}");
    Got {
        text: text(&message["content"]),
        thoughts: text(message.get("reasoning_content").unwrap_or(&message["reasoning"])),
        refusal: text(&message["refusal"]),
        calls,
        stop: text(&choice["finish_reason"]),
        turn: vec![message.clone()],
        ..Got::default()
    }
}

pub(super) fn usage(usage: &Value) -> Option<Counts> {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let counts = Counts {
        input: count("/prompt_tokens"),
        output: count("/completion_tokens"),
        cached: count("/prompt_tokens_details/cached_tokens"),
        reasoning: count("/completion_tokens_details/reasoning_tokens"),
    };
    assert!(usage.is_null() || count("/total_tokens") == counts.input + counts.output, "{usage}");
    usage.is_object().then_some(counts)
}

/// Put together as the official libraries do it: texts are appended, calls are told apart by `index`.
pub(super) fn streamed(events: &[Named]) -> Got {
    let (last, events) = events.split_last().expect("events");
    assert_eq!(last.data, "[DONE]", "{events:#?}");
    let mut whole = json!({"content": null, "tool_calls": []});
    let (mut finish, mut counted, mut model) = (Value::Null, None, String::new());
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.name, "", "chat has no names of events");
        let chunk = event.json();
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        model = text(&chunk["model"]);
        if chunk["usage"].is_object() {
            counted = usage(&chunk["usage"]);
        }
        // OpenRouter repeats the finished choice beside the figures; OpenAI has none there.
        let figures = chunk["usage"].is_object() && finish.is_string();
        let Some(choice) = list(&chunk["choices"]).first().filter(|_| !figures) else {
            assert!(finish.is_string(), "figures come last: {chunk}");
            continue;
        };
        assert!(finish.is_null(), "behind the finish: {chunk}");
        let delta = &choice["delta"];
        assert!(at > 0 || delta["role"] == "assistant", "the role is in the first chunk: {chunk}");
        append(&mut whole, delta);
        finish = choice["finish_reason"].clone();
    }
    set(&mut whole, "role", json!("assistant"));
    if list(&whole["tool_calls"]).is_empty() {
        whole.as_object_mut().unwrap().remove("tool_calls");
    }
    let choice = json!({"finish_reason": finish});
    Got { usage: counted, model, ..message(&whole, &choice) }
}

fn append(whole: &mut Value, delta: &Value) {
    for name in ["content", "refusal", "reasoning_content", "reasoning"] {
        if let Some(piece) = delta.get(name).and_then(Value::as_str) {
            let sum = text(&whole[name]) + piece;
            set(whole, name, json!(sum));
        }
    }
    if let Some(details) = delta.get("reasoning_details").and_then(Value::as_array) {
        let mut all = list(&whole["reasoning_details"]).to_vec();
        for detail in details {
            merge_detail(&mut all, detail);
        }
        set(whole, "reasoning_details", json!(all));
    }
    for call in list(&delta["tool_calls"]) {
        let index = usize::try_from(call["index"].as_u64().expect("an index")).unwrap();
        let calls = whole["tool_calls"].as_array_mut().unwrap();
        if index == calls.len() {
            assert!(call["id"].is_string() && call["function"]["name"].is_string(), "{call}");
            calls.push(call.clone());
            calls[index].as_object_mut().unwrap().remove("index");
        } else {
            let sum = text(&calls[index]["function"]["arguments"]) + &text(&call["function"]["arguments"]);
            calls[index]["function"]["arguments"] = json!(sum);
        }
    }
}

/// Pieces of one detail have one index (OpenRouter, "Preserving reasoning blocks").
fn merge_detail(all: &mut Vec<Value>, detail: &Value) {
    let same = all.iter_mut().find(|d| d["index"] == detail["index"] && d["type"] == detail["type"]);
    let Some(same) = same else {
        all.push(detail.clone());
        return;
    };
    for (name, value) in detail.as_object().unwrap() {
        let sum = match name.as_str() {
            "text" | "summary" => json!(text(&same[name]) + &text(value)),
            _ => value.clone(),
        };
        set(same, name, sum);
    }
}
