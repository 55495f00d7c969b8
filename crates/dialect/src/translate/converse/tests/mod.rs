mod answers;
mod bad_input;
mod properties;
mod requests;
mod streams;
mod thinking;

use crate::Surface;
use crate::translate::request::{Part, Request, Role, ToolCall, ToolResult, Turn};
use crate::translate::{AnswerContext, Target, Thinking, Unsupported, converse};
use serde_json::Value;

pub(super) const CLAUDE: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";

pub(super) fn target(model: &str) -> Target<'_> {
    Target {
        surface: Surface::Converse,
        provider: "bedrock",
        model,
        extensions: &[],
        max_output_tokens: None,
        thinking: Thinking::Usual,
        strip_state: false,
        completion_tokens: false,
    }
}

pub(super) fn context() -> AnswerContext<'static> {
    AnswerContext {
        surface: Surface::Converse,
        provider: "bedrock",
        model: CLAUDE,
        id: "id-1",
        now: 1_700_000_000,
        include_usage: true,
    }
}

/// Writes a request that came from `from`; gives the body and what was lost.
pub(super) fn write(
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
) -> Result<(Value, Vec<String>), Unsupported> {
    let written = converse::write_request(request, from, target)?;
    Ok((serde_json::from_slice(&written.body).unwrap(), written.lost))
}

/// Writes a request of a chat client for Claude, which must be possible.
pub(super) fn chat(request: &Request<'_>) -> (Value, Vec<String>) {
    write(request, Surface::ChatCompletions, &target(CLAUDE)).unwrap()
}

pub(super) fn turn<'a>(role: Role, parts: Vec<Part<'a>>) -> Turn<'a> {
    Turn { role, parts, name: None }
}

/// A request of one turn of the user.
pub(super) fn user<'a>(parts: Vec<Part<'a>>) -> Request<'a> {
    Request { turns: vec![turn(Role::User, parts)], ..Request::default() }
}

pub(super) fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> Part<'a> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        state: None,
        cache: None,
    })
}

pub(super) fn result<'a>(id: &'a str, text: &'a str) -> Part<'a> {
    let parts = vec![Part::text(text)];
    Part::ToolResult(ToolResult { id: id.into(), name: None, parts, is_error: false, cache: None })
}
