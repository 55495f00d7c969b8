//! Everything that makes an attempt fail ends at the next candidate, on every surface, plain and streamed.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Fault, Length, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";
const COMPLETIONS: &str = "/v1/completions";

/// Provider `one` does as it is told, `raw` answers with bytes, `dead` and `lost` cannot be reached, and `two`
/// answers well.
struct Stage {
    one: MockServer,
    raw: RawUpstream,
    two: MockServer,
    gateway: Gateway,
}

impl Stage {
    async fn new(per_request: &str) -> Self {
        let one = mock(Script::default()).await;
        let two = mock(Script::always(Behaviour::text("answer two"))).await;
        let raw = RawUpstream::start("", Then::Close).await;
        let policy = ai_gateway(without_health(json!({
            "per_request_timeout": per_request, "connect_timeout": "2s",
            "providers": [
                custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]),
                custom("raw", &format!("{}/v1", raw.url()), &[KEY_ONE]),
                custom("dead", &format!("http://{}/v1", nobody()), &[KEY_ONE]),
                custom("lost", "https://no-such-host.invalid/v1", &[KEY_ONE]),
                custom("two", &format!("{}/v1", two.url()), &[KEY_TWO]),
            ],
        })));
        Self { one, raw, two, gateway: Gateway::start(&policy).await }
    }

    /// Asks `first`, then `two`, and checks that `two` answered as if it had been the only one.
    async fn falls_over(&self, what: &str, first: &str, path: &str, stream: bool) {
        self.two.clear_requests();
        let body = merge(
            names(&[&format!("{first}:m1"), "two:m2"]),
            json!({"stream": stream, "input": "Say hello."}),
        );
        let answer = self.gateway.send(post(path, &body).bearer("unused")).await;
        let case = format!("{what} on {path}, stream {stream}: {}", answer.text());
        assert_eq!((answer.status, answer.whole), (200, true), "{case}");
        assert_eq!(answer.header("x-tollgate-attempts"), "2", "{case}");
        assert_eq!(answer.header("x-tollgate-model"), "two:m2", "{case}");
        let text = answer.text();
        assert!(text.contains("answer"), "{case}");
        assert!(
            !text.contains("Hello from m1") && !text.contains("m1"),
            "frames of the failed attempt: {case}"
        );
        for opening in
            ["\"role\":\"assistant\",\"content\":\"\"", "event: message_start", "event: response.created"]
        {
            assert!(text.matches(opening).count() <= 1, "frames of both attempts: {case}");
        }
        let [sent] = &self.two.requests()[..] else { panic!("{case}") };
        assert_eq!(sent.key.as_deref(), Some(KEY_TWO), "{case}");
        assert_eq!(sent.json()["model"], "m2", "{case}");
        assert_eq!(sent.json().get("models"), None, "{case}");
        assert!(!format!("{:?}{:?}", sent.headers, sent.body).contains(KEY_ONE), "{case}");
        let line = self.gateway.log_of(&answer).await;
        assert_eq!(
            (&line["attempts"], &line["outcome"], &line["provider"]),
            (&json!(2), &json!("success"), &json!("two"))
        );
    }

    async fn table(&self, path: &str, cases: Vec<Case>) {
        for Case { what, behaviour, plain, stream } in cases {
            self.one.set_script(Script::always(behaviour));
            for stream in [plain.then_some(false), stream.then_some(true)].into_iter().flatten() {
                self.falls_over(&what, "one", path, stream).await;
            }
        }
    }
}

struct Case {
    what: String,
    behaviour: Behaviour,
    plain: bool,
    stream: bool,
}

fn both(what: &str, behaviour: Behaviour) -> Case {
    Case { what: what.into(), behaviour, plain: true, stream: true }
}

fn plain(what: &str, behaviour: Behaviour) -> Case {
    Case { stream: false, ..both(what, behaviour) }
}

fn stream(what: &str, behaviour: Behaviour) -> Case {
    Case { plain: false, ..both(what, behaviour) }
}

/// What goes wrong in the same way on every surface.
fn common() -> Vec<Case> {
    let mut cases: Vec<Case> = [500, 502, 503, 529, 429, 401, 403, 404, 400, 402, 413, 422]
        .into_iter()
        .map(|status| both(&format!("status {status}"), Behaviour::status(status)))
        .collect();
    cases.extend([
        both("closed before the head", Behaviour::fault(Fault::CloseBeforeHead)),
        both("reset", Behaviour::fault(Fault::Reset)),
        both("garbage for a head", Behaviour::fault(Fault::GarbageHead)),
        both("web page", Behaviour::fault(Fault::Html)),
        both("web page with 200", Behaviour { status: Some(200), ..Behaviour::fault(Fault::Html) }),
        both("no JSON", Behaviour::fault(Fault::Garbage)),
        both("no body", Behaviour::fault(Fault::EmptyBody)),
        both("error in a 200", Behaviour::fault(Fault::ErrorFirst)),
        both("cut before content", Behaviour::fault(Fault::CutAfterChunks(0))),
        both("reset before content", Behaviour::fault(Fault::ResetAfterChunks(0))),
        plain("body shorter than announced", Behaviour::fault(Fault::WrongContentLength(Length::Longer))),
        plain("body longer than announced", Behaviour::fault(Fault::WrongContentLength(Length::Shorter))),
        stream("error after the preamble", Behaviour::fault(Fault::ErrorAfterChunks(0))),
        stream("error after comments", Behaviour { comments: 3, ..Behaviour::fault(Fault::ErrorFirst) }),
        stream("only comments", events(": one\n\n: two\n\n")),
    ]);
    cases
}

