//! Whether a whole answer with a good status is a good answer.

use crate::loose::{Filled, List, Number, Obj, Text};
use crate::stream::Choice;
use crate::upstream_error::is_error;
use crate::usage::{RawUsage, ToolUsage};
use crate::{Surface, UpstreamError, Usage, inspect_error};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What the body of an answer with status 2xx turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// An answer to pass on.
    Good {
        /// What it used, if it says so.
        usage: Option<Usage>,
        /// Who it says it comes from.
        served_by: ServedBy,
    },
    /// An error in spite of the status.
    Error(UpstreamError),
    /// No JSON object or list.
    NotJson,
}

/// Who an answer says it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedBy {
    /// The model: a dated name, or what a router chose.
    pub model: Option<Box<str>>,
    /// The provider behind OpenRouter, such as `Google AI Studio`.
    pub provider: Option<Box<str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    provider: Text<'a>,
    #[serde(borrow)]
    choices: List<Choice<'a>>,
    output: Filled,
    content: Filled,
    data: Filled,
    usage: Obj<RawUsage>,
    tool_usage: Obj<ToolUsage>,
    candidates: Filled,
    #[serde(rename = "usageMetadata")]
    usage_metadata: Obj<RawUsage>,
    #[serde(rename = "modelVersion", borrow)]
    model_version: Text<'a>,
    /// The answer of `count_tokens`.
    input_tokens: Number,
}

/// Looks at a whole answer that was not streamed. White space before it is allowed: OpenRouter sends some to keep
/// slow connections alive.
#[must_use]
pub fn inspect_answer(surface: Surface, body: &[u8]) -> Answer {
    let body = body.trim_ascii();
    let good = |usage, served_by| Answer::Good { usage, served_by };
    let json = || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    let answer = match body.first() {
        // Known to be UTF-8, a text is checked once and not again for every string in it.
        Some(b'{') => match std::str::from_utf8(body) {
            Ok(text) => serde_json::from_str::<Body<'_>>(text).ok(),
            Err(_) => serde_json::from_slice::<Body<'_>>(body).ok(),
        },
        Some(b'[') => None,
        _ => return Answer::NotJson,
    };
    let Some(answer) = answer else {
        return if json() { good(None, ServedBy::default()) } else { Answer::NotJson };
    };
    let filled = !answer.choices.0.is_empty()
        || answer.output.0
        || answer.content.0
        || answer.data.0
        || answer.candidates.0;
    let failed = surface == Surface::Responses && answer.status.get() == Some("failed");
    if failed && is_error(answer.error).is_none() {
        return Answer::Error(UpstreamError::from_message("the response failed"));
    }
    if failed || answer.r#type.get() == Some("error") || (is_error(answer.error).is_some() && !filled) {
        return Answer::Error(inspect_error(body));
    }
    if let Some(error) = answer.choices.0.iter().find_map(Choice::error) {
        // The error beside the choices says more than the reason inside one.
        return Answer::Error(is_error(answer.error).map_or(error, UpstreamError::from_value));
    }
    let counted = (surface == Surface::CountTokens)
        .then(|| Usage { input_tokens: answer.input_tokens.count(), ..Usage::default() });
    let mut usage = answer.usage.0.or(answer.usage_metadata.0).map(|usage| usage.usage()).or(counted);
    if let (Some(usage), Some(tools)) = (&mut usage, &answer.tool_usage.0) {
        tools.complete(usage);
    }
    let model = answer.model.get().or(answer.model_version.get());
    good(usage, ServedBy { model: model.map(Into::into), provider: answer.provider.get().map(Into::into) })
}

/// The figures in the body of an answer that is an error, in the spelling of whatever API: what failed may have been
/// charged for.
#[must_use]
pub fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Figures {
        usage: Obj<RawUsage>,
        #[serde(rename = "usageMetadata")]
        usage_metadata: Obj<RawUsage>,
    }
    let Figures { usage, usage_metadata } = serde_json::from_slice(body.trim_ascii()).ok()?;
    usage.0.or(usage_metadata.0).map(|usage| usage.usage())
}

