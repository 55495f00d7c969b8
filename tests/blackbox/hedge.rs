//! A second attempt beside one whose first content is late: who wins, what becomes of the other, and what bounds it.

use crate::support::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate_mock::{Behaviour, Fault, MockServer, Script, UsageCounts};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";
/// Longer than any test waits: who needs an answer from here has failed.
const NEVER_MS: u64 = 120_000;

/// Providers `one` (slow unless told otherwise), `two` and `three`, with prices.
struct Stage {
    one: MockServer,
    two: MockServer,
    three: MockServer,
    gateway: Gateway,
}

/// What is hedged at once, as often as requests come.
fn at_once(more: Value) -> Value {
    merge(json!({"after": "50ms", "max_share": 1.0, "max_cost_per_minute": 100}), more)
}

fn priced(id: &str, mock: &MockServer, key: &str, more: Value) -> Value {
    let model =
        |id: &str| json!({"id": id, "pricing": {"input": 3, "output": 15}, "max_output_tokens": 1000});
    let models = json!({"models": [model("m"), model("n")]});
    merge(merge(custom(id, &format!("{}/v1", mock.url()), &[key]), models), more)
}

impl Stage {
    async fn new(hedge: Value, more: Value) -> Self {
        Self::speaking(hedge, more, json!({}), json!({})).await
    }

    /// `of_one` and `of_two`: more of the providers.
    async fn speaking(hedge: Value, more: Value, of_one: Value, of_two: Value) -> Self {
        let slow = Behaviour::text("from one").after_ms(NEVER_MS);
        let (one, two) = (mock(Script::always(slow)).await, mock(text("from two")).await);
        let three = mock(text("from three")).await;
        let providers = json!({"hedge": hedge, "providers": [
            priced("one", &one, KEY_ONE, of_one),
            priced("two", &two, KEY_TWO, of_two),
            priced("three", &three, KEY_TWO, json!({})),
        ]});
        let log = json!({"type": "log", "config": {"metadata": {"result": "${actions.ngrok.ai_gateway}"}}});
        let gateway = json!({"type": "ai-gateway", "config": merge(providers, more)});
        let policy = json!({"on_http_request": [gateway], "on_http_response": [log]}).to_string();
        Self { one, two, three, gateway: Gateway::start(&policy).await }
    }

