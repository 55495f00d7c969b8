//! Helpers of the tests.

mod answers;
mod bad_input;
mod properties;
mod provider;
mod read_streams;
mod requests;
mod stream_events;
mod write_streams;

use super::super::answer::Event;
use super::super::fields::owned;
use super::super::request::{Request, Text};
use super::super::state::State;
use super::super::{AnswerContext, Echo, Target, Thinking, Translated};
use super::{Decoder, Encoder, read_request, write_request};
use crate::Surface;
use serde_json::Value;

pub(super) const OPENAI: Target<'_> = Target {
    surface: Surface::Responses,
    provider: "openai",
    model: "gpt-5.5",
    extensions: &[],
    max_output_tokens: None,
    thinking: Thinking::Usual,
    strip_state: false,
    completion_tokens: false,
};

pub(super) const CONTEXT: AnswerContext<'_> = AnswerContext {
    surface: Surface::Responses,
    provider: "anthropic",
    model: "claude-sonnet-5",
    id: "req_1",
    now: 1_700_000_000,
    include_usage: false,
};

pub(super) fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

pub(super) fn read(body: &Value) -> Request<'static> {
    // The tests do not mind the leak, and need not carry bodies around.
    read_request(Box::leak(body.to_string().into_boxed_str()).as_bytes()).unwrap()
}

/// There and back in this dialect.
pub(super) fn again(body: &Value) -> Translated {
    write_request(&read(body), Surface::Responses, &OPENAI).unwrap()
}

/// The events an encoder writes, by name, checked for what every stream must be.
pub(super) fn encode(events: Vec<Event<'_>>) -> Vec<(String, Value)> {
    encode_with(events, &Echo::default())
}

pub(super) fn encode_with(events: Vec<Event<'_>>, echo: &Echo) -> Vec<(String, Value)> {
    let mut encoder = Encoder::new(&CONTEXT);
    encoder.repeat(echo);
    let mut out = Vec::new();
    for event in events {
        encoder.write(event, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    let frames: Vec<_> = text
        .split_terminator("\n\n")
        .map(|frame| {
            let (name, data) = frame.split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap().to_owned();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data["type"], name.as_str());
            (name, data)
        })
        .collect();
    for (at, (_, data)) in frames.iter().enumerate() {
        assert_eq!(data["sequence_number"], at);
    }
    frames
}

pub(super) fn names(frames: &[(String, Value)]) -> Vec<&str> {
    frames.iter().map(|(name, _)| name.strip_prefix("response.").unwrap_or(name)).collect()
}

/// The events a decoder reads from the data of frames.
pub(super) fn decode(frames: &[Value]) -> Vec<Event<'static>> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for frame in frames {
        decoder.read(None, frame.to_string().as_bytes(), &mut |event| events.push(own(event))).unwrap();
    }
    decoder.finish(&mut |event| events.push(own(event)));
    events
}

fn own_text(text: &Text<'_>) -> Text<'static> {
    owned(text)
}

pub(super) fn own_state(state: &State<'_>) -> State<'static> {
    State {
        data: own_text(&state.data),
        surface: state.surface,
        provider: state.provider.as_ref().map(own_text),
        kind: state.kind,
    }
}

fn own(event: Event<'_>) -> Event<'static> {
    use super::super::answer::Stop;
    use super::super::request::{Media, Part, Source};
    match event {
        Event::Start { id, model, created } => {
            Event::Start { id: own_text(&id), model: own_text(&model), created }
        }
        Event::Text { choice, delta } => Event::Text { choice, delta: own_text(&delta) },
        Event::Refusal { choice, delta } => Event::Refusal { choice, delta: own_text(&delta) },
        Event::Reasoning { choice, item, delta, summary } => {
            Event::Reasoning { choice, item, delta: own_text(&delta), summary }
        }
        Event::ReasoningState { choice, item, state, id } => {
            Event::ReasoningState { choice, item, state: own_state(&state), id: id.as_ref().map(own_text) }
        }
        Event::ToolStart { choice, call, id, name, state } => Event::ToolStart {
            choice,
            call,
            id: own_text(&id),
            name: own_text(&name),
            state: state.as_ref().map(own_state),
        },
        Event::ToolArguments { choice, call, delta } => {
            Event::ToolArguments { choice, call, delta: own_text(&delta) }
        }
        Event::ToolEnd { choice, call } => Event::ToolEnd { choice, call },
        Event::Whole {
            choice,
            part: Part::Image(Media { source: Source::Base64(data), media_type, .. }),
        } => {
            let media_type = media_type.as_ref().map(own_text);
            Event::Whole {
                choice,
                part: Part::Image(Media::new(Source::Base64(own_text(&data)), media_type)),
            }
        }
        Event::Whole { part, .. } => panic!("{part:?}"),
        Event::Stop { choice, reason } => Event::Stop {
            choice,
            reason: match reason {
                Stop::End => Stop::End,
                Stop::Length => Stop::Length,
                Stop::ToolCalls => Stop::ToolCalls,
                Stop::Refusal => Stop::Refusal,
                Stop::Pause => Stop::Pause,
                Stop::Sequence(text) => Stop::Sequence(text.as_ref().map(own_text)),
                Stop::Filtered(text) => Stop::Filtered(text.as_ref().map(own_text)),
                Stop::Other(text) => Stop::Other(own_text(&text)),
            },
        },
        Event::Usage(usage) => Event::Usage(usage),
        Event::Lost(path) => Event::Lost(path),
        Event::End => Event::End,
    }
}
