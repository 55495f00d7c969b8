//! Streams.

use super::super::super::answer::{Event, Stop};
use super::super::super::request::{Media, Part, Source};
use super::super::super::state::{State, StateKind};
use super::{context, events, frames, json};
use crate::stream::recordings;
use crate::{AnswerContext, Splitter, StreamTranslator, Surface, Usage};
use bytes::Bytes;
use serde_json::{Value, json as value};

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini",
        "choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]}}"#
    )
}

fn read(chunks: &[String]) -> Vec<String> {
    let mut seen = events(&chunks.iter().map(|chunk| &**chunk).collect::<Vec<_>>());
    let start = r#"Start { id: "chatcmpl-123", model: "gpt-4o-mini", created: Some(1694268190) }"#;
    assert_eq!(seen.remove(0), start);
    assert_eq!(seen.pop().as_deref(), Some("End"));
    seen
}

fn deltas(deltas: &[&str]) -> Vec<String> {
    read(&deltas.iter().map(|delta| chunk(delta, "null")).collect::<Vec<_>>())
}

/// `platform.openai.com/docs/api-reference/chat-streaming`, with usage.
#[test]
fn text() {
    let seen = read(&[
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        chunk(r#"{"content":"Hello"}"#, "null"),
        chunk("{}", r#""stop""#),
        r#"{"id":"chatcmpl-123","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#
            .to_owned(),
        "[DONE]".to_owned(),
    ]);
    let usage = Usage { input_tokens: 3, output_tokens: 1, ..Usage::default() };
    let want = [
        r#"Text { choice: 0, delta: "Hello" }"#.to_owned(),
        format!("{:?}", Event::Usage(usage)),
        "Stop { choice: 0, reason: End }".to_owned(),
    ];
    assert_eq!(seen, want);
}

/// OpenRouter repeats the reason beside the figures; Groq has figures of its own.
#[test]
fn reasons_come_once() {
    let usage = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop",
        "native_finish_reason":"STOP"}],"usage":{"prompt_tokens":3,"completion_tokens":1},
        "x_groq":{"usage":{"prompt_tokens":9}}}"#;
    let seen = read(&[chunk(r#"{"content":"a"}"#, r#""length""#), usage.to_owned()]);
    assert_eq!(seen.len(), 3);
    assert!(seen[1].starts_with("Usage(Usage { input_tokens: 3,"), "{seen:?}");
    assert_eq!(seen[2], "Stop { choice: 0, reason: Length }");
}

/// `platform.openai.com/docs/guides/function-calling`, "Streaming"; two calls at once, their pieces mixed.
#[test]
fn calls() {
    let seen = deltas(&[
        r#"{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"g","arguments":"{\"b\""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}},{"index":1,"function":{"arguments":":2}"}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}"#,
    ]);
    let want = [
        r#"ToolStart { choice: 0, call: 0, id: "call_a", name: "f", state: None }"#,
        r#"ToolStart { choice: 0, call: 1, id: "call_b", name: "g", state: None }"#,
        r#"ToolArguments { choice: 0, call: 1, delta: "{\"b\"" }"#,
        r#"ToolArguments { choice: 0, call: 0, delta: "{\"a\"" }"#,
        r#"ToolArguments { choice: 0, call: 1, delta: ":2}" }"#,
        r#"ToolArguments { choice: 0, call: 0, delta: ":1}" }"#,
        "ToolEnd { choice: 0, call: 0 }",
        "ToolEnd { choice: 0, call: 1 }",
    ];
    assert_eq!(seen, want);
}

#[test]
fn calls_of_careless_servers() {
    let starts = |seen: Vec<String>| -> Vec<String> {
        seen.into_iter().filter(|event| event.starts_with("Tool")).collect()
    };
    // All calls have the index 0.
    let same = starts(deltas(&[
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]}"#,
    ]));
    // No index at all.
    let none = starts(deltas(&[
        r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":"{}"}}]}"#,
    ]));
    let want = [
        r#"ToolStart { choice: 0, call: 0, id: "a", name: "f", state: None }"#,
        r#"ToolArguments { choice: 0, call: 0, delta: "{}" }"#,
        r#"ToolStart { choice: 0, call: 1, id: "b", name: "g", state: None }"#,
        r#"ToolArguments { choice: 0, call: 1, delta: "{}" }"#,
        "ToolEnd { choice: 0, call: 0 }",
        "ToolEnd { choice: 0, call: 1 }",
    ];
    assert_eq!(same, want);
    assert_eq!(none, want);
    // The name comes late, the id every time.
    let late = starts(deltas(&[
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}]}"#,
    ]));
    let want = [
        r#"ToolStart { choice: 0, call: 0, id: "a", name: "f", state: None }"#,
        r#"ToolArguments { choice: 0, call: 0, delta: "{" }"#,
        r#"ToolArguments { choice: 0, call: 0, delta: "}" }"#,
        "ToolEnd { choice: 0, call: 0 }",
    ];
    assert_eq!(late, want);
    // The first form of tools, and Google's state.
    let first = starts(deltas(&[
        r#"{"function_call":{"name":"f","arguments":""}}"#,
        r#"{"function_call":{"arguments":"{}"}}"#,
    ]));
    assert_eq!(first[0], r#"ToolStart { choice: 0, call: 0, id: "", name: "f", state: None }"#);
    assert_eq!(first.len(), 3);
    let google = starts(deltas(&[
        r#"{"tool_calls":[{"index":0,"id":"a","extra_content":{"google":{"thought_signature":"Cv"}},"function":{"name":"f","arguments":"{}"}}]}"#,
    ]));
    assert!(google[0].contains(r#"data: ",Cv", surface: ChatCompletions"#), "{google:?}");
}

/// `openrouter.ai/docs/use-cases/reasoning-tokens`, "Streaming": the details repeat the text.
#[test]
fn thoughts_with_details() {
    let seen = deltas(&[
        r#"{"content":"","reasoning":"Let","reasoning_details":[{"type":"reasoning.text","text":"Let","format":"anthropic-claude-v1","index":0}]}"#,
        r#"{"content":"","reasoning":" me","reasoning_details":[{"type":"reasoning.text","text":" me","format":"anthropic-claude-v1","index":0}]}"#,
        r#"{"content":"","reasoning_details":[{"type":"reasoning.text","signature":"Eq","format":"anthropic-claude-v1","index":0}]}"#,
        r#"{"content":"","reasoning_details":[{"type":"reasoning.encrypted","data":"Em","id":"rs_1","format":"anthropic-claude-v1","index":1}]}"#,
        r#"{"content":"Hi"}"#,
    ]);
    let state = |kind, data: &str| {
        format!(
            "State {{ data: \"anthropic-claude-v1,{data}\", surface: ChatCompletions, provider: None, kind: {kind} }}"
        )
    };
    let want = [
        r#"Reasoning { choice: 0, item: 0, delta: "Let", summary: false }"#.to_owned(),
        r#"Reasoning { choice: 0, item: 0, delta: " me", summary: false }"#.to_owned(),
        format!("ReasoningState {{ choice: 0, item: 0, state: {}, id: None }}", state("Signature", "Eq")),
        format!(
            "ReasoningState {{ choice: 0, item: 1, state: {}, id: Some(\"rs_1\") }}",
            state("Encrypted", "Em")
        ),
        r#"Text { choice: 0, delta: "Hi" }"#.to_owned(),
    ];
    assert_eq!(seen, want);
}

#[test]
fn thoughts_without() {
    let seen = deltas(&[
        r#"{"content":null,"reasoning_content":"a"}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"b"}]},{"type":"text","text":"c"},{"type":"hologram"}]}"#,
        r#"{"reasoning":"d"}"#,
    ]);
    let want = [
        r#"Reasoning { choice: 0, item: 0, delta: "a", summary: false }"#,
        r#"Reasoning { choice: 0, item: 0, delta: "b", summary: false }"#,
        r#"Text { choice: 0, delta: "c" }"#,
        r#"Lost("choices[].delta.content[]")"#,
        r#"Reasoning { choice: 0, item: 1, delta: "d", summary: false }"#,
    ];
    assert_eq!(seen, want);
}

#[test]
fn other_pieces() {
    let seen = deltas(&[
        r#"{"refusal":"I can't"}"#,
        r#"{"images":[{"type":"image_url","image_url":{"url":"https://a/b.png"}}]}"#,
        r#"{"audio":{"id":"a","transcript":"Hi","data":"UklG"}}"#,
        r#"{"annotations":[{"type":"url_citation"}],"future":1}"#,
    ]);
    assert_eq!(seen[0], r#"Refusal { choice: 0, delta: "I can't" }"#);
    assert!(seen[1].starts_with(r#"Whole { choice: 0, part: Image(Media { source: Url("https://a/b.png")"#));
    let want = [
        r#"Text { choice: 0, delta: "Hi" }"#,
        r#"Lost("choices[].delta.audio.data")"#,
        r#"Lost("choices[].delta.annotations")"#,
    ];
    assert_eq!(seen[2..], want);
    assert_eq!(
        events(&[]),
        [r#"Start { id: "", model: "", created: None }"#, "End"],
        "nothing is an answer too"
    );
}

/// What a client gets for a recording, however much of it came.
fn translated(recording: &str, proper_end: bool) -> String {
    let mut splitter = Splitter::new();
    splitter.feed(Bytes::copy_from_slice(recording.as_bytes()));
    let mut translator = StreamTranslator::new(Surface::ChatCompletions, &context());
    let mut out = Vec::new();
    while let Some(frame) = splitter.next() {
        translator.frame(&frame, &mut out).unwrap();
    }
    if proper_end {
        translator.finish(&mut out);
    }
    assert_eq!(translator.lost(), [""; 0]);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_recording_of_openrouter() {
    let whole = translated(recordings::OPENROUTER, true);
    assert_eq!(whole.matches(": OPENROUTER PROCESSING\n\n").count(), 3, "signs of life pass");
    assert_eq!(whole.matches("\"finish_reason\":\"stop\"").count(), 1);
    assert_eq!(whole.matches("\"role\":\"assistant\"").count(), 1);
    assert_eq!(whole.matches("\"reasoning_content\":\"Hm\"").count(), 1);
    assert_eq!(whole.matches("\"delta\":{\"content\":\"Hi\"}").count(), 1);
    let frames: Vec<_> = whole.split_terminator("\n\n").collect();
    let [.., usage, done] = &frames[..] else { panic!() };
    assert_eq!(*done, "data: [DONE]");
    assert_eq!(json(usage.strip_prefix("data: ").unwrap())["usage"]["cost"], 0.00012);
    let cut = recordings::OPENROUTER.find("\"content\":\"Hi\"").unwrap();
    let cut = translated(&recordings::OPENROUTER[..cut], false);
    assert!(whole.starts_with(&cut) && !cut.contains("stop") && !cut.contains("DONE"), "{cut}");
}

fn start() -> Event<'static> {
    Event::Start { id: "msg_1".into(), model: "claude".into(), created: None }
}

fn body(choices: &Value) -> Value {
    value!({"id": "msg_1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "claude",
        "choices": choices, "usage": null})
}

fn delta(delta: &Value) -> Value {
    body(&value!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]))
}

/// The order of `platform.openai.com/docs/api-reference/chat-streaming`.
#[test]
fn written_text() {
    let usage = Usage { input_tokens: 3, output_tokens: 1, ..Usage::default() };
    let seen = frames(
        &context(),
        vec![
            start(),
            Event::Usage(Usage { input_tokens: 3, ..Usage::default() }),
            Event::Text { choice: 0, delta: "Hel\"lo".into() },
            Event::Stop { choice: 0, reason: Stop::End },
            Event::Stop { choice: 0, reason: Stop::Length },
            Event::Usage(usage),
            Event::End,
            Event::End,
        ],
    );
    let finish = value!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"}]);
    let mut last = body(&value!([]));
    last["usage"] = value!({"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}});
    let want = [
        delta(&value!({"role": "assistant", "content": "", "refusal": null})),
        delta(&value!({"content": "Hel\"lo"})),
        body(&finish),
        last,
    ];
    assert_eq!(seen, want);
    let quiet = AnswerContext { include_usage: false, ..context() };
    let seen = frames(&quiet, vec![start(), Event::Usage(usage), Event::End]);
    assert_eq!(seen.len(), 2, "a role and a reason");
    assert_eq!(seen[0].get("usage"), None);
}

#[test]
fn written_calls() {
    let call = |call, id: &'static str, name: &'static str| Event::ToolStart {
        choice: 0,
        call,
        id: id.into(),
        name: name.into(),
        state: None,
    };
    let seen = frames(
        &context(),
        vec![
            start(),
            call(0, "toolu_1", "f"),
            call(1, "", "g"),
            Event::ToolArguments { choice: 0, call: 1, delta: "{\"b\":".into() },
            Event::ToolEnd { choice: 0, call: 0 },
            Event::ToolArguments { choice: 0, call: 1, delta: "2}".into() },
            Event::ToolEnd { choice: 0, call: 1 },
            Event::Stop { choice: 0, reason: Stop::End },
            Event::End,
        ],
    );
    let begin = |index: u32, id: &str, name: &str| {
        delta(&value!({"tool_calls": [{"index": index, "id": id, "type": "function",
            "function": {"name": name, "arguments": ""}}]}))
    };
    let more = |index: u32, text: &str| {
        delta(&value!({"tool_calls": [{"index": index, "function": {"arguments": text}}]}))
    };
    let want = [
        begin(0, "toolu_1", "f"),
        begin(1, "call_abc123_0_1", "g"),
        more(1, "{\"b\":"),
        more(0, "{}"),
        more(1, "2}"),
    ];
    assert_eq!(seen[1..6], want);
    assert_eq!(seen[6]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn written_thoughts() {
    let state =
        State { data: "EqQB".into(), surface: Surface::Messages, provider: None, kind: StateKind::Signature };
    let thought =
        |item, delta: &'static str| Event::Reasoning { choice: 0, item, delta: delta.into(), summary: false };
    let seen = frames(
        &context(),
        vec![
            start(),
            thought(0, "Let"),
            thought(0, " me"),
            Event::ReasoningState { choice: 0, item: 0, state, id: None },
            thought(1, "More"),
            Event::End,
        ],
    );
    let want = [
        delta(&value!({"reasoning_content": "Let"})),
        delta(&value!({"reasoning_content": " me"})),
        delta(&value!({"reasoning_details": [{"type": "reasoning.text", "text": "Let me",
            "signature": "tg1.messages.s.anthropic.EqQB", "format": "anthropic-claude-v1", "index": 0}]})),
        delta(&value!({"reasoning_content": "\n\nMore"})),
    ];
    assert_eq!(seen[1..5], want);
}

#[test]
fn written_out_of_order() {
    // No start, a second choice, a picture, no reasons.
    let picture = Media::new(Source::Base64("iVBO".into()), Some("image/png".into()));
    let seen = frames(
        &context(),
        vec![
            Event::Text { choice: 1, delta: "b".into() },
            Event::Whole { choice: 0, part: Part::Image(picture) },
            Event::ToolArguments { choice: 0, call: 7, delta: "lost".into() },
            Event::End,
        ],
    );
    let told: Vec<_> = seen
        .iter()
        .map(|frame| {
            let choice = &frame["choices"][0];
            (choice["index"].as_u64().unwrap(), choice["delta"].clone(), choice["finish_reason"].clone())
        })
        .collect();
    let role = value!({"role": "assistant", "content": "", "refusal": null});
    let images = value!({"images": [{"type": "image_url",
        "image_url": {"url": "data:image/png;base64,iVBO"}, "index": 0}]});
    let want = [
        (0, role.clone(), Value::Null),
        (1, role, Value::Null),
        (1, value!({"content": "b"}), Value::Null),
        (0, images, Value::Null),
        (0, value!({}), value!("stop")),
        (1, value!({}), value!("stop")),
    ];
    assert_eq!(told, want);
    assert_eq!(seen[0]["id"], "chatcmpl-abc123");
}
