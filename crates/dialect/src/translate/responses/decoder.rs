//! Streams of providers.

use super::super::answer::Event;
use super::super::error::DecodeError;
use super::super::request::{Part, Text};
use super::super::state::{State, StateKind};
use super::free_text_arguments;
use super::read_answer::{BETWEEN_SUMMARIES, picture, seconds, stop_reason};
use crate::Surface;
use crate::loose::{self, List, Number, Obj};
use crate::usage::RawUsage;
use serde::Deserialize;
use std::borrow::Cow;

/// Where events go.
type Sink<'s> = dyn FnMut(Event<'_>) + 's;

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEvent<'a> {
    #[serde(borrow)]
    r#type: loose::Text<'a>,
    output_index: Number,
    content_index: Number,
    summary_index: Number,
    #[serde(borrow)]
    delta: loose::Text<'a>,
    /// Of `.done` events.
    #[serde(borrow)]
    text: loose::Text<'a>,
    #[serde(borrow)]
    refusal: loose::Text<'a>,
    #[serde(borrow)]
    arguments: loose::Text<'a>,
    #[serde(borrow)]
    item: Obj<RawItem<'a>>,
    #[serde(borrow)]
    response: Obj<RawResponse<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawItem<'a> {
    #[serde(borrow)]
    r#type: loose::Text<'a>,
    #[serde(borrow)]
    id: loose::Text<'a>,
    #[serde(borrow)]
    call_id: loose::Text<'a>,
    #[serde(borrow)]
    name: loose::Text<'a>,
    #[serde(borrow)]
    arguments: loose::Text<'a>,
    #[serde(borrow)]
    input: loose::Text<'a>,
    #[serde(borrow)]
    encrypted_content: loose::Text<'a>,
    #[serde(borrow)]
    result: loose::Text<'a>,
    #[serde(borrow)]
    output_format: loose::Text<'a>,
    #[serde(borrow)]
    content: List<RawPart<'a>>,
    #[serde(borrow)]
    summary: List<RawPart<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPart<'a> {
    #[serde(borrow)]
    text: loose::Text<'a>,
    #[serde(borrow)]
    refusal: loose::Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawResponse<'a> {
    #[serde(borrow)]
    id: loose::Text<'a>,
    #[serde(borrow)]
    model: loose::Text<'a>,
    created_at: Number,
    #[serde(borrow)]
    status: loose::Text<'a>,
    #[serde(borrow)]
    incomplete_details: Obj<RawReason<'a>>,
    usage: Obj<RawUsage>,
    #[serde(borrow)]
    output: List<RawItem<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawReason<'a> {
    #[serde(borrow)]
    reason: loose::Text<'a>,
}

/// Most items of an answer. What a model does in one answer is some dozens.
const ITEMS_LIMIT: usize = 4096;

/// Follows one stream.
#[derive(Debug, Default)]
pub(in super::super) struct Decoder {
    started: bool,
    stopped: bool,
    ended: bool,
    /// Items seen so far, in the order of their first sign.
    items: Vec<Seen>,
    /// Calls and blocks of thought so far.
    calls: u32,
    thoughts: u32,
    said: bool,
    refused: bool,
}

/// What has been passed on of one item.
#[derive(Debug, Default)]
struct Seen {
    output_index: u64,
    done: bool,
    /// Parts of `content` of which something was passed on: the ones below this number.
    contents: u64,
    /// The same for `summary`.
    summaries: u64,
    /// Its number among the calls.
    call: Option<u32>,
    arguments: bool,
    /// The numbers of its thoughts and of their summary among the blocks of thought.
    thought: Option<u32>,
    summary: Option<u32>,
}