    async fn hedges(&self, result: &str) -> u64 {
        let text = self.gateway.admin("/metrics").await.text();
        let series = format!("tollgate_hedges_total{{result=\"{result}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("no {series}\n{text}")).parse().unwrap()
    }

    async fn all_hedges(&self) -> [u64; 4] {
        [
            self.hedges("won").await,
            self.hedges("lost").await,
            self.hedges("failed").await,
            self.hedges("capped").await,
        ]
    }

    /// The breaker of `one`'s model `m`, and its failures in a row.
    async fn health(&self) -> (Value, Value) {
        let status = self.gateway.status().await;
        let one = status["providers"].as_array().unwrap().iter().find(|p| p["id"] == "one").cloned().unwrap();
        let model =
            one["models"].as_array().unwrap().iter().find(|m| m["id"] == "m").cloned().unwrap_or_default();
        (model["breaker"].clone(), model["consecutive_failures"].clone())
    }
}

fn text(text: &str) -> Script {
    Script::always(Behaviour::text(text))
}

fn asks(models: &[&str], more: Value) -> Ask {
    post(CHAT, &merge(names(models), more))
}

/// What the access log says of each attempt: who, how it ended, why.
fn tried(line: &Value) -> Vec<(String, String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = line["attempts_detail"].as_array().cloned().unwrap_or_default();
    all.iter().map(|a| (word(&a["provider"]), word(&a["outcome"]), word(&a["reason"]))).collect()
}

fn of(provider: &str, outcome: &str, reason: &str) -> (String, String, String) {
    (provider.into(), outcome.into(), reason.into())
}

#[tokio::test]
async fn a_late_first_is_overtaken_and_cancelled() {
    for stream in [false, true] {
        let stage = Stage::new(at_once(json!({})), json!({})).await;
        let began = Instant::now();
        let answer =
            stage.gateway.send(asks(&["one:m", "two:m", "three:m"], json!({"stream": stream}))).await;
        assert!(began.elapsed() < Duration::from_millis(NEVER_MS / 4));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!((answer.header("x-tollgate-model"), answer.header("x-tollgate-attempts")), ("two:m", "2"));
        assert!(answer.text().contains("two") && !answer.text().contains("one"), "{}", answer.text());
        soon(stage.one.wait_aborted(1)).await;
        assert_eq!((stage.one.requests().len(), stage.two.requests().len()), (1, 1));
        assert_eq!(stage.three.requests().len(), 0, "one hedge a request");
        let line = stage.gateway.log_of(&answer).await;
        assert_eq!(tried(&line), [of("one", "neutral", "hedged_out"), of("two", "success", "")], "{line}");
        assert_eq!((&line["outcome"], &line["attempts"]), (&json!("success"), &json!(2)), "{line}");
        let result = &line["traffic_policy"]["logs"][0]["metadata"]["result"];
        assert_eq!(result["success"]["provider"], "two", "{result}");
        let made = |at: usize| &result["models_tried"][at]["requests_made"];
        assert_eq!(
            (&made(0)[0]["status"], &made(1)[0]["status"]),
            (&json!("error"), &json!("success")),
            "{result}"
        );
        assert!(made(0)[0]["error"].as_str().unwrap().contains("another attempt was first"), "{result}");
        assert_eq!((made(0).as_array().unwrap().len(), made(1).as_array().unwrap().len()), (1, 1));
        assert_eq!(stage.all_hedges().await, [1, 0, 0, 0]);
        let (breaker, failures) = stage.health().await;
        let blamed = breaker == "open" || failures.as_u64().unwrap_or(0) > 0;
        assert!(!blamed, "the loser: {breaker} {failures}");
    }
}

#[tokio::test]
async fn dialects_may_differ() {
    let anthropic = json!({"supported_api_surfaces": [{"format": "anthropic"}]});
    for (path, stream, of_one, of_two) in [
        (MESSAGES, true, json!({}), json!({})),
        (MESSAGES, false, json!({}), json!({"supported_api_surfaces": [{"format": "openai"}]})),
        (CHAT, true, json!({}), anthropic.clone()),
        (CHAT, false, anthropic.clone(), json!({})),
    ] {
        let stage = Stage::speaking(at_once(json!({})), json!({}), of_one, of_two).await;
        let body = merge(names(&["one:m", "two:m"]), json!({"stream": stream, "max_tokens": 100}));
        let answer = stage.gateway.send(post(path, &body)).await;
        assert_eq!(
            (answer.status, answer.header("x-tollgate-model")),
            (200, "two:m"),
            "{path} {}",
            answer.text()
        );
        let wanted = if path == MESSAGES { "text" } else { "choices" };
        assert!(answer.text().contains(wanted) && answer.text().contains("two"), "{path} {}", answer.text());
        soon(stage.one.wait_aborted(1)).await;
        assert_eq!(stage.all_hedges().await, [1, 0, 0, 0]);
    }
}

#[tokio::test]
async fn the_first_may_still_win() {
    for stream in [false, true] {
        let stage = Stage::new(at_once(json!({})), json!({})).await;
        stage.one.set_script(Script::always(Behaviour::text("from one").after_ms(3000)));
        stage.two.set_script(Script::always(Behaviour::text("from two").after_ms(NEVER_MS)));
        let answer = stage.gateway.send(asks(&["one:m", "two:m"], json!({"stream": stream}))).await;
        assert_eq!((answer.header("x-tollgate-model"), answer.header("x-tollgate-attempts")), ("one:m", "2"));
        assert!(answer.text().contains("one") && !answer.text().contains("two"), "{}", answer.text());
        soon(stage.two.wait_aborted(1)).await;
        let line = stage.gateway.log_of(&answer).await;
        assert_eq!(tried(&line), [of("two", "neutral", "hedged_out"), of("one", "success", "")], "{line}");
        let result = &line["traffic_policy"]["logs"][0]["metadata"]["result"];
        assert_eq!(result["success"]["provider"], "one", "{result}");
        assert_eq!(result["models_tried"].as_array().unwrap().len(), 2, "{result}");
        assert_eq!(stage.all_hedges().await, [0, 1, 0, 0]);
    }
}

#[tokio::test]
async fn when_both_fail_the_walk_goes_on() {
    for (of_one, of_two) in [(3000, 0), (2000, 5000)] {
        let stage = Stage::new(at_once(json!({})), json!({})).await;
        stage.one.set_script(Script::always(Behaviour::status(503).after_ms(of_one)));
        stage.two.set_script(Script::always(Behaviour::status(500).after_ms(of_two)));
        let answer = stage.gateway.send(asks(&["one:m", "two:m", "three:m"], json!({}))).await;
        assert_eq!(
            (answer.header("x-tollgate-model"), answer.header("x-tollgate-attempts")),
            ("three:m", "3")
        );
        assert_eq!([&stage.one, &stage.two, &stage.three].map(|mock| mock.requests().len()), [1, 1, 1]);
        let line = stage.gateway.log_of(&answer).await;
        let (one, two) = (of("one", "transient", "status"), of("two", "transient", "status"));
        let failed = if of_one > of_two { [two, one] } else { [one, two] };
        assert_eq!(tried(&line)[..2], failed, "{line}");
        assert_eq!(tried(&line).len(), 3, "{line}");
        let result = &line["traffic_policy"]["logs"][0]["metadata"]["result"];
        for entry in result["models_tried"].as_array().unwrap() {
            assert_eq!(entry["requests_made"].as_array().unwrap().len(), 1, "{result}");
        }
        assert_eq!(stage.all_hedges().await, [0, 0, 1, 0]);
        assert_eq!(stage.health().await.1, json!(1), "a failure counts as ever");
    }
}

#[tokio::test]
async fn one_fails_and_the_other_answers() {
    // The second one fails at once, and the first is waited for.
    let stage = Stage::new(at_once(json!({})), json!({})).await;
    stage.one.set_script(Script::always(Behaviour::text("from one").after_ms(3000)));
    stage.two.set_script(Script::always(Behaviour::status(429)));
    let answer = stage.gateway.send(asks(&["one:m", "two:m"], json!({}))).await;
    assert_eq!((answer.header("x-tollgate-model"), answer.header("x-tollgate-attempts")), ("one:m", "2"));
    assert_eq!(stage.all_hedges().await, [0, 0, 1, 0]);
    // The first one fails while the second is under way.
    stage.one.set_script(Script::always(Behaviour::status(500).after_ms(2000)));
    stage.two.set_script(Script::always(Behaviour::text("from two").after_ms(5000)));
    let stage_two = Stage { gateway: Gateway::start(&policy_of(&stage)).await, ..stage };
    let answer = stage_two.gateway.send(asks(&["one:m", "two:m"], json!({"stream": true}))).await;
    assert_eq!((answer.header("x-tollgate-model"), answer.header("x-tollgate-attempts")), ("two:m", "2"));
    assert_eq!(stage_two.all_hedges().await, [1, 0, 0, 0]);
}

/// The policy of a stage without its log, for another gateway before the same providers.
fn policy_of(stage: &Stage) -> String {
    ai_gateway(json!({"hedge": at_once(json!({})), "providers": [
        priced("one", &stage.one, KEY_ONE, json!({})), priced("two", &stage.two, KEY_TWO, json!({})),
    ]}))
}

#[tokio::test]
async fn what_is_decided_in_time_is_not_hedged() {
    let stage = Stage::new(at_once(json!({"after": "60s"})), json!({})).await;
    stage.one.set_script(Script::always(Behaviour::status(503)));
    let answer = stage.gateway.send(asks(&["one:m", "two:m"], json!({}))).await;
    assert_eq!((answer.header("x-tollgate-model"), answer.header("x-tollgate-attempts")), ("two:m", "2"));
    let line = stage.gateway.log_of(&answer).await;
    assert_eq!(tried(&line), [of("one", "transient", "status"), of("two", "success", "")], "{line}");
    assert_eq!(stage.all_hedges().await, [0; 4]);
}

/// Answers that come late, but come: nothing else may have been asked.
async fn not_hedged(stage: &Stage, ask: Ask, why: &str) {
    stage.one.set_script(Script::always(Behaviour::text("from one").after_ms(1500)));
    stage.two.clear_requests();
    let answer = stage.gateway.send(ask).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "1"), "{why}: {}", answer.text());
    assert_eq!(answer.header("x-tollgate-model"), "one:m", "{why}");
    assert_eq!(stage.two.requests().len(), 0, "{why}");
}

