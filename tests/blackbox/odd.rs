//! Odd but legal: requests and answers that a reader in a hurry gets wrong.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

async fn stage(script: Script, more: Value) -> (MockServer, Gateway) {
    let one = mock(script).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let provider = merge(provider, json!({"models": [{"id": "mine"}]}));
    let gateway = Gateway::start(&ai_gateway(merge(json!({"providers": [provider]}), more))).await;
    (one, gateway)
}

#[tokio::test]
async fn a_model_named_twice_cannot_slip_past_the_policy() {
    let (one, gateway) = stage(Script::default(), json!({"only_allow_configured_models": true})).await;
    for body in [
        r#"{"model":"one:mine","model":"forbidden"}"#,
        r#"{"model":"forbidden","model":"one:mine"}"#,
        r#"{"model":"one:mine","mod\u0065l":"forbidden"}"#,
        r#"{"mod\u0065l":"forbidden","x":{"model":"inner"},"model":"one:mine"}"#,
        r#"{"model":"one:mine","models":["one:mine"],"models":["forbidden"]}"#,
        r#"{"model":"one:mine","model":5}"#,
    ] {
        one.clear_requests();
        let answer = gateway.send(post_bytes(CHAT, body)).await;
        for sent in one.requests() {
            let text = String::from_utf8(sent.body.to_vec()).unwrap();
            assert!(!text.contains("forbidden") && !text.contains("\"models\""), "{body} became {text}");
            assert_eq!(sent.json()["model"], "mine", "{body} became {text}");
        }
        assert!([200, 400, 422].contains(&answer.status), "{body}: {}", answer.text());
    }
}

#[tokio::test]
async fn informational_heads_come_before_the_answer() {
    let body = "{\"choices\":[]}";
    let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let raw = RawUpstream::start(format!("{head}{answer}"), Then::Close).await;
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [custom("one", &raw.url(), &["k"])]}))).await;
    let answer = gateway.send(post(CHAT, &names(&["one:m"]))).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, body));
    assert_eq!(answer.header("link"), "", "hints are not the answer's headers");
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection() {
    // HTTP/1.0 style: neither length nor chunks.
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n\
                data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let raw = RawUpstream::start(
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{body}"),
        Then::Close,
    )
    .await;
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [custom("one", &raw.url(), &["k"])]}))).await;
    for h2 in [false, true] {
        let ask = post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})));
        let answer = gateway.send(if h2 { ask.h2() } else { ask }).await;
        assert_eq!((answer.text().as_str(), answer.whole), (body, true));
    }
}

#[tokio::test]
async fn a_provider_that_does_not_stream_although_asked_to() {
    let body = "{\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}";
    let plain = Behaviour { body: Some(body.into()), ..Behaviour::default() };
    let script = Script::always(plain.header("content-type", "application/json"));
    let (_one, gateway) = stage(script, json!({})).await;
    let answer = gateway.send(post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})))).await;
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.header("content-type")),
        (200, body, "application/json")
    );
}

#[tokio::test]
async fn long_frames_and_many_frames() {
    let long = |size: usize| "é".repeat(size / 2);
    for chunks in
        [vec![long(1 << 20), long(3 << 20)], vec![long(10), long(6 << 20), long(10)], vec!["x".into(); 3000]]
    {
        let (_one, gateway) = stage(
            Script::always(Behaviour { chunks: Some(chunks.clone()), ..Behaviour::default() }),
            json!({}),
        )
        .await;
        let answer = gateway.send(post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})))).await;
        let said: String = answer
            .frames()
            .iter()
            .filter_map(|f| {
                let event: Value = serde_json::from_str(f.strip_prefix("data: ")?).ok()?;
                Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned())
            })
            .collect();
        assert!(said == chunks.concat(), "{} bytes of {}", said.len(), chunks.concat().len());
        let text = answer.text();
        let end = text.get(text.floor_char_boundary(text.len().saturating_sub(1500))..).unwrap_or_default();
        assert!(answer.whole && end.ends_with("data: [DONE]\n\n"), "{} chunks: {end}", chunks.len());
    }
}

#[tokio::test]
async fn refusals_and_empty_answers_are_answers() {
    // A stream may rightly have no content, and so may a plain answer.
    let stream = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"},\"finish_reason\":null}]}\n\n\
                  data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
    let plain = "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"no\"},\"finish_reason\":\"content_filter\"}],\"error\":null}";
    for (body, kind, stream) in [(stream, "text/event-stream", true), (plain, "application/json", false)] {
        let behaviour =
            Behaviour { body: Some(body.into()), ..Behaviour::default() }.header("content-type", kind);
        let (_one, gateway) = stage(Script::always(behaviour), json!({})).await;
        let answer = gateway.send(post(CHAT, &merge(names(&["one:m"]), json!({"stream": stream})))).await;
        assert_eq!(
            (answer.status, answer.text().as_str(), answer.header("x-tollgate-attempts")),
            (200, body, "1")
        );
    }
}

#[tokio::test]
async fn a_stalled_upload_over_http_2_is_ended() {
    let (one, _) = stage(Script::default(), json!({})).await;
    let policy = ai_gateway(json!({"providers": [custom("one", &one.url(), &["k"])]}));
    let gateway = Gateway::builder(&policy).config("limits: {body_timeout: 1s}\n").start().await;
    let answer = soon(post(CHAT, &names(&["one:m"])).h2().stalled(gateway.addr)).await;
    answer.assert_openai_error(408, "27214");
    gateway.wait_idle().await;
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_the_plain_path() {
    let raw = RawUpstream::start("", Then::Hold).await;
    let gateway =
        Gateway::builder("{\"on_http_request\": []}").args(&["--upstream", &raw.url()]).start().await;
    for (n, reset) in [(1, false), (2, true)] {
        let mut client = RawConnection::open(gateway.addr).await;
        client.post("/slow", &json!({})).await;
        soon(async {
            while raw.requests().len() < n {
                tokio::task::yield_now().await
            }
        })
        .await;
        if reset {
            client.reset()
        } else {
            client.leave()
        }
        raw.wait_left(n).await;
    }
    gateway.wait_idle().await;
    assert!(gateway.log_lines(2).await.iter().all(|line| line["outcome"] == "client_gone"));
}

#[tokio::test]
async fn requests_shorter_than_the_preface_of_http_2_are_answered() {
    for body in ["ok", "${conn.bytes_in > 0}"] {
        short_requests(&json!({"on_http_request": [{"type": "custom-response", "config": {"body": body}}]}))
            .await;
    }
}

async fn short_requests(policy: &Value) {
    let gateway = Gateway::start(&policy.to_string()).await;
    for request in ["GET / HTTP/1.0\r\n\r\n", "OPTIONS / HTTP/1.0\r\n\r\n"] {
        let mut client = RawConnection::open(gateway.addr).await;
        client.write(request).await;
        let got = String::from_utf8(client.everything().await).unwrap();
        assert!(got.starts_with("HTTP/1.1 200") || got.starts_with("HTTP/1.0 200"), "{request:?}: {got:?}");
    }
    let mut slow = RawConnection::open(gateway.addr).await;
    for part in ["P", "RI", "OR / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"] {
        slow.write(part).await;
    }
    let got = String::from_utf8(slow.everything().await).unwrap();
    assert!(got.starts_with("HTTP/1.1 200"), "{got:?}");
    assert_eq!(gateway.send(get("/").h2()).await.status, 200);
}
