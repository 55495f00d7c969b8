//! In which order a provider's keys are tried, and whose key goes where.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, MockServer, RateLimit, Script};

const CHAT: &str = "/v1/chat/completions";
const A: &str = "key-aaaaaaaaaaaaaaaaaaaaaaaa-aaaa";
const B: &str = "key-bbbbbbbbbbbbbbbbbbbbbbbb-bbbb";

fn policy(mock: &MockServer, keys: &[&str], strategy: &[&str]) -> String {
    let provider = custom("one", &format!("{}/v1", mock.url()), keys);
    ai_gateway(json!({"providers": [provider], "api_key_selection": {"strategy": strategy}}))
}

/// The keys of the attempts of one request.
async fn keys_tried(gateway: &Gateway, mock: &MockServer) -> (Answer, Vec<String>) {
    mock.clear_requests();
    let answer = gateway.send(post(CHAT, &names(&["one:m"])).bearer("unused")).await;
    (answer, mock.requests().into_iter().filter_map(|r| r.key).collect())
}

#[tokio::test]
async fn the_second_key_is_tried_when_the_first_is_used_up_or_refused() {
    for status in [429, 401, 403, 402, 500, 503] {
        let mock = mock(Script::default().when_key(A, [Behaviour::status(status)])).await;
        let gateway = Gateway::start(&policy(&mock, &[A, B], &[])).await;
        let (answer, keys) = keys_tried(&gateway, &mock).await;
        assert_eq!((answer.status, &keys[..]), (200, &[A.to_owned(), B.to_owned()][..]), "{status}");
        assert_eq!(answer.header("x-tollgate-attempts"), "2");
    }
}

#[tokio::test]
async fn a_request_the_provider_cannot_serve_is_not_repeated_with_another_key() {
    let mock = mock(Script::always(Behaviour::status(404))).await;
    let gateway = Gateway::start(&policy(&mock, &[A, B], &[])).await;
    let (answer, keys) = keys_tried(&gateway, &mock).await;
    assert_eq!((answer.status, keys.len()), (404, 1));
}

#[tokio::test]
async fn all_keys_used_up_is_a_429_with_retry_after() {
    let used_up = |seconds| Behaviour::status(429).header("retry-after", seconds);
    let mock = mock(Script::default().when_key(A, [used_up("30")]).when_key(B, [used_up("7")])).await;
    let gateway = Gateway::start(&policy(&mock, &[A, B], &[])).await;
    let (answer, keys) = keys_tried(&gateway, &mock).await;
    assert_eq!(keys, [A, B]);
    answer.assert_openai_error(429, "3807");
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    assert_eq!(answer.header("retry-after"), "7", "the smallest");
}

#[tokio::test]
async fn a_strategy_reads_the_quota_from_the_providers_headers() {
    let left = |remaining| Behaviour {
        rate_limit: Some(RateLimit { limit: 1000, remaining, reset_s: 60 }),
        ..Behaviour::default()
    };
    let mock = mock(Script::default().when_key(A, [left(5)]).when_key(B, [left(900)])).await;
    let gateway = Gateway::start(&policy(
        &mock,
        &[A, B],
        &["ai.keys.filter(k, k.quota.remaining_requests > 100)", "ai.keys"],
    ))
    .await;
    // Nothing known of either: the comparison with null is false, the second strategy gives the list's order.
    assert_eq!(keys_tried(&gateway, &mock).await.1, [A]);
    // Of the first key 5 are left, of the second nothing is known.
    assert_eq!(keys_tried(&gateway, &mock).await.1, [A]);
    mock.set_script(Script::default().when_key(A, [Behaviour::status(429)]).when_key(B, [left(900)]));
    assert_eq!(keys_tried(&gateway, &mock).await.1, [A, B]);
    // Now the second is known to have enough.
    assert_eq!(keys_tried(&gateway, &mock).await.1, [B]);
    let status = gateway.status().await;
    let shown =
        status["providers"].as_array().unwrap().iter().find(|p| p["id"] == "one").unwrap()["keys"].clone();
    let remaining: Vec<&Value> = shown.as_array().unwrap().iter().map(|k| &k["remaining_requests"]).collect();
    assert_eq!(remaining.last(), Some(&&json!(900)), "{shown}");
    assert!(!status.to_string().contains(A) && !status.to_string().contains(B), "keys are trimmed");
}

