//! Events of Amazon Bedrock's `converse-stream`, once they are server-sent events (`event:` is their `:event-type`).

use super::{FrameKind, Seen};
use crate::loose::{Filled, Number, Obj};
use crate::upstream_error::is_error;
use crate::usage::RawUsage;
use crate::{UpstreamError, inspect_error};
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

/// What an exception says of itself when the model is to blame.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Exception {
    original_status_code: Number,
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
        Some(name) if name.ends_with("Exception") => FrameKind::Error(exception(name, data)),
        _ => FrameKind::Preamble,
    };
    Some(Seen::new(kind, usage))
}

/// The statuses exceptions have when they come as answers (API reference of Amazon Bedrock Runtime, "Errors"). A model
/// that failed has 424 there, which elsewhere would be the caller's fault: it counts as what it says, else as 500.
fn exception(name: &str, data: &[u8]) -> UpstreamError {
    let mut error = inspect_error(data);
    let status = match name {
        "throttlingException" => 429,
        "validationException" => 400,
        "serviceUnavailableException" => 503,
        _ => {
            let original: Option<Exception> = serde_json::from_slice(data).ok();
            let original = original.map_or(0, |exception| exception.original_status_code.count());
            u16::try_from(original).ok().filter(|status| (400..600).contains(status)).unwrap_or(500)
        }
    };
    error.status = error.status.or(Some(status));
    error.kind = error.kind.or_else(|| Some(name.to_owned()));
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_have_a_status() {
        for (name, data, status) in [
            ("throttlingException", r#"{"message":"slow down"}"#, 429),
            ("validationException", r#"{"message":"no"}"#, 400),
            ("serviceUnavailableException", "{}", 503),
            ("internalServerException", "{}", 500),
            ("modelStreamErrorException", r#"{"originalStatusCode":429,"originalMessage":"x"}"#, 429),
            ("modelStreamErrorException", r#"{"originalStatusCode":200}"#, 500),
            ("newException", "not JSON", 500),
        ] {
            let error = exception(name, data.as_bytes());
            assert_eq!((error.status, error.kind.as_deref()), (Some(status), Some(name)), "{data}");
        }
    }
}
