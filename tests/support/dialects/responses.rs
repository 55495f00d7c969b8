//! <https://platform.openai.com/docs/api-reference/responses> and its streaming events

use super::{Call, Counts, Got, Named, Say, Turn, list, parsed, set, text};
use serde_json::{Value, json};

pub(super) fn body(say: &Say) -> Value {
    let mut input = Vec::new();
    for turn in &say.turns {
        match turn {
            Turn::User(text) => input.push(json!({"role": "user", "content": text})),
            Turn::Picture(text, kind, data) => input.push(json!({"role": "user", "content": [
                {"type": "input_text", "text": text},
                {"type": "input_image", "image_url": format!("data:{kind};base64,{data}"), "detail": "auto"},
            ]})),
            Turn::Got(items) => input.extend(items.iter().cloned()),
            Turn::Results(results) => input.extend(results.iter().map(
                |(call, result)| json!({"type": "function_call_output", "call_id": call.id, "output": result}),
            )),
        }
    }
    let mut body = json!({"input": input, "max_output_tokens": say.max, "store": false});
    if let Some(text) = say.system {
        set(&mut body, "instructions", json!(text));
    }
    if !say.tools.is_empty() {
        let tool = |tool: &Value| {
            let mut tool = tool.clone();
            set(&mut tool, "type", json!("function"));
            set(&mut tool, "strict", json!(false));
            tool
        };
        set(&mut body, "tools", say.tools.iter().map(tool).collect());
    }
    if say.must_call {
        set(&mut body, "tool_choice", json!("required"));
    }
    if say.one_call {
        set(&mut body, "parallel_tool_calls", json!(false));
    }
    if let Some(schema) = &say.schema {
        let format = json!({"type": "json_schema", "name": "answer", "schema": schema, "strict": true});
        set(&mut body, "text", json!({"format": format}));
    }
    if say.think {
        set(&mut body, "reasoning", json!({"effort": "medium", "summary": "auto"}));
        set(&mut body, "include", json!(["reasoning.encrypted_content"]));
    }
    body
}

pub(super) fn whole(body: &Value) -> Got {
    assert_eq!(body["object"], "response", "{body}");
    assert!(!text(&body["id"]).is_empty() && body["created_at"].as_u64() > Some(1_500_000_000), "{body}");
    for name in ["parallel_tool_calls", "tool_choice", "tools", "error", "incomplete_details", "instructions"]
    {
        assert!(body.get(name).is_some(), "the libraries' types have '{name}' always: {body}");
    }
    let mut got = Got { usage: usage(&body["usage"]), model: text(&body["model"]), ..Got::default() };
    got.stop = match &body["incomplete_details"] {
        Value::Null => text(&body["status"]),
        details => {
            assert_eq!(body["status"], "incomplete", "{body}");
            text(&details["reason"])
        }
    };
    for item in list(&body["output"]) {
        read(item, &mut got);
    }
    // The client keeps nothing at the provider: it sends the items back.
    got.turn = list(&body["output"]).to_vec();
    got
}

fn read(item: &Value, got: &mut Got) {
    assert!(!text(&item["id"]).is_empty(), "{item}");
    match item["type"].as_str().unwrap() {
        "message" => {
            assert_eq!(item["role"], "assistant", "{item}");
            assert!(item["status"].is_string(), "{item}");
            for part in list(&item["content"]) {
                match part["type"].as_str().unwrap() {
                    "output_text" => {
                        assert!(part["annotations"].is_array(), "{item}");
                        got.text += part["text"].as_str().unwrap();
                    }
                    "refusal" => got.refusal += part["refusal"].as_str().unwrap(),
                    other => panic!("{other}: {item}"),
                }
            }
        }
        "function_call" => got.calls.push(Call {
            id: text(&item["call_id"]),
            name: text(&item["name"]),
            arguments: parsed(&item["arguments"]),
        }),
        "reasoning" => {
            let parts = list(&item["summary"]).iter().chain(list(&item["content"]));
            got.thoughts.extend(parts.map(|part| text(&part["text"])));
        }
        other => panic!("{other}: {item}"),
    }
}

