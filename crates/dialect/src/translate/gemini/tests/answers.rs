//! Whole answers, read and written.

use super::{CONTEXT, json};
use crate::translate::answer::{Answer, Choice, Stop};
use crate::translate::gemini::{read_answer, write_answer};
use crate::translate::request::*;
use crate::translate::state::{State, StateKind};
use crate::{Surface, Usage};

fn own(data: &'static str) -> State<'static> {
    State { data: data.into(), surface: Surface::GenerateContent, provider: None, kind: StateKind::Signature }
}

fn call(id: &'static str, name: &'static str, arguments: &'static str) -> ToolCall<'static> {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), state: None, cache: None }
}

/// ai.google.dev/api/generate-content#GenerateContentResponse; figures as in /gemini-api/docs/thinking.
#[test]
fn text_and_figures() {
    let answer = read_answer(
        br#"{"candidates":[{"content":{"parts":[{"text":"Thinking","thought":true},{"text":"Hi there","thoughtSignature":"A"}],
              "role":"model"},"finishReason":"STOP","avgLogprobs":-0.1,"index":0}],
            "usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":8,"totalTokenCount":128,"thoughtsTokenCount":20,
              "cachedContentTokenCount":60,"promptTokensDetails":[{"modality":"TEXT","tokenCount":90},{"modality":"IMAGE","tokenCount":10}]},
            "modelVersion":"gemini-2.5-flash","createTime":"2026-01-01T00:00:00.5Z","responseId":"mAitaLmkHPPlz7IPvtfUqQ4"}"#,
    )
    .unwrap();
    assert_eq!((&*answer.id, &*answer.model), ("mAitaLmkHPPlz7IPvtfUqQ4", "gemini-2.5-flash"));
    assert_eq!(answer.created, Some(1_767_225_600));
    let thought = Thought { text: "Thinking".into(), summary: true, ..Thought::default() };
    let bare = Thought { state: Some(own("A")), ..Thought::default() };
    let parts = vec![Part::Reasoning(thought), Part::text("Hi there"), Part::Reasoning(bare)];
    assert_eq!(answer.choices, [Choice { parts, stop: Some(Stop::End) }]);
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 28,
        cached_tokens: 60,
        reasoning_tokens: 20,
        input_image_tokens: 10,
        ..Usage::default()
    };
    assert_eq!(answer.usage, Some(usage));
    assert_eq!(answer.lost, ["candidates[0].avgLogprobs"]);

    let written = write_answer(&answer, &CONTEXT);
    let want = json(
        br#"{"candidates":[{"content":{"parts":[{"text":"Thinking","thought":true},{"text":"Hi there"},
               {"text":"","thought":true,"thoughtSignature":"A"}],"role":"model"},"finishReason":"STOP","index":0}],
            "usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":8,"totalTokenCount":128,"thoughtsTokenCount":20,
              "cachedContentTokenCount":60,"promptTokensDetails":[{"modality":"TEXT","tokenCount":90},{"modality":"IMAGE","tokenCount":10}]},
            "modelVersion":"gemini-2.5-flash","createTime":"2026-01-01T00:00:00Z","responseId":"mAitaLmkHPPlz7IPvtfUqQ4"}"#,
    );
    assert_eq!((json(&written.body), written.lost.len()), (want, 0));
}

