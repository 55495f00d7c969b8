//! Chat completions: platform.openai.com/docs/api-reference/chat, and OpenRouter's variant of them.

use super::Event;
use super::draft::Draft;
use super::errors;
use crate::script::Flavour;
use crate::seal::{CLAUDE, GEMINI, seal};
use serde_json::{Map, Value, json};

/// `chat.completion`
pub(crate) fn whole(draft: &mut Draft) -> Value {
    let id = draft.chat_id();
    let mut message = json!({"role": "assistant", "content": draft.text(), "refusal": null});
    if draft.is_openrouter() {
        set(&mut message, "reasoning", json!(draft.reasoning));
    } else {
        set(&mut message, "annotations", json!([]));
    }
    if draft.is_openrouter()
        && let Some(reasoning) = &draft.reasoning
    {
        set(&mut message, "reasoning_details", details(reasoning));
    }
    if !draft.tools.is_empty() {
        let calls: Vec<Value> = calls(draft);
        set(&mut message, "content", Value::Null);
        set(&mut message, "tool_calls", json!(calls));
    }
    if let Some(refusal) = &draft.refusal {
        set(&mut message, "content", Value::Null);
        set(&mut message, "refusal", json!(refusal));
    }
    let mut choice = json!({"index": 0, "message": message, "logprobs": null});
    finish(&mut choice, draft);
    if draft.finish_error && draft.is_openrouter() {
        set(&mut choice, "error", errors::openrouter_failure());
    }
    let mut answer = head(draft, &id, "chat.completion");
    set(&mut answer, "choices", json!([choice]));
    if !draft.omit_usage {
        set(&mut answer, "usage", usage(draft));
    }
    if !draft.is_openrouter() {
        set(&mut answer, "service_tier", json!("default"));
        set(&mut answer, "system_fingerprint", Value::Null);
    }
    answer
}

/// `chat.completion.chunk` events: the role, the content, the finish reason, usage if it was asked for, `[DONE]`.
pub(crate) fn streamed(draft: &mut Draft) -> Vec<Event> {
    let id = draft.chat_id();
    let mut events = Vec::new();
    let mut push = |draft: &Draft, delta: Value, content: bool| {
        events.push(Event::data(&chunk(draft, &id, delta, None), content));
    };
    if let Some(reasoning) = draft.reasoning.as_ref().filter(|_| draft.is_openrouter()) {
        let details = details(reasoning);
        let delta =
            json!({"role": "assistant", "content": "", "reasoning": reasoning, "reasoning_details": details});
        push(draft, delta, true);
    }
    if !draft.tools.is_empty() {
        for (index, call) in calls(draft).into_iter().enumerate() {
            for delta in call_deltas(index, call) {
                push(draft, delta, true);
            }
        }
    } else if let Some(refusal) = &draft.refusal {
        push(draft, json!({"role": "assistant", "content": "", "refusal": null}), false);
        for part in halves(refusal) {
            push(draft, json!({"refusal": part}), true);
        }
    } else {
        if !draft.is_openrouter() {
            push(draft, json!({"role": "assistant", "content": "", "refusal": null}), false);
        }
        for text in &draft.chunks {
            let delta = if draft.is_openrouter() {
                json!({"role": "assistant", "content": text})
            } else {
                json!({"content": text})
            };
            push(draft, delta, true);
        }
    }
    events.extend(ends(draft, &id));
    events
}

/// An error as OpenRouter sends it when the head is gone.
pub(crate) fn openrouter_error(draft: &mut Draft, error: &Value) -> Value {
    let id = draft.chat_id();
    let mut event = head(draft, &id, "chat.completion.chunk");
    set(&mut event, "error", error.clone());
    let delta = json!({"role": "assistant", "content": ""});
    let choice =
        json!({"index": 0, "delta": delta, "finish_reason": "error", "native_finish_reason": "error"});
    set(&mut event, "choices", json!([choice]));
    event
}

/// Token counts, and the price where OpenRouter says it.
pub(crate) fn usage(draft: &Draft) -> Value {
    let u = draft.usage;
    let total = u.input + u.output;
    let mut usage = json!({
        "prompt_tokens": u.input,
        "completion_tokens": u.output,
        "total_tokens": total,
    });
    if draft.is_openrouter() {
        set(&mut usage, "cost", draft.cost());
        set(&mut usage, "is_byok", json!(false));
        set(&mut usage, "prompt_tokens_details", json!({"cached_tokens": u.cached, "audio_tokens": 0}));
        let cost = draft.cost();
        let details = json!({
            "upstream_inference_cost": null,
            "upstream_inference_prompt_cost": 0,
            "upstream_inference_completions_cost": cost,
        });
        set(&mut usage, "cost_details", details);
        set(
            &mut usage,
            "completion_tokens_details",
            json!({"reasoning_tokens": u.reasoning, "image_tokens": 0}),
        );
    } else {
        set(&mut usage, "prompt_tokens_details", json!({"cached_tokens": u.cached, "audio_tokens": 0}));
        let details = json!({
            "reasoning_tokens": u.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        });
        set(&mut usage, "completion_tokens_details", details);
    }
    usage
}