impl Decoder {
    pub(in super::super) fn read(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), DecodeError> {
        let data = data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" || self.ended {
            return Ok(());
        }
        let event: RawEvent<'_> =
            serde_json::from_slice(data).map_err(|error| DecodeError::syntax(&error))?;
        let Some(kind) = event.r#type.get().or(name) else { return Ok(()) };
        if self.items.len() >= ITEMS_LIMIT {
            let reason = format!("has more than {ITEMS_LIMIT} items");
            return Err(DecodeError::Value { path: "output".to_owned(), reason });
        }
        match kind {
            // The second of these names stands in OpenRouter's documentation.
            "response.output_text.delta" | "response.content_part.delta" => self.said(&event, false, sink),
            "response.refusal.delta" => self.said(&event, true, sink),
            "response.output_text.done" | "response.refusal.done" => {
                let content = event.content_index.count();
                if content >= self.seen(&event).contents {
                    self.said(&event, kind == "response.refusal.done", sink);
                }
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_summary_text.done" => {
                self.summary(&event, sink);
            }
            "response.reasoning_text.delta" | "response.reasoning_text.done" | "response.reasoning.delta" => {
                self.thought(&event, sink);
            }
            "response.function_call_arguments.delta" => self.arguments(&event, sink),
            "response.function_call_arguments.done" if !self.seen(&event).arguments => {
                self.arguments(&event, sink);
            }
            "response.output_item.added" => {
                if let Some(item) = &event.item.0 {
                    self.start(&RawResponse::default(), sink);
                    let next = self.items.last().map_or(0, |item| item.output_index.saturating_add(1));
                    let index = event.output_index.0.map_or(next, |_| event.output_index.count());
                    self.begin(number(index), item, sink);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = &event.item.0 {
                    self.start(&RawResponse::default(), sink);
                    self.complete(event.output_index, item, sink);
                }
            }
            "response.output_text.annotation.added" => {
                let (item, part) = (event.output_index.count(), event.content_index.count());
                sink(Event::Lost(format!("output[{item}].content[{part}].annotations")));
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                if let Some(response) = &event.response.0 {
                    self.start(response, sink);
                }
            }
            "response.completed" | "response.incomplete" | "response.done" | "response.cancelled" => {
                let response = event.response.0.unwrap_or_default();
                self.end(kind, response, sink);
            }
            _ => {}
        }
        Ok(())
    }

    pub(in super::super) fn finish(&mut self, sink: &mut Sink<'_>) {
        if self.ended {
            return;
        }
        self.start(&RawResponse::default(), sink);
        self.stop(None, sink);
        self.ended = true;
        sink(Event::End);
    }

    fn start(&mut self, response: &RawResponse<'_>, sink: &mut Sink<'_>) {
        if self.started {
            return;
        }
        self.started = true;
        sink(Event::Start {
            id: text(&response.id).into(),
            model: text(&response.model).into(),
            created: response.created_at.0.map(seconds),
        });
    }

    /// The item an event is of.
    fn seen(&mut self, event: &RawEvent<'_>) -> &mut Seen {
        self.item(event.output_index)
    }

