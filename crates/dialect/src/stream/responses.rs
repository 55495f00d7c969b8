//! Events of OpenAI's Responses API.

use super::{FrameKind, Seen};
use crate::loose::{Filled, Obj, Text};
use crate::upstream_error::is_error;
use crate::usage::{RawUsage, ToolUsage};
use crate::{UpstreamError, Usage, inspect_error};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Obj<Response<'a>>,
    #[serde(borrow)]
    item: Obj<Item<'a>>,
    part: Obj<Part>,
    delta: Filled,
    text: Filled,
    arguments: Filled,
    refusal: Filled,
    partial_image_b64: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    usage: Obj<RawUsage>,
    tool_usage: Obj<ToolUsage>,
}

impl Response<'_> {
    fn usage(&self) -> Option<Usage> {
        let mut usage = self.usage.0.as_ref()?.usage();
        if let Some(tools) = &self.tool_usage.0 {
            tools.complete(&mut usage);
        }
        Some(usage)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    content: Filled,
    summary: Filled,
    encrypted_content: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    text: Filled,
    refusal: Filled,
}

impl Event<'_> {
    fn has_content(&self) -> bool {
        let item = self.item.0.as_ref().is_some_and(|item| match item.r#type.get() {
            // Both start empty; every other item is a call of something.
            Some("message" | "reasoning") | None => {
                item.content.0 || item.summary.0 || item.encrypted_content.0
            }
            Some(_) => true,
        });
        let part = self.part.0.as_ref().is_some_and(|part| part.text.0 || part.refusal.0);
        let own = [self.delta, self.text, self.arguments, self.refusal, self.partial_image_b64];
        item || part || own.contains(&Filled(true))
    }
}

pub(super) fn read(name: Option<&str>, data: &[u8]) -> Option<Seen> {
    let event: Event<'_> = serde_json::from_slice(data).ok()?;
    let response = event.response.0.as_ref();
    let usage = response.and_then(Response::usage);
    let kind = match event.r#type.get().or(name) {
        Some("response.completed" | "response.incomplete" | "response.done" | "response.cancelled") => {
            FrameKind::Finish
        }
        Some("response.failed") => FrameKind::Error(failed(response, data)),
        Some("error" | "response.error") => FrameKind::Error(inspect_error(data)),
        _ if is_error(event.error).is_some() => FrameKind::Error(inspect_error(data)),
        _ if event.has_content() => FrameKind::Content,
        _ => FrameKind::Preamble,
    };
    Some(Seen::new(kind, usage))
}

/// The id in `response.created` and the events that repeat the response.
pub(super) fn answer_id(data: &[u8]) -> Option<Box<str>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Created<'a> {
        #[serde(borrow)]
        response: Obj<Id<'a>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Id<'a> {
        #[serde(borrow)]
        id: Text<'a>,
    }
    let created: Created<'_> = serde_json::from_slice(data).ok()?;
    created.response.0?.id.get().map(Into::into)
}

fn failed(response: Option<&Response<'_>>, data: &[u8]) -> UpstreamError {
    let stated = response.is_some_and(|response| is_error(response.error).is_some());
    if stated { inspect_error(data) } else { UpstreamError::from_message("the response failed") }
}
