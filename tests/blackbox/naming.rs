//! What becomes of a model name.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

/// Every provider the names below need, all on one mock, told apart by their paths.
fn everything(mock: &MockServer) -> Value {
    let at = |id: &str, path: &str| json!({"id": id, "base_url": format!("{}/{path}", mock.url()), "api_keys": [{"value": "k"}]});
    json!({"providers": [
        at("openai", "openai/v1"), at("anthropic", "anthropic/v1"), at("openrouter", "openrouter/api/v1"),
        at("google", "google/v1beta/openai"), at("groq", "groq/openai/v1"), at("hyperbolic", "hyperbolic/v1"),
        at("ollama", "ollama/v1"), at("inference-net", "inference/v1"),
        merge(at("my-provider", "mine/v1"), json!({"id_aliases": ["mine"], "models": [{"id": "my-model", "id_aliases": ["pet name"]}]})),
    ]})
}

#[tokio::test]
async fn names_that_are_models() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(everything(&mock))).await;
    for (name, path, sent) in [
        ("gpt-4o", "/openai/v1", "gpt-4o"),
        ("GPT-4o", "/openai/v1", "gpt-4o"),
        (" gpt-4o ", "/openai/v1", "gpt-4o"),
        ("openai:gpt-4o", "/openai/v1", "gpt-4o"),
        ("OpenAI:GPT-4O", "/openai/v1", "gpt-4o"),
        ("openai:gpt-5-preview", "/openai/v1", "gpt-5-preview"),
        ("openai:My-Own-Case", "/openai/v1", "My-Own-Case"),
        ("gpt-5-mini-2025-08-07", "/openai/v1", "gpt-5-mini-2025-08-07"),
        ("my-provider:my-model", "/mine/v1", "my-model"),
        ("mine:my-model", "/mine/v1", "my-model"),
        ("my-model", "/mine/v1", "my-model"),
        ("Pet Name", "/mine/v1", "my-model"),
        ("openrouter:anthropic/claude-3.5-sonnet", "/openrouter/api/v1", "anthropic/claude-3.5-sonnet"),
        ("openrouter:meta-llama/llama-4-scout:free", "/openrouter/api/v1", "meta-llama/llama-4-scout:free"),
        ("openrouter:openrouter/auto", "/openrouter/api/v1", "openrouter/auto"),
        ("openrouter:x?temperature=0.7", "/openrouter/api/v1", "x"),
        ("ollama:llama3.2:1b", "/ollama/v1", "llama3.2:1b"),
        (
            "inference-net:meta-llama/llama-3.1-8b-instruct/fp-8",
            "/inference/v1",
            "meta-llama/llama-3.1-8b-instruct/fp-8",
        ),
        (
            "hyperbolic:meta-llama/Llama-3.3-70B-Instruct",
            "/hyperbolic/v1",
            "meta-llama/Llama-3.3-70B-Instruct",
        ),
        ("claude-3.5-sonnet", "/anthropic/v1", "claude-3-5-sonnet-20241022"),
        ("anthropic:claude-3-5-sonnet-latest", "/anthropic/v1", "claude-3-5-sonnet-latest"),
        ("gemini:gemini-2.0-flash", "/google/v1beta/openai", "gemini-2.0-flash"),
    ] {
        mock.clear_requests();
        let answer = gateway.send(post(CHAT, &names(&[name]))).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let requests = mock.requests();
        assert_eq!(requests[0].path_and_query, format!("{path}/chat/completions"), "{name}");
        assert_eq!(requests[0].json()["model"], sent, "{name}");
    }
}

#[tokio::test]
async fn names_that_are_not() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(everything(&mock))).await;
    for (name, hint) in [
        ("anthropic/claude-3.5-sonnet", "openrouter:"),
        ("openai/gpt-4o", "openai:gpt-4o"),
        ("foo:bar", "provider"),
        ("openrouterr:a/b", "openrouter"),
        ("gpt-4oo", "gpt-4o"),
        (":gpt-4o", ""),
        ("openai:", ""),
    ] {
        let answer = gateway.send(post(CHAT, &names(&[name]))).await;
        answer.assert_openai_error(422, "3804");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(name) && message.contains(hint), "{name}: {message}");
    }
    assert!(mock.requests().is_empty());
    // One good name among bad ones is enough.
    let answer = gateway.send(post(CHAT, &names(&["foo:bar", "gpt-4o"]))).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn one_name_at_two_providers_is_two_candidates() {
    let mock = mock(Script::default().rule(tollgate_mock::Rule {
        path: Some("/west/*".into()),
        answers: vec![tollgate_mock::Behaviour::status(500)],
        ..Default::default()
    }))
    .await;
    let region = |id: &str, path: &str| {
        let base = format!("{}/{path}/openai/deployments/gpt?api-version=2024-06-01", mock.url());
        merge(custom(id, &base, &["k"]), json!({"models": [{"id": "gpt-x"}], "auth": "api-key"}))
    };
    let config = json!({"providers": [region("azure-west", "west"), region("azure-east", "east")], "query_params": {"extra": "1"}});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let answer = gateway.send(post("/v1/chat/completions?api-version=1&mine=2", &names(&["gpt-x"]))).await;
    assert_eq!((answer.status, answer.header("x-tollgate-model")), (200, "azure-east:gpt-x"));
    let requests = mock.requests();
    let (path, query) = requests[1].path_and_query.split_once('?').unwrap();
    assert_eq!(path, "/east/openai/deployments/gpt/chat/completions");
    let mut query: Vec<&str> = query.split('&').collect();
    query.sort_unstable();
    assert_eq!(query, ["api-version=2024-06-01", "extra=1", "mine=2"]);
    assert_eq!((requests[1].header("api-key"), requests[1].header("authorization")), ("k", ""));
}

#[tokio::test]
async fn names_from_the_command_line() {
    let mock = mock(Script::default()).await;
    let policy = ai_gateway(everything(&mock));
    let gateway = Gateway::builder(&policy).args(&["--default-backend", "openrouter"]).start().await;
    let answer = gateway.send(post(CHAT, &names(&["anthropic/claude-3.5-sonnet"]))).await;
    assert_eq!(
        answer.header("x-tollgate-model"),
        "openrouter:anthropic/claude-3.5-sonnet",
        "{}",
        answer.text()
    );
    let gateway = Gateway::builder(&policy).args(&["--force-model", "openai:gpt-4o"]).start().await;
    let answer = gateway.send(post(CHAT, &names(&["anthropic:claude-3.5-sonnet"]))).await;
    assert_eq!(answer.header("x-tollgate-model"), "openai:gpt-4o", "{}", answer.text());
}

#[tokio::test]
async fn without_translation_messages_find_only_providers_of_their_format() {
    let mock = mock(Script::default()).await;
    let policy = merge(everything(&mock), json!({"translation": "never"}));
    let gateway = Gateway::start(&ai_gateway(policy)).await;
    let answer = gateway.send(post("/v1/messages", &names(&["openai:gpt-4o"]))).await;
    answer.assert_anthropic_error(422, "3813");
    for name in ["claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"] {
        let answer = gateway.send(post("/v1/messages", &names(&[name]))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
