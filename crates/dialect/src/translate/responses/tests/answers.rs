//! Whole answers.

use super::{CONTEXT, json, own_state, read};
use crate::translate::answer::{Answer, Choice, Stop};
use crate::translate::request::{Media, Part, Source, Thought, ToolCall};
use crate::translate::responses::{echo, read_answer, write_answer};
use crate::translate::state::{State, StateKind};
use crate::translate::{AnswerContext, Echo};
use crate::{Surface, Usage};
use serde_json::{Value, json};

fn answer(body: &Value) -> Answer<'static> {
    read_answer(Box::leak(body.to_string().into_boxed_str()).as_bytes()).unwrap()
}

fn write(answer: &Answer<'_>) -> (Value, Vec<String>) {
    let translated = write_answer(answer, &CONTEXT, &Echo::default());
    (json(&translated.body), translated.lost)
}

fn of(parts: Vec<Part<'static>>, stop: Stop<'static>) -> Answer<'static> {
    Answer { choices: vec![Choice { parts, stop: Some(stop) }], ..Answer::default() }
}

fn call(id: &'static str, name: &'static str, arguments: &'static str) -> ToolCall<'static> {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), state: None, cache: None }
}

/// <https://platform.openai.com/docs/api-reference/responses/create>, the answer to "Text input".
fn unicorn() -> Value {
    json!({
        "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "object": "response", "created_at": 1741476542,
        "status": "completed", "error": null, "incomplete_details": null, "instructions": null,
        "max_output_tokens": null, "model": "gpt-4.1-2025-04-14",
        "output": [{"type": "message", "id": "msg_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b",
            "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "In a peaceful grove beneath a silver moon.", "annotations": []}]}],
        "parallel_tool_calls": true, "previous_response_id": null, "reasoning": {"effort": null, "summary": null},
        "store": true, "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [],
        "top_p": 1.0, "truncation": "disabled",
        "usage": {"input_tokens": 36, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 87,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 123},
        "user": null, "metadata": {}
    })
}

#[test]
fn a_text_is_read() {
    let mut want = of(vec![Part::text("In a peaceful grove beneath a silver moon.")], Stop::End);
    want.id = "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b".into();
    want.model = "gpt-4.1-2025-04-14".into();
    want.created = Some(1_741_476_542);
    want.usage = Some(Usage { input_tokens: 36, output_tokens: 87, ..Usage::default() });
    assert_eq!(answer(&unicorn()), want);
}

#[test]
fn a_text_is_written() {
    let (written, lost) = write(&answer(&unicorn()));
    let mut want = unicorn();
    let stem = "67ccd2bed1ec8190b14f964abc0542670bb6a6b4";
    want["output"][0]["id"] = format!("msg_{stem}_0").into();
    want["output"][0]["content"][0]["logprobs"] = json!([]);
    want["usage"]["input_tokens_details"]["cache_write_tokens"] = 0.into();
    // Nothing is known of the request here, and nothing was stored.
    (want["store"], want["temperature"], want["top_p"]) = (false.into(), Value::Null, Value::Null);
    for (name, value) in [
        ("background", json!(false)),
        ("max_tool_calls", Value::Null),
        ("prompt_cache_key", Value::Null),
        ("safety_identifier", Value::Null),
        ("top_logprobs", json!(0)),
    ] {
        want[name] = value;
    }
    assert_eq!((written, lost), (want, vec![]));
}

/// The same page, "Functions" and "Reasoning"; <https://platform.openai.com/docs/guides/tools-web-search>.
#[test]
fn items_are_read() {
    let citation = json!({"type": "url_citation", "start_index": 0, "end_index": 2, "url": "https://e.org", "title": "E"});
    let read = answer(
        &json!({"id": "resp_1", "model": "o", "status": "completed", "created_at": 1741294021.5, "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}],
         "content": [{"type": "reasoning_text", "text": "Raw"}], "encrypted_content": "gAAA", "status": null},
        {"type": "reasoning", "id": "rs_2", "summary": []},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "message", "id": "msg_1", "role": "assistant", "phase": "final_answer", "content": [
            {"type": "output_text", "text": "Hi", "annotations": [citation], "logprobs": [{"token": "Hi"}]}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_unLAR8MvFNptuiZK6K6HCy5k", "name": "get_current_weather",
         "arguments": "{\"location\":\"Boston, MA\",\"unit\":\"celsius\"}", "status": "completed"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "patch", "input": "a\nb"},
        {"type": "image_generation_call", "id": "ig_1", "result": "UklG", "output_format": "webp", "size": "1024x1024"},
    ], "usage": {"input_tokens": 291, "input_tokens_details": {"cached_tokens": 100}, "output_tokens": 1035,
        "output_tokens_details": {"reasoning_tokens": 832}, "total_tokens": 1326}}),
    );
    let [raw, summary, text, boston, patch, picture] = read.choices[0].parts.as_slice() else {
        panic!("{read:?}")
    };
    let id = Some("rs_1".into());
    let thought = |text: &'static str, summary, state| {
        Part::Reasoning(Thought { text: text.into(), summary, state, id: id.clone() })
    };
    let state = State {
        data: "gAAA".into(),
        surface: Surface::Responses,
        provider: None,
        kind: StateKind::Encrypted,
    };
    assert_eq!(*raw, thought("Raw", false, None));
    assert_eq!(*summary, thought("One.\n\nTwo.", true, Some(own_state(&state))));
    let Part::Text(text) = text else { panic!() };
    assert!(text.text == "Hi" && text.annotations.is_some());
    let location = "{\"location\":\"Boston, MA\",\"unit\":\"celsius\"}";
    assert_eq!(
        *boston,
        Part::ToolCall(call("call_unLAR8MvFNptuiZK6K6HCy5k", "get_current_weather", location))
    );
    assert_eq!(*patch, Part::ToolCall(call("call_2", "patch", "{\"input\":\"a\\nb\"}")));
    assert_eq!(*picture, Part::Image(Media::new(Source::Base64("UklG".into()), Some("image/webp".into()))));
    assert_eq!((read.created, &read.choices[0].stop), (Some(1_741_294_021), &Some(Stop::ToolCalls)));
    assert_eq!(
        read.lost,
        ["output[2] (web_search_call)", "output[3].content[0].logprobs", "output[3].phase"]
    );
    let usage = Usage {
        input_tokens: 291,
        cached_tokens: 100,
        output_tokens: 1035,
        reasoning_tokens: 832,
        ..Usage::default()
    };
    assert_eq!(read.usage, Some(usage));
}

