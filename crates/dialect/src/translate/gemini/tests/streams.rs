//! Streams, read and written.

use super::{CONTEXT, json};
use crate::translate::answer::{Event, Stop};
use crate::translate::gemini::{Decoder, Encoder};
use crate::translate::request::{Media, Part, Source};
use crate::translate::state::{State, StateKind};
use crate::{Surface, Usage};
use proptest::prelude::*;
use serde_json::Value;

/// The events of a stream, printed.
fn events(chunks: &[&str]) -> Vec<String> {
    let mut got = Vec::new();
    let mut decoder = Decoder::default();
    let mut sink = |event: Event<'_>| got.push(format!("{event:?}"));
    for chunk in chunks {
        decoder.read(chunk.as_bytes(), &mut sink).unwrap_or_else(|error| panic!("{error}: {chunk}"));
    }
    decoder.finish(&mut sink);
    got
}

fn printed(events: &[Event<'_>]) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}

fn own(data: &'static str) -> State<'static> {
    State { data: data.into(), surface: Surface::GenerateContent, provider: None, kind: StateKind::Signature }
}

/// The chunks an encoder writes, and their text.
fn chunks(events: Vec<Event<'_>>) -> Vec<Value> {
    let mut encoder = Encoder::new(&CONTEXT);
    let mut out = Vec::new();
    for event in events {
        encoder.write(event, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("\n\n") && !text.contains("[DONE]"));
    text.split_terminator("\n\n")
        .map(|frame| json(frame.strip_prefix("data: ").unwrap().as_bytes()))
        .collect()
}

fn candidates(events: Vec<Event<'_>>) -> Vec<Value> {
    chunks(events).into_iter().map(|chunk| chunk["candidates"].clone()).collect()
}

/// ai.google.dev/gemini-api/docs/text-generation, "Streaming responses" (REST), and /thinking.
#[test]
fn text_and_thoughts() {
    let got = events(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"First ","thought":true}],"role":"model"},"index":0}],
            "usageMetadata":{"promptTokenCount":4,"totalTokenCount":4},"modelVersion":"gemini-2.5-flash","responseId":"R"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"this.","thought":true}],"role":"model"},"index":0}],"responseId":"R"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"},"index":0}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"lo"},{"text":"","thoughtSignature":"S"}],"role":"model"},
            "finishReason":"STOP","index":0,"groundingMetadata":{"a":1}}],
            "usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":5,"totalTokenCount":11}}"#,
    ]);
    let thought =
        |delta: &'static str| Event::Reasoning { choice: 0, item: 0, delta: delta.into(), summary: true };
    let text = |delta: &'static str| Event::Text { choice: 0, delta: delta.into() };
    let want = [
        Event::Start { id: "R".into(), model: "gemini-2.5-flash".into(), created: None },
        thought("First "),
        Event::Usage(Usage { input_tokens: 4, ..Usage::default() }),
        thought("this."),
        text("Hel"),
        text("lo"),
        Event::ReasoningState { choice: 0, item: 1, state: own("S"), id: None },
        Event::Lost("candidates[0].groundingMetadata".into()),
        Event::Usage(Usage { input_tokens: 4, output_tokens: 7, reasoning_tokens: 5, ..Usage::default() }),
        Event::Stop { choice: 0, reason: Stop::End },
        Event::End,
    ];
    assert_eq!(got, printed(&want));
}

/// ai.google.dev/gemini-api/docs/function-calling: calls come whole; the reason is `STOP`.
#[test]
fn calls() {
    let got = events(&[
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a": 1}},"thoughtSignature":"S"},
            {"functionCall":{"id":"x","name":"g"}}]}}],"responseId":"R"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}]}"#,
        "[DONE]",
    ]);
    let start = |call, id: &'static str, name: &'static str, state| Event::ToolStart {
        choice: 0,
        call,
        id: id.into(),
        name: name.into(),
        state,
    };
    let arguments = |call, delta: &'static str| Event::ToolArguments { choice: 0, call, delta: delta.into() };
    let want = [
        Event::Start { id: "R".into(), model: "".into(), created: None },
        start(0, "call_R_0", "f", Some(own("S"))),
        arguments(0, r#"{"a": 1}"#),
        Event::ToolEnd { choice: 0, call: 0 },
        start(1, "x", "g", None),
        arguments(1, "{}"),
        Event::ToolEnd { choice: 0, call: 1 },
        Event::Stop { choice: 0, reason: Stop::ToolCalls },
        Event::End,
    ];
    assert_eq!(got, printed(&want));
}

