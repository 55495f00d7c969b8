//! The gateway without a network: real rules, plan and attempt loop over scripted providers.

mod gaps;
mod names;
mod streams;

use crate::dry::ScriptedOutcome;
use crate::engine::Engine;
use crate::explain::{DryRequest, Explanation, explain};
use crate::testing::{engine, shared};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value as Json, json};
use std::sync::Arc;

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
const SECRETS: &[(&str, &str, &str)] = &[
    ("anthropic", "api-key", "sk-ant-0123456789abcdef"),
    ("openrouter", "api-key", "sk-or-v1-0123456789abcdef"),
];
const BOTH: &str = r#"{"models": ["anthropic:claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"], "messages": []}"#;

async fn run(policy: &str, path: &str, body: &str, headers: &[(&str, &str)], outcomes: &str) -> Explanation {
    let shared = shared(SECRETS);
    let engine: Arc<Engine> = engine(policy, &shared);
    let headers: HeaderMap = headers
        .iter()
        .map(|(n, v)| {
            (HeaderName::try_from(*n).expect("a name"), HeaderValue::try_from(*v).expect("a value"))
        })
        .collect();
    let script = outcomes.split_whitespace().map(|entry| {
        let (target, outcome) = entry.rsplit_once('=').expect("target=outcome");
        ScriptedOutcome {
            target: target.into(),
            outcome: outcome.parse().expect("an outcome"),
            once: false,
            key: None,
        }
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
    let openai =
        run(empty, "/v1/chat/completions", body, &[("authorization", "Bearer sk-or-v1-x")], "").await;
    let parsed: Json = serde_json::from_slice(&openai.body).expect("JSON");
    assert_eq!(openai.status.map(|s| s.as_u16()), Some(422));
    assert_eq!(parsed["error"]["code"], "ERR_NGROK_3804");
    assert!(
        parsed["error"]["message"].as_str().is_some_and(|m| m.starts_with("ERR_NGROK_3804: ")),
        "{parsed}"
    );
    assert_eq!(openai.headers["ngrok-error-code"], "ERR_NGROK_3804");
    let anthropic = run(empty, "/v1/messages", body, &[("x-api-key", "sk-ant-x")], "").await;
    let parsed: Json = serde_json::from_slice(&anthropic.body).expect("JSON");
    assert_eq!(
        (&parsed["type"], &parsed["error"]["type"]),
        (&json!("error"), &json!("invalid_request_error"))
    );
}

#[tokio::test]
async fn a_clients_key_goes_to_its_own_provider_only() {
    let empty = "on_http_request:\n  - type: ai-gateway\n";
    let body = r#"{"models": ["anthropic:claude-sonnet-4-5", "openrouter:x/y"], "messages": []}"#;
    let got =
        run(empty, "/v1/chat/completions", body, &[("authorization", "Bearer sk-or-v1-mine")], "").await;
    assert_eq!(attempts(&got), ["openrouter:x/y ok"]);
    assert_eq!(got.calls[0].headers["authorization"], "Bearer sk-or-v1-mine");
}

#[tokio::test]
async fn keys_of_a_provider_named_by_its_alias_are_used() {
    let policy = "on_http_request:\n  - type: ai-gateway\n    config: {providers: [{id: Gemini, api_keys: [{value: AIza-0123456789abcdef}]}]}\n";
    let body = r#"{"model": "google:gemini-2.5-flash", "messages": []}"#;
    let got = run(policy, "/v1/chat/completions", body, &[("authorization", "Bearer unused")], "").await;
    assert_eq!(attempts(&got), ["google:gemini-2.5-flash ok"], "{:?}", got.error);
    assert_eq!(got.calls[0].headers["authorization"], "Bearer AIza-0123456789abcdef");
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
    assert_eq!(
        tree["client"]["request_headers"]["authorization"],
        json!(["Bearer ..."]),
        "the key is trimmed"
    );
}

#[tokio::test]
async fn a_log_entry_made_before_a_stream_has_its_tokens_in_the_end() {
    let policy = FAILOVER.to_owned()
        + "on_http_response:\n  - type: log\n    config: {metadata: {out: '${actions.ngrok.ai_gateway.output_ngrok_tokens}'}}\n";
    let body = BOTH.replace("\"messages\"", "\"stream\": true, \"messages\"");
    let got = run(&policy, "/v1/chat/completions", &body, &[], "").await;
    assert_eq!(got.logs, [json!({"out": 1})], "the dry run's stream has one frame with content");
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

/// A policy whose last action shows the results of a request that was not answered.
fn showing(config: &str) -> String {
    format!(
        "on_http_request:\n  - type: ai-gateway\n    config:\n      on_error: continue\n{config}  - type: custom-response\n    config: {{status_code: 503, body: \"${{actions.ngrok.ai_gateway}}\"}}\n"
    )
}

fn tree(explanation: &Explanation) -> Json {
    serde_json::from_slice(&explanation.body).expect("the whole tree is JSON")
}

#[tokio::test]
async fn a_body_that_cannot_be_read_still_has_a_client_in_the_results() {
    let headers = [("authorization", "Bearer sk-0123456789abcdef"), ("user-agent", "me/1")];
    let got = run(&showing(""), "/v1/chat/completions", r#"{"model": 5}"#, &headers, "").await;
    let tree = tree(&got);
    assert_eq!(tree["error"]["code"], "ERR_NGROK_3801");
    assert_eq!(
        (&tree["client"]["path"], &tree["client"]["user_agent"]),
        (&json!("/v1/chat/completions"), &json!("me/1"))
    );
    assert_eq!((&tree["client"]["model"], &tree["client"]["models"]), (&json!(""), &json!([])));
    assert_eq!((&tree["models_tried"], &tree["input_ngrok_tokens"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn results_are_those_of_the_last_action() {
    let first =
        "  - type: ai-gateway\n    config: {on_error: continue, only_allow_configured_providers: true}\n";
    let second = showing("").replace("on_http_request:\n", "");
    let policy = format!("on_http_request:\n{first}{second}");
    let got = run(&policy, "/v1/other", r#"{"model": "gpt-4o"}"#, &[], "").await;
    assert_eq!(tree(&got)["error"]["code"], "ERR_NGROK_27204");
    let got = run(&policy, "/v1/chat/completions", r#"{"model": "nonsense"}"#, &[], "").await;
    let rejected = &tree(&got)["client"]["rejected_models"];
    assert_eq!(rejected[0]["model"], "nonsense");
    assert_eq!(rejected.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn candidates_that_were_passed_over_are_in_the_results() {
    let config = "      api_key_selection: {strategy: [\"ai.keys.filter(k, false)\"]}
      providers:
        - {id: mine, base_url: \"https://mine.example/v1\", models: [{id: m}], api_keys: [{value: sk-0123456789abcdef}]}
";
    let body = r#"{"models": ["mine:m", "groq:x"], "messages": []}"#;
    let got = run(&showing(config), "/v1/chat/completions", body, &[], "").await;
    let tried = &tree(&got)["models_tried"];
    assert_eq!(tried[0]["api_key_selection"][0]["strategy"], "ai.keys.filter(k, false)");
    assert_eq!(tried[0]["skipped"], "API key selection failed: no strategy returned a key");
    assert_eq!(
        (&tried[1]["provider"], &tried[1]["skipped"]),
        (&json!("groq"), &json!("no API key for this provider"))
    );
    assert_eq!(tried[0]["requests_made"], json!([]));
}

#[tokio::test]
async fn the_tokens_of_a_plain_answer_are_known_in_the_response_phase() {
    let policy = "
on_http_request:
  - type: ai-gateway
on_http_response:
  - type: log
    config: {metadata: {result: \"${actions.ngrok.ai_gateway}\"}}
";
    let body = r#"{"model": "claude-sonnet-4-5", "messages": []}"#;
    let got = run(policy, "/v1/messages", body, &[("x-api-key", "sk-ant-x")], "").await;
    let tree = &got.logs[0]["result"];
    let made = &tree["models_tried"][0]["requests_made"][0];
    assert_eq!((&made["upstream_input_tokens"], &made["upstream_output_tokens"]), (&json!(1), &json!(1)));
    assert_eq!(tree["output_ngrok_tokens"], 1);
}

#[tokio::test]
async fn the_tokens_of_a_stream_are_in_the_results_when_it_is_over() {
    let policy = "
on_http_request:
  - type: ai-gateway
on_http_response:
  - expressions: [\"actions.ngrok.ai_gateway.output_ngrok_tokens > 0\"]
    type: custom-response
    config: {status_code: 500}
";
    let shared = shared(SECRETS);
    let engine = engine(policy, &shared);
    let head = "POST /v1/messages HTTP/1.1\r\nx-api-key: sk-ant-x\r\n\r\n";
    let mut exchange = crate::testing::exchange(&shared, &engine, head);
    let body = br#"{"model": "claude-sonnet-4-5", "stream": true, "messages": []}"#;
    let mut client = crate::dry::DryClient::new(Bytes::from_static(body));
    let upstream = crate::dry::ScriptedUpstream::default();
    let mut cx = crate::action::RequestCx {
        exchange: &mut exchange,
        client: &mut client,
        upstream: &upstream,
        engine: &engine,
    };
    crate::phase::run_request(&engine.request, &mut cx).await;
    assert_eq!(client.head.map(|(status, _)| status.as_u16()), Some(200), "not known before the stream");
    let tree = exchange.results["ai_gateway"].to_json();
    assert_eq!((&tree["status"], &tree["output_ngrok_tokens"]), (&json!("success"), &json!(1)));
}

#[tokio::test]
async fn keys_that_are_no_keys() {
    let empty = "on_http_request:\n  - type: ai-gateway\n";
    let body = r#"{"model": "anthropic:claude-sonnet-4-5", "messages": []}"#;
    for (key, code, status) in
        [("unused", 3802, 400), ("ng-abc-g1-0123456789", 27007, 401), ("sk-or-v1-0123456789", 3817, 400)]
    {
        let key = format!("Bearer {key}");
        let got = run(empty, "/v1/chat/completions", body, &[("authorization", &key)], "").await;
        assert_eq!(
            (got.error.map(|e| e.0), got.status.map(|s| s.as_u16())),
            (Some(code), Some(status)),
            "{key}"
        );
        assert!(got.calls.is_empty());
    }
}

#[tokio::test]
async fn a_provider_of_ones_own_is_chosen_whatever_key_the_client_has() {
    let policy = "
on_http_request:
  - type: ai-gateway
    config:
      only_allow_configured_providers: true
      providers: [{id: mine, base_url: \"https://mine.example/v1\", models: [{id: m}]}]
";
    let key = [("authorization", "Bearer sk-ant-0123456789abcdef")];
    let got = run(policy, "/v1/chat/completions", r#"{"messages": []}"#, &key, "").await;
    assert_eq!(attempts(&got), ["mine:m ok"]);
    assert!(got.calls[0].headers.get("authorization").is_none(), "Anthropic's key stays here");
}

#[tokio::test]
async fn the_cap_on_output_has_the_name_the_provider_knows() {
    let policy = "
on_http_request:
  - type: ai-gateway
    config:
      max_output_tokens: 50
      providers:
        - {id: openai, api_keys: [{value: sk-proj-0123456789abcdef}]}
        - {id: deepseek, api_keys: [{value: sk-0123456789abcdef}]}
";
    for (model, name) in [
        ("openai:gpt-4o", "max_tokens"),
        ("openai:o3", "max_completion_tokens"),
        ("openai:gpt-99", "max_completion_tokens"),
        ("deepseek:deepseek-reasoner", "max_tokens"),
    ] {
        let got = run(policy, "/v1/chat/completions", &format!(r#"{{"model": "{model}"}}"#), &[], "").await;
        let body: Json = serde_json::from_slice(&got.calls[0].body.concat()).expect("JSON");
        assert_eq!(body[name], 50, "{model}: {body}");
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{model}: {body}");
    }
}

#[tokio::test]
async fn parameters_have_the_name_the_provider_knows() {
    let policy = "on_http_request:\n  - type: ai-gateway\n    config:\n      max_output_tokens: 50\n      \
                  providers: [{id: mistral, api_keys: [{value: k}]}]\n";
    let body = r#"{"model":"mistral:m","messages":[], "seed":7,"max_completion_tokens":99, "user":"u"}"#;
    let got = run(policy, "/v1/chat/completions", body, &[], "").await;
    let sent = String::from_utf8(got.calls[0].body.concat()).expect("text");
    assert_eq!(sent, r#"{"model":"m","messages":[], "random_seed":7,"max_tokens":50}"#);
    assert_eq!(got.headers["x-tollgate-dropped"], "user");
}

#[test]
fn what_has_no_effect_is_said_when_the_policy_is_loaded() {
    let loads = |config: &str| {
        crate::testing::loads(&format!("on_http_request:\n  - type: ai-gateway\n    config: {config}\n"))
    };
    let strategy = "{model_selection: {strategy: [\"ai.models.filter(m, m.id == '${vars.x}')\"]}}";
    assert!(loads(strategy).is_ok_and(|text| text.contains("has no meaning in a strategy")));
    assert!(loads("{body: {model: x}}").is_ok_and(|text| text.contains("no effect")));
    let keys =
        "{providers: [{id: mine, base_url: \"https://mine.example\", auth: none, api_keys: [{value: x}]}]}";
    assert!(loads(keys).is_ok_and(|text| text.contains("sends no key")));
    assert!(loads("{body: {user: x}}").is_ok_and(|text| text.is_empty()));
    for name in ["Host", "content-length", "transfer-encoding", "connection", "accept-encoding"] {
        let text = loads(&format!("{{headers: {{{name}: x}}}}"));
        assert!(text.is_err_and(|text| text.contains("made anew")), "{name}");
    }
    let surfaces =
        "{providers: [{id: openai, supported_api_surfaces: [{format: anthropic, surface: responses}]}]}";
    let text = loads(surfaces).expect_err("a surface of another format");
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
}

#[tokio::test]
async fn a_clients_bearer_stays_one_unless_it_is_an_api_key_of_anthropic() {
    let empty = "on_http_request:\n  - type: ai-gateway\n";
    let body = r#"{"model": "claude-sonnet-4-5", "max_tokens": 1, "messages": []}"#;
    for (key, header, value) in [
        ("sk-ant-oat01-x", "authorization", "Bearer sk-ant-oat01-x"),
        ("sk-ant-api03-x", "x-api-key", "sk-ant-api03-x"),
    ] {
        let bearer = format!("Bearer {key}");
        let got = run(empty, "/v1/messages", body, &[("authorization", &bearer)], "").await;
        let sent = &got.calls[0].headers;
        assert_eq!(sent[header], value);
        assert!(!(sent.contains_key("authorization") && sent.contains_key("x-api-key")), "one of them");
    }
}

#[tokio::test]
async fn a_line_of_the_error_list_is_there_once() {
    for outcome in ["timeout", "connect", "500"] {
        let script = format!("anthropic={outcome} openrouter={outcome}");
        let got = run(FAILOVER, "/v1/chat/completions", BOTH, &[], &script).await;
        let (code, message) = got.error.expect("an error");
        assert_eq!((code, message.matches("openrouter/anthropic/claude").count()), (3807, 1), "{message}");
    }
}

#[test]
fn mistakes_of_providers_are_found_beside_others() {
    let policy = "
on_http_request:
  - type: ai-gateway
    config:
      total_timeout: 5
      providers:
        - id: openruoter
        - base_url: https://x.example
";
    let text = crate::testing::loads(policy).expect_err("three mistakes");
    assert!(text.contains(":7:15: error: `openruoter` is not a built-in provider"), "{text}");
    assert_eq!(text.matches("error: ").count(), 3, "{text}");
}
