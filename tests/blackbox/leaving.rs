//! A client that leaves, at any point, takes its request with it.

use crate::support::*;
use serde_json::json;
use tollgate_mock::{Behaviour, Fault, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

async fn stage(behaviour: Behaviour) -> (MockServer, Gateway) {
    let one = mock(Script::always(behaviour)).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    (one, gateway)
}

fn streamed() -> serde_json::Value {
    merge(names(&["one:m"]), json!({"stream": true}))
}

async fn nothing_is_left(one: &MockServer, gateway: &Gateway, aborted: u64) {
    soon(one.wait_aborted(aborted)).await;
    gateway.wait_idle().await;
    let lines = gateway.log_lines(aborted.try_into().unwrap()).await;
    assert!(lines.iter().all(|line| line["outcome"] == "client_gone"), "{lines:?}");
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    let (one, gateway) =
        stage(Behaviour { fault: Some(Fault::StallMidStream(2)), ..Behaviour::chunks(["a ", "b ", "c "]) })
            .await;
    for (n, h2) in [(1, false), (2, true)] {
        let ask = post(CHAT, &streamed());
        let mut reply = gateway.open(if h2 { ask.h2() } else { ask }).await;
        soon(reply.event()).await.unwrap();
        drop(reply);
        soon(one.wait_aborted(n)).await;
    }
    nothing_is_left(&one, &gateway, 2).await;
}

#[tokio::test]
async fn with_fin_and_with_reset() {
    let (one, gateway) =
        stage(Behaviour { fault: Some(Fault::StallMidStream(1)), ..Behaviour::chunks(["a ", "b "]) }).await;
    for (n, reset) in [(1, false), (2, true)] {
        let mut client = RawConnection::open(gateway.addr).await;
        client.post(CHAT, &streamed()).await;
        client.until(b"\"a \"").await.unwrap();
        client.until(b"\r\n").await.unwrap();
        if reset {
            client.reset()
        } else {
            client.leave()
        }
        soon(one.wait_aborted(n)).await;
    }
    nothing_is_left(&one, &gateway, 2).await;
}

#[tokio::test]
async fn before_the_first_byte() {
    for behaviour in [
        Behaviour::fault(Fault::Hang),
        Behaviour::fault(Fault::StallAfterHead),
        Behaviour::fault(Fault::StallMidStream(0)),
    ] {
        let (one, gateway) = stage(behaviour).await;
        for (n, reset) in [(1, false), (2, true)] {
            let mut client = RawConnection::open(gateway.addr).await;
            client.post(CHAT, &streamed()).await;
            soon(one.wait_for(n)).await;
            if reset {
                client.reset()
            } else {
                client.leave()
            }
            soon(one.wait_aborted(n.try_into().unwrap())).await;
        }
        // HTTP/2: the request future is dropped, which resets the stream.
        let waiting = tokio::spawn(post(CHAT, &streamed()).h2().send(gateway.addr));
        soon(one.wait_for(3)).await;
        waiting.abort();
        nothing_is_left(&one, &gateway, 3).await;
    }
}

#[tokio::test]
async fn in_the_middle_of_the_upload() {
    let (one, gateway) = stage(Behaviour::default()).await;
    for reset in [false, true] {
        let mut client = RawConnection::open(gateway.addr).await;
        let head =
            format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n{{\"model\":\"one:m\"");
        assert!(client.write(head).await);
        soon(async { while gateway.status().await["in_flight"] == 0 {} }).await;
        if reset {
            client.reset()
        } else {
            client.leave()
        }
        gateway.wait_idle().await;
    }
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn between_attempts_nothing_further_is_tried() {
    let one = mock(Script::default().model("a", [Behaviour::fault(Fault::Hang)])).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [provider], "per_request_timeout": "800ms"}))).await;
    let mut client = RawConnection::open(gateway.addr).await;
    client.post(CHAT, &names(&["one:a", "one:b"])).await;
    soon(one.wait_for(1)).await;
    client.leave();
    nothing_is_left(&one, &gateway, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    assert_eq!(one.requests().len(), 1, "the second model is not asked for a client that left");
}

#[tokio::test]
async fn a_pipelined_request_is_not_a_client_that_left() {
    let (_one, gateway) = stage(Behaviour::default().after_ms(200)).await;
    let mut client = RawConnection::open(gateway.addr).await;
    client.post(CHAT, &names(&["one:m"])).await;
    client.post(CHAT, &names(&["one:m"])).await;
    let answer = client.answer().await.expect("the first answer");
    assert_eq!(answer.status, 200);
    // The second one is answered too, or the connection ends cleanly so that the client repeats it.
    let second = client.answer().await;
    assert!(second.is_none_or(|second| second.status == 200));
}

#[tokio::test]
async fn a_client_that_only_stops_sending_still_gets_its_answer_or_is_let_go() {
    let (_one, gateway) = stage(Behaviour::default().after_ms(100)).await;
    let mut client = RawConnection::open(gateway.addr).await;
    client.post(CHAT, &names(&["one:m"])).await;
    client.half_close().await;
    let answer = client.answer().await;
    assert!(answer.is_none_or(|answer| answer.status == 200));
    gateway.wait_idle().await;
}
