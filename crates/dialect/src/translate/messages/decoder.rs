//! Reading a provider's stream.

use super::super::answer::{Event, Stop};
use super::super::error::DecodeError;
use super::super::state::{State, StateKind};
use super::ends::read_stop;
use crate::Surface;
use crate::loose::{Number, Obj, Text};
use crate::usage::RawUsage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Most blocks that are open at once. The API has one.
const OPEN_LIMIT: usize = 256;

/// Follows the blocks of one message.
#[derive(Debug, Default)]
pub(in super::super) struct Decoder {
    blocks: Vec<Open>,
    /// Blocks of thought so far.
    thoughts: u32,
    /// Calls so far.
    calls: u32,
    started: bool,
    stopped: bool,
    ended: bool,
}

/// A block that has begun.
#[derive(Debug)]
struct Open {
    index: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thought(u32),
    /// `input` is what the start had already, until pieces come.
    Call {
        call: u32,
        input: Option<String>,
    },
    Unknown,
}

/// One event, whatever its type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    index: Number,
    #[serde(borrow)]
    message: Obj<Message<'a>>,
    #[serde(borrow)]
    content_block: Obj<Block<'a>>,
    #[serde(borrow)]
    delta: Obj<Delta<'a>>,
    usage: Obj<RawUsage>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    usage: Obj<RawUsage>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    partial_json: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow)]
    stop_sequence: Text<'a>,
    #[serde(borrow)]
    stop_details: Obj<Details<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    explanation: Text<'a>,
}

