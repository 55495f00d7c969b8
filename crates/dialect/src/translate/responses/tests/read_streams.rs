//! Streams of providers.

use super::decode;
use super::stream_events::{
    arguments, begin, encrypted, end, hi_there, hi_there_events, start, stop, text, thought,
};
use crate::translate::answer::{Event, Stop};
use crate::translate::request::{Media, Part, Source};
use crate::translate::responses::Decoder;
use serde_json::{Value, json};

#[test]
fn a_text_is_read() {
    assert_eq!(decode(&hi_there()), hi_there_events());
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
