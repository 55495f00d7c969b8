//! Conversations of every shape.

use super::super::{Decoder, Encoder};
use super::*;
use crate::translate::answer::Event;
use proptest::prelude::*;
use serde_json::json;

fn text() -> impl Strategy<Value = Value> {
    ("[a-z\"\\\\é🚀]{1,8}", prop::option::of(prop_oneof![Just("5m"), Just("1h")])).prop_map(|(text, ttl)| {
        match ttl {
            None => json!({"type": "text", "text": text}),
            Some(ttl) => {
                json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}})
            }
        }
    })
}

fn picture() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[A-Za-z0-9+/]{4}".prop_map(|data| {
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": data}})
        }),
        "[a-z]{1,5}".prop_map(|host| {
            json!({"type": "image", "source": {"type": "url", "url": format!("https://{host}.test/")}})
        }),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    ("[a-z ]{1,9}", "[a-z]{1,4}").prop_map(|(data, title)| {
        json!({"type": "document", "title": title,
               "source": {"type": "text", "media_type": "text/plain", "data": data}})
    })
}

/// A question, an answer, and perhaps a call with its result; written as this codec writes.
fn round() -> impl Strategy<Value = Vec<Value>> {
    let asked = prop::collection::vec(prop_oneof![text(), picture(), document()], 2..4);
    let thought = prop::option::of("[a-z]{1,6}");
    let call = prop::option::of(("[a-z_]{1,6}", "[a-zA-Z0-9_-]{1,9}", any::<bool>(), text(), picture()));
    (asked, thought, text(), call).prop_map(|(asked, thought, said, call)| {
        let mut answer = Vec::new();
        answer.extend(thought.map(|text| json!({"type": "thinking", "thinking": text, "signature": "s"})));
        answer.push(said);
        let mut turns = vec![json!({"role": "user", "content": asked})];
        let Some((name, id, failed, text, picture)) = call else {
            answer.push(json!({"type": "text", "text": "end"}));
            turns.push(json!({"role": "assistant", "content": answer}));
            return turns;
        };
        answer.push(json!({"type": "tool_use", "id": id, "name": name, "input": {"b": 1, "a": [null, "x"]}}));
        let mut result = json!({"type": "tool_result", "tool_use_id": id, "content": [text, picture]});
        if failed {
            result["is_error"] = json!(true);
        }
        turns.push(json!({"role": "assistant", "content": answer}));
        turns.push(json!({"role": "user", "content": [result]}));
        turns.push(json!({"role": "assistant", "content": "done"}));
        turns
    })
}

fn conversation() -> impl Strategy<Value = Value> {
    let rounds = prop::collection::vec(round(), 0..4);
    let system = prop::option::of(prop::collection::vec(text(), 2..3));
    (rounds, system, 1..9000_u64, prop::option::of(0..3_u64), any::<bool>()).prop_map(
        |(rounds, system, limit, top_k, stream)| {
            let mut messages: Vec<Value> = rounds.into_iter().flatten().collect();
            messages.push(json!({"role": "user", "content": "last"}));
            let mut body = json!({"model": TARGET.model, "max_tokens": limit, "messages": messages, "tools": [
                {"name": "f", "input_schema": {"type": "object", "z": 1, "y": {"x": []}}}
            ]});
            let mut set = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    body[name] = value;
                }
            };
            set("system", system.map(Value::from));
            set("top_k", top_k.map(Value::from));
            set("stream", stream.then_some(Value::Bool(true)));
            body
        },
    )
}

/// Any JSON, of the words of this API.
fn anything() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "type",
        "text",
        "image",
        "content",
        "source",
        "base64",
        "data",
        "tool_use",
        "tool_result",
        "input",
        "thinking",
        "redacted_thinking",
        "signature",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "delta",
        "content_block",
        "message",
        "usage",
        "index",
        "message_delta",
        "stop_reason",
        "text_delta",
        "input_json_delta",
        "partial_json",
        "id",
        "name",
        "role",
        "user",
        "assistant",
        "messages",
        "model",
        "system",
        "tools",
        "compaction",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..9_i64).prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn conversations_come_back(body in conversation()) {
        let translated = again(&body, &TARGET);
        prop_assert_eq!(json(&translated.body), body);
        prop_assert_eq!(translated.lost, Vec::<String>::new());
    }

    /// Whatever a stranger sends is read, or refused; what was read can be written.
    #[test]
    fn nothing_panics(mut body in anything(), messages in prop::collection::vec(anything(), 0..3)) {
        if let Some(body) = body.as_object_mut() {
            body.insert("model".into(), json!("m"));
            body.insert("messages".into(), json!(messages));
        }
        let body = body.to_string();
        if let Ok(request) = read_request(body.as_bytes())
            && let Ok(translated) = write_request(&request, Surface::Messages, &TARGET)
        {
            json(&translated.body);
        }
        if let Ok(answer) = super::super::read_answer(body.as_bytes()) {
            json(&super::super::write_answer(&answer, &CONTEXT).body);
        }
    }

    /// Events of any shape end in one stream that is whole.
    #[test]
    fn streams_always_end(events in prop::collection::vec(anything(), 0..12), shapes in prop::collection::vec(0..6_usize, 0..12)) {
        let mut decoder = Decoder::default();
        let mut encoder = Encoder::new(&CONTEXT);
        let mut out = Vec::new();
        for (at, event) in events.into_iter().enumerate() {
            let name = shapes.get(at).map(|shape| {
                ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
                 "message_stop"][*shape]
            });
            let mut sink = |event: Event<'_>| { encoder.write(event, &mut out); };
            let _ = decoder.read(name, event.to_string().as_bytes(), &mut sink);
        }
        decoder.finish(&mut |event| { encoder.write(event, &mut out); });
        let text = String::from_utf8(out).unwrap();
        prop_assert_eq!(text.matches("event: message_start\n").count(), 1);
        prop_assert_eq!(text.matches("event: message_stop\n").count(), 1);
        prop_assert_eq!(
            text.matches("event: content_block_start\n").count(),
            text.matches("event: content_block_stop\n").count()
        );
        let end = "data: {\"type\":\"message_stop\"}\n\n";
        prop_assert!(text.ends_with(end), "{}", text);
    }
}
