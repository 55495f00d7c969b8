//! Streams, read from a provider and written for a client.

use super::{CONTEXT, decode, encode, encode_with, names};
use crate::translate::Echo;
use crate::translate::answer::{Event, Stop};
use crate::translate::request::{Media, Part, Source};
use crate::translate::responses::{Decoder, Encoder, read_answer};
use crate::translate::state::{State, StateKind};
use crate::{Surface, Usage};
use serde_json::{Value, json};

fn text(delta: &'static str) -> Event<'static> {
    Event::Text { choice: 0, delta: delta.into() }
}

fn thought(item: u32, delta: &'static str, summary: bool) -> Event<'static> {
    Event::Reasoning { choice: 0, item, delta: delta.into(), summary }
}

fn start(call: u32, id: &'static str, name: &'static str) -> Event<'static> {
    Event::ToolStart { choice: 0, call, id: id.into(), name: name.into(), state: None }
}

fn arguments(call: u32, delta: &'static str) -> Event<'static> {
    Event::ToolArguments { choice: 0, call, delta: delta.into() }
}

fn end(call: u32) -> Event<'static> {
    Event::ToolEnd { choice: 0, call }
}

fn stop(reason: Stop<'static>) -> Event<'static> {
    Event::Stop { choice: 0, reason }
}

fn begin() -> Event<'static> {
    Event::Start { id: "".into(), model: "".into(), created: None }
}

fn encrypted(data: &'static str) -> State<'static> {
    State { data: data.into(), surface: Surface::Responses, provider: None, kind: StateKind::Encrypted }
}

/// <https://platform.openai.com/docs/api-reference/responses/create>, "Streaming".
fn hi_there() -> Vec<Value> {
    let id = "msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654";
    let response = |status: &str, output: Value, usage: Value| {
        json!({"id": "resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654", "object": "response", "created_at": 1741290958,
            "status": status, "model": "gpt-4.1-2025-04-14", "output": output, "usage": usage, "tools": [], "metadata": {}})
    };
    let whole = "Hi there! How can I assist you today?";
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let item = |status: &str, content: Value| json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content});
    let of = |kind: &str, member: &str, value: Value| json!({"type": kind, "item_id": id, "output_index": 0, "content_index": 0, member: value});
    let mut events = vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.in_progress", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", json!([]))}),
        of("response.content_part.added", "part", part("")),
    ];
    for delta in ["Hi", " there", "!", " How", " can", " I", " assist", " you", " today", "?"] {
        events.push(of("response.output_text.delta", "delta", delta.into()));
    }
    let usage = json!({"input_tokens": 37, "output_tokens": 11, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 48});
    let done = item("completed", json!([part(whole)]));
    events.extend([
        of("response.output_text.done", "text", whole.into()),
        of("response.content_part.done", "part", part(whole)),
        json!({"type": "response.output_item.done", "output_index": 0, "item": done}),
        json!({"type": "response.completed", "response": response("completed", json!([done]), usage)}),
    ]);
    events
}

fn hi_there_events() -> Vec<Event<'static>> {
    let mut want = vec![Event::Start {
        id: "resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654".into(),
        model: "gpt-4.1-2025-04-14".into(),
        created: Some(1_741_290_958),
    }];
    want.extend(["Hi", " there", "!", " How", " can", " I", " assist", " you", " today", "?"].map(text));
    want.push(Event::Usage(Usage { input_tokens: 37, output_tokens: 11, ..Usage::default() }));
    want.extend([stop(Stop::End), Event::End]);
    want
}

#[test]
fn a_text_is_read() {
    assert_eq!(decode(&hi_there()), hi_there_events());
}