    /// An item by its index; without one the last.
    fn item(&mut self, index: Number) -> &mut Seen {
        let index = match index.0 {
            Some(_) => index.count(),
            None => self.items.last().map_or(0, |item| item.output_index),
        };
        // From the end: it is nearly always the last one.
        let at = self.items.iter().rposition(|item| item.output_index == index);
        let at = at.unwrap_or_else(|| {
            self.items.push(Seen { output_index: index, ..Seen::default() });
            self.items.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.items[at]
    }

    /// Text or a refusal, in pieces or whole.
    fn said(&mut self, event: &RawEvent<'_>, refusal: bool, sink: &mut Sink<'_>) {
        let whole = if refusal { &event.refusal } else { &event.text };
        let delta = event.delta.get().or(whole.get()).unwrap_or_default();
        if delta.is_empty() {
            return;
        }
        self.start(&RawResponse::default(), sink);
        let content = event.content_index.count();
        let item = self.seen(event);
        item.contents = item.contents.max(content.saturating_add(1));
        self.say(delta, refusal, sink);
    }

    fn say(&mut self, delta: &str, refusal: bool, sink: &mut Sink<'_>) {
        self.said |= !refusal;
        self.refused |= refusal;
        let delta = Cow::Borrowed(delta);
        sink(if refusal { Event::Refusal { choice: 0, delta } } else { Event::Text { choice: 0, delta } });
    }

    fn summary(&mut self, event: &RawEvent<'_>, sink: &mut Sink<'_>) {
        let part = event.summary_index.count();
        let passed = self.seen(event).summaries;
        let delta = match (event.delta.get(), event.text.get()) {
            (Some(delta), _) => delta,
            (None, Some(text)) if part >= passed => text,
            _ => return,
        };
        self.start(&RawResponse::default(), sink);
        self.summarise(event.output_index, part, delta, sink);
    }

    fn summarise(&mut self, index: Number, part: u64, delta: &str, sink: &mut Sink<'_>) {
        let next = self.thoughts;
        let item = self.item(index);
        let block = *item.summary.get_or_insert(next);
        let another = part >= item.summaries && item.summaries > 0;
        item.summaries = item.summaries.max(part.saturating_add(1));
        self.thoughts += u32::from(block == next);
        let mut send = |delta: &str| {
            sink(Event::Reasoning { choice: 0, item: block, delta: Cow::Borrowed(delta), summary: true });
        };
        if another {
            send(BETWEEN_SUMMARIES);
        }
        send(delta);
    }

    fn thought(&mut self, event: &RawEvent<'_>, sink: &mut Sink<'_>) {
        let part = event.content_index.count();
        let passed = self.seen(event).contents;
        let delta = match (event.delta.get(), event.text.get()) {
            (Some(delta), _) => delta,
            (None, Some(text)) if part >= passed => text,
            _ => return,
        };
        self.start(&RawResponse::default(), sink);
        self.think(event.output_index, part, delta, sink);
    }

    fn think(&mut self, index: Number, part: u64, delta: &str, sink: &mut Sink<'_>) {
        let next = self.thoughts;
        let item = self.item(index);
        let block = *item.thought.get_or_insert(next);
        item.contents = item.contents.max(part.saturating_add(1));
        self.thoughts += u32::from(block == next);
        sink(Event::Reasoning { choice: 0, item: block, delta: Cow::Borrowed(delta), summary: false });
    }

    fn arguments(&mut self, event: &RawEvent<'_>, sink: &mut Sink<'_>) {
        let delta = event.delta.get().or(event.arguments.get()).unwrap_or_default();
        let item = self.seen(event);
        // Without its beginning the call has no name: it comes whole when the item is done.
        if let (Some(call), false) = (item.call, delta.is_empty()) {
            item.arguments = true;
            sink(Event::ToolArguments { choice: 0, call, delta: Cow::Borrowed(delta) });
        }
    }

    /// An item begins.
    fn begin(&mut self, index: Number, item: &RawItem<'_>, sink: &mut Sink<'_>) {
        let (Some("function_call" | "custom_tool_call"), Some(name)) = (item.r#type.get(), item.name.get())
        else {
            // Everything else is known by its pieces; but pieces without an index belong to it.
            self.item(index);
            return;
        };
        let next = self.calls;
        let seen = self.item(index);
        if seen.call.is_some() {
            return;
        }
        seen.call = Some(next);
        self.calls += 1;
        let id = item.call_id.get().or(item.id.get()).unwrap_or_default();
        sink(Event::ToolStart {
            choice: 0,
            call: next,
            id: Cow::Borrowed(id),
            name: Cow::Borrowed(name),
            state: None,
        });
    }

    /// An item is complete: passes on what its pieces did not say.
    fn complete(&mut self, index: Number, item: &RawItem<'_>, sink: &mut Sink<'_>) {
        let seen = self.item(index);
        if std::mem::replace(&mut seen.done, true) {
            return;
        }
        let (index, contents) = (seen.output_index, seen.contents);
        match item.r#type.get() {
            Some("message") | None => {
                for (_, part) in (0..).zip(&item.content.0).filter(|(at, _)| *at >= contents) {
                    match (part.text.get(), part.refusal.get()) {
                        (Some(text), _) => self.say(text, false, sink),
                        (None, Some(refusal)) => self.say(refusal, true, sink),
                        (None, None) => {}
                    }
                }
            }
            Some("reasoning") => self.complete_thoughts(index, item, sink),
            Some("function_call" | "custom_tool_call") => self.complete_call(index, item, sink),
            Some("image_generation_call") => {
                if let Some(data) = item.result.get() {
                    self.said = true;
                    let part = Part::Image(picture(Cow::Borrowed(data), item.output_format.get()));
                    sink(Event::Whole { choice: 0, part });
                }
            }
            Some(other) => sink(Event::Lost(format!("output[{index}] ({other})"))),
        }
    }

    fn complete_thoughts(&mut self, index: u64, item: &RawItem<'_>, sink: &mut Sink<'_>) {
        let number = number(index);
        let (contents, summaries) = (self.item(number).contents, self.item(number).summaries);
        for (at, part) in (0..).zip(&item.content.0).filter(|(at, _)| *at >= contents) {
            if let Some(text) = part.text.get() {
                self.think(number, at, text, sink);
            }
        }
        for (at, part) in (0..).zip(&item.summary.0).filter(|(at, _)| *at >= summaries) {
            if let Some(text) = part.text.get() {
                self.summarise(number, at, text, sink);
            }
        }
        let Some(data) = item.encrypted_content.get() else { return };
        let next = self.thoughts;
        let seen = self.item(number);
        let block = seen.summary.or(seen.thought).unwrap_or(next);
        self.thoughts += u32::from(block == next);
        let state = State::found(Surface::Responses, StateKind::Encrypted, Cow::Borrowed(data));
        let id = item.id.get().map(Cow::Borrowed);
        sink(Event::ReasoningState { choice: 0, item: block, state, id });
    }

    fn complete_call(&mut self, index: u64, item: &RawItem<'_>, sink: &mut Sink<'_>) {
        self.begin(number(index), item, sink);
        let seen = self.item(number(index));
        let Some(call) = seen.call else { return };
        if !std::mem::replace(&mut seen.arguments, true) {
            let whole: Text<'_> = match (item.input.0.as_deref(), item.arguments.get()) {
                (_, Some(arguments)) => Cow::Borrowed(arguments),
                (Some(input), None) => free_text_arguments(input),
                (None, None) => Cow::Borrowed(""),
            };
            if !whole.is_empty() {
                sink(Event::ToolArguments { choice: 0, call, delta: whole });
            }
        }
        sink(Event::ToolEnd { choice: 0, call });
    }

    fn end(&mut self, kind: &str, response: RawResponse<'_>, sink: &mut Sink<'_>) {
        self.start(&response, sink);
        // A provider that said nothing on the way says it here.
        if !self.said && !self.refused && self.calls == 0 && self.thoughts == 0 {
            for (at, item) in (0..).zip(response.output.0.iter().take(ITEMS_LIMIT)) {
                self.complete(number(at), item, sink);
            }
            if response.output.0.len() > ITEMS_LIMIT {
                sink(Event::Lost(format!("output[{ITEMS_LIMIT}]")));
            }
        }
        if let Some(usage) = &response.usage.0 {
            sink(Event::Usage(usage.usage()));
        }
        let status = response.status.get();
        let incomplete = kind == "response.incomplete" || status == Some("incomplete");
        let details = response.incomplete_details.0.unwrap_or_default();
        let reason = if incomplete {
            Some(details.reason.get().unwrap_or("incomplete"))
        } else if kind == "response.cancelled" || status == Some("cancelled") {
            Some("cancelled")
        } else {
            None
        };
        self.stop(reason, sink);
        self.ended = true;
        sink(Event::End);
    }

    fn stop(&mut self, reason: Option<&str>, sink: &mut Sink<'_>) {
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        let refused = self.refused && !self.said;
        let reason = stop_reason(reason.map(Cow::Borrowed), self.calls > 0, refused);
        sink(Event::Stop { choice: 0, reason });
    }
}

fn text<'t>(text: &'t loose::Text<'_>) -> &'t str {
    text.get().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "an index above 2^53 does not occur")]
fn number(index: u64) -> Number {
    Number(Some(index as f64))
}
