//! What OpenRouter's errors want: patience, another key, another model, or that the client hears of them.

use crate::support::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tollgate_mock::{Behaviour, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const A: &str = "sk-or-v1-aaaaaaaaaaaaaaaaaaaaaaaa-aaaa";
const B: &str = "sk-or-v1-bbbbbbbbbbbbbbbbbbbbbbbb-bbbb";

/// OpenRouter with two keys.
async fn stage(script: Script) -> (MockServer, Gateway) {
    let mock = mock(script).await;
    let provider = merge(openrouter(&mock), json!({"api_keys": [{"value": A}, {"value": B}]}));
    let gateway = Gateway::start(&ai_gateway(without_health(json!({"providers": [provider]})))).await;
    (mock, gateway)
}

fn of_kind(name: &str) -> Behaviour {
    Behaviour { kind: Some(name.into()), ..Behaviour::default() }
}

fn body(status: u16, body: &Value) -> Behaviour {
    Behaviour { body: Some(body.to_string()), ..Behaviour::status(status) }
}

/// Which model was asked for with which key, such as `x/1 A`.
fn asked(mock: &MockServer) -> Vec<String> {
    let key = |key: Option<String>| if key.as_deref() == Some(A) { "A" } else { "B" };
    mock.requests()
        .into_iter()
        .map(|r| format!("{} {}", r.json()["model"].as_str().unwrap(), key(r.key)))
        .collect()
}

async fn send(gateway: &Gateway, mock: &MockServer, models: &[&str]) -> (Answer, Vec<String>) {
    mock.clear_requests();
    let models: Vec<String> = models.iter().map(|model| format!("openrouter:{model}")).collect();
    let models: Vec<&str> = models.iter().map(String::as_str).collect();
    let answer = gateway.send(post(CHAT, &names(&models))).await;
    (answer, asked(mock))
}

#[tokio::test]
async fn the_kinds_of_402() {
    let (mock, gateway) = stage(Script::default()).await;
    for kind in ["openrouter_credits", "openrouter_key_limit"] {
        // No money: this key is good for nothing, the other one may be.
        mock.set_script(Script::default().when_key(A, [of_kind(kind)]));
        let (answer, asked) = send(&gateway, &mock, &["x/1", "x/2"]).await;
        assert_eq!((answer.status, &asked[..]), (200, &["x/1 A".to_owned(), "x/1 B".into()][..]), "{kind}");
        mock.set_script(
            Script::default().when_key(A, [of_kind(kind)]).model("x/1", [Behaviour::status(502)]),
        );
        let (_, asked) = send(&gateway, &mock, &["x/1", "x/2"]).await;
        assert_eq!(asked, ["x/1 A", "x/1 B", "x/2 B"], "{kind}");
    }
    // A moment's patience.
    let soon = of_kind("openrouter_in_flight_budget").header("retry-after", "1");
    mock.set_script(Script::sequence([soon, Behaviour::default()]));
    let started = Instant::now();
    let (answer, asked) = send(&gateway, &mock, &["x/1", "x/2"]).await;
    assert_eq!(
        (answer.status, &asked[..]),
        (200, &["x/1 A".to_owned(), "x/1 A".into()][..]),
        "{}",
        answer.text()
    );
    assert!(started.elapsed() >= Duration::from_millis(950), "{:?}", started.elapsed());
    // The request alone is too expensive: waiting is of no use, and nor is it the key's end.
    mock.set_script(
        Script::default().model("x/1", [of_kind("weight_exceeds_budget").header("retry-after", "1")]),
    );
    let started = Instant::now();
    let (answer, asked) = send(&gateway, &mock, &["x/1", "x/2"]).await;
    assert_eq!((answer.status, asked.last().unwrap().as_str()), (200, "x/2 A"));
    assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
}

/// What is under way at once is counted for the account: another model with the same key is not waited for again, and
/// nobody else waits meanwhile.
#[tokio::test]
async fn patience_has_an_end_and_is_nobody_elses() {
    let (mock, gateway) = stage(Script::default()).await;
    let soon = || [of_kind("openrouter_in_flight_budget").header("retry-after", "1")];
    mock.set_script(Script::default().model("x/1", soon()).model("x/2", soon()));
    let started = Instant::now();
    let waiting = send(&gateway, &mock, &["x/1", "x/2"]);
    let other = async {
        while mock.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        let answer = gateway.send(post(CHAT, &names(&["openrouter:x/3"]))).await;
        (answer.status, started.elapsed())
    };
    let ((answer, mut asked), (status, took)) = tokio::join!(waiting, other);
    assert!(status == 200 && took < Duration::from_millis(900), "{status} {took:?}");
    asked.retain(|one| !one.starts_with("x/3"));
    assert_eq!(asked, ["x/1 A", "x/1 A", "x/1 B", "x/1 B", "x/2 A", "x/2 B"], "{}", answer.text());
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(1900) && waited < Duration::from_millis(2900), "{waited:?}");
    assert_eq!((answer.status, answer.header("retry-after")), (402, "1"));
}

