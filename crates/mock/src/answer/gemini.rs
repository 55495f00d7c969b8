//! Gemini's own API: ai.google.dev/api/generate-content

use super::chat::set;
use super::draft::{Draft, rfc3339};
use super::{Content, Event, Reply};
use crate::request::Facts;
use crate::script::Flavour;
use crate::seal::{GEMINI, seal};
use serde_json::{Value, json};

/// `GenerateContentResponse`
pub(crate) fn whole(draft: &mut Draft) -> Value {
    let mut parts = Vec::new();
    if let Some(reasoning) = &draft.reasoning {
        parts.push(json!({"text": reasoning, "thought": true}));
    }
    if draft.tools.is_empty() {
        if draft.refusal.is_none() {
            let mut part = json!({"text": draft.text()});
            sign(&mut part, draft, &draft.text());
            parts.push(part);
        }
    } else {
        parts.extend(calls(draft));
    }
    let id = draft.ids.word("", 22);
    response(draft, &id, parts, true)
}

/// The same object again and again, each with what is new; every line ends with CRLF.
pub(crate) fn streamed(draft: &mut Draft) -> Vec<Event> {
    let id = draft.ids.word("", 22);
    let mut events = Vec::new();
    let mut push = |draft: &Draft, parts: Vec<Value>, last: bool| {
        let content = !parts.is_empty();
        let json = response(draft, &id, parts, last);
        events.push(Event::crlf(&json, content));
    };
    if let Some(reasoning) = &draft.reasoning {
        push(draft, vec![json!({"text": reasoning, "thought": true})], false);
    }
    if !draft.tools.is_empty() {
        let calls = calls(draft);
        push(draft, calls, true);
    } else if draft.refusal.is_some() {
        push(draft, Vec::new(), true);
    } else {
        for text in &draft.chunks {
            push(draft, vec![json!({"text": text})], false);
        }
        // The signature and the reason come in a part without text.
        let mut part = json!({"text": ""});
        sign(&mut part, draft, &draft.text());
        push(draft, vec![part], true);
    }
    if let Some(last) = events.last_mut() {
        last.content = last.content && !draft.tools.is_empty();
    }
    events
}

/// A stream without `alt=sse`: one JSON list.
pub(crate) fn listed(draft: &mut Draft) -> Reply {
    let events = streamed(draft);
    let texts: Vec<String> = events
        .iter()
        .map(|e| String::from_utf8_lossy(&e.text).trim().trim_start_matches("data: ").to_owned())
        .collect();
    let mut reply = Reply::json(200, &Value::Null);
    reply.content = Content::Whole(format!("[{}]\n", texts.join(",\r\n")).into());
    reply
}

/// The answer of `countTokens`.
pub(crate) fn count(draft: &Draft) -> Value {
    let tokens = draft.usage.input;
    let details = json!([{"modality": "TEXT", "tokenCount": tokens}]);
    json!({"totalTokens": tokens, "promptTokensDetails": details})
}

/// Whether this model signs its calls: those that reason always do, others when they did reason.
pub(crate) fn signs(thinks: bool, model: &str) -> bool {
    thinks || model.trim_start_matches("models/").starts_with("gemini-3")
}

/// The statuses of google.rpc.Code that go with HTTP's.
pub(crate) fn status_word(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500..=599 => "INTERNAL",
        _ => "FAILED_PRECONDITION",
    }
}

/// google.rpc.Status
pub(crate) fn error(facts: &Facts, status: u16, message: &str, reason: Option<&str>) -> Value {
    let mut details = Vec::new();
    if status == 429 {
        let quota = "generativelanguage.googleapis.com/generate_content_free_tier_requests";
        let violation = json!({"quotaMetric": quota, "quotaValue": "10"});
        let kind = "type.googleapis.com/google.rpc.QuotaFailure";
        details.push(json!({"@type": kind, "violations": [violation]}));
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}));
    }
    if let Some(reason) = reason {
        let kind = "type.googleapis.com/google.rpc.ErrorInfo";
        details.push(json!({"@type": kind, "reason": reason, "domain": "googleapis.com"}));
    }
    let mut error = json!({"code": status, "message": message, "status": status_word(status)});
    if !details.is_empty() {
        set(&mut error, "details", json!(details));
    }
    let error = json!({"error": error});
    // The imitation of OpenAI's API has its errors in a list.
    let listed = facts.flavour == Flavour::Google && !facts.speaks_gemini();
    if listed { json!([error]) } else { error }
}

/// An entry of the list of models.
pub(crate) fn model(id: &str) -> Value {
    json!({
        "name": format!("models/{id}"),
        "version": "001",
        "displayName": id,
        "description": "",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "createCachedContent"],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": true,
    })
}

fn calls(draft: &Draft) -> Vec<Value> {
    let mut parts = Vec::new();
    for tool in &draft.tools {
        let mut part = json!({"functionCall": {"name": tool.name, "args": tool.input()}});
        if parts.is_empty() && signs(draft.thinks, &draft.model) {
            set(&mut part, "thoughtSignature", json!(seal(GEMINI, &tool.name)));
        }
        parts.push(part);
    }
    parts
}

fn sign(part: &mut Value, draft: &Draft, text: &str) {
    if draft.thinks {
        set(part, "thoughtSignature", json!(seal(GEMINI, text)));
    }
}

fn response(draft: &Draft, id: &str, parts: Vec<Value>, last: bool) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}});
    if parts_are_empty(&candidate) {
        candidate = json!({"content": {"role": "model"}});
    }
    if last {
        let word = if draft.finish_error {
            "OTHER".to_owned()
        } else {
            draft.finish_word(["STOP", "STOP", "MAX_TOKENS", "SAFETY"])
        };
        set(&mut candidate, "finishReason", json!(word));
        if let Some(refusal) = &draft.refusal {
            set(&mut candidate, "finishMessage", json!(refusal));
        }
    }
    set(&mut candidate, "index", json!(0));
    let mut response = json!({"candidates": [candidate]});
    if !draft.omit_usage {
        set(&mut response, "usageMetadata", usage(draft, last));
    }
    set(&mut response, "modelVersion", json!(draft.model));
    if draft.flavour == Flavour::Vertex {
        set(&mut response, "createTime", json!(rfc3339(draft.created)));
    }
    set(&mut response, "responseId", json!(id));
    response
}

fn parts_are_empty(candidate: &Value) -> bool {
    candidate.pointer("/content/parts").and_then(Value::as_array).is_some_and(Vec::is_empty)
}

/// Thoughts are counted beside the answer's tokens, not among them.
fn usage(draft: &Draft, last: bool) -> Value {
    let u = draft.usage;
    let mut usage = json!({"promptTokenCount": u.input});
    let answer = u.output.saturating_sub(u.reasoning);
    if last {
        set(&mut usage, "candidatesTokenCount", json!(answer));
    }
    let total = if last { u.input + u.output } else { u.input };
    set(&mut usage, "totalTokenCount", json!(total));
    if u.cached > 0 {
        set(&mut usage, "cachedContentTokenCount", json!(u.cached));
    }
    set(&mut usage, "promptTokensDetails", json!([{"modality": "TEXT", "tokenCount": u.input}]));
    if u.reasoning > 0 && last {
        set(&mut usage, "thoughtsTokenCount", json!(u.reasoning));
    }
    usage
}
