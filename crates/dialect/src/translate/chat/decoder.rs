//! Reading the chunks of a provider's stream.

use super::super::DecodeError;
use super::super::answer::{Event, Stop};
use super::super::request::{Media, Part, Text};
use super::super::state::StateKind;
use super::chunk::{Chunk, Delta, DetailDelta, FunctionDelta, Piece, ToolDelta};
use super::{details, stop};
use std::borrow::Cow;

/// Most choices of an answer: OpenAI's limit of `n`.
const CHOICES_LIMIT: u64 = 128;
/// Most calls of a choice; OpenAI allows 128 tools.
const CALLS_LIMIT: usize = 1024;

type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// Reads chunks; what ends choices is held until the stream ends, since reasons come twice and figures behind them.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    started: bool,
    ended: bool,
    choices: Vec<Choice>,
}

#[derive(Debug, Default)]
struct Choice {
    number: u32,
    stop: Option<Stop<'static>>,
    refused: bool,
    calls: Vec<Call>,
    thought: Option<Item>,
}

/// A call that has begun.
#[derive(Debug, Default)]
struct Call {
    /// Its number on the wire.
    index: Option<u64>,
    id: String,
    /// Told to the sink; not before the name is known.
    started: bool,
    /// What came before the name.
    arguments: String,
    signature: Option<String>,
}

/// The block of thought that is open.
#[derive(Debug, Default)]
struct Item {
    number: u32,
    /// Its number on the wire.
    index: Option<u64>,
    summary: bool,
    has_text: bool,
    /// Its state has come: what follows is another one.
    closed: bool,
    /// Something else has come since: more text is another one.
    interrupted: bool,
}