/// A stream, verbatim.
fn events(text: &str) -> Behaviour {
    let behaviour = Behaviour { body: Some(text.into()), ..Behaviour::default() };
    behaviour.header("content-type", "text/event-stream")
}

#[tokio::test]
async fn chat() {
    let stage = Stage::new("10s").await;
    stage.table(CHAT, common()).await;
    let finish = r#"{"id":"m1","choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#;
    stage
        .table(
            CHAT,
            vec![
                plain("finish reason error", Behaviour::fault(Fault::FinishError)),
                stream("finish reason error", events(&format!("data: {finish}\n\ndata: [DONE]\n\n"))),
                stream(
                    "error beside choices",
                    events(
                        "data: {\"id\":\"m1\",\"error\":{\"code\":502,\"message\":\"x\"},\"choices\":[]}\n\n",
                    ),
                ),
                stream("malformed frame", events("data: {\"id\": \"m1\", oops\n\n")),
                stream("error object without a mark", events("data: {\"error\": \"m1 is down\"}\n\n")),
                plain(
                    "error as a text",
                    Behaviour { body: Some("{\"error\": \"m1 is down\"}".into()), ..Behaviour::default() },
                ),
                plain("a JSON text", Behaviour { body: Some("\"m1\"".into()), ..Behaviour::default() }),
            ],
        )
        .await;
}

#[tokio::test]
async fn messages() {
    let stage = Stage::new("10s").await;
    stage.table(MESSAGES, common()).await;
    stage.table(MESSAGES, vec![plain("error at the end", Behaviour::fault(Fault::FinishError))]).await;
}

#[tokio::test]
async fn responses() {
    let stage = Stage::new("10s").await;
    stage.table(RESPONSES, common()).await;
    let created = r#"{"type":"response.created","response":{"id":"m1","status":"in_progress"}}"#;
    let quota = r#"{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"m1"}}"#;
    stage
        .table(
            RESPONSES,
            vec![
                plain("status failed", Behaviour::fault(Fault::FinishError)),
                stream(
                    "quota after response.created",
                    events(&format!(
                        "event: response.created\ndata: {created}\n\nevent: error\ndata: {quota}\n\n"
                    )),
                ),
            ],
        )
        .await;
}

#[tokio::test]
async fn completions_and_embeddings() {
    let stage = Stage::new("10s").await;
    stage.table(COMPLETIONS, common()).await;
    for status in [500, 429, 401, 404] {
        stage.one.set_script(Script::always(Behaviour::status(status)));
        stage.two.clear_requests();
        let body = json!({"models": ["one:m1", "two:m2"], "input": ["Say hello."]});
        let answer = stage.gateway.send(post("/v1/embeddings", &body)).await;
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
        assert_eq!(stage.two.requests()[0].json(), json!({"input": ["Say hello."], "model": "m2"}));
    }
}

#[tokio::test]
async fn unreachable() {
    let stage = Stage::new("10s").await;
    for first in ["dead", "lost"] {
        for path in [CHAT, MESSAGES] {
            stage.falls_over("unreachable", first, path, false).await;
            stage.falls_over("unreachable", first, path, true).await;
        }
    }
}

