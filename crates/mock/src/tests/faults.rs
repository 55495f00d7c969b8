//! Each fault does what it says, seen from below HTTP.

use super::client::{Answer, End, always, chat, post};
use crate::{Behaviour, Fault, Length, Script, Trickle};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CHAT: &str = "/v1/chat/completions";

async fn with(fault: Fault, stream: bool) -> Answer {
    let behaviour = Behaviour { fault: Some(fault), ..Behaviour::chunks(["one", "two", "three"]) };
    post(&always(behaviour).await, CHAT, chat(stream)).await
}

fn contents(answer: &Answer) -> String {
    answer.events().iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cut_after_chunks() {
    for (count, text) in [(0, ""), (1, "one"), (2, "onetwo"), (9, "onetwothree")] {
        let answer = with(Fault::CutAfterChunks(count), true).await;
        assert_eq!((answer.status(), answer.end), (200, End::Fin));
        assert!(!answer.complete());
        assert_eq!(contents(&answer), text, "everything before the cut arrives");
    }
    let plain = with(Fault::CutAfterChunks(1), false).await;
    assert!(!plain.complete() && plain.raw.len() > 100 && plain.end == End::Fin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn resets() {
    let answer = with(Fault::ResetAfterChunks(1), true).await;
    assert_eq!((answer.status(), answer.end), (200, End::Reset));
    let answer = with(Fault::Reset, true).await;
    assert_eq!((answer.head.as_str(), answer.end), ("", End::Reset));
    let answer = with(Fault::CloseBeforeHead, true).await;
    assert_eq!((answer.head.as_str(), answer.end), ("", End::Fin));
}

#[tokio::test]
async fn errors_in_streams() {
    let first = with(Fault::ErrorFirst, true).await;
    assert_eq!(first.status(), 200);
    assert!(first.complete());
    let events = first.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["error"]["type"], "server_error");
    let plain = with(Fault::ErrorFirst, false).await;
    assert_eq!(plain.status(), 200);
    assert!(plain.json()["error"].is_object() && plain.json().get("choices").is_none());

    let later = with(Fault::ErrorAfterChunks(2), true).await;
    assert_eq!(contents(&later), "onetwo");
    assert!(later.events().last().unwrap()["error"].is_object());
    assert!(!later.text().contains("[DONE]"));
    let none = with(Fault::ErrorAfterChunks(0), true).await;
    assert_eq!(none.events().len(), 2, "the role, then the error");

    let finish = with(Fault::FinishError, true).await;
    assert_eq!(finish.events().last().unwrap()["choices"][0]["finish_reason"], "error");
    assert_eq!(with(Fault::FinishError, false).await.json()["choices"][0]["finish_reason"], "error");
}

#[tokio::test]
async fn errors_in_streams_of_the_other_formats() {
    let server = always(Behaviour::fault(Fault::ErrorAfterChunks(1))).await;
    let messages = post(&server, "/v1/messages", chat(true)).await;
    let last = messages.frames().pop().unwrap();
    assert_eq!(last.event, "error");
    assert!(last.data.contains("overloaded_error"));
    let responses = post(&server, "/v1/responses", chat(true)).await;
    let last: Value = responses.events().pop().unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["status"], "failed");
    let openrouter = post(&server, "/openrouter/api/v1/chat/completions", chat(true)).await;
    let last = openrouter.events().pop().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "error");
    assert_eq!(last["error"]["code"], 502);

    server.set_script(Script::always(Behaviour::fault(Fault::FinishError)));
    assert_eq!(post(&server, "/v1/messages", chat(false)).await.json()["type"], "error");
    assert_eq!(post(&server, "/v1/responses", chat(false)).await.json()["status"], "failed");
    assert!(post(&server, "/v1/messages", chat(true)).await.text().contains("event: error"));
}

