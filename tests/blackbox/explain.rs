//! What `explain` says is what is sent.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, MockServer, Script};

/// Runs the same request both ways, with every provider failing, and compares provider, model, URL and order.
async fn agree(mock: &MockServer, policy: &str, path: &str, headers: &[(&str, &str)], body: Value) {
    mock.clear_requests();
    let gateway = Gateway::start(policy).await;
    let mut ask = post(path, &body);
    for (name, value) in headers {
        ask = ask.header(name, value);
    }
    let answer = gateway.send(ask).await;
    let text = body.to_string();
    let headers: Vec<String> = headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    let mut args =
        vec!["explain", gateway.policy.to_str().unwrap(), "--json", "--path", path, "--body", &text];
    for header in &headers {
        args.extend(["--header", header]);
    }
    let explained = run(&args).await;
    let told: Value =
        serde_json::from_str(&explained.stdout).unwrap_or_else(|e| panic!("{e}: {explained:?}"));
    let case = format!("{policy}\n{path} {text}\n{told:#}\n{}", answer.text());

    let sent: Vec<(String, Value)> = mock
        .requests()
        .into_iter()
        .map(|r| (format!("{}{}", mock.url(), r.path_and_query), r.json()))
        .collect();
    let empty = Vec::new();
    // With 500 for an answer, every key of every candidate that is not skipped is tried.
    let planned =
        told["models_to_try"].as_array().unwrap_or(&empty).iter().filter(|p| p["skipped"].is_null());
    let keys = |p: &Value| p["keys"].as_array().map_or(1, |keys| keys.len().max(1));
    let planned: Vec<&Value> = planned.flat_map(|p| vec![p; keys(p)]).collect();
    let expected: Vec<(&str, &str)> =
        planned.iter().map(|p| (p["url"].as_str().unwrap(), p["model"].as_str().unwrap())).collect();
    let seen: Vec<(&str, &str)> =
        sent.iter().map(|(url, body)| (url.as_str(), body["model"].as_str().unwrap_or(""))).collect();
    assert_eq!(seen, expected, "{case}");
    for (plan, (_, sent)) in planned.iter().zip(&sent) {
        let dropped = plan["dropped_params"].as_array().unwrap_or(&empty);
        for name in body.as_object().unwrap().keys().filter(|k| !matches!(k.as_str(), "models" | "model")) {
            assert_eq!(sent.get(name).is_none(), dropped.contains(&json!(name)), "{name}: {case}");
        }
    }
    match told["error"].as_object() {
        Some(error) => {
            assert_eq!(error["code"], answer.header("ngrok-error-code"), "{case}");
            assert_eq!(error["status"], answer.status, "{case}");
            assert_eq!(explained.code, Some(1), "{case}");
        }
        None => assert!(explained.code == Some(0) && !sent.is_empty(), "{case}"),
    }
}

fn providers(mock: &MockServer) -> Value {
    let at = |id: &str, path: &str, keys: &[&str]| custom(id, &format!("{}/{path}", mock.url()), keys);
    json!([
        anthropic(mock),
        openrouter(mock),
        openai(mock),
        merge(
            at("mine", "mine/v1?version=3", &["k1-aaaaaaaaaaaaaaaaaaaaaa", "k2-bbbbbbbbbbbbbbbbbbbbbb"]),
            json!({
                "id_aliases": ["my"],
                "models": [
                    {"id": "big", "id_aliases": ["large"], "pricing": {"input": 9}, "metadata": {"tier": "gold"}},
                    {"id": "small", "pricing": {"input": 1}, "unsupported_params": [{"name": "top_k"}]},
                    {"id": "gpt-4o", "pricing": {"input": 2}},
                ],
            })
        ),
        merge(
            at("other", "other", &["k3-cccccccccccccccccccccc"]),
            json!({
                "models": [{"id": "small", "pricing": {"input": 2}}],
                "supported_api_surfaces": [{"format": "openai", "surface": "chat-completions", "supported_params": ["messages", "temperature"]}, {"format": "openai"}],
            })
        ),
    ])
}

const CHAT: &str = "/v1/chat/completions";

/// Every provider fails, so that the whole plan is carried out.
async fn stage() -> (MockServer, Value) {
    let mock = mock(Script::always(Behaviour::status(500))).await;
    let config = json!({"providers": providers(&mock), "only_allow_configured_providers": true});
    (mock, config)
}

fn asked(value: Value) -> Value {
    merge(json!({"messages": [], "temperature": 1, "top_k": 3}), value)
}

