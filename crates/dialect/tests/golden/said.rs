//! What an answer says, read by hand-written rules from the documentation of each API and without the gateway's code.

use crate::dialect::Dialect;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// An answer without its dialect.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) thoughts: String,
    /// Id, name, and arguments; the id is empty where the dialect has none.
    pub(crate) calls: Vec<(String, String, Value)>,
    pub(crate) stop: Option<Stop>,
    /// Tokens of the prompt, and of all that was generated.
    pub(crate) tokens: (u64, u64),
    /// Of these, tokens of thoughts, where it is said.
    pub(crate) thinking: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Done,
    Tools,
    Length,
}

/// Reads a whole answer.
pub(crate) fn whole(dialect: Dialect, body: &Value) -> Said {
    match dialect {
        Dialect::Chat => chat(body),
        Dialect::Responses => responses(body),
        Dialect::Messages => messages(body),
        Dialect::Gemini => gemini(body),
        Dialect::Converse => converse(body),
    }
}

/// Reads a stream: puts it together to a whole answer first, as clients do.
pub(crate) fn streamed(dialect: Dialect, stream: &[u8]) -> Said {
    let events = events(stream);
    match dialect {
        Dialect::Chat => chat(&chat_joined(&events)),
        Dialect::Responses => responses_streamed(&events),
        Dialect::Messages => messages(&messages_joined(&events)),
        Dialect::Gemini => gemini(&gemini_joined(&events)),
        Dialect::Converse => converse(&converse_joined(&events)),
    }
}

