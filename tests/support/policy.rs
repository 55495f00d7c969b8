//! Policies, written as JSON (which is YAML too), and the mock providers they point at.

use serde_json::{Value, json};
use tollgate_mock::{MockServer, Script};

pub(crate) const ANTHROPIC_KEY: &str = "sk-ant-test-aaaaaaaaaaaaaaaaaaaa-1111";
pub(crate) const OPENROUTER_KEY: &str = "sk-or-v1-test-bbbbbbbbbbbbbbbbbbbb-2222";
pub(crate) const OPENAI_KEY: &str = "sk-proj-test-cccccccccccccccccccc-3333";
/// The key of the custom provider `one`.
pub(crate) const KEY_ONE: &str = "key-one-dddddddddddddddddddddd-4444";
/// The key of the custom provider `two`.
pub(crate) const KEY_TWO: &str = "key-two-eeeeeeeeeeeeeeeeeeeeee-5555";

pub(crate) async fn mock(script: Script) -> MockServer {
    MockServer::start(script).await.unwrap()
}

/// A policy that is one `ai-gateway`.
pub(crate) fn ai_gateway(config: Value) -> String {
    json!({"on_http_request": [{"type": "ai-gateway", "config": config}]}).to_string()
}

/// A gateway that tries what failed as often as it is told to: for tables of failures of one and the same target.
pub(crate) fn without_health(config: Value) -> Value {
    merge(config, json!({"health": {"enabled": false}}))
}

/// Adds the members of `more` to an object, replacing those of the same name.
pub(crate) fn merge(mut object: Value, more: Value) -> Value {
    let (Some(map), Value::Object(more)) = (object.as_object_mut(), more) else { panic!("two objects") };
    map.extend(more);
    object
}

pub(crate) fn anthropic(mock: &MockServer) -> Value {
    json!({
        "id": "anthropic", "base_url": format!("{}/anthropic/v1", mock.url()),
        "api_keys": [{"value": "${secrets.get('anthropic', 'api-key')}"}],
    })
}

pub(crate) fn openrouter(mock: &MockServer) -> Value {
    json!({
        "id": "openrouter", "base_url": format!("{}/openrouter/api/v1", mock.url()),
        "api_keys": [{"value": "${secrets.get('openrouter', 'api-key')}"}],
    })
}

pub(crate) fn openai(mock: &MockServer) -> Value {
    json!({
        "id": "openai", "base_url": format!("{}/openai/v1", mock.url()),
        "api_keys": [{"value": "${secrets.get('openai', 'api-key')}"}],
    })
}

/// A provider that is not built in and speaks both formats.
pub(crate) fn custom(id: &str, base_url: &str, keys: &[&str]) -> Value {
    let keys: Vec<Value> = keys.iter().map(|key| json!({"value": key})).collect();
    json!({
        "id": id, "base_url": base_url, "api_keys": keys,
        "supported_api_surfaces": [{"format": "openai"}, {"format": "anthropic"}],
    })
}

/// Custom providers `one` and `two` on two mocks.
pub(crate) fn two_providers(one: &MockServer, two: &MockServer, more: Value) -> String {
    let provider = |id, mock: &MockServer, key| custom(id, &format!("{}/v1", mock.url()), &[key]);
    let providers = json!({"providers": [provider("one", one, KEY_ONE), provider("two", two, KEY_TWO)]});
    ai_gateway(merge(providers, more))
}

/// Anthropic, then OpenRouter: a strategy for each.
pub(crate) fn two_tiers(first: &MockServer, second: &MockServer, more: Value) -> String {
    let mut selection = json!({"strategy": [
        "ai.models.filter(m, m.provider_id == 'anthropic')",
        "ai.models.filter(m, m.provider_id == 'openrouter')",
    ]});
    let mut more = more;
    if let Some(given) = more.as_object_mut().and_then(|m| m.remove("model_selection")) {
        selection = merge(selection, given);
    }
    let config = json!({"providers": [anthropic(first), openrouter(second)], "model_selection": selection});
    ai_gateway(merge(config, more))
}

/// A request with these names, in the shape that chat, messages and responses share well enough.
pub(crate) fn names(names: &[&str]) -> Value {
    merge(prompt(), json!({"models": names}))
}

/// A request without a model.
pub(crate) fn prompt() -> Value {
    json!({"max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]})
}
