use super::*;
use crate::Usage;
use crate::translate::answer::{Event, Stop};
use crate::translate::converse::Decoder;
use crate::translate::request::{Media, Source};
use crate::translate::state::{State, StateKind};

/// The events of a stream, written down.
fn decode(events: &[(&str, &str)]) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut seen = Vec::new();
    for (name, data) in events {
        decoder.read(Some(name), data.as_bytes(), &mut |event| seen.push(shown(&event))).unwrap();
    }
    decoder.finish(&mut |event| seen.push(shown(&event)));
    seen
}

fn shown(event: &Event<'_>) -> String {
    format!("{event:?}")
}

fn shown_all(events: &[Event<'_>]) -> Vec<String> {
    events.iter().map(shown).collect()
}

fn start() -> Event<'static> {
    Event::Start { id: "".into(), model: "".into(), created: None }
}

fn text(delta: &str) -> Event<'_> {
    Event::Text { choice: 0, delta: delta.into() }
}

fn stop(reason: Stop<'static>) -> Event<'static> {
    Event::Stop { choice: 0, reason }
}

fn arguments(call: u32, delta: &str) -> Event<'_> {
    Event::ToolArguments { choice: 0, call, delta: delta.into() }
}

/// "ConverseStream", examples (Amazon Bedrock API reference, `API_runtime_ConverseStream`); `p` is the padding that
/// Bedrock sends with every event.
#[test]
fn published_text() {
    let usage = Usage { input_tokens: 47, output_tokens: 20, ..Usage::default() };
    let got = decode(&[
        ("messageStart", r#"{"p":"abcd","role":"assistant"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"<text "},"p":"ab"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"generated>"}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0,"p":"abcdef"}"#),
        ("messageStop", r#"{"stopReason":"max_tokens"}"#),
        (
            "metadata",
            r#"{"metrics":{"latencyMs":100},"usage":{"inputTokens":47,"outputTokens":20,"totalTokens":67}}"#,
        ),
    ]);
    let want =
        [start(), text("<text "), text("generated>"), stop(Stop::Length), Event::Usage(usage), Event::End];
    assert_eq!(got, shown_all(&want));
}

/// The shapes of `ContentBlockStart` and `ContentBlockDelta` (Amazon Bedrock API reference).
#[test]
fn tools_interleaved() {
    let tool = |at: u8, id: &str, name: &str| {
        format!(
            r#"{{"contentBlockIndex":{at},"start":{{"toolUse":{{"toolUseId":"{id}","name":"{name}"}}}}}}"#
        )
    };
    let piece = |at: u8, input: &str| {
        let input = serde_json::to_string(input).unwrap();
        format!(r#"{{"contentBlockIndex":{at},"delta":{{"toolUse":{{"input":{input}}}}}}}"#)
    };
    let got = decode(&[
        ("messageStart", r#"{"role":"assistant"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"Let me see."}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ("contentBlockStart", &tool(1, "t1", "f")),
        ("contentBlockDelta", &piece(1, "")),
        ("contentBlockStart", &tool(2, "t2", "g")),
        ("contentBlockDelta", &piece(1, "{\"x\":")),
        ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
        ("contentBlockDelta", &piece(1, "1}")),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
    ]);
    let begin = |call, id: &'static str, name: &'static str| Event::ToolStart {
        choice: 0,
        call,
        id: id.into(),
        name: name.into(),
        state: None,
    };
    let want = [
        start(),
        text("Let me see."),
        begin(0, "t1", "f"),
        begin(1, "t2", "g"),
        arguments(0, "{\"x\":"),
        arguments(1, "{}"),
        Event::ToolEnd { choice: 0, call: 1 },
        arguments(0, "1}"),
        Event::ToolEnd { choice: 0, call: 0 },
        stop(Stop::ToolCalls),
        Event::End,
    ];
    assert_eq!(got, shown_all(&want));
}

#[test]
fn thoughts_and_pictures() {
    let got = decode(&[
        ("messageStart", r#"{"role":"assistant"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"c2"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"ln"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"b3A="}}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":2,"start":{"image":{"format":"png"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"image":{"source":{"bytes":"iVBO"}}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"image":{"source":{"bytes":"Rw=="}}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
        (
            "messageStop",
            r#"{"stopReason":"stop_sequence","additionalModelResponseFields":{"stop_sequence":"END"}}"#,
        ),
    ]);
    let state = |item, data: &'static str, kind| Event::ReasoningState {
        choice: 0,
        item,
        state: State { data: data.into(), surface: Surface::Converse, provider: None, kind },
        id: None,
    };
    let image = Media::new(Source::Base64("iVBORw==".into()), Some("image/png".into()));
    let want = [
        start(),
        Event::Reasoning { choice: 0, item: 0, delta: "hm".into(), summary: false },
        state(0, "c2ln", StateKind::Signature),
        state(1, "b3A=", StateKind::Encrypted),
        Event::Whole { choice: 0, part: Part::Image(image) },
        stop(Stop::Sequence(Some("END".into()))),
        Event::End,
    ];
    assert_eq!(got, shown_all(&want));
}

#[test]
fn in_another_order_and_with_gaps() {
    let got = decode(&[
        ("metadata", r#"{"usage":{"inputTokens":1,"outputTokens":2}}"#),
        ("newEvent", r#"{"x":1}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":"{}"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"citation":{"title":"T"}}}"#),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"s","name":"w","type":"server_tool_use"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":4,"delta":{"toolUse":{"input":"{}"}}}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":5,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
        ("messageStop", r#"{"stopReason":"end_turn"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"too late"}}"#),
    ]);
    let usage = Usage { input_tokens: 1, output_tokens: 2, ..Usage::default() };
    let lost = |path: &str| Event::Lost(path.to_owned());
    let want = [
        start(),
        Event::Usage(usage),
        lost("newEvent"),
        lost("contentBlockDelta.delta.toolUse"),
        lost("contentBlockDelta.delta.citation"),
        lost("contentBlockStart.start.toolUse"),
        Event::ToolStart { choice: 0, call: 0, id: "t".into(), name: "f".into(), state: None },
        arguments(0, "{}"),
        Event::ToolEnd { choice: 0, call: 0 },
        stop(Stop::ToolCalls),
        Event::End,
    ];
    assert_eq!(got, shown_all(&want));
}

#[test]
fn a_stream_that_breaks_off_closes_what_is_open() {
    let got = decode(&[
        ("contentBlockStart", r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"x"}}}"#),
    ]);
    let tail = shown_all(&[arguments(0, "{\"x"), Event::ToolEnd { choice: 0, call: 0 }, Event::End]);
    assert!(got.ends_with(&tail), "{got:?}");
    assert_eq!(decode(&[]), Vec::<String>::new());
}

#[test]
fn exceptions_are_not_content_and_broken_json_is_an_error() {
    assert_eq!(decode(&[("throttlingException", r#"{"message":"slow down"}"#)]), Vec::<String>::new());
    let mut decoder = Decoder::default();
    let error = decoder.read(Some("contentBlockDelta"), b"{\"delta\":", &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "the body is not valid JSON (line 1, column 9)");
}
