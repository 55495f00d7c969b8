//! Clouds: Azure's deployments, Bedrock's signed requests, Vertex's tokens.

use crate::support::{Gateway, ai_gateway, merge, mock, names, post, prompt, run};
use serde_json::{Value, json};
use tollgate_mock::{AWS_ACCESS_KEY, AWS_SECRET_KEY, GOOGLE_SERVICE_ACCOUNT, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

async fn with(provider: Value, mock: &MockServer) -> Gateway {
    let provider = merge(json!({"base_url": mock.url()}), provider);
    Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await
}

fn body(model: &str, stream: bool) -> Value {
    merge(merge(prompt(), names(&[model])), json!({"stream": stream}))
}

#[tokio::test]
async fn azure_has_the_deployment_in_the_path_and_its_own_header() {
    let mock = mock(Script::default()).await;
    let provider = json!({
        "id": "azure", "base_url": format!("{}/openai", mock.url()),
        "settings": {"api_version": "2024-10-21"}, "api_keys": [{"value": "azure-key-1234567890"}],
    });
    let gateway = with(provider, &mock).await;
    for stream in [false, true] {
        mock.clear_requests();
        let answer = gateway.send(post(CHAT, &body("azure:my-deployment", stream))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let [sent] = &mock.requests()[..] else { panic!("one request") };
        assert_eq!(
            sent.path_and_query,
            "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
        );
        assert_eq!(sent.header("api-key"), "azure-key-1234567890");
        assert_eq!(sent.header("authorization"), "");
    }
}

#[tokio::test]
async fn bedrock_is_asked_with_a_signature_and_answers_in_frames() {
    let mock = mock(Script::default()).await;
    let key = format!("{AWS_ACCESS_KEY}:{AWS_SECRET_KEY}");
    let provider = json!({
        "id": "bedrock", "settings": {"region": "eu-central-1"}, "api_keys": [{"value": key}],
    });
    let gateway = with(provider, &mock).await;
    let model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
    for (path, stream) in [(CHAT, false), (CHAT, true), ("/v1/messages", false), ("/v1/messages", true)] {
        mock.clear_requests();
        let answer = gateway.send(post(path, &body(&format!("bedrock:{model}"), stream))).await;
        assert_eq!(answer.status, 200, "{path} {stream}: {}", answer.text());
        assert!(answer.text().contains("Hello "), "{}", answer.text());
        let kind = if stream { "text/event-stream" } else { "application/json" };
        assert_eq!(answer.header("content-type"), kind);
        let [sent] = &mock.requests()[..] else { panic!("one request") };
        let operation = if stream { "converse-stream" } else { "converse" };
        let escaped = model.replace(':', "%3A");
        assert_eq!(sent.path_and_query, format!("/model/{escaped}/{operation}"));
        assert!(sent.header("authorization").contains("/eu-central-1/bedrock/aws4_request"));
        assert_eq!(sent.json()["messages"][0]["content"][0]["text"], "Say hello.");
        let line = gateway.log_of(&answer).await;
        assert!(line["input_tokens"].as_u64().is_some_and(|n| n > 0), "{line}");
    }
}

#[tokio::test]
async fn a_wrong_key_of_aws_is_said_without_being_shown() {
    let mock = mock(Script::default()).await;
    let key = format!("{AWS_ACCESS_KEY}:wrong-secret-0123456789");
    let provider =
        json!({"id": "bedrock", "settings": {"region": "us-east-1"}, "api_keys": [{"value": key}]});
    let gateway = with(provider, &mock).await;
    let answer = gateway.send(post(CHAT, &body("bedrock:m", false))).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("signature"), "{}", answer.text());
    assert!(!answer.text().contains("0123456789"), "{}", answer.text());
}

/// A malformed key of the gateway: the client learns that it is not its fault, the operator's log why.
#[tokio::test]
async fn a_stored_key_in_a_wrong_form_has_its_reason_in_the_log() {
    let mock = mock(Script::default()).await;
    let account = r#"{"type": "service_account", "client_email": "a@b", "private_key": "secret-0123456789"}"#;
    for (provider, model, key, reason) in [
        (
            json!({"id": "bedrock", "settings": {"region": "us-east-1"}}),
            "bedrock:m",
            "only-one-part-0123456789",
            "AWS credentials are written ACCESS_KEY_ID:SECRET_ACCESS_KEY",
        ),
        (
            json!({"id": "vertex", "base_url": format!("{}/v1/projects/p/locations/l/publishers/google", mock.url())}),
            "vertex:gemini-2.5-flash",
            account,
            "'private_key' is not a private RSA key in PEM",
        ),
    ] {
        let provider = merge(provider, json!({"api_keys": [{"value": key}]}));
        let gateway = with(provider, &mock).await;
        let answer = gateway.send(post(CHAT, &body(model, false))).await;
        let id = model.split(':').next().unwrap();
        assert_eq!((answer.status, answer.header("ngrok-error-code")), (400, "ERR_NGROK_3817"));
        let said =
            format!("API key required for provider {id}. The key that the gateway has for it cannot be used");
        assert!(answer.text().contains(&said), "{}", answer.text());
        assert!(!answer.text().contains(reason) && !answer.text().contains("strategy"), "{}", answer.text());
        gateway.err.find("the reason", |line| line.contains(reason).then_some(())).await;
        assert!(!gateway.written().contains("0123456789") && !answer.text().contains("0123456789"));
        let asked = body(model, false).to_string();
        for outcome in [&[][..], &["--outcome", &format!("{id}=ok")]] {
            let args = [&["explain", gateway.policy.to_str().unwrap(), "--body", &asked], outcome].concat();
            let told = run(&args).await;
            assert!(told.stdout.contains(reason), "{}", told.stdout);
            assert!(!told.stdout.contains("0123456789"), "{}", told.stdout);
        }
    }
    assert!(mock.requests().is_empty());
}

#[tokio::test]
async fn a_good_key_serves_behind_a_broken_one() {
    let mock = mock(Script::default()).await;
    let good = format!("{AWS_ACCESS_KEY}:{AWS_SECRET_KEY}");
    let provider = json!({
        "id": "bedrock", "settings": {"region": "us-east-1"},
        "api_keys": [{"value": "only-one-part-0123456789"}, {"value": good}],
    });
    let gateway = with(provider, &mock).await;
    let answer = gateway.send(post(CHAT, &body("bedrock:m", false))).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "1"), "{}", answer.text());
}

