//! Writing a whole answer for a client.

use super::super::answer::{Answer, Choice};
use super::super::request::{Media, Part, Source, Thought, ToolCall};
use super::super::writer::Writer;
use super::super::{AnswerContext, Translated};
use super::details::{self, Detail};
use super::{lose, stop, usage};
use crate::Surface;
use std::borrow::Cow;

pub(crate) fn write_answer(answer: &Answer<'_>, context: &AnswerContext<'_>) -> Translated {
    let mut lost = Vec::new();
    let mut w = Writer::with_capacity(1024);
    let created = answer.created.unwrap_or(context.now);
    w.object(|w| {
        w.member("id", &*id(&answer.id, context.id));
        w.member("object", "chat.completion");
        w.member("created", &created);
        w.member("model", if answer.model.is_empty() { context.model } else { &answer.model });
        w.member_array("choices", |w| {
            // Clients take the first choice without a look.
            let none = [Choice::default()];
            let choices = if answer.choices.is_empty() { &none[..] } else { &answer.choices };
            for (index, choice) in choices.iter().enumerate() {
                let message = Message { choice, index, context, created };
                message.write(w, &mut lost);
            }
        });
        if let Some(figures) = &answer.usage {
            w.key("usage");
            usage::write(w, figures);
        }
    });
    Translated { body: w.finish(), lost }
}

/// The provider's id, else ours.
pub(super) fn id<'t>(given: &'t str, ours: &str) -> Cow<'t, str> {
    if given.is_empty() { Cow::Owned(format!("chatcmpl-{ours}")) } else { Cow::Borrowed(given) }
}

/// The id of a call, made where it has none: another one in every answer of a conversation, and no longer than the 40
/// characters that OpenAI takes.
pub(super) fn call_id<'c>(call: &'c str, answer: &str, choice: usize, position: usize) -> Cow<'c, str> {
    if !call.is_empty() {
        return Cow::Borrowed(call);
    }
    let id: String = answer.chars().filter(char::is_ascii_alphanumeric).collect();
    let tail = id.get(id.len().saturating_sub(24)..).unwrap_or_default();
    Cow::Owned(format!("call_{tail}_{choice}_{position}"))
}

struct Message<'m> {
    choice: &'m Choice<'m>,
    index: usize,
    context: &'m AnswerContext<'m>,
    created: u64,
}

impl Message<'_> {
    fn write(&self, w: &mut Writer, lost: &mut Vec<String>) {
        let parts = &self.choice.parts;
        let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        let refusal = joined(parts, |part| match part {
            Part::Refusal(text) => Some(text),
            _ => None,
        });
        let (reason, native) = stop::words(self.choice.stop.as_ref(), calls, refusal.is_some());
        w.object(|w| {
            w.member("index", &self.index);
            w.member_object("message", |w| self.message(w, calls, refusal.as_deref(), lost));
            w.member("logprobs", &());
            w.member("finish_reason", reason);
            w.optional("native_finish_reason", native);
        });
    }

    fn message(&self, w: &mut Writer, calls: bool, refusal: Option<&str>, lost: &mut Vec<String>) {
        let parts = &self.choice.parts;
        let content = joined(parts, |part| match part {
            Part::Text(part) => Some(&part.text),
            _ => None,
        });
        // An answer without any part is an empty text, not the absence of one.
        let empty = (parts.is_empty()).then_some(Cow::Borrowed(""));
        w.member("role", "assistant");
        w.member("content", &content.or(empty));
        w.member("refusal", &refusal);
        self.thoughts(w);
        if calls {
            w.member_array("tool_calls", |w| self.calls(w));
        }
        let pictures: Vec<_> = parts.iter().filter_map(picture_url).collect();
        if !pictures.is_empty() {
            w.member_array("images", |w| pictures.iter().for_each(|url| picture(w, url, None)));
        }
        let sound = parts.iter().find_map(sound);
        if let Some(data) = sound {
            w.member_object("audio", |w| audio(w, self.context.id, data, self.created));
        }
        for part in parts {
            match part {
                Part::Image(_) if picture_url(part).is_none() => lose(lost, "image"),
                Part::Audio(_) if sound.is_none() => lose(lost, "audio"),
                Part::Document(_) => lose(lost, "document"),
                Part::Video(_) => lose(lost, "video"),
                Part::ToolResult(_) => lose(lost, "tool_result"),
                _ => {}
            }
        }
    }

    fn calls(&self, w: &mut Writer) {
        let mut position = 0;
        for part in &self.choice.parts {
            let Part::ToolCall(call) = part else { continue };
            let id = call_id(&call.id, self.context.id, self.index, position);
            position += 1;
            w.object(|w| {
                w.member("id", &*id);
                w.member("type", "function");
                w.member_object("function", |w| {
                    w.member("name", &call.name);
                    w.member("arguments", arguments(call));
                });
                if let Some(state) = &call.state {
                    let written = state.written(Surface::ChatCompletions, self.context.provider);
                    let data = if state.surface == Surface::ChatCompletions {
                        details::unpacked(state).1
                    } else {
                        &written
                    };
                    extra_content(w, data);
                }
            });
        }
    }

    /// The text for people in `reasoning_content`; what has to come back in `reasoning_details`, if there is such.
    fn thoughts(&self, w: &mut Writer) {
        let thoughts = || {
            self.choice.parts.iter().filter_map(|part| match part {
                Part::Reasoning(thought) => Some(thought),
                _ => None,
            })
        };
        let texts: Vec<&str> = thoughts().map(|t| &*t.text).filter(|text| !text.is_empty()).collect();
        if !texts.is_empty() {
            w.member("reasoning_content", &texts.join("\n\n"));
        }
        if thoughts().any(|thought| thought.state.is_some()) {
            w.member_array("reasoning_details", |w| {
                for (index, thought) in thoughts().enumerate() {
                    detail(w, thought, index as u64, self.context.provider);
                }
            });
        }
    }
}

