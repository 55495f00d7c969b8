use crate::testing::{ACTIONS, loaded, positions, source};
use crate::{Policy, Severity, load_lenient};
use serde_json::json;
use tollgate_expr::{Activation, NoSecrets, Value};

fn policy(text: &str) -> Policy {
    let loaded = loaded(text);
    assert!(!loaded.diagnostics.has_errors(), "{text}\n{}", loaded.diagnostics.render_text(&source(text)));
    loaded.policy.expect("no errors, so there is a policy")
}

/// Rule ids, names, numbers of expressions and names of actions.
fn outline(policy: &Policy) -> Vec<(String, Option<String>, usize, Vec<&'static str>)> {
    let rules = policy.on_http_request.iter().chain(&policy.on_http_response);
    rules
        .map(|rule| {
            let actions = rule.actions.iter().map(|action| action.spec.name).collect();
            (rule.id.clone(), rule.name.clone(), rule.expressions.len(), actions)
        })
        .collect()
}

#[test]
fn every_form_of_a_rule_loads() {
    let one = |id: &str, n: usize, action| vec![(id.to_owned(), None, n, vec![action])];
    for text in [
        "on_http_request:\n  - actions:\n      - type: deny\n",
        "on_http_request:\n  - type: deny\n",
        "on_http_request:\n  - actions: {type: deny}\n",
        "on_http_request:\n  actions:\n    - type: deny\n",
        "on_http_request:\n  actions: {type: deny}\n",
        "on_http_request: {type: deny}\n",
        "traffic_policy:\n  on_http_request:\n    - type: deny\n",
        "{\"on_http_request\": [{\"type\": \"deny\"}]}",
    ] {
        assert_eq!(outline(&policy(text)), one("on_http_request[0]", 0, "deny"), "{text}");
    }
    for text in [
        "on_http_request:\n  expressions: ['true']\n  actions: {type: deny}\n",
        "on_http_request:\n  - type: deny\n    expressions: ['true']\n",
    ] {
        assert_eq!(outline(&policy(text)), one("on_http_request[0]", 1, "deny"), "{text}");
    }
}

#[test]
fn forms_mix_and_ids_count_as_written() {
    let text = "on_http_request:\n  - type: set-vars\n    config: {vars: [{a: 1}]}\n  - name: 7\n    expressions: []\n    actions:\n      - type: ai-gateway\n      - type: deny\non_http_response:\n  - type: compress-response\n";
    assert_eq!(
        outline(&policy(text)),
        [
            ("on_http_request[0]".into(), None, 0, vec!["set-vars"]),
            ("on_http_request[1]".into(), Some("7".into()), 0, vec!["ai-gateway", "deny"]),
            ("on_http_response[0]".into(), None, 0, vec!["compress-response"]),
        ]
    );
}

#[test]
fn empty_lists_and_no_phases_are_legal() {
    for text in
        ["{}", "on_http_request: []", "on_http_response: []\non_tcp_connect: []\non_event_stream_message: []"]
    {
        assert!(outline(&policy(text)).is_empty());
        assert!(loaded(text).diagnostics.is_empty());
    }
    assert_eq!(positions("on_http_request:\n"), ["1:1 2223"]);
    assert!(loaded("on_http_request:\n").policy.is_some(), "only a warning");
    for text in ["", "# nothing\n", "~", "[]", "x"] {
        assert!(loaded(text).policy.is_none(), "{text:?}: an emptied file must not open everything");
    }
}

#[test]
fn the_twin_in_json_is_the_same_policy() {
    let yaml = "on_http_request:\n  - expressions: [\"req.method == 'GET'\"]\n    actions:\n      - type: deny\n        config:\n          status_code: 418\n";
    let json = r#"{"on_http_request":[{"expressions":["req.method == 'GET'"],"actions":[{"type":"deny","config":{"status_code":418}}]}]}"#;
    let (yaml, json) = (policy(yaml), policy(json));
    assert_eq!(outline(&yaml), outline(&json));
    let config = |policy: &Policy| policy.on_http_request[0].actions[0].config.to_json();
    assert_eq!(config(&yaml), config(&json));
    assert_ne!(yaml.revision, json.revision);
    assert_eq!(yaml.revision.len(), 12);
}

#[test]
fn configs_are_read_by_type() {
    let text = "on_http_request:\n  - type: ai-gateway\n    config:\n      only_allow_configured_models: true\n      max_input_tokens: 100\n      per_request_timeout: 1m30s\n      max_body: 2KiB\n      headers: {X-A: true, X-B: 1.10}\n      body: {a: [1, plain], b: null}\n      providers: [{id: 5, weight: 1}]\n";
    let policy = policy(text);
    let config = policy.on_http_request[0].actions[0].read();
    let get = |name: &str| config.get(name).unwrap();
    assert_eq!(get("only_allow_configured_models").as_bool(), Some(true));
    assert_eq!(get("max_input_tokens").as_u64(), Some(100));
    assert_eq!(get("per_request_timeout").as_duration().unwrap().as_secs(), 90);
    assert_eq!(get("max_body").as_size(), Some(2048));
    let headers: Vec<_> = get("headers").entries().iter().map(|(k, v)| (*k, v.as_str().unwrap())).collect();
    assert_eq!(headers, [("X-A", "true"), ("X-B", "1.10")]);
    assert_eq!(get("body").to_json(), json!({"a": [1, "plain"], "b": null}));
    assert!(get("body").json_template().unwrap().is_fixed());
    let provider = get("providers").as_list()[0];
    assert_eq!(
        (provider.get("id").unwrap().as_str(), provider.get("weight").unwrap().as_f64()),
        (Some("5"), Some(1.0))
    );
    assert!(config.get("on_error").is_none());
    assert!(get("headers").get("X-A").unwrap().template().is_some());
}

