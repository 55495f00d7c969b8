//! Writing an answer for a client of Google's SDKs.

use super::super::answer::{Answer, Choice, Stop};
use super::super::request::{Media, Part, Source};
use super::super::writer::Writer;
use super::super::{AnswerContext, Translated};
use super::write_parts::Medium;
use super::{base64, finish, media, signature, usage, write_parts};
use crate::time::format_rfc3339;
use std::borrow::Cow;

pub(in super::super) fn write_answer(answer: &Answer<'_>, context: &AnswerContext<'_>) -> Translated {
    let mut lost = Vec::new();
    let mut w = Writer::with_capacity(1024);
    let empty = [Choice::default()];
    let choices = if answer.choices.is_empty() { &empty } else { answer.choices.as_slice() };
    w.object(|w| {
        w.member_array("candidates", |w| {
            for (index, choice) in choices.iter().enumerate() {
                write_candidate(w, index, choice, context.provider, &mut lost);
            }
        });
        if let Some(figures) = &answer.usage {
            usage::write(w, figures);
        }
        w.member("modelVersion", first(&answer.model, context.model));
        w.member("createTime", &format_rfc3339(answer.created.unwrap_or(context.now)));
        w.member("responseId", first(&answer.id, context.id));
    });
    Translated { body: w.finish(), lost }
}

fn first<'t>(one: &'t str, other: &'t str) -> &'t str {
    if one.is_empty() { other } else { one }
}

fn write_candidate(w: &mut Writer, at: usize, choice: &Choice<'_>, provider: &str, lost: &mut Vec<String>) {
    w.object(|w| {
        // A filtered answer has no content at Google; another one without parts is an empty text, which SDKs take.
        let filtered = matches!(choice.stop, Some(Stop::Filtered(_) | Stop::Refusal));
        if !choice.parts.is_empty() || !filtered {
            w.member_object("content", |w| {
                w.member_array("parts", |w| {
                    for (part, index) in choice.parts.iter().zip(0usize..) {
                        write_part(w, part, &|| format!("choices[{at}].parts[{index}]"), provider, lost);
                    }
                    if choice.parts.is_empty() {
                        write_parts::text(w, "", None);
                    }
                });
                w.member("role", "model");
            });
        }
        w.member("finishReason", choice.stop.as_ref().map_or("STOP", finish::word));
        w.member("index", &at);
    });
}

fn write_part(
    w: &mut Writer,
    part: &Part<'_>,
    place: &dyn Fn() -> String,
    provider: &str,
    lost: &mut Vec<String>,
) {
    match part {
        Part::Text(text) => {
            write_parts::text(w, &text.text, None);
            lost.extend(text.annotations.as_ref().map(|_| format!("{}.annotations", place())));
        }
        Part::Refusal(text) => write_parts::text(w, text, None),
        Part::Reasoning(thought) => {
            let signature = thought.state.as_ref().map(|state| signature::written(state, provider));
            write_parts::thought(w, &thought.text, signature.as_deref());
        }
        Part::ToolCall(call) => {
            let signature = call.state.as_ref().map(|state| signature::written(state, provider));
            let arguments = write_parts::object(&call.arguments).map_or_else(
                || {
                    lost.push(format!("{}.arguments", place()));
                    Cow::Owned(raw_arguments(&call.arguments))
                },
                Cow::Borrowed,
            );
            write_parts::call(w, &call.id, &call.name, &arguments, signature.as_deref());
        }
        Part::Image(one) | Part::Document(one) | Part::Audio(one) | Part::Video(one) => match answered(one) {
            Some(medium) => write_parts::medium(w, &medium),
            None => lost.push(place()),
        },
        Part::ToolResult(_) => lost.push(place()),
    }
}

/// Arguments that are no JSON object, as one: the client sees what the model wrote.
pub(super) fn raw_arguments(text: &str) -> String {
    let mut w = Writer::with_capacity(text.len() + 24);
    w.object(|w| w.member("_raw_arguments", text));
    String::from_utf8(w.finish()).unwrap_or_default()
}

/// A picture, document or sound of an answer, whatever a client makes of its address. `None`: a file of its issuer.
pub(super) fn answered<'r>(media: &'r Media<'_>) -> Option<Medium<'r>> {
    let named = media.media_type.as_deref().map(Cow::Borrowed);
    match &media.source {
        Source::Base64(data) => {
            let guessed = || media::of_data(data, true).unwrap_or("application/octet-stream");
            let media_type = named.unwrap_or_else(|| Cow::Borrowed(guessed()));
            Some(Medium::Inline { media_type, data: Cow::Borrowed(data) })
        }
        Source::Text(text) => {
            let media_type = named.unwrap_or(Cow::Borrowed("text/plain"));
            Some(Medium::Inline { media_type, data: Cow::Owned(base64::encode(text.as_bytes())) })
        }
        Source::Url(uri) => Some(Medium::File { media_type: named, uri }),
        Source::FileId(_) => None,
    }
}
