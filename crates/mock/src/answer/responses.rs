//! The Responses API: platform.openai.com/docs/api-reference/responses and …/responses-streaming

use super::Event;
use super::chat::{halves, set};
use super::draft::Draft;
use serde_json::{Value, json};

/// `response`, complete.
pub(crate) fn whole(draft: &mut Draft) -> Value {
    let id = draft.ids.hex("resp_", 48);
    let item = Item::new(draft);
    finished(draft, &id, &item)
}

/// From `response.created` to `response.completed`, numbered.
pub(crate) fn streamed(draft: &mut Draft) -> Vec<Event> {
    let id = draft.ids.hex("resp_", 48);
    let item = Item::new(draft);
    let mut out = Numbered::default();
    let begun = response(draft, &id, "in_progress");
    out.push(json!({"type": "response.created", "response": begun}), false);
    out.push(json!({"type": "response.in_progress", "response": begun}), false);
    let added = json!({"type": "response.output_item.added", "output_index": 0, "item": item.begun()});
    out.push(added, false);
    match &item.kind {
        Kind::Text(chunks) => text(&mut out, &item.id, chunks),
        Kind::Call { arguments, .. } => call(&mut out, &item.id, arguments),
    }
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item.done()});
    out.push(done, false);
    out.push(json!({"type": "response.completed", "response": finished(draft, &id, &item)}), false);
    out.events
}

/// The last event of a stream that failed.
pub(crate) fn failed(draft: &mut Draft, code: &str, message: &str) -> Value {
    let id = draft.ids.hex("resp_", 48);
    let mut response = response(draft, &id, "failed");
    set(&mut response, "error", json!({"code": code, "message": message}));
    json!({"type": "response.failed", "sequence_number": 99, "response": response})
}

/// The only item of an answer.
struct Item {
    id: String,
    kind: Kind,
}

enum Kind {
    Text(Vec<String>),
    Call { call_id: String, name: String, arguments: String },
}

impl Item {
    fn new(draft: &mut Draft) -> Self {
        match &draft.tool {
            Some(tool) => {
                let (name, arguments) = (tool.name.clone(), tool.arguments.clone());
                let call_id = draft.ids.word("call_", 24);
                Self { id: draft.ids.hex("fc_", 48), kind: Kind::Call { call_id, name, arguments } }
            }
            None => Self { id: draft.ids.hex("msg_", 48), kind: Kind::Text(draft.chunks.clone()) },
        }
    }

    fn begun(&self) -> Value {
        self.with("in_progress", &[], "")
    }

    fn done(&self) -> Value {
        match &self.kind {
            Kind::Text(chunks) => self.with("completed", &[part(&chunks.concat())], ""),
            Kind::Call { arguments, .. } => self.with("completed", &[], arguments),
        }
    }

    fn with(&self, status: &str, content: &[Value], arguments: &str) -> Value {
        match &self.kind {
            Kind::Text(_) => json!({
                "id": self.id, "type": "message", "status": status, "content": content, "role": "assistant",
            }),
            Kind::Call { call_id, name, .. } => json!({
                "id": self.id, "type": "function_call", "status": status,
                "arguments": arguments, "call_id": call_id, "name": name,
            }),
        }
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

fn text(out: &mut Numbered, item: &str, chunks: &[String]) {
    let at = |kind: &str| json!({"type": kind, "item_id": item, "output_index": 0, "content_index": 0});
    let with = |kind: &str, name: &str, value: Value| {
        let mut event = at(kind);
        set(&mut event, name, value);
        event
    };
    let text = chunks.concat();
    out.push(with("response.content_part.added", "part", part("")), false);
    for chunk in chunks {
        let mut event = with("response.output_text.delta", "delta", json!(chunk));
        set(&mut event, "logprobs", json!([]));
        out.push(event, true);
    }
    let mut event = with("response.output_text.done", "text", json!(text));
    set(&mut event, "logprobs", json!([]));
    out.push(event, false);
    out.push(with("response.content_part.done", "part", part(&text)), false);
}

fn call(out: &mut Numbered, item: &str, arguments: &str) {
    for delta in halves(arguments) {
        let kind = "response.function_call_arguments.delta";
        out.push(json!({"type": kind, "item_id": item, "output_index": 0, "delta": delta}), true);
    }
    let kind = "response.function_call_arguments.done";
    out.push(json!({"type": kind, "item_id": item, "output_index": 0, "arguments": arguments}), false);
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

fn finished(draft: &Draft, id: &str, item: &Item) -> Value {
    let status = match draft.finish.as_deref() {
        _ if draft.finish_error => "failed",
        Some("length" | "max_output_tokens") => "incomplete",
        _ => "completed",
    };
    let mut response = response(draft, id, status);
    set(&mut response, "output", json!([item.done()]));
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