#[test]
fn a_text_is_written() {
    let frames = encode(hi_there_events());
    // The documented stream, but for its id and what later versions of the API added.
    let mut want = hi_there();
    let id = "msg_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad_0";
    for event in &mut want {
        if event.get("item_id").is_some() {
            event["item_id"] = id.into();
        }
        if event.get("item").is_some() {
            event["item"]["id"] = id.into();
        }
        for part in ["/part", "/item/content/0", "/response/output/0/content/0"] {
            if let Some(part) = event.pointer_mut(part) {
                part["logprobs"] = json!([]);
            }
        }
        if event["type"].as_str().unwrap().starts_with("response.output_text.") {
            event["logprobs"] = json!([]);
        }
    }
    assert_eq!(frames.len(), want.len());
    for ((name, got), want) in frames.iter().zip(&want) {
        let Some(response) = want.get("response") else {
            let mut got = got.clone();
            got.as_object_mut().unwrap().remove("sequence_number");
            assert_eq!(got, *want);
            continue;
        };
        assert_eq!(name, want["type"].as_str().unwrap());
        for member in ["id", "object", "created_at", "status", "model", "tools", "metadata"] {
            assert_eq!(got["response"][member], response[member], "{member}");
        }
    }
    let last = &frames.last().unwrap().1["response"];
    assert_eq!(last["output"][0]["content"][0]["text"], "Hi there! How can I assist you today?");
    assert_eq!(last["output"][0]["id"], id);
    assert_eq!(last["usage"]["total_tokens"], 48);
}

/// <https://platform.openai.com/docs/guides/function-calling>, "Streaming"; and a summary of reasoning before it.
#[test]
fn reasoning_and_calls_are_read() {
    let of = |kind: &str, index: u64, member: &str, value: Value| json!({"type": format!("response.{kind}"), "output_index": index, member: value});
    let summary = |kind: &str, part: u64, member: &str, text: &str| json!({"type": format!("response.reasoning_summary_{kind}"), "item_id": "rs_1", "output_index": 0, "summary_index": part, member: text});
    let done = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
        "summary": [{"type": "summary_text", "text": "One"}, {"type": "summary_text", "text": "Two"}]});
    let call = |arguments: &str| json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_weather", "arguments": arguments});
    let events = decode(&[
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5.5", "created_at": 5}}),
        of("output_item.added", 0, "item", json!({"type": "reasoning", "id": "rs_1", "summary": []})),
        summary("part.added", 0, "x", ""),
        summary("text.delta", 0, "delta", "On"),
        summary("text.delta", 0, "delta", "e"),
        summary("text.done", 0, "text", "One"),
        summary("text.delta", 1, "delta", "Two"),
        of("output_item.done", 0, "item", done.clone()),
        of("output_item.done", 0, "item", done),
        of("output_item.added", 1, "item", call("")),
        of("function_call_arguments.delta", 1, "delta", "{\"location\":".into()),
        of("function_call_arguments.delta", 1, "delta", "\"Paris\"}".into()),
        of("function_call_arguments.done", 1, "arguments", "{\"location\":\"Paris\"}".into()),
        of("output_item.done", 1, "item", call("{\"location\":\"Paris\"}")),
        json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [call("x")]}}),
        json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}}),
    ]);
    let want = vec![
        Event::Start { id: "resp_1".into(), model: "gpt-5.5".into(), created: Some(5) },
        thought(0, "On", true),
        thought(0, "e", true),
        thought(0, "\n\n", true),
        thought(0, "Two", true),
        Event::ReasoningState { choice: 0, item: 0, state: encrypted("gAAA"), id: Some("rs_1".into()) },
        start(0, "call_1", "get_weather"),
        arguments(0, "{\"location\":"),
        arguments(0, "\"Paris\"}"),
        end(0),
        stop(Stop::ToolCalls),
        Event::End,
    ];
    assert_eq!(events, want);
}