#[tokio::test]
async fn after_a_moments_patience_there_is_the_whole_time_again() {
    let mock = mock(Script::default()).await;
    let policy = json!({"per_request_timeout": "1500ms", "providers": [openrouter(&mock)]});
    let gateway = Gateway::start(&ai_gateway(policy)).await;
    let soon = of_kind("openrouter_in_flight_budget").header("retry-after", "1");
    mock.set_script(Script::sequence([soon, Behaviour::default().after_ms(800)]));
    let answer = gateway.send(post(CHAT, &names(&["openrouter:x/1"]))).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
    assert_eq!(gateway.log_of(&answer).await["attempts"], 2);
    // The mean of two quick attempts, not of one that waited.
    let text = gateway.admin("/metrics").await.text();
    let sum = "tollgate_upstream_duration_seconds_sum{provider=\"openrouter\"} ";
    let sum: f64 = text.lines().find_map(|line| line.strip_prefix(sum)).unwrap().parse().unwrap();
    assert!((0.8..1.6).contains(&sum), "{sum}");
}

#[tokio::test]
async fn the_kinds_of_429() {
    let (mock, gateway) = stage(Script::default()).await;
    for kind in ["openrouter_free_tier_daily", "openrouter_free_tier_minute"] {
        // All free models of the account are used up; others are not.
        mock.set_script(Script::default().model("*:free", [of_kind(kind)]));
        let (answer, asked) = send(&gateway, &mock, &["x/1:free", "x/2:free", "x/3"]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(asked, ["x/1:free A", "x/1:free B", "x/3 A"], "{kind}");
    }
    // The text alone says it where the metadata do not.
    let only_text = json!({"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-min. "}});
    mock.set_script(Script::default().model("*:free", [body(429, &only_text)]));
    let (_, asked) = send(&gateway, &mock, &["x/1:free", "x/2:free", "x/3"]).await;
    assert_eq!(asked, ["x/1:free A", "x/1:free B", "x/3 A"]);
    // The pool of one model is empty: the next model is asked with the same key.
    mock.set_script(Script::default().model("x/1", [of_kind("upstream_provider_shared_pool")]));
    let started = Instant::now();
    let (answer, asked) = send(&gateway, &mock, &["x/1", "x/2"]).await;
    assert_eq!((answer.status, asked.last().unwrap().as_str()), (200, "x/2 A"));
    assert!(started.elapsed() < Duration::from_secs(3), "nobody waits for a pool");
}

#[tokio::test]
async fn a_refused_key_is_not_tried_with_the_next_model() {
    let (mock, gateway) = stage(Script::default()).await;
    mock.set_script(
        Script::default().when_key(A, [Behaviour::status(401)]).model("x/1", [Behaviour::status(502)]),
    );
    let (answer, asked) = send(&gateway, &mock, &["x/1", "x/2"]).await;
    assert_eq!((answer.status, &asked[..]), (200, &["x/1 A".to_owned(), "x/1 B".into(), "x/2 B".into()][..]));
}

