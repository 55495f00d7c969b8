//! A gateway that is asked to stop: what has begun ends well, nobody new is let in, and it does not stay longer than needed.

use crate::support::*;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tollgate_mock::{Behaviour, Fault, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

async fn stage(behaviour: Behaviour, args: &[&str]) -> (MockServer, Gateway) {
    let one = mock(Script::always(behaviour)).await;
    let policy = json!({"on_http_request": [
        {"expressions": ["req.url.path == '/'"], "actions": [{"type": "custom-response", "config": {"body": "here"}}]},
        {"actions": [{"type": "ai-gateway", "config": {
            "providers": [custom("one", &format!("{}/v1", one.url()), &[KEY_ONE])],
        }}]},
    ]});
    let gateway = Gateway::builder(&policy.to_string()).args(args).start().await;
    (one, gateway)
}

fn streamed() -> Ask {
    post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})))
}

/// Returns once the gateway says that it is stopping.
async fn stopping(gateway: &Gateway) -> String {
    gateway
        .err
        .find("that it stops", |line| line.contains("stopping: serving").then(|| line.to_owned()))
        .await
}

/// Returns once nobody takes connections.
async fn closed(gateway: &Gateway) {
    soon(async {
        while TcpStream::connect(gateway.addr).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_has_begun_ends_well_and_nobody_new_is_let_in() {
    let words = ["a ", "b ", "c ", "d ", "e ", "f ", "g ", "h "];
    let (_one, mut gateway) = stage(Behaviour::chunks(words).chunk_every_ms(300), &[]).await;
    let mut replies = [gateway.open(streamed()).await, gateway.open(streamed().h2()).await];
    for reply in &mut replies {
        soon(reply.event()).await.unwrap();
    }
    gateway.signal("TERM").await;
    let said = stopping(&gateway).await;
    assert!(said.contains("\"in_flight\":2") && said.contains("\"limit_s\":600"), "{said}");
    closed(&gateway).await;
    // Whoever asks is told, as long as there is somebody to ask.
    let ready = gateway.admin("/readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (503, "draining\n"));
    assert_eq!(gateway.admin("/healthz").await.status, 200);
    assert_eq!(gateway.status().await["draining"], true);
    for reply in replies {
        let answer = soon(reply.answer()).await;
        assert!(answer.whole && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    }
    let over = Instant::now();
    assert_eq!(gateway.ended().await, Some(0));
    assert!(over.elapsed() < Duration::from_secs(6), "{:?}", over.elapsed());
    assert_eq!(gateway.log_lines(2).await.len(), 2, "no line is lost");
}

#[tokio::test]
async fn connections_are_told_to_close_and_idle_ones_do_not_keep_it() {
    let (_one, mut gateway) = stage(Behaviour::default().after_ms(900), &[]).await;
    let mut idle = RawConnection::open(gateway.addr).await;
    assert!(idle.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await);
    assert_eq!(idle.answer().await.expect("an answer").header("connection"), Some("keep-alive"));
    let mut idle_h2 = gateway.open(get("/").h2()).await;
    while let Some(Ok(_)) = soon(idle_h2.chunk()).await {}
    let _silent = TcpStream::connect(gateway.addr).await.unwrap();
    let mut busy = RawConnection::open(gateway.addr).await;
    busy.post(CHAT, &names(&["one:m"])).await;
    soon(async { while gateway.status().await["in_flight"] != 1 {} }).await;
    gateway.signal("TERM").await;
    stopping(&gateway).await;
    let answer = busy.answer().await.expect("the answer of what had begun");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(idle.everything().await.is_empty(), "an idle connection is closed without a word");
    let over = Instant::now();
    assert_eq!(gateway.ended().await, Some(0));
    assert!(over.elapsed() < Duration::from_secs(8), "{:?}", over.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_an_echo_of_the_first_does_not() {
    for second in ["TERM", "INT"] {
        let (_one, mut gateway) = stage(Behaviour::fault(Fault::Hang), &[]).await;
        let waiting = tokio::spawn(streamed().open(gateway.addr));
        soon(async { while gateway.status().await["in_flight"] != 1 {} }).await;
        gateway.signal("TERM").await;
        gateway.signal("TERM").await;
        stopping(&gateway).await;
        tokio::time::sleep(Duration::from_millis(1300)).await;
        assert!(gateway.runs(), "a supervisor signals the process and its group: that is one signal");
        gateway.signal(second).await;
        assert_eq!(gateway.ended().await, Some(0));
        let said = |line: &str| line.contains("ending at once, requests are cut").then(|| line.to_owned());
        let said = gateway.err.find("that it ends", said).await;
        assert!(said.contains("\"cut\":1"), "{said}");
        waiting.abort();
    }
}

#[tokio::test]
async fn when_its_time_is_over_streams_end_with_an_error_of_their_api() {
    let slow = Behaviour { fault: Some(Fault::StallMidStream(1)), ..Behaviour::chunks(["a ", "b "]) };
    let (_one, mut gateway) = stage(slow, &["--drain-timeout", "500ms"]).await;
    let claude = json!({
        "model": "one:m", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}],
    });
    let mut replies = vec![
        (gateway.open(streamed()).await, "chat"),
        (gateway.open(streamed().h2()).await, "chat over HTTP/2"),
        (gateway.open(post("/v1/messages", &claude)).await, "messages"),
    ];
    for (reply, _) in &mut replies {
        soon(reply.event()).await.unwrap();
    }
    gateway.signal("TERM").await;
    for (reply, name) in replies {
        let answer = soon(reply.answer()).await;
        let text = answer.text();
        assert!(text.contains("the gateway is stopping") && text.contains("\"error\""), "{name}: {text}");
        assert!(!text.contains("[DONE]") && !text.contains("message_stop"), "{name}: {text}");
        assert_eq!(text.contains("event: error"), name == "messages", "{name}: {text}");
    }
    assert_eq!(gateway.ended().await, Some(0));
    let lines = gateway.log_lines(3).await;
    assert!(lines.iter().all(|line| line["outcome"] == "interrupted"), "{lines:?}");
    let said = |line: &str| line.contains("the time to finish is over").then(|| line.to_owned());
    let said = gateway.err.find("what was cut", said).await;
    assert!(said.contains("\"cut\":3") && said.contains("\"untold\":0"), "{said}");
}

#[tokio::test]
async fn a_request_that_still_waits_then_is_told_so() {
    let (_one, mut gateway) = stage(Behaviour::fault(Fault::Hang), &["--drain-timeout", "500ms"]).await;
    let waiting = tokio::spawn(post(CHAT, &names(&["one:m"])).send(gateway.addr));
    let claude = json!({"model": "one:m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let other = tokio::spawn(post("/v1/messages", &claude).h2().send(gateway.addr));
    soon(async { while gateway.status().await["in_flight"] != 2 {} }).await;
    gateway.signal("TERM").await;
    let answer = soon(waiting).await.unwrap();
    answer.assert_openai_error(503, "27220");
    assert!(answer.text().contains("the gateway is stopping"), "{}", answer.text());
    soon(other).await.unwrap().assert_anthropic_error(503, "27220");
    assert_eq!(gateway.ended().await, Some(0));
}
