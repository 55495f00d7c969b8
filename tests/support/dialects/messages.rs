//! <https://docs.anthropic.com/en/api/messages> and its streaming events

use super::{Call, Counts, Got, Named, Say, Turn, list, set, text};
use serde_json::{Value, json};

pub(super) fn body(say: &Say) -> Value {
    let mut messages = Vec::new();
    for turn in &say.turns {
        match turn {
            Turn::User(text) => messages.push(json!({"role": "user", "content": text})),
            Turn::Picture(text, kind, data) => messages.push(json!({"role": "user", "content": [
                {"type": "text", "text": text},
                {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}},
            ]})),
            Turn::Got(blocks) => messages.push(json!({"role": "assistant", "content": blocks})),
            Turn::Results(results) => {
                let block = |(call, result): &(Call, String)| json!({"type": "tool_result", "tool_use_id": call.id, "content": result});
                let blocks: Vec<Value> = results.iter().map(block).collect();
                messages.push(json!({"role": "user", "content": blocks}));
            }
        }
    }
    let mut body = json!({"messages": messages, "max_tokens": say.max});
    if let Some(text) = say.system {
        set(&mut body, "system", json!(text));
    }
    if !say.tools.is_empty() {
        let tool = |t: &Value| json!({"name": t["name"], "description": t["description"], "input_schema": t["parameters"]});
        set(&mut body, "tools", say.tools.iter().map(tool).collect());
    }
    if say.must_call || say.one_call {
        let kind = if say.must_call { "any" } else { "auto" };
        let mut choice = json!({"type": kind});
        if say.one_call {
            set(&mut choice, "disable_parallel_tool_use", json!(true));
        }
        set(&mut body, "tool_choice", choice);
    }
    if let Some(schema) = &say.schema {
        set(&mut body, "output_config", json!({"format": {"type": "json_schema", "schema": schema}}));
    }
    if say.think {
        set(&mut body, "thinking", json!({"type": "enabled", "budget_tokens": 1024}));
    }
    body
}

pub(super) fn whole(body: &Value) -> Got {
    assert_eq!((&body["type"], &body["role"]), (&json!("message"), &json!("assistant")), "{body}");
    assert!(!text(&body["id"]).is_empty(), "{body}");
    for name in ["content", "stop_reason", "stop_sequence", "usage"] {
        assert!(body.get(name).is_some(), "the libraries' types have '{name}' always: {body}");
    }
    let mut got = Got {
        stop: text(&body["stop_reason"]),
        usage: usage(&body["usage"]),
        model: text(&body["model"]),
        turn: list(&body["content"]).to_vec(),
        refusal: text(&body["stop_details"]["explanation"]),
        ..Got::default()
    };
    for block in list(&body["content"]) {
        match block["type"].as_str().unwrap() {
            "text" => got.text += block["text"].as_str().unwrap(),
            "thinking" => {
                assert!(block["signature"].is_string(), "{block}");
                got.thoughts += block["thinking"].as_str().unwrap();
            }
            "redacted_thinking" => assert!(block["data"].is_string(), "{block}"),
            "tool_use" => {
                assert!(block["input"].is_object() && !text(&block["id"]).is_empty(), "{block}");
                let call = Call {
                    id: text(&block["id"]),
                    name: text(&block["name"]),
                    arguments: block["input"].clone(),
                };
                got.calls.push(call);
            }
            other => panic!("{other}: {block}"),
        }
    }
    got
}

pub(super) fn usage(usage: &Value) -> Option<Counts> {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let cached = count("cache_read_input_tokens");
    let input = count("input_tokens") + cached + count("cache_creation_input_tokens");
    let counts = Counts { input, output: count("output_tokens"), cached, reasoning: 0 };
    usage.is_object().then_some(counts)
}

/// Puts the message together as the official libraries do it.
pub(super) fn streamed(events: &[Named]) -> Got {
    let mut message = Value::Null;
    let mut open: Option<usize> = None;
    let mut arguments = String::new();
    for (at, event) in events.iter().enumerate() {
        let data = event.json();
        assert_eq!(data["type"], event.name, "{data}");
        let index = data["index"].as_u64().map(|i| usize::try_from(i).unwrap());
        match event.name.as_str() {
            "message_start" => {
                assert!(message.is_null(), "{data}");
                message = data["message"].clone();
                assert_eq!(message["content"], json!([]), "{data}");
                assert!(message["stop_reason"].is_null() && message["usage"].is_object(), "{data}");
            }
            "ping" => {}
            "content_block_start" => {
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!((open, index), (None, Some(content.len())), "{data}");
                content.push(data["content_block"].clone());
                open = index;
                arguments.clear();
            }
            "content_block_delta" => {
                assert!(open.is_some() && open == index, "{data}");
                let block = &mut message["content"][open.unwrap()];
                grow(block, &data["delta"], &mut arguments);
            }
            "content_block_stop" => {
                assert!(open.is_some() && open == index, "{data}");
                let block = &mut message["content"][open.take().unwrap()];
                if block["type"] == "tool_use" && !arguments.is_empty() {
                    block["input"] =
                        serde_json::from_str(&arguments).unwrap_or_else(|e| panic!("{e}: {arguments}"));
                }
            }
            "message_delta" => {
                assert_eq!(open, None, "{data}");
                end(&mut message, &data);
            }
            "message_stop" => {
                // OpenRouter ends its imitation with a mark of its own.
                let rest = events[at + 1..].iter().all(|event| event.data == "[DONE]");
                assert!(rest, "behind the end: {events:#?}");
                assert!(message["stop_reason"].is_string(), "{events:#?}");
                return whole(&message);
            }
            other => panic!("{other}: {data}"),
        }
    }
    panic!("no end: {events:#?}");
}

fn grow(block: &mut Value, delta: &Value, arguments: &mut String) {
    let member = match delta["type"].as_str().unwrap() {
        "text_delta" => "text",
        "thinking_delta" => "thinking",
        "signature_delta" => return set(block, "signature", delta["signature"].clone()),
        "input_json_delta" => return arguments.push_str(delta["partial_json"].as_str().unwrap()),
        other => panic!("{other}: {delta}"),
    };
    let sum = text(&block[member]) + delta[member].as_str().unwrap();
    set(block, member, json!(sum));
}

/// The reason and the last figures.
fn end(message: &mut Value, data: &Value) {
    for (name, value) in data["delta"].as_object().unwrap() {
        set(message, name, value.clone());
    }
    for (name, value) in data["usage"].as_object().unwrap() {
        set(&mut message["usage"], name, value.clone());
    }
}
