//! What rules about names make of a request, as it is sent and as `explain` shows it.

use super::{attempts, run};
use crate::dry::ScriptedOutcome;
use crate::engine::Shared;
use crate::explain::{DryRequest, Explanation, explain};
use crate::gateway::identity::{Identity, IdentityFields, IdentityRule};
use crate::testing::{engine, shared};
use http::Method;
use serde_json::{Value as Json, json};
use tollgate_select::{AliasRule, Aliases, Names, Replaced, Selector};

const CHAT: &str = "/v1/chat/completions";

/// A gateway with keys for three providers, and more fields.
fn policy(more: &str) -> String {
    let keys = |id: &str| format!("{{id: {id}, api_keys: [{{value: sk-0123456789abcdef}}]}}");
    let providers = ["openai", "openrouter", "deepseek"].map(keys).join(", ");
    format!("on_http_request:\n  - type: ai-gateway\n    config:\n      providers: [{providers}]\n{more}")
}

fn sent(explanation: &Explanation) -> Json {
    let call = explanation.calls.first().unwrap_or_else(|| panic!("{:?}", explanation.error));
    serde_json::from_slice(&call.body.concat()).expect("JSON")
}

async fn body(more: &str, request: &str) -> Json {
    sent(&run(&policy(more), CHAT, request, &[], "").await)
}

async fn with(shared: &Shared, policy: &str, request: &str) -> Explanation {
    let request = DryRequest {
        method: Method::POST,
        uri: CHAT.parse().expect("a path"),
        headers: http::HeaderMap::new(),
        body: request.to_owned().into(),
        client_ip: [127, 0, 0, 1].into(),
    };
    explain(&engine(policy, shared), shared, request, Vec::<ScriptedOutcome>::new()).await
}

