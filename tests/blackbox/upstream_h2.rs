//! What goes wrong with a provider over HTTP/2.

use crate::support::*;
use http::Version;
use serde_json::json;
use tollgate_mock::{Behaviour, Fault, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

/// `one` speaks HTTP/2 over TLS, `two` HTTP/1.1.
async fn stage(script: Script) -> (MockServer, MockServer, Gateway) {
    let one = MockServer::start_tls(script).await.unwrap();
    let two = mock(Script::default()).await;
    let policy = two_providers(&one, &two, without_health(json!({"per_request_timeout": "700ms"})));
    let gateway = Gateway::builder(&policy).trust(one.ca_pem().unwrap()).start().await;
    (one, two, gateway)
}

fn ask(stream: bool) -> Ask {
    post(CHAT, &merge(names(&["one:m", "two:m"]), json!({"stream": stream})))
}

#[tokio::test]
async fn failed_attempts_move_on() {
    let (one, two, gateway) = stage(Script::default()).await;
    for behaviour in [
        Behaviour::status(503),
        Behaviour::status(429),
        Behaviour::fault(Fault::CloseBeforeHead),
        Behaviour::fault(Fault::Reset),
        Behaviour::fault(Fault::CutAfterChunks(0)),
        Behaviour::fault(Fault::ErrorFirst),
        Behaviour::fault(Fault::EmptyBody),
        Behaviour::fault(Fault::Garbage),
        Behaviour::fault(Fault::Hang),
        Behaviour::fault(Fault::StallAfterHead),
    ] {
        for stream in [false, true] {
            one.clear_requests();
            two.clear_requests();
            let case = format!("{:?} {:?} {stream}", behaviour.status, behaviour.fault);
            one.set_script(Script::always(behaviour.clone()));
            let answer = gateway.send(ask(stream)).await;
            assert_eq!(
                (answer.status, answer.header("x-tollgate-attempts")),
                (200, "2"),
                "{case}: {}",
                answer.text()
            );
            assert_eq!(one.requests()[0].version, Version::HTTP_2, "{case}");
            assert_eq!((one.requests().len(), two.requests().len()), (1, 1), "{case}");
            assert_eq!(two.requests()[0].key.as_deref(), Some(KEY_TWO), "{case}");
        }
    }
    soon(one.wait_until(|_, counters| counters.open_streams == 0)).await;
}

#[tokio::test]
async fn streams_that_break_after_content() {
    for fault in [Fault::CutAfterChunks(2), Fault::ResetAfterChunks(2)] {
        let broken = Behaviour { fault: Some(fault), ..Behaviour::chunks(["alpha ", "beta ", "gamma "]) };
        let (_one, two, gateway) = stage(Script::always(broken)).await;
        let answer = gateway.send(ask(true)).await;
        assert!(answer.whole && answer.frames().last().unwrap().contains("ERR_NGROK_"), "{}", answer.text());
        assert!(answer.text().contains("beta") && !answer.text().contains("[DONE]"), "{}", answer.text());
        assert!(two.requests().is_empty());
    }
}

#[tokio::test]
async fn one_abandoned_stream_leaves_the_others_alone() {
    let script = Script::default()
        .model(
            "stalls",
            [Behaviour { fault: Some(Fault::StallMidStream(1)), ..Behaviour::chunks(["a ", "b "]) }],
        )
        .model("paced", [Behaviour::chunks(["c ", "d ", "e "]).chunk_every_ms(200)]);
    let (one, _two, gateway) = stage(script).await;
    let open = |model: &str| gateway.open(post(CHAT, &merge(names(&[model]), json!({"stream": true}))));
    let mut abandoned = open("one:stalls").await;
    let mut other = open("one:paced").await;
    soon(abandoned.event()).await.unwrap();
    soon(other.event()).await.unwrap();
    drop(abandoned);
    soon(one.wait_aborted(1)).await;
    let answer = soon(other.answer()).await;
    assert!(answer.whole && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    let connections: Vec<u64> = one.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections[0], connections[1], "both on one connection");
}

#[tokio::test]
async fn a_large_upload_that_is_refused_early() {
    let (one, two, gateway) = stage(Script::always(Behaviour::status(413))).await;
    let body = merge(names(&["one:m", "two:m"]), json!({"x": "y".repeat(4 << 20)}));
    let answer = gateway.send(post(CHAT, &body)).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
    assert_eq!((one.requests().len(), two.requests().len()), (1, 1));
}
