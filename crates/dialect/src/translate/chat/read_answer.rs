//! Reading a provider's whole answer.

use super::super::answer::{Answer, Choice, Stop};
use super::super::fields::{Fields, Path};
use super::super::request::{Json, Media, Part, Source, Text};
use super::super::{DecodeError, parse};
use super::read_messages::Reader;
use super::{is_empty, leftovers, lose, stop};
use crate::Usage;
use crate::loose::Obj;
use crate::usage::RawUsage;
use serde::Deserialize;

/// Members beside the choices that tell of the provider and not of the answer.
const HARMLESS: [&str; 10] = [
    "object",
    "provider",
    "system_fingerprint",
    "service_tier",
    "prompt_filter_results",
    "x_groq",
    "usage_breakdown",
    "openrouter_metadata",
    "kv_transfer_params",
    "request_id",
];

pub(crate) fn read_answer(body: &[u8]) -> Result<Answer<'_>, DecodeError> {
    let path = Path::Root;
    let mut fields = Fields::of(parse(body.trim_ascii())?, &path)?;
    let mut answer = Answer {
        id: fields.text("id")?.unwrap_or_default(),
        model: fields.text("model")?.unwrap_or_default(),
        created: fields.take("created").and_then(|created| seconds(&created)),
        ..Answer::default()
    };
    let groq = fields.take("x_groq");
    let groq = groq.as_ref().and_then(Json::as_object).and_then(|groq| groq.get("usage"));
    answer.usage = fields.take("usage").as_ref().or(groq).and_then(usage);
    let choices = path.key("choices");
    let list = match fields.take("choices") {
        None => return Err(DecodeError::missing(&choices)),
        Some(Json::Array(list)) if list.is_empty() => {
            return Err(DecodeError::value(&choices, "must not be empty"));
        }
        Some(Json::Array(list)) => list,
        Some(other) => return Err(DecodeError::wrong(&choices, "an array", &other)),
    };
    for (at, value) in list.into_iter().enumerate() {
        let choice = choice(value, &choices.index(at), &mut answer.lost)?;
        answer.choices.push(choice);
    }
    for (name, value) in fields.rest() {
        if !HARMLESS.contains(&&*name) && !is_empty(&value) {
            lose(&mut answer.lost, name);
        }
    }
    Ok(answer)
}

/// Some servers write fractions of seconds.
fn seconds(value: &Json<'_>) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from f64 saturates, which is what is wanted of a nonsensical time"
    )]
    value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds as u64))
}

fn usage(value: &Json<'_>) -> Option<Usage> {
    Obj::<RawUsage>::deserialize(value).ok()?.0.map(|usage| usage.usage())
}

fn choice<'a>(value: Json<'a>, path: &Path<'_>, lost: &mut Vec<String>) -> Result<Choice<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let inner = path.key("message");
    let value = fields.take("message").ok_or_else(|| DecodeError::missing(&inner))?;
    let mut message = Fields::of(value, &inner)?;
    let mut reader = Reader { lost: Vec::new(), lenient: true };
    let mut parts = reader.assistant(&mut message)?;
    audio(&mut message, &mut parts)?;
    drop((message.take("role"), message.take("name")));
    leftovers(message, &mut reader.lost);
    let native = fields.text("native_finish_reason")?;
    let reason = fields.text("finish_reason")?.filter(|reason| !reason.is_empty());
    let mut stop = reason.map(|reason| stop::read(&reason, native.as_deref()));
    let refused = |part: &Part<'_>| matches!(part, Part::Refusal(_));
    if stop == Some(Stop::End) && parts.iter().any(refused) {
        stop = Some(Stop::Refusal);
    }
    drop((fields.take("index"), fields.take("content_filter_results")));
    leftovers(fields, &mut reader.lost);
    lost.append(&mut reader.lost);
    Ok(Choice { parts, stop })
}

/// `audio: {id, data, expires_at, transcript}`. What was said is the text of an answer that has no other.
fn audio<'a>(message: &mut Fields<'a, '_>, parts: &mut Vec<Part<'a>>) -> Result<(), DecodeError> {
    let path = message.path().key("audio");
    let Some(value) = message.take("audio") else { return Ok(()) };
    let mut fields = Fields::of(value, &path)?;
    let filled = |text: Option<Text<'a>>| text.filter(|text| !text.is_empty());
    let transcript = filled(fields.text("transcript")?);
    if let Some(transcript) = transcript.filter(|_| !parts.iter().any(|part| matches!(part, Part::Text(_)))) {
        parts.push(Part::text(transcript));
    }
    let data = filled(fields.text("data")?);
    parts.extend(data.map(|data| Part::Audio(Media::new(Source::Base64(data), None))));
    Ok(())
}
