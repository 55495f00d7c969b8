use super::json_schema;
use crate::testing::{ACTIONS, loaded, source};
use crate::{document_action, parse};
use serde_json::{Value, json};

/// As much of a validator as the schema needs; patterns are not looked at.
fn valid(root: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).expect("a reference has a target");
        return valid(root, target, value);
    }
    let each = |key: &str, test: &dyn Fn(&Value) -> bool| schema.get(key).is_none_or(test);
    let number = |key: &str, ok: &dyn Fn(f64, f64) -> bool| {
        each(key, &|limit| value.as_f64().is_none_or(|have| ok(have, limit.as_f64().unwrap())))
    };
    let size = value.as_array().map(Vec::len).or(value.as_object().map(serde_json::Map::len));
    let count = |key: &str, ok: &dyn Fn(u64, u64) -> bool| {
        each(key, &|limit| size.is_none_or(|have| ok(have as u64, limit.as_u64().unwrap())))
    };
    each("type", &|types| match types {
        Value::Array(all) => all.iter().any(|one| has_type(value, one)),
        one => has_type(value, one),
    }) && each("const", &|wanted| wanted == value)
        && each("enum", &|all| all.as_array().unwrap().contains(value))
        && each("anyOf", &|all| all.as_array().unwrap().iter().any(|one| valid(root, one, value)))
        && number("minimum", &|have, limit| have >= limit)
        && number("maximum", &|have, limit| have <= limit)
        && count("minItems", &|have, limit| have >= limit)
        && count("maxItems", &|have, limit| have <= limit)
        && count("minProperties", &|have, limit| have >= limit)
        && count("maxProperties", &|have, limit| have <= limit)
        && each("items", &|item| {
            value.as_array().is_none_or(|all| all.iter().all(|one| valid(root, item, one)))
        })
        && each("required", &|names| {
            names
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.as_object().is_none_or(|v| v.contains_key(name.as_str().unwrap())))
        })
        && value.as_object().is_none_or(|map| {
            map.iter().all(|(key, value)| {
                match (schema["properties"].get(key), schema.get("additionalProperties")) {
                    (Some(known), _) => valid(root, known, value),
                    (None, Some(Value::Bool(open))) => *open,
                    (None, Some(other)) => valid(root, other, value),
                    (None, None) => true,
                }
            })
        })
}

fn has_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

#[test]
fn the_schema_and_the_loader_agree() {
    let schema = json_schema(ACTIONS);
    for (text, good) in [
        ("on_http_request: []", true),
        ("{}", true),
        ("on_http_request:\n  - type: deny", true),
        ("on_http_request:\n  - type: deny\n    config:", true),
        ("on_http_request:\n  type: deny", true),
        ("on_http_request:\n  actions: {type: deny}", true),
        (
            "on_http_request:\n  - name: 1\n    expressions: ['true']\n    actions: [{type: deny, config: {status_code: 404}}]",
            true,
        ),
        ("traffic_policy:\n  on_http_response: [{type: compress-response}]", true),
        (
            "on_http_request:\n  - type: ai-gateway\n    config: {headers: {a: 1}, body: {x: [1, null]}, on_error: halt, max_body: 1MiB}",
            true,
        ),
        ("on_http_request:\n  - type: set-vars\n    config: {vars: {a: 1}}", true),
        ("on_http_request:\n  - type: set-vars\n    config: {vars: [{a: 1}, {b: [x]}]}", true),
        ("on_http_request:\n  - type: set-vars\n    config: {vars: [{a: 1, b: 2}]}", false),
        ("on_http_request:\n  - type: set-vars", false),
        ("on_http_request:\n  - type: denny", false),
        ("on_http_request:\n  - type: deny\n    config: {status_code: 99}", false),
        ("on_http_request:\n  - type: deny\n    config: {status_code: '404'}", false),
        ("on_http_request:\n  - type: deny\n    konfig: {}", false),
        ("on_http_request:\n  - type: compress-response", false),
        ("on_http_request:\n  - actions: []", false),
        ("on_http_request:\n  - name: x", false),
        ("on_http_request:\n  - type: ai-gateway\n    config: {on_error: stop}", false),
        ("on_htp_request: []", false),
        ("[]", false),
    ] {
        let value = parse(&source(text)).unwrap().to_json();
        assert_eq!(loaded(text).policy.is_some(), good, "loader: {text}\n{:?}", loaded(text).diagnostics);
        assert_eq!(valid(&schema, &schema, &value), good, "schema: {text}");
    }
}

#[test]
fn editors_see_descriptions_defaults_and_words() {
    let schema = json_schema(ACTIONS);
    let config = &schema["$defs"]["action.ai-gateway"]["properties"]["config"]["properties"];
    assert_eq!(
        config["on_error"],
        json!({"enum": ["halt", "continue"], "description": "What then.", "default": "halt"})
    );
    assert_eq!(config["only_allow_configured_models"]["default"], json!(false));
    assert_eq!(config["headers"]["default"], json!({}));
    assert_eq!(schema["$defs"]["action.rate-limit"]["required"], json!(["type", "config"]));
}

#[test]
fn examples_load_and_pages_name_every_field() {
    for spec in ACTIONS {
        let phase = spec.phases[0].key();
        let indented: String = spec.example.lines().map(|line| format!("  {line}\n")).collect();
        let text = format!("{phase}:\n{indented}");
        assert!(loaded(&text).diagnostics.is_empty(), "{text}");
    }
    let page = document_action(&crate::testing::GATEWAY);
    for part in [
        "`model_selection.strategy`",
        "`providers[].weight`",
        "*(Tollgate only)*",
        "| `3m` |",
        "on_http_request",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}
