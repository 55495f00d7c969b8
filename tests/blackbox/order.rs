//! In which order models are tried: names, tiers, both readings of strategies, live metrics.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";
const ANTHROPIC: &str = "anthropic:claude-3.5-sonnet";
const OPENROUTER: &str = "openrouter:anthropic/claude-3.5-sonnet";

/// Provider and model of the attempts of one request, by the mocks that saw them.
async fn tried(gateway: &Gateway, mocks: &[(&str, &MockServer)], ask: Ask) -> (Answer, Vec<String>) {
    mocks.iter().for_each(|(_, mock)| mock.clear_requests());
    let answer = gateway.send(ask).await;
    // What is measured counts once the line is written.
    gateway.log_of(&answer).await;
    let mut seen: Vec<_> = mocks
        .iter()
        .flat_map(|(name, mock)| {
            mock.requests().into_iter().map(move |r| (r.at, format!("{name}:{}", r.model)))
        })
        .collect();
    seen.sort();
    (answer, seen.into_iter().map(|(_, name)| name).collect())
}

async fn down() -> (MockServer, MockServer) {
    (mock(Script::always(Behaviour::status(503))).await, mock(Script::always(Behaviour::status(503))).await)
}

#[tokio::test]
async fn names_are_tried_in_the_clients_order() {
    let (a, o) = down().await;
    let mocks = [("anthropic", &a), ("openrouter", &o)];
    let gateway = Gateway::start(&two_tiers(&a, &o, json!({}))).await;
    let sent = ["anthropic:claude-3-5-sonnet-20241022", "openrouter:anthropic/claude-3.5-sonnet"];
    for (named, expected) in [
        (vec![ANTHROPIC, OPENROUTER], vec![sent[0], sent[1]]),
        (vec![OPENROUTER, ANTHROPIC], vec![sent[1], sent[0]]),
        (vec![OPENROUTER], vec![sent[1]]),
        (vec![OPENROUTER, OPENROUTER], vec![sent[1]]),
    ] {
        let (_, seen) = tried(&gateway, &mocks, post(CHAT, &names(&named))).await;
        assert_eq!(seen, expected, "{named:?}");
    }
    // `model` comes before `models`.
    let body = merge(names(&[ANTHROPIC]), json!({"model": OPENROUTER}));
    assert_eq!(tried(&gateway, &mocks, post(CHAT, &body)).await.1, [sent[1], sent[0]]);
}

#[tokio::test]
async fn first_match_leaves_the_second_strategy_alone() {
    let (a, o) = down().await;
    let mocks = [("anthropic", &a), ("openrouter", &o)];
    let gateway =
        Gateway::start(&two_tiers(&a, &o, json!({"model_selection": {"fallthrough": "first_match"}}))).await;
    let (answer, seen) = tried(&gateway, &mocks, post(CHAT, &names(&[ANTHROPIC, OPENROUTER]))).await;
    assert_eq!(seen, ["anthropic:claude-3-5-sonnet-20241022"]);
    assert_eq!(answer.status, 503);
    // Nothing of the first strategy is named: the second one serves.
    let (_, seen) = tried(&gateway, &mocks, post(CHAT, &names(&[OPENROUTER]))).await;
    assert_eq!(seen, ["openrouter:anthropic/claude-3.5-sonnet"]);
}

#[tokio::test]
async fn strategy_order_overrides_the_clients() {
    let (a, o) = down().await;
    let mocks = [("anthropic", &a), ("openrouter", &o)];
    let gateway = Gateway::start(&two_tiers(&a, &o, json!({"model_selection": {"order": "strategy"}}))).await;
    let (_, seen) = tried(&gateway, &mocks, post(CHAT, &names(&[OPENROUTER, ANTHROPIC]))).await;
    assert_eq!(seen, ["anthropic:claude-3-5-sonnet-20241022", "openrouter:anthropic/claude-3.5-sonnet"]);
}

#[tokio::test]
async fn a_name_outside_all_strategies_is_refused() {
    let (a, o) = down().await;
    let gateway = Gateway::start(&two_tiers(&a, &o, json!({}))).await;
    let answer = gateway.send(post(CHAT, &names(&["openai:gpt-4o"]))).await;
    answer.assert_openai_error(422, "3805");
    assert!(answer.text().contains("gpt-4o"), "{}", answer.text());
    assert_eq!(a.requests().len() + o.requests().len(), 0);
}

/// Custom providers with models, so that the whole of what `ngrok/auto` may choose is known.
fn priced(one: &MockServer, two: &MockServer, strategy: &[&str]) -> Value {
    let model = |id: &str, input: f64, tier: Option<&str>| {
        let metadata = tier.map_or(json!({}), |tier| json!({"tier": tier}));
        json!({"id": id, "pricing": {"input": input, "output": input}, "metadata": metadata})
    };
    let provider = |id: &str, mock: &MockServer, models: Vec<Value>| {
        merge(custom(id, &format!("{}/v1", mock.url()), &["k"]), json!({"models": models}))
    };
    json!({
        "only_allow_configured_providers": true,
        "providers": [
            provider("one", one, vec![model("dear", 9.0, None), model("cheap", 1.0, Some("budget"))]),
            provider("two", two, vec![model("middle", 3.0, None)]),
        ],
        "model_selection": {"strategy": strategy},
    })
}

