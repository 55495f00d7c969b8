//! Chunks of Gemini's `streamGenerateContent`.

use super::{FrameKind, Seen};
use crate::UpstreamError;
use crate::loose::{Filled, List, Obj, Text};
use crate::upstream_error::is_error;
use crate::usage::RawUsage;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    candidates: List<Candidate<'a>>,
    usage_metadata: Obj<RawUsage>,
    #[serde(borrow)]
    prompt_feedback: Obj<Feedback<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate<'a> {
    content: Obj<Content>,
    #[serde(borrow)]
    finish_reason: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: List<Part>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Part {
    text: Filled,
    function_call: Filled,
    inline_data: Filled,
    file_data: Filled,
    executable_code: Filled,
    code_execution_result: Filled,
    tool_call: Filled,
    tool_response: Filled,
    thought_signature: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow)]
    block_reason: Text<'a>,
}

impl Part {
    fn has_content(&self) -> bool {
        [
            self.text,
            self.function_call,
            self.inline_data,
            self.file_data,
            self.executable_code,
            self.code_execution_result,
            self.tool_call,
            self.tool_response,
            self.thought_signature,
        ]
        .contains(&Filled(true))
    }
}

pub(super) fn read(data: &[u8]) -> Option<Seen> {
    let chunk: Chunk<'_> = serde_json::from_slice(data).ok()?;
    let usage = chunk.usage_metadata.0.as_ref().map(RawUsage::usage);
    if let Some(error) = is_error(chunk.error) {
        return Some(Seen::new(FrameKind::Error(UpstreamError::from_value(error)), usage));
    }
    let candidates = &chunk.candidates.0;
    let parts = |candidate: &Candidate<'_>| {
        candidate.content.0.as_ref().is_some_and(|content| content.parts.0.iter().any(Part::has_content))
    };
    // Google repeats figures on every chunk; a finish reason, or a blocked prompt, ends the answer.
    let blocked = chunk.prompt_feedback.0.as_ref().is_some_and(|f| f.block_reason.get().is_some());
    let finished = blocked || candidates.iter().any(|candidate| candidate.finish_reason.get().is_some());
    let kind = if candidates.iter().any(parts) {
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
