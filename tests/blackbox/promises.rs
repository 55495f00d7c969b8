//! What the OpenRouter guide promises, on the wire.

use crate::support::*;
use serde_json::json;
use tollgate_mock::{Behaviour, Flavour, MockServer, Script};

/// A gateway whose OpenRouter is a mock and whose clients bring their own key.
async fn with_client_keys(mock: &MockServer) -> Gateway {
    let base = format!("{}/openrouter/api/v1", mock.url());
    Gateway::start(&ai_gateway(json!({"providers": [{"id": "openrouter", "base_url": base}]}))).await
}

async fn strict_openrouter(script: Script) -> MockServer {
    mock(script.accept_key(Flavour::OpenRouter, OPENROUTER_KEY)).await
}

#[tokio::test]
async fn the_clients_key_and_the_model_after_the_colon_go_to_openrouter() {
    let mock = strict_openrouter(Script::default()).await;
    let gateway = with_client_keys(&mock).await;
    for model in [
        "anthropic/claude-3.5-sonnet",
        "google/gemini-2.0-flash-001",
        "meta-llama/llama-3.1-8b-instruct",
        "mistralai/mistral-7b-instruct",
        "meta-llama/llama-4-scout:free",
        "openrouter/auto",
    ] {
        for stream in [false, true] {
            mock.clear_requests();
            let body = merge(prompt(), json!({"model": format!("openrouter:{model}"), "stream": stream}));
            let answer = gateway.send(post("/v1/chat/completions", &body).bearer(OPENROUTER_KEY)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let [sent] = &mock.requests()[..] else { panic!("one request") };
            assert_eq!(sent.path_and_query, "/openrouter/api/v1/chat/completions");
            assert_eq!(sent.header("authorization"), format!("Bearer {OPENROUTER_KEY}"));
            assert_eq!(sent.json(), merge(body, json!({"model": model})));
            assert_eq!(answer.header("x-tollgate-model"), format!("openrouter:{model}"));
            assert_eq!(answer.header("x-tollgate-attempts"), "1");
            assert_ne!(answer.header("x-generation-id"), "", "headers of the provider stay");
            assert_eq!(answer.text().contains("data: [DONE]"), stream);
        }
    }
}

#[tokio::test]
async fn a_slash_name_without_its_provider_is_no_model() {
    let mock = mock(Script::default()).await;
    let gateway = with_client_keys(&mock).await;
    let body = merge(prompt(), json!({"model": "anthropic/claude-3.5-sonnet"}));
    let answer = gateway.send(post("/v1/chat/completions", &body).bearer(OPENROUTER_KEY)).await;
    answer.assert_openai_error(422, "3804");
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("anthropic/claude-3.5-sonnet"));
    assert!(answer.text().contains("openrouter:"), "a hint at the name that works: {}", answer.text());
    let answer = gateway.send(post("/v1/messages", &body).header("x-api-key", OPENROUTER_KEY)).await;
    answer.assert_anthropic_error(422, "3804");
    assert!(mock.requests().is_empty());
}

#[tokio::test]
async fn a_stored_key_replaces_whatever_the_client_sent() {
    let mock = strict_openrouter(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [openrouter(&mock)]}))).await;
    let body = merge(prompt(), json!({"model": "openrouter:anthropic/claude-3.5-sonnet"}));
    for (name, value) in [
        ("authorization", "Bearer unused"),
        ("x-api-key", "unused"),
        ("api-key", "unused"),
        ("cookie", "session=unused"),
        ("openai-organization", "org-unused"),
    ] {
        let answer = gateway.send(post("/v1/chat/completions", &body).header(name, value)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let requests = mock.requests();
        let sent = requests.last().unwrap();
        assert_eq!(sent.header("authorization"), format!("Bearer {OPENROUTER_KEY}"));
        assert!(
            sent.headers.values().all(|v| !v.to_str().unwrap_or("").contains("unused")),
            "{name} is passed on"
        );
    }
}