/// Providers that leave out pieces, ends, indices or everything but the last event say the same.
#[test]
fn what_is_missing_is_made_up_for() {
    let message = json!({"type": "message", "id": "m", "content": [{"type": "output_text", "text": "Hi"}, {"type": "refusal", "refusal": "no"}]});
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [{"text": "S"}], "content": [{"text": "T"}], "encrypted_content": "E"});
    let call = |id: &str, arguments: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": arguments});
    let custom = json!({"type": "custom_tool_call", "call_id": "c", "name": "p", "input": "a\"b"});
    let picture =
        json!({"type": "image_generation_call", "id": "ig", "result": "UklG", "output_format": "webp"});
    let search = json!({"type": "web_search_call", "id": "ws"});
    let items = [reasoning, message, call("a", "{}"), call("b", ""), custom, picture, search];
    let webp = Media::new(Source::Base64("UklG".into()), Some("image/webp".into()));
    let content = vec![
        thought(0, "T", false),
        thought(1, "S", true),
        Event::ReasoningState { choice: 0, item: 1, state: encrypted("E"), id: Some("rs_1".into()) },
        text("Hi"),
        Event::Refusal { choice: 0, delta: "no".into() },
        start(0, "a", "f"),
        arguments(0, "{}"),
        end(0),
        start(1, "b", "f"),
        end(1),
        start(2, "c", "p"),
        arguments(2, "{\"input\":\"a\\\"b\"}"),
        end(2),
        Event::Whole { choice: 0, part: Part::Image(webp) },
        Event::Lost("output[6] (web_search_call)".into()),
    ];
    let want = [vec![begin()], content, vec![stop(Stop::ToolCalls), Event::End]].concat();
    let done = |at: usize, item: &Value| json!({"type": "response.output_item.done", "output_index": at, "item": item});
    let only_done: Vec<_> = items.iter().enumerate().map(|(at, item)| done(at, item)).collect();
    assert_eq!(decode(&only_done), want, "items without a beginning, and no end");
    let last = json!({"type": "response.completed", "response": {"status": "completed", "output": items}});
    assert_eq!(decode(&[last]), want, "the last event only");
    // Without an index a piece belongs to the item that began last.
    let added = |item: Value| json!({"type": "response.output_item.added", "item": item});
    let delta = |delta: &str| json!({"type": "response.function_call_arguments.delta", "delta": delta});
    let events = decode(&[added(call("a", "")), delta("1"), added(call("b", "")), delta("2"), delta("3")]);
    let want = [
        begin(),
        start(0, "a", "f"),
        arguments(0, "1"),
        start(1, "b", "f"),
        arguments(1, "2"),
        arguments(1, "3"),
        stop(Stop::ToolCalls),
        Event::End,
    ];
    assert_eq!(events, want);
}

#[test]
fn whole_texts_instead_of_pieces() {
    let of = |kind: &str, index: u64, member: &str, value: &str| json!({"type": format!("response.{kind}"), "output_index": index, "content_index": 0, member: value});
    let events = decode(&[
        of("reasoning_text.done", 0, "text", "T"),
        of("reasoning_text.done", 0, "text", "T"),
        of("output_text.done", 1, "text", "A"),
        of("output_text.done", 1, "text", "A"),
        of("refusal.done", 2, "refusal", "no"),
        json!({"type": "response.output_text.annotation.added", "output_index": 1, "content_index": 0, "annotation": {}}),
        json!({"type": "response.web_search_call.searching", "output_index": 3}),
        json!({"type": "response.something.new", "delta": {"a": 1}}),
        of("content_part.delta", 4, "delta", "B"),
        of("reasoning.delta", 5, "delta", "U"),
        json!({"no": "type"}),
    ]);
    let refusal = Event::Refusal { choice: 0, delta: "no".into() };
    let lost = Event::Lost("output[1].content[0].annotations".into());
    let more = [text("B"), thought(1, "U", false), stop(Stop::End), Event::End];
    assert_eq!(events[..5], [begin(), thought(0, "T", false), text("A"), refusal, lost]);
    assert_eq!(events[5..], more);
}