/// ai.google.dev/gemini-api/docs/function-calling, "Parallel function calling": `STOP` although tools are to be called.
#[test]
fn function_calls() {
    let answer = read_answer(
        br#"{"candidates":[{"content":{"parts":[
              {"functionCall":{"name":"power_disco_ball","args":{"power":true}},"thoughtSignature":"A"},
              {"functionCall":{"id":"8f2b1a3c","name":"dim_lights","args":{"brightness":0.5}}}],"role":"model"},
              "finishReason":"STOP"}],"responseId":"R"}"#,
    )
    .unwrap();
    let first =
        ToolCall { state: Some(own("A")), ..call("call_R_0", "power_disco_ball", r#"{"power":true}"#) };
    let second = call("8f2b1a3c", "dim_lights", r#"{"brightness":0.5}"#);
    let parts = vec![Part::ToolCall(first), Part::ToolCall(second)];
    assert_eq!(answer.choices, [Choice { parts, stop: Some(Stop::ToolCalls) }]);
}

#[test]
fn a_blocked_prompt_is_an_answer() {
    let answer = read_answer(
        br#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7},
            "modelVersion":"gemini-2.5-flash"}"#,
    )
    .unwrap();
    let stop = Some(Stop::Filtered(Some("PROHIBITED_CONTENT".into())));
    assert_eq!(answer.choices, [Choice { parts: vec![], stop }]);
    assert_eq!(answer.usage.unwrap().input_tokens, 7);
    let written = json(&write_answer(&answer, &CONTEXT).body);
    let want = json(br#"[{"finishReason":"PROHIBITED_CONTENT","index":0}]"#);
    assert_eq!(written["candidates"], want, "no content, as Google writes it");
}

#[test]
fn reasons() {
    for (reason, want, word) in [
        ("STOP", Some(Stop::End), "STOP"),
        ("MAX_TOKENS", Some(Stop::Length), "MAX_TOKENS"),
        ("SAFETY", Some(Stop::Filtered(Some("SAFETY".into()))), "SAFETY"),
        ("RECITATION", Some(Stop::Filtered(Some("RECITATION".into()))), "RECITATION"),
        (
            "MALFORMED_FUNCTION_CALL",
            Some(Stop::Other("MALFORMED_FUNCTION_CALL".into())),
            "MALFORMED_FUNCTION_CALL",
        ),
        ("A_NEW_ONE", Some(Stop::Other("A_NEW_ONE".into())), "OTHER"),
        ("FINISH_REASON_UNSPECIFIED", None, "STOP"),
    ] {
        let body =
            format!(r#"{{"candidates":[{{"content":{{"role":"model"}},"finishReason":"{reason}"}}]}}"#);
        let answer = read_answer(body.as_bytes()).unwrap();
        assert_eq!(answer.choices[0].stop, want);
        assert_eq!(json(&write_answer(&answer, &CONTEXT).body)["candidates"][0]["finishReason"], word);
    }
    for (stop, word) in [
        (Stop::ToolCalls, "STOP"),
        (Stop::Sequence(Some("x".into())), "STOP"),
        (Stop::Filtered(Some("content_filter".into())), "SAFETY"),
        (Stop::Filtered(None), "SAFETY"),
        (Stop::Refusal, "SAFETY"),
        (Stop::Pause, "OTHER"),
    ] {
        let choices = vec![Choice { parts: vec![Part::text("x")], stop: Some(stop) }];
        let answer = Answer { choices, ..Answer::default() };
        assert_eq!(json(&write_answer(&answer, &CONTEXT).body)["candidates"][0]["finishReason"], word);
    }
}

#[test]
fn other_dialects_answers() {
    let signature =
        State { data: "EqQB".into(), surface: Surface::Messages, provider: None, kind: StateKind::Signature };
    let thought = Thought { text: "hm".into(), state: Some(signature), ..Thought::default() };
    let image = Media::new(Source::Base64("iVBORw0KGgoA".into()), None);
    let linked = Media::new(Source::Url("https://example.com/x".into()), None);
    let parts = vec![
        Part::Reasoning(thought),
        Part::Refusal("no".into()),
        Part::ToolCall(call("toolu_1", "f", "")),
        Part::ToolCall(call("toolu_2", "f", "{\"a\":")),
        Part::Image(image),
        Part::Image(linked),
        Part::Document(Media::new(Source::FileId("file-1".into()), None)),
    ];
    let answer = Answer { choices: vec![Choice { parts, stop: Some(Stop::ToolCalls) }], ..Answer::default() };
    let written = write_answer(&answer, &CONTEXT);
    // The base64 of `tg1.messages.s.anthropic.EqQB`.
    let want = json(
        br#"{"candidates":[{"content":{"parts":[
              {"text":"hm","thought":true,"thoughtSignature":"dGcxLm1lc3NhZ2VzLnMuYW50aHJvcGljLkVxUUI="},
              {"text":"no"},
              {"functionCall":{"id":"toolu_1","name":"f","args":{}}},
              {"functionCall":{"id":"toolu_2","name":"f","args":{"_raw_arguments":"{\"a\":"}}},
              {"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoA"}},
              {"fileData":{"fileUri":"https://example.com/x"}}],"role":"model"},"finishReason":"STOP","index":0}],
            "modelVersion":"claude-sonnet-4-5","createTime":"2026-01-01T00:00:00Z","responseId":"tg-1"}"#,
    );
    assert_eq!(json(&written.body), want);
    assert_eq!(written.lost, ["choices[0].parts[3].arguments", "choices[0].parts[6]"]);
}

#[test]
fn an_empty_answer_is_a_valid_one() {
    let answer = read_answer(br#"{"candidates":[],"usageMetadata":null}"#).unwrap();
    assert_eq!(answer.choices, [Choice::default()]);
    for body in ["{}", r#"{"usageMetadata":{"promptTokenCount":1}}"#] {
        let error = read_answer(body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "'candidates' is missing", "{body}");
    }
    let want =
        json(br#"[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}]"#);
    assert_eq!(json(&write_answer(&Answer::default(), &CONTEXT).body)["candidates"], want);
}

#[test]
fn what_nobody_knows_is_lost_and_what_is_broken_an_error() {
    let answer = read_answer(
        br#"{"candidates":[{"content":{"parts":[{"text":"x"},{"hologram":{}},{"toolCall":{"id":"1"}}]},
            "groundingMetadata":{"webSearchQueries":["q"]},"citationMetadata":{"citationSources":[]}}],"modelStatus":{"a":1}}"#,
    )
    .unwrap();
    assert_eq!(answer.choices[0].parts, [Part::text("x")]);
    let want = [
        "candidates[0].content.parts[1].hologram",
        "candidates[0].content.parts[2].toolCall",
        "candidates[0].groundingMetadata",
        "candidates[0].citationMetadata",
        "modelStatus",
    ];
    assert_eq!(answer.lost, want);
    for (body, want) in [
        ("<html>", "the body is not valid JSON (line 1, column 1)"),
        ("[]", "'the body' must be an object, not an array"),
        (r#"{"candidates":{}}"#, "'candidates' must be an array, not an object"),
        (
            r#"{"candidates":[{"content":{"parts":[{"text":1}]}}]}"#,
            "'candidates[0].content.parts[0].text' must be a string, not a number",
        ),
    ] {
        assert_eq!(read_answer(body.as_bytes()).unwrap_err().to_string(), want, "{body}");
    }
}