#[tokio::test]
async fn anthropic_first_then_openrouter() {
    let first = mock(Script::default().accept_key(Flavour::Anthropic, ANTHROPIC_KEY)).await;
    let second = strict_openrouter(Script::default()).await;
    let gateway = Gateway::start(&two_tiers(&first, &second, json!({}))).await;
    let body = names(&["anthropic:claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"]);
    let ask = || post("/v1/chat/completions", &body).bearer("unused");

    let answer = gateway.send(ask()).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "1"));
    assert_eq!(answer.header("x-tollgate-model"), "anthropic:claude-3-5-sonnet-20241022");
    assert_eq!(first.requests()[0].path_and_query, "/anthropic/v1/chat/completions");
    assert_eq!(first.requests()[0].json()["model"], "claude-3-5-sonnet-20241022", "a name Anthropic knows");
    assert!(second.requests().is_empty());

    first.set_script(Script::always(Behaviour::status(529)));
    let answer = gateway.send(ask()).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"));
    assert_eq!(answer.header("x-tollgate-model"), "openrouter:anthropic/claude-3.5-sonnet");
    let [sent] = &second.requests()[..] else { panic!("one request") };
    assert_eq!(sent.key.as_deref(), Some(OPENROUTER_KEY));
    assert_eq!(sent.json()["model"], "anthropic/claude-3.5-sonnet");
    assert_eq!(sent.json().get("models"), None);
    let everything = format!("{:?}{:?}", sent.headers, sent.body);
    assert!(!everything.contains(ANTHROPIC_KEY), "Anthropic's key is not OpenRouter's business");
    assert!(first.requests().iter().all(|r| r.json().get("models").is_none()));
}

#[tokio::test]
async fn the_guides_yaml_runs_as_it_is_written() {
    let (first, second) = (mock(Script::always(Behaviour::status(503))).await, mock(Script::default()).await);
    let policy = format!(
        "on_http_request:\n  - type: ai-gateway\n    config:\n      providers:\n        - id: anthropic\n          \
         base_url: {}/anthropic/v1\n          api_keys:\n            - value: ${{secrets.get('anthropic', 'api-key')}}\n        \
         - id: openrouter\n          base_url: {}/openrouter/api/v1\n          api_keys:\n            \
         - value: ${{secrets.get('openrouter', 'api-key')}}\n      model_selection:\n        strategy:\n          \
         - \"ai.models.filter(m, m.provider_id == 'anthropic')\"\n          \
         - \"ai.models.filter(m, m.provider_id == 'openrouter')\"\n",
        first.url(),
        second.url()
    );
    let gateway = Gateway::start(&policy).await;
    // `model` and `models` together, as the official SDKs send it.
    let body = merge(
        prompt(),
        json!({"model": "anthropic:claude-3.5-sonnet", "models": ["openrouter:anthropic/claude-3.5-sonnet"], "stream": true}),
    );
    let answer = gateway.send(post("/v1/chat/completions", &body).bearer("unused")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.whole && answer.text().ends_with("data: [DONE]\n\n"));
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}

#[tokio::test]
async fn an_empty_configuration_refuses_what_nobody_has_a_key_for() {
    let gateway = Gateway::start("on_http_request:\n  - type: ai-gateway\n").await;
    let body = merge(prompt(), json!({"model": "openrouter:anthropic/claude-3.5-sonnet"}));
    let answer = gateway.send(post("/v1/chat/completions", &body)).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(["3802", "3817"].contains(&answer.code()), "{}", answer.code());
}

#[tokio::test]
async fn both_spellings_of_a_policy_and_a_mapping() {
    let mock = mock(Script::default()).await;
    let provider = openrouter(&mock);
    let action = json!({"type": "ai-gateway", "config": {"providers": [provider]}});
    for policy in [
        json!({"on_http_request": [action]}),
        json!({"on_http_request": [{"name": "ai", "expressions": ["req.url.path.startsWith('/v1/')"], "actions": [action]}]}),
        json!({"on_http_request": {"actions": [action]}}),
    ] {
        let gateway = Gateway::start(&policy.to_string()).await;
        let body = merge(prompt(), json!({"model": "openrouter:a/b"}));
        let answer = gateway.send(post("/v1/chat/completions", &body)).await;
        assert_eq!(answer.status, 200, "{policy}: {}", answer.text());
    }
}