/// Who an event of a stream says the answer comes from.
pub(crate) fn served_by(data: &[u8]) -> ServedBy {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named<'a> {
        #[serde(borrow)]
        model: Text<'a>,
        #[serde(borrow)]
        provider: Text<'a>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Event<'a> {
        #[serde(borrow)]
        model: Text<'a>,
        #[serde(rename = "modelVersion", borrow)]
        model_version: Text<'a>,
        #[serde(borrow)]
        provider: Text<'a>,
        /// Of Messages.
        #[serde(borrow)]
        message: Obj<Named<'a>>,
        /// Of Responses.
        #[serde(borrow)]
        response: Obj<Named<'a>>,
    }
    let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else { return ServedBy::default() };
    let inner = event.message.0.or(event.response.0).unwrap_or_default();
    let names = [&event.model, &event.model_version, &inner.model];
    let providers = [&event.provider, &inner.provider];
    let first = |texts: &[&Text<'_>]| texts.iter().find_map(|text| text.get()).map(Into::into);
    ServedBy { model: first(&names), provider: first(&providers) }
}

/// The top-level `id` of a whole answer.
#[must_use]
pub fn answer_id(body: &[u8]) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Id<'a> {
        #[serde(borrow)]
        id: Text<'a>,
    }
    serde_json::from_slice::<Id<'_>>(body.trim_ascii()).ok()?.id.get().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error_of(surface: Surface, body: &str) -> Option<String> {
        match inspect_answer(surface, body.as_bytes()) {
            Answer::Error(error) => Some(error.message),
            _ => None,
        }
    }

    #[test]
    fn figures_beside_the_usage_and_inside_errors() {
        let body = r#"{"status":"completed","output":[],"usage":{"input_tokens":3,"output_tokens":4},
            "tool_usage":{"image_gen":{"input_tokens":0},"web_search":{"num_requests":2}}}"#;
        let Answer::Good { usage, .. } = inspect_answer(Surface::Responses, body.as_bytes()) else {
            panic!("{body}");
        };
        assert_eq!(usage.map(|usage| usage.web_searches), Some(2));
        let used = Usage { input_tokens: 3, ..Usage::default() };
        for (body, want) in [
            (r#"{"error":{"message":"x"},"usage":{"prompt_tokens":3}}"#, Some(used)),
            (r#"{"error":{"code":500},"usageMetadata":{"promptTokenCount":3}}"#, Some(used)),
            (r#"{"error":{"message":"x"},"usage":null}"#, None),
            (r#"{"error":"x"}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(usage_of(body.as_bytes()), want, "{body}");
        }
    }

    #[test]
    fn good_answers() {
        let usage = Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() };
        for (surface, body, model) in [
            (
                Surface::ChatCompletions,
                "\n\n  \t{\"model\":\"gpt-4o\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"x\"}}],\
                 \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n",
                Some("gpt-4o"),
            ),
            (
                Surface::Responses,
                r#"{"status":"completed","error":null,"output":[{"type":"message"}],"usage":{"input_tokens":3,"output_tokens":4}}"#,
                None,
            ),
            (
                Surface::Responses,
                r#"{"status":"incomplete","error":null,"output":[],"usage":{"input_tokens":3,"output_tokens":4}}"#,
                None,
            ),
            (
                Surface::Messages,
                r#"{"type":"message","model":"claude","content":[],"usage":{"input_tokens":3,"output_tokens":4}}"#,
                Some("claude"),
            ),
            (
                Surface::GenerateContent,
                r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"modelVersion":"gemini",
                    "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}"#,
                Some("gemini"),
            ),
            // A refused prompt: the provider did what it was asked.
            (
                Surface::GenerateContent,
                r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}"#,
                None,
            ),
        ] {
            let served_by = ServedBy { model: model.map(Into::into), provider: None };
            let want = Answer::Good { usage: Some(usage), served_by };
            assert_eq!(inspect_answer(surface, body.as_bytes()), want, "{body}");
        }
        for body in [
            "{}",
            "[]",
            "[1]",
            r#"{"choices":5,"usage":[]}"#,
            r#"{"choices":[{}],"error":{"message":"warning"}}"#,
        ] {
            let want = Answer::Good { usage: None, served_by: ServedBy::default() };
            assert_eq!(inspect_answer(Surface::ChatCompletions, body.as_bytes()), want, "{body}");
        }
        let counted = Answer::Good {
            usage: Some(Usage { input_tokens: 9, ..Usage::default() }),
            served_by: ServedBy::default(),
        };
        assert_eq!(inspect_answer(Surface::CountTokens, br#"{"input_tokens":9}"#), counted);
    }

    #[test]
    fn errors_with_a_good_status() {
        for (surface, body, message) in [
            (Surface::ChatCompletions, r#"  {"error":{"code":502,"message":"down"},"user_id":"u"}"#, "down"),
            (Surface::ChatCompletions, r#"{"error":"down"}"#, "down"),
            (Surface::ChatCompletions, r#"{"error":{"message":"down"},"choices":[]}"#, "down"),
            (
                Surface::ChatCompletions,
                r#"{"choices":[{"finish_reason":"error","error":{"code":500,"message":"half"},"message":{"content":"par"}}]}"#,
                "half",
            ),
            (
                Surface::ChatCompletions,
                r#"{"choices":[{"finish_reason":"error","native_finish_reason":"MALFORMED"}],"error":{"message":"why"}}"#,
                "why",
            ),
            (
                Surface::ChatCompletions,
                r#"{"choices":[{"finish_reason":"error","native_finish_reason":"MALFORMED"}]}"#,
                "the answer ended in an error (MALFORMED)",
            ),
            (
                Surface::Messages,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                "Overloaded",
            ),
            (
                Surface::Responses,
                r#"{"status":"failed","error":{"code":"server_error","message":"x"},"output":[{}]}"#,
                "x",
            ),
            (Surface::Responses, r#"{"status":"failed","error":null,"output":[]}"#, "the response failed"),
            (
                Surface::GenerateContent,
                r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}"#,
                "quota",
            ),
            (
                Surface::Embeddings,
                r#"{"success":false,"error":{"name":"ZodError","message":"[]"}}"#,
                "an empty list",
            ),
        ] {
            assert_eq!(error_of(surface, body).as_deref(), Some(message), "{body}");
        }
    }

    #[test]
    fn who_it_comes_from() {
        let from = |model: Option<&str>, provider: Option<&str>| ServedBy {
            model: model.map(Into::into),
            provider: provider.map(Into::into),
        };
        for (data, want) in [
            (r#"{"model":"m","provider":"P","choices":[]}"#, from(Some("m"), Some("P"))),
            (
                r#"{"type":"message_start","message":{"model":"m","provider":"P"}}"#,
                from(Some("m"), Some("P")),
            ),
            (r#"{"type":"response.created","response":{"model":"m"}}"#, from(Some("m"), None)),
            (r#"{"candidates":[],"modelVersion":"m"}"#, from(Some("m"), None)),
            (r#"{"model":5,"provider":{"a":1}}"#, ServedBy::default()),
            ("[DONE]", ServedBy::default()),
        ] {
            assert_eq!(served_by(data.as_bytes()), want, "{data}");
        }
    }

    #[test]
    fn not_json() {
        for body in ["", "  \n", "<html>", "ok", "5", "null", "\"text\"", "{", "{\"a\":1} x", "data: {}\n\n"]
        {
            assert_eq!(inspect_answer(Surface::ChatCompletions, body.as_bytes()), Answer::NotJson, "{body}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), text in r#"[\{\}\[\]":,\\eromsgcdh1 ]{0,80}"#) {
            let _ = inspect_answer(Surface::Messages, &body);
            let _ = inspect_answer(Surface::ChatCompletions, text.as_bytes());
        }
    }
}
