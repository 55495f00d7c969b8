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

/// Every provider on one mock; the paths in `failing` answer 503.
async fn stage(failing: &str) -> (MockServer, Value) {
    let mock = mock(Script::default().rule(tollgate_mock::Rule {
        path: Some(failing.into()),
        answers: vec![tollgate_mock::Behaviour::status(503)],
        ..Default::default()
    }))
    .await;
    let config = everything(&mock);
    (mock, config)
}

const FILE: &str = "\
model_aliases:
  - {pattern: '^gpt-(.*)', replacement: \"openrouter:openai/gpt-\\\\1\"}
  - {pattern: '^fast$', replacement: 'openai:gpt-4o-mini|openrouter:openai/gpt-4o-mini'}
";

#[tokio::test]
async fn aliases_come_from_flags_environment_and_file() {
    let (mock, config) = stage("/none").await;
    let policy = ai_gateway(config.clone());
    let served = async |builder: Builder, name: &str| {
        mock.clear_requests();
        let gateway = builder.start().await;
        let answer = gateway.send(post(CHAT, &names(&[name]))).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        (answer.header("x-tollgate-model").to_owned(), mock.requests()[0].json())
    };
    let env = r#"[{"pattern": "^gpt-(?P<rest>.*)", "replacement": "google:\\g<rest>"}]"#;
    let file = || Gateway::builder(&policy).config(FILE);
    let (model, body) = served(file(), "gpt-4o?temperature=0.3").await;
    assert_eq!(model, "openrouter:openai/gpt-4o");
    assert_eq!((&body["model"], &body["temperature"]), (&json!("openai/gpt-4o"), &json!(0.3)));
    let (model, _) = served(file().env("TOLLGATE_MODEL_ALIASES", env), "gpt-4o").await;
    assert_eq!(model, "google:4o");
    let flags = file().env("TOLLGATE_MODEL_ALIASES", env).args(&["--model-alias", "^gpt-=groq:x/y"]);
    let (model, _) = served(flags, "gpt-4o").await;
    assert_eq!(model, "groq:x/y");
    let own = merge(config, json!({"model_aliases": [{"pattern": "^gpt", "replacement": "hyperbolic:z"}]}));
    let (model, _) = served(Gateway::builder(&ai_gateway(own)).config(FILE), "gpt-4o").await;
    assert_eq!(model, "hyperbolic:z");
}

#[tokio::test]
async fn lists_of_names_fail_over() {
    let (mock, config) = stage("/openai/*").await;
    let policy = ai_gateway(config);
    let gateway = Gateway::builder(&policy)
        .config(FILE)
        .args(&["--default-backend", "openai:gpt-4o|openrouter:openai/gpt-4o?temperature=0"])
        .start()
        .await;
    for (body, tried) in [
        (names(&["fast"]), ["gpt-4o-mini", "openai/gpt-4o-mini"]),
        (names(&["openai:o3|google:gemini-2.5-pro"]), ["o3", "gemini-2.5-pro"]),
        (json!({"messages": []}), ["gpt-4o", "openai/gpt-4o"]),
        (names(&["acme/new"]), ["acme/new", "acme/new"]),
    ] {
        mock.clear_requests();
        let answer = gateway.send(post(CHAT, &body)).await;
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
        let sent: Vec<Value> =
            mock.requests().iter().map(|request| request.json()["model"].clone()).collect();
        assert_eq!(sent, tried, "{body}");
    }
    let refused = gateway.send(post(CHAT, &names(&["openai:o3^google:x"]))).await;
    refused.assert_openai_error(422, "3804");
    assert!(refused.text().contains("ai.models.randomize()"), "{}", refused.text());
}

#[tokio::test]
async fn parameters_behind_a_name_reach_the_provider() {
    let (mock, config) = stage("/none").await;
    let policy = ai_gateway(merge(config.clone(), json!({"body": {"top_p": 0.1}})));
    let gateway = Gateway::start(&policy).await;
    let mut body = names(&["openrouter:a/b?temperature=0.7&top_p=0.9&top_k=1&top_k=40&foo=1&verbosity=none"]);
    body["temperature"] = json!(0.2);
    let answer = gateway.send(post(CHAT, &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.requests()[0].json();
    assert_eq!(
        (&sent["model"], &sent["temperature"], &sent["top_p"], &sent["top_k"]),
        (&json!("a/b"), &json!(0.7), &json!(0.1), &json!(40))
    );
    assert!(sent.get("foo").is_none() && sent.get("verbosity").is_none(), "{sent}");
    let warned = |name: &str| {
        let name = format!("\"{name}\"");
        move |line: &str| (line.contains(&name) && line.contains("behind a model's name")).then_some(())
    };
    gateway.err.find("a warning about foo", warned("foo")).await;
    gateway.err.find("a warning about verbosity", warned("verbosity")).await;
    let strict = merge(config, json!({"uri_params": {"on_invalid": "reject"}}));
    let gateway = Gateway::start(&ai_gateway(strict)).await;
    let answer = gateway.send(post(CHAT, &names(&["openrouter:a/b?temperature=9"]))).await;
    answer.assert_openai_error(400, "3801");
    assert!(answer.text().contains("temperature"), "{}", answer.text());
}

#[tokio::test]
async fn a_route_replaces_everything() {
    let (mock, config) = stage("/none").await;
    let policy = ai_gateway(config);
    let body = merge(names(&["anthropic:claude-opus-4-1", "fast"]), json!({"temperature": 1}));
    let file = format!("{FILE}backends: {{static_route: 'openrouter:x/y?temperature=0.1'}}\n");
    for builder in [
        Gateway::builder(&policy).config(&file).args(&["--force-model", "groq:z"]),
        Gateway::builder(&policy).args(&["--static-route", "openrouter:x/y?temperature=0.1"]),
        Gateway::builder(&policy).env("TOLLGATE_STATIC_ROUTE", "openrouter:x/y?temperature=0.1"),
    ] {
        mock.clear_requests();
        let gateway = builder.start().await;
        let answer = gateway.send(post(CHAT, &body)).await;
        assert_eq!(answer.header("x-tollgate-model"), "openrouter:x/y", "{}", answer.text());
        assert_eq!(answer.header("x-tollgate-override"), "static-route");
        assert_eq!(mock.requests()[0].json()["temperature"], 0.1);
        let asked = gateway.log_of(&answer).await["model_asked"].as_str().unwrap_or("").to_owned();
        assert!(asked.starts_with("anthropic:claude-opus-4-1"), "{asked}");
    }
    let gateway = Gateway::builder(&policy)
        .args(&["--default-backend", "openrouter", "--force-model", "anthropic/claude-3-5-sonnet"])
        .start()
        .await;
    let answer = gateway.send(post(CHAT, &body)).await;
    assert_eq!(answer.header("x-tollgate-model"), "openrouter:anthropic/claude-3-5-sonnet");
    assert_eq!(answer.header("x-tollgate-override"), "force-model");
}

/// Without a policy: who names a backend and has its key in the environment has it used, in place of the client's.
#[tokio::test]
async fn a_named_backend_is_asked_with_the_gateways_key() {
    // What Google stores nobody else can read: the keys are looked up, and nothing is sent.
    let body = json!({"contents": [{"parts": [{"text": "x"}]}], "cachedContent": "cachedContents/1"});
    let path = "/v1beta/models/openrouter:x:generateContent";
    for (args, keyed) in [
        (&["--default-backend", "openrouter"][..], true),
        (&["--static-route", "openrouter:x/y"], true),
        (&["--force-model", "openrouter:x/y"], true),
        (&["--default-backend", "cerebras"], false),
        (&[], false),
    ] {
        let gateway = Gateway::builder("").without_policy().args(args).start().await;
        let started = gateway.out.text();
        assert_eq!(started.contains("with the gateway's key for openrouter"), keyed, "{started}");
        let sent =
            gateway.send(post(path, &body).header("x-goog-api-key", "sk-or-v1-clients-0123456789")).await;
        assert_eq!(sent.status, 422, "{}", sent.text());
        let status = gateway.status().await;
        let shown = status["providers"].as_array().unwrap().iter().find(|one| one["id"] == "openrouter");
        let key = shown.and_then(|shown| shown["keys"][0]["key"].as_str()).unwrap_or("");
        assert_eq!(key.ends_with("2222"), keyed, "{args:?}: {status:#}");
    }
}

#[tokio::test]
async fn what_cannot_hold_stops_the_start() {
    let mock = mock(Script::default()).await;
    let policy = ai_gateway(everything(&mock));
    let start = async |builder: Builder| builder.try_start().await.err().map(|exit| (exit.code, exit.stderr));
    for (args, code, why) in [
        (["--static-route", "gpt-4o"], 2, "write backend:model"),
        (["--static-route", "opnerouter:x"], 1, "did you mean `openrouter`?"),
        (["--default-backend", "openrouter|nobody:x"], 1, "there is no provider `nobody`"),
        (["--force-model", "nobody:x"], 1, "there is no provider `nobody`"),
        (["--default-backend", "a:x^b:y"], 2, "a draw by weight"),
        (["--model-alias", "(=x"], 2, "--model-alias: model_aliases[0].pattern is no regular expression"),
        (["--identity-title", "größe"], 2, "--identity-title"),
    ] {
        let (exit, said) = start(Gateway::builder(&policy).args(&args)).await.expect("no start");
        assert!(exit == Some(code) && said.contains(why), "{args:?}: {exit:?} {said}");
    }
    let aliases = Gateway::builder(&policy).env("TOLLGATE_MODEL_ALIASES", "[{");
    assert!(
        start(aliases).await.is_some_and(|(_, said)| said.contains("TOLLGATE_MODEL_ALIASES: no JSON list"))
    );
    let file = Gateway::builder(&policy).config("model_aliases: [{pattern: '^(?!a)', replacement: b}]\n");
    let (_, said) = start(file).await.expect("look-around");
    assert!(said.contains("`model_aliases[0].pattern`") && said.contains("linear time"), "{said}");
    // A provider of the policy's own is one.
    assert_eq!(start(Gateway::builder(&policy).args(&["--static-route", "mine:my-model"])).await, None);
}

#[tokio::test]
async fn identity_is_told_to_providers() {
    let (mock, config) = stage("/none").await;
    let policy = ai_gateway(config.clone());
    let sent = async |builder: Builder, headers: &[(&str, &str)], model: &str| {
        mock.clear_requests();
        let gateway = builder.start().await;
        let ask = headers.iter().fold(post(CHAT, &names(&[model])), |ask, (n, v)| ask.header(n, v));
        let answer = gateway.send(ask).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let request = mock.requests()[0].clone();
        ["user-agent", "http-referer", "x-title", "x-openrouter-title"]
            .map(|name| request.header(name).to_owned())
    };
    let file = "identity:\n  user_agent: {mode: override, override_value: MyApp/1.0.0}\n  \
                title: {default_value: Mine}\n  url: {mode: default, default_value: 'https://mine.example'}\n";
    let client = [("user-agent", "c/1"), ("x-title", "Theirs"), ("http-referer", "https://theirs.example")];
    let base = || Gateway::builder(&policy);
    let openrouter = "openrouter:a/b";
    assert_eq!(sent(base(), &client, "openai:gpt-4o").await, ["c/1", "https://theirs.example", "Theirs", ""]);
    assert_eq!(sent(base(), &client, openrouter).await[2..], ["Theirs", "Theirs"]);
    assert_eq!(
        sent(base().config(file), &client, openrouter).await,
        ["MyApp/1.0.0", "https://mine.example", "Theirs", "Theirs"]
    );
    assert_eq!(sent(base().config(file), &[], openrouter).await[2..], ["Mine", "Mine"]);
    let env = base().config(file).env("TOLLGATE_APP_TITLE", "Env").env("TOLLGATE_APP_USER_AGENT", "env/1");
    let flag = env.args(&["--identity-title", "Flag"]);
    assert_eq!(sent(flag, &client, "openai:gpt-4o").await, ["env/1", "https://mine.example", "Flag", ""]);
    let own = merge(config, json!({"identity": {"title": {"mode": "override", "override_value": "Policy"}}}));
    let builder = Gateway::builder(&ai_gateway(own)).config(file);
    assert_eq!(
        sent(builder, &client, openrouter).await,
        ["MyApp/1.0.0", "https://mine.example", "Policy", "Policy"]
    );
}

#[tokio::test]
async fn explain_shows_what_became_of_names() {
    let (mock, config) = stage("/none").await;
    let gateway = Gateway::builder(&ai_gateway(config)).config(FILE).start().await;
    let folder = gateway.policy.parent().unwrap();
    let config = folder.join("tollgate.yml");
    let body = names(&["fast?temperature=9&top_k=2"]).to_string();
    let base =
        ["explain", gateway.policy.to_str().unwrap(), "--config", config.to_str().unwrap(), "--body", &body];
    let told = run(&[&base[..], &["--json"]].concat()).await;
    let json: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|e| panic!("{e}: {told:?}"));
    let first = &json["client"]["names"][0];
    assert_eq!(
        (&first["name"], &first["becomes"], &first["alias"]["index"]),
        (&json!("fast?temperature=9&top_k=2"), &json!("openai:gpt-4o-mini"), &json!(1)),
        "{json:#}"
    );
    assert_eq!(
        (&first["params"], &first["ignored_params"][0]["name"]),
        (&json!({"top_k": 2}), &json!("temperature"))
    );
    assert_eq!(json["client"]["names"][1]["becomes"], "openrouter:openai/gpt-4o-mini");
    assert_eq!(json["models_to_try"][1]["params"], json!({"top_k": 2}));
    let people = run(&base).await.stdout;
    for part in ["read as", "model_aliases[1] ^fast$", "top_k=2", "temperature must be a number from 0 to 2"]
    {
        assert!(people.contains(part), "{part}: {people}");
    }
    let forced = run(&[&base[..], &["--static-route", "openrouter:x/y"]].concat()).await.stdout;
    assert!(forced.contains("static-route") && forced.contains("x/y"), "{forced}");
    assert!(mock.requests().is_empty());
}