#[tokio::test]
async fn statuses_that_another_model_may_mend() {
    let (mock, gateway) = stage(Script::default()).await;
    let too_long = json!({"error": {"code": 400, "message": "too long", "metadata": {"error_type": "context_length_exceeded"}}});
    let none = json!({"error": {"code": 404, "message": "No endpoints found that support tool use", "metadata": {"failed_routing_step": "tools"}}});
    for (status, answered) in [(400, too_long), (404, none.clone())] {
        mock.set_script(Script::default().model("x/1", [body(status, &answered)]));
        let (answer, asked) = send(&gateway, &mock, &["x/1", "x/2"]).await;
        assert_eq!((answer.status, &asked[..]), (200, &["x/1 A".to_owned(), "x/2 A".into()][..]), "{status}");
    }
    // Nothing is waited for.
    for status in [500, 502, 503, 504, 524, 529] {
        mock.set_script(
            Script::default().model("x/1", [Behaviour::status(status).header("retry-after", "9")]),
        );
        let started = Instant::now();
        let (answer, asked) = send(&gateway, &mock, &["x/1", "x/2"]).await;
        assert_eq!((answer.status, asked.last().unwrap().as_str()), (200, "x/2 A"), "{status}");
        assert!(started.elapsed() < Duration::from_secs(3), "{status}");
    }
    mock.set_script(Script::always(body(404, &none)));
    let (answer, _) = send(&gateway, &mock, &["x/1", "x/2"]).await;
    answer.assert_openai_error(404, "3807");
    // Operators see why.
    gateway.says("No endpoints found that support tool use").await;
}

#[tokio::test]
async fn moderation_is_surfaced_and_its_text_is_not_logged() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [openrouter(&mock)]}))).await;
    let flagged = json!({"error": {"code": 403, "message": "Your input was flagged", "metadata": {
        "reasons": ["violence"], "flagged_input": "the private words", "provider_name": "X", "model_slug": "x/1",
    }}, "user_id": "user_2abc"});
    mock.set_script(Script::always(body(403, &flagged)));
    let answer = gateway.send(post(CHAT, &names(&["openrouter:x/1"]))).await;
    let mut expected = flagged.clone();
    expected.as_object_mut().unwrap().remove("user_id");
    assert_eq!((answer.status, answer.json()), (403, expected));
    let answer = gateway.send(post(CHAT, &names(&["openrouter:x/1", "openrouter:x/2"]))).await;
    answer.assert_openai_error(403, "3807");
    gateway.says("Your input was flagged").await;
    let written = gateway.written();
    assert!(!written.contains("the private words"), "{written}");
}

#[tokio::test]
async fn the_account_is_nobodys_business() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [openrouter(&mock)]}))).await;
    for text in [
        r#"{"user_id":"user_2abc","error":{"code":400,"message":"x/9 is not a valid model ID"}}"#,
        r#"{"error":{"code":400,"message":"x/9 is not a valid model ID","metadata":{"a":1.0}},"user_id":"user_2abc"}"#,
        "{ \"error\" : {\"code\":400,\"message\":\"x/9 is not a valid model ID\"} ,\n \"user_id\" : \"user_2abc\", \"z\":1 }",
    ] {
        mock.set_script(Script::always(Behaviour { body: Some(text.into()), ..Behaviour::status(400) }));
        for path in [CHAT, MESSAGES, "/v1/responses"] {
            let ask = merge(names(&["openrouter:x/9"]), json!({"input": "x"}));
            let answer = gateway.send(post(path, &ask)).await;
            assert_eq!(answer.status, 400, "{path}: {}", answer.text());
            assert!(!answer.text().contains("user_2abc"), "{path}: {}", answer.text());
            let said = answer.json()["error"]["message"].as_str().unwrap_or("").to_owned();
            assert!(said.contains("not a valid model ID"), "{path}: {}", answer.text());
        }
    }
    assert!(!gateway.written().contains("user_2abc"));
}

