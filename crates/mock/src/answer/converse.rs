//! Amazon Bedrock's Converse: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and
//! …/API_runtime_ConverseStream.html

use super::Event;
use super::chat::{halves, set};
use super::draft::Draft;
use crate::frames;
use crate::seal::{CLAUDE, seal};
use serde_json::{Value, json};

/// The answer of `converse`.
pub(crate) fn whole(draft: &mut Draft) -> Value {
    let mut content = Vec::new();
    if let Some(text) = &draft.reasoning {
        let text = json!({"text": text, "signature": seal(CLAUDE, text)});
        content.push(json!({"reasoningContent": {"reasoningText": text}}));
    }
    for tool in &draft.tools {
        let id = draft.ids.word("tooluse_", 22);
        content.push(json!({"toolUse": {"toolUseId": id, "name": tool.name, "input": tool.input()}}));
    }
    if draft.tools.is_empty() {
        let text = draft.refusal.clone().unwrap_or_else(|| draft.text());
        content.push(json!({"text": text}));
    }
    let message = json!({"role": "assistant", "content": content});
    let mut answer = json!({"output": {"message": message}, "stopReason": stop_reason(draft)});
    if !draft.omit_usage {
        set(&mut answer, "usage", usage(draft));
    }
    set(&mut answer, "metrics", json!({"latencyMs": 12}));
    answer
}

/// The messages of `converse-stream`, in their binary frames.
pub(crate) fn streamed(draft: &mut Draft) -> Vec<Event> {
    let mut events = vec![event("messageStart", json!({"role": "assistant"}), false)];
    let mut index = 0;
    if let Some(text) = draft.reasoning.clone() {
        let signature = seal(CLAUDE, &text);
        for part in [json!({"text": text}), json!({"signature": signature})] {
            delta(&mut events, index, json!({"reasoningContent": part}));
        }
        stop(&mut events, index);
        index += 1;
    }
    for tool in &draft.tools {
        let id = draft.ids.word("tooluse_", 22);
        let start = json!({"toolUse": {"toolUseId": id, "name": tool.name}});
        let start = json!({"start": start, "contentBlockIndex": index});
        events.push(event("contentBlockStart", start, false));
        for part in halves(&tool.arguments) {
            delta(&mut events, index, json!({"toolUse": {"input": part}}));
        }
        stop(&mut events, index);
        index += 1;
    }
    if draft.tools.is_empty() {
        let refusal = draft.refusal.iter();
        for text in refusal.chain(&draft.chunks) {
            delta(&mut events, index, json!({"text": text}));
        }
        stop(&mut events, index);
    }
    events.push(event("messageStop", json!({"stopReason": stop_reason(draft)}), false));
    if !draft.omit_usage {
        let metadata = json!({"usage": usage(draft), "metrics": {"latencyMs": 12}});
        events.push(event("metadata", metadata, false));
    }
    events
}

/// An exception in the middle of a stream.
pub(crate) fn exception(status: u16, message: &str) -> Event {
    let name = match status {
        429 => "throttlingException",
        400 => "validationException",
        503 => "serviceUnavailableException",
        424 => "modelStreamErrorException",
        _ => "internalServerException",
    };
    let headers =
        [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")];
    let payload = json!({"message": message}).to_string();
    Event { text: frames::frame(&headers, payload.as_bytes()), content: false }
}

/// The name of an error, as the header `x-amzn-errortype` has it.
pub(crate) fn error_type(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        500..=599 => "InternalServerException",
        _ => "ValidationException",
    }
}

fn event(name: &str, mut payload: Value, content: bool) -> Event {
    // Padding, so that the length says nothing of the text.
    set(&mut payload, "p", json!("abcdefghij"));
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    Event { text: frames::frame(&headers, payload.to_string().as_bytes()), content }
}

fn delta(events: &mut Vec<Event>, index: usize, delta: Value) {
    let payload = json!({"contentBlockIndex": index, "delta": delta});
    events.push(event("contentBlockDelta", payload, true));
}

fn stop(events: &mut Vec<Event>, index: usize) {
    events.push(event("contentBlockStop", json!({"contentBlockIndex": index}), false));
}

fn stop_reason(draft: &Draft) -> String {
    draft.finish_word(["end_turn", "tool_use", "max_tokens", "content_filtered"])
}

/// `inputTokens` does not hold what came from the cache.
fn usage(draft: &Draft) -> Value {
    let u = draft.usage;
    json!({
        "inputTokens": u.input.saturating_sub(u.cached),
        "outputTokens": u.output,
        "totalTokens": u.input + u.output,
        "cacheReadInputTokens": u.cached,
        "cacheWriteInputTokens": 0,
    })
}