#[tokio::test]
async fn vertex_gets_a_token_for_the_key_and_keeps_it() {
    let mock = mock(Script::default()).await;
    let mut account: Value = serde_json::from_str(GOOGLE_SERVICE_ACCOUNT).unwrap();
    account["token_uri"] = format!("{}/token", mock.url()).into();
    let base = format!("{}/v1/projects/p/locations/europe-west4/publishers/google", mock.url());
    let provider = json!({
        "id": "vertex", "base_url": base, "api_keys": [{"value": account.to_string()}],
    });
    let gateway = with(provider, &mock).await;
    for (path, stream) in [
        (CHAT, false),
        (CHAT, true),
        ("/genai/v1beta/models/vertex:gemini-2.5-flash:generateContent", false),
        ("/genai/v1beta/models/vertex:gemini-2.5-flash:streamGenerateContent?alt=sse", true),
    ] {
        let own = json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]});
        let asked = if path == CHAT { body("vertex:gemini-2.5-flash", stream) } else { own };
        let answer = gateway.send(post(path, &asked)).await;
        assert_eq!(answer.status, 200, "{path} {stream}: {}", answer.text());
        assert!(answer.text().contains("Hello "), "{}", answer.text());
    }
    let requests = mock.requests();
    let tokens = requests.iter().filter(|request| request.path_and_query == "/token").count();
    assert_eq!((tokens, requests.len()), (1, 5), "one token serves four requests");
    let operations = ["generateContent", "streamGenerateContent?alt=sse"];
    for (at, request) in requests.iter().filter(|r| r.path_and_query != "/token").enumerate() {
        let path = "/v1/projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-flash";
        assert_eq!(request.path_and_query, format!("{path}:{}", operations[at % 2]));
        assert!(request.header("authorization").starts_with("Bearer "));
        assert!(!request.header("authorization").contains("PRIVATE KEY"));
    }
}

#[tokio::test]
async fn check_names_every_setting_that_is_missing_or_wrong_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("clouds.yml");
    let policy = "on_http_request:
  - type: ai-gateway
    config:
      providers:
        - id: vertex
        - id: azure
          settings:
            resuorce: me
        - id: bedrock
          settings: {}
";
    std::fs::write(&file, policy).unwrap();
    let exit = run(&["check", file.to_str().unwrap(), "--format", "json"]).await;
    assert_eq!(exit.code, Some(1), "{exit:?}");
    let said: Value = serde_json::from_str(&exit.stdout).unwrap();
    let said = said["diagnostics"].as_array().unwrap();
    for (line, message, help) in [
        (5, "needs the setting `project`", "{project: my-project, location: europe-west4}"),
        (5, "needs the setting `location`", "{project: my-project, location: europe-west4}"),
        (8, "`resuorce` is not a setting of `azure`", "api_version, host, resource"),
        (8, "needs the setting `resource`", "{resource: my-resource}"),
        (10, "needs the setting `region`", "{region: eu-central-1}"),
    ] {
        let fits = |one: &&Value| {
            one["line"] == line
                && one["message"].as_str().is_some_and(|text| text.contains(message))
                && one["help"].as_str().is_some_and(|text| text.contains(help))
        };
        assert!(said.iter().any(|one| fits(&one)), "{line}: {message}: {help} in {said:#?}");
    }
}

#[tokio::test]
async fn the_locations_of_vertex_that_are_no_region_have_their_own_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vertex.yml");
    for (location, host) in [
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ] {
        let provider = json!({"id": "vertex", "settings": {"project": "p", "location": location}});
        std::fs::write(&file, ai_gateway(json!({"providers": [provider]}))).unwrap();
        let body = r#"{"model": "vertex:gemini-2.5-flash", "messages": [{"role": "user", "content": "x"}]}"#;
        let key = "authorization: Bearer ya29.a-token-of-google";
        let exit = run(&["explain", file.to_str().unwrap(), "--json", "--body", body, "--header", key]).await;
        let told: Value = serde_json::from_str(&exit.stdout).unwrap();
        let url = format!(
            "https://{host}/v1/projects/p/locations/{location}/publishers/google/models/gemini-2.5-flash:generateContent"
        );
        assert_eq!(told["models_to_try"][0]["url"], url, "{told:#}");
    }
}