#[test]
fn why_a_stream_ended() {
    let last = |kind: &str, response: Value| {
        let events = decode(&[
            json!({"type": "response.output_text.delta", "delta": "x"}),
            json!({"type": format!("response.{kind}"), "response": response}),
        ]);
        let mut stops = events.into_iter().filter_map(|event| match event {
            Event::Stop { reason, .. } => Some(reason),
            _ => None,
        });
        (stops.next().unwrap(), stops.next())
    };
    let details = |reason: &str| json!({"incomplete_details": {"reason": reason}});
    assert_eq!(last("completed", json!({})), (Stop::End, None));
    assert_eq!(last("incomplete", details("max_output_tokens")), (Stop::Length, None));
    assert_eq!(last("incomplete", Value::Null), (Stop::Length, None));
    let filtered = Stop::Filtered(Some("content_filter".into()));
    assert_eq!(last("incomplete", details("content_filter")), (filtered, None));
    assert_eq!(last("done", json!({"status": "incomplete"})), (Stop::Length, None));
    assert_eq!(last("cancelled", json!({})), (Stop::Other("cancelled".into()), None));
}

#[test]
fn odd_frames() {
    let mut decoder = Decoder::default();
    let mut none = |event: Event<'_>| panic!("{event:?}");
    for data in [&b""[..], b"[DONE]", b"{}", b"null", b" \n"] {
        decoder.read(None, data, &mut none).unwrap_or_else(|error| assert_eq!(data, b"null", "{error}"));
    }
    let error = decoder.read(None, b"{\"type\":", &mut none).unwrap_err();
    assert_eq!(error.to_string(), "the body is not valid JSON (line 1, column 8)");
    // The event's name tells what its data do not.
    let mut texts = 0;
    let mut count = |event: Event<'_>| texts += usize::from(matches!(event, Event::Text { .. }));
    decoder.read(Some("response.output_text.delta"), b"{\"delta\":\"x\"}", &mut count).unwrap();
    assert_eq!(texts, 1);
}

const REASONING_AND_CALLS: &[&str] = &[
    "created",
    "in_progress",
    "output_item.added",
    "reasoning_summary_part.added",
    "reasoning_summary_text.delta",
    "reasoning_summary_text.delta",
    "reasoning_summary_text.done",
    "reasoning_summary_part.done",
    "output_item.done",
    "output_item.added",
    "output_item.done",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
    "completed",
];

#[test]
fn reasoning_and_calls_are_written() {
    let signature =
        State { data: "SIG".into(), surface: Surface::Messages, provider: None, kind: StateKind::Signature };
    let frames = encode(vec![
        begin(),
        thought(0, "H", false),
        thought(0, "m", false),
        Event::ReasoningState { choice: 0, item: 0, state: signature.clone(), id: None },
        Event::ReasoningState { choice: 0, item: 1, state: signature, id: None },
        text("A"),
        start(0, "toolu_1", "f"),
        arguments(0, "{\"a\""),
        arguments(0, ":1}"),
        end(0),
        start(1, "toolu_2", "g"),
        stop(Stop::ToolCalls),
        Event::Usage(Usage { input_tokens: 3, output_tokens: 4, reasoning_tokens: 2, ..Usage::default() }),
        Event::End,
        Event::End,
    ]);
    assert_eq!(names(&frames), REASONING_AND_CALLS);
    let response = &frames.last().unwrap().1["response"];
    let state = "tg1.messages.s.anthropic.SIG";
    let output = json!([
        {"id": "rs_req_1_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": state},
        {"id": "rs_req_1_1", "type": "reasoning", "summary": [], "encrypted_content": state},
        {"id": "msg_req_1_2", "type": "message", "status": "completed", "role": "assistant", "content": [
            {"type": "output_text", "annotations": [], "logprobs": [], "text": "A"}]},
        {"id": "fc_req_1_3", "type": "function_call", "status": "completed", "arguments": "{\"a\":1}", "call_id": "toolu_1", "name": "f"},
        {"id": "fc_req_1_4", "type": "function_call", "status": "completed", "arguments": "{}", "call_id": "toolu_2", "name": "g"},
    ]);
    assert_eq!(response["output"], output);
    // Every item is done as it stands in the end, and began under the same id.
    let items = |name: &str| -> Vec<Value> {
        let of = frames.iter().filter(|(own, _)| own.ends_with(name));
        of.map(|(_, data)| data["item"].clone()).collect()
    };
    assert_eq!(Value::from(items("output_item.done")), output);
    for (added, done) in items("output_item.added").iter().zip(items("output_item.done")) {
        assert_eq!(
            (&added["id"], &added["call_id"], &added["name"]),
            (&done["id"], &done["call_id"], &done["name"])
        );
    }
    assert_eq!(frames[2].1["item"], json!({"id": "rs_req_1_0", "type": "reasoning", "summary": []}));
    assert_eq!(frames[17].1["item"]["arguments"], "");
    assert_eq!(frames[4].1["summary_index"], 0);
    assert_eq!(response["usage"]["output_tokens_details"], json!({"reasoning_tokens": 2}));
}

