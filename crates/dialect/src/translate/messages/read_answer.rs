//! Reading a provider's whole answer.

use super::super::answer::{Answer, Choice, Stop};
use super::super::error::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::parse;
use super::super::request::{Json, Part};
use super::ends::read_stop;
use super::read_blocks::{Reader, harmless};
use crate::Usage;
use crate::loose::Obj;
use crate::usage::RawUsage;
use serde::Deserialize;

/// Members that are the same in every answer, or that say nothing about it.
const EXPECTED: [&str; 4] = ["type", "role", "stop_reason", "stop_sequence"];

/// Reads a `message`.
pub(in super::super) fn read_answer(body: &[u8]) -> Result<Answer<'_>, DecodeError> {
    let root = Path::Root;
    let mut fields = Fields::of(parse(body)?, &root)?;
    let mut reader = Reader::default();
    let mut choice = Choice::default();
    let path = root.key("content");
    match fields.take("content") {
        Some(Json::Array(blocks)) => {
            for (at, block) in blocks.into_iter().enumerate() {
                read_block(block, &path.index(at), &mut reader, &mut choice.parts)?;
            }
        }
        Some(other) => return Err(DecodeError::wrong(&path, "an array", &other)),
        None => return Err(DecodeError::missing(&path)),
    }
    let sequence = fields.text("stop_sequence")?;
    choice.stop = fields.text("stop_reason")?.map(|reason| read_stop(reason, sequence));
    if let Some(Json::Object(details)) = fields.take("stop_details")
        && choice.stop == Some(Stop::Refusal)
        && let Some(Json::Str(explanation)) = details.get("explanation")
    {
        choice.parts.push(Part::Refusal(explanation.clone()));
    }
    let id = fields.text("id")?.unwrap_or_default();
    let model = fields.text("model")?.unwrap_or_default();
    fields.take("usage");
    for (name, value) in fields.rest() {
        if !EXPECTED.contains(&&*name) && !harmless(&value) {
            reader.lost.push(name.into_owned());
        }
    }
    Ok(Answer { id, model, created: None, choices: vec![choice], usage: usage(body), lost: reader.lost })
}

/// A block; one that nobody knows is named and passed over, since the provider may be newer than this.
fn read_block<'a>(
    block: Json<'a>,
    path: &Path<'_>,
    reader: &mut Reader<'a>,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), DecodeError> {
    let kind = match &block {
        Json::Object(members) => members.get("type").and_then(|kind| kind.as_str()),
        _ => None,
    };
    if matches!(kind, Some("text" | "thinking" | "redacted_thinking" | "tool_use")) || kind.is_none() {
        return reader.block(block, path, parts);
    }
    reader.lost.push(path.to_string());
    Ok(())
}

fn usage(body: &[u8]) -> Option<Usage> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        usage: Obj<RawUsage>,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    body.usage.0.as_ref().map(RawUsage::usage)
}
