//! A whole answer of Bedrock.

use super::blocks::{self, Whose};
use crate::translate::DecodeError;
use crate::translate::answer::{Answer, Choice, Stop};
use crate::translate::fields::{Fields, Path};
use crate::translate::request::{Json, Text};
use crate::usage::RawUsage;
use serde::Deserialize;
use std::borrow::Cow;

pub(in crate::translate) fn read_answer(body: &[u8]) -> Result<Answer<'_>, DecodeError> {
    let root = Path::Root;
    let mut fields = Fields::of(crate::translate::parse(body)?, &root)?;
    let mut answer = Answer::default();
    let path = root.key("output");
    let output = fields.take("output").ok_or_else(|| DecodeError::missing(&path))?;
    let mut output = Fields::of(output, &path)?;
    let path = path.key("message");
    let message = output.take("message").ok_or_else(|| DecodeError::missing(&path))?;
    let mut message = Fields::of(message, &path)?;
    let content = message.list("content")?;
    let parts = blocks::read(content, &path.key("content"), Whose::Provider, &mut answer.lost)?;

    let mut sequence = None;
    if let Some(own) = fields.take("additionalModelResponseFields") {
        sequence = read_own(own, &root.key("additionalModelResponseFields"), &mut answer.lost);
    }
    let stop = fields.text("stopReason")?.map(|reason| stop(reason, sequence));
    answer.choices.push(Choice { parts, stop });
    answer.usage = fields.take("usage").and_then(|usage| Some(RawUsage::deserialize(&usage).ok()?.usage()));
    if let Some(trace) = fields.take("trace") {
        answer.model = read_trace(trace, &root.key("trace"), &mut answer.lost)?;
    }
    // How long it took, and what was asked for: no dialect says that in an answer.
    for known in ["metrics", "performanceConfig", "serviceTier"] {
        fields.take(known);
    }
    answer.lost.extend(fields.rest().map(|(name, _)| name.into_owned()));
    Ok(answer)
}

/// What a reason means. `sequence` is the text that ended the answer, if it was asked for.
pub(super) fn stop<'a>(reason: Text<'a>, sequence: Option<Text<'a>>) -> Stop<'a> {
    match &*reason {
        "end_turn" => Stop::End,
        "tool_use" => Stop::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "stop_sequence" => Stop::Sequence(sequence),
        "guardrail_intervened" | "content_filtered" => Stop::Filtered(Some(reason)),
        "refusal" => Stop::Refusal,
        "pause_turn" => Stop::Pause,
        _ => Stop::Other(reason),
    }
}

/// The text that ended the answer; everything else in there is lost.
fn read_own<'a>(own: Json<'a>, path: &Path<'_>, lost: &mut Vec<String>) -> Option<Text<'a>> {
    let mut fields = Fields::of(own, path).ok()?;
    let sequence = match fields.take("stop_sequence") {
        Some(Json::Str(text)) => Some(text),
        _ => None,
    };
    lost.extend(fields.rest().map(|(name, _)| path.key(&name).to_string()));
    sequence
}

/// A router says which model answered; what a guardrail found is lost.
fn read_trace<'a>(trace: Json<'a>, path: &Path<'_>, lost: &mut Vec<String>) -> Result<Text<'a>, DecodeError> {
    let mut fields = Fields::of(trace, path)?;
    let model = match fields.take("promptRouter") {
        Some(router) => Fields::of(router, &path.key("promptRouter"))?.text("invokedModelId")?,
        None => None,
    };
    lost.extend(fields.rest().map(|(name, _)| path.key(&name).to_string()));
    Ok(model.unwrap_or(Cow::Borrowed("")))
}
