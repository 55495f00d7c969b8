//! Why an answer ended and what it used, in this dialect's words.

use super::super::answer::Stop;
use super::super::request::Text;
use super::super::writer::Writer;
use crate::Usage;

/// Reads `stop_reason` and `stop_sequence`.
pub(super) fn read_stop<'a>(reason: Text<'a>, sequence: Option<Text<'a>>) -> Stop<'a> {
    match &*reason {
        "end_turn" => Stop::End,
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "stop_sequence" => Stop::Sequence(sequence),
        "tool_use" => Stop::ToolCalls,
        "refusal" => Stop::Refusal,
        "pause_turn" => Stop::Pause,
        _ => Stop::Other(reason),
    }
}

/// What is known of an answer's content when its end is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Content {
    /// It calls tools.
    pub(super) calls: bool,
    /// It has a refusal in it.
    pub(super) refusal: bool,
}

/// The `stop_reason` for an end. Clients run tools if, and only if, it is `tool_use`, so the content decides that.
pub(super) fn stop_word(stop: Option<&Stop<'_>>, content: Content) -> &'static str {
    match stop {
        Some(Stop::Length) => "max_tokens",
        Some(Stop::Sequence(_)) => "stop_sequence",
        Some(Stop::Filtered(_) | Stop::Refusal) => "refusal",
        Some(Stop::Pause) => "pause_turn",
        Some(Stop::End | Stop::ToolCalls | Stop::Other(_)) | None if content.calls => "tool_use",
        Some(Stop::End | Stop::ToolCalls | Stop::Other(_)) | None if content.refusal => "refusal",
        Some(Stop::End | Stop::ToolCalls | Stop::Other(_)) | None => "end_turn",
    }
}

/// The `stop_sequence` for an end.
pub(super) fn stop_sequence<'s>(stop: Option<&'s Stop<'_>>) -> Option<&'s str> {
    match stop {
        Some(Stop::Sequence(Some(sequence))) => Some(sequence),
        _ => None,
    }
}

/// An id for a call that has none. It is the only one in the conversation, since it has the answer's id in it: clients
/// look results up by it.
pub(super) fn made_id(answer: &str, position: usize) -> String {
    // OpenAI's APIs, to which the call may go with the next request, take 40 characters.
    const MOST: usize = 24;
    let plain: Vec<char> = answer.chars().filter(char::is_ascii_alphanumeric).collect();
    let tail: String = plain.get(plain.len().saturating_sub(MOST)..).unwrap_or_default().iter().collect();
    format!("toolu_{tail}_{position}")
}

/// Writes a `usage` object as the next value. Here tokens of the cache stand beside those of the input.
pub(super) fn write_usage(w: &mut Writer, usage: &Usage) {
    let cached = usage.cached_tokens.saturating_add(usage.cache_write_tokens);
    w.object(|w| {
        w.member("input_tokens", &usage.input_tokens.saturating_sub(cached));
        w.member("cache_creation_input_tokens", &usage.cache_write_tokens);
        w.member("cache_read_input_tokens", &usage.cached_tokens);
        w.member("output_tokens", &usage.output_tokens);
        if usage.cache_write_1h_tokens > 0 {
            w.member_object("cache_creation", |w| {
                let short = usage.cache_write_tokens.saturating_sub(usage.cache_write_1h_tokens);
                w.member("ephemeral_5m_input_tokens", &short);
                w.member("ephemeral_1h_input_tokens", &usage.cache_write_1h_tokens);
            });
        }
        if usage.web_searches > 0 {
            w.member_object("server_tool_use", |w| w.member("web_search_requests", &usage.web_searches));
        }
        if usage.reasoning_tokens > 0 {
            w.member_object("output_tokens_details", |w| {
                w.member("thinking_tokens", &usage.reasoning_tokens)
            });
        }
        // As OpenRouter's own Messages endpoint says it.
        w.optional("cost", usage.cost);
        if let Some(cost) = usage.upstream_cost {
            w.member_object("cost_details", |w| w.member("upstream_inference_cost", &cost));
        }
    });
}
