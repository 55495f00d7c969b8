//! Chunks of chat completions and text completions.

use super::{FrameKind, Seen};
use crate::UpstreamError;
use crate::loose::{Filled, List, Obj, Text};
use crate::upstream_error::is_error;
use crate::usage::RawUsage;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chunk<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: List<Choice<'a>>,
    usage: Obj<RawUsage>,
    #[serde(borrow)]
    x_groq: Obj<Groq<'a>>,
}

/// What Groq puts beside the choices: errors, and in older versions usage.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Groq<'a> {
    usage: Obj<RawUsage>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A choice of a chunk, or of a whole answer.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice<'a> {
    #[serde(borrow)]
    finish_reason: Text<'a>,
    #[serde(borrow)]
    native_finish_reason: Text<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    delta: Obj<Delta>,
    message: Obj<Delta>,
    text: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Filled,
    reasoning: Filled,
    reasoning_content: Filled,
    reasoning_details: Filled,
    thinking: Filled,
    tool_calls: Filled,
    function_call: Filled,
    refusal: Filled,
    images: Filled,
    audio: Filled,
}

impl Delta {
    fn has_content(&self) -> bool {
        [
            self.content,
            self.reasoning,
            self.reasoning_content,
            self.reasoning_details,
            self.thinking,
            self.tool_calls,
            self.function_call,
            self.refusal,
            self.images,
            self.audio,
        ]
        .contains(&Filled(true))
    }
}

impl Choice<'_> {
    fn has_content(&self) -> bool {
        self.text.0
            || [&self.delta, &self.message]
                .iter()
                .any(|delta| delta.0.as_ref().is_some_and(Delta::has_content))
    }

    /// The error of a choice that ended in one; OpenRouter may give nothing but the provider's own word for it.
    pub(crate) fn error(&self) -> Option<UpstreamError> {
        if let Some(error) = is_error(self.error) {
            return Some(UpstreamError::from_value(error));
        }
        (self.finish_reason.get() == Some("error")).then(|| match self.native_finish_reason.get() {
            Some(reason) => UpstreamError::from_message(&format!("the answer ended in an error ({reason})")),
            None => UpstreamError::from_message("the answer ended in an error"),
        })
    }
}

pub(super) fn read(data: &[u8]) -> Option<Seen> {
    let chunk: Chunk<'_> = serde_json::from_slice(data).ok()?;
    let groq = chunk.x_groq.0.as_ref();
    let usage = chunk.usage.0.as_ref().or_else(|| groq?.usage.0.as_ref()).map(RawUsage::usage);
    let choices = &chunk.choices.0;
    let error = is_error(chunk.error).or_else(|| is_error(groq?.error)).map(UpstreamError::from_value);
    if let Some(error) = error.or_else(|| choices.iter().find_map(Choice::error)) {
        return Some(Seen::new(FrameKind::Error(error), usage));
    }
    let finished = choices.iter().any(|choice| choice.finish_reason.get().is_some());
    let kind = if choices.iter().any(Choice::has_content) {
        FrameKind::Content
    } else if finished {
        FrameKind::Finish
    } else if usage.is_some() {
        FrameKind::Usage
    } else {
        FrameKind::Preamble
    };
    Some(Seen { kind, usage, finished })
}

pub(super) fn is_usage_only(data: &[u8]) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Chunk {
        choices: Filled,
        error: Filled,
        usage: Filled,
    }
    serde_json::from_slice::<Chunk>(data)
        .is_ok_and(|chunk| chunk.usage.0 && !chunk.choices.0 && !chunk.error.0)
}