#[test]
fn odd_streams() {
    let start = || Event::Start { id: "".into(), model: "".into(), created: None };
    let stop = |choice, reason| Event::Stop { choice, reason };
    let filtered = |word: &'static str| Stop::Filtered(Some(word.into()));
    let image = Media::new(Source::Base64("+/+/".into()), Some("image/png".into()));
    for (chunks, want) in [
        (&[][..], vec![start(), Event::End]),
        (
            &[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#],
            vec![start(), stop(0, filtered("SAFETY")), Event::End],
        ),
        // The reason twice, and text behind it.
        (
            &[
                r#"{"candidates":[{"finishReason":"MAX_TOKENS"}]}"#,
                r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}"#,
            ],
            vec![start(), Event::Text { choice: 0, delta: "x".into() }, stop(0, Stop::Length), Event::End],
        ),
        // Two candidates in one chunk, in another order.
        (
            &[r#"{"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"},
                {"content":{"parts":[{"text":"a"}]},"finishReason":"RECITATION"}]}"#],
            vec![
                start(),
                Event::Text { choice: 1, delta: "b".into() },
                Event::Text { choice: 0, delta: "a".into() },
                stop(1, Stop::End),
                stop(0, filtered("RECITATION")),
                Event::End,
            ],
        ),
        (
            &[r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"-_-_"}},
                {"toolCall":{"id":"1"}},{"future":1},{}]}}],"future":{}}"#],
            vec![
                start(),
                Event::Whole { choice: 0, part: Part::Image(image) },
                Event::Lost("candidates[0].content.parts[].toolCall".into()),
                Event::End,
            ],
        ),
        // Odd types are nothing, not the end of a stream.
        (
            &[r#"{"candidates":[null,{"content":[],"finishReason":5}],"usageMetadata":7}"#, "", " \n"],
            vec![start(), Event::End],
        ),
    ] {
        assert_eq!(events(chunks), printed(&want), "{chunks:?}");
    }
}

#[test]
fn broken_chunks_are_errors() {
    for chunk in ["{", "<html>", "[1", r#"{"candidates":[{]}"#, "nonsense"] {
        let error = Decoder::default().read(chunk.as_bytes(), &mut |_| {}).unwrap_err();
        assert!(error.to_string().starts_with("the body is not valid JSON"), "{chunk}: {error}");
    }
}