impl Decoder {
    /// Reads one event. OpenRouter closes with a `[DONE]` of OpenAI's.
    pub(in super::super) fn read(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), DecodeError> {
        let data = data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let raw: Raw<'_> = serde_json::from_slice(data).map_err(|error| DecodeError::syntax(&error))?;
        let index = raw.index.count();
        if self.blocks.len() >= OPEN_LIMIT {
            let reason = format!("is of more than {OPEN_LIMIT} blocks that never ended");
            return Err(DecodeError::Value { path: "index".to_owned(), reason });
        }
        match raw.r#type.get().or(name) {
            Some("message_start") => self.message_start(raw.message.0.unwrap_or_default(), sink),
            Some("content_block_start") => {
                self.block_start(index, raw.content_block.0.unwrap_or_default(), sink);
            }
            Some("content_block_delta") => self.delta(index, raw.delta.0.unwrap_or_default(), sink),
            Some("content_block_stop") => self.block_stop(index, sink),
            Some("message_delta") => {
                if let Some(usage) = &raw.usage.0 {
                    sink(Event::Usage(usage.usage()));
                }
                self.stop(raw.delta.0.unwrap_or_default(), sink);
            }
            Some("message_stop") => self.finish(sink),
            // `ping`, and what does not exist yet; errors are found by `StreamReader`.
            _ => {}
        }
        Ok(())
    }

    /// The answer is complete, whether or not it said so.
    pub(in super::super) fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if self.ended {
            return;
        }
        self.ended = true;
        for open in std::mem::take(&mut self.blocks) {
            close(open, sink);
        }
        sink(Event::End);
    }

    fn message_start(&mut self, message: Message<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        if !std::mem::replace(&mut self.started, true) {
            let (id, model) = (message.id.0.unwrap_or_default(), message.model.0.unwrap_or_default());
            sink(Event::Start { id, model, created: None });
        }
        if let Some(usage) = &message.usage.0 {
            sink(Event::Usage(usage.usage()));
        }
    }

    fn block_start(&mut self, index: u64, block: Block<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        // A block that begins again has ended, whether or not it said so.
        self.block_stop(index, sink);
        let kind = match block.r#type.get() {
            Some("text") => {
                text(block.text, sink);
                Kind::Text
            }
            Some("thinking") => {
                let item = self.thought();
                thought(item, block.thinking, sink);
                signature(item, block.signature, sink);
                Kind::Thought(item)
            }
            Some("redacted_thinking") => {
                let item = self.thought();
                if let Some(data) = block.data.0 {
                    let state = State::found(Surface::Messages, StateKind::Encrypted, data);
                    sink(Event::ReasoningState { choice: 0, item, state, id: None });
                }
                Kind::Thought(item)
            }
            Some("tool_use") => self.call(block, sink),
            _ => {
                sink(Event::Lost(format!("content[{index}]")));
                Kind::Unknown
            }
        };
        self.blocks.push(Open { index, kind });
    }

    fn call(&mut self, block: Block<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Kind {
        let call = self.calls;
        self.calls += 1;
        let (id, name) = (block.id.0.unwrap_or_default(), block.name.0.unwrap_or_default());
        sink(Event::ToolStart { choice: 0, call, id, name, state: None });
        let input = block.input.map(RawValue::get).filter(|input| !matches!(*input, "null" | "{}"));
        Kind::Call { call, input: input.map(str::to_owned) }
    }

    fn delta(&mut self, index: u64, delta: Delta<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let open = self.blocks.iter_mut().rev().find(|open| open.index == index).map(|open| &mut open.kind);
        match (open, delta.r#type.get()) {
            (Some(Kind::Unknown), _) => {}
            (Some(Kind::Call { call, input }), Some("input_json_delta")) => {
                let Some(delta) = delta.partial_json.0.filter(|delta| !delta.is_empty()) else { return };
                *input = None;
                sink(Event::ToolArguments { choice: 0, call: *call, delta });
            }
            (_, Some("text_delta")) => text(delta.text, sink),
            (Some(Kind::Thought(item)), Some("thinking_delta")) => thought(*item, delta.thinking, sink),
            (Some(Kind::Thought(item)), Some("signature_delta")) => signature(*item, delta.signature, sink),
            (None, Some("thinking_delta" | "signature_delta")) => {
                // The start of its block is missing.
                let item = self.thought();
                self.blocks.push(Open { index, kind: Kind::Thought(item) });
                thought(item, delta.thinking, sink);
                signature(item, delta.signature, sink);
            }
            (_, Some("citations_delta")) => sink(Event::Lost(format!("content[{index}].citations"))),
            (_, Some(kind)) => sink(Event::Lost(format!("content[{index}].{kind}"))),
            (_, None) => {}
        }
    }

    fn block_stop(&mut self, index: u64, sink: &mut dyn FnMut(Event<'_>)) {
        if let Some(at) = self.blocks.iter().rposition(|open| open.index == index) {
            close(self.blocks.remove(at), sink);
        }
    }

    fn stop(&mut self, delta: Delta<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let Some(reason) = delta.stop_reason.0 else { return };
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        let reason = read_stop(reason, delta.stop_sequence.0);
        if reason == Stop::Refusal
            && let Some(delta) = delta.stop_details.0.and_then(|details| details.explanation.0)
        {
            sink(Event::Refusal { choice: 0, delta });
        }
        sink(Event::Stop { choice: 0, reason });
    }

    fn thought(&mut self) -> u32 {
        self.thoughts += 1;
        self.thoughts - 1
    }
}

fn text(delta: Text<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    if let Some(delta) = delta.0.filter(|delta| !delta.is_empty()) {
        sink(Event::Text { choice: 0, delta });
    }
}

fn thought(item: u32, delta: Text<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    if let Some(delta) = delta.0.filter(|delta| !delta.is_empty()) {
        sink(Event::Reasoning { choice: 0, item, delta, summary: false });
    }
}

fn signature(item: u32, data: Text<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    if let Some(data) = data.0.filter(|data| !data.is_empty()) {
        let state = State::found(Surface::Messages, StateKind::Signature, data);
        sink(Event::ReasoningState { choice: 0, item, state, id: None });
    }
}

fn close(open: Open, sink: &mut dyn FnMut(Event<'_>)) {
    let Kind::Call { call, input } = open.kind else { return };
    if let Some(input) = input {
        // Some servers send a call in one piece.
        sink(Event::ToolArguments { choice: 0, call, delta: Cow::Owned(input) });
    }
    sink(Event::ToolEnd { choice: 0, call });
}
