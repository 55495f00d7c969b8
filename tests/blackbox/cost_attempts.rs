//! What attempts cost that came to nothing, and requests with several of them.

use crate::cost::{CHAT, COMPUTED, MESSAGES, chat, chat_usage, costs, metered, says, stage};
use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Fault, Flavour, Recorded, Rule, Script, Surface, UsageCounts};

#[tokio::test]
async fn a_failed_attempt_costs_nothing_and_the_answers_model_counts() {
    let (mock, gateway) = stage("openai").await;
    let good = says(&chat(&chat_usage(json!({}))));
    mock.set_script(Script::always(good).model("a/b", [Behaviour::status(502)]));
    let answer = gateway.send(post(CHAT, &names(&["openrouter:a/b", "one:m"]))).await;
    assert_eq!(answer.header("x-tollgate-cost-usd"), "0.004550");
    // What is counted is counted before the line is written.
    gateway.log_of(&answer).await;
    assert_eq!((metered(&gateway, "openrouter").await, metered(&gateway, "one").await), (0, COMPUTED));
}

#[tokio::test]
async fn what_was_used_counts_when_the_answer_breaks_off() {
    let (mock, gateway) = stage("anthropic").await;
    let cut = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1000,\"output_tokens\":1}}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n";
    mock.set_script(Script::always(says(cut)));
    let ask = post(MESSAGES, &merge(names(&["one:m"]), json!({"stream": true})));
    let line = costs(&gateway, ask, Some(2510), true, "cut").await;
    assert_eq!(line["outcome"], "interrupted");
}

/// What was said to have failed, with figures.
fn refused(usage: &Value) -> [(&'static str, Behaviour); 3] {
    let error = json!({"message": "the model gave up", "code": 502});
    let within = json!({"error": error, "usage": usage});
    let chosen = json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{
        "index": 0, "finish_reason": "error", "error": error, "message": {"role": "assistant", "content": ""},
    }], "usage": usage});
    let stream = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "error": error, "usage": usage,
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]});
    [
        ("an error in a 200", says(&within.to_string())),
        ("an answer that failed", says(&chosen.to_string())),
        ("an error in a stream", says(&format!("data: {stream}\n\n"))),
    ]
}

#[tokio::test]
async fn a_failed_attempt_that_says_what_it_used_is_charged() {
    let (mock, gateway) = stage("openai").await;
    let good = says(&chat(&chat_usage(json!({}))));
    let used = json!({"prompt_tokens": 1000, "completion_tokens": 0});
    let mut sums = (0, 0);
    for (model, usage, cost) in [
        // At the prices of its model.
        ("one:first", used.clone(), Some(3000)),
        // OpenRouter charges nothing for what failed, and says so.
        ("openrouter:a/b", merge(used.clone(), json!({"cost": 0, "is_byok": false})), Some(0)),
        ("openrouter:a/b", merge(used.clone(), json!({"cost": 0.0004, "is_byok": false})), Some(400)),
        ("openrouter:a/b", used.clone(), None),
        ("one:first", Value::Null, None),
        ("one:unpriced", used.clone(), None),
    ] {
        for (what, failed) in refused(&usage) {
            let upstream = model.split_once(':').unwrap().1;
            mock.set_script(Script::always(good.clone()).model(upstream, [failed]));
            let answer = gateway.send(post(CHAT, &names(&[model, "one:m"]))).await;
            let what = format!("{what}, {model}, {usage}");
            assert_eq!(
                (answer.status, answer.header("x-tollgate-model")),
                (200, "one:m"),
                "{what}: {}",
                answer.text()
            );
            let all = COMPUTED + cost.unwrap_or(0);
            assert_eq!(answer.header("x-tollgate-cost-usd"), format!("0.{all:06}"), "{what}");
            let line = gateway.log_of(&answer).await;
            let result = &line["traffic_policy"]["logs"][0]["metadata"]["result"];
            assert_eq!(result["cost_micro_usd"], all, "{what}: {result}");
            let request = |at: usize| &result["models_tried"][at]["requests_made"][0];
            assert_eq!(request(0)["status"], "error", "{what}: {result}");
            assert_eq!(request(0)["cost_micro_usd"], json!(cost), "{what}: {result}");
            assert_eq!(request(1)["cost_micro_usd"], COMPUTED, "{what}: {result}");
            sums.0 += if model == "one:first" { all } else { COMPUTED };
            sums.1 += if model == "openrouter:a/b" { cost.unwrap_or(0) } else { 0 };
            assert_eq!(
                (metered(&gateway, "one").await, metered(&gateway, "openrouter").await),
                sums,
                "{what}"
            );
        }
    }
    assert!(
        !gateway.written().contains("reports a cost of 0"),
        "OpenRouter's zero of a failure is no mistake"
    );
}

#[tokio::test]
async fn a_request_that_nobody_answers_costs_what_its_attempts_did() {
    let (mock, gateway) = stage("openai").await;
    let [_, (_, failed), _] = refused(&json!({"prompt_tokens": 1000, "completion_tokens": 0}));
    mock.set_script(Script::always(failed));
    let answer = gateway.send(post(CHAT, &names(&["one:first", "one:m"]))).await;
    assert!(answer.status >= 400, "{}", answer.text());
    assert_eq!(answer.header("x-tollgate-cost-usd"), "0.005500", "{}", answer.text());
    assert_eq!(gateway.log_of(&answer).await["cost_usd"], 0.0055);
    assert_eq!(metered(&gateway, "one").await, 5500);
}

