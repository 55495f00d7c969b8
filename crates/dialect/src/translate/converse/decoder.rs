//! The events of `converse-stream`, once they are server-sent events whose `event:` is their type.

use super::formats::Kind;
use super::read_answer::stop;
use crate::Surface;
use crate::loose::{Filled, Number, Obj, Text as LooseText};
use crate::translate::DecodeError;
use crate::translate::answer::Event;
use crate::translate::request::{Media, Part, Source};
use crate::translate::state::{State, StateKind};
use crate::usage::RawUsage;
use serde::Deserialize;
use std::borrow::Cow;

/// Most blocks that are open at once. The API has one.
const OPEN_LIMIT: usize = 256;

/// Follows one stream.
#[derive(Debug, Default)]
pub(in crate::translate) struct Decoder {
    started: bool,
    stopped: bool,
    counted: bool,
    ended: bool,
    /// Blocks that are open.
    open: Vec<Open>,
    /// Calls so far.
    calls: u32,
    /// Blocks of thought so far.
    thoughts: u32,
}

/// A block that is open.
#[derive(Debug)]
struct Open {
    index: u64,
    kind: Opened,
}

#[derive(Debug)]
enum Opened {
    Call {
        call: u32,
        any: bool,
    },
    Thought {
        item: u32,
        signature: String,
    },
    Image {
        format: String,
        base64: String,
    },
    /// Something no dialect here knows: its pieces are lost with it.
    Lost,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Data<'a> {
    content_block_index: Number,
    #[serde(borrow)]
    start: Obj<Start<'a>>,
    #[serde(borrow)]
    delta: Obj<Delta<'a>>,
    #[serde(borrow)]
    stop_reason: LooseText<'a>,
    #[serde(borrow)]
    additional_model_response_fields: Obj<Own<'a>>,
    usage: Obj<RawUsage>,
    trace: Obj<Trace>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow)]
    tool_use: Obj<ToolUse<'a>>,
    #[serde(borrow)]
    image: Obj<ImageStart<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ToolUse<'a> {
    #[serde(borrow)]
    tool_use_id: LooseText<'a>,
    #[serde(borrow)]
    name: LooseText<'a>,
    /// Says that the provider runs it itself.
    #[serde(borrow)]
    r#type: LooseText<'a>,
    #[serde(borrow)]
    input: LooseText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ImageStart<'a> {
    #[serde(borrow)]
    format: LooseText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(borrow)]
    text: LooseText<'a>,
    #[serde(borrow)]
    tool_use: Obj<ToolUse<'a>>,
    #[serde(borrow)]
    reasoning_content: Obj<Reasoning<'a>>,
    #[serde(borrow)]
    image: Obj<ImageDelta<'a>>,
    citation: Filled,
    tool_result: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(borrow)]
    text: LooseText<'a>,
    #[serde(borrow)]
    signature: LooseText<'a>,
    #[serde(borrow)]
    redacted_content: LooseText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ImageDelta<'a> {
    #[serde(borrow)]
    source: Obj<ImageSource<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ImageSource<'a> {
    #[serde(borrow)]
    bytes: LooseText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Own<'a> {
    #[serde(borrow)]
    stop_sequence: LooseText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Trace {
    guardrail: Filled,
}

type Sink<'s> = dyn FnMut(Event<'_>) + 's;

impl Decoder {
    /// Reads one event.
    pub(in crate::translate) fn read(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), DecodeError> {
        let Some(name) = name else { return Ok(()) };
        let known = [
            "messageStart",
            "contentBlockStart",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata",
        ];
        if self.ended || name.ends_with("Exception") || name == "error" {
            return Ok(());
        }
        if !known.contains(&name) {
            sink(Event::Lost(name.to_owned()));
            return Ok(());
        }
        let data: Data<'_> = serde_json::from_slice(data).map_err(|error| DecodeError::syntax(&error))?;
        if self.open.len() >= OPEN_LIMIT {
            let reason = format!("is of more than {OPEN_LIMIT} blocks that never ended");
            return Err(DecodeError::Value { path: "contentBlockIndex".to_owned(), reason });
        }
        self.start(sink);
        let index = data.content_block_index.count();
        match name {
            "contentBlockStart" => self.block_start(index, data.start.0.unwrap_or_default(), sink),
            "contentBlockDelta" => self.block_delta(index, data.delta.0.unwrap_or_default(), sink),
            "contentBlockStop" => self.close(Some(index), sink),
            "messageStop" => {
                self.close(None, sink);
                self.stop(data, sink);
            }
            "metadata" => {
                if data.trace.0.is_some_and(|trace| trace.guardrail.0) {
                    sink(Event::Lost("trace.guardrail".to_owned()));
                }
                if let Some(usage) = data.usage.0 {
                    sink(Event::Usage(usage.usage()));
                }
                self.counted = true;
            }
            _ => {}
        }
        if self.stopped && self.counted {
            self.end(sink);
        }
        Ok(())
    }

    /// The stream is over.
    pub(in crate::translate) fn finish(&mut self, sink: &mut Sink<'_>) {
        if self.started {
            self.end(sink);
        }
    }

    fn start(&mut self, sink: &mut Sink<'_>) {
        if !self.started {
            self.started = true;
            sink(Event::Start { id: Cow::Borrowed(""), model: Cow::Borrowed(""), created: None });
        }
    }

    fn end(&mut self, sink: &mut Sink<'_>) {
        if !self.ended {
            self.close(None, sink);
            self.ended = true;
            sink(Event::End);
        }
    }

    fn stop(&mut self, data: Data<'_>, sink: &mut Sink<'_>) {
        let Some(reason) = data.stop_reason.0 else { return };
        if !self.stopped {
            self.stopped = true;
            let sequence = data.additional_model_response_fields.0.and_then(|own| own.stop_sequence.0);
            sink(Event::Stop { choice: 0, reason: stop(reason, sequence) });
        }
    }

