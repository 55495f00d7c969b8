mod answers;
mod bad;
mod foreign;
mod properties;
mod requests;
mod streams;
mod thinking;

use super::super::request::{Part, Request, Role, ToolCall, ToolResult, Turn};
use super::super::{AnswerContext, Target, Thinking, Translated, Unsupported};
use super::{read_request, write_request};
use crate::Surface;
use serde_json::Value;

const TARGET: Target<'_> = Target {
    surface: Surface::Messages,
    provider: "anthropic",
    model: "claude-sonnet-4-5",
    extensions: &[],
    max_output_tokens: Some(64_000),
    thinking: Thinking::Usual,
    strip_state: false,
    completion_tokens: false,
};

const CONTEXT: AnswerContext<'_> = AnswerContext {
    surface: Surface::Messages,
    provider: "openai",
    model: "gpt-5",
    id: "msg_made",
    now: 1_700_000_000,
    include_usage: false,
};

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

/// Reads a body and writes it again for its own API.
fn again(body: &Value, target: &Target<'_>) -> Translated {
    let body = body.to_string();
    let request = read_request(body.as_bytes()).unwrap();
    let mut translated = write_request(&request, Surface::Messages, target).unwrap();
    translated.lost.splice(0..0, request.lost);
    translated
}

/// What another dialect's request becomes, and what of it is lost.
fn written(
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
) -> Result<(Value, Vec<String>), Unsupported> {
    write_request(request, from, target).map(|translated| (json(&translated.body), translated.lost))
}

fn turn<'a>(role: Role, parts: Vec<Part<'a>>) -> Turn<'a> {
    Turn { role, parts, name: None }
}

fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> Part<'a> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        state: None,
        cache: None,
    })
}

fn result<'a>(id: &'a str, text: &'a str) -> Part<'a> {
    let (name, parts) = (None, vec![Part::text(text)]);
    Part::ToolResult(ToolResult { id: id.into(), name, parts, is_error: false, cache: None })
}

/// A chat request with one question.
fn question() -> Request<'static> {
    Request {
        model: "gpt-5".into(),
        turns: vec![turn(Role::User, vec![Part::text("Hello")])],
        ..Request::default()
    }
}
