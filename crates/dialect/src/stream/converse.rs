//! Events of Amazon Bedrock's `converse-stream`, once they are server-sent events (`event:` is their `:event-type`).

use super::{FrameKind, Seen};
use crate::inspect_error;
use crate::loose::{Filled, Obj};
use crate::upstream_error::is_error;
use crate::usage::RawUsage;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    delta: Obj<Delta>,
    start: Filled,
    usage: Obj<RawUsage>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Delta {
    text: Filled,
    tool_use: Filled,
    reasoning_content: Filled,
    citation: Filled,
}

pub(super) fn read(name: Option<&str>, data: &[u8]) -> Option<Seen> {
    let event: Event<'_> = serde_json::from_slice(data).ok()?;
    let usage = event.usage.0.as_ref().map(RawUsage::usage);
    let content = |delta: Delta| {
        [delta.text, delta.tool_use, delta.reasoning_content, delta.citation].contains(&Filled(true))
    };
    let kind = match name {
        Some("contentBlockDelta") if event.delta.0.is_some_and(content) => FrameKind::Content,
        // The start of a block names a tool; text has none.
        Some("contentBlockStart") if event.start.0 => FrameKind::Content,
        Some("messageStop") => FrameKind::Finish,
        Some("metadata") => FrameKind::Usage,
        // Ours, when a stream breaks off, has Google's shape.
        _ if is_error(event.error).is_some() => FrameKind::Error(inspect_error(data)),
        Some(name) if name.ends_with("Exception") => FrameKind::Error(inspect_error(data)),
        _ => FrameKind::Preamble,
    };
    Some(Seen::new(kind, usage))
}
