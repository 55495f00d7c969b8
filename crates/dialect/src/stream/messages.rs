//! Events of Anthropic's Messages API.

use super::{FrameKind, Seen};
use crate::UpstreamError;
use crate::loose::{Filled, Obj, Text};
use crate::upstream_error::is_error;
use crate::usage::RawUsage;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    message: Obj<Message>,
    usage: Obj<RawUsage>,
    delta: Obj<Delta>,
    #[serde(borrow)]
    content_block: Obj<Block<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    usage: Obj<RawUsage>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    text: Filled,
    thinking: Filled,
    signature: Filled,
    partial_json: Filled,
    citation: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    text: Filled,
    thinking: Filled,
}

impl Block<'_> {
    /// A block of text starts empty; the start of a tool call already names the tool.
    fn has_content(&self) -> bool {
        match self.r#type.get() {
            Some("text" | "thinking") | None => self.text.0 || self.thinking.0,
            Some(_) => true,
        }
    }
}

pub(super) fn read(name: Option<&str>, data: &[u8]) -> Option<Seen> {
    let event: Event<'_> = serde_json::from_slice(data).ok()?;
    let usage = event.usage.0.or_else(|| event.message.0.and_then(|message| message.usage.0));
    let usage = usage.map(|usage| usage.usage());
    if let Some(error) = is_error(event.error) {
        return Some(Seen::new(FrameKind::Error(UpstreamError::from_value(error)), usage));
    }
    let kind = match event.r#type.get().or(name) {
        Some("error") => FrameKind::Error(crate::inspect_error(data)),
        Some("message_stop") => FrameKind::Finish,
        Some("message_delta") => FrameKind::Usage,
        Some("content_block_start") if event.content_block.0.is_some_and(|block| block.has_content()) => {
            FrameKind::Content
        }
        Some("content_block_delta") if event.delta.0.is_some_and(|delta| delta.has_content()) => {
            FrameKind::Content
        }
        _ => FrameKind::Preamble,
    };
    Some(Seen::new(kind, usage))
}

impl Delta {
    fn has_content(&self) -> bool {
        [self.text, self.thinking, self.signature, self.partial_json, self.citation].contains(&Filled(true))
    }
}
