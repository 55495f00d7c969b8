//! Many at once, and nothing left afterwards.

use crate::support::*;
use serde_json::json;
use tollgate_mock::{Behaviour, Fault, Script};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_streams_at_once() {
    let words: Vec<String> = (0..10).map(|n| format!("w{n} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let one = mock(
        Script::default()
            .model("bad-*", [Behaviour::fault(Fault::ErrorFirst)])
            .model("m-*", [Behaviour::chunks(words).chunk_every_ms(60)]),
    )
    .await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    let clients: Vec<_> = (0..300)
        .map(|n| {
            let models = [format!("one:bad-{n}"), format!("one:m-{n}")];
            let body = merge(names(&[&models[0], &models[1]]), json!({"stream": true}));
            let ask = post(CHAT, &body);
            tokio::spawn(if n % 3 == 0 { ask.h2() } else { ask }.send(gateway.addr))
        })
        .collect();
    for (n, client) in clients.into_iter().enumerate() {
        let answer = soon(client).await.unwrap();
        let text = answer.text();
        assert!(answer.status == 200 && answer.whole && text.ends_with("data: [DONE]\n\n"), "{n}: {text}");
        assert_eq!(answer.header("x-tollgate-model"), format!("one:m-{n}"), "nobody gets another's answer");
        assert!(
            text.contains(&format!("\"m-{n}\"")) && (0..10).all(|w| text.contains(&format!("w{w} "))),
            "{text}"
        );
    }
    gateway.wait_idle().await;
    let counters = one.counters();
    assert_eq!((counters.open_streams, counters.aborted_streams), (0, 0), "{counters:?}");
    assert_eq!(gateway.log_lines(300).await.len(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_leaves() {
    let one = mock(Script::always(Behaviour::fault(Fault::StallMidStream(1)))).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    let mut replies = Vec::new();
    for n in 0..100 {
        let ask = post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})));
        replies.push(gateway.open(if n % 2 == 0 { ask.h2() } else { ask }).await);
    }
    assert_eq!(gateway.status().await["in_flight"], 100);
    drop(replies);
    soon(one.wait_aborted(100)).await;
    gateway.wait_idle().await;
    // The connections to the provider are gone with the streams.
    soon(one.wait_until(|_, c| c.connections_opened == c.connections_closed)).await;
}

#[tokio::test]
async fn connections_to_providers_are_used_again() {
    let one = mock(Script::default().model("bad", [Behaviour::status(500)])).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway = Gateway::builder(&ai_gateway(json!({"providers": [provider]}))).start().await;
    for n in 0..20 {
        let body = merge(names(&["one:bad", "one:m"]), json!({"stream": n % 2 == 0}));
        assert_eq!(gateway.send(post(CHAT, &body)).await.status, 200);
    }
    let opened = one.counters().connections_opened;
    assert!(opened <= 4, "{opened} connections for 40 requests");
}

#[tokio::test]
async fn a_pooled_connection_that_the_provider_closed_is_no_failure() {
    // The raw provider answers once on each connection and closes it, keep-alive or not.
    let body = "{\"choices\":[]}";
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let raw = RawUpstream::start(head + body, Then::Close).await;
    let provider = custom("one", &format!("{}/v1", raw.url()), &[KEY_ONE]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    for _ in 0..10 {
        let answer = gateway.send(post(CHAT, &names(&["one:m"]))).await;
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "1"), "{}", answer.text());
    }
    assert_eq!(raw.requests().len(), 10);
}
