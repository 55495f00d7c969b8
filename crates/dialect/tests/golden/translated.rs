//! What the gateway makes of the published examples.

use crate::dialect::Dialect;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tollgate_dialect::eventstream::{EventStreamDecoder, encode, encode_exception};
use tollgate_dialect::{
    AnswerContext, Conversation, Echo, Frame, FrameKind, GatewayError, Splitter, StreamReader,
    StreamTranslator, Target, inspect_error, render_provider_error, render_stream_error,
    translate_answer_with,
};

const REQUEST_ID: &str = "req_golden";

/// The client's request for the provider, and what it could not carry; `refused` when it cannot be said there.
pub(crate) fn request(
    client: Dialect,
    provider: Dialect,
    feature: &str,
    stream: bool,
) -> (Value, Vec<String>) {
    let body = asking(client, feature, stream);
    match conversation(client, &body, stream).write(&provider.target()) {
        Ok(written) => (serde_json::from_slice(&written.body).unwrap(), written.lost),
        Err(why) => (json!({"refused": why.0}), Vec::new()),
    }
}

/// The provider's answer for the client.
pub(crate) fn answer(client: Dialect, provider: Dialect, feature: &str) -> (Value, Vec<String>) {
    if feature == "error" {
        return (error(client, provider), Vec::new());
    }
    let body = provider.published(feature, "answer.json");
    let context = context(client, provider);
    let written = translate_answer_with(provider.surface(), &body, &context, &echo(client, feature));
    let written = written.unwrap_or_else(|e| panic!("{provider:?} to {client:?}, {feature}: {e}"));
    (serde_json::from_slice(&written.body).unwrap(), written.lost)
}

/// The provider's error for the client.
fn error(client: Dialect, provider: Dialect) -> Value {
    let said = inspect_error(&provider.published("error", "answer.json"));
    let status = StatusCode::from_u16(provider.error_status()).unwrap();
    let body = render_provider_error(client.surface().format(), status, &said, REQUEST_ID);
    serde_json::from_slice(&body).unwrap()
}

/// The provider's stream for the client, as the gateway relays it: an error ends it with the gateway's own words.
pub(crate) fn stream(client: Dialect, provider: Dialect, feature: &str) -> (String, Vec<String>) {
    let context = context(client, provider);
    let mut reader = StreamReader::new(provider.surface());
    let echo = if feature == "error" { Echo::default() } else { echo(client, feature) };
    let mut translator = StreamTranslator::new(provider.surface(), &context).with_echo(&echo);
    let mut out = Vec::new();
    let mut failed = false;
    for frame in frames(&events(provider, feature)) {
        match reader.read(&frame) {
            FrameKind::Error(said) => {
                let error = GatewayError {
                    code: 3800,
                    status: StatusCode::BAD_GATEWAY,
                    message: format!("The answer broke off: {}", said.message),
                    request_id: REQUEST_ID.to_owned(),
                    ..GatewayError::default()
                };
                out.extend_from_slice(&render_stream_error(client.surface(), &error));
                failed = true;
                break;
            }
            FrameKind::Garbage => panic!("{provider:?}, {feature}: {:?}", frame.raw),
            _ => translator.frame(&frame, &mut out).unwrap(),
        }
    }
    assert_eq!(failed, feature == "error", "{provider:?}, {feature}");
    if !failed {
        assert!(reader.finished(), "{provider:?}, {feature}");
        translator.finish(&mut out);
    }
    (String::from_utf8(out).unwrap(), translator.lost().to_vec())
}

/// The published events as server-sent events: Bedrock's go through its binary format.
pub(crate) fn events(provider: Dialect, feature: &str) -> Vec<u8> {
    if provider != Dialect::Converse {
        return provider.published(feature, "stream.sse");
    }
    let mut decoder = EventStreamDecoder::default();
    let mut out = Vec::new();
    let text = String::from_utf8(provider.published(feature, "stream.jsonl")).unwrap();
    for line in text.lines() {
        let event: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        for (name, payload) in event {
            let encoded = if name.ends_with("Exception") { encode_exception } else { encode };
            decoder.push(&encoded(&name, payload.to_string().as_bytes()), &mut out).unwrap();
        }
    }
    decoder.finish().unwrap();
    out
}

/// The frames of a stream.
pub(crate) fn frames(stream: &[u8]) -> Vec<Frame> {
    let mut splitter = Splitter::new();
    splitter.feed(Bytes::copy_from_slice(stream));
    let mut frames: Vec<Frame> = std::iter::from_fn(|| splitter.next()).collect();
    frames.extend(splitter.finish());
    frames
}

/// The published request, switched to a stream.
fn asking(client: Dialect, feature: &str, stream: bool) -> Vec<u8> {
    let body = client.published(feature, "request.json");
    if !stream || client == Dialect::Gemini {
        return body;
    }
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    body["stream"] = true.into();
    body.to_string().into_bytes()
}

fn conversation(client: Dialect, body: &[u8], stream: bool) -> Conversation<'_> {
    let mut conversation = Conversation::read(client.surface(), body).unwrap();
    if client == Dialect::Gemini {
        conversation.named("gemini-2.5-flash", stream);
    }
    conversation
}

/// What the answer repeats of the client's request.
fn echo(client: Dialect, feature: &str) -> Echo {
    conversation(client, &asking(client, feature, false), false).echo()
}

fn context(client: Dialect, provider: Dialect) -> AnswerContext<'static> {
    let Target { provider, model, .. } = provider.target();
    AnswerContext {
        surface: client.surface(),
        provider,
        model,
        id: "golden",
        now: 1_700_000_000,
        include_usage: true,
    }
}
