//! Anthropic's Messages API: docs.anthropic.com/en/api/messages and …/messages-streaming

use super::Event;
use super::chat::{halves, set};
use super::draft::Draft;
use crate::seal::{CLAUDE, seal};
use serde_json::{Value, json};

/// `message`
pub(crate) fn whole(draft: &mut Draft) -> Value {
    let mut content = Vec::new();
    if let Some(thinking) = &draft.reasoning {
        let signature = seal(CLAUDE, thinking);
        content.push(json!({"type": "thinking", "thinking": thinking, "signature": signature}));
    }
    for tool in &draft.tools {
        let id = draft.ids.word("toolu_01", 22);
        content.push(json!({"type": "tool_use", "id": id, "name": tool.name, "input": tool.input()}));
    }
    if draft.tools.is_empty() && draft.refusal.is_none() {
        content.push(json!({"type": "text", "text": draft.text()}));
    }
    let mut message = message(draft, content);
    set(&mut message, "stop_reason", json!(stop_reason(draft)));
    if let Some(refusal) = &draft.refusal {
        set(&mut message, "stop_details", stop_details(refusal));
    }
    if !draft.omit_usage {
        set(&mut message, "usage", full_usage(draft));
    }
    message
}

/// `message_start`, a block or two, `message_delta`, `message_stop`. A `ping` follows the first block's start.
pub(crate) fn streamed(draft: &mut Draft) -> Vec<Event> {
    let mut start = message(draft, Vec::new());
    if !draft.omit_usage {
        let mut usage = input_usage(draft);
        set(&mut usage, "output_tokens", json!(1));
        set(&mut start, "usage", usage);
    }
    let mut events = vec![Event::named(&json!({"type": "message_start", "message": start}), false)];
    let mut index = 0;
    if let Some(thinking) = draft.reasoning.clone() {
        let signature = seal(CLAUDE, &thinking);
        let begun = json!({"type": "thinking", "thinking": "", "signature": ""});
        let deltas = vec![
            json!({"type": "thinking_delta", "thinking": thinking}),
            json!({"type": "signature_delta", "signature": signature}),
        ];
        block(&mut events, index, &begun, deltas);
        index += 1;
    }
    for tool in &draft.tools {
        let id = draft.ids.word("toolu_01", 22);
        let begun = json!({"type": "tool_use", "id": id, "name": tool.name, "input": {}});
        let parts = std::iter::once("").chain(halves(&tool.arguments));
        let deltas = parts.map(|p| json!({"type": "input_json_delta", "partial_json": p})).collect();
        block(&mut events, index, &begun, deltas);
        index += 1;
    }
    if draft.tools.is_empty() && draft.refusal.is_none() {
        let begun = json!({"type": "text", "text": ""});
        let deltas = draft.chunks.iter().map(|t| json!({"type": "text_delta", "text": t})).collect();
        block(&mut events, index, &begun, deltas);
    }
    events.insert(events.len().min(2), Event::named(&json!({"type": "ping"}), false));
    let mut stop = json!({"stop_reason": stop_reason(draft), "stop_sequence": null});
    if let Some(refusal) = &draft.refusal {
        set(&mut stop, "stop_details", stop_details(refusal));
    }
    let mut delta = json!({"type": "message_delta", "delta": stop});
    if !draft.omit_usage {
        // The counts of a whole message, cumulative; older captures have the output alone.
        set(&mut delta, "usage", full_usage(draft));
    }
    events.push(Event::named(&delta, false));
    events.push(Event::named(&json!({"type": "message_stop"}), false));
    if draft.is_openrouter() {
        // OpenRouter's imitation of this API ends its streams like this.
        events.push(Event::verbatim("event: data\ndata: [DONE]\n\n"));
    }
    events
}

/// The answer of `count_tokens`.
pub(crate) fn count(draft: &Draft) -> Value {
    json!({"input_tokens": draft.usage.input})
}

fn block(events: &mut Vec<Event>, index: u64, begun: &Value, deltas: Vec<Value>) {
    let start = json!({"type": "content_block_start", "index": index, "content_block": begun});
    events.push(Event::named(&start, false));
    for delta in deltas {
        let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.push(Event::named(&event, true));
    }
    events.push(Event::named(&json!({"type": "content_block_stop", "index": index}), false));
}

fn message(draft: &mut Draft, content: Vec<Value>) -> Value {
    let id = if draft.is_openrouter() { draft.generation_id.clone() } else { draft.ids.word("msg_01", 22) };
    let mut message = json!({
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": draft.model,
        "content": content,
        "stop_reason": null,
        "stop_sequence": null,
    });
    if draft.is_openrouter() {
        set(&mut message, "provider", json!(draft.served_by()));
    }
    message
}

fn stop_reason(draft: &Draft) -> String {
    draft.finish_word(["end_turn", "tool_use", "max_tokens", "refusal"])
}

fn stop_details(refusal: &str) -> Value {
    json!({"type": "refusal", "category": null, "explanation": refusal})
}

fn full_usage(draft: &Draft) -> Value {
    let mut usage = input_usage(draft);
    set(&mut usage, "output_tokens", json!(draft.usage.output));
    if draft.is_openrouter() {
        set(&mut usage, "cost", draft.cost());
        set(&mut usage, "is_byok", json!(false));
    } else {
        set(&mut usage, "service_tier", json!("standard"));
    }
    usage
}

/// Unlike OpenAI's count, `input_tokens` here does not hold what came from the cache.
fn input_usage(draft: &Draft) -> Value {
    json!({
        "input_tokens": draft.usage.input.saturating_sub(draft.usage.cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": draft.usage.cached,
    })
}
