//! Same dialect, same bytes: what nobody asked to change arrives as it was written.

use crate::support::*;
use serde_json::json;
use tollgate_mock::{Behaviour, MockServer, Script, Trickle};

async fn stage(script: Script) -> (MockServer, Gateway) {
    let mock = mock(script).await;
    let provider = custom("one", &format!("{}/v1", mock.url()), &[KEY_ONE]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    (mock, gateway)
}

const PATHS: [&str; 6] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/embeddings",
];

/// Spacing, spellings of numbers, escapes, unknown and repeated members, an order no library would keep.
const ODD: &str = "\n{ \"z\":1.0,\"model\" : \"one:my/Model\" ,\"n\":1E+2, \"big\":123456789012345678901234567890,\r\n\t\"text\":\"\\u00e9\\/é\\ud83d\\ude00 {\\\"model\\\":\\\"x\\\"}\", \"messages\":[{\"role\":\"user\",\"content\":\"a\",\"model\":\"inner\"}],\"a\":{},\"nested\":{\"models\":[1]},\"null\":null,\"-0\":-0.0 , \"input\":\"x\",\"max_tokens\":5}  \n";

#[tokio::test]
async fn request_bodies_keep_every_byte_but_the_model() {
    let (mock, gateway) = stage(Script::default()).await;
    for path in PATHS {
        mock.clear_requests();
        let answer = gateway.send(post_bytes(path, ODD)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let expected = ODD.replace("\"one:my/Model\"", "\"my/Model\"");
        assert_eq!(String::from_utf8(mock.requests()[0].body.to_vec()).unwrap(), expected, "{path}");
    }
}

#[tokio::test]
async fn models_is_cut_out_and_the_rest_stays() {
    let (mock, gateway) = stage(Script::default()).await;
    for (given, sent) in [
        (r#"{ "models" : ["one:m"] , "x": 1.50 }"#, r#""x": 1.50"#),
        (r#"{"x":1.50,"models":["one:m"]}"#, r#""x":1.50"#),
        (r#"{"model":"one:m","models":[ "one:n" ],"x":1.50}"#, r#""x":1.50}"#),
    ] {
        mock.clear_requests();
        assert_eq!(gateway.send(post_bytes(PATHS[0], given)).await.status, 200);
        let body = String::from_utf8(mock.requests()[0].body.to_vec()).unwrap();
        assert!(body.contains(sent), "{given} became {body}");
        assert_eq!(mock.requests()[0].json(), json!({"model": "m", "x": 1.5}), "{body}");
    }
}

#[tokio::test]
async fn escaped_names_and_members_are_understood() {
    let (mock, gateway) = stage(Script::default()).await;
    let body = r#"{"mod\u0065l":"one\u003am","x":1}"#;
    let answer = gateway.send(post_bytes(PATHS[0], body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(mock.requests()[0].json(), json!({"model": "m", "x": 1}));
}

#[tokio::test]
async fn plain_answers_keep_every_byte() {
    for path in PATHS {
        for body in [
            "\n\n { \"id\" : 1.0, \"choices\":[ ], \"x\":\"\\u00e9\" } \n".to_owned(),
            format!("{{\"data\":\"{}\"}}", "é".repeat(200_000)), // longer than what is held back
        ] {
            let behaviour = Behaviour { body: Some(body.clone()), ..Behaviour::default() };
            let behaviour = behaviour.header("x-Odd", "ä b").header("openai-organization", "org-1");
            let (_mock, gateway) = stage(Script::always(behaviour)).await;
            let answer = gateway.send(post(path, &names(&["one:m"]))).await;
            assert!(answer.status == 200 && answer.whole, "{path}");
            assert!(answer.body == body, "{path}: {} bytes of {}", answer.body.len(), body.len());
            assert_eq!(answer.headers["x-odd"].as_bytes(), "ä b".as_bytes());
            assert_eq!(answer.header("content-type"), "application/json");
        }
    }
}

#[tokio::test]
async fn streams_keep_every_byte() {
    let chat = "\u{feff}: OPENROUTER PROCESSING\r\n\r\nid: 7\nretry:10\ndata:{\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"é\"},\n\
        data: \"finish_reason\":null}], \"n\":1.0}\n\n: c\n\n\n\nevent: unknown\ndata: {\"x\":1}\n\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\n\n: bye\n\n";
    let messages = ": hi\n\nevent: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1}}}\n\n\
        event: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_delta\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\u00e9\"}}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let responses = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\n\
        event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n\
        event: response.future\ndata: {\"type\":\"response.future\"}\n\n\
        event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n";
    let completions = "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}]}\n\n\
        data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    for (path, text) in
        [(PATHS[0], chat), (PATHS[1], responses), (PATHS[2], completions), (PATHS[3], messages)]
    {
        // One byte at a time splits every character and every line end.
        for trickle in
            [None, Some(Trickle { bytes: 1, every_ms: 0 }), Some(Trickle { bytes: 7, every_ms: 1 })]
        {
            let behaviour = Behaviour { body: Some(text.into()), trickle, ..Behaviour::default() };
            let behaviour = behaviour.header("content-type", "text/event-stream; charset=utf-8");
            let (_mock, gateway) = stage(Script::always(behaviour)).await;
            let answer = gateway.send(post(path, &merge(names(&["one:m"]), json!({"stream": true})))).await;
            assert_eq!((answer.text().as_str(), answer.whole), (text, true), "{path} {trickle:?}");
            assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
            assert_eq!(answer.header("x-accel-buffering"), "no");
            assert_eq!(gateway.log_of(&answer).await["outcome"], "success");
        }
    }
}

#[tokio::test]
async fn usage_is_read_without_touching_the_stream() {
    let (_mock, gateway) = stage(Script::default()).await;
    for (path, body) in [
        (PATHS[0], json!({"stream": true, "stream_options": {"include_usage": true}})),
        (PATHS[1], json!({"stream": true})),
        (PATHS[3], json!({"stream": true})),
        (PATHS[0], json!({})),
        (PATHS[3], json!({})),
        (PATHS[5], json!({"input": "x"})),
    ] {
        let answer = gateway.send(post(path, &merge(names(&["one:m"]), body.clone()))).await;
        let line = gateway.log_of(&answer).await;
        assert!(line["input_tokens"].as_u64().is_some_and(|n| n > 0), "{path} {body}: {line}");
    }
    // Nobody asked for usage: no usage chunk comes.
    let answer = gateway.send(post(PATHS[0], &merge(names(&["one:m"]), json!({"stream": true})))).await;
    assert!(!answer.text().contains("\"usage\""), "{}", answer.text());
}
