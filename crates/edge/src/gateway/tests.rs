//! The gateway without a network: real rules, plan and attempt loop over scripted providers.

use crate::dry::ScriptedOutcome;
use crate::engine::Engine;
use crate::explain::{DryRequest, Explanation, explain};
use crate::testing::{engine, shared};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value as Json, json};

const FAILOVER: &str = "
on_http_request:
  - type: ai-gateway
    config:
      providers:
        - id: anthropic
          api_keys: [{value: \"${secrets.get('anthropic', 'api-key')}\"}]
        - id: openrouter
          api_keys: [{value: \"${secrets.get('openrouter', 'api-key')}\"}]
      model_selection:
        strategy:
          - ai.models.filter(m, m.provider_id == 'anthropic')
          - ai.models.filter(m, m.provider_id == 'openrouter')
";
const SECRETS: &[(&str, &str, &str)] =
    &[("anthropic", "api-key", "sk-ant-0123456789abcdef"), ("openrouter", "api-key", "sk-or-v1-0123456789abcdef")];
const BOTH: &str = r#"{"models": ["anthropic:claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"], "messages": []}"#;

async fn run(policy: &str, path: &str, body: &str, headers: &[(&str, &str)], outcomes: &str) -> Explanation {
    let shared = shared(SECRETS);
    let engine: Engine = engine(policy, &shared);
    let headers: HeaderMap = headers
        .iter()
        .map(|(n, v)| (HeaderName::try_from(*n).expect("a name"), HeaderValue::try_from(*v).expect("a value")))
        .collect();
    let script = outcomes.split_whitespace().map(|entry| {
        let (target, outcome) = entry.rsplit_once('=').expect("target=outcome");
        ScriptedOutcome { target: target.into(), outcome: outcome.parse().expect("an outcome"), once: false, key: None }
    });
    let request = DryRequest {
        method: Method::POST,
        uri: path.parse().expect("a path"),
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        client_ip: [127, 0, 0, 1].into(),
    };
    explain(&engine, &shared, request, script.collect()).await
}

fn attempts(explanation: &Explanation) -> Vec<String> {
    let text = |v: &Json, k: &str| v.get(k).and_then(Json::as_str).unwrap_or("-").to_owned();
    let line = |a: &Json| format!("{}:{} {}", text(a, "provider"), text(a, "model"), text(a, "outcome"));
    explanation.trace.attempts.iter().map(line).collect()
}

#[tokio::test]
async fn anthropic_first_then_openrouter() {
    for outcome in ["503", "429", "401", "404", "connect", "timeout", "cut", "error_in_stream"] {
        let got = run(FAILOVER, "/v1/chat/completions", BOTH, &[], &format!("anthropic={outcome}")).await;
        let (first, second) = (&got.calls[0], &got.calls[1]);
        assert_eq!(got.status.map(|s| s.as_u16()), Some(200), "{outcome}: {:?}", got.error);
        assert_eq!(attempts(&got).len(), 2, "{outcome}");
        assert_eq!(attempts(&got)[1], "openrouter:anthropic/claude-3.5-sonnet ok");
        assert_eq!(first.url.full, "https://api.anthropic.com/v1/chat/completions");
        assert_eq!(second.url.full, "https://openrouter.ai/api/v1/chat/completions");
        assert_eq!(first.headers["authorization"], "Bearer sk-ant-0123456789abcdef");
        assert_eq!(second.headers["authorization"], "Bearer sk-or-v1-0123456789abcdef");
        let body: Json = serde_json::from_slice(&second.body.concat()).expect("JSON");
        assert_eq!(body, json!({"model": "anthropic/claude-3.5-sonnet", "messages": []}));
    }
}

#[tokio::test]
async fn when_it_is_well_nothing_else_is_asked() {
    let got = run(FAILOVER, "/v1/chat/completions", BOTH, &[], "").await;
    assert_eq!(attempts(&got), ["anthropic:claude-3-5-sonnet-20241022 ok"]);
    assert_eq!(got.headers["x-tollgate-model"], "anthropic:claude-3-5-sonnet-20241022");
    assert_eq!(got.headers["x-tollgate-attempts"], "1");
}

#[tokio::test]
async fn the_other_reading_of_strategies_stops_after_the_first() {
    let policy = FAILOVER.replace("        strategy:", "        fallthrough: first_match\n        strategy:");
    let got = run(&policy, "/v1/chat/completions", BOTH, &[], "anthropic=503").await;
    assert_eq!(attempts(&got), ["anthropic:claude-3-5-sonnet-20241022 503"]);
    assert_eq!(got.status.map(|s| s.as_u16()), Some(503));
}

#[tokio::test]
async fn errors_are_in_the_dialect_of_the_client() {
    let body = r#"{"model": "anthropic/claude-3.5-sonnet", "messages": []}"#;
    let empty = "on_http_request:\n  - type: ai-gateway\n";
    let openai = run(empty, "/v1/chat/completions", body, &[("authorization", "Bearer sk-or-v1-x")], "").await;
    let parsed: Json = serde_json::from_slice(&openai.body).expect("JSON");
    assert_eq!(openai.status.map(|s| s.as_u16()), Some(422));
    assert_eq!(parsed["error"]["code"], "ERR_NGROK_3804");
    assert!(parsed["error"]["message"].as_str().is_some_and(|m| m.starts_with("ERR_NGROK_3804: ")), "{parsed}");
    assert_eq!(openai.headers["ngrok-error-code"], "ERR_NGROK_3804");
    let anthropic = run(empty, "/v1/messages", body, &[("x-api-key", "sk-ant-x")], "").await;
    let parsed: Json = serde_json::from_slice(&anthropic.body).expect("JSON");
    assert_eq!((&parsed["type"], &parsed["error"]["type"]), (&json!("error"), &json!("invalid_request_error")));
}

#[tokio::test]
async fn a_clients_key_goes_to_its_own_provider_only() {
    let empty = "on_http_request:\n  - type: ai-gateway\n";
    let body = r#"{"models": ["anthropic:claude-sonnet-4-5", "openrouter:x/y"], "messages": []}"#;
    let got = run(empty, "/v1/chat/completions", body, &[("authorization", "Bearer sk-or-v1-mine")], "").await;
    assert_eq!(attempts(&got), ["openrouter:x/y ok"]);
    assert_eq!(got.calls[0].headers["authorization"], "Bearer sk-or-v1-mine");
}

#[tokio::test]
async fn on_error_continue_fills_the_results() {
    let policy = "
on_http_request:
  - type: ai-gateway
    config: {on_error: continue}
  - type: custom-response
    config:
      status_code: 503
      headers: {x-code: \"${actions.ngrok.ai_gateway.error.code}\"}
      body: ${actions.ngrok.ai_gateway}
";
    let body = r#"{"model": "nonsense", "messages": []}"#;
    let got = run(policy, "/v1/chat/completions", body, &[("authorization", "Bearer sk-abc")], "").await;
    let tree: Json = serde_json::from_slice(&got.body).expect("the whole tree is JSON");
    assert_eq!(got.headers["x-code"], "ERR_NGROK_3804");
    assert_eq!(tree["status"], "error");
    assert_eq!(tree["client"]["rejected_models"][0]["model"], "nonsense");
    assert_eq!(tree["client"]["request_headers"]["authorization"], json!(["Bearer ..."]), "the key is trimmed");
}

#[tokio::test]
async fn a_missing_secret_fails_closed_and_is_named() {
    let policy = FAILOVER.replace("'openrouter', 'api-key'", "'openrouter', 'no-such'");
    let got = run(&policy, "/v1/chat/completions", BOTH, &[], "").await;
    assert_eq!(got.status.map(|s| s.as_u16()), Some(500));
    assert!(got.calls.is_empty());
    let (code, message) = got.error.expect("an error");
    assert_eq!(code, 2238);
    assert!(message.contains("'no-such'") && message.contains("'openrouter'"), "{message}");
}

#[tokio::test]
async fn a_prompt_that_is_too_large_is_refused_as_such() {
    let policy = "on_http_request:\n  - type: ai-gateway\n    config: {max_input_tokens: 3}\n";
    let body = r#"{"model": "openrouter:a/b", "messages": [{"role": "user", "content": "one two three four five"}]}"#;
    let got = run(policy, "/v1/chat/completions", body, &[("authorization", "Bearer sk-or-v1-x")], "").await;
    assert_eq!((got.status.map(|s| s.as_u16()), got.error.map(|e| e.0)), (Some(413), Some(3811)));
    assert!(got.calls.is_empty());
}