#[tokio::test]
async fn an_attempt_that_is_too_late_costs_what_it_had_said() {
    let mock = mock(Script::default()).await;
    let one = merge(
        custom("one", &format!("{}/v1", mock.url()), &[KEY_ONE]),
        json!({"models": [{"id": "m", "pricing": {"input": 3, "output": 15}}], "supported_api_surfaces": [{"format": "anthropic"}]}),
    );
    let policy = ai_gateway(json!({"providers": [one], "per_request_timeout": "400ms"}));
    let gateway = Gateway::start(&policy).await;
    // The figures of the prompt come with the first event, long before the first word; one token of the answer is
    // counted there.
    let usage = UsageCounts { input: 1000, ..UsageCounts::default() };
    let late =
        Behaviour { usage: Some(usage), fault: Some(Fault::StallMidStream(0)), ..Behaviour::default() };
    mock.set_script(Script::always(late));
    let ask = post(MESSAGES, &merge(names(&["one:m"]), json!({"stream": true})));
    let answer = gateway.send(ask).await;
    assert!(answer.status >= 500, "{}", answer.text());
    assert_eq!(answer.header("x-tollgate-cost-usd"), "0.003015", "{}", answer.text());
    assert_eq!(metered(&gateway, "one").await, 3015);
}

/// OpenRouter, whose answers stop in the middle; and what the gateway asked about them.
async fn cut_off(rules: Vec<Behaviour>) -> (tollgate_mock::MockServer, Gateway) {
    let usage = UsageCounts { input: 1000, output: 200, ..UsageCounts::default() };
    let cut = Behaviour {
        usage: Some(usage),
        fault: Some(Fault::CutAfterChunks(1)),
        ..Behaviour::chunks(["a", "b"])
    };
    let script = Script::always(cut).flavour(Flavour::OpenRouter);
    let rule = Rule { surface: Some(Surface::Generation), answers: rules, ..Rule::default() };
    let mock = mock(script.rule(rule)).await;
    let policy = ai_gateway(json!({"providers": [openrouter(&mock)]}));
    let gateway = Gateway::builder(&policy).env("TOLLGATE_LATE_COSTS", "true").start().await;
    (mock, gateway)
}

fn asked_later(mock: &tollgate_mock::MockServer) -> Vec<Recorded> {
    mock.requests().into_iter().filter(|request| request.surface == Surface::Generation).collect()
}

#[tokio::test]
async fn openrouter_is_asked_what_an_answer_cost_that_was_cut_off() {
    // The record is not there when it is asked for first.
    let (mock, gateway) = cut_off(vec![Behaviour::status(404), Behaviour::default()]).await;
    let body = merge(names(&["openrouter:a/b"]), json!({"stream": true}));
    let answer = gateway.send(post(CHAT, &body)).await;
    let line = gateway.log_of(&answer).await;
    assert_eq!((&line["outcome"], line.get("cost_usd")), (&json!("interrupted"), None), "{line}");
    assert_eq!(metered(&gateway, "openrouter").await, 0, "nobody knows yet");
    gateway.err.find("late cost", |line| line.contains("late cost").then_some(())).await;
    // Half a dollar a million tokens.
    assert_eq!(metered(&gateway, "openrouter").await, 600);
    let text = gateway.err.text();
    let said = text.lines().find(|line| line.contains("late cost")).unwrap();
    let id = line["request_id"].as_str().unwrap();
    assert!(said.contains(id) && said.contains("0.000600") && !said.contains(OPENROUTER_KEY), "{said}");
    let asked = asked_later(&mock);
    assert_eq!(asked.len(), 2);
    for question in &asked {
        let (path, query) = question.path_and_query.split_once('?').unwrap();
        assert_eq!((path, question.method.as_str()), ("/openrouter/api/v1/generation", "GET"));
        assert_eq!(query, format!("id={}", line["upstream_request_id"].as_str().unwrap()));
        assert_eq!(question.key.as_deref(), mock.requests()[0].key.as_deref(), "the key that was used");
    }
}

#[tokio::test]
async fn openrouter_is_not_asked_about_what_is_known() {
    let (mock, gateway) = cut_off(Vec::new()).await;
    // A client that leaves: this answer is asked about.
    let body = merge(names(&["openrouter:a/b"]), json!({"stream": true}));
    let stalls = Behaviour { fault: Some(Fault::StallMidStream(1)), ..Behaviour::chunks(["a", "b"]) };
    let script = Script::default().flavour(Flavour::OpenRouter);
    mock.set_script(script.model("a/b", [stalls]).model("broken", [Behaviour::status(502)]));
    for model in ["openrouter:whole", "openrouter:broken"] {
        let whole = merge(names(&[model]), json!({"stream": true}));
        gateway.log_of(&gateway.send(post(CHAT, &whole)).await).await;
    }
    let mut reply = gateway.open(post(CHAT, &body)).await;
    soon(reply.event()).await.unwrap();
    drop(reply);
    gateway.err.find("late cost", |line| line.contains("\"late cost\"").then_some(())).await;
    assert_eq!(asked_later(&mock).len(), 1, "{}", gateway.err.text());
    assert_eq!(gateway.err.text().matches("late cost").count(), 1);
}
