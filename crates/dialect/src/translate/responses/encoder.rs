//! Streams for clients.
//!
//! The events and their order are those of the API reference; what is written must be put together by the stream
//! helpers of OpenAI's SDKs, which want an item before its pieces, the same ids from beginning to end, and an output
//! index for each item in the order of their beginnings.

use super::super::answer::Event;
use super::super::fields::owned;
use super::super::request::{Part, Source};
use super::super::state::State;
use super::super::{AnswerContext, Echo};
use super::frames::{Frames, Place};
use super::object::{Body, Head, Item, Piece, Status, id_stem, response_id, write_response, write_summary};
use super::write_answer::format;
use super::{free_text, settings};
use crate::{Surface, Usage};
use std::borrow::Cow;
use std::fmt;

/// Most blocks of thought that wait for their state at once. Models write one after the other.
const MOST_THOUGHTS: usize = 64;

/// Writes one stream. Keeps the whole answer, since the last event repeats it.
pub(in super::super) struct Encoder {
    id: String,
    stem: String,
    model: String,
    provider: String,
    created: u64,
    echo: Echo,
    frames: Frames,
    started: bool,
    ended: bool,
    slots: Vec<Slot>,
    /// The message that is open.
    message: Option<usize>,
    /// Blocks of thought that may be open, and their places in the output.
    thoughts: Vec<(u32, usize)>,
    /// Calls and their places in the output.
    calls: Vec<(u32, usize)>,
    usage: Option<Usage>,
    status: Option<Status>,
}

/// An item of the output.
struct Slot {
    item: Item<'static>,
    /// In progress as long as pieces of it may come.
    status: Status,
}