#[tokio::test]
async fn bounds_hold() {
    let two = || asks(&["one:m", "two:m"], json!({}));
    // A share of requests: the first has not earned a hedge yet.
    let stage = Stage::new(at_once(json!({"max_share": 0.5})), json!({})).await;
    not_hedged(&stage, two(), "share").await;
    assert_eq!(stage.all_hedges().await, [0, 0, 0, 1]);
    stage.one.set_script(Script::always(Behaviour::text("from one").after_ms(NEVER_MS)));
    assert_eq!(stage.gateway.send(two()).await.header("x-tollgate-model"), "two:m");
    not_hedged(&stage, two(), "share is spent").await;
    assert_eq!(stage.all_hedges().await, [1, 0, 0, 2]);
    // Money: a thousand tokens, the model's own limit, cost 15 000 millionths of a dollar.
    let stage = Stage::new(at_once(json!({"max_cost_per_minute": 0.02})), json!({})).await;
    let long = || asks(&["one:m", "two:m"], json!({"max_tokens": 5000}));
    let first = stage.gateway.send(long()).await;
    assert_eq!(first.header("x-tollgate-model"), "two:m", "{}", first.text());
    not_hedged(&stage, long(), "money").await;
    assert_eq!(stage.all_hedges().await, [1, 0, 0, 1]);
    // A smaller limit of the client makes it cheap.
    stage.one.set_script(Script::always(Behaviour::text("from one").after_ms(NEVER_MS)));
    let cheap = asks(&["one:m", "two:m"], json!({"max_tokens": 10}));
    assert_eq!(stage.gateway.send(cheap).await.header("x-tollgate-model"), "two:m");
    // Nobody knows what it costs.
    let unpriced = asks(&["one:m", "two:who"], json!({}));
    not_hedged(&stage, unpriced, "no price").await;
    assert_eq!(stage.all_hedges().await, [2, 0, 0, 2]);
}