#[test]
fn why_an_answer_ended() {
    let stop = |status: &str, reason: Value, content: Value| {
        let read = answer(&json!({"status": status, "incomplete_details": reason, "output": [
            {"type": "message", "content": [content]}]}));
        read.choices[0].stop.clone().unwrap()
    };
    let text = || json!({"type": "output_text", "text": "x"});
    let reason = |reason: &str| json!({"reason": reason});
    assert_eq!(stop("completed", Value::Null, text()), Stop::End);
    assert_eq!(stop("completed", Value::Null, json!({"type": "refusal", "refusal": "no"})), Stop::Refusal);
    assert_eq!(stop("incomplete", reason("max_output_tokens"), text()), Stop::Length);
    assert_eq!(stop("incomplete", Value::Null, text()), Stop::Length);
    assert_eq!(
        stop("incomplete", reason("content_filter"), text()),
        Stop::Filtered(Some("content_filter".into()))
    );
    assert_eq!(stop("incomplete", reason("steered"), text()), Stop::Other("steered".into()));
}

#[test]
fn an_answer_that_is_none() {
    for (body, want) in [
        (json!({"status": "failed"}), "'status' must be 'completed' or 'incomplete'"),
        (json!({"status": "queued"}), "'status' must be 'completed' or 'incomplete'"),
        (json!({"output": {}}), "'output' must be an array, not an object"),
        (json!({"output": [1]}), "'output[0]' must be an object, not a number"),
        (json!({"output": [{"type": "function_call"}]}), "'output[0].name' is missing"),
    ] {
        assert_eq!(read_answer(body.to_string().as_bytes()).unwrap_err().to_string(), want);
    }
    assert!(read_answer(b"<html>").is_err());
}

