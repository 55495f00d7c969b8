//! The Responses API: platform.openai.com/docs/api-reference/responses and …/responses-streaming

use super::Event;
use super::chat::{halves, set};
use super::draft::{Draft, Ending};
use crate::seal::{OPENAI, closed};
use serde_json::{Value, json};

/// `response`, complete.
pub(crate) fn whole(draft: &mut Draft) -> Value {
    let id = draft.response_id.clone();
    let items = items(draft);
    finished(draft, &id, &items)
}

/// From `response.created` to `response.completed`, numbered.
pub(crate) fn streamed(draft: &mut Draft) -> Vec<Event> {
    let id = draft.response_id.clone();
    let items = items(draft);
    let mut out = Numbered::default();
    let begun = response(draft, &id, "in_progress");
    out.push(json!({"type": "response.created", "response": begun}), false);
    out.push(json!({"type": "response.in_progress", "response": begun}), false);
    for (index, item) in items.iter().enumerate() {
        let added =
            json!({"type": "response.output_item.added", "output_index": index, "item": item.begun()});
        out.push(added, false);
        match &item.kind {
            Kind::Text(chunks) => text(&mut out, &item.id, index, chunks),
            Kind::Refusal(refusal) => refused(&mut out, &item.id, index, refusal),
            Kind::Call { arguments, .. } => call(&mut out, &item.id, index, arguments),
            Kind::Reasoning { shown, .. } => {
                if let Some(shown) = shown {
                    summary(&mut out, &item.id, index, shown);
                }
            }
        }
        let done = json!({"type": "response.output_item.done", "output_index": index, "item": item.done()});
        out.push(done, false);
    }
    let response = finished(draft, &id, &items);
    let kind = match response.get("status").and_then(Value::as_str) {
        Some("incomplete") => "response.incomplete",
        _ => "response.completed",
    };
    out.push(json!({"type": kind, "response": response}), false);
    out.events
}

/// The last event of a stream that failed.
pub(crate) fn failed(draft: &mut Draft, code: &str, message: &str) -> Value {
    let id = draft.response_id.clone();
    let mut response = response(draft, &id, "failed");
    set(&mut response, "error", json!({"code": code, "message": message}));
    json!({"type": "response.failed", "sequence_number": 99, "response": response})
}

/// One item of an answer.
struct Item {
    id: String,
    kind: Kind,
}

enum Kind {
    Text(Vec<String>),
    Refusal(String),
    Call { call_id: String, name: String, arguments: String },
    Reasoning { shown: Option<String>, closed: Option<String> },
}

/// Reasoning, then calls or a text.
fn items(draft: &mut Draft) -> Vec<Item> {
    let mut items = Vec::new();
    if draft.thinks {
        let id = draft.ids.hex("rs_", 48);
        let state = draft.sealed.then(|| closed(OPENAI, &id));
        items.push(Item { id, kind: Kind::Reasoning { shown: draft.reasoning.clone(), closed: state } });
    }
    for tool in &draft.tools {
        let (name, arguments) = (tool.name.clone(), tool.arguments.clone());
        let call_id = draft.ids.word("call_", 24);
        items.push(Item { id: draft.ids.hex("fc_", 48), kind: Kind::Call { call_id, name, arguments } });
    }
    if draft.tools.is_empty() {
        let kind = match &draft.refusal {
            Some(refusal) => Kind::Refusal(refusal.clone()),
            None => Kind::Text(draft.chunks.clone()),
        };
        items.push(Item { id: draft.ids.hex("msg_", 48), kind });
    }
    items
}

impl Item {
    fn begun(&self) -> Value {
        match &self.kind {
            Kind::Text(_) | Kind::Refusal(_) => self.message("in_progress", &[]),
            Kind::Call { .. } => self.call("in_progress", ""),
            Kind::Reasoning { .. } => json!({"id": self.id, "type": "reasoning", "summary": []}),
        }
    }

    fn done(&self) -> Value {
        match &self.kind {
            Kind::Text(chunks) => self.message("completed", &[part(&chunks.concat())]),
            Kind::Refusal(refusal) => self.message("completed", &[refusal_part(refusal)]),
            Kind::Call { arguments, .. } => self.call("completed", arguments),
            Kind::Reasoning { shown, closed } => {
                let summary: Vec<Value> = shown.iter().map(|text| summary_part(text)).collect();
                let mut item = json!({"id": self.id, "type": "reasoning", "summary": summary});
                if let Some(closed) = closed {
                    set(&mut item, "encrypted_content", json!(closed));
                }
                item
            }
        }
    }

    fn message(&self, status: &str, content: &[Value]) -> Value {
        json!({"id": self.id, "type": "message", "status": status, "content": content, "role": "assistant"})
    }