#[tokio::test]
async fn auto_and_no_model_are_the_same() {
    let (one, two) = down().await;
    let mocks = [("one", &one), ("two", &two)];
    let all = ["one:cheap", "two:middle", "one:dear"];
    for (strategy, expected) in [
        (vec!["ai.models.sortBy('price')"], &all[..]),
        (vec!["ai.models.sortBy(m, m.pricing.input)"], &all[..]),
        (vec!["ai.models.filter(m, m.metadata.tier == 'budget')"], &all[..1]),
        (
            vec!["ai.models.filter(m, m.metadata.tier == 'budget')", "ai.models.onlyProviders(['two'])"],
            &all[..2],
        ),
        (vec!["ai.models.underCost('text.input', 2)"], &all[..1]),
    ] {
        let gateway = Gateway::start(&ai_gateway(priced(&one, &two, &strategy))).await;
        for model in [
            json!({}),
            json!({"model": "ngrok/auto"}),
            json!({"model": "NGROK/Auto"}),
            json!({"model": null}),
        ] {
            let (_, seen) = tried(&gateway, &mocks, post(CHAT, &merge(prompt(), model.clone()))).await;
            assert_eq!(seen, expected, "{strategy:?} {model}");
        }
    }
}

#[tokio::test]
async fn a_strategy_reads_live_error_rates() {
    let (one, two) = (mock(Script::always(Behaviour::status(500))).await, mock(Script::default()).await);
    let mocks = [("one", &one), ("two", &two)];
    let config = priced(&one, &two, &["ai.models.sortBy(m, m.metrics.global.error_rate.total)"]);
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let ask = || post(CHAT, &prompt());
    let (answer, seen) = tried(&gateway, &mocks, ask()).await;
    assert_eq!(
        (answer.status, &*seen),
        (200, &["one:dear".to_owned(), "one:cheap".into(), "two:middle".into()][..])
    );
    let (answer, seen) = tried(&gateway, &mocks, ask()).await;
    assert_eq!(
        (answer.status, &*seen),
        (200, &["two:middle".to_owned()][..]),
        "what fails moves to the end at once"
    );
}

#[tokio::test]
async fn what_was_measured_survives_a_reload() {
    let (one, two) = (mock(Script::always(Behaviour::status(500))).await, mock(Script::default()).await);
    let mocks = [("one", &one), ("two", &two)];
    let by_errors = "ai.models.sortBy(m, m.metrics.global.error_rate.total)";
    let gateway = Gateway::start(&ai_gateway(priced(&one, &two, &[by_errors]))).await;
    assert_eq!(tried(&gateway, &mocks, post(CHAT, &prompt())).await.1.len(), 3);
    std::fs::write(&gateway.policy, ai_gateway(priced(&one, &two, &[by_errors, "ai.models"]))).unwrap();
    gateway.wait_reloaded(&gateway.revision).await;
    assert_eq!(tried(&gateway, &mocks, post(CHAT, &prompt())).await.1, ["two:middle"]);
}

#[tokio::test]
async fn a_strategy_reads_live_latency() {
    let (one, two) =
        (mock(Script::always(Behaviour::default().after_ms(300))).await, mock(Script::default()).await);
    let mocks = [("one", &one), ("two", &two)];
    let fast = "ai.models.filter(m, m.metrics.global.request_count == 0u || m.metrics.global.latency.upstream_ms_avg < 150u)";
    let gateway = Gateway::start(&ai_gateway(priced(&one, &two, &[fast]))).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.extend(tried(&gateway, &mocks, post(CHAT, &prompt())).await.1);
    }
    assert_eq!(
        seen,
        ["one:dear", "one:cheap", "two:middle", "two:middle"],
        "each is measured once, then the fast one stays"
    );
}

#[tokio::test]
async fn a_failing_strategy_is_skipped_and_only_then_an_error() {
    let (one, two) = (mock(Script::default()).await, mock(Script::default()).await);
    let mocks = [("one", &one), ("two", &two)];
    let broken = "ai.models[100000]";
    let gateway =
        Gateway::start(&ai_gateway(priced(&one, &two, &[broken, "ai.models.onlyProviders(['two'])"]))).await;
    assert_eq!(tried(&gateway, &mocks, post(CHAT, &prompt())).await.1, ["two:middle"]);
    let gateway = Gateway::start(&ai_gateway(priced(&one, &two, &[broken]))).await;
    gateway.send(post(CHAT, &prompt())).await.assert_openai_error(422, "3803");
}

#[tokio::test]
async fn only_allowed_models() {
    let (one, two) = (mock(Script::default()).await, mock(Script::default()).await);
    let config = json!({
        "only_allow_configured_models": true,
        "providers": [
            merge(custom("one", &format!("{}/v1", one.url()), &["k"]), json!({"models": [{"id": "mine", "id_aliases": ["my model"]}]})),
            custom("two", &format!("{}/v1", two.url()), &["k"]),
        ],
    });
    let gateway = Gateway::start(&ai_gateway(config)).await;
    for (name, status, sent) in [
        ("one:mine", 200, "mine"),
        ("mine", 200, "mine"),
        ("My Model", 200, "mine"),
        ("one:other", 422, ""),
        ("two:mine", 422, ""),
    ] {
        one.clear_requests();
        let answer = gateway.send(post(CHAT, &names(&[name]))).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(one.requests().first().map_or("", |r| &r.model), sent, "{name}");
    }
    assert!(two.requests().is_empty());
}
