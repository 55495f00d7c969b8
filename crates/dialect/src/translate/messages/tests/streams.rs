//! Streams: events of Anthropic's documentation read, and events of other providers written.

use super::super::{Decoder, Encoder};
use super::*;
use crate::translate::answer::{Event, Stop};
use crate::translate::request::{Media, Source};
use crate::translate::state::{State, StateKind};
use crate::{Splitter, StreamTranslator, Usage};
use bytes::Bytes;
use serde_json::json;

/// <https://platform.claude.com/docs/en/build-with-claude/streaming>, "Streaming request with tool use", shortened.
const TOOLS: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_014p7gG3wDgGV9EUtLvnow3U","type":"message","role":"assistant","model":"claude-opus-4-8","stop_sequence":null,"usage":{"input_tokens":472,"output_tokens":2},"content":[],"stop_reason":null}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Okay"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":", let's"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_01T1x1fJ34qAmk2tNTrN7Up6","name":"get_weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"location\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":" \"San Francisco, CA\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}}

event: message_stop
data: {"type":"message_stop"}

"#;

/// The same page, "Streaming request with extended thinking", shortened, and a redacted block.
const THINKING: &str = r#"event: message_start
data: {"type": "message_start", "message": {"id": "msg_01", "type": "message", "role": "assistant", "content": [], "model": "claude-opus-4-8", "stop_reason": null, "stop_sequence": null}}

event: content_block_start
data: {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "I need to find the GCD"}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds..."}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 0}

event: content_block_start
data: {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "EmwK"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 1}

event: content_block_start
data: {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "**21**"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 2}

event: message_delta
data: {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}}

event: message_stop
data: {"type": "message_stop"}

"#;

/// Name and data of every event.
fn frames(stream: &str) -> Vec<(Option<String>, String)> {
    let mut frames = Vec::new();
    for frame in stream.split("\n\n").filter(|frame| !frame.is_empty()) {
        let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
        let name = field("event: ").map(str::to_owned);
        frames.push((name, field("data: ").unwrap_or_default().to_owned()));
    }
    frames
}

fn decode(frames: &[(Option<String>, String)]) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for (name, data) in frames {
        let mut sink = |event: Event<'_>| events.push(short(&event));
        decoder.read(name.as_deref(), data.as_bytes(), &mut sink).unwrap();
    }
    decoder.finish(&mut |event| events.push(short(&event)));
    events
}

/// An event in one line, for comparing.
fn short(event: &Event<'_>) -> String {
    match event {
        Event::Start { id, model, .. } => format!("start {id} {model}"),
        Event::Text { delta, .. } => format!("text {delta}"),
        Event::Refusal { delta, .. } => format!("refusal {delta}"),
        Event::Reasoning { item, delta, .. } => format!("thought {item} {delta}"),
        Event::ReasoningState { item, state, .. } => format!("state {item} {:?} {}", state.kind, state.data),
        Event::ToolStart { call, id, name, .. } => format!("call {call} {id} {name}"),
        Event::ToolArguments { call, delta, .. } => format!("arguments {call} {delta}"),
        Event::ToolEnd { call, .. } => format!("end of {call}"),
        Event::Stop { reason, .. } => format!("stop {reason:?}"),
        Event::Usage(usage) => format!("usage {} {}", usage.input_tokens, usage.output_tokens),
        Event::Lost(path) => format!("lost {path}"),
        Event::End => "end".to_owned(),
        Event::Whole { .. } => "whole".to_owned(),
    }
}

const TOOL_EVENTS: [&str; 11] = [
    "start msg_014p7gG3wDgGV9EUtLvnow3U claude-opus-4-8",
    "usage 472 2",
    "text Okay",
    "text , let's",
    "call 0 toolu_01T1x1fJ34qAmk2tNTrN7Up6 get_weather",
    "arguments 0 {\"location\":",
    "arguments 0  \"San Francisco, CA\"}",
    "end of 0",
    "usage 0 89",
    "stop ToolCalls",
    "end",
];

#[test]
fn streams_of_the_documentation() {
    assert_eq!(decode(&frames(TOOLS)), TOOL_EVENTS);
    assert_eq!(
        decode(&frames(THINKING)),
        [
            "start msg_01 claude-opus-4-8",
            "thought 0 I need to find the GCD",
            "state 0 Signature EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds...",
            "state 1 Encrypted EmwK",
            "text **21**",
            "stop End",
            "end",
        ]
    );
}