#[tokio::test]
async fn names_and_paths() {
    let (mock, config) = stage().await;
    let policy = ai_gateway(config);
    for (path, body) in [
        (CHAT, json!({"model": "small"})),
        (CHAT, json!({"model": "gpt-4o"})),
        (CHAT, json!({"models": ["large", "my:SMALL", "openrouter:a/b:free"]})),
        ("/chat/completions", json!({"model": "anthropic:claude-3.5-sonnet", "models": ["openai:new"]})),
        ("/v1/messages?beta=true", json!({"models": ["claude-sonnet-4-5", "mine:x", "openrouter:y"]})),
        ("/v1/embeddings", json!({"models": ["other:small", "text-embedding-3-small"], "input": "x"})),
        (CHAT, json!({"model": "anthropic/claude-3.5-sonnet"})),
        ("/v1/messages", json!({"model": "openrouter:a/b"})),
        (CHAT, json!({"model": 5})),
    ] {
        agree(&mock, &policy, path, &[], asked(body)).await;
    }
}

#[tokio::test]
async fn strategies() {
    let (mock, config) = stage().await;
    for (strategy, body) in [
        (
            json!(["ai.models.filter(m, m.metadata.tier == 'gold')", "ai.models.onlyProviders(['other'])"]),
            json!({}),
        ),
        (
            json!(["ai.models.onlyProviders(['mine', 'other']).sortBy('price')"]),
            json!({"model": "ngrok/auto"}),
        ),
        (json!(["ai.models.onlyProviders(['mine'])"]), json!({"model": "openai:gpt-4o"})),
        (json!(["ai.models[100000]"]), json!({})),
        (
            json!([{"expr": "ai.models.onlyProviders(['mine'])", "on_failure": "stop"}, "ai.models"]),
            json!({"model": "small"}),
        ),
    ] {
        let more = json!({"model_selection": {"strategy": strategy}});
        agree(&mock, &ai_gateway(merge(config.clone(), more)), CHAT, &[], asked(body)).await;
    }
    let strategy = ["ai.models.onlyProviders(['other'])", "ai.models"];
    let selection = json!({"order": "strategy", "fallthrough": "first_match", "strategy": strategy});
    let policy = ai_gateway(merge(config, json!({"model_selection": selection})));
    agree(&mock, &policy, CHAT, &[], asked(json!({"models": ["mine:small", "other:small"]}))).await;
}

#[tokio::test]
async fn other_fields() {
    let (mock, config) = stage().await;
    for (more, body) in [
        (json!({"provider_order": "alphabetical"}), json!({"model": "gpt-4o"})),
        (
            json!({"only_allow_configured_models": true}),
            json!({"models": ["big", "openai:gpt-4o", "other:zzz"]}),
        ),
        (json!({"api_key_selection": {"strategy": "[ai.keys[1]]"}}), json!({"model": "mine:big"})),
        (json!({"query_params": {"q": "${1 + 1}"}, "body": {"seed": 1}}), json!({"models": ["big"]})),
    ] {
        let policy = ai_gateway(merge(config.clone(), more));
        agree(&mock, &policy, CHAT, &[("x-api-key", "unused")], asked(body)).await;
    }
}

#[tokio::test]
async fn refusals_of_rules_are_told() {
    let mock = mock(Script::default()).await;
    let action = json!({"type": "ai-gateway", "config": {"providers": providers(&mock)}});
    let policy = json!({"on_http_request": [
        {"expressions": ["req.headers['x-token'][0] != 'good'"], "actions": [{"type": "custom-response", "config": {"status_code": 401, "body": "no"}}]},
        action,
    ]});
    let gateway = Gateway::start(&policy.to_string()).await;
    let file = gateway.policy.to_str().unwrap();
    let refused = run(&["explain", file, "--json", "--body", "{\"model\":\"big\"}"]).await;
    let told: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(
        (&told["action"], &told["status"], refused.code),
        (&json!("custom-response"), &json!(401), Some(1)),
        "{told}"
    );
    assert_eq!(gateway.send(post("/v1/chat/completions", &names(&["big"]))).await.status, 401);
    let passed =
        run(&["explain", file, "--json", "--body", "{\"model\":\"big\"}", "--header", "x-token: good"]).await;
    let told: Value = serde_json::from_str(&passed.stdout).unwrap();
    assert_eq!((&told["action"], passed.code), (&json!("ai-gateway"), Some(0)), "{told}");
    assert_eq!(told["models_to_try"][0]["model"], "big");
    assert!(mock.requests().is_empty(), "explain sends nothing");
}

