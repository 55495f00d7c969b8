//! The models a client may ask for, and every operation with and without `/v1`.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{MockServer, Script, Surface};

async fn stage() -> (MockServer, Gateway) {
    let one = mock(Script::default()).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let models = json!({"models": [{"id": "my/model", "max_context_window": 5000}, {"id": "plain"}]});
    let config = json!({"only_allow_configured_providers": true, "providers": [merge(provider, models), anthropic(&one)]});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    (one, gateway)
}

#[tokio::test]
async fn every_operation_with_and_without_v1() {
    let (one, gateway) = stage().await;
    for (operation, surface, object) in [
        ("/chat/completions", Surface::ChatCompletions, "chat.completion"),
        ("/responses", Surface::Responses, "response"),
        ("/completions", Surface::Completions, "text_completion"),
        ("/embeddings", Surface::Embeddings, "list"),
        ("/messages", Surface::Messages, ""),
        ("/messages/count_tokens", Surface::CountTokens, ""),
    ] {
        for prefix in ["/v1", "", "/api/v1", "/openai/v1", "//v1", "/v1/v1"] {
            one.clear_requests();
            let path = format!("{prefix}{operation}?beta=true");
            let answer =
                gateway.send(post(&path, &merge(names(&["one:plain"]), json!({"input": "x"})))).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert_eq!(answer.json()["object"].as_str().unwrap_or(""), object, "{path}");
            let requests = one.requests();
            assert_eq!(
                (requests[0].surface, requests[0].path_and_query.as_str()),
                (surface, &*format!("/v1{operation}?beta=true"))
            );
        }
    }
}

#[tokio::test]
async fn count_tokens_and_token_arrays() {
    let (one, gateway) = stage().await;
    let body = merge(prompt(), json!({"model": "claude-sonnet-4-5"}));
    let answer = gateway.send(post("/v1/messages/count_tokens?beta=true", &body)).await;
    assert!(answer.json()["input_tokens"].as_u64().is_some_and(|n| n > 0), "{}", answer.text());
    assert_eq!(one.requests()[0].key.as_deref(), Some(ANTHROPIC_KEY));
    // Prompts as LangChain sends them: lists of token numbers.
    let body = json!({"model": "one:plain", "input": [[9906, 1917], [15339]], "encoding_format": "base64"});
    let answer = gateway.send(post("/v1/embeddings", &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(one.requests()[1].json(), merge(body, json!({"model": "plain"})));
    assert!(answer.json()["data"][0]["embedding"].is_string(), "base64 as asked for");
}

#[tokio::test]
async fn the_list_in_openais_shape() {
    let (one, gateway) = stage().await;
    for path in ["/v1/models", "/models", "/v1/models/"] {
        let answer = gateway.send(get(path).bearer("unused")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let list = answer.json();
        assert_eq!(list["object"], "list");
        let ids: Vec<&str> =
            list["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
        for id in [
            "my/model",
            "one:my/model",
            "plain",
            "one:plain",
            "claude-sonnet-4-5",
            "anthropic:claude-opus-4-8",
        ] {
            assert!(ids.contains(&id), "{id} is missing in {ids:?}");
        }
        assert!(
            !ids.iter().any(|id| id.starts_with("gpt-") || id.starts_with("openrouter:")),
            "only what is allowed: {ids:?}"
        );
        let model = list["data"].as_array().unwrap().iter().find(|m| m["id"] == "my/model").unwrap();
        assert_eq!((&model["object"], &model["context_length"]), (&json!("model"), &json!(5000)));
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    assert!(one.requests().is_empty(), "answered here");
}

#[tokio::test]
async fn the_list_in_anthropics_shape() {
    let (_one, gateway) = stage().await;
    let list = |path: &str| {
        gateway.send(get(path).header("x-api-key", "k").header("anthropic-version", "2023-06-01"))
    };
    let first = list("/v1/models?limit=2").await.json();
    let data = first["data"].as_array().unwrap();
    assert_eq!((data.len(), &first["has_more"]), (2, &json!(true)), "{first}");
    assert_eq!((&first["first_id"], &first["last_id"]), (&data[0]["id"], &data[1]["id"]));
    assert_eq!(data[0]["type"], "model");
    assert!(data[0]["display_name"].is_string() && data[0]["created_at"].is_string());
    let next =
        list(&format!("/v1/models?limit=1000&after_id={}", first["last_id"].as_str().unwrap())).await.json();
    assert_eq!(next["has_more"], false);
    let ids: Vec<&Value> = next["data"].as_array().unwrap().iter().map(|m| &m["id"]).collect();
    assert!(
        !ids.contains(&&data[0]["id"]) && ids.iter().any(|id| id.as_str().unwrap().starts_with("claude-")),
        "{ids:?}"
    );
}

#[tokio::test]
async fn one_model() {
    let (_one, gateway) = stage().await;
    for id in ["my/model", "one:my/model", "one%3Amy%2Fmodel", "PLAIN"] {
        let answer = gateway.send(get(&format!("/v1/models/{id}"))).await;
        assert_eq!(
            (answer.status, &answer.json()["object"]),
            (200, &json!("model")),
            "{id}: {}",
            answer.text()
        );
    }
    let answer = gateway.send(get("/v1/models/my/model").header("anthropic-version", "2023-06-01")).await;
    assert_eq!(answer.json()["type"], "model");
    let answer = gateway.send(get("/v1/models/nothing")).await;
    assert_eq!((answer.status, answer.code()), (404, "3804"), "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "ERR_NGROK_3804");
    let answer = gateway.send(get("/v1/models/nothing").header("anthropic-version", "2023-06-01")).await;
    answer.assert_anthropic_error(404, "3804");
    let head = gateway.send(get("/v1/models").method("HEAD")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}