#[test]
fn a_stream_for_the_sdks() {
    let signature =
        State { data: "EqQB".into(), surface: Surface::Messages, provider: None, kind: StateKind::Signature };
    let got = chunks(vec![
        Event::Start { id: "msg_1".into(), model: "claude".into(), created: Some(784_111_777) },
        Event::Reasoning { choice: 0, item: 0, delta: "hm".into(), summary: false },
        Event::ReasoningState { choice: 0, item: 0, state: signature, id: None },
        Event::Text { choice: 0, delta: "Hi".into() },
        Event::Stop { choice: 0, reason: Stop::Length },
        Event::Stop { choice: 0, reason: Stop::End },
        Event::Usage(Usage { input_tokens: 4, output_tokens: 7, reasoning_tokens: 5, ..Usage::default() }),
        Event::End,
        Event::End,
    ]);
    let tail = r#""modelVersion":"claude","createTime":"1994-11-06T08:49:37Z","responseId":"msg_1""#;
    let chunk = |part: &str| {
        let text = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{part}],"role":"model"}},"index":0}}],{tail}}}"#
        );
        json(text.as_bytes())
    };
    let last = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":""}}],"role":"model"}},"finishReason":"MAX_TOKENS","index":0}}],
            "usageMetadata":{{"promptTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":5,"totalTokenCount":11}},{tail}}}"#
    );
    let want = [
        chunk(r#"{"text":"hm","thought":true}"#),
        chunk(r#"{"text":"","thought":true,"thoughtSignature":"dGcxLm1lc3NhZ2VzLnMuYW50aHJvcGljLkVxUUI="}"#),
        chunk(r#"{"text":"Hi"}"#),
        json(last.as_bytes()),
    ];
    assert_eq!(got, want);
}

#[test]
fn interleaved_calls_come_whole() {
    let start = |call, id: &'static str| Event::ToolStart {
        choice: 0,
        call,
        id: id.into(),
        name: "f".into(),
        state: None,
    };
    let arguments = |call, delta: &'static str| Event::ToolArguments { choice: 0, call, delta: delta.into() };
    let got = candidates(vec![
        start(0, "a"),
        arguments(0, "{\"x\""),
        start(1, "b"),
        arguments(1, "{\"y\":2}"),
        arguments(0, ":1}"),
        Event::ToolEnd { choice: 0, call: 1 },
        start(2, "c"),
        arguments(2, "{broken"),
        Event::Stop { choice: 0, reason: Stop::ToolCalls },
        Event::End,
    ]);
    let calls: Vec<_> =
        got.iter().map(|chunk| chunk[0]["content"]["parts"][0]["functionCall"].clone()).collect();
    let want = [
        json(br#"{"id":"b","name":"f","args":{"y":2}}"#),
        json(br#"{"id":"a","name":"f","args":{"x":1}}"#),
        json(br#"{"id":"c","name":"f","args":{"_raw_arguments":"{broken"}}"#),
        Value::Null,
    ];
    assert_eq!(calls, want);
    assert_eq!(got[3][0]["finishReason"], "STOP");
}

#[test]
fn empty_and_filtered_streams() {
    let empty =
        json(br#"[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}]"#);
    assert_eq!(candidates(vec![Event::End]), [empty]);
    let filtered = json(br#"[{"finishReason":"SAFETY","index":0}]"#);
    assert_eq!(
        candidates(vec![Event::Stop { choice: 0, reason: Stop::Filtered(None) }, Event::End]),
        [filtered]
    );
    let picture = Part::Image(Media::new(Source::FileId("f".into()), None));
    assert_eq!(candidates(vec![Event::Whole { choice: 0, part: picture }, Event::End]).len(), 1);
}

proptest! {
    /// What an encoder writes, a decoder reads as the same.
    #[test]
    fn there_and_back(pieces in proptest::collection::vec((0u8..3, "[a-z\"\\\\ é]{1,8}"), 0..12)) {
        let mut sent = vec![Event::Start { id: "R".into(), model: "m".into(), created: Some(0) }];
        let (mut calls, mut items, mut thinking) = (0, 0, false);
        for (kind, text) in &pieces {
            match kind {
                0 => {
                    thinking = false;
                    sent.push(Event::Text { choice: 0, delta: text.as_str().into() });
                }
                1 => {
                    items += u32::from(!std::mem::replace(&mut thinking, true));
                    let item = items - 1;
                    sent.push(Event::Reasoning { choice: 0, item, delta: text.as_str().into(), summary: true });
                }
                _ => {
                    thinking = false;
                    let id = format!("id{calls}");
                    let (id, name) = (id.into(), text.as_str().into());
                    sent.push(Event::ToolStart { choice: 0, call: calls, id, name, state: None });
                    sent.push(Event::ToolArguments { choice: 0, call: calls, delta: r#"{"a":1}"#.into() });
                    sent.push(Event::ToolEnd { choice: 0, call: calls });
                    calls += 1;
                }
            }
        }
        let reason = if calls > 0 { Stop::ToolCalls } else { Stop::End };
        sent.push(Event::Usage(Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() }));
        sent.push(Event::Stop { choice: 0, reason });
        sent.push(Event::End);
        let texts: Vec<String> = chunks(sent.clone()).iter().map(Value::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        prop_assert_eq!(events(&texts), printed(&sent));
    }

    #[test]
    fn never_panics(text in r#"[\{\}\[\]":,a-z0-9]{0,60}"#) {
        let mut decoder = Decoder::default();
        let mut encoder = Encoder::new(&CONTEXT);
        let mut out = Vec::new();
        let mut sink = |event: Event<'_>| drop(encoder.write(event, &mut out));
        let _ = decoder.read(text.as_bytes(), &mut sink);
        decoder.finish(&mut sink);
    }
}