#[tokio::test]
async fn what_is_not_hedged() {
    let stage = Stage::new(at_once(json!({})), json!({})).await;
    not_hedged(&stage, asks(&["one:m"], json!({})), "one candidate").await;
    not_hedged(&stage, asks(&["one:m", "one:m"], json!({})), "the same target").await;
    not_hedged(&stage, asks(&["one:m", "two:m"], json!({"store": true})), "stored").await;
    let mcp = json!({"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://x.test"}]});
    not_hedged(&stage, asks(&["one:m", "two:m"], mcp), "tools of the provider").await;
    let respond = |more: Value| {
        post(RESPONSES, &merge(merge(names(&["one:m", "two:m"]), json!({"input": "hi"})), more))
    };
    not_hedged(&stage, respond(json!({})), "an answer that is stored").await;
    stage.one.set_script(Script::always(Behaviour::text("from one").after_ms(NEVER_MS)));
    let answer = stage.gateway.send(respond(json!({"store": false}))).await;
    assert_eq!((answer.status, answer.header("x-tollgate-model")), (200, "two:m"), "{}", answer.text());
    assert_eq!(stage.all_hedges().await, [1, 0, 0, 0]);
    let stage = Stage::new(at_once(json!({})), json!({"max_attempts": 1})).await;
    not_hedged(&stage, asks(&["one:m", "two:m"], json!({})), "max_attempts").await;
    // Another model of the same provider is another target.
    let stage = Stage::new(at_once(json!({})), json!({})).await;
    let slow = Script::default().model("m", [Behaviour::text("from m").after_ms(NEVER_MS)]);
    stage.one.set_script(slow);
    let answer = stage.gateway.send(asks(&["one:m", "one:n"], json!({}))).await;
    assert_eq!(answer.header("x-tollgate-model"), "one:n");
}