#[tokio::test]
async fn stalls() {
    let head = with(Fault::StallAfterHead, true).await;
    assert_eq!((head.status(), head.raw.len(), head.end), (200, 0, End::Open));
    let middle = with(Fault::StallMidStream(2), true).await;
    assert_eq!((contents(&middle).as_str(), middle.end), ("onetwo", End::Open));
    let hang = with(Fault::Hang, true).await;
    assert_eq!((hang.head.as_str(), hang.end), ("", End::Open));
    let plain = with(Fault::StallMidStream(1), false).await;
    assert!(!plain.raw.is_empty() && !plain.complete() && plain.end == End::Open);
}

#[tokio::test]
async fn bodies_that_are_not_answers() {
    let garbage = with(Fault::Garbage, false).await;
    assert_eq!((garbage.status(), garbage.header("content-type")), (200, Some("application/json")));
    assert!(serde_json::from_str::<Value>(&garbage.text()).is_err());
    let garbage = with(Fault::Garbage, true).await;
    assert!(garbage.header("content-type").unwrap().starts_with("text/event-stream"));
    assert_eq!(garbage.text(), "data: {\"id\": oops\n\n");
    let html = with(Fault::Html, true).await;
    assert_eq!((html.status(), html.header("content-type")), (502, Some("text/html")));
    assert!(html.text().contains("<h1>502 Bad Gateway</h1>"));
    let empty = with(Fault::EmptyBody, false).await;
    assert_eq!((empty.status(), empty.header("content-length")), (200, Some("0")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn below_http() {
    let longer = with(Fault::WrongContentLength(Length::Longer), false).await;
    assert!(longer.json()["choices"].is_array() && !longer.complete());
    assert_eq!(longer.end, End::Fin);
    let shorter = with(Fault::WrongContentLength(Length::Shorter), false).await;
    let claimed: usize = shorter.header("content-length").unwrap().parse().unwrap();
    assert_eq!(claimed + 10, shorter.raw.len());
    let head = with(Fault::GarbageHead, false).await;
    assert!(head.head.starts_with("ICY 200"));
}

#[tokio::test]
async fn too_much() {
    let line = with(Fault::EndlessLine, true).await;
    assert_eq!(line.end, End::Open, "it did not end by itself");
    assert!(line.raw.len() > 3 << 20);
    let at = line.raw.windows(7).position(|w| w == b"data: \r").unwrap();
    assert!(!line.raw[at + 8..].windows(2).any(|w| w == b"\n\n"));
    let headers = with(Fault::HeadersHuge(100_000), false).await;
    assert!(headers.head.len() >= 100_000 && headers.head.len() < 102_000, "{}", headers.head.len());
    assert!(headers.complete());
}

#[tokio::test]
async fn delays() {
    let behaviour = Behaviour::chunks(["a", "b", "c"]);
    let server = always(behaviour.after_ms(60).first_content_after_ms(60).chunk_every_ms(30)).await;
    let start = Instant::now();
    let answer = post(&server, CHAT, chat(true)).await;
    assert!(answer.complete() && start.elapsed() >= Duration::from_millis(180));

    let trickle = Trickle { bytes: 100, every_ms: 5 };
    server.set_script(Script::always(Behaviour { trickle: Some(trickle), ..Behaviour::text("x") }));
    let start = Instant::now();
    let answer = post(&server, CHAT, chat(false)).await;
    assert!(answer.complete());
    let crumbs = u32::try_from(answer.raw.len().div_ceil(100)).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(5) * (crumbs - 1));
    let streamed = post(&server, CHAT, chat(true)).await;
    assert!(streamed.complete() && streamed.events().len() == 3);
}

#[tokio::test]
async fn rules_answers_and_turns() {
    let script = Script::default()
        .model("*-down", [Behaviour::status(503), Behaviour::status(500), Behaviour::default()])
        .when_key("*-exhausted", [Behaviour::status(429)]);
    let server = always(Behaviour::text("fine")).await;
    server.set_script(script);
    let status = async |model: &str| {
        let body = json!({"model": model, "messages": []});
        post(&server, CHAT, body).await.status()
    };
    assert_eq!([status("a-down").await, status("gpt").await], [503, 200]);
    assert_eq!([status("b-down").await, status("a-down").await, status("a-down").await], [500, 200, 200]);
}