#[tokio::test]
async fn a_strategy_reads_the_error_rates_of_keys() {
    let mock = mock(Script::default().when_key(A, [Behaviour::status(500)])).await;
    let strategy = ["ai.keys.filter(k, k.error_rate.total < 0.5)", "ai.keys"];
    let gateway = Gateway::start(&policy(&mock, &[A, B], &strategy)).await;
    assert_eq!(keys_tried(&gateway, &mock).await.1, [A, B]);
    assert_eq!(keys_tried(&gateway, &mock).await.1, [B]);
}

#[tokio::test]
async fn strategies_that_give_no_key() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&policy(&mock, &[A, B], &["ai.keys.filter(k, false)"])).await;
    let (answer, keys) = keys_tried(&gateway, &mock).await;
    answer.assert_openai_error(422, "3808");
    assert!(keys.is_empty());
}

#[tokio::test]
async fn a_key_goes_nowhere_but_to_its_provider() {
    let (first, second) = (mock(Script::always(Behaviour::status(500))).await, mock(Script::default()).await);
    // The client's own keys: Anthropic's for the first, nothing fits the second.
    let base = |mock: &MockServer, path: &str| format!("{}{path}", mock.url());
    let config = json!({"providers": [
        {"id": "anthropic", "base_url": base(&first, "/anthropic/v1")},
        {"id": "openrouter", "base_url": base(&second, "/openrouter/api/v1")},
    ]});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let body = names(&["anthropic:claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"]);
    let answer = gateway.send(post(CHAT, &body).bearer(ANTHROPIC_KEY)).await;
    assert_eq!((first.requests().len(), second.requests().len()), (1, 0), "{}", answer.text());
    assert_eq!(answer.status, 500, "the only attempt's error: {}", answer.text());
    assert_eq!(first.requests()[0].header("authorization"), format!("Bearer {ANTHROPIC_KEY}"));
}

#[tokio::test]
async fn anthropic_clients_keep_their_header() {
    let mock = mock(Script::default()).await;
    let config =
        json!({"providers": [{"id": "anthropic", "base_url": format!("{}/anthropic/v1", mock.url())}]});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let body = merge(prompt(), json!({"model": "anthropic:claude-sonnet-4-5"}));
    let ask = || post("/v1/messages?beta=true", &body).header("anthropic-beta", "tools-2024-04-04");
    assert_eq!(gateway.send(ask().header("x-api-key", ANTHROPIC_KEY)).await.status, 200);
    assert_eq!(
        gateway
            .send(ask().bearer("sk-ant-oat01-token").header("anthropic-version", "2024-01-01"))
            .await
            .status,
        200
    );
    let requests = mock.requests();
    assert_eq!((requests[0].header("x-api-key"), requests[0].header("authorization")), (ANTHROPIC_KEY, ""));
    assert_eq!(requests[0].header("anthropic-version"), "2023-06-01", "the default");
    assert_eq!(
        (requests[1].header("x-api-key"), requests[1].header("authorization")),
        ("", "Bearer sk-ant-oat01-token")
    );
    assert_eq!(requests[1].header("anthropic-version"), "2024-01-01");
    assert_eq!(requests[0].header("anthropic-beta"), "tools-2024-04-04");
    assert_eq!(requests[0].path_and_query, "/anthropic/v1/messages?beta=true");
}

#[tokio::test]
async fn a_provider_of_ones_own_needs_no_key() {
    let mock = mock(Script::default()).await;
    let config = json!({"providers": [{"id": "ollama", "base_url": mock.url()}]});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let answer = gateway.send(post(CHAT, &merge(prompt(), json!({"model": "ollama:llama3.2:1b"})))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let requests = mock.requests();
    assert_eq!(
        (requests[0].path_and_query.as_str(), requests[0].key.as_deref()),
        ("/v1/chat/completions", None)
    );
    assert_eq!(requests[0].json()["model"], "llama3.2:1b");
}
