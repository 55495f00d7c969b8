//! Whole answers for clients.

use super::super::answer::Answer;
use super::super::fields::owned;
use super::super::request::{Media, Part, Source, Thought, ToolCall};
use super::super::writer::Writer;
use super::super::{AnswerContext, Echo, Translated};
use super::object::{Body, Head, Item, Piece, Status, id_stem, response_id, write_response};
use super::{free_text, settings};
use crate::Surface;
use std::borrow::Cow;

pub(in super::super) fn write_answer(
    answer: &Answer<'_>,
    context: &AnswerContext<'_>,
    echo: &Echo,
) -> Translated {
    let mut lost: Vec<String> = (1..answer.choices.len()).map(|at| format!("choices[{at}]")).collect();
    let id = response_id(if answer.id.is_empty() { context.id } else { &answer.id });
    let mut items = Items { stem: id_stem(&id), echo, context, items: Vec::new(), lost: &mut lost };
    let choice = answer.choices.first();
    choice.into_iter().flat_map(|choice| &choice.parts).for_each(|part| items.part(part));
    let items = items.items;
    let status = choice.and_then(|choice| choice.stop.as_ref()).map_or(Status::Completed, Status::of);
    let head = Head {
        id: &id,
        created: answer.created.unwrap_or(context.now),
        model: if answer.model.is_empty() { context.model } else { &answer.model },
        repeated: settings::members(echo),
    };
    let mut w = Writer::with_capacity(1024);
    // What stands last when an answer was cut is what was cut.
    let of = |at: usize| if at + 1 == items.len() { status } else { Status::Completed };
    let output = items.iter().enumerate().map(|(at, item)| (item, of(at)));
    write_response(&mut w, &head, status, output, answer.usage.as_ref());
    Translated { body: w.finish(), lost }
}

/// Makes items of parts.
struct Items<'p, 'l> {
    stem: String,
    echo: &'p Echo,
    context: &'p AnswerContext<'p>,
    items: Vec<Item<'p>>,
    lost: &'l mut Vec<String>,
}

impl<'p> Items<'p, '_> {
    fn push(&mut self, body: Body<'p>) {
        self.items.push(Item::new(&self.stem, self.items.len(), body));
    }

    fn part(&mut self, part: &'p Part<'_>) {
        match part {
            Part::Text(text) => {
                if text.annotations.is_some() {
                    self.lost.push("annotations".to_owned());
                }
                self.piece(Piece { text: Cow::Borrowed(&text.text), refusal: false });
            }
            Part::Refusal(text) => self.piece(Piece { text: Cow::Borrowed(text), refusal: true }),
            Part::Reasoning(thought) => self.thought(thought),
            Part::ToolCall(call) => self.call(call),
            Part::Image(picture) => self.picture(picture),
            Part::Document(_) => self.lost.push("document".to_owned()),
            Part::Audio(_) => self.lost.push("audio".to_owned()),
            Part::Video(_) => self.lost.push("video".to_owned()),
            Part::ToolResult(_) => self.lost.push("tool_result".to_owned()),
        }
    }

    fn piece(&mut self, piece: Piece<'p>) {
        match self.items.last_mut() {
            Some(Item { body: Body::Message(pieces), .. }) => pieces.push(piece),
            _ => self.push(Body::Message(vec![piece])),
        }
    }

    fn thought(&mut self, thought: &'p Thought<'_>) {
        let state = thought.state.as_ref();
        let encrypted = state.map(|state| state.written(Surface::Responses, self.context.provider));
        if encrypted.is_some() || !thought.text.is_empty() {
            self.push(Body::Reasoning { text: Cow::Borrowed(&thought.text), encrypted });
        }
    }

    fn call(&mut self, call: &'p ToolCall<'_>) {
        if let Some(state) = &call.state {
            // A call has no place for it; it is found again before the call.
            let encrypted = Some(state.written(Surface::Responses, self.context.provider));
            self.push(Body::Reasoning { text: Cow::Borrowed(""), encrypted });
        }
        let id = match &*call.id {
            "" => Cow::Owned(format!("call_{}_{}", self.stem, self.items.len())),
            id => Cow::Borrowed(id),
        };
        let custom = self.echo.custom.iter().any(|name| *name == call.name);
        let arguments = match &*call.arguments {
            arguments if custom => free_text(arguments),
            "" => Cow::Borrowed("{}"),
            arguments => Cow::Borrowed(arguments),
        };
        self.push(Body::Call { id, name: Cow::Borrowed(&call.name), arguments, custom });
    }

    fn picture(&mut self, picture: &'p Media<'_>) {
        match &picture.source {
            Source::Base64(data) => {
                let body = Body::Picture { data: Some(Cow::Borrowed(data)), format: format(picture) };
                self.push(body);
            }
            Source::Url(url) => self.piece(Piece { text: Cow::Borrowed(url), refusal: false }),
            Source::Text(_) | Source::FileId(_) => self.lost.push("image".to_owned()),
        }
    }
}

/// `output_format` of a picture.
pub(super) fn format(picture: &Media<'_>) -> Cow<'static, str> {
    match picture.media_type.as_deref().and_then(|kind| kind.strip_prefix("image/")) {
        Some(format) => owned(format),
        None => Cow::Borrowed("png"),
    }
}