#[tokio::test]
async fn broken_http() {
    let stage = Stage::new("10s").await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let sse = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let long = "x".repeat(16 * 1024);
    for (what, bytes, then, streams) in [
        (
            "closed in the head",
            "HTTP/1.1 200 OK\r\ncontent-ty".to_owned(),
            Then::Close,
            [false, true].as_slice(),
        ),
        ("reset in the head", "HTTP/1.1 200 OK\r\ncontent-ty".to_owned(), Then::Reset, &[false, true]),
        ("no status", "HTTP/1.1 \r\n\r\n".to_owned(), Then::Close, &[false]),
        ("bad header", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n".to_owned(), Then::Close, &[false]),
        ("another protocol", "SSH-2.0-OpenSSH_9.6\r\n".to_owned(), Then::Close, &[false]),
        (
            "bad chunk size",
            format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n"),
            Then::Close,
            &[false],
        ),
        (
            "closed in a chunk",
            format!("{head}transfer-encoding: chunked\r\n\r\n40\r\n{{\"id\""),
            Then::Close,
            &[false],
        ),
        (
            "closed without the last chunk",
            format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n"),
            Then::Close,
            &[false],
        ),
        (
            "endless header",
            format!("HTTP/1.1 200 OK\r\nx-long: {long}"),
            Then::Repeat(long.clone().into()),
            &[false],
        ),
        ("endless line", format!("{sse}\r\ndata: {long}"), Then::Repeat(long.clone().into()), &[true]),
        ("endless comments", format!("{sse}\r\n: {long}"), Then::Repeat(long.clone().into()), &[true]),
        ("endless text for JSON", format!("{head}\r\n{long}"), Then::Repeat(long.clone().into()), &[false]),
    ] {
        stage.raw.set(bytes, then);
        for stream in streams {
            stage.falls_over(what, "raw", CHAT, *stream).await;
        }
    }
    assert!(stage.gateway.memory_kib("VmRSS") < 300 * 1024, "endless answers are not kept");
}

#[tokio::test]
async fn silence() {
    let stage = Stage::new("600ms").await;
    let late = Behaviour::default().after_ms(60_000);
    let slow = Behaviour::default().first_content_after_ms(60_000);
    for path in [CHAT, MESSAGES, RESPONSES] {
        stage
            .table(
                path,
                vec![
                    both("hangs", Behaviour::fault(Fault::Hang)),
                    both("head too late", late.clone()),
                    both("silent after the head", Behaviour::fault(Fault::StallAfterHead)),
                    both("content too late", slow.clone()),
                    plain("silent in the body", Behaviour::fault(Fault::StallMidStream(0))),
                    stream("silent before content", Behaviour::fault(Fault::StallMidStream(0))),
                    // Comments are life, not content.
                    stream(
                        "comments only",
                        Behaviour { comments: 5, ..Behaviour::fault(Fault::StallMidStream(0)) },
                    ),
                ],
            )
            .await;
    }
    // Each of them was cancelled at the provider.
    soon(stage.one.wait_until(|_, counters| counters.open_streams == 0)).await;
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let stage = Stage::new("10s").await;
    let redirect = Behaviour { status: Some(307), body: Some("moved".into()), ..Behaviour::default() };
    stage.one.set_script(Script::always(redirect.header("location", "http://127.0.0.1:1/elsewhere")));
    let answer = stage.gateway.send(post(CHAT, &names(&["one:m1", "two:m2"]))).await;
    assert_eq!((answer.status, answer.header("location")), (307, "http://127.0.0.1:1/elsewhere"));
    assert_eq!((answer.text().as_str(), answer.header("x-tollgate-attempts")), ("moved", "1"));
    assert!(stage.two.requests().is_empty());
}

#[tokio::test]
async fn chains_of_failures_end_at_the_last_that_works() {
    let stage = Stage::new("2s").await;
    stage.one.set_script(Script::always(Behaviour::fault(Fault::ErrorFirst)));
    stage.raw.set("HTTP/1.1 200 OK\r\ncontent-ty", Then::Close);
    let body = merge(names(&["dead:m", "one:m1", "raw:m", "two:m2"]), json!({"stream": true}));
    let answer = stage.gateway.send(post(MESSAGES, &body)).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "4"), "{}", answer.text());
    assert_eq!(answer.text().matches("event: message_start").count(), 1);
    assert_eq!(answer.text().matches("event: message_stop").count(), 1);
}

#[tokio::test]
async fn when_all_fail_the_client_hears_of_each() {
    let stage = Stage::new("2s").await;
    stage.one.set_script(Script::always(Behaviour::status(500)));
    let answer = stage.gateway.send(post(CHAT, &names(&["one:m1", "dead:m"]))).await;
    answer.assert_openai_error(503, "3807");
    let error: Value = answer.json()["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("[500] one/m1: 500 Internal Server Error"), "{message}");
    assert!(message.contains("[0] dead/m: "), "{message}");
    assert_eq!(answer.header("x-should-retry"), "false");
    assert_eq!(answer.header("x-tollgate-attempts"), "2");
    let answer = stage.gateway.send(post(MESSAGES, &names(&["one:m1", "dead:m"]))).await;
    answer.assert_anthropic_error(503, "3807");
    let line = stage.gateway.log_of(&answer).await;
    assert_eq!((&line["outcome"], &line["error_code"]), (&json!("exhausted"), &json!("ERR_NGROK_3807")));
}

#[tokio::test]
async fn one_attempt_passes_the_providers_own_error_on() {
    let stage = Stage::new("2s").await;
    let said = r#"{ "error" : {"message":"slow down",  "type":"tokens"}}"#;
    let behaviour = Behaviour { body: Some(said.into()), ..Behaviour::status(429) };
    stage.one.set_script(Script::always(
        behaviour.header("retry-after", "7").header("ngrok-error-code", "ERR_NGROK_1"),
    ));
    let answer = stage.gateway.send(post(CHAT, &names(&["one:m1"]))).await;
    assert_eq!((answer.status, answer.text().as_str()), (429, said));
    assert_eq!(answer.header("retry-after"), "7");
    assert_eq!(answer.header("ngrok-error-code"), "", "not an error of the gateway");
    let answer = stage.gateway.send(post(CHAT, &names(&["dead:m"]))).await;
    answer.assert_openai_error(502, "3800");
}