#[tokio::test]
async fn scripted_outcomes_are_attempted() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&two_tiers(&mock, &mock, json!({}))).await;
    let file = gateway.policy.to_str().unwrap();
    let body = names(&["anthropic:claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"]).to_string();
    let told = run(&["explain", file, "--json", "--body", &body, "--outcome", "anthropic=503"]).await;
    let json: Value = serde_json::from_str(&told.stdout).unwrap();
    let attempts = json["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{json}");
    assert_eq!((&attempts[0]["provider"], &attempts[0]["outcome"]), (&json!("anthropic"), &json!("503")));
    assert_eq!((&attempts[1]["provider"], &attempts[1]["outcome"]), (&json!("openrouter"), &json!("ok")));
    let people = run(&["explain", file, "--body", &body, "--outcome", "anthropic=503"]).await;
    assert!(
        people.stdout.contains("claude-3-5-sonnet-20241022") && people.stdout.contains("503"),
        "{}",
        people.stdout
    );
    for output in [&told.stdout, &people.stdout] {
        assert!(!output.contains(ANTHROPIC_KEY) && !output.contains(OPENROUTER_KEY), "keys are trimmed");
    }
}

const MINE: &str = "identity.url, flag, environment or configuration file";

/// A policy that does something to names, identity and bodies, and what the same request is told to get, in both forms.
async fn told_of_everything(mock: &MockServer) -> (Gateway, Value, Value, String) {
    let config = json!({
        "providers": [
            merge(anthropic(mock), json!({"supported_api_surfaces": [{"format": "anthropic"}]})),
            openrouter(mock),
        ],
        "default_backend": "openrouter",
        "identity": {"user_agent": {"mode": "override", "override_value": "MyApp/1.0.0"}},
        "headers": {"x-title": "Last"},
    });
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let body = json!({
        "models": ["some/new-model", "anthropic:claude-sonnet-4-5"], "logit_bias": {"1": 1},
        "messages": [{"role": "user", "content": "x"}],
    });
    let (file, text) = (gateway.policy.to_str().unwrap(), body.to_string());
    let client = ["-H", "user-agent: c/1", "-H", "http-referer: https://c.example"];
    let args =
        [&["explain", file, "--body", &text, "--identity-url", "https://mine.example"], &client[..]].concat();
    let json = run(&[&args[..], &["--json"]].concat()).await.stdout;
    let page = run(&args).await.stdout;
    (gateway, body, serde_json::from_str(&json).unwrap(), page)
}

/// Everything that is done to a request is on the page for people too.
#[tokio::test]
async fn the_page_tells_of_backends_identity_and_translation() {
    let mock = mock(Script::default()).await;
    let (gateway, body, told, page) = told_of_everything(&mock).await;
    let name = &told["client"]["names"][0];
    assert_eq!(
        (&name["becomes"], &name["by"]),
        (&json!("openrouter:some/new-model"), &json!("default-backend"))
    );
    assert_eq!(told["client"]["names"][1]["by"], Value::Null, "{told:#}");
    let [first, second] = told["models_to_try"].as_array().unwrap().as_slice() else {
        panic!("two: {told:#}")
    };
    for candidate in [first, second] {
        for (header, value, from) in [
            ("user-agent", "MyApp/1.0.0", "identity.user_agent, the policy"),
            ("http-referer", "https://mine.example", MINE),
            ("x-title", "Last", "headers of the policy"),
        ] {
            let expected = json!({"header": header, "value": value, "from": from});
            assert!(candidate["identity"].as_array().unwrap().contains(&expected), "{candidate:#}");
        }
    }
    assert_eq!((&first["translated"], &second["translated"]), (&json!(false), &json!(true)));
    for words in [
        "openrouter:some/new-model",
        "default-backend",
        "messages, translated from chat-completions",
        "logit_bias",
        "MyApp/1.0.0",
        "identity.user_agent, the policy",
        MINE,
    ] {
        assert!(page.contains(words), "{words} is missing in\n{page}");
    }
    // What it tells is what is sent.
    assert_eq!(gateway.send(post(CHAT, &body).header("user-agent", "c/1")).await.status, 200);
    let sent = mock.requests()[0].clone();
    assert_eq!((sent.header("user-agent"), sent.header("x-title")), ("MyApp/1.0.0", "Last"));
}

#[tokio::test]
async fn a_model_nobody_knows_is_told_with_near_ones() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plain.yml");
    std::fs::write(&file, "on_http_request:\n  - type: ai-gateway\n").unwrap();
    for (model, near) in [
        ("gpt-4oo", "gpt-4o"),
        ("opnai:gpt-4o", "openai:gpt-4o"),
        ("anthropic/claude-sonnet-4.5", "openrouter:anthropic/claude-sonnet-4.5"),
    ] {
        let body = json!({"model": model}).to_string();
        let page = run(&["explain", file.to_str().unwrap(), "--body", &body]).await;
        assert_eq!(page.code, Some(1), "{page:?}");
        assert!(
            page.stdout.contains("did you mean") && page.stdout.contains(&format!("`{near}`")),
            "{}",
            page.stdout
        );
    }
}