    fn block_start(&mut self, index: u64, start: Start<'_>, sink: &mut Sink<'_>) {
        // A block that was not closed, and whose number comes again.
        self.close(Some(index), sink);
        let kind = match start {
            Start { tool_use: Obj(Some(tool)), .. } if tool.r#type.get().is_some() => {
                sink(Event::Lost("contentBlockStart.start.toolUse".to_owned()));
                Opened::Lost
            }
            Start { tool_use: Obj(Some(tool)), .. } => {
                let call = self.calls;
                self.calls += 1;
                let (id, name) = (tool.tool_use_id.0.unwrap_or_default(), tool.name.0.unwrap_or_default());
                sink(Event::ToolStart { choice: 0, call, id, name, state: None });
                Opened::Call { call, any: false }
            }
            Start { image: Obj(Some(image)), .. } => {
                let format = image.format.get().unwrap_or_default().to_owned();
                Opened::Image { format, base64: String::new() }
            }
            // Text and thoughts have no start of their own; anything else shows itself by its pieces.
            _ => return,
        };
        self.open.push(Open { index, kind });
    }

    fn block_delta(&mut self, index: u64, delta: Delta<'_>, sink: &mut Sink<'_>) {
        if let Some(text) = delta.text.0 {
            sink(Event::Text { choice: 0, delta: text });
        }
        if let Some(tool) = delta.tool_use.0 {
            self.arguments(index, tool, sink);
        }
        if let Some(reasoning) = delta.reasoning_content.0 {
            self.reasoning(index, reasoning, sink);
        }
        if let Some(image) = delta.image.0 {
            self.image(index, image, sink);
        }
        if delta.citation.0 {
            sink(Event::Lost("contentBlockDelta.delta.citation".to_owned()));
        }
        if delta.tool_result.0 {
            sink(Event::Lost("contentBlockDelta.delta.toolResult".to_owned()));
        }
    }

    fn arguments(&mut self, index: u64, tool: ToolUse<'_>, sink: &mut Sink<'_>) {
        let Some(delta) = tool.input.0.filter(|delta| !delta.is_empty()) else { return };
        match self.open.iter_mut().find(|open| open.index == index).map(|open| &mut open.kind) {
            Some(Opened::Call { call, any }) => {
                *any = true;
                sink(Event::ToolArguments { choice: 0, call: *call, delta });
            }
            Some(_) => {}
            // Arguments of a call whose beginning never came: nobody knows which function.
            None => sink(Event::Lost("contentBlockDelta.delta.toolUse".to_owned())),
        }
    }

    fn reasoning(&mut self, index: u64, piece: Reasoning<'_>, sink: &mut Sink<'_>) {
        if !self.open.iter().any(|open| open.index == index) {
            let kind = Opened::Thought { item: self.thoughts, signature: String::new() };
            self.thoughts += 1;
            self.open.push(Open { index, kind });
        }
        let found = self.open.iter_mut().find(|open| open.index == index).map(|open| &mut open.kind);
        let Some(Opened::Thought { item, signature }) = found else { return };
        let item = *item;
        if let Some(delta) = piece.text.0.filter(|delta| !delta.is_empty()) {
            sink(Event::Reasoning { choice: 0, item, delta, summary: false });
        }
        // May come in pieces; it is of use as a whole only.
        signature.push_str(piece.signature.get().unwrap_or_default());
        if let Some(data) = piece.redacted_content.0.filter(|data| !data.is_empty()) {
            let state = State::found(Surface::Converse, StateKind::Encrypted, data);
            sink(Event::ReasoningState { choice: 0, item, state, id: None });
        }
    }

    fn image(&mut self, index: u64, image: ImageDelta<'_>, sink: &mut Sink<'_>) {
        let bytes = image.source.0.and_then(|source| source.bytes.0).unwrap_or_default();
        let found = self.open.iter_mut().find(|open| open.index == index).map(|open| &mut open.kind);
        match found {
            // Two pieces of base64 are one only if the first is not padded.
            Some(Opened::Image { base64, .. }) if !base64.ends_with('=') => base64.push_str(&bytes),
            _ => sink(Event::Lost("contentBlockDelta.delta.image".to_owned())),
        }
    }

    /// Closes a block, or all.
    fn close(&mut self, index: Option<u64>, sink: &mut Sink<'_>) {
        let mut at = 0;
        while let Some(open) = self.open.get(at) {
            if index.is_some_and(|index| index != open.index) {
                at += 1;
                continue;
            }
            match self.open.remove(at).kind {
                Opened::Lost => {}
                Opened::Call { call, any } => {
                    if !any {
                        // A call without arguments has an empty object of them.
                        sink(Event::ToolArguments { choice: 0, call, delta: Cow::Borrowed("{}") });
                    }
                    sink(Event::ToolEnd { choice: 0, call });
                }
                Opened::Thought { signature, .. } if signature.is_empty() => {}
                Opened::Thought { item, signature } => {
                    let data = Cow::Owned(signature);
                    let state = State::found(Surface::Converse, StateKind::Signature, data);
                    sink(Event::ReasoningState { choice: 0, item, state, id: None });
                }
                Opened::Image { format, base64 } => match Kind::Image.media_type(&format) {
                    Some(media_type) if !base64.is_empty() => {
                        let media = Media::new(Source::Base64(base64.into()), Some(media_type.into()));
                        sink(Event::Whole { choice: 0, part: Part::Image(media) });
                    }
                    _ => sink(Event::Lost("contentBlockStart.start.image".to_owned())),
                },
            }
        }
    }
}
