//! Why answers end, in Google's words (`FinishReason`, `BlockedReason`).

use super::super::answer::Stop;
use super::super::request::Text;
use std::borrow::Cow;

/// Reasons for which Google withholds an answer.
const FILTERS: [&str; 11] = [
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "JAILBREAK",
];

/// Reasons that are no filter's and no other dialect's.
const OTHERS: [&str; 8] = [
    "OTHER",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "NO_IMAGE",
    "IMAGE_OTHER",
];

/// Reads `finishReason`. Gemini says `STOP` also where tools are to be called.
pub(super) fn read(reason: Text<'_>, calls: bool) -> Option<Stop<'_>> {
    match &*reason {
        "" | "FINISH_REASON_UNSPECIFIED" => None,
        "STOP" if calls => Some(Stop::ToolCalls),
        "STOP" => Some(Stop::End),
        "MAX_TOKENS" => Some(Stop::Length),
        word if FILTERS.contains(&word) => Some(Stop::Filtered(Some(reason))),
        _ => Some(Stop::Other(reason)),
    }
}

/// Reads `promptFeedback.blockReason`: whatever it is, the prompt was refused.
pub(super) fn blocked(reason: Text<'_>) -> Option<Stop<'_>> {
    (!reason.is_empty()).then_some(Stop::Filtered(Some(reason)))
}

/// The word for a client. SDKs know Google's words only.
pub(super) fn word(stop: &Stop<'_>) -> &'static str {
    let known = |word: &str| FILTERS.iter().chain(&OTHERS).copied().find(|known| *known == word);
    match stop {
        Stop::End | Stop::ToolCalls | Stop::Sequence(_) => "STOP",
        Stop::Length => "MAX_TOKENS",
        Stop::Filtered(word) => word.as_deref().and_then(known).unwrap_or("SAFETY"),
        Stop::Refusal => "SAFETY",
        Stop::Pause => "OTHER",
        Stop::Other(word) => known(word).unwrap_or("OTHER"),
    }
}

/// A reason that outlives what it was read from.
pub(super) fn owned(stop: Stop<'_>) -> Stop<'static> {
    let text = |text: Text<'_>| -> Text<'static> { Cow::Owned(text.into_owned()) };
    match stop {
        Stop::End => Stop::End,
        Stop::Length => Stop::Length,
        Stop::Sequence(found) => Stop::Sequence(found.map(text)),
        Stop::ToolCalls => Stop::ToolCalls,
        Stop::Filtered(word) => Stop::Filtered(word.map(text)),
        Stop::Refusal => Stop::Refusal,
        Stop::Pause => Stop::Pause,
        Stop::Other(word) => Stop::Other(text(word)),
    }
}