#[test]
fn items_are_written() {
    let state =
        State { data: "SIG".into(), surface: Surface::Messages, provider: None, kind: StateKind::Signature };
    let gemini = State { data: "GEM".into(), surface: Surface::GenerateContent, ..state.clone() };
    let thought = Thought { text: "Hm".into(), state: Some(state), ..Thought::default() };
    let mut of_state = call("", "f", "");
    of_state.state = Some(gemini);
    let mut given = of(
        vec![
            Part::Reasoning(thought),
            Part::Reasoning(Thought::default()),
            Part::text("A"),
            Part::Refusal("no".into()),
            Part::ToolCall(of_state),
            Part::ToolCall(call("toolu_1", "g", "{broken")),
            Part::Image(Media::new(Source::Base64("UklG".into()), Some("image/jpeg".into()))),
            Part::Audio(Media::new(Source::Base64("AAAA".into()), None)),
        ],
        Stop::ToolCalls,
    );
    given.id = "msg_01/x y".into();
    given.choices.push(Choice::default());
    let (written, lost) = write(&given);
    let want = json!([
        {"id": "rs_msg_01xy_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "tg1.messages.s.anthropic.SIG"},
        {"id": "msg_msg_01xy_1", "type": "message", "status": "completed", "role": "assistant", "content": [
            {"type": "output_text", "annotations": [], "logprobs": [], "text": "A"}, {"type": "refusal", "refusal": "no"}]},
        {"id": "rs_msg_01xy_2", "type": "reasoning", "summary": [], "encrypted_content": "tg1.generate-content.s.anthropic.GEM"},
        {"id": "fc_msg_01xy_3", "type": "function_call", "status": "completed", "arguments": "{}", "call_id": "call_msg_01xy_3", "name": "f"},
        {"id": "fc_msg_01xy_4", "type": "function_call", "status": "completed", "arguments": "{broken", "call_id": "toolu_1", "name": "g"},
        {"id": "ig_msg_01xy_5", "type": "image_generation_call", "status": "completed", "output_format": "jpeg", "result": "UklG"},
    ]);
    assert_eq!(written["output"], want);
    assert_eq!(lost, ["choices[1]", "audio"]);
    assert_eq!(written["id"], "resp_msg_01/x y");
    assert_eq!((&written["model"], &written["created_at"]), (&CONTEXT.model.into(), &CONTEXT.now.into()));
    assert_eq!(written["usage"], Value::Null, "absent is not zero");
}

#[test]
fn incomplete_and_empty_answers() {
    let (written, _) = write(&of(vec![Part::text("A"), Part::ToolCall(call("c", "f", "{"))], Stop::Length));
    assert_eq!(
        (&written["status"], &written["incomplete_details"]),
        (&"incomplete".into(), &json!({"reason": "max_output_tokens"}))
    );
    let statuses: Vec<_> = written["output"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
    assert_eq!(statuses, ["completed", "incomplete"], "what stood last was cut");
    let (written, _) = write(&of(vec![], Stop::Filtered(None)));
    assert_eq!(
        (&written["incomplete_details"]["reason"], &written["output"]),
        (&"content_filter".into(), &json!([]))
    );
    let (written, _) = write(&Answer::default());
    assert_eq!((&written["status"], &written["id"]), (&"completed".into(), &"resp_req_1".into()));
}

#[test]
fn figures_there_and_back() {
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 50,
        cached_tokens: 60,
        cache_write_tokens: 10,
        reasoning_tokens: 7,
        input_audio_tokens: 1,
        output_audio_tokens: 2,
        input_image_tokens: 3,
        output_image_tokens: 4,
        cost: Some(0.0125),
        upstream_cost: Some(0.5),
        ..Usage::default()
    };
    let mut given = of(vec![Part::text("x")], Stop::End);
    given.usage = Some(usage);
    let (written, _) = write(&given);
    assert_eq!(written["usage"]["total_tokens"], 150);
    assert_eq!(answer(&written).usage, Some(usage));
}

#[test]
fn what_is_repeated_of_the_request() {
    let request = read(
        &json!({"model": "m", "instructions": "Be brief.", "input": "Hi", "temperature": 0.5, "max_output_tokens": 99,
        "store": true, "metadata": {"k": "v"}, "user": "u", "reasoning": {"effort": "low"}, "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "tools": [{"type": "custom", "name": "patch"}, {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "custom", "name": "patch"}, "parallel_tool_calls": false}),
    );
    let parts = vec![
        Part::ToolCall(call("c1", "patch", "{\"input\":\"a\\nb\"}")),
        Part::ToolCall(call("c2", "patch", "no json")),
        Part::ToolCall(call("c3", "f", "{\"input\":\"a\"}")),
    ];
    let context = AnswerContext { id: "r", ..CONTEXT };
    let echo = echo(&request);
    let written = json(&write_answer(&of(parts, Stop::ToolCalls), &context, &echo).body);
    for (name, want) in [
        ("instructions", json!("Be brief.")),
        ("temperature", json!(0.5)),
        ("max_output_tokens", json!(99)),
        ("store", json!(false)),
        ("metadata", json!({"k": "v"})),
        ("user", json!("u")),
        ("reasoning", json!({"effort": "low", "summary": null})),
        ("text", json!({"format": {"type": "json_object"}, "verbosity": "low"})),
        (
            "tools",
            json!([{"type": "custom", "name": "patch"}, {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}]),
        ),
        ("tool_choice", json!({"type": "custom", "name": "patch"})),
        ("parallel_tool_calls", json!(false)),
    ] {
        assert_eq!(written[name], want, "{name}");
    }
    let want = json!([
        {"id": "ctc_r_0", "type": "custom_tool_call", "status": "completed", "input": "a\nb", "call_id": "c1", "name": "patch"},
        {"id": "ctc_r_1", "type": "custom_tool_call", "status": "completed", "input": "no json", "call_id": "c2", "name": "patch"},
        {"id": "fc_r_2", "type": "function_call", "status": "completed", "arguments": "{\"input\":\"a\"}", "call_id": "c3", "name": "f"},
    ]);
    assert_eq!(written["output"], want);
    assert!(!format!("{echo:?}").contains("brief"), "no contents in debug prints");
}