#[tokio::test]
async fn attempts_are_counted_together() {
    let stage = Stage::new(at_once(json!({})), json!({"max_attempts": 2})).await;
    stage.one.set_script(Script::always(Behaviour::status(503).after_ms(2000)));
    stage.two.set_script(Script::always(Behaviour::status(503).after_ms(4000)));
    let answer = stage.gateway.send(asks(&["one:m", "two:m", "three:m"], json!({}))).await;
    assert_eq!((answer.status, answer.code()), (503, "3812"), "{}", answer.text());
    assert_eq!((answer.header("x-tollgate-attempts"), stage.three.requests().len()), ("2", 0));
}

#[tokio::test]
async fn a_status_that_stops_the_request_stops_both() {
    let stage = Stage::new(at_once(json!({})), json!({"stop_on_client_error": [422]})).await;
    stage.two.set_script(Script::always(Behaviour::status(422)));
    let answer = stage.gateway.send(asks(&["one:m", "two:m", "three:m"], json!({}))).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    soon(stage.one.wait_aborted(1)).await;
    assert_eq!(stage.three.requests().len(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_both() {
    let stage = Stage::new(at_once(json!({})), json!({})).await;
    stage.two.set_script(Script::always(Behaviour::fault(Fault::Hang)));
    let mut client = RawConnection::open(stage.gateway.addr).await;
    client.post(CHAT, &names(&["one:m", "two:m"])).await;
    soon(stage.two.wait_for(1)).await;
    client.leave();
    soon(stage.one.wait_aborted(1)).await;
    soon(stage.two.wait_aborted(1)).await;
    stage.gateway.wait_idle().await;
    let line = stage.gateway.log_lines(1).await.remove(0);
    assert_eq!(
        tried(&line),
        [of("one", "neutral", "client_gone"), of("two", "neutral", "client_gone")],
        "{line}"
    );
    assert_eq!(line["outcome"], "client_gone");
    assert_eq!(stage.all_hedges().await, [0, 1, 0, 0]);
}

#[tokio::test]
async fn the_loser_costs_what_it_had_said() {
    let anthropic = json!({"supported_api_surfaces": [{"format": "anthropic"}]});
    let stage = Stage::speaking(at_once(json!({})), json!({}), anthropic.clone(), anthropic).await;
    let usage = UsageCounts { input: 1000, ..UsageCounts::default() };
    // The figures of its prompt are there at once, its first word is not.
    let stalls =
        Behaviour { usage: Some(usage), fault: Some(Fault::StallMidStream(0)), ..Behaviour::default() };
    stage.one.set_script(Script::always(stalls));
    let usage = UsageCounts { input: 1000, output: 100, ..UsageCounts::default() };
    let after = Behaviour { usage: Some(usage), ..Behaviour::text("from two").after_ms(1000) };
    stage.two.set_script(Script::always(after));
    let ask = merge(names(&["one:m", "two:m"]), json!({"stream": true, "max_tokens": 500}));
    let answer = stage.gateway.send(post(MESSAGES, &ask)).await;
    assert_eq!(answer.header("x-tollgate-model"), "two:m", "{}", answer.text());
    let line = stage.gateway.log_of(&answer).await;
    // 3000 + 15 of the one that was cancelled, 3000 + 1500 of the answer.
    assert_eq!(line["cost_usd"], 0.007515, "{line}");
}

#[tokio::test]
async fn a_percentile_needs_answers() {
    let hedge = json!({"after": "p50", "min_samples": 3, "max_share": 1.0, "max_cost_per_minute": 100});
    let stage = Stage::new(hedge, json!({})).await;
    not_hedged(&stage, asks(&["one:m", "two:m"], json!({})), "nobody knows how long it takes").await;
    stage.one.set_script(text("from one"));
    for _ in 0..5 {
        let answer = stage.gateway.send(asks(&["one:m", "two:m"], json!({}))).await;
        stage.gateway.log_of(&answer).await;
    }
    // Half of its answers came much sooner than this one does.
    stage.one.set_script(Script::always(Behaviour::text("from one").after_ms(NEVER_MS)));
    let answer = stage.gateway.send(asks(&["one:m", "two:m"], json!({}))).await;
    assert_eq!(answer.header("x-tollgate-model"), "two:m");
    assert!(stage.hedges("won").await >= 1);
}

#[tokio::test]
async fn what_is_unhealthy_is_not_hedged_with() {
    let stage = Stage::new(
        at_once(json!({})),
        json!({"health": {"failure_threshold": 1, "cooldown": "1h", "max_cooldown": "1h"}}),
    )
    .await;
    stage.two.set_script(Script::always(Behaviour::status(500)));
    let answer = stage.gateway.send(asks(&["two:m", "three:m"], json!({}))).await;
    assert_eq!(answer.header("x-tollgate-model"), "three:m");
    stage.two.clear_requests();
    let answer = stage.gateway.send(asks(&["one:m", "two:m", "three:m"], json!({}))).await;
    assert_eq!((answer.header("x-tollgate-model"), stage.two.requests().len()), ("three:m", 0));
}

#[tokio::test]
async fn settings_are_checked() {
    let dir = Gateway::builder("");
    for (config, code, words) in [
        (json!({"hedge": {}}), Some(0), &[""][..]),
        (
            json!({"hedge": {"after": "p99", "min_samples": 5, "max_share": 0.1, "max_cost_per_minute": 0}}),
            Some(0),
            &[""],
        ),
        (json!({"hedge": {"after": "p97"}}), Some(1), &["hedge.after", "p97", "p95"]),
        (json!({"hedge": {"after": "0s"}}), Some(1), &["hedge.after"]),
        (json!({"hedge": {"max_share": 1.5}}), Some(1), &["hedge.max_share"]),
        (json!({"hedge": {"max_cost_per_minute": -1}}), Some(1), &["hedge.max_cost_per_minute"]),
        (json!({"hedge": {"min_samples": 0}}), Some(1), &["hedge.min_samples"]),
        (json!({"hedge": {"delay": "1s"}}), Some(1), &["delay"]),
        (json!({"hedge": true}), Some(1), &["hedge"]),
        (json!({"hedge": {"after": "1s", "min_samples": 5}}), Some(0), &["has no effect", "percentile"]),
        (json!({"hedge": {"after": "10m"}}), Some(0), &["has no effect", "per_request_timeout"]),
        (json!({"hedge": {}, "max_attempts": 1}), Some(0), &["max_attempts"]),
    ] {
        let file = dir.file("p.yml", &ai_gateway(config.clone()));
        let checked = run(&["check", file.to_str().unwrap()]).await;
        let said = format!("{}{}", checked.stdout, checked.stderr);
        assert_eq!(checked.code, code, "{config}: {said}");
        for word in words {
            assert!(said.contains(word), "{config}: {said}");
        }
        // With the place of what is wrong.
        assert!(said.contains("p.yml:1:") || words == [""], "{config}: {said}");
    }
}