    fn call(&self, status: &str, arguments: &str) -> Value {
        let Kind::Call { call_id, name, .. } = &self.kind else { return Value::Null };
        json!({
            "id": self.id, "type": "function_call", "status": status,
            "arguments": arguments, "call_id": call_id, "name": name,
        })
    }
}

#[derive(Default)]
struct Numbered {
    events: Vec<Event>,
}

impl Numbered {
    fn push(&mut self, mut event: Value, content: bool) {
        set(&mut event, "sequence_number", json!(self.events.len()));
        self.events.push(Event::named(&event, content));
    }
}

/// An event about a part of an item, with one more member.
fn about(kind: &str, item: &str, index: usize, (name, value): (&str, Value)) -> Value {
    let mut event = json!({"type": kind, "item_id": item, "output_index": index, "content_index": 0});
    set(&mut event, name, value);
    event
}

fn text(out: &mut Numbered, item: &str, index: usize, chunks: &[String]) {
    let with = |kind: &str, member: (&str, Value)| about(kind, item, index, member);
    let text = chunks.concat();
    out.push(with("response.content_part.added", ("part", part(""))), false);
    for chunk in chunks {
        let mut event = with("response.output_text.delta", ("delta", json!(chunk)));
        set(&mut event, "logprobs", json!([]));
        out.push(event, true);
    }
    let mut event = with("response.output_text.done", ("text", json!(text)));
    set(&mut event, "logprobs", json!([]));
    out.push(event, false);
    out.push(with("response.content_part.done", ("part", part(&text))), false);
}

fn refused(out: &mut Numbered, item: &str, index: usize, refusal: &str) {
    let with = |kind: &str, member: (&str, Value)| about(kind, item, index, member);
    out.push(with("response.content_part.added", ("part", refusal_part(""))), false);
    for delta in halves(refusal) {
        out.push(with("response.refusal.delta", ("delta", json!(delta))), true);
    }
    out.push(with("response.refusal.done", ("refusal", json!(refusal))), false);
    out.push(with("response.content_part.done", ("part", refusal_part(refusal))), false);
}

fn summary(out: &mut Numbered, item: &str, index: usize, shown: &str) {
    let with = |kind: &str, name: &str, value: Value| {
        let mut event = json!({"type": kind, "item_id": item, "output_index": index, "summary_index": 0});
        set(&mut event, name, value);
        event
    };
    out.push(with("response.reasoning_summary_part.added", "part", summary_part("")), false);
    for delta in halves(shown) {
        out.push(with("response.reasoning_summary_text.delta", "delta", json!(delta)), true);
    }
    out.push(with("response.reasoning_summary_text.done", "text", json!(shown)), false);
    out.push(with("response.reasoning_summary_part.done", "part", summary_part(shown)), false);
}

fn call(out: &mut Numbered, item: &str, index: usize, arguments: &str) {
    for delta in halves(arguments) {
        let kind = "response.function_call_arguments.delta";
        out.push(json!({"type": kind, "item_id": item, "output_index": index, "delta": delta}), true);
    }
    let kind = "response.function_call_arguments.done";
    out.push(json!({"type": kind, "item_id": item, "output_index": index, "arguments": arguments}), false);
}

fn refusal_part(refusal: &str) -> Value {
    json!({"type": "refusal", "refusal": refusal})
}

fn summary_part(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

fn finished(draft: &Draft, id: &str, items: &[Item]) -> Value {
    let status = match draft.finish.as_deref() {
        _ if draft.finish_error => "failed",
        Some("length" | "max_output_tokens") => "incomplete",
        None if draft.ending == Ending::Length => "incomplete",
        _ => "completed",
    };
    let mut response = response(draft, id, status);
    set(&mut response, "output", json!(items.iter().map(Item::done).collect::<Vec<_>>()));
    if status == "failed" {
        set(&mut response, "error", json!({"code": "server_error", "message": "The model failed."}));
    }
    if status == "incomplete" {
        set(&mut response, "incomplete_details", json!({"reason": "max_output_tokens"}));
    }
    if !draft.omit_usage {
        let u = draft.usage;
        let usage = json!({
            "input_tokens": u.input,
            "input_tokens_details": {"cached_tokens": u.cached},
            "output_tokens": u.output,
            "output_tokens_details": {"reasoning_tokens": u.reasoning},
            "total_tokens": u.input + u.output,
        });
        set(&mut response, "usage", usage);
        if draft.is_openrouter()
            && let Some(usage) = response.get_mut("usage")
        {
            set(usage, "cost", draft.cost());
            set(usage, "is_byok", json!(false));
        }
    }
    response
}

fn response(draft: &Draft, id: &str, status: &str) -> Value {
    json!({
        "id": id,
        "object": "response",
        "created_at": draft.created,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "model": draft.model,
        "output": [],
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "store": true,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": null,
        "user": null,
        "metadata": {},
    })
}
