//! Pieces that the tests of streams are made of.

use crate::translate::answer::{Event, Stop};
use crate::translate::state::{State, StateKind};
use crate::{Surface, Usage};
use serde_json::{Value, json};

pub(super) fn text(delta: &'static str) -> Event<'static> {
    Event::Text { choice: 0, delta: delta.into() }
}

pub(super) fn thought(item: u32, delta: &'static str, summary: bool) -> Event<'static> {
    Event::Reasoning { choice: 0, item, delta: delta.into(), summary }
}

pub(super) fn start(call: u32, id: &'static str, name: &'static str) -> Event<'static> {
    Event::ToolStart { choice: 0, call, id: id.into(), name: name.into(), state: None }
}

pub(super) fn arguments(call: u32, delta: &'static str) -> Event<'static> {
    Event::ToolArguments { choice: 0, call, delta: delta.into() }
}

pub(super) fn end(call: u32) -> Event<'static> {
    Event::ToolEnd { choice: 0, call }
}

pub(super) fn stop(reason: Stop<'static>) -> Event<'static> {
    Event::Stop { choice: 0, reason }
}

pub(super) fn begin() -> Event<'static> {
    Event::Start { id: "".into(), model: "".into(), created: None }
}

pub(super) fn encrypted(data: &'static str) -> State<'static> {
    State { data: data.into(), surface: Surface::Responses, provider: None, kind: StateKind::Encrypted }
}

/// <https://platform.openai.com/docs/api-reference/responses/create>, "Streaming".
pub(super) fn hi_there() -> Vec<Value> {
    let id = "msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654";
    let response = |status: &str, output: Value, usage: Value| {
        json!({"id": "resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654", "object": "response", "created_at": 1741290958,
            "status": status, "model": "gpt-4.1-2025-04-14", "output": output, "usage": usage, "tools": [], "metadata": {}})
    };
    let whole = "Hi there! How can I assist you today?";
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let item = |status: &str, content: Value| json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content});
    let of = |kind: &str, member: &str, value: Value| json!({"type": kind, "item_id": id, "output_index": 0, "content_index": 0, member: value});
    let mut events = vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.in_progress", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", json!([]))}),
        of("response.content_part.added", "part", part("")),
    ];
    for delta in ["Hi", " there", "!", " How", " can", " I", " assist", " you", " today", "?"] {
        events.push(of("response.output_text.delta", "delta", delta.into()));
    }
    let usage = json!({"input_tokens": 37, "output_tokens": 11, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 48});
    let done = item("completed", json!([part(whole)]));
    events.extend([
        of("response.output_text.done", "text", whole.into()),
        of("response.content_part.done", "part", part(whole)),
        json!({"type": "response.output_item.done", "output_index": 0, "item": done}),
        json!({"type": "response.completed", "response": response("completed", json!([done]), usage)}),
    ]);
    events
}

pub(super) fn hi_there_events() -> Vec<Event<'static>> {
    let mut want = vec![Event::Start {
        id: "resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654".into(),
        model: "gpt-4.1-2025-04-14".into(),
        created: Some(1_741_290_958),
    }];
    want.extend(["Hi", " there", "!", " How", " can", " I", " assist", " you", " today", "?"].map(text));
    want.push(Event::Usage(Usage { input_tokens: 37, output_tokens: 11, ..Usage::default() }));
    want.extend([stop(Stop::End), Event::End]);
    want
}