impl Decoder {
    pub(crate) fn read(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        let data = data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|error| DecodeError::syntax(&error))?;
        if !self.started {
            self.started = true;
            sink(Event::Start {
                id: Cow::Borrowed(chunk.id.get().unwrap_or_default()),
                model: Cow::Borrowed(chunk.model.get().unwrap_or_default()),
                created: chunk.created.0.map(|_| chunk.created.count()),
            });
        }
        for choice in &chunk.choices.0 {
            if choice.index.count() >= CHOICES_LIMIT {
                let reason = "must be below 128".to_owned();
                return Err(DecodeError::Value { path: "choices[].index".into(), reason });
            }
            let number = u32::try_from(choice.index.count()).unwrap_or_default();
            let state = self.choice(number);
            if let Some(delta) = choice.delta.0.as_ref() {
                state.delta(delta, sink)?;
            }
            if choice.logprobs.0 {
                sink(Event::Lost("choices[].logprobs".into()));
            }
            if let (Some(reason), None) = (choice.finish_reason.get(), &state.stop) {
                state.stop = Some(stop::read(reason, choice.native_finish_reason.get()));
            }
        }
        let groq = chunk.x_groq.0.as_ref().and_then(|groq| groq.usage.0.as_ref());
        if let Some(usage) = chunk.usage.0.as_ref().or(groq) {
            sink(Event::Usage(usage.usage()));
        }
        Ok(())
    }

    /// Ends the calls, gives the reasons, and ends the answer.
    pub(crate) fn finish(&mut self, sink: &mut Sink<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if !self.started {
            sink(Event::Start { id: Text::default(), model: Text::default(), created: None });
        }
        for choice in &mut self.choices {
            choice.finish(sink);
        }
        sink(Event::End);
    }

    fn choice(&mut self, number: u32) -> &mut Choice {
        let at = self.choices.iter().position(|choice| choice.number == number);
        let at = at.unwrap_or_else(|| {
            self.choices.push(Choice { number, ..Choice::default() });
            self.choices.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found, or pushed just now")]
        &mut self.choices[at]
    }
}

impl Choice {
    fn delta(&mut self, delta: &Delta<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        let choice = self.number;
        self.thoughts(delta, sink);
        for piece in &delta.content.0 {
            match piece {
                Piece::Text(text) if !text.is_empty() => {
                    self.interrupt();
                    sink(Event::Text { choice, delta: Cow::Borrowed(text) });
                }
                Piece::Text(_) => {}
                Piece::Thought(text) => self.thought(text, None, false, sink),
                Piece::Unknown => sink(Event::Lost("choices[].delta.content[]".into())),
            }
        }
        if let Some(text) = delta.refusal.get() {
            self.interrupt();
            self.refused = true;
            sink(Event::Refusal { choice, delta: Cow::Borrowed(text) });
        }
        for call in &delta.tool_calls.0 {
            self.call(call, sink)?;
        }
        if let Some(function) = &delta.function_call.0 {
            self.function(None, "", None, function, sink)?;
        }
        for image in &delta.images.0 {
            let url = image.image_url.0.as_ref().and_then(|image| image.url.get());
            if let Some(url) = url {
                self.interrupt();
                let media = Media::from_url(Cow::Borrowed(url));
                sink(Event::Whole { choice, part: Part::Image(media) });
            }
        }
        if let Some(audio) = &delta.audio.0 {
            if let Some(text) = audio.transcript.get() {
                self.interrupt();
                sink(Event::Text { choice, delta: Cow::Borrowed(text) });
            }
            if audio.data.0 {
                sink(Event::Lost("choices[].delta.audio.data".into()));
            }
        }
        if delta.annotations.0 {
            sink(Event::Lost("choices[].delta.annotations".into()));
        }
        Ok(())
    }

    fn interrupt(&mut self) {
        if let Some(item) = &mut self.thought {
            item.interrupted = true;
        }
    }

    /// The details have the same text as `reasoning`, with what proves it.
    fn thoughts(&mut self, delta: &Delta<'_>, sink: &mut Sink<'_>) {
        let details = &delta.reasoning_details.0;
        if !details.iter().any(|detail| detail.text().is_some()) {
            let plain = delta.reasoning_content.get().or(delta.reasoning.get());
            if let Some(text) = plain {
                self.thought(text, None, false, sink);
            }
        }
        for detail in details {
            self.detail(detail, sink);
        }
    }

    fn thought(&mut self, text: &str, index: Option<u64>, summary: bool, sink: &mut Sink<'_>) {
        if text.is_empty() {
            return;
        }
        let fits = |item: &Item| !item.interrupted && (!item.has_text || item.summary == summary);
        let item = self.item(index, fits);
        (item.summary, item.has_text) = (summary, true);
        let item = item.number;
        sink(Event::Reasoning { choice: self.number, item, delta: Cow::Borrowed(text), summary });
    }

    fn detail(&mut self, detail: &DetailDelta<'_>, sink: &mut Sink<'_>) {
        let index = detail.index.0.map(|_| detail.index.count());
        let (kind, data) = match detail.r#type.get() {
            Some("reasoning.text") => (StateKind::Signature, detail.signature.get()),
            Some("reasoning.encrypted") => (StateKind::Encrypted, detail.data.get()),
            // What proves a summary is a detail of its own.
            Some("reasoning.summary") => (StateKind::Encrypted, None),
            _ => return sink(Event::Lost("choices[].delta.reasoning_details[]".into())),
        };
        if let Some(text) = detail.text() {
            self.thought(text, index, detail.r#type.get() == Some("reasoning.summary"), sink);
        }
        let Some(data) = data else { return };
        let state = details::state(kind, detail.format.get().unwrap_or_default(), Cow::Borrowed(data));
        let choice = self.number;
        let item = self.item(index, |_| true);
        item.closed = true;
        let id = detail.id.get().map(Cow::Borrowed);
        sink(Event::ReasoningState { choice, item: item.number, state, id });
    }

    /// The open block if it goes on, else a new one.
    fn item(&mut self, index: Option<u64>, fits: impl Fn(&Item) -> bool) -> &mut Item {
        let number = self.thought.as_ref().map_or(0, |item| item.number.saturating_add(1));
        let goes_on = |item: &Item| {
            let same = index.is_none() || item.index.is_none() || item.index == index;
            !item.closed && same && fits(item)
        };
        let open = self.thought.take().filter(goes_on);
        let mut item = open.unwrap_or(Item { number, ..Item::default() });
        item.index = item.index.or(index);
        self.thought.insert(item)
    }

    fn call(&mut self, call: &ToolDelta<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        let index = call.index.0.map(|_| call.index.count());
        let google = call.extra_content.0.as_ref().and_then(|extra| extra.google.0.as_ref());
        let signature = google.and_then(|google| google.thought_signature.get());
        match &call.function.0 {
            Some(function) => {
                self.function(index, call.id.get().unwrap_or_default(), signature, function, sink)
            }
            None => {
                let function = FunctionDelta::default();
                self.function(index, call.id.get().unwrap_or_default(), signature, &function, sink)
            }
        }
    }

    fn function(
        &mut self,
        index: Option<u64>,
        id: &str,
        signature: Option<&str>,
        function: &FunctionDelta<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), DecodeError> {
        self.interrupt();
        let choice = self.number;
        let name = function.name.get();
        let at = self.call_at(index, id, name);
        if at >= CALLS_LIMIT {
            let reason = format!("must have at most {CALLS_LIMIT} calls");
            return Err(DecodeError::Value { path: "choices[].delta.tool_calls".into(), reason });
        }
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if call.id.is_empty() && !call.started {
            id.clone_into(&mut call.id);
        }
        if let (None, Some(signature)) = (&call.signature, signature) {
            call.signature = Some(signature.to_owned());
        }
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        if let (false, Some(name)) = (call.started, name) {
            call.start(choice, number, name, sink);
        }
        if let Some(arguments) = function.arguments.get() {
            if call.started {
                sink(Event::ToolArguments { choice, call: number, delta: Cow::Borrowed(arguments) });
            } else {
                call.arguments.push_str(arguments);
            }
        }
        Ok(())
    }

    /// Where the call stands that a piece belongs to. Servers leave out the index, or give every call the same: then
    /// another id begins another call.
    fn call_at(&mut self, index: Option<u64>, id: &str, name: Option<&str>) -> usize {
        let known = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None if !id.is_empty() => self.calls.iter().rposition(|call| call.id == id),
            None if name.is_some() && self.calls.iter().any(|call| call.started) => None,
            None => self.calls.len().checked_sub(1),
        };
        let other = |at: &usize| {
            let call = self.calls.get(*at);
            call.is_some_and(|call| {
                call.started && name.is_some() && !id.is_empty() && !call.id.is_empty() && call.id != id
            })
        };
        if let Some(at) = known.filter(|at| !other(at)) {
            return at;
        }
        if self.calls.len() < CALLS_LIMIT {
            self.calls.push(Call { index, ..Call::default() });
            return self.calls.len() - 1;
        }
        CALLS_LIMIT
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        let choice = self.number;
        for (number, call) in (0..).zip(&mut self.calls) {
            // A call whose name never came is passed on as it is; an empty delta is none.
            let said = !call.id.is_empty() || !call.arguments.is_empty();
            if said && !call.started {
                call.start(choice, number, "", sink);
            }
            if call.started {
                sink(Event::ToolEnd { choice, call: number });
            }
        }
        match self.stop.take() {
            Some(Stop::End) if self.refused => sink(Event::Stop { choice, reason: Stop::Refusal }),
            Some(reason) => sink(Event::Stop { choice, reason }),
            None => {}
        }
    }
}

impl Call {
    fn start(&mut self, choice: u32, call: u32, name: &str, sink: &mut Sink<'_>) {
        self.started = true;
        let signature = self.signature.as_deref();
        let state = signature.map(|data| details::state(StateKind::Signature, "", Cow::Borrowed(data)));
        let (id, name) = (Cow::Borrowed(&*self.id), Cow::Borrowed(name));
        sink(Event::ToolStart { choice, call, id, name, state });
        let before = std::mem::take(&mut self.arguments);
        if !before.is_empty() {
            sink(Event::ToolArguments { choice, call, delta: Cow::Owned(before) });
        }
    }
}
