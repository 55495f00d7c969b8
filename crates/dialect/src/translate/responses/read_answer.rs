//! Whole answers of providers.

use super::super::answer::{Answer, Choice, Stop};
use super::super::error::DecodeError;
use super::super::fields::{Fields, Path, owned};
use super::super::parse;
use super::super::request::{Json, Media, Part, Source, Text, Thought, ToolCall};
use super::super::state::{State, StateKind};
use super::content::read_content;
use super::input::read_thoughts;
use super::{free_text_arguments, leave};
use crate::Surface;
use crate::loose::Obj;
use crate::usage::RawUsage;
use serde::Deserialize;
use std::borrow::Cow;

/// What stands between the parts of a summary where they become one text.
pub(super) const BETWEEN_SUMMARIES: &str = "\n\n";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Figures {
    usage: Obj<RawUsage>,
}

pub(in super::super) fn read_answer(body: &[u8]) -> Result<Answer<'_>, DecodeError> {
    let root = Path::Root;
    let mut fields = Fields::of(parse(body)?, &root)?;
    let status = fields.text("status")?.unwrap_or(Cow::Borrowed("completed"));
    if !matches!(&*status, "completed" | "incomplete") {
        return Err(DecodeError::value(&root.key("status"), "must be 'completed' or 'incomplete'"));
    }
    let mut answer = Answer {
        id: fields.text("id")?.unwrap_or_default(),
        model: fields.text("model")?.unwrap_or_default(),
        created: fields.number("created_at")?.map(seconds),
        ..Answer::default()
    };
    let path = root.key("output");
    if !fields.has("output") {
        return Err(DecodeError::missing(&path));
    }
    let mut choice = Choice::default();
    for (at, item) in fields.list("output")?.into_iter().enumerate() {
        read_item(item, &path.index(at), &mut choice.parts, &mut answer.lost)?;
    }
    let path = root.key("incomplete_details");
    let reason = match fields.take("incomplete_details") {
        Some(details) => Fields::of(details, &path)?.text("reason")?,
        None => None,
    };
    let reason = reason.filter(|_| status == "incomplete").or((status == "incomplete").then_some(status));
    choice.stop = Some(stop(reason, &choice.parts));
    answer.choices.push(choice);
    let figures: Figures = serde_json::from_slice(body).map_err(|error| DecodeError::syntax(&error))?;
    answer.usage = figures.usage.0.map(|usage| usage.usage());
    Ok(answer)
}

/// Why an answer ended: `reason` where it is incomplete.
pub(super) fn stop_reason(reason: Option<Text<'_>>, calls: bool, refused: bool) -> Stop<'_> {
    match reason {
        Some(reason) => match &*reason {
            // A limit is the only other cause that ends an answer before its time.
            "max_output_tokens" | "max_tokens" | "incomplete" => Stop::Length,
            "content_filter" => Stop::Filtered(Some(reason)),
            _ => Stop::Other(reason),
        },
        None if calls => Stop::ToolCalls,
        None if refused => Stop::Refusal,
        None => Stop::End,
    }
}

/// Seconds since 1970; some providers write fractions.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates, which is what is wanted of a nonsensical time"
)]
pub(super) fn seconds(time: f64) -> u64 {
    time as u64
}

fn stop<'a>(reason: Option<Text<'a>>, parts: &[Part<'_>]) -> Stop<'a> {
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refused = parts.iter().any(|part| matches!(part, Part::Refusal(_)))
        && !parts.iter().any(|part| matches!(part, Part::Text(_)));
    stop_reason(reason, calls, refused)
}

fn read_item<'a>(
    item: Json<'a>,
    path: &Path<'_>,
    parts: &mut Vec<Part<'a>>,
    lost: &mut Vec<String>,
) -> Result<(), DecodeError> {
    let mut fields = Fields::of(item, path)?;
    fields.take("status");
    let id = fields.text("id")?;
    let kind = fields.text("type")?.unwrap_or(Cow::Borrowed("message"));
    match &*kind {
        "message" => {
            fields.take("role");
            if let Some(content) = fields.take("content") {
                parts.extend(read_content(content, &path.key("content"), lost)?);
            }
        }
        "reasoning" => read_reasoning(&mut fields, id, parts)?,
        "function_call" | "custom_tool_call" => {
            let call_id = fields.text("call_id")?.or(id).unwrap_or_default();
            let name = fields.required_text("name")?;
            let arguments = if kind == "custom_tool_call" {
                free_text_arguments(&fields.required_text("input")?)
            } else {
                fields.text("arguments")?.unwrap_or_default()
            };
            parts.push(Part::ToolCall(ToolCall { id: call_id, name, arguments, state: None, cache: None }));
        }
        "image_generation_call" => {
            if let Some(data) = fields.text("result")? {
                let format = fields.text("output_format")?;
                parts.push(Part::Image(picture(data, format.as_deref())));
            }
            // Its size, quality and prompt are nothing of the picture's.
            return Ok(());
        }
        other => {
            lost.push(format!("{path} ({other})"));
            return Ok(());
        }
    }
    leave(fields, lost);
    Ok(())
}

/// A picture the model made.
pub(super) fn picture<'a>(data: Text<'a>, format: Option<&str>) -> Media<'a> {
    let media_type = owned(&format!("image/{}", format.unwrap_or("png")));
    Media::new(Source::Base64(data), Some(media_type))
}

/// An item is one thought, or two if it has both the thoughts themselves and a summary of them.
fn read_reasoning<'a>(
    fields: &mut Fields<'a, '_>,
    id: Option<Text<'a>>,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), DecodeError> {
    let content = join(read_thoughts(fields, "content", false)?, "");
    let summary = join(read_thoughts(fields, "summary", true)?, BETWEEN_SUMMARIES);
    let state = fields.text("encrypted_content")?.filter(|data| !data.is_empty());
    let mut state = state.map(|data| State::found(Surface::Responses, StateKind::Encrypted, data));
    let both = content.is_some() && summary.is_some();
    if let Some(text) = content {
        let state = if both { None } else { state.take() };
        parts.push(Part::Reasoning(Thought { text, summary: false, state, id: id.clone() }));
    }
    if summary.is_some() || state.is_some() {
        let text = summary.unwrap_or_default();
        parts.push(Part::Reasoning(Thought { text, summary: true, state, id }));
    }
    Ok(())
}

fn join<'a>(mut texts: Vec<(Text<'a>, bool)>, between: &str) -> Option<Text<'a>> {
    if texts.len() > 1 {
        let texts: Vec<&str> = texts.iter().map(|(text, _)| &**text).collect();
        return Some(Cow::Owned(texts.join(between)));
    }
    texts.pop().map(|(text, _)| text)
}
