//! Streams for clients.

use super::stream_events::{
    arguments, begin, encrypted, end, hi_there, hi_there_events, start, stop, text, thought,
};
use super::{CONTEXT, decode, encode, encode_with, names};
use crate::translate::Echo;
use crate::translate::answer::{Event, Stop};
use crate::translate::request::{Media, Part, Source};
use crate::translate::responses::{Encoder, read_answer};
use crate::translate::state::{State, StateKind};
use crate::{Surface, Usage};
use serde_json::{Value, json};

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