#[test]
fn odd_streams_are_read() {
    // OpenRouter ends with a line of OpenAI's; names may be missing; the reason may come twice.
    let mut odd: Vec<_> = frames(TOOLS).into_iter().map(|(_, data)| (None, data)).collect();
    odd.insert(12, odd[11].clone());
    odd.push((Some("data".into()), "[DONE]".into()));
    odd.push((None, String::new()));
    odd.insert(1, (Some("new_event".into()), r#"{"type":"new_event","x":[1]}"#.into()));
    let mut want = TOOL_EVENTS.map(str::to_owned).to_vec();
    want.insert(9, "usage 0 89".into());
    want.swap(9, 10);
    assert_eq!(decode(&odd), want);

    let data = |json: &str| (None, json.to_owned());
    let pieces = [
        data(r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a"}}"#),
        data(
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
        ),
        data(r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"b"}}"#),
        data(
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"x"}}}"#,
        ),
        data(
            r#"{"type":"content_block_delta","index":9,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        ),
        data(
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"x":1}}}"#,
        ),
        data(
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"server_tool_use","id":"s","input":{}}}"#,
        ),
        data(
            r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        ),
        data(r#"{"type":"content_block_start","index":4,"content_block":{"type":"text","text":"c"}}"#),
        data(
            r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"explanation":"No."}},"usage":null}"#,
        ),
    ];
    assert_eq!(
        decode(&pieces),
        [
            "thought 0 a",
            "state 0 Signature s",
            "text b",
            "lost content[1].citations",
            "lost content[9].input_json_delta",
            "call 0 t f",
            "lost content[3]",
            "text c",
            "refusal No.",
            "stop Refusal",
            "arguments 0 {\"x\":1}",
            "end of 0",
            "end",
        ]
    );
    assert_eq!(decode(&[]), ["end"]);
}

fn encode(events: Vec<Event<'_>>) -> (Vec<Value>, Vec<String>) {
    let mut encoder = Encoder::new(&CONTEXT);
    let (mut out, mut lost) = (Vec::new(), Vec::new());
    for event in events {
        lost.extend(encoder.write(event, &mut out));
    }
    let out = String::from_utf8(out).unwrap();
    let events = frames(&out).into_iter().map(|(name, data)| {
        let event = json(data.as_bytes());
        assert_eq!(event["type"].as_str(), name.as_deref(), "the name of an event is its type");
        event
    });
    (events.collect(), lost)
}

/// The message an official SDK makes of a stream, by the rules of `accumulate_event` in `anthropic.lib.streaming`.
fn accumulate(events: &[Value]) -> Value {
    let mut message = events[0]["message"].clone();
    let mut arguments = String::new();
    let mut open = false;
    for event in &events[1..] {
        let at = event["index"].as_u64().unwrap_or_default() as usize;
        let content = message["content"].as_array_mut().unwrap();
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert!(!open, "one block at a time");
                assert_eq!(at, content.len());
                content.push(event["content_block"].clone());
                open = true;
            }
            "content_block_delta" => {
                let (delta, block) = (&event["delta"], content.last_mut().unwrap());
                assert!(open && block["type"] != "redacted_thinking");
                let append = |field: &str| {
                    json!(format!("{}{}", block[field].as_str().unwrap(), delta[field].as_str().unwrap()))
                };
                match delta["type"].as_str().unwrap() {
                    "text_delta" => block["text"] = append("text"),
                    "thinking_delta" => block["thinking"] = append("thinking"),
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    "input_json_delta" => arguments.push_str(delta["partial_json"].as_str().unwrap()),
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" => {
                assert!(open && at + 1 == content.len());
                open = false;
                let text = std::mem::take(&mut arguments);
                if !text.is_empty() {
                    content[at]["input"] = json(text.as_bytes());
                }
            }
            "message_delta" => {
                assert!(!open);
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                message["stop_sequence"] = event["delta"]["stop_sequence"].clone();
                message["usage"] = event["usage"].clone();
            }
            "message_stop" => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    let ends = events.iter().filter(|event| event["type"] == "message_delta").count();
    assert_eq!(ends, 1, "one end");
    message
}

fn start() -> Event<'static> {
    Event::Start { id: "chatcmpl-1".into(), model: "gpt-5".into(), created: Some(1) }
}