#[tokio::test]
async fn parameters_win_over_the_client_and_the_policy_over_them() {
    let name = "openrouter:a/b?temperature=0.7&top_p=0.9";
    let client = format!(r#"{{"model": "{name}", "temperature": 0.2, "top_k": 3}}"#);
    let expected = json!({"model": "a/b", "temperature": 0.7, "top_k": 3, "top_p": 0.9});
    assert_eq!(body("", &client).await, expected);
    let forced = body("      body: {temperature: 0, user: u}\n", &client).await;
    assert_eq!(forced, json!({"model": "a/b", "temperature": 0, "top_k": 3, "top_p": 0.9, "user": "u"}));
}

#[tokio::test]
async fn a_parameter_replaces_the_clients_other_word_for_it() {
    for (name, client, more, expected) in [
        (
            "openrouter:a/b?reasoning_effort=max",
            json!({"reasoning_effort": "low", "reasoning": {"exclude": true}}),
            "",
            json!({"reasoning": {"exclude": true, "effort": "xhigh"}}),
        ),
        ("openai:gpt-4o?max_tokens=7", json!({"max_completion_tokens": 99}), "", json!({"max_tokens": 7})),
        ("openai:o3?max_tokens=7", json!({"max_tokens": 99}), "", json!({"max_completion_tokens": 7})),
        (
            "openai:gpt-4o?max_tokens=7",
            json!({}),
            "      body: {max_completion_tokens: 5}\n",
            json!({"max_completion_tokens": 5}),
        ),
        (
            "openai:gpt-4o?max_tokens=700",
            json!({}),
            "      max_output_tokens: 50\n",
            json!({"max_tokens": 50}),
        ),
        (
            "deepseek:x?reasoning_effort=high",
            json!({"reasoning": {"effort": "low"}}),
            "",
            json!({"reasoning_effort": "high"}),
        ),
    ] {
        let mut request = client;
        request["model"] = name.into();
        let mut got = body(more, &request.to_string()).await;
        got.as_object_mut().map(|got| got.remove("model"));
        assert_eq!(got, expected, "{name} {more}");
    }
}

#[tokio::test]
async fn bad_parameters_are_left_out_or_refused() {
    let request = r#"{"model": "openrouter:a/b?temperature=3.5&foo=1&top_p=0.5", "messages": []}"#;
    let got = run(&policy(""), CHAT, request, &[], "").await;
    assert_eq!(sent(&got), json!({"model": "a/b", "messages": [], "top_p": 0.5}));
    let ignored = &got.trace.client["names"][0]["ignored_params"];
    assert_eq!(
        (&ignored[0]["name"], &ignored[1]["name"]),
        (&json!("temperature"), &json!("foo")),
        "{:#}",
        got.trace.client
    );
    let strict = policy("      uri_params: {on_invalid: reject}\n");
    let got = run(&strict, CHAT, request, &[], "").await;
    let (code, message) = got.error.expect("refused");
    assert_eq!((code, got.status.map(|s| s.as_u16()), got.calls.len()), (3801, Some(400), 0));
    assert!(message.contains("`temperature` must be a number from 0 to 2"), "{message}");
    let off = policy("      uri_params: {enabled: false}\n");
    let got = run(&off, CHAT, request, &[], "").await;
    assert!(got.error.is_some_and(|(code, message)| code == 3804 && message.contains("turned off")));
}

#[tokio::test]
async fn what_an_operation_has_no_field_for_is_named() {
    let request = r#"{"model": "openai:gpt-4o?top_k=3&seed=1&temperature=1", "input": "x"}"#;
    let got = run(&policy(""), "/v1/responses", request, &[], "").await;
    assert_eq!(sent(&got), json!({"model": "gpt-4o", "input": "x", "temperature": 1}));
    assert_eq!(got.trace.models_to_try[0]["dropped_params"], json!(["top_k", "seed"]));
}

#[tokio::test]
async fn aliases_of_the_policy_replace_those_of_the_process() {
    let rule = |pattern: &str, replacement: &str| AliasRule {
        pattern: pattern.into(),
        replacement: replacement.into(),
        match_query: false,
    };
    let global = Aliases::compile(&[rule("^gpt-(.*)", r"openrouter:openai/gpt-\1")]).expect("good");
    let shared = Shared { names: Names { aliases: global, ..Names::default() }, ..shared(&[]) };
    let request = r#"{"model": "gpt-4o?temperature=0.3"}"#;
    let got = with(&shared, &policy(""), request).await;
    assert_eq!(sent(&got), json!({"model": "openai/gpt-4o", "temperature": 0.3}));
    let name = &got.trace.client["names"][0];
    assert_eq!(
        (&name["becomes"], &name["alias"]["index"], &name["params"]),
        (&json!("openrouter:openai/gpt-4o"), &json!(0), &json!({"temperature": 0.3}))
    );
    let own = "      model_aliases: [{pattern: ^gpt, replacement: 'deepseek:x|openrouter:y'}]\n";
    let got = with(&shared, &policy(own), request).await;
    let tried: Vec<&Json> = got.trace.models_to_try.iter().map(|one| &one["model"]).collect();
    assert_eq!(tried, ["x", "y"]);
    let got = with(&shared, &policy("      model_aliases: []\n"), request).await;
    assert_eq!(got.trace.models_to_try[0]["provider"], "openai");
}

#[tokio::test]
async fn overrides_are_marked() {
    let names = |replaced| Names {
        replaced: Some(replaced),
        default_backend: Selector::parse("openrouter").ok(),
        ..Names::default()
    };
    let route = Replaced::Route(Selector::parse_route("openrouter:x/y?temperature=0.1").expect("a route"));
    let shared = Shared { names: names(route), ..shared(&[]) };
    let request = r#"{"model": "openai:gpt-4o", "models": ["b"], "temperature": 1}"#;
    let got = with(&shared, &policy(""), request).await;
    assert_eq!(sent(&got), json!({"model": "x/y", "temperature": 0.1}));
    assert_eq!(got.headers["x-tollgate-override"], "static-route");
    let client = &got.trace.client;
    assert_eq!(
        (&client["model"], &client["models"]),
        (&json!("openai:gpt-4o"), &json!(["b"])),
        "as it was sent"
    );
    assert_eq!(client["names"][0]["by"], "static-route");
    let model = Replaced::Model(Selector::parse("anthropic/claude").expect("a name"));
    let shared = Shared { names: names(model), ..shared };
    let got = with(&shared, &policy(""), request).await;
    assert_eq!(attempts(&got), ["openrouter:anthropic/claude ok"]);
    assert_eq!(got.headers["x-tollgate-override"], "force-model");
}

#[tokio::test]
async fn the_policys_default_backend_wins() {
    let shared = Shared {
        names: Names { default_backend: Selector::parse("openai").ok(), ..Names::default() },
        ..shared(&[])
    };
    let request = r#"{"model": "a/b"}"#;
    let got = with(&shared, &policy(""), request).await;
    assert_eq!(attempts(&got), ["openai:a/b ok"]);
    let got = with(&shared, &policy("      default_backend: deepseek\n"), request).await;
    assert_eq!(attempts(&got), ["deepseek:a/b ok"]);
    let got = with(&shared, &policy("      default_backend: 'openrouter:c/d|deepseek:e'\n"), "{}").await;
    let tried: Vec<&Json> = got.trace.models_to_try.iter().map(|one| &one["model"]).collect();
    assert_eq!(tried, ["c/d", "e"]);
}

#[tokio::test]
async fn paths_of_openrouters_clients_stand_for_it() {
    let request = r#"{"model": "anthropic/claude-3.5-sonnet"}"#;
    let got = run(&policy(""), "/openrouter/api/v1/chat/completions", request, &[], "").await;
    assert_eq!(attempts(&got), ["openrouter:anthropic/claude-3.5-sonnet ok"]);
    for path in ["/openai/v1/chat/completions", CHAT] {
        assert!(run(&policy(""), path, request, &[], "").await.error.is_some(), "{path}");
    }
}

#[tokio::test]
async fn identity_of_the_policy_and_of_the_process() {
    let fields =
        |value| IdentityFields { mode: Some("override"), override_value: Some(value), ..Default::default() };
    let rule = |value| IdentityRule::read(&fields(value)).ok();
    let identity = Identity { title: rule("Process"), url: rule("https://p.example"), ..Identity::default() };
    let shared = Shared { identity, ..shared(&[]) };
    let own = "      headers: {http-referer: 'https://forced.example'}\n      identity: {title: {mode: override, override_value: Policy}}\n";
    let got = with(&shared, &policy(own), r#"{"model": "openrouter:a/b"}"#).await;
    let headers = &got.calls[0].headers;
    assert!(headers["x-title"] == "Policy" && headers["x-openrouter-title"] == "Policy");
    assert_eq!(headers["http-referer"], "https://forced.example", "`headers` are set last");
    let got = with(&shared, &policy(""), r#"{"model": "openai:gpt-4o"}"#).await;
    let headers = &got.calls[0].headers;
    assert!(headers["x-title"] == "Process" && headers["http-referer"] == "https://p.example");
    assert!(!headers.contains_key("x-openrouter-title"));
}

#[test]
fn mistakes_have_their_places() {
    let loads = |config: &str| {
        crate::testing::loads(&format!(
            "on_http_request:\n  - type: ai-gateway\n    config:\n      {config}\n"
        ))
    };
    for (config, expected) in [
        (
            "model_aliases: [{pattern: ^a, replacement: b}, {pattern: '^(?=x)', replacement: c}]",
            "`model_aliases[1].pattern` uses look-around",
        ),
        (
            "model_aliases: [{pattern: ^a, replacement: '\\1'}]",
            "`model_aliases[0].replacement` names the group `1`",
        ),
        ("model_aliases: [{pattern: ^a}]", "`model_aliases[0].replacement` is missing"),
        ("default_backend: a^b", "`default_backend`: `^` (a draw by weight)"),
        ("default_backend: opnerouter", "`opnerouter` is neither a provider nor a known model"),
        ("identity: {title: {mode: override}}", "`identity.title.override_value` is missing"),
        ("identity: {url: {passthrough_name: cookie}}", "never goes on to a provider"),
        ("uri_params: {on_invalid: never}", "`ignore` or `reject`"),
    ] {
        let text = loads(config).expect_err(config);
        assert!(text.contains(expected) && text.matches("error: ").count() == 1, "{config}: {text}");
    }
    assert!(
        loads("default_backend: mine\n      providers: [{id: mine, base_url: 'https://m.example'}]").is_ok()
    );
}