#[test]
fn unreachable_actions_and_rules_are_warnings() {
    let text =
        "on_http_request:\n  - actions:\n      - type: deny\n      - type: ai-gateway\n  - type: deny\n";
    let found = loaded(text);
    assert!(found.policy.is_some());
    assert_eq!(positions(text), ["4:9 2207", "5:5 2207"]);
    assert!(found.diagnostics.iter().all(|d| d.severity == Severity::Warning));
    let conditional =
        "on_http_request:\n  - expressions: ['true']\n    actions: [{type: deny}]\n  - type: deny\n";
    assert!(loaded(conditional).diagnostics.is_empty());
}

#[test]
fn interpolation_in_an_expression_is_taken_as_parentheses() {
    let text =
        "on_http_request:\n  - expressions: [\"req.method == ${'GET'}\"]\n    actions: [{type: deny}]\n";
    assert!(loaded(text).policy.is_some());
    assert_eq!(positions(text), ["2:34 2200"]);
    assert!(loaded(text).diagnostics.iter().all(|d| d.severity == Severity::Warning));
}

#[test]
fn a_lenient_load_keeps_policies_with_unknown_keys() {
    let text =
        "on_http_request:\n  - type: deny\n    config: {status_kode: 1}\n    since: 2030\non_future: []\n";
    assert_eq!(positions(text).len(), 3);
    assert!(loaded(text).policy.is_none());
    let lenient = load_lenient(&source(text), ACTIONS);
    assert!(lenient.policy.is_some());
    assert_eq!(lenient.diagnostics.len(), 3);
}

#[test]
fn semantic_checks_run_only_on_sound_configs() {
    let of =
        |config: &str| positions(&format!("on_http_request:\n  - type: rate-limit\n    config: {config}\n"));
    assert_eq!(of("{name: a, capacity: 13, bucket_key: [conn.client_ip]}").last().unwrap(), "3:33 2204");
    assert!(!of("{capacity: 13, bucket_key: [conn.client_ip]}").contains(&"3:33 2204".to_owned()));
}

#[test]
fn literal_secrets_are_gathered_from_everywhere() {
    let text = "on_http_request:\n  - expressions:\n      - req.headers['a'][0] == secrets.get('v', 'one')\n    actions:\n      - type: set-vars\n        config: {vars: {a: \"${secrets.get('v', 'two')} ${secrets.get('w', 'three')}\"}}\n  - type: rate-limit\n    config: {name: a, capacity: 1, bucket_key: [\"secrets.get('v', 'one')\"]}\n";
    let found: Vec<_> = policy(text).secrets().into_iter().map(|(v, n, at)| (v, n, at.line)).collect();
    let wanted = [("v", "one", 3), ("v", "two", 6), ("w", "three", 6), ("v", "one", 8)];
    assert_eq!(found, wanted.map(|(v, n, line)| (v.to_owned(), n.to_owned(), line)));
}

#[test]
fn json_templates_keep_types_and_shape() {
    let text = "on_http_request:\n  - type: ai-gateway\n    config:\n      body:\n        a: ${1 + 1}\n        b: [x, \"n=${2}\", null, \"$${no}\"]\n";
    let policy = policy(text);
    let template = policy.on_http_request[0].actions[0].read().get("body").unwrap().json_template().unwrap();
    assert!(!template.is_fixed());
    let activation = Activation::new(&NoSecrets, std::time::SystemTime::UNIX_EPOCH);
    let value = template.eval(&activation).unwrap();
    assert!(matches!(value.path(&["a"]), Some(Value::Int(2))));
    let Some(Value::List(items)) = value.path(&["b"]) else { panic!() };
    let texts: Vec<_> =
        items.iter().filter_map(|item| if let Value::String(s) = item { Some(&**s) } else { None }).collect();
    assert_eq!(texts, ["x", "n=2", "${no}"]);
    assert!(matches!(items[2], Value::Null));
}

#[test]
fn debug_output_shows_no_text() {
    let text =
        "on_http_request:\n  - type: ai-gateway\n    config: {headers: {authorization: sk-very-secret}}\n";
    assert!(!format!("{:?}", policy(text)).contains("sk-very-secret"));
    assert!(!format!("{:?}", source(text)).contains("sk-very-secret"));
}

#[test]
fn the_form_for_programs() {
    let found = loaded("on_http_request:\n  - type: denny\n").diagnostics.to_json();
    assert_eq!(
        found,
        json!({"diagnostics": [{
            "file": "policy.yml", "line": 2, "column": 11, "end_line": 2, "end_column": 16, "severity": "error",
            "code": "ERR_NGROK_2201", "message": "there is no action `denny`", "help": "did you mean `deny`?",
        }]})
    );
}
