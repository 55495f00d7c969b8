//! Whole answers.

use super::super::{read_answer, write_answer};
use super::*;
use crate::Usage;
use crate::translate::answer::{Answer, Choice, Stop};
use crate::translate::request::{Media, Source, TextPart, Thought};
use crate::translate::state::{State, StateKind};
use serde_json::json;

#[test]
fn an_answer_of_the_documentation() {
    // https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview
    let body = json!({
        "id": "msg_01Aq9w938a90dw8q", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "text", "text": "I'll check the current weather in San Francisco for you."},
            {"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "get_weather",
             "input": {"location": "San Francisco, CA", "unit": "celsius"}}
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 30, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 60,
                  "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 7}}
    });
    let text = body.to_string();
    let answer = read_answer(text.as_bytes()).unwrap();
    assert_eq!((&*answer.id, &*answer.model), ("msg_01Aq9w938a90dw8q", "claude-sonnet-4-5"));
    let state =
        State { data: "sig".into(), surface: Surface::Messages, provider: None, kind: StateKind::Signature };
    let choice = Choice {
        parts: vec![
            Part::Reasoning(Thought { text: "Hm.".into(), state: Some(state), ..Thought::default() }),
            Part::text("I'll check the current weather in San Francisco for you."),
            super::call(
                "toolu_01A09q90qw90lq917835lq9",
                "get_weather",
                r#"{"location":"San Francisco, CA","unit":"celsius"}"#,
            ),
        ],
        stop: Some(Stop::ToolCalls),
    };
    assert_eq!(answer.choices, [choice]);
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 20,
        cached_tokens: 60,
        cache_write_tokens: 10,
        reasoning_tokens: 7,
        ..Usage::default()
    };
    assert_eq!((answer.usage, &answer.lost[..]), (Some(usage), &[][..]));
    assert_eq!(json(&write_answer(&answer, &CONTEXT).body), body);
}

#[test]
fn ends() {
    for (word, want) in [
        ("end_turn", Stop::End),
        ("max_tokens", Stop::Length),
        ("model_context_window_exceeded", Stop::Length),
        ("stop_sequence", Stop::Sequence(Some("END".into()))),
        ("tool_use", Stop::ToolCalls),
        ("refusal", Stop::Refusal),
        ("pause_turn", Stop::Pause),
        ("new_reason", Stop::Other("new_reason".into())),
    ] {
        let body = json!({"content": [], "stop_reason": word, "stop_sequence": "END"}).to_string();
        assert_eq!(read_answer(body.as_bytes()).unwrap().choices[0].stop, Some(want));
    }
}

#[test]
fn what_it_cannot_say_is_named() {
    let body = json!({
        "content": [
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "text", "text": "x", "citations": [{"type": "char_location"}], "new": 1},
            {"type": "hologram"}
        ],
        "container": {"id": "c"}, "diagnostics": null, "type": "message", "role": "assistant",
        "stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio", "explanation": "No."},
        "usage": {"input_tokens": 1, "output_tokens": 2, "cost": 0.5, "server_tool_use": {"web_search_requests": 1}}
    })
    .to_string();
    let answer = read_answer(body.as_bytes()).unwrap();
    assert_eq!(answer.lost, ["content[0]", "content[1].new", "content[2]", "container"]);
    let [Part::Text(TextPart { annotations: Some(_), .. }), Part::Refusal(why)] =
        &answer.choices[0].parts[..]
    else {
        panic!("{:?}", answer.choices)
    };
    assert_eq!(why, "No.");
    assert_eq!(answer.usage.unwrap().cost, Some(0.5));
}

fn write(choice: Choice<'_>) -> (Value, Vec<String>) {
    let answer = Answer { choices: vec![choice], ..Answer::default() };
    let translated = write_answer(&answer, &CONTEXT);
    (json(&translated.body), translated.lost)
}

#[test]
fn an_empty_answer_is_valid() {
    let want = json!({
        "id": "msg_made", "type": "message", "role": "assistant", "model": "gpt-5", "content": [],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    });
    assert_eq!(json(&write_answer(&Answer::default(), &CONTEXT).body), want);
    assert_eq!(write(Choice::default()), (want, vec![]));
}

#[test]
fn reasons_fit_the_content() {
    let text = || vec![Part::text("x")];
    let calls = || vec![super::call("c", "f", "{}")];
    for (parts, stop, want, sequence) in [
        (text(), Some(Stop::End), "end_turn", Value::Null),
        (calls(), Some(Stop::End), "tool_use", Value::Null),
        (calls(), None, "tool_use", Value::Null),
        (text(), Some(Stop::ToolCalls), "end_turn", Value::Null),
        (calls(), Some(Stop::Length), "max_tokens", Value::Null),
        (text(), Some(Stop::Filtered(Some("SAFETY".into()))), "refusal", Value::Null),
        (vec![Part::Refusal("No.".into())], Some(Stop::End), "refusal", Value::Null),
        (text(), Some(Stop::Sequence(Some("S".into()))), "stop_sequence", json!("S")),
        (text(), Some(Stop::Pause), "pause_turn", Value::Null),
        (text(), Some(Stop::Other("LANGUAGE".into())), "end_turn", Value::Null),
    ] {
        let (body, lost) = write(Choice { parts, stop: stop.clone() });
        assert_eq!((&body["stop_reason"], &body["stop_sequence"]), (&json!(want), &sequence), "{stop:?}");
        assert_eq!(lost.is_empty(), !matches!(stop, Some(Stop::Other(_))), "{stop:?}");
    }
}

#[test]
fn foreign_state_and_broken_arguments() {
    let state = |kind, surface| State { data: "blob".into(), surface, provider: None, kind };
    let (summary, hidden) = (Surface::Responses, StateKind::Encrypted);
    let mut bound = super::call("", "f", "{broken");
    if let Part::ToolCall(call) = &mut bound {
        call.state = Some(state(StateKind::Signature, Surface::GenerateContent));
    }
    let parts = vec![
        Part::Reasoning(Thought { text: "unsigned".into(), ..Thought::default() }),
        Part::Reasoning(Thought {
            text: "s".into(),
            state: Some(state(hidden, summary)),
            ..Thought::default()
        }),
        Part::Reasoning(Thought { state: Some(state(hidden, summary)), ..Thought::default() }),
        bound,
        super::call("c", "g", ""),
        Part::Image(Media::new(Source::Url("https://x".into()), None)),
    ];
    let (body, lost) = write(Choice { parts, stop: Some(Stop::End) });
    let wrapped = "tg1.responses.e.openai.blob";
    assert_eq!(
        body["content"],
        json!([
            {"type": "thinking", "thinking": "unsigned", "signature": ""},
            {"type": "thinking", "thinking": "s", "signature": wrapped},
            {"type": "redacted_thinking", "data": wrapped},
            {"type": "redacted_thinking", "data": "tg1.generate-content.s.openai.blob"},
            {"type": "tool_use", "id": "toolu_msgmade_0", "name": "f", "input": {"_raw_arguments": "{broken"}},
            {"type": "tool_use", "id": "c", "name": "g", "input": {}}
        ])
    );
    assert_eq!(lost, ["content[3].input", "content[5]"]);
}

#[test]
fn more_answers_than_one_are_named() {
    let answer = Answer {
        choices: vec![Choice::default(), Choice { parts: vec![Part::text("b")], stop: None }],
        ..Answer::default()
    };
    assert_eq!(write_answer(&answer, &CONTEXT).lost, ["choices[1]"]);
}