fn text(delta: &'static str) -> Event<'static> {
    Event::Text { choice: 0, delta: delta.into() }
}

fn begin(call: u32, id: &'static str, name: &'static str) -> Event<'static> {
    Event::ToolStart { choice: 0, call, id: id.into(), name: name.into(), state: None }
}

fn arguments(call: u32, delta: &'static str) -> Event<'static> {
    Event::ToolArguments { choice: 0, call, delta: delta.into() }
}

fn usage(input: u64, output: u64) -> Event<'static> {
    Event::Usage(Usage { input_tokens: input, output_tokens: output, cached_tokens: 5, ..Usage::default() })
}

#[test]
fn a_stream_is_written_as_documented() {
    let (events, lost) = encode(vec![
        start(),
        text("Hel"),
        text(""),
        text("lo"),
        begin(0, "call_a", "f"),
        arguments(0, "{\"x\":"),
        arguments(0, "1}"),
        Event::ToolEnd { choice: 0, call: 0 },
        Event::Stop { choice: 0, reason: Stop::End },
        Event::Stop { choice: 0, reason: Stop::Length },
        usage(25, 15),
        Event::End,
        text("late"),
        Event::End,
    ]);
    let usage = |input: u64, cached: u64, output: u64| {
        json!({"input_tokens": input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": cached,
               "output_tokens": output})
    };
    let delta =
        |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let block = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let want = [
        json!({"type": "message_start", "message": {
            "id": "chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt-5", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": usage(0, 0, 0)}}),
        block(0, json!({"type": "text", "text": ""})),
        delta(0, json!({"type": "text_delta", "text": "Hel"})),
        delta(0, json!({"type": "text_delta", "text": "lo"})),
        json!({"type": "content_block_stop", "index": 0}),
        block(1, json!({"type": "tool_use", "id": "call_a", "name": "f", "input": {}})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "{\"x\":"})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "1}"})),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
               "usage": usage(20, 5, 15)}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(events, want);
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn interleaved_calls_come_one_after_another() {
    let (events, _) = encode(vec![
        start(),
        begin(0, "a", "f"),
        begin(1, "", "g"),
        arguments(1, "{\"y\":"),
        arguments(0, "{\"x\":"),
        text("af"),
        text("ter"),
        arguments(1, "2}"),
        begin(2, "c", "h"),
        arguments(0, "1}"),
        Event::ToolEnd { choice: 0, call: 1 },
        Event::ToolEnd { choice: 0, call: 0 },
        arguments(2, "{\"z\":3}"),
        Event::Stop { choice: 0, reason: Stop::ToolCalls },
        Event::End,
    ]);
    let message = accumulate(&events);
    assert_eq!(
        message["content"],
        json!([
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            {"type": "tool_use", "id": "toolu_msgmade_1", "name": "g", "input": {"y": 2}},
            {"type": "text", "text": "after"},
            {"type": "tool_use", "id": "c", "name": "h", "input": {"z": 3}}
        ])
    );
}

/// What waits has a limit: the call that keeps it waiting is closed then.
#[test]
fn a_call_that_never_ends_is_closed() {
    let mebibyte = || "x".repeat(1024 * 1024);
    let piece = |delta: String| Event::ToolArguments { choice: 0, call: 1, delta: delta.into() };
    let mut events =
        vec![start(), begin(0, "a", "f"), arguments(0, "{}"), begin(1, "b", "g"), arguments(1, "{\"y\":\"")];
    events.extend((0..17).map(|_| piece(mebibyte())));
    events.extend([piece("\"}".into()), arguments(0, " "), text("t"), Event::End]);
    let (events, lost) = encode(events);
    let message = accumulate(&events);
    assert_eq!(message["content"][0]["input"], json!({}));
    assert_eq!(message["content"][1]["input"]["y"].as_str().unwrap().len(), 17 * 1024 * 1024);
    assert_eq!(message["content"][2]["text"], "t");
    assert_eq!(lost, ["calls[0].arguments"]);
}

