//! A stream arrives as it is produced, and a stream that breaks says so.

use crate::support::*;
use serde_json::json;
use std::time::{Duration, Instant};
use tollgate_mock::{Behaviour, Fault, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";
const PACE: Duration = Duration::from_millis(150);

async fn stage(behaviour: Behaviour) -> (MockServer, MockServer, Gateway) {
    let (one, two) = (mock(Script::always(behaviour)).await, mock(Script::default()).await);
    let gateway = Gateway::start(&two_providers(&one, &two, json!({}))).await;
    (one, two, gateway)
}

fn paced(words: &[&str]) -> Behaviour {
    Behaviour::chunks(words.iter().copied()).chunk_every_ms(PACE.as_millis().try_into().unwrap())
}

fn streamed() -> serde_json::Value {
    merge(names(&["one:m", "two:m"]), json!({"stream": true, "input": "x"}))
}

#[tokio::test]
async fn every_event_comes_when_it_is_made() {
    for h2 in [false, true] {
        for path in [CHAT, "/v1/messages", "/v1/responses"] {
            let (_one, _two, gateway) = stage(paced(&["w1 ", "w2 ", "w3 ", "w4 "])).await;
            let ask = post(path, &streamed());
            let mut reply = gateway.open(if h2 { ask.h2() } else { ask }).await;
            let mut at = Vec::new();
            while let Some(event) = soon(reply.event()).await {
                if ["w1 ", "w2 ", "w3 ", "w4 "].iter().any(|w| event.text.contains(&format!("\"{w}\""))) {
                    at.push(event.at);
                }
            }
            assert_eq!(at.len(), 4, "{path}");
            // Between first and last lie three pauses; on a busy machine they may melt a little.
            assert!(at[3] - at[0] > PACE * 2, "{path}, h2 {h2}: {:?}", at[3] - at[0]);
            assert!(at[1] - at[0] > PACE / 3 && at[2] - at[1] > PACE / 3, "{path}, h2 {h2}");
        }
    }
}

#[tokio::test]
async fn small_events_are_not_delayed_by_the_network_stack() {
    // Without TCP_NODELAY the second small write of a connection waits 40 ms for an acknowledgement.
    let words: Vec<String> = (0..20).map(|n| format!("w{n} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (_one, _two, gateway) = stage(Behaviour::chunks(words).chunk_every_ms(5)).await;
    let mut gaps: Vec<Duration> = Vec::new();
    for _ in 0..3 {
        let mut reply = gateway.open(post(CHAT, &streamed())).await;
        let mut last = None;
        while let Some(event) = soon(reply.event()).await {
            gaps.extend(last.map(|last| event.at - last));
            last = Some(event.at);
        }
    }
    gaps.sort();
    assert!(gaps[gaps.len() / 2] < Duration::from_millis(30), "median gap {:?}", gaps[gaps.len() / 2]);
}

#[tokio::test]
async fn a_stream_that_breaks_after_content_ends_with_an_error() {
    let broken = |fault| Behaviour { fault: Some(fault), ..Behaviour::chunks(["alpha ", "beta ", "gamma "]) };
    for fault in [Fault::CutAfterChunks(2), Fault::ResetAfterChunks(2)] {
        let (_one, two, gateway) = stage(broken(fault)).await;
        for (path, mark) in [
            (CHAT, "data: {\"error\":"),
            ("/v1/messages", "event: error\n"),
            ("/v1/responses", "event: error\n"),
        ] {
            let answer = gateway.send(post(path, &streamed())).await;
            let text = answer.text();
            assert_eq!((answer.status, answer.whole), (200, true), "{text}");
            let last = answer.frames().pop().unwrap();
            assert!(last.starts_with(mark.trim_end()), "{path} {fault:?}: {last}");
            assert!(last.contains("ERR_NGROK_"), "{last}");
            assert!(text.contains("alpha") && text.contains("beta") && !text.contains("gamma"), "{text}");
            assert!(
                !text.contains("[DONE]")
                    && !text.contains("message_stop")
                    && !text.contains("response.completed"),
                "{text}"
            );
            assert_eq!(gateway.log_of(&answer).await["outcome"], "interrupted");
        }
        assert!(two.requests().is_empty(), "nothing fails over after content");
    }
}

#[tokio::test]
async fn an_error_event_of_the_provider_is_passed_on_once() {
    let behaviour =
        Behaviour { fault: Some(Fault::ErrorAfterChunks(1)), ..Behaviour::chunks(["alpha ", "beta "]) };
    let (_one, two, gateway) = stage(behaviour).await;
    for path in [CHAT, "/v1/messages", "/v1/responses"] {
        let answer = gateway.send(post(path, &streamed())).await;
        let text = answer.text();
        assert!(text.contains("alpha") && !text.contains("[DONE]"), "{text}");
        assert!(!text.contains("ERR_NGROK_"), "the provider has said it itself: {text}");
        assert_eq!(gateway.log_of(&answer).await["outcome"], "interrupted", "{path}");
    }
    assert!(two.requests().is_empty());
}

#[tokio::test]
async fn a_long_plain_answer_that_breaks_is_not_taken_for_a_whole_one() {
    let body = format!("{{\"data\":\"{}\"}}", "x".repeat(1 << 20));
    let behaviour =
        Behaviour { body: Some(body), fault: Some(Fault::CutAfterChunks(0)), ..Behaviour::default() };
    let (_one, _two, gateway) = stage(behaviour).await;
    for ask in [post(CHAT, &names(&["one:m"])), post(CHAT, &names(&["one:m"])).h2()] {
        let answer = gateway.send(ask).await;
        assert!(!answer.whole, "{} bytes without an end", answer.body.len());
    }
}

#[tokio::test]
async fn an_endless_line_after_content_costs_no_memory_and_ends_with_the_client() {
    let (one, _two, gateway) = stage(Behaviour::fault(Fault::EndlessLine)).await;
    let mut reply = gateway.open(post(CHAT, &streamed())).await;
    let mut bytes = 0;
    while bytes < 40 << 20 {
        bytes += soon(reply.chunk()).await.unwrap().unwrap().len();
    }
    assert!(gateway.memory_kib("VmHWM") < 300 * 1024, "{} KiB", gateway.memory_kib("VmHWM"));
    drop(reply);
    soon(one.wait_aborted(1)).await;
    gateway.wait_idle().await;
}

#[tokio::test]
async fn the_first_content_is_not_waited_for_in_steps() {
    let (_one, _two, gateway) =
        stage(Behaviour { comments: 3, ..Behaviour::default().first_content_after_ms(200) }).await;
    let started = Instant::now();
    let mut reply = gateway.open(post(CHAT, &streamed())).await;
    soon(reply.event()).await.unwrap();
    assert!(
        started.elapsed() > Duration::from_millis(190) && started.elapsed() < Duration::from_millis(1500)
    );
}