impl fmt::Debug for Encoder {
    /// Without the answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("items", &self.slots.len())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    pub(in super::super) fn new(context: &AnswerContext<'_>) -> Self {
        Self {
            id: response_id(context.id),
            stem: String::new(),
            model: context.model.to_owned(),
            provider: context.provider.to_owned(),
            created: context.now,
            echo: Echo::default(),
            frames: Frames::default(),
            started: false,
            ended: false,
            slots: Vec::new(),
            message: None,
            thoughts: Vec::new(),
            calls: Vec::new(),
            usage: None,
            status: None,
        }
    }

    /// Sets what the answer repeats of its request.
    pub(in super::super) fn repeat(&mut self, echo: &Echo) {
        self.echo = echo.clone();
    }

    /// Writes what an event means to the client; returns what of it has no form here.
    pub(in super::super) fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Option<String> {
        if self.ended {
            return None;
        }
        if let Event::Start { id, model, created } = event {
            self.start(&id, &model, created, out);
            return None;
        }
        self.start("", "", None, out);
        match event {
            // This API has one answer to a request.
            Event::Text { choice: choice @ 1.., .. }
            | Event::Refusal { choice: choice @ 1.., .. }
            | Event::Reasoning { choice: choice @ 1.., .. }
            | Event::ReasoningState { choice: choice @ 1.., .. }
            | Event::ToolStart { choice: choice @ 1.., .. }
            | Event::ToolArguments { choice: choice @ 1.., .. }
            | Event::ToolEnd { choice: choice @ 1.., .. }
            | Event::Whole { choice: choice @ 1.., .. }
            | Event::Stop { choice: choice @ 1.., .. } => return Some(format!("choices[{choice}]")),
            Event::Text { delta, .. } => self.text(&delta, false, out),
            Event::Refusal { delta, .. } => self.text(&delta, true, out),
            Event::Reasoning { item, delta, .. } => self.thought(item, &delta, out),
            Event::ReasoningState { item, state, .. } => self.thought_state(item, &state, out),
            Event::ToolStart { call, id, name, state, .. } => {
                self.call(call, &id, &name, state.as_ref(), out);
            }
            Event::ToolArguments { call, delta, .. } => self.arguments(call, &delta, out),
            Event::ToolEnd { call, .. } => {
                if let Some(at) = find(&self.calls, call) {
                    self.close(at, Status::Completed, out);
                }
            }
            Event::Whole { part, .. } => return self.whole(part, out),
            Event::Stop { reason, .. } => {
                self.status.get_or_insert(Status::of(&reason));
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::End => self.end(out),
            Event::Start { .. } | Event::Lost(_) => {}
        }
        None
    }

    fn start(&mut self, id: &str, model: &str, created: Option<u64>, out: &mut Vec<u8>) {
        if self.started {
            return;
        }
        self.started = true;
        if !id.is_empty() {
            self.id = response_id(id);
        }
        if !model.is_empty() {
            model.clone_into(&mut self.model);
        }
        self.created = created.unwrap_or(self.created);
        self.stem = id_stem(&self.id);
        for kind in ["response.created", "response.in_progress"] {
            self.response(kind, Status::InProgress, out);
        }
    }

    fn response(&mut self, kind: &str, status: Status, out: &mut Vec<u8>) {
        let head = Head {
            id: &self.id,
            created: self.created,
            model: &self.model,
            repeated: settings::members(&self.echo),
        };
        let (slots, usage) = (&self.slots, self.usage.as_ref());
        self.frames.send(out, kind, |w| {
            w.key("response");
            write_response(w, &head, status, slots.iter().map(|slot| (&slot.item, slot.status)), usage);
        });
    }

    /// A new item at the end of the output.
    fn open(&mut self, body: Body<'static>, out: &mut Vec<u8>) -> usize {
        let at = self.slots.len();
        let item = Item::new(&self.stem, at, body);
        self.frames.send(out, "response.output_item.added", |w| {
            w.member("output_index", &at);
            w.key("item");
            item.write(w, Status::InProgress);
        });
        self.slots.push(Slot { item, status: Status::InProgress });
        at
    }

    fn text(&mut self, delta: &str, refusal: bool, out: &mut Vec<u8>) {
        if delta.is_empty() {
            return;
        }
        let at = match self.message {
            Some(at) => at,
            None => {
                self.close_thoughts(out);
                let at = self.open(Body::Message(Vec::new()), out);
                *self.message.insert(at)
            }
        };
        let Some(Slot { item: Item { id, body: Body::Message(pieces) }, .. }) = self.slots.get_mut(at) else {
            return;
        };
        let place = Place { item: id, output: at };
        if pieces.last().is_none_or(|last| last.refusal != refusal) {
            if let Some(last) = pieces.last() {
                end_piece(&mut self.frames, last, place, pieces.len() - 1, out);
            }
            let piece = Piece { text: Cow::Borrowed(""), refusal };
            send_piece(&mut self.frames, "response.content_part.added", &piece, place, pieces.len(), out);
            pieces.push(piece);
        }
        let index = Some(("content_index", pieces.len() - 1));
        if let Some(last) = pieces.last_mut() {
            last.text.to_mut().push_str(delta);
        }
        let kind = if refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        self.frames.text(out, kind, place, index, ("delta", delta));
    }

    /// The place of a block of thought, new if it is not open any more.
    fn thought_slot(&mut self, item: u32, out: &mut Vec<u8>) -> usize {
        let known = find(&self.thoughts, item);
        if let Some(at) =
            known.filter(|at| self.slots.get(*at).is_some_and(|slot| slot.status == Status::InProgress))
        {
            return at;
        }
        self.close_message(out);
        if self.thoughts.len() >= MOST_THOUGHTS {
            self.close_thoughts(out);
        }
        let at = self.open(Body::Reasoning { text: Cow::Borrowed(""), encrypted: None }, out);
        self.thoughts.push((item, at));
        at
    }

    fn thought(&mut self, item: u32, delta: &str, out: &mut Vec<u8>) {
        if delta.is_empty() {
            return;
        }
        let at = self.thought_slot(item, out);
        let Some(Slot { item: Item { id, body: Body::Reasoning { text, .. } }, .. }) = self.slots.get_mut(at)
        else {
            return;
        };
        let place = Place { item: id, output: at };
        if text.is_empty() {
            self.frames.of_item(out, "response.reasoning_summary_part.added", place, |w| {
                w.member("summary_index", &0);
                w.key("part");
                write_summary(w, "");
            });
        }
        text.to_mut().push_str(delta);
        let index = Some(("summary_index", 0));
        self.frames.text(out, "response.reasoning_summary_text.delta", place, index, ("delta", delta));
    }

    fn thought_state(&mut self, item: u32, state: &State<'_>, out: &mut Vec<u8>) {
        let written = owned(&state.written(Surface::Responses, &self.provider));
        let at = self.thought_slot(item, out);
        if let Some(Slot { item: Item { body: Body::Reasoning { encrypted, .. }, .. }, .. }) =
            self.slots.get_mut(at)
        {
            *encrypted = Some(written);
        }
        // The state is the end of its block.
        self.close(at, Status::Completed, out);
        self.thoughts.retain(|(_, place)| *place != at);
    }

    fn call(&mut self, call: u32, id: &str, name: &str, state: Option<&State<'_>>, out: &mut Vec<u8>) {
        if find(&self.calls, call).is_some() {
            return;
        }
        self.close_message(out);
        self.close_thoughts(out);
        if let Some(state) = state {
            // A call has no place for it; it is found again before the call.
            let encrypted = Some(owned(&state.written(Surface::Responses, &self.provider)));
            let at = self.open(Body::Reasoning { text: Cow::Borrowed(""), encrypted }, out);
            self.close(at, Status::Completed, out);
        }
        let id = match id {
            "" => Cow::Owned(format!("call_{}_{}", self.stem, self.slots.len())),
            id => owned(id),
        };
        let custom = self.echo.custom.iter().any(|custom| custom == name);
        let body = Body::Call { id, name: owned(name), arguments: Cow::Borrowed(""), custom };
        let at = self.open(body, out);
        self.calls.push((call, at));
    }

    fn arguments(&mut self, call: u32, delta: &str, out: &mut Vec<u8>) {
        let Some(at) = find(&self.calls, call) else { return };
        let Some(Slot {
            item: Item { id, body: Body::Call { arguments, custom, .. } },
            status: Status::InProgress,
        }) = self.slots.get_mut(at)
        else {
            return;
        };
        if delta.is_empty() {
            return;
        }
        arguments.to_mut().push_str(delta);
        // Free text stands inside of the arguments: it can be told when they are complete.
        if !*custom {
            let place = Place { item: id, output: at };
            let kind = "response.function_call_arguments.delta";
            self.frames.text(out, kind, place, None, ("delta", delta));
        }
    }

    fn whole(&mut self, part: Part<'_>, out: &mut Vec<u8>) -> Option<String> {
        match &part {
            Part::Text(text) => self.text(&text.text, false, out),
            Part::Refusal(text) => self.text(text, true, out),
            Part::Image(picture) => match &picture.source {
                Source::Base64(data) => {
                    self.close_message(out);
                    self.close_thoughts(out);
                    let at = self.open(Body::Picture { data: None, format: format(picture) }, out);
                    if let Some(Slot { item: Item { body: Body::Picture { data: slot, .. }, .. }, .. }) =
                        self.slots.get_mut(at)
                    {
                        *slot = Some(owned(data));
                    }
                    self.close(at, Status::Completed, out);
                }
                Source::Url(url) => self.text(url, false, out),
                Source::Text(_) | Source::FileId(_) => return Some(part.streamed(0)),
            },
            // Answers of this API have no sound, films or documents, and all else comes in pieces.
            _ => return Some(part.streamed(0)),
        }
        None
    }

    fn close_message(&mut self, out: &mut Vec<u8>) {
        if let Some(at) = self.message {
            self.close(at, Status::Completed, out);
        }
    }

    fn close_thoughts(&mut self, out: &mut Vec<u8>) {
        for (_, at) in std::mem::take(&mut self.thoughts) {
            self.close(at, Status::Completed, out);
        }
    }

    /// What ends an item, if it is open.
    fn close(&mut self, at: usize, status: Status, out: &mut Vec<u8>) {
        let Some(Slot { item, status: slot @ Status::InProgress }) = self.slots.get_mut(at) else { return };
        *slot = status;
        if self.message == Some(at) {
            self.message = None;
        }
        end_item(&mut self.frames, item, at, out);
        self.frames.send(out, "response.output_item.done", |w| {
            w.member("output_index", &at);
            w.key("item");
            item.write(w, status);
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        let status = self.status.unwrap_or(Status::Completed);
        for at in 0..self.slots.len() {
            // Only what stands last can have been cut.
            let last = at + 1 == self.slots.len();
            self.close(at, if last { status } else { Status::Completed }, out);
        }
        let kind = match status {
            Status::Incomplete(_) => "response.incomplete",
            _ => "response.completed",
        };
        self.response(kind, status, out);
    }
}

/// The place in the output of a block or call.
fn find(places: &[(u32, usize)], number: u32) -> Option<usize> {
    places.iter().rev().find(|(known, _)| *known == number).map(|(_, at)| *at)
}

/// The events that repeat an item's pieces as a whole.
fn end_item(frames: &mut Frames, item: &mut Item<'static>, at: usize, out: &mut Vec<u8>) {
    let place = Place { item: &item.id, output: at };
    match &mut item.body {
        Body::Message(pieces) => {
            if let Some(last) = pieces.last() {
                end_piece(frames, last, place, pieces.len() - 1, out);
            }
        }
        Body::Reasoning { text, .. } if text.is_empty() => {}
        Body::Reasoning { text, .. } => {
            let index = Some(("summary_index", 0));
            frames.text(out, "response.reasoning_summary_text.done", place, index, ("text", text));
            frames.of_item(out, "response.reasoning_summary_part.done", place, |w| {
                w.member("summary_index", &0);
                w.key("part");
                write_summary(w, text);
            });
        }
        Body::Call { arguments, custom: true, .. } => {
            let input = free_text(arguments).into_owned();
            let kind = "response.custom_tool_call_input.delta";
            frames.text(out, kind, place, None, ("delta", &input));
            frames.text(out, "response.custom_tool_call_input.done", place, None, ("input", &input));
            *arguments = Cow::Owned(input);
        }
        Body::Call { arguments, name, .. } => {
            if arguments.is_empty() {
                *arguments = Cow::Borrowed("{}");
                let kind = "response.function_call_arguments.delta";
                frames.text(out, kind, place, None, ("delta", arguments));
            }
            frames.of_item(out, "response.function_call_arguments.done", place, |w| {
                w.member("arguments", arguments);
                w.member("name", name);
            });
        }
        Body::Picture { .. } => {
            frames.of_item(out, "response.image_generation_call.completed", place, |_| {});
        }
    }
}

fn send_piece(
    frames: &mut Frames,
    kind: &str,
    piece: &Piece<'_>,
    place: Place<'_>,
    index: usize,
    out: &mut Vec<u8>,
) {
    frames.of_item(out, kind, place, |w| {
        w.member("content_index", &index);
        w.key("part");
        piece.write(w);
    });
}

fn end_piece(frames: &mut Frames, piece: &Piece<'_>, place: Place<'_>, index: usize, out: &mut Vec<u8>) {
    let (kind, member) = if piece.refusal {
        ("response.refusal.done", "refusal")
    } else {
        ("response.output_text.done", "text")
    };
    frames.text(out, kind, place, Some(("content_index", index)), (member, &piece.text));
    send_piece(frames, "response.content_part.done", piece, place, index, out);
}
