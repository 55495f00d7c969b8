//! Examples of the providers' documentation, read and written; conversations there and back; bad input.

mod answers;
mod bad_input;
mod read_requests;
mod round_trip;
mod streams;
mod write_requests;

use super::super::answer::Event;
use super::super::request::{Part, Request, Role, Turn};
use super::super::{AnswerContext, Target, Thinking};
use super::{Decoder, Encoder};
use crate::Surface;
use serde_json::Value;

fn json(text: impl AsRef<[u8]>) -> Value {
    serde_json::from_slice(text.as_ref()).unwrap()
}

fn target(provider: &str) -> Target<'_> {
    Target {
        surface: Surface::ChatCompletions,
        provider,
        model: "up/model",
        extensions: &[],
        max_output_tokens: None,
        thinking: Thinking::Usual,
        strip_state: false,
        completion_tokens: false,
    }
}

fn context() -> AnswerContext<'static> {
    AnswerContext {
        surface: Surface::ChatCompletions,
        provider: "anthropic",
        model: "claude-up",
        id: "abc123",
        now: 1_700_000_000,
        include_usage: true,
    }
}

fn turn(role: Role, parts: Vec<Part<'_>>) -> Turn<'_> {
    Turn { role, parts, name: None }
}

fn request<'a>(turns: Vec<Turn<'a>>) -> Request<'a> {
    Request { model: "m".into(), turns, ..Request::default() }
}

/// What a decoder makes of some chunks, as text: events borrow from them.
fn events(chunks: &[&str]) -> Vec<String> {
    let mut seen = Vec::new();
    let mut sink = |event: Event<'_>| seen.push(format!("{event:?}"));
    let mut decoder = Decoder::default();
    for chunk in chunks {
        decoder.read(chunk.as_bytes(), &mut sink).unwrap();
    }
    decoder.finish(&mut sink);
    seen
}

/// What an encoder writes for some events: the data of each frame.
fn frames(context: &AnswerContext<'_>, events: Vec<Event<'_>>) -> Vec<Value> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(context);
    for event in events {
        encoder.write(event, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let datas = text.split_terminator("\n\n").map(|frame| frame.strip_prefix("data: ").unwrap());
    datas.filter(|data| *data != "[DONE]").map(json).collect()
}