/// Chat completions may mix the pieces of several calls, and text with them.
#[test]
fn mixed_pieces() {
    let frames = encode(vec![
        begin(),
        text("a"),
        start(0, "c0", "f"),
        start(1, "c1", "g"),
        arguments(1, "{\"b\":"),
        arguments(0, "{\"a\":"),
        text("b"),
        arguments(1, "2}"),
        arguments(0, "1}"),
        end(1),
        arguments(1, "late"),
        thought(0, "why", false),
        thought(1, "not", true),
        text("c"),
        thought(0, "again", false),
        arguments(7, "unknown"),
        start(0, "c0", "twice"),
        stop(Stop::ToolCalls),
        stop(Stop::Length),
        Event::End,
    ]);
    let response = &frames.last().unwrap().1["response"];
    assert_eq!(response["status"], "completed", "the first reason counts");
    let told: Vec<_> = response["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| match item["type"].as_str().unwrap() {
            "message" => item["content"][0]["text"].clone(),
            "reasoning" => item["summary"][0]["text"].clone(),
            _ => item["arguments"].clone(),
        })
        .collect();
    assert_eq!(told, ["a", "{\"a\":1}", "{\"b\":2}", "b", "why", "not", "c", "again"]);
    let mut open = std::collections::BTreeSet::new();
    for (name, data) in &frames {
        let index = data["output_index"].as_u64();
        match name.as_str() {
            "response.output_item.added" => assert!(open.insert(index)),
            "response.output_item.done" => assert!(open.remove(&index)),
            "response.completed" => assert!(open.is_empty(), "all items are done"),
            _ if index.is_some() => assert!(open.contains(&index), "{data}"),
            _ => {}
        }
    }
}

#[test]
fn refusals_and_cut_answers() {
    let refusal = |delta: &'static str| Event::Refusal { choice: 0, delta: delta.into() };
    let frames =
        encode(vec![text("A"), refusal("n"), refusal("o"), text(""), stop(Stop::Filtered(None)), Event::End]);
    let want = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "incomplete",
    ];
    assert_eq!(names(&frames), want);
    assert_eq!((&frames[8].1["content_index"], &frames[10].1["refusal"]), (&1.into(), &"no".into()));
    let response = &frames[13].1["response"];
    assert_eq!(response["incomplete_details"], json!({"reason": "content_filter"}));
    assert_eq!(
        (&response["output"][0]["status"], &frames[12].1["item"]["status"]),
        (&"incomplete".into(), &"incomplete".into())
    );
}

#[test]
fn empty_answers_and_other_choices() {
    let other = Event::Text { choice: 1, delta: "not here".into() };
    for events in [vec![Event::End], vec![begin(), other, stop(Stop::End), Event::End]] {
        let frames = encode(events);
        assert_eq!(names(&frames), ["created", "in_progress", "completed"]);
        let response = &frames[2].1["response"];
        assert_eq!((&response["output"], &response["usage"]), (&json!([]), &Value::Null));
        assert_eq!((&response["id"], &response["model"]), (&"resp_req_1".into(), &CONTEXT.model.into()));
    }
}