#[tokio::test]
async fn errors_of_another_shape_are_told_in_the_clients() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [openrouter(&mock)]}))).await;
    let issues = r#"[{"code":"invalid_type","path":["messages",0,"role"],"message":"Required"}]"#;
    let zod = json!({"success": false, "error": {"name": "ZodError", "message": issues}});
    let own = json!({"error": {"code": 400, "message": "messages: Required"}, "user_id": "user_2abc"});
    for (answered, said) in [(&zod, "messages.0.role: Required"), (&own, "messages: Required")] {
        mock.set_script(Script::always(body(400, answered)));
        let answer = gateway.send(post(MESSAGES, &names(&["openrouter:x/1"]))).await;
        assert_eq!((answer.status, &answer.json()["type"]), (400, &json!("error")), "{}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error", "{error}");
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
        let answer = gateway.send(post(CHAT, &names(&["openrouter:x/1"]))).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(said), "{}", answer.text());
    }
    // An error in the client's own dialect stays as it came.
    let native = json!({"type": "error", "error": {"type": "billing_error", "message": "no money", "x": 1.0}, "request_id": "r"});
    mock.set_script(Script::always(body(402, &native)));
    let answer = gateway.send(post(MESSAGES, &names(&["openrouter:x/1"]))).await;
    assert_eq!((answer.status, answer.text()), (402, native.to_string()));
}

/// The seconds a client is asked to wait when both models are limited like this.
async fn waits(gateway: &Gateway, mock: &MockServer, behaviour: Behaviour) -> String {
    mock.set_script(Script::always(behaviour));
    let answer = gateway.send(post(CHAT, &names(&["openrouter:x/1", "openrouter:x/2"]))).await;
    answer.assert_openai_error(429, "3807");
    answer.header("retry-after").to_owned()
}

#[tokio::test]
async fn hints_how_long_to_wait() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [openrouter(&mock)]}))).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let reset = (now + 500_000).to_string();
    let error = |more: Value| json!({"error": merge(json!({"code": 429, "message": "slow down"}), more)});
    let everything = error(json!({
        "metadata": {"retry_after_seconds": 31, "headers": {"Retry-After": "41", "X-RateLimit-Reset": reset}},
        "availability": {"code": "capacity_exhausted", "retryable": true, "retry_after": 51},
    }));
    let headers = error(
        json!({"metadata": {"headers": {"Retry-After": "41", "X-RateLimit-Reset": reset}}, "availability": {"retry_after": 51}}),
    );
    let later = error(json!({"availability": {"retry_after": 51}}));
    let date = httpdate(now / 1000 + 21);
    for (what, behaviour, least, most) in [
        ("header", body(429, &everything).header("retry-after", "11"), 11, 11),
        ("milliseconds", body(429, &everything).header("retry-after-ms", "1500"), 2, 2),
        ("header with a date", body(429, &everything).header("retry-after", &date), 15, 22),
        ("header that says nothing", body(429, &everything).header("retry-after", "soon"), 31, 31),
        ("metadata", body(429, &everything), 31, 31),
        ("headers in the metadata", body(429, &headers), 41, 41),
        ("reset in the header", body(429, &later).header("x-ratelimit-reset", &reset), 480, 501),
        (
            "reset in the metadata",
            body(
                429,
                &error(
                    json!({"metadata": {"headers": {"X-RateLimit-Reset": reset}}, "availability": {"retry_after": 51}}),
                ),
            ),
            480,
            501,
        ),
        ("availability", body(429, &later), 51, 51),
    ] {
        let text = waits(&gateway, &mock, behaviour).await;
        let seconds: u64 = text.parse().unwrap_or_else(|_| panic!("{what}: {text:?}"));
        assert!((least..=most).contains(&seconds), "{what}: {seconds}");
    }
    assert_eq!(waits(&gateway, &mock, body(429, &error(json!({})))).await, "", "nobody knows");
    // An error in the place of an answer has it inside, too.
    for (what, seconds) in [(&everything, "31"), (&later, "51")] {
        let plain = Behaviour { body: Some(what.to_string()), ..Behaviour::default() };
        assert_eq!(waits(&gateway, &mock, plain).await, seconds);
        let event = Behaviour { body: Some(format!("data: {what}\n\n")), ..Behaviour::default() };
        assert_eq!(waits(&gateway, &mock, event.header("content-type", "text/event-stream")).await, seconds);
    }
}

