//! Conversations of all kinds, there and back.

use super::{OPENAI, decode, encode, json, read};
use crate::Surface;
use crate::translate::answer::{Event, Stop};
use crate::translate::request::{Media, Part, Source};
use crate::translate::responses::{Encoder, read_request, write_request};
use proptest::prelude::*;
use serde_json::{Value, json};

fn part() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(|text| json!({"type": "input_text", "text": text})),
        "[A-Za-z0-9+/]{0,12}".prop_map(|data| {
            json!({"type": "input_image", "detail": "low", "image_url": format!("data:image/png;base64,{data}")})
        }),
        "[a-z]{1,8}".prop_map(|name| {
            json!({"type": "input_file", "filename": format!("{name}.pdf"), "file_url": format!("https://e.org/{name}")})
        }),
    ]
}

fn parts() -> impl Strategy<Value = Value> {
    prop::collection::vec(part(), 2..4).prop_map(Value::from)
}

/// Items as the writer writes them, so that they come back as they were.
fn item() -> impl Strategy<Value = Value> {
    let content = prop_oneof![any::<String>().prop_map(Value::from), parts()];
    let thoughts = prop::collection::vec("[a-z ]{1,8}", 0..3);
    prop_oneof![
        (prop_oneof![Just("user"), Just("system")], content)
            .prop_map(|(role, content)| json!({"role": role, "content": content})),
        any::<String>().prop_map(|text| json!({"role": "assistant", "content": text})),
        ("[a-z]{1,6}", any::<u8>(), "\\PC{1,20}").prop_map(|(name, id, arguments)| {
            json!({"type": "function_call", "call_id": format!("c{id}"), "name": name, "arguments": arguments})
        }),
        (any::<u8>(), prop_oneof![any::<String>().prop_map(Value::from), parts()]).prop_map(|(id, output)| {
            json!({"type": "function_call_output", "call_id": format!("c{id}"), "output": output})
        }),
        (any::<u16>(), thoughts, prop::option::of("[A-Za-z0-9=]{1,12}")).prop_map(|(id, texts, state)| {
            let summary: Vec<_> = texts.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
            let mut item = json!({"type": "reasoning", "id": format!("rs_{id}"), "summary": summary});
            if let Some(state) = state {
                item["encrypted_content"] = state.into();
            }
            item
        }),
        Just(json!({"type": "web_search_call", "id": "ws_1", "status": "completed"})),
    ]
}

fn event() -> impl Strategy<Value = Event<'static>> {
    let text = || any::<String>().prop_map(std::borrow::Cow::Owned);
    prop_oneof![
        text().prop_map(|delta| Event::Text { choice: 0, delta }),
        text().prop_map(|delta| Event::Refusal { choice: 0, delta }),
        (0..3u32, text()).prop_map(|(item, delta)| Event::Reasoning {
            choice: 0,
            item,
            delta,
            summary: true
        }),
        (0..4u32, text()).prop_map(|(call, id)| Event::ToolStart {
            choice: 0,
            call,
            id,
            name: "f".into(),
            state: None
        }),
        (0..4u32, text()).prop_map(|(call, delta)| Event::ToolArguments { choice: 0, call, delta }),
        (0..4u32).prop_map(|call| Event::ToolEnd { choice: 0, call }),
        prop_oneof![Just(Stop::End), Just(Stop::Length)].prop_map(|reason| Event::Stop { choice: 0, reason }),
        Just(Event::Whole {
            choice: 0,
            part: Part::Image(Media::new(Source::Base64("UklG".into()), Some("image/webp".into())))
        }),
    ]
}

fn texts(events: &[Event<'_>], want: fn(&Event<'_>) -> Option<String>) -> String {
    events.iter().filter_map(want).collect()
}

proptest! {
    #[test]
    fn conversations_come_back(items in prop::collection::vec(item(), 0..12), limit in 16..9999u64, stream: bool) {
        // Two reasoning items of one id in a row are one.
        let mut items = items;
        items.dedup_by(|a, b| a["type"] == "reasoning" && b["type"] == "reasoning" && a["id"] == b["id"]);
        // Instructions at the start move to where the API wants them.
        items.insert(0, json!({"role": "user", "content": "Hi"}));
        let mut body = json!({"model": "gpt-5.5", "input": items, "max_output_tokens": limit});
        if stream {
            body["stream"] = true.into();
        }
        let request = read(&body);
        prop_assert!(request.lost.is_empty(), "{:?}", request.lost);
        let written = write_request(&request, Surface::Responses, &OPENAI).unwrap();
        prop_assert_eq!(&written.lost, &Vec::<String>::new());
        prop_assert_eq!(json(&written.body), body);
    }

    #[test]
    fn any_json_is_read_or_refused(text in "\\PC{0,60}", field in "(input|tools|text|reasoning|tool_choice|stream|model)") {
        let _ = read_request(text.as_bytes());
        let value = serde_json::from_str::<Value>(&text).unwrap_or(Value::String(text));
        let _ = read_request(json!({"input": "x", field: value}).to_string().as_bytes());
    }

    /// Whatever a decoder of another dialect gives, the stream is one that a client can follow, and says the same.
    #[test]
    fn streams_say_the_same(events in prop::collection::vec(event(), 0..24)) {
        let said: fn(&Event<'_>) -> Option<String> = |event| match event {
            Event::Text { delta, .. } => Some(format!("{delta}")),
            _ => None,
        };
        let refused: fn(&Event<'_>) -> Option<String> = |event| match event {
            Event::Refusal { delta, .. } => Some(format!("{delta}")),
            _ => None,
        };
        let mut all = events.clone();
        all.push(Event::End);
        let frames = encode(all);
        let data: Vec<_> = frames.iter().map(|(_, data)| data.clone()).collect();
        let back = decode(&data);
        prop_assert_eq!(texts(&back, said), texts(&events, said));
        prop_assert_eq!(texts(&back, refused), texts(&events, refused));
        let last = &data.last().unwrap()["response"];
        let done: Vec<_> = frames.iter().filter(|(name, _)| name == "response.output_item.done").collect();
        prop_assert_eq!(done.len(), last["output"].as_array().unwrap().len());
        for (_, data) in done {
            let at = usize::try_from(data["output_index"].as_u64().unwrap()).unwrap();
            prop_assert_eq!(&data["item"], &last["output"][at]);
        }
    }
}

#[test]
fn nothing_comes_after_the_end() {
    let mut encoder = Encoder::new(&super::CONTEXT);
    let mut out = Vec::new();
    encoder.write(Event::End, &mut out);
    let length = out.len();
    encoder.write(Event::Whole { choice: 0, part: Part::text("late") }, &mut out);
    assert_eq!(out.len(), length);
}
