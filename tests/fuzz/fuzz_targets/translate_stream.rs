//! Any stream of any provider becomes, in each client's dialect, frames of JSON, one end, or an error; and a whole
//! answer does not bring the translation down either.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tollgate_dialect::{AnswerContext, Frame, Splitter, StreamTranslator, Surface, translate_answer};

fuzz_target!(|bytes: &[u8]| {
    let frames = split(bytes);
    for to in Surface::CONVERSATIONS {
        let context = AnswerContext {
            surface: to,
            provider: "provider",
            model: "model",
            id: "id",
            now: 1,
            include_usage: true,
        };
        for from in Surface::CONVERSATIONS {
            if let Ok(written) = translate_answer(from, bytes, &context) {
                serde_json::from_slice::<Value>(&written.body).expect("an answer that is no JSON");
            }
            // Nobody streams to a client in this dialect.
            if to != Surface::Converse {
                stream(from, &frames, &context);
            }
        }
    }
});

fn stream(from: Surface, frames: &[Frame], context: &AnswerContext<'_>) {
    let mut translator = StreamTranslator::new(from, context);
    let mut out = Vec::new();
    for frame in frames.iter().filter(|frame| !frame.comment_only()) {
        if translator.frame(frame, &mut out).is_err() {
            return;
        }
    }
    translator.finish(&mut out);
    translator.finish(&mut out);
    let mut ends = 0;
    for frame in split(&out) {
        let data = frame.data();
        if data.as_ref() == b"[DONE]" {
            ends += 1;
            continue;
        }
        let event: Value = serde_json::from_slice(&data).expect("a frame that is no JSON");
        ends += match context.surface {
            Surface::Messages => u32::from(event["type"] == "message_stop"),
            Surface::Responses => u32::from(
                ["response.completed", "response.incomplete"].contains(&event["type"].as_str().unwrap_or("")),
            ),
            _ => 0,
        };
    }
    // A stream of Converse that never began has no end. Google's has no event for it.
    if context.surface != Surface::GenerateContent && !(from == Surface::Converse && out.is_empty()) {
        assert_eq!(ends, 1, "{} to {}", from.name(), context.surface.name());
    }
}

fn split(bytes: &[u8]) -> Vec<Frame> {
    let mut splitter = Splitter::new();
    splitter.feed(Bytes::copy_from_slice(bytes));
    let mut frames: Vec<Frame> = std::iter::from_fn(|| splitter.next()).collect();
    frames.extend(splitter.finish());
    frames
}
