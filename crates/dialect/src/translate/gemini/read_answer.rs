//! Reading Google's answer.

use super::super::answer::{Answer, Choice};
use super::super::error::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::parse;
use super::super::request::{Json, Part};
use super::finish;
use super::parts::PartReader;
use crate::loose::Obj;
use crate::time::rfc3339;
use crate::usage::RawUsage;
use serde::Deserialize;
use std::time::UNIX_EPOCH;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Figures {
    usage_metadata: Obj<RawUsage>,
}

pub(in super::super) fn read_answer(body: &[u8]) -> Result<Answer<'_>, DecodeError> {
    let root = Path::Root;
    let mut fields = Fields::of(parse(body)?, &root)?;
    let mut answer = Answer {
        id: fields.text("responseId")?.unwrap_or_default(),
        model: fields.text("modelVersion")?.unwrap_or_default(),
        created: fields.text("createTime")?.as_deref().and_then(seconds),
        ..Answer::default()
    };
    let mut reader = PartReader::answer(answer.id.clone());
    if fields.take("usageMetadata").is_some() {
        // The figures have many spellings, read in one place for every dialect.
        let figures: Figures = serde_json::from_slice(body).map_err(|error| DecodeError::syntax(&error))?;
        answer.usage = figures.usage_metadata.0.as_ref().map(RawUsage::usage);
    }
    let list = root.key("candidates");
    // Of a prompt that was refused there is no candidate, but always the reason.
    if !fields.has("candidates") && !fields.has("promptFeedback") {
        return Err(DecodeError::missing(&list));
    }
    for (at, value) in fields.list("candidates")?.into_iter().enumerate() {
        answer.choices.push(candidate(value, &list.index(at), &mut reader)?);
    }
    if let Some(value) = fields.take("promptFeedback") {
        let path = root.key("promptFeedback");
        let mut feedback = Fields::of(value, &path)?;
        let stop = feedback.text("blockReason")?.and_then(finish::blocked);
        if let (Some(stop), true) = (stop, answer.choices.is_empty()) {
            answer.choices.push(Choice { parts: Vec::new(), stop: Some(stop) });
        }
        reader.leave(feedback);
    }
    if answer.choices.is_empty() {
        answer.choices.push(Choice::default());
    }
    reader.leave(fields);
    answer.lost = reader.lost;
    Ok(answer)
}

/// Seconds since 1970 of a time.
pub(super) fn seconds(time: &str) -> Option<u64> {
    rfc3339(time)?.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn candidate<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    reader: &mut PartReader<'a>,
) -> Result<Choice<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let mut parts = Vec::new();
    if let Some(value) = fields.take("content") {
        let path = path.key("content");
        let mut content = Fields::of(value, &path)?;
        content.take("role");
        let list = path.key("parts");
        for (at, value) in content.list("parts")?.into_iter().enumerate() {
            reader.read(value, &list.index(at), &mut parts)?;
        }
        reader.leave(content);
    }
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let stop = fields.text("finishReason")?.and_then(|reason| finish::read(reason, calls));
    // The order of the list, and figures that `usageMetadata` has too.
    for known in ["index", "tokenCount"] {
        fields.take(known);
    }
    reader.leave(fields);
    Ok(Choice { parts, stop })
}