/// `Fri, 20 Nov 2026 07:02:46 GMT`
fn httpdate(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let (mut year, mut day) = (1970, days);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month];
    format!(
        "{weekday}, {:02} {name} {year} {:02}:{:02}:{:02} GMT",
        day + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[tokio::test]
async fn the_log_has_the_providers_name_for_a_request() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [openrouter(&mock)]}))).await;
    let id = |behaviour: Behaviour| behaviour.header("x-generation-id", "gen-42");
    for (behaviour, outcome) in
        [(id(Behaviour::default()), "success"), (id(Behaviour::status(502)), "exhausted")]
    {
        mock.set_script(Script::always(behaviour));
        for stream in [false, true] {
            let body = merge(names(&["openrouter:x/1", "openrouter:x/2"]), json!({"stream": stream}));
            let answer = gateway.send(post(CHAT, &body)).await;
            let line = gateway.log_of(&answer).await;
            let seen = (&line["upstream_request_id"], &line["provider"], &line["outcome"]);
            assert_eq!(seen, (&json!("gen-42"), &json!("openrouter"), &json!(outcome)), "{line}");
        }
    }
}

#[tokio::test]
async fn the_log_says_what_a_router_chose() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [openrouter(&mock)]}))).await;
    let chunk = json!({"id": "gen-1", "provider": "Google AI Studio", "model": "google/gemini-2.5-flash", "choices": [{
        "index": 0, "finish_reason": "stop", "delta": {"content": "x"}, "message": {"role": "assistant", "content": "x"},
    }]});
    let stream = Behaviour {
        body: Some(format!(": OPENROUTER PROCESSING\n\ndata: {chunk}\n\ndata: [DONE]\n\n")),
        ..Behaviour::default()
    };
    let plain = Behaviour { body: Some(chunk.to_string()), ..Behaviour::default() };
    for (behaviour, streamed) in [(plain, false), (stream.header("content-type", "text/event-stream"), true)]
    {
        mock.set_script(Script::always(behaviour));
        for (model, reported) in
            [("openrouter/auto", json!("google/gemini-2.5-flash")), ("google/gemini-2.5-flash", Value::Null)]
        {
            let body = merge(names(&[&format!("openrouter:{model}")]), json!({"stream": streamed}));
            let answer = gateway.send(post(CHAT, &body)).await;
            let line = gateway.log_of(&answer).await;
            assert_eq!(
                (&line["model_served"], &line["model_reported"], &line["provider_reported"]),
                (&json!(model), &reported, &json!("Google AI Studio")),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn native_first_openrouter_behind() {
    let (first, second) = (mock(Script::always(Behaviour::status(529))).await, mock(Script::default()).await);
    let gateway = Gateway::start(&two_tiers(&first, &second, json!({}))).await;
    let body = names(&["anthropic:claude-sonnet-4-5", "openrouter:anthropic/claude-sonnet-4.5"]);
    for path in [CHAT, MESSAGES] {
        second.clear_requests();
        let answer = gateway.send(post(path, &body)).await;
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
        assert_eq!(answer.header("x-tollgate-model"), "openrouter:anthropic/claude-sonnet-4.5");
        assert_eq!(second.requests()[0].json()["model"], "anthropic/claude-sonnet-4.5");
        let line = gateway.log_of(&answer).await;
        assert_eq!((&line["provider"], &line["attempts"]), (&json!("openrouter"), &json!(2)), "{line}");
    }
}