#[test]
fn thoughts_and_their_state() {
    let state = |surface, kind| State { data: "blob".into(), surface, provider: None, kind };
    let thought =
        |item, delta: &'static str| Event::Reasoning { choice: 0, item, delta: delta.into(), summary: false };
    let proof = |item, state| Event::ReasoningState { choice: 0, item, state, id: None };
    let bound = state(Surface::GenerateContent, StateKind::Signature);
    let (events, _) = encode(vec![
        start(),
        thought(0, "a"),
        thought(0, "b"),
        proof(0, state(Surface::Responses, StateKind::Encrypted)),
        proof(1, state(Surface::Responses, StateKind::Encrypted)),
        thought(2, "c"),
        thought(3, "d"),
        text("t"),
        proof(4, state(Surface::Messages, StateKind::Signature)),
        Event::ToolStart { choice: 0, call: 0, id: "i".into(), name: "f".into(), state: Some(bound) },
        Event::End,
    ]);
    let wrapped = "tg1.responses.e.openai.blob";
    let message = accumulate(&events);
    assert_eq!(
        message["content"],
        json!([
            {"type": "thinking", "thinking": "ab", "signature": wrapped},
            {"type": "redacted_thinking", "data": wrapped},
            {"type": "thinking", "thinking": "c", "signature": ""},
            {"type": "thinking", "thinking": "d", "signature": ""},
            {"type": "text", "text": "t"},
            {"type": "thinking", "thinking": "", "signature": "blob"},
            {"type": "redacted_thinking", "data": "tg1.generate-content.s.openai.blob"},
            {"type": "tool_use", "id": "i", "name": "f", "input": {}}
        ])
    );
    assert_eq!(message["stop_reason"], "tool_use", "the provider did not say why it ended");
}

#[test]
fn an_empty_stream_is_an_empty_answer() {
    let (events, _) = encode(vec![Event::End]);
    let message = accumulate(&events);
    assert_eq!((&message["id"], &message["content"]), (&json!("msg_made"), &json!([])));
    assert_eq!((events.len(), &message["stop_reason"]), (3, &json!("end_turn")));
}

#[test]
fn figures_that_come_first_stand_in_the_start() {
    let (events, _) = encode(vec![start(), usage(30, 1), text("a"), usage(30, 9), Event::End]);
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 25);
    assert_eq!(accumulate(&events)["usage"]["output_tokens"], 9);
}

#[test]
fn what_has_no_form_is_named() {
    let picture = Part::Image(Media::new(Source::Url("https://x".into()), None));
    let (events, lost) = encode(vec![
        start(),
        Event::Whole { choice: 0, part: picture },
        Event::Text { choice: 1, delta: "other".into() },
        Event::Refusal { choice: 0, delta: "No.".into() },
        Event::Stop { choice: 0, reason: Stop::End },
        Event::End,
    ]);
    assert_eq!(lost, ["content[0]", "choices[1]"]);
    let message = accumulate(&events);
    assert_eq!(message["content"], json!([{"type": "text", "text": "No."}]));
    assert_eq!(message["stop_reason"], "refusal");
    let (events, lost) =
        encode(vec![start(), Event::Stop { choice: 0, reason: Stop::Other("x".into()) }, Event::End]);
    assert_eq!(
        (lost, accumulate(&events)["stop_reason"].as_str()),
        (vec!["stop_reason".into()], Some("end_turn"))
    );
}

/// A stream written again is the message it was, wherever the bytes are cut.
#[test]
fn there_and_back() {
    for stream in [TOOLS, THINKING] {
        let whole: Vec<Value> = frames(stream)
            .into_iter()
            .map(|(_, data)| json(data.as_bytes()))
            .filter(|event| event["type"] != "ping")
            .collect();
        let mut want = accumulate(&whole);
        for size in [1, 7, 4096] {
            let mut translator = StreamTranslator::new(Surface::Messages, &CONTEXT);
            let (mut splitter, mut out) = (Splitter::new(), Vec::new());
            for bytes in stream.as_bytes().chunks(size) {
                splitter.feed(Bytes::copy_from_slice(bytes));
                while let Some(frame) = splitter.next() {
                    translator.frame(&frame, &mut out).unwrap();
                }
            }
            translator.finish(&mut out);
            let out = String::from_utf8(out).unwrap();
            let events: Vec<Value> = frames(&out).iter().map(|(_, data)| json(data.as_bytes())).collect();
            let got = accumulate(&events);
            want["usage"] = got["usage"].clone();
            assert_eq!(got, want);
            assert_eq!(translator.lost(), &[] as &[String]);
        }
    }
}