/// The events of a stream: name and data. `[DONE]` has to be the last.
pub(crate) fn events(stream: &[u8]) -> Vec<(String, Value)> {
    let text = std::str::from_utf8(stream).unwrap();
    let mut out = Vec::new();
    let mut done = false;
    for event in text.split("\n\n") {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        match field("data: ") {
            "" => continue,
            _ if done => panic!("behind [DONE]: {event}"),
            "[DONE]" => done = true,
            data => out.push((field("event: ").to_owned(), serde_json::from_str(data).unwrap())),
        }
    }
    out
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn parsed(arguments: &Value) -> Value {
    serde_json::from_str(text(arguments)).unwrap_or_else(|e| panic!("{e}: {arguments}"))
}

fn chat(body: &Value) -> Said {
    let choice = &body["choices"][0];
    let message = &choice["message"];
    let call = |call: &Value| {
        let function = &call["function"];
        (text(&call["id"]).to_owned(), text(&function["name"]).to_owned(), parsed(&function["arguments"]))
    };
    let usage = &body["usage"];
    // OpenRouter has its own name for what others call `reasoning_content`.
    let thoughts = [&message["reasoning_content"], &message["reasoning"]].map(text).concat();
    let details = list(&message["reasoning_details"]);
    let in_detail: String = details.iter().map(|detail| text(&detail["text"])).collect();
    assert!(details.is_empty() || in_detail == thoughts, "{message}");
    Said {
        text: text(&message["content"]).to_owned(),
        thoughts,
        calls: list(&message["tool_calls"]).iter().map(call).collect(),
        stop: match text(&choice["finish_reason"]) {
            "stop" => Some(Stop::Done),
            "tool_calls" => Some(Stop::Tools),
            "length" => Some(Stop::Length),
            _ => None,
        },
        tokens: (number(&usage["prompt_tokens"]), number(&usage["completion_tokens"])),
        thinking: usage["completion_tokens_details"]["reasoning_tokens"].as_u64(),
    }
}

/// Every text of a delta is put behind what there is; calls by their index.
fn chat_joined(events: &[(String, Value)]) -> Value {
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut calls: BTreeMap<u64, (String, String, String)> = BTreeMap::new();
    let (mut details, mut finish, mut usage) = (String::new(), Value::Null, Value::Null);
    for (name, chunk) in events {
        assert_eq!((name.as_str(), text(&chunk["object"])), ("", "chat.completion.chunk"));
        if chunk["usage"].is_object() {
            assert_eq!(list(&chunk["choices"]).len(), 0);
            usage = chunk["usage"].clone();
            continue;
        }
        assert!(usage.is_null() && finish.is_null(), "after the end: {chunk}");
        let (delta, why) = (&chunk["choices"][0]["delta"], &chunk["choices"][0]["finish_reason"]);
        for field in ["content", "reasoning_content", "reasoning"] {
            texts.entry(field).or_default().push_str(text(&delta[field]));
        }
        list(&delta["reasoning_details"]).iter().for_each(|detail| details.push_str(text(&detail["text"])));
        for call in list(&delta["tool_calls"]) {
            let (id, name, arguments) = calls.entry(number(&call["index"])).or_default();
            id.push_str(text(&call["id"]));
            name.push_str(text(&call["function"]["name"]));
            arguments.push_str(text(&call["function"]["arguments"]));
        }
        finish = why.clone();
    }
    let mut message = json!(texts);
    message["reasoning_details"] = if details.is_empty() { json!([]) } else { json!([{"text": details}]) };
    message["tool_calls"] = calls
        .into_values()
        .map(|(id, name, arguments)| json!({"id": id, "function": {"name": name, "arguments": arguments}}))
        .collect();
    json!({"choices": [{"message": message, "finish_reason": finish}], "usage": usage})
}

fn responses(body: &Value) -> Said {
    let output = list(&body["output"]);
    let of = |kind: &'static str| output.iter().filter(move |item| item["type"] == kind);
    let texts = |item: &Value, field: &str| -> String {
        list(&item[field]).iter().map(|part| text(&part["text"])).collect()
    };
    let calls: Vec<_> = of("function_call")
        .map(|item| {
            (text(&item["call_id"]).to_owned(), text(&item["name"]).to_owned(), parsed(&item["arguments"]))
        })
        .collect();
    let usage = &body["usage"];
    assert_eq!(
        number(&usage["total_tokens"]),
        number(&usage["input_tokens"]) + number(&usage["output_tokens"])
    );
    Said {
        text: of("message").map(|item| texts(item, "content")).collect(),
        thoughts: of("reasoning").map(|item| texts(item, "summary")).collect(),
        stop: match (text(&body["status"]), text(&body["incomplete_details"]["reason"])) {
            ("completed", "") if calls.is_empty() => Some(Stop::Done),
            ("completed", "") => Some(Stop::Tools),
            ("incomplete", "max_output_tokens") => Some(Stop::Length),
            _ => None,
        },
        calls,
        tokens: (number(&usage["input_tokens"]), number(&usage["output_tokens"])),
        thinking: usage["output_tokens_details"]["reasoning_tokens"].as_u64(),
    }
}

/// The last event has the whole answer. What came in pieces must be the same, its items in order and its numbers too.
fn responses_streamed(events: &[(String, Value)]) -> Said {
    let (mut said, mut thoughts, mut arguments) = (String::new(), String::new(), String::new());
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for (at, (name, event)) in events.iter().enumerate() {
        assert_eq!(name, text(&event["type"]));
        assert_eq!(event["sequence_number"], at, "{event}");
        let delta = text(&event["delta"]);
        match name.as_str() {
            "response.output_text.delta" => said.push_str(delta),
            "response.reasoning_summary_text.delta" => thoughts.push_str(delta),
            "response.function_call_arguments.delta" => arguments.push_str(delta),
            "response.output_item.added" => opened.push(event["item"]["id"].clone()),
            "response.output_item.done" => closed.push(event["item"].clone()),
            _ => {}
        }
    }
    let (last, answer) = events.last().map(|(name, event)| (name.as_str(), &event["response"])).unwrap();
    assert!(matches!(last, "response.completed" | "response.incomplete"), "{last}");
    assert_eq!(list(&answer["output"]), closed);
    assert_eq!(opened, closed.iter().map(|item| item["id"].clone()).collect::<Vec<_>>());
    let whole = responses(answer);
    assert_eq!((&whole.text, &whole.thoughts), (&said, &thoughts));
    let called: Vec<Value> = whole.calls.iter().map(|(_, _, arguments)| arguments.clone()).collect();
    assert!(called.len() < 2 && called.first().is_none_or(|call| *call == parsed(&json!(arguments))));
    whole
}

fn messages(body: &Value) -> Said {
    let blocks = list(&body["content"]);
    let joined = |kind: &str, field: &str| -> String {
        blocks.iter().filter(|block| block["type"] == kind).map(|block| text(&block[field])).collect()
    };
    let usage = &body["usage"];
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"].map(|name| number(&usage[name]));
    Said {
        text: joined("text", "text"),
        thoughts: joined("thinking", "thinking"),
        calls: blocks
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .map(|block| {
                (text(&block["id"]).to_owned(), text(&block["name"]).to_owned(), block["input"].clone())
            })
            .collect(),
        stop: stop_of_claude(&body["stop_reason"]),
        tokens: (
            number(&usage["input_tokens"]) + cached.iter().sum::<u64>(),
            number(&usage["output_tokens"]),
        ),
        thinking: usage["output_tokens_details"]["thinking_tokens"].as_u64(),
    }
}

fn stop_of_claude(word: &Value) -> Option<Stop> {
    match text(word) {
        "end_turn" => Some(Stop::Done),
        "tool_use" => Some(Stop::Tools),
        "max_tokens" => Some(Stop::Length),
        _ => None,
    }
}

/// Blocks are opened, filled and closed one after the other.
fn messages_joined(events: &[(String, Value)]) -> Value {
    let mut blocks: Vec<(Value, String)> = Vec::new();
    let (mut open, mut usage, mut stop, mut ended) = (false, Map::new(), Value::Null, false);
    let mut keep = |more: &Value| usage.extend(more.as_object().cloned().unwrap_or_default());
    for (name, event) in events {
        assert_eq!(name, text(&event["type"]));
        assert!(!ended, "behind message_stop: {event}");
        let here = event["index"] == blocks.len().wrapping_sub(1);
        match name.as_str() {
            "message_start" => keep(&event["message"]["usage"]),
            "content_block_start" => {
                assert!(!open && event["index"] == blocks.len(), "{event}");
                blocks.push((event["content_block"].clone(), String::new()));
                open = true;
            }
            "content_block_delta" => {
                assert!(open && here, "{event}");
                let (block, input) = blocks.last_mut().unwrap();
                for field in ["text", "thinking", "signature"] {
                    if let Some(more) = event["delta"][field].as_str() {
                        block[field] = json!(format!("{}{more}", text(&block[field])));
                    }
                }
                input.push_str(text(&event["delta"]["partial_json"]));
            }
            "content_block_stop" => {
                assert!(open && here, "{event}");
                open = false;
            }
            "message_delta" => {
                assert!(!open, "{event}");
                stop = event["delta"]["stop_reason"].clone();
                keep(&event["usage"]);
            }
            "message_stop" => ended = true,
            other => assert_eq!(other, "ping"),
        }
    }
    assert!(ended);
    let content: Vec<Value> = blocks.into_iter().map(with_input).collect();
    json!({"content": content, "stop_reason": stop, "usage": usage})
}

fn with_input((mut block, input): (Value, String)) -> Value {
    if !input.is_empty() {
        block["input"] = serde_json::from_str(&input).unwrap_or_else(|e| panic!("{e}: {input}"));
    }
    block
}

fn gemini(body: &Value) -> Said {
    let candidate = &body["candidates"][0];
    let parts = list(&candidate["content"]["parts"]);
    let joined = |thought: bool| -> String {
        let of = parts.iter().filter(|part| (part["thought"] == true) == thought);
        of.map(|part| text(&part["text"])).collect()
    };
    let calls: Vec<_> = parts
        .iter()
        .filter_map(|part| part.get("functionCall"))
        .map(|call| (text(&call["id"]).to_owned(), text(&call["name"]).to_owned(), call["args"].clone()))
        .collect();
    let usage = &body["usageMetadata"];
    let (prompt, thinking) = (number(&usage["promptTokenCount"]), usage["thoughtsTokenCount"].as_u64());
    let generated = number(&usage["candidatesTokenCount"]) + thinking.unwrap_or(0);
    assert_eq!(number(&usage["totalTokenCount"]), prompt + generated, "{usage}");
    Said {
        text: joined(false),
        thoughts: joined(true),
        stop: match text(&candidate["finishReason"]) {
            "STOP" if calls.is_empty() => Some(Stop::Done),
            "STOP" => Some(Stop::Tools),
            "MAX_TOKENS" => Some(Stop::Length),
            _ => None,
        },
        calls,
        tokens: (prompt, generated),
        thinking,
    }
}

/// Each event is an answer of its own, with the next parts; the last one counts for the rest.
fn gemini_joined(events: &[(String, Value)]) -> Value {
    let mut body = events.last().unwrap().1.clone();
    let parts = |(name, event): &(String, Value)| {
        assert_eq!(name, "");
        list(&event["candidates"][0]["content"]["parts"]).to_vec()
    };
    body["candidates"][0]["content"]["parts"] = events.iter().flat_map(parts).collect();
    body
}

fn converse(body: &Value) -> Said {
    let blocks = list(&body["output"]["message"]["content"]);
    let usage = &body["usage"];
    let thought = |block: &Value| text(&block["reasoningContent"]["reasoningText"]["text"]).to_owned();
    Said {
        text: blocks.iter().map(|block| text(&block["text"])).collect(),
        thoughts: blocks.iter().map(thought).collect(),
        calls: blocks
            .iter()
            .filter_map(|block| block.get("toolUse"))
            .map(|call| {
                (text(&call["toolUseId"]).to_owned(), text(&call["name"]).to_owned(), call["input"].clone())
            })
            .collect(),
        stop: stop_of_claude(&body["stopReason"]),
        tokens: (number(&usage["inputTokens"]), number(&usage["outputTokens"])),
        thinking: None,
    }
}

/// Only blocks of calls have a beginning.
fn converse_joined(events: &[(String, Value)]) -> Value {
    let mut blocks: BTreeMap<u64, (Value, String)> = BTreeMap::new();
    let mut body = json!({});
    for (name, event) in events {
        let at = number(&event["contentBlockIndex"]);
        match name.as_str() {
            "contentBlockStart" => _ = blocks.insert(at, (event["start"].clone(), String::new())),
            "contentBlockDelta" => {
                let delta = &event["delta"];
                let (block, input) = blocks.entry(at).or_insert((json!({}), String::new()));
                if let Some(more) = delta["text"].as_str() {
                    block["text"] = json!(format!("{}{more}", text(&block["text"])));
                }
                if let Some(more) = delta["reasoningContent"]["text"].as_str() {
                    let thought = &mut block["reasoningContent"]["reasoningText"]["text"];
                    *thought = json!(format!("{}{more}", text(thought)));
                }
                input.push_str(text(&delta["toolUse"]["input"]));
            }
            "messageStop" => body["stopReason"] = event["stopReason"].clone(),
            "metadata" => body["usage"] = event["usage"].clone(),
            _ => {}
        }
    }
    let content = blocks.into_values().map(|(mut block, input)| {
        if block.get("toolUse").is_some() {
            block["toolUse"]["input"] = serde_json::from_str(&input).unwrap();
        }
        block
    });
    body["output"]["message"]["content"] = content.collect();
    body
}
