//! Every clock: connect, head, first content, whole plain answer, idle, total.

use crate::support::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate_mock::{Behaviour, Fault, MockServer, Script, Trickle};

const CHAT: &str = "/v1/chat/completions";

async fn stage(one: Behaviour, more: Value) -> (MockServer, MockServer, Gateway) {
    let (one, two) = (mock(Script::always(one)).await, mock(Script::default()).await);
    let gateway = Gateway::start(&two_providers(&one, &two, more)).await;
    (one, two, gateway)
}

fn streamed(models: &[&str]) -> Ask {
    post(CHAT, &merge(names(models), json!({"stream": true})))
}

#[tokio::test]
async fn an_attempt_ends_at_per_request_timeout() {
    for behaviour in [
        Behaviour::fault(Fault::Hang),
        Behaviour::fault(Fault::StallAfterHead),
        Behaviour { trickle: Some(Trickle { bytes: 1, every_ms: 50 }), ..Behaviour::default() },
    ] {
        let (one, _two, gateway) = stage(behaviour, json!({"per_request_timeout": "500ms"})).await;
        let started = Instant::now();
        let answer = gateway.send(post(CHAT, &names(&["one:m", "two:m"]))).await;
        let took = started.elapsed();
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
        assert!(took >= Duration::from_millis(480) && took < Duration::from_secs(4), "{took:?}");
        soon(one.wait_aborted(1)).await;
    }
}

#[tokio::test]
async fn a_connection_that_never_opens_ends_at_connect_timeout() {
    // TEST-NET-1 (RFC 5737): packets to it vanish, or the system says at once that there is no way.
    let two = mock(Script::default()).await;
    let far = custom("far", "https://192.0.2.1/v1", &[KEY_ONE]);
    let config =
        json!({"connect_timeout": "300ms", "providers": [far, custom("two", &two.url(), &[KEY_TWO])]});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let started = Instant::now();
    let answer = gateway.send(post(CHAT, &names(&["far:m", "two:m"]))).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_slow_stream_is_not_cut_by_per_request_or_total_timeout() {
    let slow = Behaviour::chunks(["a ", "b ", "c ", "d ", "e "]).chunk_every_ms(300);
    let more = json!({"per_request_timeout": "700ms", "total_timeout": "900ms"});
    let (_one, _two, gateway) = stage(slow, more).await;
    let started = Instant::now();
    let answer = gateway.send(streamed(&["one:m", "two:m"])).await;
    assert!(started.elapsed() >= Duration::from_millis(1200));
    assert!(answer.whole && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_eq!(answer.header("x-tollgate-attempts"), "1");
}

#[tokio::test]
async fn silence_between_events_ends_the_stream_with_an_error() {
    for (path, mark) in
        [(CHAT, "data: {\"error\":"), ("/v1/messages", "event: error\n"), ("/v1/responses", "event: error\n")]
    {
        let stall =
            Behaviour { fault: Some(Fault::StallMidStream(2)), ..Behaviour::chunks(["a ", "b ", "c "]) };
        let (one, two, gateway) = stage(stall, json!({"stream_idle_timeout": "400ms"})).await;
        let body = merge(names(&["one:m", "two:m"]), json!({"stream": true, "input": "x"}));
        let answer = gateway.send(post(path, &body)).await;
        let frames = answer.frames();
        let last = format!("{}\n\n", frames.last().unwrap());
        assert!(last.starts_with(mark) && last.contains("ERR_NGROK_"), "{path}: {last}");
        assert!(
            !answer.text().contains("[DONE]") && !answer.text().contains("message_stop"),
            "{}",
            answer.text()
        );
        assert!(answer.whole, "the error is the end, not a broken connection");
        assert!(two.requests().is_empty(), "nothing fails over after content");
        soon(one.wait_aborted(1)).await;
        assert_eq!(gateway.log_of(&answer).await["outcome"], "interrupted");
    }
}

#[tokio::test]
async fn comments_keep_a_stream_alive() {
    let body = ": wait\n\n".repeat(20)
        + "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n";
    let body = body
        + &": wait\n\n".repeat(10)
        + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let behaviour = Behaviour {
        body: Some(body.clone()),
        trickle: Some(Trickle { bytes: 9, every_ms: 40 }),
        ..Behaviour::default()
    };
    let behaviour = behaviour.header("content-type", "text/event-stream");
    let (_one, _two, gateway) =
        stage(behaviour, json!({"stream_idle_timeout": "300ms", "per_request_timeout": "10s"})).await;
    let answer = gateway.send(streamed(&["one:m", "two:m"])).await;
    assert_eq!((answer.text(), answer.whole), (body, true));
}

#[tokio::test]
async fn total_timeout_ends_the_chain() {
    let (one, two) =
        (mock(Script::always(Behaviour::fault(Fault::Hang))).await, mock(Script::default()).await);
    let more = json!({"per_request_timeout": "400ms", "total_timeout": "1s"});
    let gateway = Gateway::start(&two_providers(&one, &two, more)).await;
    let models = ["one:a", "one:b", "one:c", "one:d", "two:m"];
    for path in [CHAT, "/v1/messages"] {
        one.clear_requests();
        let started = Instant::now();
        let answer = gateway.send(post(path, &names(&models))).await;
        let took = started.elapsed();
        assert_eq!((answer.status, answer.code()), (504, "3810"), "{}", answer.text());
        if path == CHAT {
            answer.assert_openai_error(504, "3810");
        } else {
            answer.assert_anthropic_error(504, "3810");
        }
        assert!(took >= Duration::from_millis(950) && took < Duration::from_millis(3000), "{took:?}");
        assert_eq!(answer.header("x-should-retry"), "false");
        assert_eq!(one.requests().len(), 3, "the third attempt gets what is left of the time");
        assert!(two.requests().is_empty());
        assert_eq!(gateway.log_of(&answer).await["outcome"], "timeout");
    }
    soon(one.wait_until(|_, counters| counters.open_streams == 0)).await;
    assert_eq!(one.requests().len(), 3, "no further attempts afterwards");
}

#[tokio::test]
async fn max_attempts_ends_the_chain() {
    let (one, two, gateway) = stage(Behaviour::status(500), json!({"max_attempts": 3})).await;
    let answer = gateway.send(post(CHAT, &names(&["one:a", "one:b", "one:c", "one:d", "two:m"]))).await;
    answer.assert_openai_error(503, "3812");
    assert_eq!((one.requests().len(), two.requests().len()), (3, 0));
}

#[tokio::test]
async fn a_whole_catalogue_is_not_tried_for_one_request() {
    let one = mock(Script::always(Behaviour::status(500))).await;
    let config = json!({"only_allow_configured_providers": true, "providers": [openai(&one)]});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    gateway.send(post(CHAT, &prompt())).await.assert_openai_error(503, "3812");
    assert_eq!(one.requests().len(), 25, "the default of max_attempts");
    // A key that is refused once is not shown again and again.
    one.clear_requests();
    one.set_script(Script::always(Behaviour::status(401)));
    let answer = gateway.send(post(CHAT, &prompt())).await;
    assert_eq!((answer.status, one.requests().len()), (401, 1), "{}", answer.text());
}

#[tokio::test]
async fn a_listed_client_error_stops_the_chain() {
    let (_one, two, gateway) =
        stage(Behaviour::status(422), json!({"stop_on_client_error": [400, 422]})).await;
    let answer = gateway.send(post(CHAT, &names(&["one:m", "two:m"]))).await;
    assert_eq!((answer.status, answer.code()), (422, ""), "the provider's own error: {}", answer.text());
    assert!(two.requests().is_empty());
}