pub(super) fn usage(usage: &Value) -> Option<Counts> {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let counts = Counts {
        input: count("/input_tokens"),
        output: count("/output_tokens"),
        cached: count("/input_tokens_details/cached_tokens"),
        reasoning: count("/output_tokens_details/reasoning_tokens"),
    };
    assert!(usage.is_null() || count("/total_tokens") == counts.input + counts.output, "{usage}");
    usage.is_object().then_some(counts)
}

/// Follows the items as they grow, and compares them with those of the last event.
pub(super) fn streamed(events: &[Named]) -> Got {
    let mut items: Vec<Value> = Vec::new();
    let mut done = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let data = event.json();
        assert_eq!(data["type"], event.name, "{data}");
        assert_eq!(data["sequence_number"], at, "{data}");
        let index = usize::try_from(data["output_index"].as_u64().unwrap_or(0)).unwrap();
        let id = data["item_id"].as_str();
        assert!(id.is_none() || items[index]["id"] == data["item_id"], "{data} is of no item: {items:?}");
        let name = event.name.strip_prefix("response.").unwrap_or_else(|| panic!("{data}"));
        assert_eq!(at == 0, name == "created", "{data}");
        let part = if name.contains("summary") { &data["summary_index"] } else { &data["content_index"] };
        let part = usize::try_from(part.as_u64().unwrap_or(0)).unwrap();
        let mut grow = |list: &str, member: &str| {
            let sum = text(&items[index][list][part][member]) + &text(&data["delta"]);
            items[index][list][part][member] = json!(sum);
        };
        match name {
            "created" | "in_progress" => assert_eq!(data["response"]["status"], "in_progress", "{data}"),
            "output_item.added" => {
                assert_eq!(index, items.len(), "{data}");
                items.push(data["item"].clone());
            }
            "content_part.added" => {
                items[index]["content"].as_array_mut().unwrap().push(data["part"].clone())
            }
            "reasoning_summary_part.added" => {
                items[index]["summary"].as_array_mut().unwrap().push(data["part"].clone());
            }
            "output_text.delta" => grow("content", "text"),
            "refusal.delta" => grow("content", "refusal"),
            "reasoning_text.delta" => grow("content", "text"),
            "reasoning_summary_text.delta" => grow("summary", "text"),
            "function_call_arguments.delta" => {
                let sum = text(&items[index]["arguments"]) + &text(&data["delta"]);
                items[index]["arguments"] = json!(sum);
            }
            "output_text.done"
            | "refusal.done"
            | "reasoning_text.done"
            | "reasoning_summary_text.done"
            | "function_call_arguments.done" => finished(name, &data, &items[index], part),
            "content_part.done" | "reasoning_summary_part.done" => {}
            "output_item.done" => {
                for member in ["content", "summary", "arguments", "id", "call_id", "name"] {
                    assert_eq!(data["item"][member], items[index][member], "{member}: {data}");
                }
                done.push(data["item"].clone());
            }
            "completed" | "incomplete" => {
                assert_eq!(at + 1, events.len(), "behind the end: {events:#?}");
                assert_eq!(data["response"]["output"], json!(done), "{data}");
                return whole(&data["response"]);
            }
            other => panic!("{other}: {data}"),
        }
    }
    panic!("no end: {events:#?}");
}

/// What is said to be done is what has come.
fn finished(name: &str, data: &Value, item: &Value, part: usize) {
    let (said, come) = match name {
        "refusal.done" => (&data["refusal"], &item["content"][part]["refusal"]),
        "reasoning_summary_text.done" => (&data["text"], &item["summary"][part]["text"]),
        "function_call_arguments.done" => (&data["arguments"], &item["arguments"]),
        _ => (&data["text"], &item["content"][part]["text"]),
    };
    assert_eq!(said, come, "{data}");
}