/// A text in two parts, cut at a character.
pub(crate) fn halves(text: &str) -> Vec<&str> {
    let middle = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (a, b) = text.split_at(middle);
    [a, b].into_iter().filter(|part| !part.is_empty()).collect()
}

/// Adds a member to an object.
pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(name.to_owned(), value);
    }
}

/// The calls of an answer, whole.
fn calls(draft: &mut Draft) -> Vec<Value> {
    let signs = draft.flavour == Flavour::Google;
    let mut calls = Vec::new();
    for tool in &draft.tools {
        let function = json!({"name": tool.name, "arguments": tool.arguments});
        let mut call = json!({"id": draft.ids.word("call_", 24), "type": "function", "function": function});
        if signs && calls.is_empty() && super::gemini::signs(draft.thinks, &draft.model) {
            let google = json!({"google": {"thought_signature": seal(GEMINI, &tool.name)}});
            set(&mut call, "extra_content", google);
        }
        calls.push(call);
    }
    calls
}

/// A call as it is streamed: the name, then the arguments in two parts.
fn call_deltas(index: usize, mut call: Value) -> Vec<Value> {
    let arguments = call.pointer("/function/arguments").and_then(Value::as_str).unwrap_or("").to_owned();
    if let Some(function) = call.get_mut("function") {
        set(function, "arguments", json!(""));
    }
    set(&mut call, "index", json!(index));
    let mut deltas = vec![match index {
        0 => json!({"role": "assistant", "content": null, "tool_calls": [call], "refusal": null}),
        _ => json!({"tool_calls": [call]}),
    }];
    for part in halves(&arguments) {
        let call = json!({"index": index, "function": {"arguments": part}});
        deltas.push(json!({"tool_calls": [call]}));
    }
    deltas
}

/// Reasoning in the form in which OpenRouter wants it back.
fn details(reasoning: &str) -> Value {
    let signature = seal(CLAUDE, reasoning);
    let format = "anthropic-claude-v1";
    json!([{"type": "reasoning.text", "text": reasoning, "signature": signature, "index": 0, "format": format}])
}

fn ends(draft: &Draft, id: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut choice = json!({"index": 0, "delta": {}, "logprobs": null});
    if draft.is_openrouter() {
        set(&mut choice, "delta", json!({"role": "assistant", "content": ""}));
    }
    finish(&mut choice, draft);
    let mut last = chunk(draft, id, Value::Null, Some(choice.clone()));
    if draft.finish_error && draft.is_openrouter() {
        set(&mut last, "error", errors::openrouter_failure());
    }
    events.push(Event::data(&last, false));
    if !draft.omit_usage && (draft.include_usage || draft.is_openrouter()) {
        // OpenRouter repeats the finished choice here; OpenAI has none.
        let choices = if draft.is_openrouter() { json!([choice]) } else { json!([]) };
        let mut event = chunk(draft, id, Value::Null, Some(Value::Null));
        set(&mut event, "choices", choices);
        set(&mut event, "usage", usage(draft));
        events.push(Event::data(&event, false));
    }
    events.push(Event::done());
    events
}

fn chunk(draft: &Draft, id: &str, delta: Value, choice: Option<Value>) -> Value {
    let choice = choice.unwrap_or_else(|| {
        let mut choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": null});
        if draft.is_openrouter() {
            set(&mut choice, "native_finish_reason", Value::Null);
        }
        choice
    });
    let mut event = head(draft, id, "chat.completion.chunk");
    if !draft.is_openrouter() {
        set(&mut event, "service_tier", json!("default"));
        set(&mut event, "system_fingerprint", Value::Null);
    }
    set(&mut event, "choices", json!([choice]));
    if draft.include_usage && !draft.omit_usage && !draft.is_openrouter() {
        set(&mut event, "usage", Value::Null);
    }
    event
}

fn head(draft: &Draft, id: &str, object: &str) -> Value {
    let mut head = Map::new();
    head.insert("id".into(), json!(id));
    if draft.is_openrouter() {
        head.insert("provider".into(), json!(draft.served_by()));
        head.insert("model".into(), json!(draft.model));
        head.insert("object".into(), json!(object));
        head.insert("created".into(), json!(draft.created));
    } else {
        head.insert("object".into(), json!(object));
        head.insert("created".into(), json!(draft.created));
        head.insert("model".into(), json!(draft.model));
    }
    Value::Object(head)
}

fn finish(choice: &mut Value, draft: &Draft) {
    let words = draft.finish_word(["stop", "tool_calls", "length", "stop"]);
    let reason = if draft.finish_error { "error" } else { &words };
    set(choice, "finish_reason", json!(reason));
    if draft.is_openrouter() {
        set(choice, "native_finish_reason", json!(reason));
    }
}
