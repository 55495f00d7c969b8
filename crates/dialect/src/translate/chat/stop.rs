//! Why an answer ended.

use super::super::answer::Stop;
use super::super::fields::owned;

/// Reads `finish_reason`, with the word of the provider behind (`native_finish_reason`, OpenRouter) where there is one.
pub(super) fn read(reason: &str, native: Option<&str>) -> Stop<'static> {
    let native = native.filter(|native| !native.is_empty());
    match (reason, native) {
        (_, Some("pause_turn")) => Stop::Pause,
        (_, Some("refusal")) => Stop::Refusal,
        ("stop", Some("stop_sequence")) => Stop::Sequence(None),
        ("stop" | "eos" | "end_turn", _) => Stop::End,
        // `model_length` is Mistral's word for a full context.
        ("length" | "max_tokens" | "model_length", _) => Stop::Length,
        ("tool_calls" | "function_call", _) => Stop::ToolCalls,
        ("content_filter", native) => Stop::Filtered(native.map(owned)),
        (other, native) => Stop::Other(owned(native.unwrap_or(other))),
    }
}

/// `finish_reason`, and `native_finish_reason` where that says more. `calls`: the answer has tool calls; `refusal`: it
/// has the text of a refusal.
pub(super) fn words<'s>(
    stop: Option<&'s Stop<'_>>,
    calls: bool,
    refusal: bool,
) -> (&'static str, Option<&'s str>) {
    match stop {
        Some(Stop::ToolCalls) => ("tool_calls", None),
        Some(Stop::End) | None if calls => ("tool_calls", None),
        Some(Stop::End | Stop::Sequence(_)) | None => ("stop", None),
        Some(Stop::Length) => ("length", None),
        Some(Stop::Filtered(word)) => ("content_filter", word.as_deref()),
        Some(Stop::Refusal) if refusal => ("stop", None),
        Some(Stop::Refusal) => ("content_filter", Some("refusal")),
        Some(Stop::Pause) => ("stop", Some("pause_turn")),
        Some(Stop::Other(word)) => ("stop", Some(word)),
    }
}