#[test]
fn state_of_a_call_and_calls_without_ids() {
    let state = State {
        data: "GEM".into(),
        surface: Surface::GenerateContent,
        provider: Some("google".into()),
        kind: StateKind::Signature,
    };
    let call = Event::ToolStart { choice: 0, call: 0, id: "".into(), name: "f".into(), state: Some(state) };
    let frames = encode(vec![begin(), call, end(0), Event::End]);
    let output = &frames.last().unwrap().1["response"]["output"];
    assert_eq!(output[0]["encrypted_content"], "tg1.generate-content.s.google.GEM");
    assert_eq!(output[1]["call_id"], "call_req_1_1");
}

#[test]
fn free_text_tools() {
    let echo = Echo { members: String::new(), custom: vec!["patch".into()] };
    let events = vec![
        begin(),
        start(0, "c0", "patch"),
        arguments(0, "{\"input\":\"*** Be"),
        arguments(0, "gin\\nPatch\"}"),
        end(0),
        start(1, "c1", "patch"),
        arguments(1, "not json"),
        Event::End,
    ];
    let frames = encode_with(events, &echo);
    let want = [
        "created",
        "in_progress",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names(&frames), want);
    assert_eq!(frames[4].1["input"], "*** Begin\nPatch");
    let item = json!({"id": "ctc_req_1_0", "type": "custom_tool_call", "status": "completed", "input": "*** Begin\nPatch", "call_id": "c0", "name": "patch"});
    assert_eq!(frames[5].1["item"], item);
    assert_eq!(frames.last().unwrap().1["response"]["output"][1]["input"], "not json");
}

#[test]
fn pictures() {
    let part =
        |source| Event::Whole { choice: 0, part: Part::Image(Media::new(source, Some("image/webp".into()))) };
    let frames = encode(vec![
        begin(),
        part(Source::Base64("UklG".into())),
        part(Source::Url("https://e.org/a".into())),
        Event::End,
    ]);
    let want = [
        "created",
        "in_progress",
        "output_item.added",
        "image_generation_call.completed",
        "output_item.done",
    ];
    assert_eq!(names(&frames)[..5], want);
    assert_eq!(frames[2].1["item"]["result"], Value::Null);
    let item = json!({"id": "ig_req_1_0", "type": "image_generation_call", "status": "completed", "output_format": "webp", "result": "UklG"});
    assert_eq!(frames[4].1["item"], item);
    assert_eq!(frames.last().unwrap().1["response"]["output"][1]["content"][0]["text"], "https://e.org/a");
}

/// What the encoder writes, the decoder reads as the same answer, and so does the reader of whole answers.
#[test]
fn there_and_back() {
    let events = vec![
        Event::Start { id: "resp_1".into(), model: "m".into(), created: Some(9) },
        thought(0, "Hm", true),
        Event::ReasoningState { choice: 0, item: 0, state: encrypted("gAAA"), id: Some("rs_1_0".into()) },
        text("Grüße \"🚀\""),
        start(0, "c0", "f"),
        arguments(0, "{}"),
        end(0),
        Event::Usage(Usage { input_tokens: 1, output_tokens: 2, ..Usage::default() }),
        stop(Stop::ToolCalls),
        Event::End,
    ];
    let frames: Vec<_> = encode(events.clone()).into_iter().map(|(_, data)| data).collect();
    assert_eq!(decode(&frames), events);
    let whole = frames.last().unwrap()["response"].to_string();
    assert_eq!(read_answer(whole.as_bytes()).unwrap().choices[0].parts.len(), 3);
}

#[test]
fn no_contents_in_debug_prints() {
    let mut encoder = Encoder::new(&CONTEXT);
    encoder.write(text("secret"), &mut Vec::new());
    assert_eq!(format!("{encoder:?}"), "Encoder { items: 1, status: None, .. }");
}