/// A thought of an answer, as details for a client.
pub(super) fn detail(w: &mut Writer, thought: &Thought<'_>, index: u64, provider: &str) {
    let written = thought.state.as_ref().map(|s| (s, s.written(Surface::ChatCompletions, provider)));
    let (format, state) = match &written {
        Some((state, _)) if state.surface == Surface::ChatCompletions => {
            let (format, data) = details::unpacked(state);
            (format, Some((state.kind, data)))
        }
        Some((state, data)) => (details::format_of(state.surface), Some((state.kind, &**data))),
        None => ("", None),
    };
    let id = thought.id.as_deref();
    Detail { text: &thought.text, summary: thought.summary, state, id, format, index }.write(w);
}

/// `extra_content.google.thought_signature` of a call.
pub(super) fn extra_content(w: &mut Writer, data: &str) {
    w.member_object("extra_content", |w| {
        w.member_object("google", |w| w.member("thought_signature", data));
    });
}

/// Where a picture of an answer can be seen.
pub(super) fn picture_url<'p>(part: &'p Part<'_>) -> Option<Cow<'p, str>> {
    let Part::Image(media) = part else { return None };
    match &media.source {
        Source::Url(url) => Some(Cow::Borrowed(url)),
        _ => media.data_url("image/png").map(Cow::Owned),
    }
}

/// The sound of a part.
pub(super) fn sound<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match part {
        Part::Audio(Media { source: Source::Base64(data), .. }) => Some(data),
        _ => None,
    }
}

/// A picture of an answer, in OpenRouter's form.
pub(super) fn picture(w: &mut Writer, url: &str, index: Option<usize>) {
    w.object(|w| {
        w.member("type", "image_url");
        w.member_object("image_url", |w| w.member("url", url));
        w.optional("index", index);
    });
}

/// Sound of an answer. It cannot be named in a later request, so it has expired already.
pub(super) fn audio(w: &mut Writer, id: &str, data: &str, created: u64) {
    w.member("id", &format!("audio_{id}"));
    w.member("data", data);
    w.member("expires_at", &created);
    w.member("transcript", "");
}

/// Clients parse the arguments even where there are none.
fn arguments<'c>(call: &'c ToolCall<'_>) -> &'c str {
    if call.arguments.is_empty() { "{}" } else { &call.arguments }
}

/// The texts of some parts, one behind the other: an answer's text is cut where it has citations or calls.
fn joined<'p>(parts: &'p [Part<'_>], text: impl Fn(&'p Part<'_>) -> Option<&'p str>) -> Option<Cow<'p, str>> {
    let mut texts = parts.iter().filter_map(text);
    let mut whole: Cow<'p, str> = Cow::Borrowed(texts.next()?);
    for more in texts {
        whole.to_mut().push_str(more);
    }
    Some(whole)
}
